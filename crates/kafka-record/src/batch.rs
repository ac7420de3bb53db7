//! The header of a v2 batch (KIP-98): read, and patched in place.
//!
//! ```text
//!  0 base offset i64 | 8 length i32 (bytes after this field) | 12 partition leader epoch i32 | 16 magic i8 = 2
//! 17 crc u32 (CRC-32C of everything from 21 on) | 21 attributes i16 | 23 last offset delta i32
//! 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32
//! 57 record count i32 | 61 records
//! ```
//!
//! Base offset and leader epoch lie before the CRC's span: a broker sets both without reading the records.

use bytes::Bytes;
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::checksum::crc32c;
use crate::compression::Compression;
use crate::error::ReadError;
use crate::reader::{Records, SharedRecords};

/// Bytes before the part that the length field counts: offset and length, in every format.
pub const LOG_OVERHEAD: usize = 12;
/// Bytes up to and with the magic, which all formats have at the same place.
pub const HEAD_TO_MAGIC: usize = 17;
/// Bytes of a v2 batch before its records.
pub const HEADER_LEN: usize = 61;
/// The format of v2 batches.
pub const MAGIC_V2: i8 = 2;

/// Where the leader epoch lies.
pub const LEADER_EPOCH_AT: usize = 12;
/// Where the magic lies, in every format.
pub const MAGIC_AT: usize = 16;
/// Where the CRC lies.
pub const CRC_AT: usize = 17;
/// Where the attributes lie, and the CRC's span begins.
pub const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
const TRANSACTIONAL_BIT: i16 = 1 << 4;
const CONTROL_BIT: i16 = 1 << 5;
const DELETE_HORIZON_BIT: i16 = 1 << 6;

/// Whose clock a batch's timestamps are of (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    #[default]
    CreateTime,
    /// The broker's: all records have the batch's max timestamp.
    LogAppendTime,
}

/// The header of a v2 batch as plain fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record that the batch was made with; compaction may have removed that record.
    pub base_offset: Offset,
    /// Bytes of the whole batch, from the base offset to its end.
    pub size: usize,
    /// Epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec and flags as they are.
    pub attributes: i16,
    /// Offset of the last record, counted from the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from; with a delete horizon, that instead.
    pub base_timestamp: i64,
    /// The largest timestamp in the batch, or the time of append.
    pub max_timestamp: i64,
    /// The producer, or none.
    pub producer_id: ProducerId,
    /// The producer's epoch, or none.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or -1.
    pub base_sequence: i32,
    /// How many records the batch says it has.
    pub count: i32,
}

