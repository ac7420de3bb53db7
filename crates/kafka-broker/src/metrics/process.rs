//! Figures of the process, under the names that Prometheus' own clients use.

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};

use super::text::{Kind, Text};

/// Processor time, memory, descriptors; nothing where there is no `/proc`.
pub(super) fn figures(text: &mut Text) {
    let Some(stat) = stat() else { return };
    let Some((_, fields)) = stat.rsplit_once(") ") else { return };
    let fields: Vec<f64> = fields.split(' ').map(|field| field.trim().parse().unwrap_or(0.0)).collect();
    // Numbered as in proc(5), where the first field behind the name is the third.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as f64;
    let cpu = (field(14) + field(15)) / ticks;
    text.single("process_cpu_seconds_total", Kind::Counter, "Processor time of the process, in seconds.", cpu);
    let memory = field(24) * page;
    text.single("process_resident_memory_bytes", Kind::Gauge, "Memory that the process holds.", memory);
    if let Some(files) = open_files() {
        text.single("process_open_fds", Kind::Gauge, "Open descriptors.", files);
    }
}

fn stat() -> Option<String> {
    let file = openat(CWD, "/proc/self/stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // It is one line of some fifty numbers.
    let mut text = [0; 2048];
    let len = rustix::io::read(&file, &mut text).ok()?;
    Some(String::from_utf8_lossy(&text[..len]).into_owned())
}

fn open_files() -> Option<usize> {
    let dir = openat(CWD, "/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let names = Dir::read_from(dir).ok()?.filter_map(Result::ok);
    // `.`, `..` and the descriptor of this look.
    Some(names.count().saturating_sub(3))
}
