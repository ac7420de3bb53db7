//! What is known of the process and the machine: for `envi`, `mntr` and the pid file.
//!
//! The kernel's files below `/proc` have no length and are no files of ours, so they are read here and not through
//! `vfs`.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};

/// The Apache version whose protocol and formats are spoken, with our own version in place of a commit.
pub(crate) const VERSION: &str = concat!("3.8.4-rs", env!("CARGO_PKG_VERSION"), ", built on 2024-02-12 22:16 UTC");

/// Name and value of each line of `envi`. What only a Java process has is `<NA>`, as Java prints what it has not.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| "<NA>".into());
    let memory = |field| format!("{}MB", memory_kib(field).unwrap_or(0) / 1024);
    let missing = || "<NA>".to_owned();
    vec![
        ("zookeeper.version", VERSION.to_owned()),
        ("host.name", text(system.nodename())),
        ("java.version", missing()),
        ("java.vendor", missing()),
        ("java.home", missing()),
        ("java.class.path", missing()),
        ("java.library.path", missing()),
        ("java.io.tmpdir", std::env::temp_dir().display().to_string()),
        ("java.compiler", missing()),
        ("os.name", text(system.sysname())),
        ("os.arch", text(system.machine())),
        ("os.version", text(system.release())),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        ("user.dir", std::env::current_dir().map_or_else(|_| missing(), |dir| dir.display().to_string())),
        ("os.memory.free", memory("MemAvailable:")),
        ("os.memory.max", memory("MemTotal:")),
        ("os.memory.total", memory("MemTotal:")),
    ]
}

/// Open descriptors of this process.
pub(crate) fn open_files() -> Option<u64> {
    let dir = openat(CWD, "/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let names = Dir::read_from(dir).ok()?.filter_map(Result::ok);
    // `.`, `..` and the descriptor of this look.
    Some(names.count().saturating_sub(3) as u64)
}

/// How many descriptors this process may open.
pub(crate) fn open_files_max() -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// When this process was started, in ticks since the machine was.
pub(crate) fn start_ticks() -> Option<u64> {
    let stat = read("/proc/self/stat")?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19)?.parse().ok()
}

fn memory_kib(field: &str) -> Option<u64> {
    let memory = read("/proc/meminfo")?;
    let line = memory.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    let file: OwnedFd = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(&file, &mut buffer).ok()? {
            0 => return Some(String::from_utf8_lossy(&text).into_owned()),
            more => text.extend_from_slice(&buffer[..more]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        assert!(open_files().unwrap() > 0);
        assert!(open_files_max().unwrap() >= open_files().unwrap());
        assert!(start_ticks().unwrap() > 0);
        assert!(memory_kib("MemTotal:").unwrap() > 0);
        assert!(environment().iter().any(|(name, value)| *name == "os.name" && value == "Linux"));
    }
}
