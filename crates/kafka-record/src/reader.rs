//! From bytes to batches, and from batches to records.
//!
//! A record set is batches one after the other. Its last one may be cut (a fetch ends at a byte limit, a file at a
//! crash): that is an end, not an error, and [`BatchIter::position`] tells where the whole ones end. What is an
//! error is a length that no entry can have, or a format nobody has written.

use std::borrow::Cow;

use bytes::Bytes;
use kafka_types::{LeaderEpoch, Offset};

use crate::batch::{BatchHeader, HEAD_TO_MAGIC, LOG_OVERHEAD, MAGIC_V2, RecordBatch, TimestampType};
use crate::compression::{self, Compression};
use crate::error::ReadError;
use crate::glance::{Glance, glance};
use crate::legacy::{self, LegacyEntry};
use crate::record::{self, Base, Record, RecordRef};

/// What the first 17 bytes of an entry of any format tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// The base offset of a v2 batch; the last offset of an older entry.
    pub offset: Offset,
    /// Bytes of the whole entry.
    pub size: usize,
    /// Its format: 0, 1 or 2.
    pub magic: i8,
}

impl EntryHead {
    /// Reads the head of the entry at the front of `bytes`; `None` if fewer than 17 bytes are there.
    pub fn read(bytes: &[u8]) -> Result<Option<EntryHead>, ReadError> {
        let Some(head) = bytes.first_chunk::<HEAD_TO_MAGIC>() else { return Ok(None) };
        let (offset, rest) = head.split_at(8);
        let offset = i64::from_be_bytes(offset.try_into().expect("eight bytes were split off"));
        let size = i32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
        let magic = rest[8] as i8;
        // Version 0 has the smallest overhead; each format checks its own when it is read.
        let smallest = legacy::OVERHEAD_V0 as i32;
        if size < smallest {
            return Err(ReadError::SizeBelowMinimum { size, minimum: smallest });
        }
        if !(0..=MAGIC_V2).contains(&magic) {
            return Err(ReadError::UnknownMagic(magic));
        }
        Ok(Some(EntryHead { offset: Offset(offset), size: size as usize + LOG_OVERHEAD, magic }))
    }
}

/// One entry of a record set, in the format it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch<'a> {
    /// Format 2.
    V2(RecordBatch<'a>),
    /// Formats 0 and 1: a message, or a compressed set of them.
    Legacy(LegacyEntry<'a>),
}

impl<'a> Batch<'a> {
    /// The whole entry at the front of `bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Batch<'a>, ReadError> {
        match EntryHead::read(bytes)? {
            None => Err(ReadError::Truncated { needed: HEAD_TO_MAGIC, available: bytes.len() }),
            Some(head) if head.magic == MAGIC_V2 => RecordBatch::read(bytes).map(Batch::V2),
            Some(_) => LegacyEntry::read(bytes).map(Batch::Legacy),
        }
    }

    /// Its format: 0, 1 or 2.
    pub fn magic(&self) -> i8 {
        match self {
            Batch::V2(_) => MAGIC_V2,
            Batch::Legacy(entry) => entry.magic(),
        }
    }

    /// All its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Batch::V2(batch) => batch.bytes(),
            Batch::Legacy(entry) => entry.bytes(),
        }
    }

    /// Bytes of the whole entry.
    pub fn size(&self) -> usize {
        self.bytes().len()
    }

    /// Offset of its last record.
    pub fn last_offset(&self) -> Offset {
        match self {
            Batch::V2(batch) => batch.last_offset(),
            Batch::Legacy(entry) => entry.offset(),
        }
    }

    /// The offset after its last record.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// Its first offset where that can be told without decompressing: that of a v2 batch. An older entry answers with
    /// its last one.
    pub fn first_known_offset(&self) -> Offset {
        match self {
            Batch::V2(batch) => batch.base_offset(),
            Batch::Legacy(entry) => entry.offset(),
        }
    }

    /// The epoch of the leader that appended it; older formats have none.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        match self {
            Batch::V2(batch) => batch.leader_epoch(),
            Batch::Legacy(_) => LeaderEpoch::NONE,
        }
    }

    /// Its largest timestamp, as far as its front tells; -1 in format 0.
    pub fn max_timestamp(&self) -> i64 {
        match self {
            Batch::V2(batch) => batch.max_timestamp(),
            Batch::Legacy(entry) => entry.timestamp(),
        }
    }

    /// Its codec.
    pub fn compression(&self) -> Result<Compression, ReadError> {
        match self {
            Batch::V2(batch) => batch.compression(),
            Batch::Legacy(entry) => entry.compression(),
        }
    }

    /// Fails unless the stored CRC fits the bytes.
    pub fn check_crc(&self) -> Result<(), ReadError> {
        match self {
            Batch::V2(batch) => batch.check_crc(),
            Batch::Legacy(entry) => entry.check_crc(),
        }
    }

    /// Calls `each` for every record, decompressing to at most `limit` bytes, until it says `false`.
    pub fn for_each_record(&self, limit: usize, mut each: impl FnMut(RecordRef<'_>) -> bool) -> Result<(), ReadError> {
        match self {
            Batch::V2(batch) => {
                for record in &batch.records(limit)? {
                    if !each(record?) {
                        break;
                    }
                }
                Ok(())
            }
            Batch::Legacy(entry) => {
                for record in entry.messages(limit)? {
                    if !each(record.as_ref()) {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// All records, owned; those of an uncompressed v2 batch share `owner`'s memory, which is what this was read from.
    pub fn to_records(&self, owner: &Bytes, limit: usize) -> Result<Vec<Record>, ReadError> {
        match self {
            Batch::V2(batch) => batch.shared_records(owner, limit)?.collect(),
            Batch::Legacy(entry) => Ok(entry.messages(limit)?.map(Into::into).collect()),
        }
    }
}

/// The whole entries at the front of `bytes`. After an error the iterator ends.
pub fn batches(bytes: &[u8]) -> BatchIter<'_> {
    BatchIter { bytes, at: 0, ended: false }
}

/// Walks a record set entry by entry.
#[derive(Debug, Clone)]
pub struct BatchIter<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
}

impl BatchIter<'_> {
    /// How many bytes the entries take that have been handed out; at the end: all whole entries.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for BatchIter<'a> {
    type Item = Result<Batch<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let rest = &self.bytes[self.at..];
        let read = match EntryHead::read(rest) {
            Ok(Some(head)) if head.size <= rest.len() => Batch::read(rest),
            Ok(_) => {
                self.ended = true;
                return None;
            }
            Err(error) => Err(error),
        };
        match &read {
            Ok(batch) => self.at += batch.size(),
            Err(_) => self.ended = true,
        }
        Some(read)
    }
}

/// The records of one v2 batch, decompressed if they were compressed.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    payload: Cow<'a, [u8]>,
    base: Base,
    count: i32,
}

