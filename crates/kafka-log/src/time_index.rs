//! `.timeindex`: from timestamps to offsets, sparse.
//!
//! Entries of 12 bytes, big-endian: the largest timestamp so far (i64), the last offset of the batch that has it, less
//! the segment's base (u32). Timestamps grow strictly, offsets do not fall.

use std::path::PathBuf;
use std::sync::Arc;

use kafka_types::Offset;
use vfs::Vfs;

use crate::error::LogError;
use crate::index_file::IndexFile;

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 12;

/// A timestamp and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    /// Milliseconds since 1970; -1 before the first entry.
    pub(crate) timestamp: i64,
    /// Last offset of the batch that has it; the segment's base before the first entry.
    pub(crate) offset: Offset,
}

#[derive(Debug)]
pub(crate) struct TimeIndex {
    pub(crate) file: IndexFile<ENTRY>,
    base: Offset,
}

pub(crate) fn decode(base: Offset, entry: &[u8; ENTRY]) -> TimestampOffset {
    let (timestamp, relative) = entry.split_at(8);
    let relative = u32::from_be_bytes(relative.try_into().expect("4 bytes"));
    TimestampOffset {
        timestamp: i64::from_be_bytes(timestamp.try_into().expect("8 bytes")),
        offset: base + i64::from(relative),
    }
}

impl TimeIndex {
    pub(crate) fn new(file: IndexFile<ENTRY>, base: Offset) -> TimeIndex {
        TimeIndex { file, base }
    }

    pub(crate) fn create(vfs: Arc<dyn Vfs>, path: PathBuf, base: Offset, bytes: u64) -> Result<TimeIndex, LogError> {
        Ok(TimeIndex { file: IndexFile::create(vfs, path, bytes)?, base })
    }

    /// Only the place for the entry that closing a segment makes is left: time to roll.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full_with(0)
    }

    /// The same with so many more.
    pub(crate) fn is_full_with(&self, more: u64) -> bool {
        self.file.len() + more + 1 >= self.file.capacity()
    }

    /// The last entry whose timestamp is not above `target`.
    pub(crate) fn lookup(&self, target: i64) -> Result<TimestampOffset, LogError> {
        let found = self.file.partition_point(|entry| decode(self.base, entry).timestamp <= target)?;
        self.entry_before(found)
    }

    /// The last entry: the largest timestamp.
    pub(crate) fn last(&self) -> Result<TimestampOffset, LogError> {
        self.entry_before(self.file.len())
    }

    /// Adds an entry if it has a larger timestamp than the last one.
    pub(crate) fn maybe_append(&mut self, entry: TimestampOffset) -> Result<(), LogError> {
        let last = self.last()?;
        let Ok(relative) = u32::try_from(entry.offset - self.base) else { return Ok(()) };
        if entry.timestamp <= last.timestamp
            || (self.file.len() > 0 && entry.offset < last.offset)
            || self.file.len() >= self.file.capacity()
        {
            return Ok(());
        }
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&entry.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&relative.to_be_bytes());
        self.file.push(bytes)
    }

    /// How many entries from the front can be true and speak of batches up to `offset`.
    pub(crate) fn sound_entries(&self, offset: Offset) -> Result<u64, LogError> {
        let mut last: Option<TimestampOffset> = None;
        self.file.count_sound(|entry| {
            let entry = decode(self.base, entry);
            let grows = last.is_none_or(|last| entry.timestamp > last.timestamp && entry.offset >= last.offset);
            last = Some(entry);
            grows && entry.timestamp >= 0 && entry.offset <= offset
        })
    }

    /// Forgets entries of `offset` and above.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> Result<(), LogError> {
        let keep = self.file.partition_point(|entry| decode(self.base, entry).offset < offset)?;
        self.file.truncate(keep)
    }

    fn entry_before(&self, index: u64) -> Result<TimestampOffset, LogError> {
        match index.checked_sub(1) {
            Some(index) => Ok(decode(self.base, &self.file.get(index)?)),
            None => Ok(TimestampOffset { timestamp: kafka_record::NO_TIMESTAMP, offset: self.base }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::MemoryVfs;

    fn entry(timestamp: i64, offset: i64) -> TimestampOffset {
        TimestampOffset { timestamp, offset: Offset(offset) }
    }

    #[test]
    fn only_larger_timestamps_make_entries() {
        let vfs = Arc::new(MemoryVfs::with_dirs(["/d"]));
        let mut index = TimeIndex::create(vfs, PathBuf::from("/d/t"), Offset(10), 120).expect("creates");
        assert_eq!(index.last().expect("reads"), entry(-1, 10));
        for (timestamp, offset) in [(-1, 10), (100, 12), (90, 14), (100, 15), (200, 11), (200, 16)] {
            index.maybe_append(entry(timestamp, offset)).expect("writes");
        }
        assert_eq!(index.file.len(), 2);
        assert_eq!(index.lookup(99).expect("reads"), entry(-1, 10));
        assert_eq!(index.lookup(150).expect("reads"), entry(100, 12));
        assert_eq!(index.last().expect("reads"), entry(200, 16));
        index.truncate_to(Offset(16)).expect("cuts");
        assert_eq!(index.last().expect("reads"), entry(100, 12));
    }
}
