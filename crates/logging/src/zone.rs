//! The machine's time zone, read once.
//!
//! `jiff` could find it itself, by walking all of /usr/share/zoneinfo, which takes longer than a tool has; one file
//! is enough.

use std::env;
use std::path::Path;
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use vfs::{OsVfs, Vfs};

const ZONES: &str = "/usr/share/zoneinfo";
const LOCAL: &str = "/etc/localtime";

/// The local time zone: the one that the variable `TZ` names (`Europe/Berlin`, or a rule such as `CET-1CEST`),
/// else that of the machine, else UTC.
pub fn local_zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| find(&OsVfs, env::var("TZ").ok().as_deref()).unwrap_or(TimeZone::UTC))
}

fn find(vfs: &dyn Vfs, variable: Option<&str>) -> Option<TimeZone> {
    match variable.map(|text| text.trim_start_matches(':')).filter(|text| !text.is_empty()) {
        None => zone_in(vfs, "Local", Path::new(LOCAL)),
        Some(path) if path.starts_with('/') => zone_in(vfs, path, Path::new(path)),
        Some(name) if name.split('/').any(|part| part == "..") => None,
        Some(name) => zone_in(vfs, name, &Path::new(ZONES).join(name)).or_else(|| TimeZone::posix(name).ok()),
    }
}

fn zone_in(vfs: &dyn Vfs, name: &str, path: &Path) -> Option<TimeZone> {
    TimeZone::tzif(name, &vfs.read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use vfs::{MemoryVfs, OpenMode};

    /// A TZif version 1 file with one type: always two hours east of Greenwich.
    fn two_hours_east() -> Vec<u8> {
        let mut bytes = b"TZif".to_vec();
        bytes.extend([0; 16]);
        for count in [0u32, 0, 0, 0, 1, 4] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend(7200i32.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(b"EET\0");
        bytes
    }

    fn machine() -> MemoryVfs {
        let vfs = MemoryVfs::with_dirs(["/etc", "/usr/share/zoneinfo/Europe"]);
        for path in [LOCAL, "/usr/share/zoneinfo/Europe/Kyiv"] {
            vfs.open(Path::new(path), OpenMode::Create).unwrap().write_at(&two_hours_east(), 0).unwrap();
        }
        vfs
    }

    fn hour(zone: &TimeZone) -> i8 {
        zone.to_datetime(Timestamp::UNIX_EPOCH).hour()
    }

    #[test]
    fn the_machine_or_the_variable_says_it() {
        let vfs = machine();
        assert_eq!(find(&vfs, None).as_ref().map(hour), Some(2));
        assert_eq!(find(&vfs, Some("")).as_ref().map(hour), Some(2));
        assert_eq!(find(&vfs, Some(":Europe/Kyiv")).as_ref().map(hour), Some(2));
        assert_eq!(find(&vfs, Some("XYZ-5")).as_ref().map(hour), Some(5));
    }

    #[test]
    fn nonsense_is_no_zone() {
        assert_eq!(find(&machine(), Some("../../etc/passwd")), None);
        assert_eq!(find(&machine(), Some("Nowhere/At all")), None);
        assert_eq!(find(&MemoryVfs::new(), None), None);
    }
}