impl<'a> Records<'a> {
    pub(crate) fn of(batch: &RecordBatch<'a>, limit: usize) -> Result<Records<'a>, ReadError> {
        let payload = match batch.compression()? {
            Compression::None => Cow::Borrowed(batch.payload()),
            codec => Cow::Owned(compression::decompress(codec, batch.payload(), limit)?),
        };
        Ok(Records { payload, base: base_of(batch.header()), count: batch.header().count })
    }

    /// The records in their order.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { payload: &self.payload, walk: Walk::new(self.base, self.count) }
    }

    /// What the records have in common, if they are whole and their offsets count by 1; else [`Records::iter`] has more to
    /// say.
    pub fn glance(&self) -> Option<Glance> {
        glance(&self.payload, self.base, self.count)
    }

    /// Bytes that the records take uncompressed.
    pub fn uncompressed_len(&self) -> usize {
        self.payload.len()
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<RecordRef<'r>, ReadError>;
    type IntoIter = RecordIter<'r>;

    fn into_iter(self) -> RecordIter<'r> {
        self.iter()
    }
}

/// Reads record by record; after an error it ends. That the declared count and the bytes agree is checked at the end:
/// an error instead of `None`.
#[derive(Debug, Clone)]
pub struct RecordIter<'r> {
    payload: &'r [u8],
    walk: Walk,
}

impl<'r> Iterator for RecordIter<'r> {
    type Item = Result<RecordRef<'r>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.walk.next(self.payload)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.walk.left).ok())
    }
}

/// The records of one v2 batch as owned values that share one buffer.
#[derive(Debug, Clone)]
pub struct SharedRecords {
    payload: Bytes,
    walk: Walk,
}

impl SharedRecords {
    pub(crate) fn of(batch: &RecordBatch<'_>, owner: &Bytes, limit: usize) -> Result<SharedRecords, ReadError> {
        let payload = match batch.compression()? {
            Compression::None => owner.slice_ref(batch.payload()),
            codec => Bytes::from(compression::decompress(codec, batch.payload(), limit)?),
        };
        Ok(SharedRecords { payload, walk: Walk::new(base_of(batch.header()), batch.header().count) })
    }
}

impl Iterator for SharedRecords {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.walk.next(&self.payload)?;
        Some(record.map(|record| record.to_record_with(|bytes| self.payload.slice_ref(bytes))))
    }
}

fn base_of(header: &BatchHeader) -> Base {
    let append_time = (header.timestamp_type() == TimestampType::LogAppendTime).then_some(header.max_timestamp);
    Base { offset: header.base_offset.0, timestamp: header.base_timestamp, append_time }
}

/// Where a walk over a payload is.
#[derive(Debug, Clone)]
struct Walk {
    base: Base,
    at: usize,
    left: i32,
    ended: bool,
}

impl Walk {
    fn new(base: Base, count: i32) -> Walk {
        Walk { base, at: 0, left: count, ended: false }
    }

    #[inline]
    fn next<'p>(&mut self, payload: &'p [u8]) -> Option<Result<RecordRef<'p>, ReadError>> {
        if self.ended {
            return None;
        }
        let rest = &payload[self.at..];
        if self.left <= 0 {
            self.ended = true;
            return self.check_end(rest).err().map(Err);
        }
        if rest.is_empty() {
            self.ended = true;
            return Some(Err(ReadError::malformed("Incorrect declared batch size, premature EOF reached")));
        }
        let read = record::read(rest, self.base);
        match &read {
            Ok(record) => {
                self.at += record.size;
                self.left -= 1;
            }
            Err(_) => self.ended = true,
        }
        Some(read)
    }

    fn check_end(&self, rest: &[u8]) -> Result<(), ReadError> {
        if self.left < 0 {
            return Err(ReadError::malformed(format!("Found invalid record count {} in magic v2 batch", self.left)));
        }
        if rest.is_empty() {
            return Ok(());
        }
        Err(ReadError::malformed("Incorrect declared batch size, records still remaining in file"))
    }
}
