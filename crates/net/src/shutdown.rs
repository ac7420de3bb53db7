//! How a server ends: everybody is told, everybody finishes, nobody is waited for for ever.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use vfs::{OpenMode, OsVfs, Vfs as _};

const STATUS_MAX: usize = 16 * 1024;

/// The end of a server, or of a part of it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
    flag: Arc<Flag>,
}

/// What the token says, without its lock: for those who ask often.
#[derive(Debug, Default)]
struct Flag {
    begun: AtomicBool,
    of_whole: Option<Arc<Flag>>,
}

impl Flag {
    fn is_set(&self) -> bool {
        self.begun.load(Ordering::Acquire) || self.of_whole.as_ref().is_some_and(|whole| whole.is_set())
    }
}

impl Shutdown {
    /// Nothing has ended yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// A part that can end alone and ends with the whole. Its tasks are waited for by itself only.
    pub fn child(&self) -> Shutdown {
        let flag = Flag { begun: AtomicBool::new(false), of_whole: Some(Arc::clone(&self.flag)) };
        Shutdown { token: self.token.child_token(), tasks: TaskTracker::new(), flag: Arc::new(flag) }
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
        // First: who is woken by the token has to find it.
        self.flag.begun.store(true, Ordering::Release);
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

    /// For a task that looks at other things most of the time.
    pub fn watch(&self) -> ShutdownWatch {
        let begun = Box::pin(self.token.clone().cancelled_owned());
        ShutdownWatch { flag: Arc::clone(&self.flag), begun, is_listening: false }
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

/// One task's look at a [`Shutdown`], for as long as the task runs. It listens once; after that a look that finds nothing
/// costs a read of a flag, where [`Shutdown::begun`] takes the locks that all tasks of the server share.
#[derive(Debug)]
pub struct ShutdownWatch {
    flag: Arc<Flag>,
    begun: Pin<Box<WaitForCancellationFutureOwned>>,
    is_listening: bool,
}

impl ShutdownWatch {
    /// Has it begun? If not, the task is woken when it does. All calls have to come from one task.
    pub fn poll_begun(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if self.flag.is_set() {
            return Poll::Ready(());
        }
        if self.is_listening {
            // The flag is set before anybody is woken, so no wake is without it.
            return Poll::Pending;
        }
        self.is_listening = true;
        self.begun.as_mut().poll(task)
    }

    /// Has it begun?
    pub fn has_begun(&self) -> bool {
        self.flag.is_set()
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
    fn a_watch_is_woken_once_it_has_looked() {
        run(async {
            for part in [false, true] {
                let whole = Shutdown::new();
                let watched = if part { whole.child() } else { whole.clone() };
                let mut watch = watched.watch();
                let watching = tokio::spawn(async move {
                    let mut looks = 0;
                    let look = |task: &mut Context<'_>| {
                        looks += 1;
                        watch.poll_begun(task)
                    };
                    std::future::poll_fn(look).await;
                    looks
                });
                tokio::task::yield_now().await;
                assert!(!watching.is_finished() && !watched.watch().has_begun());
                whole.begin();
                let looks = tokio::time::timeout(Duration::from_secs(10), watching).await.expect("it is woken");
                assert_eq!(looks.unwrap(), 2);
                assert!(watched.watch().has_begun());
            }
        });
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
