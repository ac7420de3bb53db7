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

mod faults;
mod judge;

use bytes::{Bytes, BytesMut};
use kafka_types::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use time_types::WallMillis;

use crate::NO_TIMESTAMP;
use crate::batch::{BatchHeader, HEADER_LEN, MAGIC_AT, MAGIC_V2, TimestampType};
use crate::compression::{Codec, Compression};
use crate::error::ReadError;
use crate::reader::{Batch, batches};
use judge::Append;

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
    /// Is the message for the client, too?
    told: bool,
}

impl Rejected {
    fn new(code: ErrorCode, message: impl Into<String>) -> Rejected {
        Rejected { code, message: message.into(), record_errors: Vec::new(), told: false }
    }

    fn invalid(message: impl Into<String>) -> Rejected {
        Rejected::new(ErrorCode::InvalidRecord, message)
    }

    /// The `error_message` of the response: Apache's broker sets it when single records were wrong, or when it could
    /// not even find a batch.
    pub fn response_message(&self) -> Option<&str> {
        self.told.then_some(self.message.as_str())
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
        let told = matches!(error, ReadError::SizeBelowMinimum { .. } | ReadError::UnknownMagic(_));
        Rejected { told, ..Rejected::new(code, error.to_string()) }
    }
}

/// Does a batch say that it belongs to a transaction? What cannot be read does not.
pub fn has_transactional(records: &[u8]) -> bool {
    batches(records).any(|batch| matches!(batch, Ok(Batch::V2(batch)) if batch.is_transactional()))
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
    /// Bytes of memory that it took besides what came: its records uncompressed, or the batch that was built.
    pub temporary_bytes: u64,
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

/// Will [`validate`] rebuild these records: are they of an old format, or in another codec than they are to be stored in?
/// Tells it by the first header alone, so it may be asked of every append; that offsets are odd shows later.
pub fn converts(records: &[u8], target: TargetCompression) -> bool {
    let Some(&magic) = records.get(MAGIC_AT) else { return false };
    if magic.cast_signed() != MAGIC_V2 {
        return true;
    }
    match target {
        TargetCompression::Producer => false,
        TargetCompression::Fixed(codec) => match Batch::read(records) {
            Ok(Batch::V2(batch)) => batch.compression().is_ok_and(|source| source != codec.compression),
            _ => false,
        },
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
