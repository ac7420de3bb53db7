//! A program that runs in the background, its output in a file, killed when dropped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A running program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Running {
    /// Starts `command` in a process group of its own, with output and errors appended to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command, log: &Path) -> Running {
        let output = File::options().create(true).append(true).open(log).expect("the log can be written");
        let errors = output.try_clone().expect("a descriptor is free");
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        Running { child, log: log.to_owned(), started }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long ago it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Its memory that is in use, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The most memory that it has ever used at one time, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with(what)).expect("a running process has memory");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        self.count_of("fd")
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.count_of("task")
    }

    fn count_of(&self, what: &str) -> usize {
        fs::read_dir(format!("/proc/{}/{what}", self.id())).expect("the process runs").count()
    }

    /// Processor time that it has used, in ms.
    pub fn cpu_ms(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the process runs");
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 1..].split_whitespace().collect();
        (fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")) * 10
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Has it ended, and how?
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// Waits until `ready` says so.
    ///
    /// # Panics
    /// When it ends before, or is not ready in time; with what it printed.
    pub fn wait_ready(&mut self, what: &str, at_most: Duration, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + at_most;
        while !ready() {
            if let Some(status) = self.ended() {
                panic!("{what} ended ({status}) before it was ready:\n{}", self.output());
            }
            assert!(Instant::now() < deadline, "{what} is not ready after {at_most:?}:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a child has an id");
        let _ = kill_process(pid, signal);
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When it does not end in time; with what it printed.
    pub fn stop(&mut self, at_most: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(at_most)
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not end in time; with what it printed.
    pub fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end within {at_most:?}:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks every 10 ms until `condition` holds; says whether it did in time.
pub fn wait_until(at_most: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + at_most;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
