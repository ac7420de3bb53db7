//! The bounded decoder and the piecewise encoder: fixed-width numbers, varints, the classic and the compact forms of
//! strings, byte strings and arrays (protocol guide, "Protocol Primitive Types"; KIP-482 for the compact ones).
//!
//! A peer's lengths are never trusted: a count is held against the bytes that are left divided by the smallest
//! encoding of an element before anything is allocated, and all memory that decoding takes is charged to a budget,
//! because a frame of one-byte strings is worth many times its size in memory.

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_types::varint::{self, VarintError};

use crate::error::{DecodeError, Problem};
use crate::error_counts::ErrorCounts;

/// How much memory a message may take, as a multiple of its frame.
const BUDGET_FACTOR: usize = 8;
/// Added to the budget, so that small frames of short names are never refused.
const BUDGET_FLOOR: usize = 64 * 1024;
/// Byte strings from this length on are handed out as pieces of their own instead of being copied.
const SHARED_MIN: usize = 512;

/// How one field is written: what differs between versions.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The version of the message.
    pub version: i16,
    /// Compact lengths and tagged fields (KIP-482)?
    pub flexible: bool,
    /// May this field be null in this version?
    pub nullable: bool,
}

/// Reads one frame from front to back. Byte strings are slices of the frame, not copies.
#[derive(Debug, Clone)]
pub struct Decoder {
    frame: Bytes,
    at: usize,
    end: usize,
    budget: usize,
    /// Tests let every reading function make values up instead, to get messages of any shape.
    #[cfg(test)]
    pub(crate) generator: Option<crate::tests::Generator>,
}

impl Decoder {
    /// Reads `frame`, which is what follows the four-byte length on the connection.
    pub fn new(frame: Bytes) -> Decoder {
        let end = frame.len();
        let budget = end.saturating_mul(BUDGET_FACTOR).saturating_add(BUDGET_FLOOR);
        Decoder {
            frame,
            at: 0,
            end,
            budget,
            #[cfg(test)]
            generator: None,
        }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// All bytes must have been read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(Problem::LeftOver(left).into()),
        }
    }

    /// Takes `bytes` off the memory budget.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.budget.checked_sub(bytes) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(Problem::OverBudget.into()),
        }
    }

    fn advance(&mut self, len: usize) -> Result<usize, DecodeError> {
        let left = self.remaining();
        if len > left {
            return Err(Problem::Truncated { needed: len, left }.into());
        }
        let start = self.at;
        self.at += len;
        Ok(start)
    }

    /// The next `N` bytes, by value.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        #[cfg(test)]
        if let Some(generator) = &mut self.generator {
            return Ok(generator.array());
        }
        let start = self.advance(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.frame[start..start + N]);
        Ok(bytes)
    }

    /// A signed byte.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// A big-endian 16-bit number.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// A big-endian 32-bit number.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A big-endian 64-bit number.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// An unsigned variable-length number.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        match varint::read_u32(&self.frame[self.at..self.end]) {
            Ok((value, len)) => {
                self.at += len;
                Ok(value)
            }
            Err(VarintError::Truncated) => {
                Err(Problem::Truncated { needed: self.remaining() + 1, left: self.remaining() }.into())
            }
            Err(VarintError::TooLong) => Err(Problem::EndlessVarint.into()),
        }
    }

    /// The next `len` bytes as a slice of the frame.
    pub fn bytes(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        #[cfg(test)]
        if let Some(generator) = &mut self.generator {
            return Ok(generator.bytes(len));
        }
        let start = self.advance(len)?;
        Ok(self.frame.slice(start..start + len))
    }

    /// Skips `len` bytes.
    pub fn skip(&mut self, len: usize) -> Result<(), DecodeError> {
        self.advance(len).map(|_| ())
    }

    /// `len` bytes of text.
    pub(crate) fn text(&mut self, len: usize) -> Result<String, DecodeError> {
        #[cfg(test)]
        if let Some(generator) = &mut self.generator {
            return Ok(generator.text(len));
        }
        let start = self.advance(len)?;
        self.charge(len)?;
        let text = std::str::from_utf8(&self.frame[start..start + len]).map_err(|_| Problem::NotUtf8)?;
        Ok(text.to_owned())
    }

    /// A classic nullable string, two bytes of length; the client id of request headers has this form always.
    pub(crate) fn classic_nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        let form = Form { version: 0, flexible: false, nullable: true };
        match self.string_len(form)? {
            None => Ok(None),
            Some(len) => self.text(len).map(Some),
        }
    }

    /// The length of a string; `None` is null. Classic: 16 bits, -1 is null; compact: length + 1, 0 is null.
    pub(crate) fn string_len(&mut self, form: Form) -> Result<Option<usize>, DecodeError> {
        #[cfg(test)]
        if let Some(generator) = &mut self.generator {
            return Ok(generator.len(form.nullable));
        }
        let len = if form.flexible { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(self.i16()?) };
        present(len, form)
    }

    /// The length of a byte string or an array; `None` is null. Classic: 32 bits, -1 is null; compact as for strings.
    pub(crate) fn long_len(&mut self, form: Form) -> Result<Option<usize>, DecodeError> {
        #[cfg(test)]
        if let Some(generator) = &mut self.generator {
            return Ok(generator.len(form.nullable));
        }
        let len = if form.flexible { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(self.i32()?) };
        present(len, form)
    }

    /// The count of an array whose elements take at least `smallest` bytes here and `in_memory` bytes decoded.
    pub(crate) fn count(
        &mut self,
        form: Form,
        smallest: usize,
        in_memory: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.long_len(form)? else { return Ok(None) };
        #[cfg(test)]
        if self.generator.is_some() {
            return Ok(Some(count));
        }
        let left = self.remaining();
        if count > left / smallest.max(1) {
            return Err(Problem::CountTooLarge { count: count as u64, left }.into());
        }
        self.charge(count.saturating_mul(in_memory))?;
        Ok(Some(count))
    }

    /// Reads inside the next `len` bytes only; `read` must use them up.
    pub(crate) fn within(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut Decoder) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let left = self.remaining();
        if len > left {
            return Err(Problem::Truncated { needed: len, left }.into());
        }
        let outer_end = std::mem::replace(&mut self.end, self.at + len);
        read(self)?;
        let left = self.remaining();
        if left > 0 {
            return Err(Problem::TagNotUsedUp(left).into());
        }
        self.end = outer_end;
        Ok(())
    }

    /// Skips a section of tagged fields, whatever they are.
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            self.skip(size as usize)?;
        }
        Ok(())
    }
}

