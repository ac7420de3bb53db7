//! The tree as it was at a zxid, and what happened to one znode, out of snapshots and logs. Nothing is written: the
//! files may be those of a running server.
//!
//! A snapshot is exact from the zxid on at which its dump was finished (its digest says which); before that it may
//! hold parts of later transactions, and an older one is taken. Without an older one, logs that begin with a server's
//! very first transaction start from an empty tree.

mod history;

pub use history::{Change, History, Kind, Touch, Tracker, history};

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use vfs::Vfs;
use zk_proto::Zxid;
use zk_state::ZkState;

use crate::file_names::{Dirs, LogFile, SnapshotFile};
use crate::recovery::{Replay, Report};
use crate::snapshot::{self, Loaded, SnapshotError};
use crate::txn_reader::{LogReader, ReadError, TornEnd, TxnReader};

/// A running server removes files that it does not need any more: how often the files are listed anew.
const ATTEMPTS: usize = 3;

/// Which tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Behind this transaction.
    At(Zxid),
    /// Behind the last one of the log.
    Latest,
}

/// Why there is no such tree.
#[derive(Debug, Error)]
pub enum PastError {
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory that was read.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// There is neither a snapshot nor a log.
    #[error("{}: no snapshot and no transaction log in it", dir.display())]
    NoFiles {
        /// The directory of snapshots.
        dir: PathBuf,
    },
    /// All snapshots that can be read are of later times.
    #[error(
        "zxid {at} is before the oldest snapshot that can be read{}: what happened before was purged",
        oldest.as_ref().map_or_else(String::new, |path| format!(" ({})", path.display()))
    )]
    BeforeOldest {
        /// The transaction that was asked for.
        at: Zxid,
        /// The oldest snapshot.
        oldest: Option<PathBuf>,
    },
    /// The only snapshot from which the tree could be made was still being written then.
    #[error(
        "zxid {at} cannot be told exactly: {} was being written until transaction {until}; ask for {until} or later",
        snapshot.display()
    )]
    Inexact {
        /// The transaction that was asked for.
        at: Zxid,
        /// The snapshot.
        snapshot: PathBuf,
        /// From here on it is exact.
        until: Zxid,
    },
    /// The log does not reach so far.
    #[error("zxid {at} is beyond the end of the log: the last transaction is {last}{}", torn_text(torn.as_ref()))]
    BeyondLog {
        /// The transaction that was asked for.
        at: Zxid,
        /// The last one.
        last: Zxid,
        /// What stands behind it and is no whole transaction.
        torn: Option<TornEnd>,
    },
    /// Transactions are missing on the way there.
    #[error("the transactions between {after} and {before} are missing: a log file was removed")]
    Gap {
        /// The last one before the gap.
        after: Zxid,
        /// The first one behind it.
        before: Zxid,
    },
}

fn torn_text(torn: Option<&TornEnd>) -> String {
    torn.map_or_else(String::new, |torn| {
        format!(
            " (behind it, at byte {} of {}, stands one that was not written to its end)",
            torn.offset,
            torn.path.display()
        )
    })
}

/// A tree of the past.
#[derive(Debug)]
pub struct Past {
    /// The state; [`ZkState::last_zxid`] is the last transaction in it.
    pub state: ZkState,
    /// When that transaction was made, milliseconds since 1970; `None` if it came with the snapshot.
    pub time: Option<i64>,
    /// The snapshot it was made from; `None` if from an empty tree.
    pub snapshot: Option<PathBuf>,
    /// Transactions that were applied to it.
    pub replayed: u64,
    /// What stands behind the last transaction of the log and is none, if so much of it was read.
    pub torn: Option<TornEnd>,
    /// The first transaction behind which the tree's digest is not what the log says, and how many there were.
    pub digest_mismatch: Option<(Zxid, u64)>,
    /// The snapshot does not say when it was finished: changes that were made meanwhile may show too early.
    pub unsealed: bool,
}

/// The tree at a moment.
///
/// # Errors
/// [`PastError`]: files that cannot be read, or a moment that they do not tell of.
pub fn tree_at(vfs: &dyn Vfs, dirs: &Dirs, moment: Moment) -> Result<Past, PastError> {
    again_if_purged(|| Search { vfs, dirs, moment }.run())
}

