//! From files to the state: the newest snapshot that is whole, then every later transaction in the logs.
//!
//! What is refused, because starting would lose acknowledged transactions without a word: a damaged record that is
//! not the end of the log, logs without a snapshot, and logs that do not reach as far as a snapshot that cannot be
//! read. What is mended: a torn end is cut off, and unfinished files are removed.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use vfs::{OpenMode, Vfs, durable};
use zk_proto::Zxid;
use zk_proto::txn::DIGEST_VERSION;
use zk_state::{DigestHistory, ZkState};

use crate::file_names::{Dirs, LogFile, SnapshotFile};
use crate::snapshot::{self, Loaded, SnapshotDigest, SnapshotError};
use crate::txn_reader::{Entry, ReadError, Tail, TornEnd, TxnReader};

/// Snapshots that are tried, newest first, as in Apache.
const TRIED_MAX: usize = 100;

/// Settings of recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveryOptions {
    /// Start from nothing when there are logs and no snapshot (`snapshot.trust.empty`).
    pub trust_empty_snapshot: bool,
}

/// Why a server cannot start from its files.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A log cannot be read to its end.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// A file lies in the directory of the other kind.
    #[error("{}: is in the wrong directory; check dataDir and dataLogDir", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
    },
    /// There are logs and no snapshot to apply them to.
    #[error("No snapshot found, but there are log entries. Something is broken!")]
    LogsWithoutSnapshot,
    /// There are snapshots, and none can be read.
    #[error("Not able to find valid snapshots in {}: {}", dir.display(), list(skipped))]
    NoValidSnapshot {
        /// Where they are.
        dir: PathBuf,
        /// What is wrong with each.
        skipped: Vec<Skipped>,
    },
    /// An older snapshot and the logs do not give what the unreadable snapshot had.
    #[error(
        "{}: {}; and from an older snapshot the logs reach only {reached}",
        skipped.path.display(), skipped.error
    )]
    LogsTooShort {
        /// The unreadable snapshot.
        skipped: Box<Skipped>,
        /// The last transaction that could be found.
        reached: Zxid,
    },
}

fn list(skipped: &[Skipped]) -> String {
    skipped.iter().map(|one| format!("{}: {}", one.path.display(), one.error)).collect::<Vec<_>>().join("; ")
}

/// A snapshot that was passed over.
#[derive(Debug)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// The zxid in its name.
    pub zxid: Zxid,
    /// What is wrong with it.
    pub error: SnapshotError,
}

/// What recovery found and did; for the log.
#[derive(Debug, Default)]
pub struct Report {
    /// The snapshot that was used; `None` if there was nothing at all: a new server.
    pub snapshot: Option<PathBuf>,
    /// Newer snapshots that cannot be read.
    pub skipped: Vec<Skipped>,
    /// Log files that were read.
    pub logs: usize,
    /// Transactions that were applied.
    pub replayed: u64,
    /// The torn end that was cut off the last log.
    pub torn: Option<TornEnd>,
    /// The first transaction behind which the tree's digest is not what the log says, and how many there were. Apache
    /// only counts these, and so does this.
    pub digest_mismatch: Option<(Zxid, u64)>,
    /// Transactions that are not there although later ones are: behind the first, before the second.
    pub gap: Option<(Zxid, Zxid)>,
    /// Digests of the tree on the way.
    pub digests: DigestHistory,
}

/// A state and how it was found.
#[derive(Debug)]
pub struct Recovered {
    /// The state; [`ZkState::last_zxid`] is the last transaction.
    pub state: ZkState,
    /// What was found and done.
    pub report: Report,
}

/// Finds the state. The directories must be there. The caller writes a snapshot before it serves anybody, as Apache
/// does; what was replayed is durable either way.
pub fn recover(vfs: &dyn Vfs, dirs: &Dirs, options: RecoveryOptions) -> Result<Recovered, RecoveryError> {
    recover_telling(vfs, dirs, options, &mut || {})
}

/// The same; `loaded` is called between the snapshot and the logs, for whoever measures.
pub fn recover_telling(
    vfs: &dyn Vfs,
    dirs: &Dirs,
    options: RecoveryOptions,
    loaded: &mut dyn FnMut(),
) -> Result<Recovered, RecoveryError> {
    if let Some(path) = dirs.misplaced(vfs)? {
        return Err(RecoveryError::Misplaced { path });
    }
    dirs.remove_unfinished(vfs)?;
    let mut report = Report::default();
    let logs = dirs.logs(vfs)?;
    let (mut state, digest) = match load_newest(vfs, &dirs.snapshots(vfs)?, &mut report)? {
        Some(Loaded { state, digest }) => (state, digest),
        None if !report.skipped.is_empty() => {
            let dir = dirs.snapshots_dir().to_path_buf();
            return Err(RecoveryError::NoValidSnapshot { dir, skipped: report.skipped });
        }
        None if !options.trust_empty_snapshot && has_transactions(vfs, &logs)? => {
            return Err(RecoveryError::LogsWithoutSnapshot);
        }
        None => (ZkState::new(), None),
    };
    loaded();
    let mut replay = Replay { state: &mut state, report: &mut report, digest };
    let mut reader = TxnReader::new(vfs, &logs, replay.state.last_zxid().next());
    while let Some(entry) = reader.next()? {
        replay.apply(&entry);
    }
    report.logs = reader.files_read();
    check_reach(&mut report, state.last_zxid())?;
    cut_last_log(vfs, &reader, &mut report)?;
    Ok(Recovered { state, report })
}

