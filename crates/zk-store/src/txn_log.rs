//! Appending transactions, and making them durable in groups.
//!
//! [`TxnLog::append`] collects, [`TxnLog::sync`] writes what was collected with one call and syncs: the caller drains
//! its queue between two syncs, so many clients share one. A transaction may be acknowledged when the sync that
//! followed its append has returned.
//!
//! After an error nothing is known of the file's end, so the log refuses everything from then on; the server has to
//! end and to recover.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use thiserror::Error;
use vfs::{File, OpenMode, Vfs};
use zk_proto::{LoggedTxn, Zxid};

use crate::file_names::{log_name, unfinished_name};
use crate::record::{self, GROUP_MAX, HEAD};

/// A file gets more room when its end comes this near to what has been reserved.
const ROOM: u64 = 4096;
/// Zeros are written behind a group up to the next multiple of so many bytes, if there are none yet: the groups after it
/// find their blocks in the file, and their syncs write those blocks and nothing about the file. Groups that are longer
/// than a part of it would not gain anything.
const FILL: u64 = 256 << 10;
const LONG_GROUP: u64 = FILL / 4;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnLogOptions {
    /// Bytes by which a file is extended ahead of its content (`preAllocSize`, there in KiB); 0 is not at all.
    pub preallocate: u64,
    /// Sync at all (`forceSync`)? Without, a power loss takes acknowledged transactions.
    pub force_sync: bool,
    /// Begin a new file when one has so many bytes (`txnLogSizeLimitInKb`); `None` is never for that reason.
    pub size_limit: Option<u64>,
}

impl Default for TxnLogOptions {
    /// 64 MiB ahead, synced, no limit.
    fn default() -> TxnLogOptions {
        TxnLogOptions { preallocate: 64 << 20, force_sync: true, size_limit: None }
    }
}

/// Why the log cannot be written.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file system failed.
    #[error("transaction log: {0}")]
    Io(#[from] io::Error),
    /// It failed before; what is on disk is unknown until recovery.
    #[error("transaction log failed before; restart to recover")]
    Failed,
    /// Transactions must come in order.
    #[error("transaction {zxid} does not come after {last}")]
    Order {
        /// What was to be appended.
        zxid: Zxid,
        /// What was appended last.
        last: Zxid,
    },
}

/// The file that is appended to.
#[derive(Debug)]
struct Current {
    file: Arc<dyn File>,
    /// Bytes written, head included; 0 before the first group, which takes the head along.
    end: u64,
    /// Length of the file with its padding.
    reserved: u64,
    /// How far it has blocks: what was written, and zeros behind it.
    filled: u64,
    /// It gets this name with its first group: Apache's server does not start beside an empty log.
    to_be_named: Option<String>,
}

/// Writes transaction logs.
#[derive(Debug)]
pub struct TxnLog {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    options: TxnLogOptions,
    current: Option<Current>,
    /// Records that were appended and not written.
    collected: BytesMut,
    first_collected: Option<Zxid>,
    /// Records in `collected`.
    count: usize,
    last: Zxid,
    failed: bool,
}

impl TxnLog {
    /// Appends after `last`, the last transaction that recovery found. Always begins a new file, with the first
    /// append. `dir` is [`crate::Dirs::logs_dir`].
    pub fn new(vfs: Arc<dyn Vfs>, dir: PathBuf, options: TxnLogOptions, last: Zxid) -> TxnLog {
        let collected = BytesMut::new();
        TxnLog { vfs, dir, options, current: None, collected, first_collected: None, count: 0, last, failed: false }
    }

    /// The last transaction that was appended.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// Bytes in the current file, with what was appended and not written.
    pub fn size(&self) -> u64 {
        self.current.as_ref().map_or(HEAD.len() as u64, |current| current.end) + self.collected.len() as u64
    }

    /// Bytes that were appended and not written.
    pub fn unwritten(&self) -> usize {
        self.collected.len()
    }

    /// Takes a transaction. It is in memory only until [`TxnLog::sync`]; a full group of 1000 is synced here, because
    /// recovery counts on it that no more can be torn together.
    pub fn append(&mut self, txn: &LoggedTxn) -> Result<(), LogError> {
        self.check()?;
        let zxid = txn.header.zxid;
        if zxid <= self.last {
            return Err(LogError::Order { zxid, last: self.last });
        }
        if self.count == GROUP_MAX {
            self.guarded(TxnLog::write_and_sync)?;
        }
        record::put(&mut self.collected, txn);
        self.count += 1;
        self.first_collected.get_or_insert(zxid);
        self.last = zxid;
        Ok(())
    }

    /// Writes what was appended and makes it durable; the last durable transaction.
    pub fn sync(&mut self) -> Result<Zxid, LogError> {
        self.check()?;
        self.guarded(TxnLog::write_and_sync)?;
        if self.options.size_limit.is_some_and(|limit| self.size() > limit) {
            self.roll()?;
        }
        Ok(self.last)
    }