impl BatchHeader {
    /// Reads a header from the front of `bytes`, which need not hold the records; checks magic and length only.
    pub fn read(bytes: &[u8]) -> Result<BatchHeader, ReadError> {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(ReadError::Truncated { needed: HEADER_LEN, available: bytes.len() });
        };
        let length = i32_at(head, 8);
        if head[MAGIC_AT] as i8 != MAGIC_V2 {
            return Err(ReadError::UnknownMagic(head[MAGIC_AT] as i8));
        }
        let minimum = (HEADER_LEN - LOG_OVERHEAD) as i32;
        if length < minimum {
            return Err(ReadError::SizeBelowMinimum { size: length, minimum });
        }
        Ok(BatchHeader {
            base_offset: Offset(i64_at(head, 0)),
            size: length as usize + LOG_OVERHEAD,
            leader_epoch: LeaderEpoch(i32_at(head, LEADER_EPOCH_AT)),
            crc: i32_at(head, CRC_AT) as u32,
            attributes: i16_at(head, ATTRIBUTES_AT),
            last_offset_delta: i32_at(head, LAST_OFFSET_DELTA_AT),
            base_timestamp: i64_at(head, BASE_TIMESTAMP_AT),
            max_timestamp: i64_at(head, MAX_TIMESTAMP_AT),
            producer_id: ProducerId(i64_at(head, PRODUCER_ID_AT)),
            producer_epoch: ProducerEpoch(i16_at(head, PRODUCER_EPOCH_AT)),
            base_sequence: i32_at(head, BASE_SEQUENCE_AT),
            count: i32_at(head, COUNT_AT),
        })
    }

    /// The header's 61 bytes, with the CRC as the field says.
    pub fn write(&self) -> [u8; HEADER_LEN] {
        let mut head = [0; HEADER_LEN];
        put(&mut head, 0, &self.base_offset.0.to_be_bytes());
        put(&mut head, 8, &((self.size - LOG_OVERHEAD) as i32).to_be_bytes());
        put(&mut head, LEADER_EPOCH_AT, &self.leader_epoch.0.to_be_bytes());
        head[MAGIC_AT] = MAGIC_V2 as u8;
        put(&mut head, CRC_AT, &self.crc.to_be_bytes());
        put(&mut head, ATTRIBUTES_AT, &self.attributes.to_be_bytes());
        put(&mut head, LAST_OFFSET_DELTA_AT, &self.last_offset_delta.to_be_bytes());
        put(&mut head, BASE_TIMESTAMP_AT, &self.base_timestamp.to_be_bytes());
        put(&mut head, MAX_TIMESTAMP_AT, &self.max_timestamp.to_be_bytes());
        put(&mut head, PRODUCER_ID_AT, &self.producer_id.0.to_be_bytes());
        put(&mut head, PRODUCER_EPOCH_AT, &self.producer_epoch.0.to_be_bytes());
        put(&mut head, BASE_SEQUENCE_AT, &self.base_sequence.to_be_bytes());
        put(&mut head, COUNT_AT, &self.count.to_be_bytes());
        head
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.wrapping_add(i64::from(self.last_offset_delta)))
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// Sequence of the last record, which wraps from `i32::MAX` to 0; -1 without a producer.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return crate::NO_SEQUENCE;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last % (i64::from(i32::MAX) + 1)) as i32
    }

    /// The codec, or an error if the number is none of Kafka's.
    pub fn compression(&self) -> Result<Compression, ReadError> {
        let id = (self.attributes & CODEC_MASK) as u8;
        Compression::from_id(id).ok_or(ReadError::UnknownCodec(id))
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Is it part of a transaction?
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Does it hold a control record, which consumers do not see?
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// When tombstones and markers in it may be removed by compaction, if that was set.
    pub fn delete_horizon(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    /// Does it come from an idempotent producer?
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// The attributes of these choices.
    pub(crate) fn attributes_of(
        compression: Compression,
        timestamp_type: TimestampType,
        transactional: bool,
        control: bool,
        delete_horizon: bool,
    ) -> i16 {
        let bit = |set: bool, bit: i16| if set { bit } else { 0 };
        i16::from(compression.id())
            | bit(timestamp_type == TimestampType::LogAppendTime, LOG_APPEND_TIME_BIT)
            | bit(transactional, TRANSACTIONAL_BIT)
            | bit(control, CONTROL_BIT)
            | bit(delete_horizon, DELETE_HORIZON_BIT)
    }

    /// Sets timestamp type and max timestamp as a broker does on append; says whether that changed anything, and so
    /// whether the CRC has to be made anew (both lie in its span).
    pub fn set_max_timestamp(&mut self, timestamp_type: TimestampType, max_timestamp: i64) -> bool {
        if self.timestamp_type() == timestamp_type && self.max_timestamp == max_timestamp {
            return false;
        }
        match timestamp_type {
            TimestampType::CreateTime => self.attributes &= !LOG_APPEND_TIME_BIT,
            TimestampType::LogAppendTime => self.attributes |= LOG_APPEND_TIME_BIT,
        }
        self.max_timestamp = max_timestamp;
        true
    }

    /// Sets the time from which compaction may remove the tombstones in the batch; records then count their
    /// timestamps from it, so this is for a batch that is being built anew.
    pub fn set_delete_horizon(&mut self, horizon: i64) {
        self.attributes |= DELETE_HORIZON_BIT;
        self.base_timestamp = horizon;
    }
}

/// One whole v2 batch in borrowed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBatch<'a> {
    bytes: &'a [u8],
    header: BatchHeader,
}

