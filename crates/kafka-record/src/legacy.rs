//! Message formats 0 and 1: read, checked, converted up to v2 batches and down from them.
//!
//! ```text
//! 0 offset i64 | 8 size i32 (bytes after this field) | 12 crc u32 (CRC-32 of everything from 16 on) | 16 magic i8
//! 17 attributes i8 (bits 0-2 codec, bit 3 log append time in format 1) | 18 timestamp i64 (format 1 only)
//! i32 key length (-1: null) key | i32 value length (-1: null) value
//! ```
//!
//! A compressed entry's value is a message set. Its offset is that of its last message; the messages inside carry
//! absolute offsets in format 0 and offsets from 0 on in format 1.

mod convert;
mod lz4;

use bytes::Bytes;
use kafka_types::Offset;

use crate::batch::{LOG_OVERHEAD, MAGIC_AT};
use crate::checksum::crc32;
use crate::compression::{self, Compression};
use crate::error::ReadError;
use crate::record::{Headers, Record, RecordRef};

pub use convert::{DownConvertError, SetOptions, down_convert, write_set};

/// The least that the size field of a format-0 entry can say: crc, magic, attributes, two lengths.
pub const OVERHEAD_V0: usize = 14;
/// The same for format 1, which has a timestamp.
pub const OVERHEAD_V1: usize = OVERHEAD_V0 + 8;

const CRC_AT: usize = 12;
const ATTRIBUTES_AT: usize = 17;
const TIMESTAMP_AT: usize = 18;
const CODEC_MASK: u8 = 0b111;
const LOG_APPEND_TIME_BIT: u8 = 1 << 3;

/// One message of format 0 or 1, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyMessage {
    /// Its place in the partition.
    pub offset: Offset,
    /// Milliseconds since 1970, or -1 (always in format 0).
    pub timestamp: i64,
    /// The key; null is not empty.
    pub key: Option<Bytes>,
    /// The value; null is not empty.
    pub value: Option<Bytes>,
    /// The CRC-32 that is stored with it.
    pub crc: u32,
}

impl LegacyMessage {
    /// The message as a record that borrows from it; its size is 0, as it lies in no v2 batch.
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: Headers::default(),
            size: 0,
        }
    }
}

impl From<LegacyMessage> for Record {
    fn from(message: LegacyMessage) -> Record {
        Record {
            offset: message.offset,
            timestamp: message.timestamp,
            key: message.key,
            value: message.value,
            headers: Vec::new(),
        }
    }
}

/// A message's key and value, each of which may be null.
pub type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// One whole entry of format 0 or 1 in borrowed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyEntry<'a> {
    bytes: &'a [u8],
}

impl<'a> LegacyEntry<'a> {
    /// The entry at the front of `bytes`; what follows it is left out. The CRC is not checked.
    pub fn read(bytes: &'a [u8]) -> Result<LegacyEntry<'a>, ReadError> {
        if bytes.len() < LOG_OVERHEAD + OVERHEAD_V0 {
            return Err(ReadError::Truncated { needed: LOG_OVERHEAD + OVERHEAD_V0, available: bytes.len() });
        }
        let size = i32_at(bytes, 8);
        let minimum = match bytes[MAGIC_AT] as i8 {
            0 => OVERHEAD_V0,
            1 => OVERHEAD_V1,
            magic => return Err(ReadError::UnknownMagic(magic)),
        };
        if size < minimum as i32 {
            return Err(ReadError::SizeBelowMinimum { size, minimum: minimum as i32 });
        }
        let needed = LOG_OVERHEAD + size as usize;
        match bytes.get(..needed) {
            Some(bytes) => Ok(LegacyEntry { bytes }),
            None => Err(ReadError::Truncated { needed, available: bytes.len() }),
        }
    }

    /// All bytes of the entry.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its format: 0 or 1.
    pub fn magic(&self) -> i8 {
        self.bytes[MAGIC_AT] as i8
    }

    /// The offset of its (last) message, as the field says.
    pub fn offset(&self) -> Offset {
        Offset(i64_at(self.bytes, 0))
    }

    /// The timestamp field; -1 in format 0. For a compressed entry it is the largest of the messages inside.
    pub fn timestamp(&self) -> i64 {
        if self.magic() == 0 { crate::NO_TIMESTAMP } else { i64_at(self.bytes, TIMESTAMP_AT) }
    }

    /// Its codec; format 0 and 1 know none above 3, but the attributes have room for it.
    pub fn compression(&self) -> Result<Compression, ReadError> {
        let id = self.bytes[ATTRIBUTES_AT] & CODEC_MASK;
        Compression::from_id(id).ok_or(ReadError::UnknownCodec(id))
    }

    /// Are its timestamps the broker's?
    pub fn is_log_append_time(&self) -> bool {
        self.magic() == 1 && self.bytes[ATTRIBUTES_AT] & LOG_APPEND_TIME_BIT != 0
    }

    /// The CRC-32 that is stored in it.
    pub fn crc(&self) -> u32 {
        i32_at(self.bytes, CRC_AT) as u32
    }

    /// Fails unless the stored CRC fits the bytes.
    pub fn check_crc(&self) -> Result<(), ReadError> {
        let stored = self.crc();
        let computed = crc32(&self.bytes[MAGIC_AT..]);
        if stored == computed { Ok(()) } else { Err(ReadError::Checksum { stored, computed }) }
    }

    /// Key and value as they lie in the entry.
    pub fn key_and_value(&self) -> Result<KeyAndValue<'a>, ReadError> {
        let fields = if self.magic() == 0 { TIMESTAMP_AT } else { TIMESTAMP_AT + 8 };
        let (key, rest) = nullable(&self.bytes[fields..])?;
        let (value, rest) = nullable(rest)?;
        if rest.is_empty() {
            return Ok((key, value));
        }
        Err(ReadError::malformed(format!("Found {} bytes after the value of a message", rest.len())))
    }

