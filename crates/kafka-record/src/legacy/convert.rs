//! Message sets of format 0 and 1 to write, and v2 batches brought down to them for old consumers.

use bytes::Bytes;
use kafka_types::Offset;

use super::lz4;
use crate::NO_TIMESTAMP;
use crate::batch::{RecordBatch, TimestampType};
use crate::checksum::crc32;
use crate::compression::{self, Codec, Compression};
use crate::error::ReadError;
use crate::reader::{Batch, batches};
use crate::record::RecordRef;

/// Why a record set cannot be brought down to an old format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownConvertError {
    /// The old formats know no zstd (`UNSUPPORTED_COMPRESSION_TYPE`).
    #[error("Down-conversion of zstandard-compressed batches is not supported")]
    Zstd,
    /// What is stored does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The form of a message set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetOptions {
    /// Format 1, with timestamps? Otherwise format 0.
    pub timestamps: bool,
    /// The codec; not zstd.
    pub codec: Codec,
    /// The time of append, if all messages have that.
    pub append_time: Option<i64>,
}

/// Writes records as a message set: one entry each, or all in one compressed entry.
pub fn write_set<'r>(options: SetOptions, records: impl IntoIterator<Item = RecordRef<'r>>) -> Vec<u8> {
    let compressed = options.codec.compression != Compression::None;
    let mut set = Vec::new();
    let mut base = None;
    let mut last = Offset(0);
    let mut max_timestamp = NO_TIMESTAMP;
    for record in records {
        let base = *base.get_or_insert(record.offset);
        let relative = options.timestamps && compressed;
        let entry = Entry {
            offset: if relative { record.offset - base } else { record.offset.0 },
            timestamp: options.append_time.unwrap_or(record.timestamp),
            codec: Compression::None,
            key: record.key,
            value: record.value,
        };
        max_timestamp = max_timestamp.max(entry.timestamp);
        last = record.offset;
        entry.write(options, &mut set);
    }
    if !compressed || set.is_empty() {
        return set;
    }
    let mut inner = Vec::new();
    compression::compress(options.codec, &set, &mut inner);
    if options.codec.compression == Compression::Lz4 && !options.timestamps {
        inner = lz4::with_format_0_checksum(&inner);
    }
    let mut out = Vec::with_capacity(inner.len() + 64);
    Entry {
        offset: last.0,
        timestamp: options.append_time.unwrap_or(max_timestamp),
        codec: options.codec.compression,
        key: None,
        value: Some(&inner),
    }
    .write(options, &mut out);
    out
}

/// One entry to write.
struct Entry<'a> {
    offset: i64,
    timestamp: i64,
    codec: Compression,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl Entry<'_> {
    fn write(&self, options: SetOptions, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&[0; 8]); // size and crc, known at the end
        out.push(u8::from(options.timestamps));
        let append_time = options.timestamps && options.append_time.is_some();
        out.push(self.codec.id() | if append_time { super::LOG_APPEND_TIME_BIT } else { 0 });
        if options.timestamps {
            out.extend_from_slice(&self.timestamp.to_be_bytes());
        }
        for field in [self.key, self.value] {
            let length = field.map_or(-1, |bytes| bytes.len() as i32);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(field.unwrap_or_default());
        }
        let size = (out.len() - start - crate::batch::LOG_OVERHEAD) as i32;
        out[start + 8..start + 12].copy_from_slice(&size.to_be_bytes());
        let crc = crc32(&out[start + crate::batch::MAGIC_AT..]);
        out[start + super::CRC_AT..start + crate::batch::MAGIC_AT].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Brings a record set down to format 1 (`timestamps`) or 0 for a consumer that reads from `first_offset` and knows
/// nothing newer. Control batches are dropped, and with them what the old formats cannot say: headers, producers,
/// epochs. Entries that are old enough stay as they are.
pub fn down_convert(
    records: &[u8],
    timestamps: bool,
    first_offset: Offset,
    limit: usize,
) -> Result<Bytes, DownConvertError> {
    let magic = i8::from(timestamps);
    let mut out = Vec::with_capacity(records.len());
    for batch in batches(records) {
        match batch? {
            batch if batch.magic() <= magic => out.extend_from_slice(batch.bytes()),
            Batch::V2(batch) => down_convert_v2(&batch, timestamps, first_offset, limit, &mut out)?,
            Batch::Legacy(entry) => {
                let codec = entry.compression()?;
                let wanted = |offset| codec != Compression::None || offset >= first_offset;
                let messages: Vec<_> = entry.messages(limit)?.filter(|message| wanted(message.offset)).collect();
                let records = messages.iter().map(super::LegacyMessage::as_ref);
                let options = SetOptions { timestamps, codec: codec.into(), append_time: None };
                out.extend_from_slice(&write_set(options, records));
            }
        }
    }
    Ok(Bytes::from(out))
}

fn down_convert_v2(
    batch: &RecordBatch<'_>,
    timestamps: bool,
    first_offset: Offset,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), DownConvertError> {
    if batch.is_control() {
        return Ok(());
    }
    let codec = batch.compression()?;
    if codec == Compression::Zstd {
        return Err(DownConvertError::Zstd);
    }
    let records = batch.records(limit)?;
    let mut failure = None;
    let readable = records.iter().map_while(|record| record.map_err(|error| failure = Some(error)).ok());
    // A compressed set is one entry: a consumer that asks for its middle gets it whole, as with v2.
    let wanted = readable.filter(|record| codec != Compression::None || record.offset >= first_offset);
    let append_time =
        (batch.header().timestamp_type() == TimestampType::LogAppendTime).then_some(batch.max_timestamp());
    let set = write_set(SetOptions { timestamps, codec: codec.into(), append_time }, wanted);
    if let Some(error) = failure {
        return Err(error.into());
    }
    out.extend_from_slice(&set);
    Ok(())
}