/// A file that has vanished since it was listed was purged: the files that are left are listed anew.
fn again_if_purged<R>(mut attempt: impl FnMut() -> Result<R, PastError>) -> Result<R, PastError> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(PastError::Io { source, .. } | PastError::Log(ReadError::Io(source)))
                if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    attempt()
}

struct Search<'a> {
    vfs: &'a dyn Vfs,
    dirs: &'a Dirs,
    moment: Moment,
}

impl Search<'_> {
    fn run(&self) -> Result<Past, PastError> {
        let (snapshots, logs) = list(self.vfs, self.dirs)?;
        let at = match self.moment {
            Moment::At(zxid) => zxid,
            Moment::Latest => Zxid(i64::MAX),
        };
        let mut inexact = None;
        for file in snapshots.iter().filter(|file| file.zxid <= at) {
            let loaded = match snapshot::load(self.vfs, file) {
                Ok(loaded) => loaded,
                Err(SnapshotError::Io(source)) if vfs::raw_os_error(&source).is_some() => {
                    return Err(PastError::Io { path: file.path.clone(), source });
                }
                Err(_) => continue,
            };
            let Some(digest) = loaded.digest.filter(|digest| digest.zxid > at) else {
                return self.replay(loaded, Some(file), &logs);
            };
            inexact.get_or_insert(PastError::Inexact { at, snapshot: file.path.clone(), until: digest.zxid });
        }
        if self.begins_with_nothing(&logs)? {
            return self.replay(Loaded { state: ZkState::new(), digest: None }, None, &logs);
        }
        let oldest = snapshots.last().map(|file| file.path.clone());
        Err(inexact.unwrap_or(PastError::BeforeOldest { at, oldest }))
    }

    /// Is the first transaction of the first log one that nothing comes before?
    fn begins_with_nothing(&self, logs: &[LogFile]) -> Result<bool, PastError> {
        let Some(first) = logs.first() else { return Ok(false) };
        let entry = LogReader::open(self.vfs, &first.path)?.next()?;
        let is_first = |zxid: Zxid| matches!(zxid.0, 1 | 0x1_0000_0001);
        Ok(entry.is_some_and(|entry| is_first(entry.logged.header.zxid)))
    }

    fn replay(&self, loaded: Loaded, from: Option<&SnapshotFile>, logs: &[LogFile]) -> Result<Past, PastError> {
        let Loaded { mut state, digest } = loaded;
        let unsealed = from.is_some_and(|file| file.zxid.0 > 0) && digest.is_none();
        let mut report = Report::default();
        let mut reader = TxnReader::new(self.vfs, logs, state.last_zxid().next());
        let mut time = None;
        let mut beyond = false;
        let mut replay = Replay { state: &mut state, report: &mut report, digest };
        while let Some(entry) = reader.next()? {
            let header = entry.logged.header;
            let last = replay.state.last_zxid();
            let is_gap = header.zxid > last.next() && header.zxid.epoch() == last.epoch();
            if let Moment::At(at) = self.moment
                && header.zxid > at
                && (!is_gap || at == last)
            {
                beyond = true;
                break;
            }
            if is_gap {
                return Err(PastError::Gap { after: last, before: header.zxid });
            }
            replay.apply(&entry);
            time = Some(header.time);
        }
        let torn = reader.torn_end().filter(|_| !beyond).cloned();
        match self.moment {
            Moment::At(at) if !beyond && at > state.last_zxid() => {
                Err(PastError::BeyondLog { at, last: state.last_zxid(), torn })
            }
            _ => Ok(Past {
                state,
                time,
                snapshot: from.map(|file| file.path.clone()),
                replayed: report.replayed,
                torn,
                digest_mismatch: report.digest_mismatch,
                unsealed,
            }),
        }
    }
}

/// Snapshots, newest first, and logs, oldest first; at least one file.
fn list(vfs: &dyn Vfs, dirs: &Dirs) -> Result<(Vec<SnapshotFile>, Vec<LogFile>), PastError> {
    let snapshots =
        dirs.snapshots(vfs).map_err(|source| PastError::Io { path: dirs.snapshots_dir().to_path_buf(), source })?;
    let logs = dirs.logs(vfs).map_err(|source| PastError::Io { path: dirs.logs_dir().to_path_buf(), source })?;
    if snapshots.is_empty() && logs.is_empty() {
        return Err(PastError::NoFiles { dir: dirs.snapshots_dir().to_path_buf() });
    }
    Ok((snapshots, logs))
}

#[cfg(test)]
mod tests;
