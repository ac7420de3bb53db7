//! Jute's reader and writer: int, long, boolean, buffer, ustring, vector, and the macro that makes a record of fields.
//!
//! Buffers, strings and vectors are an `int` length or count, then the content; -1 means null, which is not the same as
//! empty. Nothing is allocated from a length alone: the bytes must be there first.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Why bytes are not the record they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends inside a field; a streaming reader may try again with more bytes.
    #[error("input ends at byte {at}: {needed} more bytes needed, {available} there")]
    Truncated {
        /// Offset of the field from the start of the input.
        at: usize,
        /// Bytes the field needs.
        needed: usize,
        /// Bytes left.
        available: usize,
    },
    /// A length below -1 (or null where null is not allowed).
    #[error("length {length} at byte {at} is not allowed for {what}")]
    BadLength {
        /// Offset of the length from the start of the input.
        at: usize,
        /// The length that was read.
        length: i32,
        /// What it was the length of.
        what: &'static str,
    },
    /// A value outside of what the field can hold.
    #[error("{value} at byte {at} is not a legal {what}")]
    BadValue {
        /// Offset of the value from the start of the input.
        at: usize,
        /// The value that was read.
        value: i32,
        /// What it should have been.
        what: &'static str,
    },
}

impl DecodeError {
    /// Did the input end too early?
    pub fn is_truncated(&self) -> bool {
        matches!(self, DecodeError::Truncated { .. })
    }
}

/// A value that is read from and written as jute bytes.
pub trait Jute: Sized {
    /// Reads the value; on failure the reader stands anywhere.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a value.
    fn read(reader: &mut Reader) -> Result<Self, DecodeError>;

    /// Appends the value.
    fn write(&self, out: &mut Writer);

    /// The value's bytes.
    fn to_bytes(&self) -> Bytes {
        let mut out = Writer::new();
        self.write(&mut out);
        out.into_bytes()
    }

    /// The value whose bytes are at the start of `bytes`; bytes behind it are ignored, as Apache does.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a value.
    fn from_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(bytes))
    }
}

/// Reads values off the front of shared bytes; buffers come out as slices of them.
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: Bytes,
    position: usize,
}

impl Reader {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes, position: 0 }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Everything not read yet, as a slice of the input.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.position..)
    }

    /// The next `len` bytes, as a slice of the input.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are there.
    pub fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        self.need(len)?;
        let taken = self.bytes.slice(self.position..self.position + len);
        self.position += len;
        Ok(taken)
    }

    fn need(&self, needed: usize) -> Result<(), DecodeError> {
        let available = self.remaining();
        if needed > available {
            return Err(DecodeError::Truncated { at: self.position, needed, available });
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.need(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[self.position..self.position + N]);
        self.position += N;
        Ok(array)
    }

    /// A length or count: `None` for -1.
    fn length(&mut self, what: &'static str) -> Result<Option<usize>, DecodeError> {
        let at = self.position;
        match i32::read(self)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(length)),
                Err(_) => Err(DecodeError::BadLength { at, length, what }),
            },
        }
    }

    fn null(&self, what: &'static str) -> DecodeError {
        DecodeError::BadLength { at: self.position.saturating_sub(4), length: -1, what }
    }
}

/// Appends values to a growing buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// A writer that appends to `out`; [`Writer::into_inner`] gives it back.
    pub fn append_to(out: BytesMut) -> Writer {
        Writer { out }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Was nothing written yet?
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// Appends one byte.
    pub fn byte(&mut self, byte: u8) {
        self.out.put_u8(byte);
    }

    /// Appends a string that is only borrowed.
    pub fn string(&mut self, text: &str) {
        self.buffer(text.as_bytes());
    }

    /// Appends a buffer that is only borrowed.
    pub fn buffer(&mut self, bytes: &[u8]) {
        (bytes.len() as i32).write(self);
        self.out.put_slice(bytes);
    }

    /// Appends what `body` writes, behind its length as `int`: a frame, or a record inside of a buffer.
    pub fn framed(&mut self, body: impl FnOnce(&mut Writer)) {
        let start = self.out.len();
        self.out.put_i32(0);
        body(self);
        let length = (self.out.len() - start - 4) as i32;
        self.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// The bytes written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    /// The bytes.
    pub fn into_bytes(self) -> Bytes {
        self.out.freeze()
    }

    /// The buffer, to be used again.
    pub fn into_inner(self) -> BytesMut {
        self.out
    }
}

impl Jute for i32 {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array().map(i32::from_be_bytes)
    }

    fn write(&self, out: &mut Writer) {
        out.out.put_i32(*self);
    }
}

impl Jute for i64 {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array().map(i64::from_be_bytes)
    }

    fn write(&self, out: &mut Writer) {
        out.out.put_i64(*self);
    }
}

/// Java reads 0 as false and every other byte as true.
impl Jute for bool {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array().map(|[byte]| byte != 0)
    }

    fn write(&self, out: &mut Writer) {
        out.out.put_u8(u8::from(*self));
    }
}

impl Jute for Option<Bytes> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.length("a buffer")? {
            Some(length) => reader.take(length).map(Some),
            None => Ok(None),
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Some(bytes) => out.buffer(bytes),
            None => (-1).write(out),
        }
    }
}