fn present(len: i64, form: Form) -> Result<Option<usize>, DecodeError> {
    match len {
        0.. => Ok(Some(len as usize)),
        -1 if form.nullable => Ok(None),
        _ => Err(Problem::UnexpectedNull(len).into()),
    }
}

/// A part of an encoded frame, in the order in which it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes that the connection fills in from elsewhere (slices of segment files), one hole after the
    /// other in the order of the fields that asked for them.
    Hole(usize),
}

impl Piece {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Hole(len) => *len,
        }
    }

    /// Has it no bytes?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes one frame. Small values go to one buffer; long byte strings stay where they are and become pieces.
#[derive(Debug, Default)]
pub struct Encoder {
    inline: BytesMut,
    /// What stands between inline bytes, by the inline offset before which it goes.
    inserts: Vec<(usize, Piece)>,
    inserted: usize,
    /// Of the fields written so far.
    pub(crate) errors: ErrorCounts,
    /// Tests let every struct have a tagged field that nobody knows.
    #[cfg(test)]
    pub(crate) unknown_tags: Option<crate::tests::Generator>,
}

impl Encoder {
    /// An empty frame.
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// An empty frame with room for `bytes` inline bytes.
    pub fn with_capacity(bytes: usize) -> Encoder {
        Encoder { inline: BytesMut::with_capacity(bytes), ..Encoder::default() }
    }

    /// Bytes written so far, holes and shared bytes included.
    pub fn len(&self) -> usize {
        self.inline.len() + self.inserted
    }

