//! One record of a v2 batch: borrowed from its batch, owned, written.
//!
//! ```text
//! varint length | attributes i8 (unused) | varlong timestamp delta | varint offset delta
//! varint key length (-1: null) key | varint value length (-1: null) value
//! varint header count, each: varint key length, key as UTF-8, varint value length (-1: null), value
//! ```

use std::borrow::Cow;

use bytes::Bytes;
use kafka_types::Offset;
use kafka_types::varint::{self, VarintError};

use crate::error::ReadError;

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Header {
    /// The name; names may repeat. What is not UTF-8 on disk reads with replacement characters, as in Java.
    pub key: String,
    /// The value; null is not empty.
    pub value: Option<Bytes>,
}

/// One record, owned; the bytes are shared with what it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// Milliseconds since 1970, or -1.
    pub timestamp: i64,
    /// The key; null is not empty.
    pub key: Option<Bytes>,
    /// The value; null is not empty.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
}

/// One record in borrowed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// Milliseconds since 1970, or -1; the batch's for log append time.
    pub timestamp: i64,
    /// The key; null is not empty.
    pub key: Option<&'a [u8]>,
    /// The value; null is not empty.
    pub value: Option<&'a [u8]>,
    /// The headers, checked but not yet taken apart.
    pub headers: Headers<'a>,
    /// Bytes that it takes in the (uncompressed) batch, with its length field.
    pub size: usize,
}

impl RecordRef<'_> {
    /// A copy that owns its bytes.
    pub fn to_record(&self) -> Record {
        self.to_record_with(Bytes::copy_from_slice)
    }

    /// An owned record whose bytes `share` makes of the borrowed ones.
    pub(crate) fn to_record_with(self, share: impl Fn(&[u8]) -> Bytes) -> Record {
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(&share),
            value: self.value.map(&share),
            headers: self
                .headers
                .iter()
                .map(|(key, value)| Header { key: key.into_owned(), value: value.map(&share) })
                .collect(),
        }
    }
}

/// The headers of a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Headers<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Name and value of each, in their order.
    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter { bytes: self.bytes, left: self.count }
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (Cow<'a, str>, Option<&'a [u8]>);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Headers<'a> {
    type Item = (Cow<'a, str>, Option<&'a [u8]>);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

/// Takes the headers of a record apart.
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (Cow<'a, str>, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut cursor = Cursor { bytes: self.bytes, at: 0 };
        // The record was checked when it was read, so these cannot fail; an end is the honest answer if they do.
        let key = cursor.nullable().ok()??;
        let value = cursor.nullable().ok()?;
        self.bytes = &self.bytes[cursor.at..];
        Some((String::from_utf8_lossy(key), value))
    }
}

/// What a record's deltas count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    /// All records have this time if the batch has log append time.
    pub(crate) append_time: Option<i64>,
}

/// Reads the record at the front of `bytes`. Every record that is produced goes through here.
#[inline]
pub(crate) fn read(bytes: &[u8], base: Base) -> Result<RecordRef<'_>, ReadError> {
    let (length, prefix) = varint::read_i32(bytes).map_err(varint_error)?;
    let body = usize::try_from(length).ok().and_then(|length| bytes[prefix..].get(..length));
    let body = body.ok_or_else(|| too_short(length, bytes.len() - prefix))?;
    let mut cursor = Cursor { bytes: body, at: 1 };
    if body.is_empty() {
        return Err(ReadError::malformed("Found invalid record structure"));
    }
    let timestamp_delta = cursor.varlong()?;
    let offset_delta = cursor.varint()?;
    let key = cursor.nullable()?;
    let value = cursor.nullable()?;
    let headers = cursor.headers()?;
    if cursor.at != body.len() {
        return Err(not_all(length, cursor.at));
    }
    Ok(RecordRef {
        offset: Offset(base.offset.wrapping_add(i64::from(offset_delta))),
        timestamp: base.append_time.unwrap_or(base.timestamp.wrapping_add(timestamp_delta)),
        key,
        value,
        headers,
        size: prefix + body.len(),
    })
}

#[cold]
fn too_short(length: i32, there: usize) -> ReadError {
    let message = format!("Invalid record size: expected {length} bytes in record payload, {there} are there");
    ReadError::malformed(message)
}

#[cold]
fn not_all(length: i32, read: usize) -> ReadError {
    ReadError::malformed(format!(
        "Invalid record size: expected to read {length} bytes in record payload, but instead read {read}"
    ))
}

