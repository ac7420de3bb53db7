//! What is known of the process and the machine: for `envi`, `mntr` and the pid file.
//!
//! The kernel's files below `/proc` have no length and are no files of ours, so they are read here and not through
//! `vfs`.

use std::os::fd::OwnedFd;

use crate::config::is_property;
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
        ("user.name", user()),
        ("user.home", variable("HOME")),
        ("user.dir", std::env::current_dir().map_or_else(|_| missing(), |dir| dir.display().to_string())),
        ("os.memory.free", memory("MemAvailable:")),
        ("os.memory.max", memory("MemTotal:")),
        ("os.memory.total", memory("MemTotal:")),
    ]
}

/// What a Java process calls its system properties: of Java's own those that are true here, and the server's settings.
pub(crate) fn system_properties(settings: &[(String, String)]) -> Vec<(String, String)> {
    let own = environment().into_iter().filter(|(name, value)| {
        let of_java = name.starts_with("os.") && !name.starts_with("os.memory") || name.starts_with("user.");
        (of_java || *name == "java.io.tmpdir") && value != "<NA>"
    });
    let fixed =
        [("file.encoding", "UTF-8"), ("file.separator", "/"), ("line.separator", "\n"), ("path.separator", ":")];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let settings = settings.iter().filter(|(name, _)| is_property(name)).cloned();
    let mut all: Vec<(String, String)> = own.chain(fixed).chain(settings).collect();
    all.sort();
    all
}

/// Figures of this process under the names that every Prometheus client has for them.
pub(crate) fn process() -> Vec<(&'static str, f64)> {
    let Some(stat) = read("/proc/self/stat") else { return Vec::new() };
    let Some((_, fields)) = stat.rsplit_once(") ") else { return Vec::new() };
    let fields: Vec<f64> = fields.split(' ').map(|field| field.trim().parse().unwrap_or(0.0)).collect();
    // Numbered as in proc(5), where the first field behind the name is the third.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let booted = read("/proc/stat").and_then(|stat| {
        stat.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|time| time.trim().parse::<f64>().ok())
    });
    vec![
        ("process_cpu_seconds_total", (field(14) + field(15)) / ticks),
        ("process_start_time_seconds", booted.unwrap_or(0.0) + field(22) / ticks),
        ("process_open_fds", open_files().unwrap_or(0) as f64),
        ("process_max_fds", open_files_max().unwrap_or(0) as f64),
        ("process_virtual_memory_bytes", field(23)),
        ("process_resident_memory_bytes", field(24) * rustix::param::page_size() as f64),
    ]
}

/// The user as whom this process runs.
pub(crate) fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "<NA>".into())
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
