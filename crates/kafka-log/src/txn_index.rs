//! `.txnindex`: the transactions that were aborted by a marker in this segment. Most segments have none, and no file.
//!
//! Entries of 34 bytes, big-endian: version 0 (i16), producer id, first offset, last offset (that of the marker), last
//! stable offset when the marker was written (i64 each).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use kafka_types::{Offset, ProducerId};
use vfs::{File, OpenMode, Vfs};

use crate::error::{IoContext, LogError};

/// Bytes of an entry.
const ENTRY: usize = 34;

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbortedTxn {
    pub(crate) producer_id: ProducerId,
    pub(crate) first_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) last_stable_offset: Offset,
}

impl AbortedTxn {
    fn encode(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        let fields = [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0];
        for (slot, field) in entry[2..].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_be_bytes());
        }
        entry
    }

    fn decode(entry: &[u8; ENTRY]) -> Option<AbortedTxn> {
        let field = |index: usize| {
            let at = 2 + index * 8;
            i64::from_be_bytes(entry[at..at + 8].try_into().expect("eight bytes"))
        };
        (entry[..2] == [0, 0]).then(|| AbortedTxn {
            producer_id: ProducerId(field(0)),
            first_offset: Offset(field(1)),
            last_offset: Offset(field(2)),
            last_stable_offset: Offset(field(3)),
        })
    }

    /// Is it one that the rest of the segment can have? Offsets of past lives fail this. The last offset is the
    /// marker's, so there is another before it.
    fn is_sane(&self, base: Offset) -> bool {
        self.last_offset > self.first_offset && self.last_offset >= base
    }
}

/// The index of one segment.
#[derive(Debug)]
pub(crate) struct TxnIndex {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    base: Offset,
    file: Option<Arc<dyn File>>,
    entries: OnceLock<Vec<AbortedTxn>>,
    dirty: bool,
    created: bool,
}

impl TxnIndex {
    /// The index at `path`; there need not be a file.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, path: PathBuf, base: Offset) -> TxnIndex {
        TxnIndex { vfs, path, base, file: None, entries: OnceLock::new(), dirty: false, created: false }
    }

    pub(crate) fn set_dir(&mut self, dir: &Path) {
        crate::segment::move_to(&mut self.path, dir);
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Has the file, which is there, whole and possible entries only? None at all is what damage leaves: a segment
    /// without aborted transactions has no file.
    pub(crate) fn is_sound(&self) -> Result<bool, LogError> {
        let len = self.vfs.metadata(&self.path).context("looking at", &self.path)?.len;
        Ok(len > 0 && len == (self.entries()?.len() * ENTRY) as u64)
    }

    /// All entries, in the order of their markers. A cut or strange end is left out: recovery makes it anew.
    pub(crate) fn entries(&self) -> Result<&[AbortedTxn], LogError> {
        if let Some(entries) = self.entries.get() {
            return Ok(entries);
        }
        let bytes = match self.vfs.read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).context("reading", &self.path),
        };
        let mut entries: Vec<AbortedTxn> = Vec::new();
        for chunk in bytes.as_chunks::<ENTRY>().0 {
            let Some(entry) = AbortedTxn::decode(chunk) else { break };
            if !entry.is_sane(self.base) || entries.last().is_some_and(|last| last.last_offset >= entry.last_offset) {
                break;
            }
            entries.push(entry);
        }
        Ok(self.entries.get_or_init(|| entries))
    }

    pub(crate) fn append(&mut self, entry: AbortedTxn) -> Result<(), LogError> {
        let count = self.entries()?.len();
        self.open()?.write_at(&entry.encode(), (count * ENTRY) as u64).context("writing", &self.path)?;
        self.entries.get_mut().expect("were read above").push(entry);
        self.dirty = true;
        Ok(())
    }

    /// Forgets transactions whose marker is at `offset` or above.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> Result<(), LogError> {
        let keep = self.entries()?.partition_point(|entry| entry.last_offset < offset);
        if !self.vfs.exists(&self.path) {
            return Ok(());
        }
        self.open()?.set_len((keep * ENTRY) as u64).context("cutting", &self.path)?;
        self.entries.get_mut().expect("were read above").truncate(keep);
        self.dirty = true;
        Ok(())
    }

    /// The file, if it has to be synced, and whether its name is new.
    pub(crate) fn take_dirty(&mut self) -> Option<(PathBuf, Arc<dyn File>, bool)> {
        let file = self.file.as_ref().filter(|_| self.dirty)?.clone();
        self.dirty = false;
        Some((self.path.clone(), file, std::mem::take(&mut self.created)))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Closes the file unless it has something to sync, or in any case.
    pub(crate) fn release(&mut self, in_any_case: bool) {
        if in_any_case || !self.dirty {
            self.file = None;
        }
    }

    fn open(&mut self) -> Result<&Arc<dyn File>, LogError> {
        if self.file.is_none() {
            self.created = !self.vfs.exists(&self.path);
            self.file = Some(self.vfs.open(&self.path, OpenMode::Create).context("opening", &self.path)?);
        }
        Ok(self.file.as_ref().expect("was opened above"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::MemoryVfs;

    fn entry(first: i64, last: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id: ProducerId(7),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(last + 1),
        }
    }

    #[test]
    fn entries_read_back_and_a_file_appears_with_the_first() {
        let vfs = Arc::new(MemoryVfs::with_dirs(["/d"]));
        let path = PathBuf::from("/d/t");
        let mut index = TxnIndex::new(vfs.clone(), path.clone(), Offset(3));
        index.truncate_to(Offset(0)).expect("nothing to do");
        assert!(!vfs.exists(&path));
        for (first, last) in [(1, 6), (12, 14), (20, 22)] {
            index.append(entry(first, last)).expect("writes");
        }
        assert_eq!(vfs.metadata(&path).expect("is there").len, 102);
        let again = TxnIndex::new(vfs.clone(), path.clone(), Offset(3));
        assert_eq!(again.entries().expect("reads"), [entry(1, 6), entry(12, 14), entry(20, 22)]);
        index.truncate_to(Offset(22)).expect("cuts");
        assert_eq!(vfs.metadata(&path).expect("is there").len, 68);
        assert!(index.take_dirty().expect("was cut").2, "the name is new");
        assert!(index.take_dirty().is_none());
    }

    #[test]
    fn a_torn_end_is_left_out() {
        let vfs = Arc::new(MemoryVfs::with_dirs(["/d"]));
        let path = PathBuf::from("/d/t");
        let mut index = TxnIndex::new(vfs.clone(), path.clone(), Offset(0));
        index.append(entry(1, 2)).expect("writes");
        let file = vfs.open(&path, OpenMode::ReadWrite).expect("opens");
        file.write_at(&[0; 40], 34).expect("writes");
        assert_eq!(TxnIndex::new(vfs, path, Offset(0)).entries().expect("reads"), [entry(1, 2)]);
    }
}
