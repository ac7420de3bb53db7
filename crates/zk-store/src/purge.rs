//! Removing what recovery will not need: keeps the newest snapshots and every log that goes on from the oldest of them.

use std::io;
use std::path::PathBuf;

use vfs::Vfs;

use crate::file_names::Dirs;
use crate::snapshot;

/// The least number of snapshots that may be kept (`autopurge.snapRetainCount`).
pub const RETAIN_MIN: usize = 3;

/// Removes older snapshots and logs; what was removed. Keeps at least [`RETAIN_MIN`] snapshots that look whole; those
/// that do not, and are not older, stay and are not counted.
pub fn purge(vfs: &dyn Vfs, dirs: &Dirs, retain: usize) -> io::Result<Vec<PathBuf>> {
    let removed = obsolete(vfs, dirs, retain)?;
    removed.iter().try_for_each(|path| vfs.remove_file(path))?;
    Ok(removed)
}

/// What [`purge`] would remove, in this order.
pub fn obsolete(vfs: &dyn Vfs, dirs: &Dirs, retain: usize) -> io::Result<Vec<PathBuf>> {
    let snapshots = dirs.snapshots(vfs)?;
    let mut kept = 0;
    let mut oldest = None;
    for file in &snapshots {
        if kept < retain.max(RETAIN_MIN) && snapshot::looks_valid(vfs, file)? {
            kept += 1;
            oldest = Some(file.zxid);
        }
    }
    let Some(oldest) = oldest else { return Ok(Vec::new()) };
    let logs = dirs.logs(vfs)?;
    // The log that begins at or before the snapshot holds what comes behind it.
    let first_needed = logs.iter().rposition(|log| log.first <= oldest).unwrap_or(0);
    let old_snapshots = snapshots.into_iter().filter(|file| file.zxid < oldest).map(|file| file.path);
    let old_logs = logs.into_iter().take(first_needed).map(|log| log.path);
    Ok(old_snapshots.chain(old_logs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;
    use vfs::{MemoryVfs, OpenMode};

    fn with_files(dirs: &Dirs, snapshots: &[(&str, bool)], logs: &[&str]) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        dirs.create(&vfs).unwrap();
        for (name, valid) in snapshots {
            let file = vfs.open(&dirs.snapshots_dir().join(name), OpenMode::Create).unwrap();
            file.write_at(if *valid { b"ZKSN..\0\0\0\x01/" } else { b"ZKSN..\0\0\0\0\0" }, 0).unwrap();
        }
        for name in logs {
            vfs.open(&dirs.logs_dir().join(name), OpenMode::Create).unwrap();
        }
        vfs
    }

    fn names(vfs: &MemoryVfs, dir: &Path) -> Vec<String> {
        vfs.read_dir(dir).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn the_newest_whole_ones_stay_with_their_logs() {
        let dirs = Dirs::new(Path::new("/s"), Some(Path::new("/l")));
        let snapshots = [
            ("snapshot.5", true),
            ("snapshot.10", true),
            ("snapshot.20", true),
            ("snapshot.30", false),
            ("snapshot.40", true),
        ];
        let vfs = with_files(&dirs, &snapshots, &["log.1", "log.6", "log.f", "log.11", "log.31"]);
        let removed = purge(&vfs, &dirs, 1).unwrap();
        assert_eq!(removed.len(), 3);
        let left = names(&vfs, dirs.snapshots_dir());
        assert_eq!(left, ["snapshot.10", "snapshot.20", "snapshot.30", "snapshot.40"]);
        // log.f holds transactions f, 10 and perhaps more.
        assert_eq!(names(&vfs, dirs.logs_dir()), ["log.11", "log.31", "log.f"]);
        assert!(purge(&vfs, &dirs, 3).unwrap().is_empty());
    }

    #[test]
    fn without_a_whole_snapshot_nothing_goes() {
        let dirs = Dirs::new(Path::new("/s"), None);
        let vfs = with_files(&dirs, &[("snapshot.5", false)], &["log.1", "log.6"]);
        assert!(purge(&vfs, &dirs, 3).unwrap().is_empty());
        assert_eq!(names(&vfs, dirs.logs_dir()).len(), 3);
    }

    #[test]
    fn a_failing_disk_is_told() {
        let dirs = Dirs::new(Path::new("/s"), None);
        let all: Vec<(String, bool)> = (0..5).map(|n| (format!("snapshot.{n}"), true)).collect();
        let all: Vec<(&str, bool)> = all.iter().map(|(name, valid)| (name.as_str(), *valid)).collect();
        let vfs = vfs::FaultVfs::new(Arc::new(with_files(&dirs, &all, &[])));
        vfs.fail(vfs::On::Only(vfs::Call::Remove), 1, vfs::Fault::Io);
        purge(&vfs, &dirs, 3).unwrap_err();
        assert_eq!(purge(&vfs, &dirs, 3).unwrap().len(), 1);
    }
}