    /// Its messages: itself, or what its value decompresses to, in at most `limit` bytes, with their offsets in the
    /// partition. All are checked before the first is handed out.
    pub fn messages(&self, limit: usize) -> Result<LegacyMessages, ReadError> {
        let codec = self.compression()?;
        let (_, value) = self.key_and_value()?;
        let append_time = self.is_log_append_time().then(|| self.timestamp());
        if codec == Compression::None {
            return Ok(LegacyMessages { set: Bytes::copy_from_slice(self.bytes), at: 0, base: 0, append_time });
        }
        let Some(value) = value else {
            return Err(ReadError::malformed(format!(
                "Found invalid compressed record set with null value (magic = {})",
                self.magic()
            )));
        };
        let set = Bytes::from(self.decompressed(codec, value, limit)?);
        let last = self.check_inner(&set)?;
        let base = if self.magic() == 1 { self.base_of_inner(last)? } else { 0 };
        Ok(LegacyMessages { set, at: 0, base, append_time })
    }

    fn decompressed(&self, codec: Compression, value: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        match codec {
            Compression::Zstd => Err(ReadError::malformed(format!(
                "Invalid wrapper compressionType found in legacy deep record iterator {}",
                self.magic()
            ))),
            Compression::Lz4 if self.magic() == 0 => {
                compression::decompress(codec, &lz4::with_right_checksum(value), limit)
            }
            _ => compression::decompress(codec, value, limit),
        }
    }

    /// Checks every message of the set inside; returns the offset of the last one as it stands there.
    fn check_inner(&self, set: &[u8]) -> Result<i64, ReadError> {
        let mut at = 0;
        let mut last = None;
        while at < set.len() {
            let inner = LegacyEntry::read(&set[at..])?;
            if inner.magic() != self.magic() {
                return Err(ReadError::malformed(format!(
                    "Compressed message magic {} does not match wrapper magic {}",
                    inner.magic(),
                    self.magic()
                )));
            }
            if inner.compression()? != Compression::None {
                return Err(ReadError::malformed("Inner messages must not be compressed"));
            }
            inner.check_crc()?;
            inner.key_and_value()?;
            last = Some(inner.offset().0);
            at += inner.bytes.len();
        }
        last.ok_or_else(|| ReadError::malformed("Found invalid compressed record set with no inner records"))
    }

    /// What the offsets inside a format-1 set count from.
    fn base_of_inner(&self, last: i64) -> Result<i64, ReadError> {
        match self.offset().0 {
            // Some librdkafka versions leave the outer offset at 0 when they produce: the inner ones then count.
            0 => Ok(0),
            outer if outer < last => Err(ReadError::malformed(format!(
                "Found invalid wrapper offset in compressed v1 message set, wrapper offset '{outer}' is less than the \
                 last inner message offset '{last}' and it is not zero."
            ))),
            outer => Ok(outer.wrapping_sub(last)),
        }
    }
}

/// The messages of one entry, all checked; they share the memory of the set they lie in.
#[derive(Debug, Clone)]
pub struct LegacyMessages {
    set: Bytes,
    at: usize,
    base: i64,
    append_time: Option<i64>,
}

impl LegacyMessages {
    /// Bytes of the set that is still to be read.
    pub fn remaining_len(&self) -> usize {
        self.set.len() - self.at
    }
}

impl Iterator for LegacyMessages {
    type Item = LegacyMessage;

    fn next(&mut self) -> Option<LegacyMessage> {
        // The set was checked; an end is the honest answer should it not read.
        let entry = LegacyEntry::read(&self.set[self.at..]).ok()?;
        let (key, value) = entry.key_and_value().ok()?;
        self.at += entry.bytes.len();
        Some(LegacyMessage {
            offset: Offset(entry.offset().0.wrapping_add(self.base)),
            timestamp: self.append_time.unwrap_or_else(|| entry.timestamp()),
            key: key.map(|key| self.set.slice_ref(key)),
            value: value.map(|value| self.set.slice_ref(value)),
            crc: entry.crc(),
        })
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    (i64::from(i32_at(bytes, at)) << 32) | i64::from(i32_at(bytes, at + 4) as u32)
}

/// Bytes with their length before them, and the rest.
fn nullable(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), ReadError> {
    let cut = || ReadError::malformed("Found invalid message structure: the key or value ends outside the message");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Ok((None, rest)) };
    rest.split_at_checked(length).map(|(field, rest)| (Some(field), rest)).ok_or_else(cut)
}