impl<'a> RecordBatch<'a> {
    /// The batch at the front of `bytes`; what follows it is left out. The CRC is not checked.
    pub fn read(bytes: &'a [u8]) -> Result<RecordBatch<'a>, ReadError> {
        let header = BatchHeader::read(bytes)?;
        match bytes.get(..header.size) {
            Some(bytes) => Ok(RecordBatch { bytes, header }),
            None => Err(ReadError::Truncated { needed: header.size, available: bytes.len() }),
        }
    }

    /// All bytes of the batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header's fields.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Offset of the first record the batch was made with.
    pub fn base_offset(&self) -> Offset {
        self.header.base_offset
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.header.last_offset()
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        self.header.next_offset()
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        self.header.size
    }

    /// Epoch of the leader that appended it.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.header.leader_epoch
    }

    /// The largest timestamp in the batch, or the time of append.
    pub fn max_timestamp(&self) -> i64 {
        self.header.max_timestamp
    }

    /// The codec, or an error if the number is none of Kafka's.
    pub fn compression(&self) -> Result<Compression, ReadError> {
        self.header.compression()
    }

    /// Is it part of a transaction?
    pub fn is_transactional(&self) -> bool {
        self.header.is_transactional()
    }

    /// Does it hold a control record?
    pub fn is_control(&self) -> bool {
        self.header.is_control()
    }

    /// Records or their compressed form: everything after the header.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..]
    }

    /// CRC-32C of the bytes as they are.
    pub fn computed_crc(&self) -> u32 {
        crc32c(&self.bytes[ATTRIBUTES_AT..])
    }

    /// Does the stored CRC fit the bytes?
    pub fn is_crc_valid(&self) -> bool {
        self.header.crc == self.computed_crc()
    }

    /// Fails unless the stored CRC fits the bytes.
    pub fn check_crc(&self) -> Result<(), ReadError> {
        let computed = self.computed_crc();
        if self.header.crc == computed {
            return Ok(());
        }
        Err(ReadError::Checksum { stored: self.header.crc, computed })
    }

    /// The records, decompressed if needed to at most `limit` bytes. The CRC is not checked.
    pub fn records(&self, limit: usize) -> Result<Records<'a>, ReadError> {
        Records::of(self, limit)
    }

    /// The records as values that share `owner`'s memory (or that of the decompressed payload); `owner` is what this
    /// batch was read from.
    pub fn shared_records(&self, owner: &Bytes, limit: usize) -> Result<SharedRecords, ReadError> {
        SharedRecords::of(self, owner, limit)
    }
}

/// Sets the base offset of the batch at the front of `batch`, which is at least a header long.
pub fn set_base_offset(batch: &mut [u8], base_offset: Offset) {
    batch[..8].copy_from_slice(&base_offset.0.to_be_bytes());
}

/// Sets the leader epoch of the v2 batch at the front of `batch`, which is at least a header long.
pub fn set_leader_epoch(batch: &mut [u8], epoch: LeaderEpoch) {
    batch[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&epoch.0.to_be_bytes());
}

/// Sets timestamp type and max timestamp of a whole v2 batch, and its CRC if that changed anything.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_type: TimestampType, max_timestamp: i64) -> Result<(), ReadError> {
    let mut header = BatchHeader::read(batch)?;
    let available = batch.len();
    let Some(batch) = batch.get_mut(..header.size) else {
        return Err(ReadError::Truncated { needed: header.size, available });
    };
    if header.set_max_timestamp(timestamp_type, max_timestamp) {
        batch[..HEADER_LEN].copy_from_slice(&header.write());
        let crc = crc32c(&batch[ATTRIBUTES_AT..]);
        batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    }
    Ok(())
}

fn put(head: &mut [u8; HEADER_LEN], at: usize, bytes: &[u8]) {
    head[at..at + bytes.len()].copy_from_slice(bytes);
}

fn i16_at(head: &[u8; HEADER_LEN], at: usize) -> i16 {
    i16::from_be_bytes([head[at], head[at + 1]])
}

fn i32_at(head: &[u8; HEADER_LEN], at: usize) -> i32 {
    i32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

fn i64_at(head: &[u8; HEADER_LEN], at: usize) -> i64 {
    (i64::from(i32_at(head, at)) << 32) | i64::from(i32_at(head, at + 4) as u32)
}