#[cold]
fn varint_error(error: VarintError) -> ReadError {
    ReadError::malformed(match error {
        VarintError::Truncated => "Found invalid record structure",
        VarintError::TooLong => "Varint is too long, the most significant bit in the last byte is set",
    })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn varint(&mut self) -> Result<i32, ReadError> {
        let (value, len) = varint::read_i32(&self.bytes[self.at..]).map_err(varint_error)?;
        self.at += len;
        Ok(value)
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, ReadError> {
        let (value, len) = varint::read_i64(&self.bytes[self.at..]).map_err(varint_error)?;
        self.at += len;
        Ok(value)
    }

    /// Bytes with their length before them; every negative length is null, as Java reads it.
    #[inline]
    fn nullable(&mut self) -> Result<Option<&'a [u8]>, ReadError> {
        let length = self.varint()?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let Some(bytes) = self.bytes[self.at..].get(..length) else {
            return Err(ReadError::malformed("Found invalid record structure"));
        };
        self.at += length;
        Ok(Some(bytes))
    }

    #[inline]
    fn headers(&mut self) -> Result<Headers<'a>, ReadError> {
        let count = self.varint()?;
        if count == 0 {
            return Ok(Headers::default());
        }
        let left = usize::try_from(count)
            .map_err(|_| ReadError::malformed(format!("Found invalid number of record headers {count}")))?;
        let bytes = &self.bytes[self.at..];
        if left > bytes.len() {
            return Err(ReadError::malformed(format!(
                "Found invalid number of record headers. {count} is larger than the remaining size of the buffer"
            )));
        }
        for _ in 0..left {
            if self.nullable()?.is_none() {
                return Err(ReadError::malformed("Invalid negative header key size"));
            }
            self.nullable()?;
        }
        Ok(Headers { bytes, count: left })
    }
}

/// What one record is written from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// Headers to write: owned ones, or those of a record that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HeaderSource<'a> {
    Owned(&'a [Header]),
    Raw(Headers<'a>),
}

impl HeaderSource<'_> {
    fn count(self) -> usize {
        match self {
            HeaderSource::Owned(headers) => headers.len(),
            HeaderSource::Raw(headers) => headers.len(),
        }
    }

    fn len(self) -> usize {
        match self {
            HeaderSource::Owned(headers) => headers
                .iter()
                .map(|header| {
                    nullable_len(Some(header.key.len())) + nullable_len(header.value.as_ref().map(Bytes::len))
                })
                .sum(),
            HeaderSource::Raw(headers) => headers.bytes.len(),
        }
    }
}

/// Bytes of the record's body: all but its own length field.
pub(crate) fn body_len(parts: Parts<'_>, headers: HeaderSource<'_>) -> usize {
    1 + varint::len_i64(parts.timestamp_delta)
        + varint::len_i32(parts.offset_delta)
        + nullable_len(parts.key.map(<[u8]>::len))
        + nullable_len(parts.value.map(<[u8]>::len))
        + varint::len_i32(headers.count() as i32)
        + headers.len()
}

/// Appends the record.
pub(crate) fn write(parts: Parts<'_>, headers: HeaderSource<'_>, out: &mut Vec<u8>) {
    let body = body_len(parts, headers);
    out.reserve(body + varint::MAX_LEN_32);
    let mut numbers = Numbers { bytes: [0; Numbers::MOST], len: 0 };
    varint::write_i32(body as i32, &mut numbers);
    numbers.push(0);
    varint::write_i64(parts.timestamp_delta, &mut numbers);
    varint::write_i32(parts.offset_delta, &mut numbers);
    for bytes in [parts.key, parts.value] {
        varint::write_i32(bytes.map_or(-1, |bytes| bytes.len() as i32), &mut numbers);
        if let Some(bytes) = bytes {
            numbers.flush(out);
            out.extend_from_slice(bytes);
        }
    }
    varint::write_i32(headers.count() as i32, &mut numbers);
    numbers.flush(out);
    match headers {
        HeaderSource::Owned(headers) => {
            for header in headers {
                write_nullable(Some(header.key.as_bytes()), out);
                write_nullable(header.value.as_deref(), out);
            }
        }
        HeaderSource::Raw(headers) => out.extend_from_slice(headers.bytes),
    }
}

/// Numbers that follow each other, on their way into a record: asking the buffer for room byte by byte would cost more
/// than all the rest.
struct Numbers {
    bytes: [u8; Numbers::MOST],
    len: usize,
}

impl Numbers {
    /// Length, attributes, time, offset, the lengths of key and value, and how many headers: there are no more in a row.
    const MOST: usize = 5 * varint::MAX_LEN_32 + 1 + varint::MAX_LEN_64;

    #[inline]
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}

impl Extend<u8> for Numbers {
    #[inline]
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        bytes.into_iter().for_each(|byte| self.push(byte));
    }
}

fn nullable_len(len: Option<usize>) -> usize {
    match len {
        Some(len) => varint::len_i32(len as i32) + len,
        None => 1,
    }
}

fn write_nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            varint::write_i32(bytes.len() as i32, out);
            out.extend_from_slice(bytes);
        }
        None => varint::write_i32(-1, out),
    }
}