    /// Makes everything durable and ends the current file; the next append begins another one. To be called when a
    /// snapshot begins, so that old files can be purged, and at the end.
    pub fn roll(&mut self) -> Result<(), LogError> {
        self.check()?;
        self.guarded(|log| {
            log.write_and_sync()?;
            let Some(current) = log.current.take() else { return Ok(()) };
            // The padding is nobody's; a length that a crash brings back does no harm.
            if current.reserved > current.end { current.file.set_len(current.end) } else { Ok(()) }
        })
    }

    fn check(&self) -> Result<(), LogError> {
        if self.failed { Err(LogError::Failed) } else { Ok(()) }
    }

    fn guarded(&mut self, act: impl FnOnce(&mut TxnLog) -> io::Result<()>) -> Result<(), LogError> {
        act(self).map_err(|error| {
            self.failed = true;
            LogError::Io(error)
        })
    }

    fn write_and_sync(&mut self) -> io::Result<()> {
        let Some(first) = self.first_collected else { return Ok(()) };
        if self.current.is_none() {
            self.begin(first)?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.end == 0 {
            let records = std::mem::take(&mut self.collected);
            self.collected.extend_from_slice(&HEAD);
            self.collected.unsplit(records);
        }
        let bytes = self.collected.len() as u64;
        current.make_room(bytes, self.options.preallocate)?;
        self.collected.resize((bytes + current.zeros_behind(bytes)) as usize, 0);
        current.file.write_at(&self.collected, current.end)?;
        current.filled = current.filled.max(current.end + self.collected.len() as u64);
        current.end += bytes;
        if self.options.force_sync {
            current.file.sync_data()?;
        }
        if let Some(name) = current.to_be_named.take() {
            self.vfs.rename(&self.dir.join(unfinished_name(&name)), &self.dir.join(name))?;
            if self.options.force_sync {
                self.vfs.sync_dir(&self.dir)?;
            }
        }
        self.collected.clear();
        self.first_collected = None;
        self.count = 0;
        Ok(())
    }

    fn begin(&mut self, first: Zxid) -> io::Result<()> {
        let name = log_name(first);
        if self.vfs.open(&self.dir.join(&name), OpenMode::Read).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} is there already")));
        }
        let file = self.vfs.open(&self.dir.join(unfinished_name(&name)), OpenMode::Create)?;
        file.set_len(0)?;
        self.current = Some(Current { file, end: 0, reserved: 0, filled: 0, to_be_named: Some(name) });
        Ok(())
    }
}

impl Current {
    /// Extends the file in whole steps behind the head, before `more` bytes are written, so that a sync mostly finds
    /// the length unchanged. The steps occupy no blocks: reserving them made syncs no faster (measured on ext4), and
    /// a server that holds nothing would take 64 MiB of disk with each start.
    fn make_room(&mut self, more: u64, step: u64) -> io::Result<()> {
        let wanted = self.end + more;
        if step > 0 && wanted + ROOM >= self.reserved {
            let head = HEAD.len() as u64;
            let steps = (wanted + ROOM - head) / step + 1;
            self.file.set_len(head + steps * step)?;
            self.reserved = head + steps * step;
        }
        self.reserved = self.reserved.max(wanted);
        Ok(())
    }

    /// How many zeros are to be written behind a group of so many bytes; they stay within what is reserved.
    fn zeros_behind(&self, bytes: u64) -> u64 {
        let wanted = self.end + bytes;
        if wanted <= self.filled || bytes > LONG_GROUP {
            return 0;
        }
        wanted.next_multiple_of(FILL).min(self.reserved).saturating_sub(wanted)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vfs::MemoryVfs;

    use super::*;

    #[test]
    fn zeros_go_ahead_of_short_groups_within_what_is_reserved() {
        let file = MemoryVfs::new().open(Path::new("/log"), OpenMode::CreateNew).unwrap();
        let current =
            |end, filled| Current { file: Arc::clone(&file), end, reserved: 4 * FILL, filled, to_be_named: None };
        assert_eq!(current(0, 0).zeros_behind(100), FILL - 100);
        assert_eq!(current(100, FILL).zeros_behind(FILL / 8), 0, "there are some");
        assert_eq!(current(FILL - 10, FILL).zeros_behind(100), FILL - 90);
        assert_eq!(current(0, 0).zeros_behind(LONG_GROUP + 1), 0);
        assert_eq!(current(4 * FILL - 300, 0).zeros_behind(100), 200);
        let none = Current { reserved: 100, ..current(0, 0) };
        assert_eq!(none.zeros_behind(100), 0, "nothing is reserved");
    }
}
