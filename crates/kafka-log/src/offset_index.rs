//! `.index`: from offsets to positions in the segment, sparse.
//!
//! Entries of 8 bytes, big-endian: last offset of a batch less the segment's base (u32), position of that batch (u32).
//! Both grow strictly; position 0 has no entry.

use std::path::PathBuf;
use std::sync::Arc;

use kafka_types::Offset;
use vfs::Vfs;

use crate::error::LogError;
use crate::index_file::IndexFile;

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 8;

/// A batch that an entry speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    /// The batch's last offset; for what lies before the first entry, the segment's base.
    pub(crate) offset: Offset,
    /// Where the batch begins.
    pub(crate) position: u64,
}

#[derive(Debug)]
pub(crate) struct OffsetIndex {
    pub(crate) file: IndexFile<ENTRY>,
    base: Offset,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that index files hand out")]
pub(crate) fn decode(base: Offset, entry: &[u8; ENTRY]) -> OffsetPosition {
    let (relative, position) = entry.split_at(4);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("half of 8 bytes"));
    OffsetPosition { offset: base + i64::from(number(relative)), position: u64::from(number(position)) }
}

impl OffsetIndex {
    pub(crate) fn new(file: IndexFile<ENTRY>, base: Offset) -> OffsetIndex {
        OffsetIndex { file, base }
    }

    pub(crate) fn create(vfs: Arc<dyn Vfs>, path: PathBuf, base: Offset, bytes: u64) -> Result<OffsetIndex, LogError> {
        Ok(OffsetIndex { file: IndexFile::create(vfs, path, bytes)?, base })
    }

    /// No entry fits any more: time to roll.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full_with(0)
    }

    /// The same with so many more.
    pub(crate) fn is_full_with(&self, more: u64) -> bool {
        self.file.len() + more >= self.file.capacity()
    }

    /// The last entry whose offset is not above `target`; the front of the segment if there is none.
    pub(crate) fn lookup(&self, target: Offset) -> Result<OffsetPosition, LogError> {
        let found = self.file.partition_point(|entry| decode(self.base, entry).offset <= target)?;
        self.entry_before(found)
    }

    /// The last entry; the front of the segment if there is none.
    pub(crate) fn last(&self) -> Result<OffsetPosition, LogError> {
        self.entry_before(self.file.len())
    }

    /// Adds the batch at `position` whose last offset is `offset`. One that does not grow is left out: an index may
    /// be sparser than it could, never wrong.
    pub(crate) fn append(&mut self, offset: Offset, position: u64) -> Result<(), LogError> {
        let last = self.last()?;
        let (Ok(relative), Ok(at)) = (u32::try_from(offset - self.base), u32::try_from(position)) else {
            return Ok(());
        };
        if position <= last.position || (offset <= last.offset && self.file.len() > 0) || self.is_full() {
            return Ok(());
        }
        let mut entry = [0; ENTRY];
        entry[..4].copy_from_slice(&relative.to_be_bytes());
        entry[4..].copy_from_slice(&at.to_be_bytes());
        self.file.push(entry)
    }

    /// How many entries from the front can be true of a segment of `len` bytes and lie below `limit`, and the last of
    /// them. The rest of a file that was not trimmed is zeros, or, after a power loss, anything.
    pub(crate) fn sound_entries(&self, limit: Offset, len: u64) -> Result<(u64, Option<OffsetPosition>), LogError> {
        let mut last: Option<OffsetPosition> = None;
        let count = self.file.count_sound(|entry| {
            let entry = decode(self.base, entry);
            let grows = last.is_none_or(|last| entry.offset > last.offset && entry.position > last.position);
            let sound = grows && entry.position > 0 && entry.position < len && entry.offset < limit;
            last = if sound { Some(entry) } else { last };
            sound
        })?;
        Ok((count, last))
    }

    /// Forgets entries of `offset` and above.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> Result<(), LogError> {
        let keep = self.file.partition_point(|entry| decode(self.base, entry).offset < offset)?;
        self.file.truncate(keep)
    }

    fn entry_before(&self, index: u64) -> Result<OffsetPosition, LogError> {
        match index.checked_sub(1) {
            Some(index) => Ok(decode(self.base, &self.file.get(index)?)),
            None => Ok(OffsetPosition { offset: self.base, position: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::MemoryVfs;

    fn at(offset: i64, position: u64) -> OffsetPosition {
        OffsetPosition { offset: Offset(offset), position }
    }

    #[test]
    fn lookup_finds_the_entry_at_or_below() {
        let vfs = Arc::new(MemoryVfs::with_dirs(["/d"]));
        let mut index = OffsetIndex::create(vfs, PathBuf::from("/d/i"), Offset(100), 80).expect("creates");
        assert_eq!(index.lookup(Offset(1000)).expect("reads"), at(100, 0));
        for (offset, position) in [(107, 266), (113, 564), (113, 700), (118, 842), (119, 842)] {
            index.append(Offset(offset), position).expect("writes");
        }
        assert_eq!(index.file.len(), 3);
        assert_eq!(index.lookup(Offset(106)).expect("reads"), at(100, 0));
        assert_eq!(index.lookup(Offset(107)).expect("reads"), at(107, 266));
        assert_eq!(index.lookup(Offset(117)).expect("reads"), at(113, 564));
        assert_eq!(index.sound_entries(Offset(118), 10_000).expect("reads"), (2, Some(at(113, 564))));
        assert_eq!(index.sound_entries(Offset(200), 600).expect("reads"), (2, Some(at(113, 564))));
        index.truncate_to(Offset(113)).expect("cuts");
        assert_eq!(index.last().expect("reads"), at(107, 266));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let vfs = Arc::new(MemoryVfs::with_dirs(["/d"]));
        let mut index = OffsetIndex::create(vfs, PathBuf::from("/d/i"), Offset(0), 16).expect("creates");
        index.append(Offset(1 << 40), 10).expect("writes");
        assert_eq!(index.file.len(), 0);
        index.append(Offset(1), 10).expect("writes");
        index.append(Offset(2), 20).expect("writes");
        assert!(index.is_full());
        index.append(Offset(3), 30).expect("writes");
        assert_eq!(index.file.len(), 2);
    }
}
