//! Where the files are and what their names say.
//!
//! `dataDir/version-2/snapshot.<zxid>[.gz|.snappy]` and `dataLogDir/version-2/log.<zxid>`, the zxid in hexadecimal: of
//! a snapshot the last transaction that is surely in it, of a log the first one in it.

use std::io;
use std::path::{Path, PathBuf};

use vfs::{Vfs, durable};
use zk_proto::Zxid;

/// Directory below both data directories; the number is that of the formats.
pub const VERSION_DIR: &str = "version-2";
/// Names that begin so are unfinished and belong to nobody: what a crash left of them is removed. A name that begins
/// with `snapshot.` would be taken for a snapshot by Apache whatever follows.
pub const UNFINISHED_PREFIX: &str = ".unfinished-";

/// What a file is called until it may bear this name.
pub(crate) fn unfinished_name(name: &str) -> String {
    format!("{UNFINISHED_PREFIX}{name}")
}

/// How a snapshot is packed, and what its name ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// `.gz`
    Gzip,
    /// `.snappy`, in the stream format of snappy-java.
    Snappy,
}

impl Compression {
    /// The end of the file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Snappy => ".snappy",
        }
    }

    /// Reads the setting `snapshot.compression.method`: empty, `gz` or `snappy`.
    pub fn from_setting(text: &str) -> Option<Compression> {
        match text {
            "" => Some(Compression::None),
            "gz" => Some(Compression::Gzip),
            "snappy" => Some(Compression::Snappy),
            _ => None,
        }
    }
}

/// A transaction log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its first transaction.
    pub first: Zxid,
    /// Where it is.
    pub path: PathBuf,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Every transaction up to this one is in it; later ones may be.
    pub zxid: Zxid,
    /// How it is packed.
    pub compression: Compression,
    /// Where it is.
    pub path: PathBuf,
}

/// The name of the log that begins with `first`.
pub fn log_name(first: Zxid) -> String {
    format!("log.{:x}", first.0)
}

/// The name of the snapshot at `zxid`.
pub fn snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("snapshot.{:x}{}", zxid.0, compression.suffix())
}

fn log_zxid(name: &str) -> Option<Zxid> {
    parse_zxid(name.strip_prefix("log.")?)
}

fn snapshot_zxid(name: &str) -> Option<(Zxid, Compression)> {
    let rest = name.strip_prefix("snapshot.")?;
    [Compression::Gzip, Compression::Snappy]
        .into_iter()
        .find_map(|compression| Some((parse_zxid(rest.strip_suffix(compression.suffix())?)?, compression)))
        .or_else(|| Some((parse_zxid(rest)?, Compression::None)))
}

fn parse_zxid(digits: &str) -> Option<Zxid> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (plain && !digits.is_empty()).then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(|n| Zxid(n as i64))
}

/// Both directories of a server, with [`VERSION_DIR`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    snapshots: PathBuf,
    logs: PathBuf,
}

impl Dirs {
    /// From the settings `dataDir` and `dataLogDir` (the same if that is not set).
    pub fn new(data_dir: &Path, data_log_dir: Option<&Path>) -> Dirs {
        let logs = data_log_dir.unwrap_or(data_dir).join(VERSION_DIR);
        Dirs { snapshots: data_dir.join(VERSION_DIR), logs }
    }

    /// Where snapshots are.
    pub fn snapshots_dir(&self) -> &Path {
        &self.snapshots
    }

    /// Where logs are.
    pub fn logs_dir(&self) -> &Path {
        &self.logs
    }

    /// Makes both, durably.
    pub fn create(&self, vfs: &dyn Vfs) -> io::Result<()> {
        durable::create_dir_all(vfs, &self.snapshots)?;
        durable::create_dir_all(vfs, &self.logs)
    }

    /// All logs, oldest first.
    pub fn logs(&self, vfs: &dyn Vfs) -> io::Result<Vec<LogFile>> {
        let mut found: Vec<LogFile> = names(vfs, &self.logs)?
            .iter()
            .filter_map(|name| Some(LogFile { first: log_zxid(name)?, path: self.logs.join(name) }))
            .collect();
        found.sort_by_key(|log| log.first);
        Ok(found)
    }

