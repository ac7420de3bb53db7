//! Grows a v2 batch record by record.
//!
//! Records are written behind 61 free bytes, so that an uncompressed batch is finished by filling in its header and
//! is never copied.

use bytes::Bytes;
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::batch::{ATTRIBUTES_AT, BatchHeader, CRC_AT, HEADER_LEN, TimestampType};
use crate::checksum::crc32c;
use crate::compression::{self, Codec, Compression};
use crate::record::{self, Header, HeaderSource, Parts, RecordRef};

/// What a batch says beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// Offset of the first record; producers say 0 and the broker assigns.
    pub base_offset: Offset,
    /// Epoch of the leader that appends; producers say none.
    pub leader_epoch: LeaderEpoch,
    /// How to compress the records.
    pub codec: Codec,
    /// The time of append, if all records are to have that instead of their own.
    pub append_time: Option<i64>,
    /// The idempotent producer, or none.
    pub producer_id: ProducerId,
    /// Its epoch, or none.
    pub producer_epoch: ProducerEpoch,
    /// Its sequence for the first record, or -1.
    pub base_sequence: i32,
    /// Is it part of a transaction?
    pub transactional: bool,
    /// Does it hold a control record?
    pub control: bool,
    /// When compaction may remove its tombstones and markers, if that is known.
    pub delete_horizon: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> BatchOptions {
        BatchOptions {
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch::NONE,
            codec: Codec::default(),
            append_time: None,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: crate::NO_SEQUENCE,
            transactional: false,
            control: false,
            delete_horizon: None,
        }
    }
}

/// The record does not fit: a batch holds less than 2 GiB, and offsets that rise and lie within 2^31 of its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record does not fit into its batch: less than 2 GiB, offsets that rise within 2^31 of the first")]
pub struct BatchFull;

/// A batch that grows.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// 61 free bytes, then the records, uncompressed.
    buffer: Vec<u8>,
    count: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    last_offset: Option<i64>,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(options: BatchOptions) -> BatchBuilder {
        BatchBuilder::with_buffer(options, Vec::new())
    }

    /// An empty batch that grows in `buffer`, whose content is dropped and whose memory is used.
    pub fn with_buffer(options: BatchOptions, mut buffer: Vec<u8>) -> BatchBuilder {
        buffer.clear();
        buffer.resize(HEADER_LEN, 0);
        BatchBuilder {
            options,
            buffer,
            count: 0,
            base_timestamp: options.delete_horizon,
            max_timestamp: crate::NO_TIMESTAMP,
            last_offset: None,
        }
    }

    /// Appends a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), BatchFull> {
        self.push(self.next_offset(), timestamp, (key, value), HeaderSource::Owned(headers))
    }

    /// Appends a record of another batch at an offset, which must be above the last one.
    pub fn append_ref(&mut self, offset: Offset, record: &RecordRef<'_>) -> Result<(), BatchFull> {
        self.push(offset, record.timestamp, (record.key, record.value), HeaderSource::Raw(record.headers))
    }

    /// The offset that [`append`](Self::append) would use.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset.map_or(self.options.base_offset.0, |last| last + 1))
    }

    /// How many records it has.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Has it no record?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes so far, header included, before compression.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The most bytes that [`append`](Self::append) may add for such a record.
    pub fn record_bound(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
        let parts = Parts { timestamp_delta: i64::MIN, offset_delta: i32::MAX, key, value };
        record::body_len(parts, HeaderSource::Owned(headers)) + kafka_types::varint::MAX_LEN_32
    }

    /// Names the producer and its sequence; a producer knows them only when it sends.
    pub fn set_producer(&mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
        self.options.producer_id = id;
        self.options.producer_epoch = epoch;
        self.options.base_sequence = base_sequence;
    }

    /// The finished batch: compressed if its options say so, with its CRC.
    pub fn finish(self) -> Bytes {
        let mut header = self.header();
        let mut bytes = self.buffer;
        if self.options.codec.compression != Compression::None {
            let mut compressed = Vec::with_capacity(HEADER_LEN + bytes.len() / 2);
            compressed.resize(HEADER_LEN, 0);
            compression::compress(self.options.codec, &bytes[HEADER_LEN..], &mut compressed);
            bytes = compressed;
        }
        header.size = bytes.len();
        bytes[..HEADER_LEN].copy_from_slice(&header.write());
        let crc = crc32c(&bytes[ATTRIBUTES_AT..]);
        bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    }

    fn header(&self) -> BatchHeader {
        let options = &self.options;
        let timestamp_type =
            if options.append_time.is_some() { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
        BatchHeader {
            base_offset: options.base_offset,
            size: self.buffer.len(),
            leader_epoch: options.leader_epoch,
            crc: 0,
            attributes: BatchHeader::attributes_of(
                options.codec.compression,
                timestamp_type,
                options.transactional,
                options.control,
                options.delete_horizon.is_some(),
            ),
            last_offset_delta: self.last_offset.map_or(0, |last| (last - options.base_offset.0) as i32),
            base_timestamp: self.base_timestamp.unwrap_or(crate::NO_TIMESTAMP),
            max_timestamp: options.append_time.unwrap_or(self.max_timestamp),
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            count: self.count,
        }
    }

    fn push(
        &mut self,
        offset: Offset,
        timestamp: i64,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        headers: HeaderSource<'_>,
    ) -> Result<(), BatchFull> {
        let rises = self.last_offset.is_none_or(|last| last < offset.0);
        let delta = offset.0.checked_sub(self.options.base_offset.0).and_then(|delta| i32::try_from(delta).ok());
        let Some(offset_delta) = delta.filter(|&delta| rises && delta >= 0) else { return Err(BatchFull) };
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let parts = Parts { timestamp_delta: timestamp.wrapping_sub(base_timestamp), offset_delta, key, value };
        // Checked before the precise length, which is counted in 32 bits.
        let rough = key.map_or(0, <[u8]>::len).saturating_add(value.map_or(0, <[u8]>::len));
        if rough.saturating_add(self.buffer.len()) > i32::MAX as usize / 2
            && self.buffer.len() + record::body_len(parts, headers) > i32::MAX as usize - HEADER_LEN
        {
            return Err(BatchFull);
        }
        record::write(parts, headers, &mut self.buffer);
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset = Some(offset.0);
        Ok(())
    }
}
