//! What a broker checks before it appends, and what it then appends.
//!
//! A client's v2 batch goes to the log as it came: only its header changes, because base offset, leader epoch and
//! (with log append time) the max timestamp are the broker's to say. So the result is a header of 61 bytes and the
//! body as a slice of the request. Records are rebuilt only if the topic wants another codec, if they came in format
//! 0 or 1, or if their offsets do not count from 0 by 1.
//!
//! Codes and texts are those of Apache's broker. Two differ on purpose: a codec that does not exist answers
//! `UNSUPPORTED_COMPRESSION_TYPE` and a payload that its codec cannot read `INVALID_RECORD`, both `UNKNOWN_SERVER_ERROR`
//! there, which tells a client nothing.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use kafka_types::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use time_types::WallMillis;

use crate::NO_TIMESTAMP;
use crate::batch::{ATTRIBUTES_AT, BatchHeader, HEADER_LEN, MAGIC_V2, RecordBatch, TimestampType};
use crate::builder::{BatchBuilder, BatchFull, BatchOptions};
use crate::checksum::crc32c_of_two;
use crate::compression::{Codec, Compression};
use crate::error::ReadError;
use crate::legacy::LegacyEntry;
use crate::reader::{Batch, Records, batches};
use crate::record::RecordRef;

/// Who wants to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer, by a Produce request: everything is checked.
    Client,
    /// A coordinator of this broker: group and transaction state, transaction markers.
    Coordinator,
}

/// What `compression.type` of a topic asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetCompression {
    /// `producer`: keep what came.
    #[default]
    Producer,
    /// Store by this codec (`uncompressed` is [`Compression::None`]).
    Fixed(Codec),
}