    /// Nothing written yet?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order; no piece is empty.
    pub fn finish(self) -> Vec<Piece> {
        let mut inline = self.inline.freeze();
        let mut pieces = Vec::with_capacity(self.inserts.len() * 2 + 1);
        let mut taken = 0;
        for (at, piece) in self.inserts {
            if at > taken {
                pieces.push(Piece::Bytes(inline.split_to(at - taken)));
                taken = at;
            }
            pieces.push(piece);
        }
        if !inline.is_empty() {
            pieces.push(Piece::Bytes(inline));
        }
        pieces
    }

    /// Everything in one buffer (copies when there are shared pieces).
    ///
    /// # Panics
    /// When there is a hole: only what encodes no file slices may be asked for as bytes.
    pub fn into_bytes(self) -> Bytes {
        if self.inserts.is_empty() {
            return self.inline.freeze();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        for piece in self.finish() {
            match piece {
                Piece::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Piece::Hole(len) => panic!("a hole of {len} bytes has no bytes here"),
            }
        }
        whole.freeze()
    }

    /// Overwrites the first four bytes with the length of all that follows them: the frame's length field.
    pub(crate) fn set_frame_length(&mut self) -> Result<(), usize> {
        let len = self.len() - 4;
        let announced = i32::try_from(len).map_err(|_| len)?;
        self.inline[..4].copy_from_slice(&announced.to_be_bytes());
        Ok(())
    }

    /// Bytes, copied.
    pub fn slice(&mut self, bytes: &[u8]) {
        self.inline.put_slice(bytes);
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.inline.put_i8(value);
    }

    /// A big-endian 16-bit number.
    pub fn i16(&mut self, value: i16) {
        self.inline.put_i16(value);
    }

    /// A big-endian 32-bit number.
    pub fn i32(&mut self, value: i32) {
        self.inline.put_i32(value);
    }

    /// A big-endian 64-bit number.
    pub fn i64(&mut self, value: i64) {
        self.inline.put_i64(value);
    }

    /// An unsigned variable-length number.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.inline.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.inline.put_u8(value as u8);
    }

    /// Bytes, shared instead of copied when they are many.
    pub fn shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_MIN {
            self.inline.put_slice(bytes);
        } else {
            self.insert(Piece::Bytes(bytes.clone()));
        }
    }

    /// `len` bytes that somebody else fills in.
    pub fn hole(&mut self, len: usize) {
        if len > 0 {
            self.insert(Piece::Hole(len));
        }
    }

    fn insert(&mut self, piece: Piece) {
        self.inserted += piece.len();
        self.inserts.push((self.inline.len(), piece));
    }

    /// All that another encoder has written.
    pub(crate) fn append(&mut self, other: Encoder) {
        let base = self.inline.len();
        self.errors.add(&other.errors);
        self.inline.put_slice(&other.inline);
        self.inserted += other.inserted;
        self.inserts.extend(other.inserts.into_iter().map(|(at, piece)| (base + at, piece)));
    }

    /// A classic nullable string; false when it is too long for its 16-bit length.
    #[must_use]
    pub(crate) fn classic_nullable_string(&mut self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            self.i16(-1);
            return true;
        };
        let Ok(len) = i16::try_from(text.len()) else { return false };
        self.i16(len);
        self.slice(text.as_bytes());
        true
    }

    /// The length before a string; false when the form has no room for it.
    #[must_use]
    pub(crate) fn string_len(&mut self, len: Option<usize>, form: Form) -> bool {
        if form.flexible {
            return self.compact_len(len);
        }
        let Ok(value) = len.map_or(Ok(-1), i16::try_from) else { return false };
        self.i16(value);
        true
    }

    /// The length before a byte string or an array; false when the form has no room for it.
    #[must_use]
    pub(crate) fn long_len(&mut self, len: Option<usize>, form: Form) -> bool {
        if form.flexible {
            return self.compact_len(len);
        }
        let Ok(value) = len.map_or(Ok(-1), i32::try_from) else { return false };
        self.i32(value);
        true
    }

    fn compact_len(&mut self, len: Option<usize>) -> bool {
        // Java keeps lengths in 32-bit signed integers on either side.
        let Ok(value) = len.map_or(Ok(-1), i32::try_from) else { return false };
        self.unsigned_varint((i64::from(value) + 1) as u32);
        true
    }
}