impl Jute for Option<String> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.length("a string")? {
            Some(length) => {
                reader.need(length)?;
                // Not as a counted slice: the text is copied anyway.
                let bytes = &reader.bytes[reader.position..reader.position + length];
                reader.position += length;
                Ok(Some(text(bytes)))
            }
            None => Ok(None),
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Some(text) => out.string(text),
            None => (-1).write(out),
        }
    }
}

impl Jute for String {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Option::<String>::read(reader)?.ok_or_else(|| reader.null("a string that must be there"))
    }

    fn write(&self, out: &mut Writer) {
        out.string(self);
    }
}

impl<T: Jute> Jute for Option<Vec<T>> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let Some(count) = reader.length("a vector")? else { return Ok(None) };
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Ok(Some(items))
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Some(items) => items.write(out),
            None => (-1).write(out),
        }
    }
}

/// A null vector reads as an empty one: no request means something else by it.
impl<T: Jute> Jute for Vec<T> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Option::<Vec<T>>::read(reader)?.unwrap_or_default())
    }

    fn write(&self, out: &mut Writer) {
        (self.len() as i32).write(out);
        for item in self {
            item.write(out);
        }
    }
}

/// Java writes characters above U+FFFF as two surrogates of three bytes each and reads what is not UTF-8 with
/// replacement characters; both are accepted here.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(&join_surrogates(bytes)).into_owned(),
    }
}

fn join_surrogates(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        if let [
            0xed,
            high @ 0xa0..=0xaf,
            high_low @ 0x80..=0xbf,
            0xed,
            low @ 0xb0..=0xbf,
            low_low @ 0x80..=0xbf,
            after @ ..,
        ] = rest
        {
            let high = (u32::from(*high & 0x0f) << 6) | u32::from(*high_low & 0x3f);
            let low = (u32::from(*low & 0x0f) << 6) | u32::from(*low_low & 0x3f);
            if let Some(character) = char::from_u32(0x1_0000 + (high << 10) + low) {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Makes structs whose jute bytes are their fields in order.
macro_rules! records {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $kind,)*
        }

        impl $crate::jute::Jute for $name {
            fn read(reader: &mut $crate::jute::Reader) -> Result<Self, $crate::jute::DecodeError> {
                Ok($name { $($field: $crate::jute::Jute::read(reader)?,)* })
            }

            fn write(&self, out: &mut $crate::jute::Writer) {
                $($crate::jute::Jute::write(&self.$field, out);)*
            }
        }
    )*};
}
pub(crate) use records;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip<T: Jute + PartialEq + std::fmt::Debug>(value: &T) {
        assert_eq!(&T::from_bytes(value.to_bytes()).unwrap(), value);
    }

    #[test]
    fn null_and_empty_differ() {
        assert_eq!(None::<Bytes>.to_bytes().as_ref(), [0xff; 4]);
        assert_eq!(Some(Bytes::new()).to_bytes().as_ref(), [0; 4]);
        round_trip(&None::<Bytes>);
        round_trip(&Some(Bytes::new()));
        round_trip(&None::<Vec<String>>);
        round_trip(&Some(Vec::<String>::new()));
    }

    #[test]
    fn a_huge_length_allocates_nothing_and_fails() {
        let bytes = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1, 2]);
        assert_eq!(
            Option::<Bytes>::from_bytes(bytes.clone()),
            Err(DecodeError::Truncated { at: 4, needed: 0x7fff_ffff, available: 2 })
        );
        assert!(Option::<Vec<String>>::from_bytes(bytes).unwrap_err().is_truncated());
        let negative = Bytes::from_static(&[0xff, 0xff, 0xff, 0xfe]);
        assert!(matches!(Option::<Bytes>::from_bytes(negative), Err(DecodeError::BadLength { length: -2, .. })));
    }

    #[test]
    fn a_null_string_is_refused_where_text_must_be() {
        let null = Bytes::from_static(&[0xff; 4]);
        assert!(matches!(String::from_bytes(null), Err(DecodeError::BadLength { at: 0, length: -1, .. })));
    }

    #[test]
    fn surrogates_written_by_java_become_one_character() {
        let bytes = Bytes::from_static(&[0, 0, 0, 7, b'a', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
        assert_eq!(String::from_bytes(bytes).unwrap(), "a\u{1f600}");
        let alone = Bytes::from_static(&[0, 0, 0, 3, 0xed, 0xa0, 0xbd]);
        assert!(String::from_bytes(alone).unwrap().contains('\u{fffd}'));
    }

    #[test]
    fn a_frame_knows_its_length() {
        let mut out = Writer::new();
        out.framed(|out| 7i32.write(out));
        assert_eq!(out.as_slice(), [0, 0, 0, 4, 0, 0, 0, 7]);
    }

    proptest! {
        #[test]
        fn values_come_back(number in any::<i64>(), text in ".*", data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50))) {
            round_trip(&number);
            round_trip(&text);
            round_trip(&data.map(Bytes::from));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let bytes = Bytes::from(bytes);
            let _ = Option::<Vec<String>>::from_bytes(bytes.clone());
            let _ = Option::<String>::from_bytes(bytes);
        }
    }
}