/// The rules of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The partition, for the texts.
    pub partition: &'a TopicPartition,
    /// Who wants to append.
    pub origin: Origin,
    /// The epoch of this leader, which the batch will carry.
    pub leader_epoch: LeaderEpoch,
    /// Is `compact` in `cleanup.policy`, so that every record needs a key?
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`.
    pub compression: TargetCompression,
    /// `max.message.bytes`: the most that one batch may have.
    pub max_message_bytes: usize,
    /// `segment.bytes`: the most that one append may have.
    pub segment_bytes: usize,
    /// The most that a compressed batch may decompress to; [`crate::MAX_DECOMPRESSED_DEFAULT`] if nothing better.
    pub decompressed_max: usize,
}

/// What is wrong with one record of a batch (Produce response v8 and later).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Which record, from 0.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: String,
}

/// Why nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejected {
    /// The code of the partition's response.
    pub code: ErrorCode,
    /// What was wrong, for the log and the reader of it.
    pub message: String,
    /// Which records were wrong; empty if it was the batch as a whole.
    pub record_errors: Vec<RecordError>,
}

impl Rejected {
    fn new(code: ErrorCode, message: impl Into<String>) -> Rejected {
        Rejected { code, message: message.into(), record_errors: Vec::new() }
    }

    fn invalid(message: impl Into<String>) -> Rejected {
        Rejected::new(ErrorCode::InvalidRecord, message)
    }

    /// The `error_message` of the response: Apache's broker sets it when single records were wrong, and only then.
    pub fn response_message(&self) -> Option<&str> {
        (!self.record_errors.is_empty()).then_some(self.message.as_str())
    }
}

impl From<ReadError> for Rejected {
    fn from(error: ReadError) -> Rejected {
        let code = match &error {
            ReadError::SizeBelowMinimum { .. } | ReadError::UnknownMagic(_) | ReadError::Checksum { .. } => {
                ErrorCode::CorruptMessage
            }
            ReadError::UnknownCodec(_) => ErrorCode::UnsupportedCompressionType,
            ReadError::Truncated { .. }
            | ReadError::Malformed(_)
            | ReadError::Decompress { .. }
            | ReadError::TooLarge { .. } => ErrorCode::InvalidRecord,
        };
        Rejected::new(code, error.to_string())
    }
}

/// What the version of a Produce request allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProduceFormats {
    /// Formats 0 and 1 in any number; otherwise exactly one v2 batch.
    pub old: bool,
    /// zstd; otherwise the request is from before it existed.
    pub zstd: bool,
    /// The version itself, for the texts.
    pub version: i16,
}

/// Checks what every Produce request owes before its partition is even looked up.
pub fn check_produced(records: &[u8], formats: ProduceFormats) -> Result<(), Rejected> {
    if formats.old {
        return Ok(());
    }
    let version = formats.version;
    let mut batches = batches(records);
    let Some(first) = batches.next().transpose()? else {
        return Err(Rejected::invalid(format!(
            "Produce requests with version {version} must have at least one record batch per partition"
        )));
    };
    if first.magic() != MAGIC_V2 {
        return Err(Rejected::invalid(format!(
            "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
        )));
    }
    if !formats.zstd && first.compression()? == Compression::Zstd {
        return Err(Rejected::new(
            ErrorCode::UnsupportedCompressionType,
            format!("Produce requests with version {version} are not allowed to use ZStandard compression"),
        ));
    }
    if batches.next().transpose()?.is_some() {
        return Err(Rejected::invalid(format!(
            "Produce requests with version {version} are only allowed to contain exactly one record batch per partition"
        )));
    }
    Ok(())
}

/// What a look at the batches' headers tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analysis {
    /// Offset of the first batch; of its last record in formats 0 and 1.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The largest timestamp, or -1.
    pub max_timestamp: i64,
    /// The offset that goes with it: that of the last record of its batch.
    pub offset_of_max_timestamp: Offset,
    /// The epoch of the last batch.
    pub last_leader_epoch: LeaderEpoch,
    /// Bytes of the whole batches; what follows is a cut one, which is not appended.
    pub valid_bytes: usize,
    /// How many batches.
    pub batches: usize,
    /// Does each batch begin after the one before it?
    pub monotonic: bool,
    /// The codec of the last compressed batch, or none.
    pub compression: Compression,
}

/// Walks the batches of an append, a leader's or a follower's: sizes and CRCs. `max_message_bytes` is `None` where the
/// leader has already judged (a follower's append).
pub fn analyze(
    partition: &TopicPartition,
    records: &[u8],
    max_message_bytes: Option<usize>,
) -> Result<Analysis, Rejected> {
    let mut found = Analysis {
        first_offset: Offset::NONE,
        last_offset: Offset::NONE,
        max_timestamp: NO_TIMESTAMP,
        offset_of_max_timestamp: Offset::NONE,
        last_leader_epoch: LeaderEpoch::NONE,
        valid_bytes: 0,
        batches: 0,
        monotonic: true,
        compression: Compression::None,
    };
    for batch in batches(records) {
        let batch = batch?;
        if found.batches == 0 {
            found.first_offset = batch.first_known_offset();
        }
        found.monotonic &= found.last_offset < batch.last_offset();
        found.last_offset = batch.last_offset();
        found.last_leader_epoch = batch.leader_epoch();
        let size = batch.size();
        if let Some(max) = max_message_bytes.filter(|&max| size > max) {
            return Err(Rejected::new(
                ErrorCode::MessageTooLarge,
                format!(
                    "The record batch size in the append to {partition} is {size} bytes which exceeds the maximum \
                     configured value of {max}."
                ),
            ));
        }
        batch.check_crc().map_err(|error| corrupt(&error, partition))?;
        if batch.max_timestamp() > found.max_timestamp {
            found.max_timestamp = batch.max_timestamp();
            found.offset_of_max_timestamp = found.last_offset;
        }
        found.valid_bytes += size;
        found.batches += 1;
        let codec = batch.compression()?;
        if codec != Compression::None {
            found.compression = codec;
        }
    }
    Ok(found)
}

fn corrupt(error: &ReadError, partition: &TopicPartition) -> Rejected {
    let message = match error {
        ReadError::Checksum { stored, .. } => {
            format!("Record is corrupt (stored crc = {stored}) in topic partition {partition}.")
        }
        other => format!("{other} in topic partition {partition}"),
    };
    Rejected::new(ErrorCode::CorruptMessage, message)
}

/// A batch that may go to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validated {
    /// Its header as it goes to the log.
    pub header: BatchHeader,
    /// The header's bytes.
    pub head: [u8; HEADER_LEN],
    /// Everything after the header; a slice of what came unless the batch was rebuilt.
    pub body: Bytes,
    /// The time of append, if the topic has that instead of the producers' times.
    pub append_time: Option<i64>,
    /// Was it rebuilt (another codec, an old format, odd offsets)?
    pub rebuilt: bool,
}

impl Validated {
    /// Offset of its first record.
    pub fn first_offset(&self) -> Offset {
        self.header.base_offset
    }

    /// Offset of its last record.
    pub fn last_offset(&self) -> Offset {
        self.header.last_offset()
    }

    /// Its bytes, in number.
    pub fn size(&self) -> usize {
        self.header.size
    }

    /// Its bytes in one piece, which copies the body.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.size());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }
}

/// Checks what wants to be appended at `first_offset` and makes it ready; `None` if there is no whole batch in it (an
/// old client may send an empty set, which is answered as a success).
pub fn validate(
    now: WallMillis,
    records: &Bytes,
    first_offset: Offset,
    rules: &Rules<'_>,
) -> Result<Option<Validated>, Rejected> {
    if rules.origin == Origin::Client {
        check_base_offsets(records, rules)?;
    }
    let found = analyze(rules.partition, records, Some(rules.max_message_bytes))?;
    if found.batches == 0 {
        return Ok(None);
    }
    let append = Append { now: now.0, first_offset, rules, source: found.compression };
    let validated = match Batch::read(records)? {
        Batch::V2(_) if found.batches > 1 => {
            return Err(Rejected::invalid("Compressed outer record has more than one batch"));
        }
        Batch::V2(batch) => append.v2(&batch, records)?,
        Batch::Legacy(first) => append.legacy(first, &records[..found.valid_bytes])?,
    };
    check_sizes(&validated, rules)?;
    Ok(Some(validated))
}

fn check_base_offsets(records: &[u8], rules: &Rules<'_>) -> Result<(), Rejected> {
    for batch in batches(records) {
        match batch? {
            Batch::V2(batch) if batch.base_offset() != Offset(0) => {
                return Err(Rejected::invalid(format!(
                    "The baseOffset of the record batch in the append to {} should be 0, but it is {}",
                    rules.partition,
                    batch.base_offset()
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_sizes(validated: &Validated, rules: &Rules<'_>) -> Result<(), Rejected> {
    let (size, partition) = (validated.size(), rules.partition);
    if validated.rebuilt && size > rules.max_message_bytes {
        return Err(Rejected::new(
            ErrorCode::MessageTooLarge,
            format!(
                "Message batch size is {size} bytes in append to partition {partition} which exceeds the maximum \
                 configured size of {}.",
                rules.max_message_bytes
            ),
        ));
    }
    if size > rules.segment_bytes {
        return Err(Rejected::new(
            ErrorCode::RecordListTooLarge,
            format!(
                "Message batch size is {size} bytes in append to partition {partition}, which exceeds the maximum \
                 configured segment size of {}.",
                rules.segment_bytes
            ),
        ));
    }
    Ok(())
}

/// One append being judged.
struct Append<'a> {
    now: i64,
    first_offset: Offset,
    rules: &'a Rules<'a>,
    source: Compression,
}

impl Append<'_> {
    fn target(&self) -> Codec {
        match self.rules.compression {
            TargetCompression::Producer => self.source.into(),
            TargetCompression::Fixed(codec) => codec,
        }
    }

    fn append_time(&self) -> Option<i64> {
        (self.rules.timestamp_type == TimestampType::LogAppendTime).then_some(self.now)
    }

    fn v2(&self, batch: &RecordBatch<'_>, owner: &Bytes) -> Result<Validated, Rejected> {
        self.check_v2_header(batch.header())?;
        let same_codec = self.source == self.target().compression;
        // Markers stay as they are: nobody compresses ten bytes.
        let mut in_place = same_codec || (self.source == Compression::None && batch.is_control());
        let records = batch.records(self.rules.decompressed_max)?;
        let mut seen = Seen::default();
        for (index, record) in records.iter().enumerate() {
            let record = record?;
            in_place &= record.offset.0 == batch.base_offset().0 + index as i64;
            seen.max_timestamp = seen.max_timestamp.max(record.timestamp);
            if let Some(fault) = self.fault_of(&record, batch.header().timestamp_type()) {
                seen.add(index, fault);
            }
        }
        seen.check()?;
        if in_place { Ok(self.patched(batch, owner, seen.max_timestamp)) } else { self.rebuilt_v2(batch, &records) }
    }

    fn check_v2_header(&self, header: &BatchHeader) -> Result<(), Rejected> {
        if self.rules.origin != Origin::Client {
            return Ok(());
        }
        let partition = self.rules.partition;
        let (base, last, count) = (header.base_offset, header.last_offset(), header.count);
        let span = i64::from(header.last_offset_delta) + 1;
        if span <= 0 {
            return Err(Rejected::invalid(format!(
                "Batch has an invalid offset range: [{base}, {last}] in topic partition {partition}"
            )));
        }
        if count <= 0 {
            return Err(Rejected::invalid(format!(
                "Invalid reported count for record batch: {count} in topic partition {partition}"
            )));
        }
        if span != i64::from(count) {
            return Err(Rejected::invalid(format!(
                "Inconsistent batch offset range [{base}, {last}] and count of records {count} in topic partition \
                 {partition}"
            )));
        }
        if header.is_control() {
            return Err(Rejected::invalid(format!(
                "Clients are not allowed to write control records in topic partition {partition}"
            )));
        }
        if header.has_producer() && header.base_sequence < 0 {
            return Err(Rejected::invalid(format!(
                "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
                header.base_sequence, header.producer_id
            )));
        }
        Ok(())
    }

    fn fault_of(&self, record: &RecordRef<'_>, batch_type: TimestampType) -> Option<Fault> {
        if self.rules.compacted && record.key.is_none() {
            return Some(Fault::NoKey(self.rules.partition.clone()));
        }
        if self.rules.timestamp_type == TimestampType::CreateTime && record.timestamp != NO_TIMESTAMP {
            let age = self.now.wrapping_sub(record.timestamp);
            let (before, after) = (self.rules.timestamp_before_max_ms, self.rules.timestamp_after_max_ms);
            if age > before || age.wrapping_neg() > after {
                return Some(Fault::TimestampOutOfRange {
                    timestamp: record.timestamp,
                    offset: record.offset,
                    earliest: self.now.wrapping_sub(before),
                    latest: self.now.wrapping_add(after),
                });
            }
        } else if batch_type == TimestampType::LogAppendTime {
            return Some(Fault::TimestampType(describe(record)));
        }
        None
    }

    fn patched(&self, batch: &RecordBatch<'_>, owner: &Bytes, max_timestamp: i64) -> Validated {
        let mut header = *batch.header();
        header.base_offset = self.first_offset;
        header.leader_epoch = self.rules.leader_epoch;
        let timestamps_changed =
            header.set_max_timestamp(self.rules.timestamp_type, self.append_time().unwrap_or(max_timestamp));
        if timestamps_changed {
            header.crc = crc32c_of_two(&header.write()[ATTRIBUTES_AT..], batch.payload());
        }
        Validated {
            header,
            head: header.write(),
            body: owner.slice_ref(batch.payload()),
            append_time: self.append_time(),
            rebuilt: false,
        }
    }

    fn rebuilt_v2(&self, batch: &RecordBatch<'_>, records: &Records<'_>) -> Result<Validated, Rejected> {
        let header = batch.header();
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            transactional: header.is_transactional(),
            control: header.is_control(),
            ..self.options()
        });
        for record in records {
            builder.append_ref(builder.next_offset(), &record?).map_err(too_many)?;
        }
        self.finished(builder)
    }

    fn legacy(&self, first: LegacyEntry<'_>, records: &[u8]) -> Result<Validated, Rejected> {
        if self.source != Compression::None && first.bytes().len() < records.len() {
            return Err(Rejected::invalid("Compressed outer record has more than one batch"));
        }
        let mut builder = BatchBuilder::new(self.options());
        let mut budget = self.rules.decompressed_max;
        for batch in batches(records) {
            let Batch::Legacy(entry) = batch? else { return Err(self.mixed(MAGIC_V2, first.magic())) };
            if entry.magic() != first.magic() {
                return Err(self.mixed(entry.magic(), first.magic()));
            }
            let messages = entry.messages(budget)?;
            budget = budget.saturating_sub(messages.remaining_len());
            let batch_type =
                if entry.is_log_append_time() { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
            let mut seen = Seen::default();
            for (index, message) in messages.enumerate() {
                let record = message.as_ref();
                if let Some(fault) = self.fault_of(&record, batch_type) {
                    seen.add(index, fault);
                }
                builder.append_ref(builder.next_offset(), &record).map_err(too_many)?;
            }
            seen.check()?;
        }
        self.finished(builder)
    }

    fn mixed(&self, magic: i8, first: i8) -> Rejected {
        Rejected::invalid(format!(
            "Batch magic {magic} is not the same as the first batch's magic byte {first} in topic partition {}",
            self.rules.partition
        ))
    }

    fn options(&self) -> BatchOptions {
        BatchOptions {
            base_offset: self.first_offset,
            leader_epoch: self.rules.leader_epoch,
            codec: self.target(),
            append_time: self.append_time(),
            ..BatchOptions::default()
        }
    }

    fn finished(&self, builder: BatchBuilder) -> Result<Validated, Rejected> {
        let bytes = builder.finish();
        let header = BatchHeader::read(&bytes)?;
        Ok(Validated {
            header,
            head: header.write(),
            body: bytes.slice(HEADER_LEN..),
            append_time: self.append_time(),
            rebuilt: true,
        })
    }
}

fn too_many(full: BatchFull) -> Rejected {
    Rejected::new(ErrorCode::RecordListTooLarge, full.to_string())
}

fn describe(record: &RecordRef<'_>) -> String {
    let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    format!(
        "DefaultRecord(offset={}, timestamp={}, key={} bytes, value={} bytes)",
        record.offset,
        record.timestamp,
        len(record.key),
        len(record.value)
    )
}

/// What is wrong with one record.
enum Fault {
    NoKey(TopicPartition),
    TimestampOutOfRange { timestamp: i64, offset: Offset, earliest: i64, latest: i64 },
    TimestampType(String),
}

impl Fault {
    fn is_timestamp(&self) -> bool {
        !matches!(self, Fault::NoKey(_))
    }

    fn text(&self) -> String {
        match self {
            Fault::NoKey(partition) => {
                format!("Compacted topic cannot accept message without key in topic partition {partition}.")
            }
            Fault::TimestampOutOfRange { timestamp, offset, earliest, latest } => format!(
                "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within \
                 [{earliest}, {latest}]"
            ),
            Fault::TimestampType(record) => format!(
                "Invalid timestamp type in message {record}. Producer should not set timestamp type to LogAppendTime."
            ),
        }
    }
}

/// How many wrong records are told one by one: a response must not grow with what a batch decompresses to.
const RECORD_ERRORS_MAX: usize = 10_000;

/// What was seen while walking a batch.
struct Seen {
    max_timestamp: i64,
    faults: Vec<(i32, Fault)>,
    fault_count: usize,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { max_timestamp: NO_TIMESTAMP, faults: Vec::new(), fault_count: 0 }
    }
}

impl Seen {
    fn add(&mut self, index: usize, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < RECORD_ERRORS_MAX {
            self.faults.push((index as i32, fault));
        }
    }

    /// One wrong record fails the batch.
    fn check(&self) -> Result<(), Rejected> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let record_errors: Vec<RecordError> = self
            .faults
            .iter()
            .map(|(index, fault)| RecordError { batch_index: *index, message: fault.text() })
            .collect();
        if self.faults.iter().any(|(_, fault)| fault.is_timestamp()) {
            let message = "One or more records have been rejected due to invalid timestamp".to_owned();
            return Err(Rejected { code: ErrorCode::InvalidTimestamp, message, record_errors });
        }
        let mut message = format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three \
             errors at most: [",
            self.fault_count
        );
        for (index, error) in record_errors.iter().take(3).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(message, "{comma}RecordError(batchIndex={}, message='{}')", error.batch_index, error.message)
                .expect("writing to a string does not fail");
        }
        message.push(']');
        Err(Rejected { code: ErrorCode::InvalidRecord, message, record_errors })
    }
}
