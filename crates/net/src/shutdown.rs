//! How a server ends: everybody is told, everybody finishes, nobody is waited for for ever.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vfs::{OpenMode, OsVfs, Vfs as _};

const STATUS_MAX: usize = 16 * 1024;

/// The end of a server, or of a part of it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// Nothing has ended yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// A part that can end alone and ends with the whole. Its tasks are waited for by itself only.
    pub fn child(&self) -> Shutdown {
        Shutdown { token: self.token.child_token(), tasks: TaskTracker::new() }
    }

    /// For tasks that `select!` on it.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Starts a task that [`Shutdown::drain`] waits for.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// As [`Shutdown::spawn`], on a `LocalSet` or a local runtime.
    pub fn spawn_local<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.tasks.spawn_local(task)
    }

    /// Tells everybody to end. Returns at once.
    pub fn begin(&self) {
        self.token.cancel();
        self.tasks.close();
    }

    /// Has it begun?
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Tasks that have not ended.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Begins the end and waits for all tasks, at most `limit`. `false` if some still run.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.begin();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}

/// The signals that ask a program to end. Made before anything else starts, so that none is lost.
///
/// A signal that was ignored when the program began stays so, as with Java: `nohup` works, and so does a job that a
/// script put into the background.
#[derive(Debug)]
pub struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    /// Catches SIGTERM, SIGINT and SIGHUP from now on. A runtime must be running.
    pub fn catch() -> io::Result<Signals> {
        // Without /proc nothing counts as ignored.
        let ignored = own_status().map_or(0, |status| ignored(&status));
        let catch = |kind: SignalKind| -> io::Result<Option<Signal>> {
            let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
            if is_ignored { Ok(None) } else { signal(kind).map(Some) }
        };
        Ok(Signals {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            () = next(&mut self.terminate) => "SIGTERM",
            () = next(&mut self.interrupt) => "SIGINT",
            () = next(&mut self.hangup) => "SIGHUP",
        }
    }
}

/// The exit code that a shell gives to a program that the named signal ended.
pub fn exit_code(signal: &str) -> u8 {
    match signal {
        "SIGHUP" => 129,
        "SIGINT" => 130,
        _ => 143,
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// `/proc/self/status`. Such a file has no length: it is read in one go, for which there is room enough.
fn own_status() -> io::Result<String> {
    let file = OsVfs.open(Path::new("/proc/self/status"), OpenMode::Read)?;
    let mut bytes = vec![0; STATUS_MAX];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// The set of ignored signals in a `/proc/PID/status`, signal N as bit N-1; empty where there is none.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn ignored_signals_are_read_from_the_kernels_words() {
        assert_eq!(ignored("Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored("Name:\tx\n"), 0);
        assert!(own_status().unwrap().contains("SigIgn:"));
        assert_eq!([exit_code("SIGHUP"), exit_code("SIGINT"), exit_code("SIGTERM")], [129, 130, 143]);
    }

    #[test]
    fn tasks_are_told_and_waited_for() {
        run(async {
            let shutdown = Shutdown::new();
            let inner = shutdown.clone();
            let task = shutdown.spawn(async move {
                inner.begun().await;
                tokio::task::yield_now().await;
                "finished"
            });
            assert_eq!(shutdown.running(), 1);
            assert!(shutdown.drain(Duration::from_secs(10)).await);
            assert!(shutdown.has_begun());
            assert_eq!(task.await.unwrap(), "finished");
        });
    }

    #[test]
    fn a_task_that_does_not_listen_is_not_waited_for_for_ever() {
        run(async {
            let shutdown = Shutdown::new();
            shutdown.spawn(std::future::pending::<()>());
            assert!(!shutdown.drain(Duration::from_millis(5)).await);
            assert_eq!(shutdown.running(), 1);
        });
    }

    #[test]
    fn a_part_ends_with_the_whole_and_not_the_other_way_round() {
        let whole = Shutdown::new();
        let (one, two) = (whole.child(), whole.child());
        one.begin();
        assert!(one.has_begun() && !whole.has_begun() && !two.has_begun());
        whole.begin();
        assert!(two.has_begun());
    }

    #[test]
    fn signals_are_caught() {
        run(async {
            let mut signals = Signals::catch().unwrap();
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
            assert_eq!(signals.next().await, "SIGTERM");
        });
    }
}
