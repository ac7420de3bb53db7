//! What the kernel says about a process: processor time and memory.

use std::fs;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Whose processor time is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Worker {
    /// All threads of a process.
    Process(u32),
    /// One thread of this process.
    Thread(u32),
}

impl Worker {
    /// Processor time used so far, in seconds.
    pub(crate) fn cpu_seconds(self) -> f64 {
        match self {
            Worker::Process(pid) => cpu_seconds(pid),
            Worker::Thread(id) => {
                let stat = fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).expect("the thread runs");
                let spent = stat.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok());
                spent.expect("nanoseconds on a processor") as f64 / 1e9
            }
        }
    }
}

/// Processor time that a process has used so far, all its threads together and those that have ended, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let pid = Pid::from_raw(pid.try_into().expect("a process id"));
    let time = clock_getcpuclockid(pid).and_then(clock_gettime).expect("the process runs");
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

/// Resident memory of a process in MB.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a running process has memory");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB");
    kib * 1024.0 / 1e6
}

/// How many descriptors a process has open.
pub(crate) fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count()
}

/// Processor time of the calling thread in seconds.
pub(crate) fn thread_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