fn load_newest(
    vfs: &dyn Vfs,
    snapshots: &[SnapshotFile],
    report: &mut Report,
) -> Result<Option<Loaded>, RecoveryError> {
    for file in snapshots.iter().take(TRIED_MAX) {
        match snapshot::load(vfs, file) {
            Ok(loaded) => {
                report.snapshot = Some(file.path.clone());
                return Ok(Some(loaded));
            }
            // The disk failed, which says nothing about the file; an older one would be the wrong answer.
            Err(SnapshotError::Io(error)) if vfs::raw_os_error(&error).is_some() => return Err(error.into()),
            Err(error) => report.skipped.push(Skipped { path: file.path.clone(), zxid: file.zxid, error }),
        }
    }
    Ok(None)
}

fn has_transactions(vfs: &dyn Vfs, logs: &[LogFile]) -> Result<bool, ReadError> {
    let first = logs.first().map_or(Zxid(0), |log| log.first);
    Ok(TxnReader::new(vfs, logs, first).next()?.is_some())
}

pub(crate) struct Replay<'a> {
    pub(crate) state: &'a mut ZkState,
    pub(crate) report: &'a mut Report,
    pub(crate) digest: Option<SnapshotDigest>,
}

impl Replay<'_> {
    pub(crate) fn apply(&mut self, entry: &Entry) {
        let header = &entry.logged.header;
        let before = self.state.last_zxid();
        // A new epoch begins a new count.
        if header.zxid > before.next() && header.zxid.epoch() == before.epoch() {
            self.report.gap.get_or_insert((before, header.zxid));
        }
        self.state.apply(header, &entry.logged.txn);
        self.report.replayed += 1;
        if self.digest.is_none_or(|digest| header.zxid >= digest.zxid) {
            self.report.digests.note(header.zxid, self.state.digest());
        }
        let expected = match self.digest {
            // The snapshot holds parts of transactions up to this one: the digests in between mean nothing.
            Some(digest) if header.zxid < digest.zxid => None,
            Some(digest) if header.zxid == digest.zxid => Some(digest.tree_digest),
            _ => entry.logged.digest.filter(|digest| digest.version == DIGEST_VERSION).map(|digest| digest.tree_digest),
        };
        if expected.is_some_and(|expected| expected != self.state.digest().0) {
            self.report.digest_mismatch.get_or_insert((header.zxid, 0)).1 += 1;
        }
    }
}

/// A snapshot that cannot be read was whole once, or it was never finished; either way all up to the zxid in its name
/// had been logged before it was begun.
fn check_reach(report: &mut Report, reached: Zxid) -> Result<(), RecoveryError> {
    let beyond = report.skipped.iter().position(|skipped| skipped.zxid > reached);
    let gap = (!report.skipped.is_empty()).then(|| report.gap.map(|_| 0)).flatten();
    match beyond.or(gap) {
        Some(index) => {
            let reached = report.gap.map_or(reached, |(before, _)| before);
            Err(RecoveryError::LogsTooShort { skipped: Box::new(report.skipped.swap_remove(index)), reached })
        }
        None => Ok(()),
    }
}

/// Cuts torn end and padding off the last log, and removes it if nothing is left: the next transaction may need its
/// name (an empty file that a power loss brings back is removed again). What was read is made durable, because it
/// counts from now on.
fn cut_last_log(vfs: &dyn Vfs, reader: &TxnReader<'_>, report: &mut Report) -> Result<(), RecoveryError> {
    report.torn = reader.torn_end().cloned();
    let Some(last) = reader.last_file() else { return Ok(()) };
    if !last.has_records {
        return Ok(vfs.remove_file(&last.path)?);
    }
    let file = vfs.open(&last.path, OpenMode::ReadWrite)?;
    if last.len > last.end {
        file.set_len(last.end)?;
    }
    file.sync_data()?;
    // Its name may be as young as its content.
    vfs.sync_dir(&durable::parent_of(&last.path))?;
    Ok(())
}

impl Recovered {
    /// What was found, replayed and cut, in one line.
    pub fn summary(&self) -> String {
        let Recovered { state, report } = self;
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let found = report.snapshot.as_deref().map_or_else(|| "no snapshot".into(), name);
        let skipped = match report.skipped.len() {
            0 => String::new(),
            count => {
                let names: Vec<String> = report.skipped.iter().map(|skipped| name(&skipped.path)).collect();
                format!(" ({count} unreadable passed over: {})", names.join(", "))
            }
        };
        let cut = match &report.torn {
            Some(torn) => format!("{} torn bytes cut off {}", report.torn_bytes(), name(&torn.path)),
            None => "nothing cut".into(),
        };
        let mut doubts = String::new();
        if let Some((behind, before)) = report.gap {
            let _ = write!(doubts, ", TRANSACTIONS MISSING between {behind} and {before}");
        }
        if let Some((first, count)) = report.digest_mismatch {
            let _ = write!(doubts, ", {count} DIGESTS DIFFER from {first} on");
        }
        format!(
            "found {found}{skipped} and {} log files, replayed {} transactions, {cut}{doubts}: {} znodes, {} sessions, \
             last zxid {}",
            report.logs,
            report.replayed,
            state.tree().node_count(),
            state.sessions().len(),
            state.last_zxid()
        )
    }
}

impl Report {
    /// Bytes that were cut off because they were no whole transaction.
    pub fn torn_bytes(&self) -> u64 {
        match self.torn.as_ref().map(|torn| torn.tail) {
            Some(Tail::Torn { bytes, .. }) => bytes,
            _ => 0,
        }
    }
}