    /// All snapshots, newest first, valid or not.
    pub fn snapshots(&self, vfs: &dyn Vfs) -> io::Result<Vec<SnapshotFile>> {
        let mut found: Vec<SnapshotFile> = names(vfs, &self.snapshots)?
            .iter()
            .filter_map(|name| {
                let (zxid, compression) = snapshot_zxid(name)?;
                Some(SnapshotFile { zxid, compression, path: self.snapshots.join(name) })
            })
            .collect();
        found.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.zxid));
        Ok(found)
    }

    /// A file that is in the wrong one of two different directories: most likely the settings were swapped or one
    /// was forgotten, and starting would make an empty server.
    pub fn misplaced(&self, vfs: &dyn Vfs) -> io::Result<Option<PathBuf>> {
        if self.snapshots == self.logs {
            return Ok(None);
        }
        let in_logs = names(vfs, &self.logs)?.into_iter().find(|name| snapshot_zxid(name).is_some());
        let in_snapshots = names(vfs, &self.snapshots)?.into_iter().find(|name| log_zxid(name).is_some());
        Ok(in_logs.map(|name| self.logs.join(name)).or(in_snapshots.map(|name| self.snapshots.join(name))))
    }

    /// Removes what a crash left of unfinished snapshots, and of logs without a transaction.
    pub fn remove_unfinished(&self, vfs: &dyn Vfs) -> io::Result<()> {
        for dir in [&self.snapshots, &self.logs] {
            for name in names(vfs, dir)?.iter().filter(|name| name.starts_with(UNFINISHED_PREFIX)) {
                vfs.remove_file(&dir.join(name))?;
            }
        }
        Ok(())
    }
}

/// Names of files; none if the directory is not there yet.
fn names(vfs: &dyn Vfs, dir: &Path) -> io::Result<Vec<String>> {
    match vfs.read_dir(dir) {
        Ok(entries) => Ok(entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::{MemoryVfs, OpenMode};

    fn dirs_with(names: &[&str]) -> (MemoryVfs, Dirs) {
        let vfs = MemoryVfs::new();
        let dirs = Dirs::new(Path::new("/data"), Some(Path::new("/logs")));
        dirs.create(&vfs).unwrap();
        for name in names {
            vfs.open(Path::new(name), OpenMode::CreateNew).unwrap();
        }
        (vfs, dirs)
    }

    #[test]
    fn names_are_those_of_apache() {
        assert_eq!(log_name(Zxid(0x1_0000_0001)), "log.100000001");
        assert_eq!(snapshot_name(Zxid(0), Compression::None), "snapshot.0");
        assert_eq!(snapshot_name(Zxid(0xa2), Compression::Snappy), "snapshot.a2.snappy");
        assert_eq!(snapshot_zxid("snapshot.a2.gz"), Some((Zxid(0xa2), Compression::Gzip)));
        assert_eq!(log_zxid("log.ffffffffffffffff"), Some(Zxid(-1)));
        for other in ["log.", "log.+1", "log.1.bak", "log.xyz", "log.10000000000000000", "log", "slog.1"] {
            assert_eq!(log_zxid(other), None, "{other}");
        }
        assert_eq!(snapshot_zxid("snapshot.1.tmp"), None);
    }

    #[test]
    fn lists_are_sorted_by_number() {
        let v = VERSION_DIR;
        let names = [format!("/logs/{v}/log.10"), format!("/logs/{v}/log.9"), format!("/data/{v}/snapshot.8")];
        let more = [format!("/data/{v}/snapshot.f.gz"), format!("/data/{v}/acceptedEpoch")];
        let (vfs, dirs) = dirs_with(&names.iter().chain(&more).map(String::as_str).collect::<Vec<_>>());
        let logs: Vec<i64> = dirs.logs(&vfs).unwrap().iter().map(|log| log.first.0).collect();
        assert_eq!(logs, [9, 16]);
        let snapshots: Vec<i64> = dirs.snapshots(&vfs).unwrap().iter().map(|snapshot| snapshot.zxid.0).collect();
        assert_eq!(snapshots, [15, 8]);
        assert_eq!(dirs.misplaced(&vfs).unwrap(), None);
    }

    #[test]
    fn misplaced_files_are_found() {
        let (vfs, dirs) = dirs_with(&["/logs/version-2/snapshot.1"]);
        assert_eq!(dirs.misplaced(&vfs).unwrap(), Some(PathBuf::from("/logs/version-2/snapshot.1")));
        let (vfs, dirs) = dirs_with(&["/data/version-2/log.1"]);
        assert_eq!(dirs.misplaced(&vfs).unwrap(), Some(PathBuf::from("/data/version-2/log.1")));
        assert_eq!(Dirs::new(Path::new("/data"), None).misplaced(&vfs).unwrap(), None);
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let dirs = Dirs::new(Path::new("/nowhere"), None);
        assert!(dirs.logs(&MemoryVfs::new()).unwrap().is_empty());
        assert!(dirs.snapshots(&MemoryVfs::new()).unwrap().is_empty());
    }
}
