//! The Rust types that fields may have, and their bytes.

use bytes::Bytes;
use kafka_types::Uuid;

use crate::error::{DecodeError, EncodeError, Problem};
use crate::primitives::{Decoder, Encoder, Form};
use crate::schema::{Constant, Field, Struct, read_struct, smallest_struct, write_struct};

macro_rules! numbers {
    ($($type:ty { $($more:item)? })*) => {$(
        impl Field for $type {
            fn initial(default: Constant) -> $type {
                match default {
                    Constant::Number(number) => number as $type,
                    _ => 0,
                }
            }

            fn is_initial(&self, default: Constant) -> bool {
                *self == <$type>::initial(default)
            }

            fn read(&mut self, decoder: &mut Decoder, _: Form) -> Result<(), DecodeError> {
                *self = <$type>::from_be_bytes(decoder.array()?);
                Ok(())
            }

            fn write(&self, encoder: &mut Encoder, _: Form, _: &'static str) -> Result<(), EncodeError> {
                encoder.slice(&self.to_be_bytes());
                Ok(())
            }

            fn smallest(&self, _: Form) -> usize {
                size_of::<$type>()
            }

            $($more)?
        }
    )*};
}

numbers! {
    i8 {}
    i16 {
        fn error_code(&self) -> i16 {
            *self
        }
    }
    i32 {}
    i64 {}
    u16 {}
}

impl Field for f64 {
    fn initial(_: Constant) -> f64 {
        0.0
    }

    fn is_initial(&self, _: Constant) -> bool {
        *self == 0.0
    }

    fn read(&mut self, decoder: &mut Decoder, _: Form) -> Result<(), DecodeError> {
        *self = f64::from_be_bytes(decoder.array()?);
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, _: Form, _: &'static str) -> Result<(), EncodeError> {
        encoder.slice(&self.to_be_bytes());
        Ok(())
    }

    fn smallest(&self, _: Form) -> usize {
        8
    }
}

impl Field for bool {
    fn initial(default: Constant) -> bool {
        matches!(default, Constant::True)
    }

    fn is_initial(&self, default: Constant) -> bool {
        *self == bool::initial(default)
    }

    fn read(&mut self, decoder: &mut Decoder, _: Form) -> Result<(), DecodeError> {
        *self = decoder.i8()? != 0;
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, _: Form, _: &'static str) -> Result<(), EncodeError> {
        encoder.i8(i8::from(*self));
        Ok(())
    }

    fn smallest(&self, _: Form) -> usize {
        1
    }
}

impl Field for Uuid {
    fn initial(_: Constant) -> Uuid {
        Uuid::ZERO
    }

    fn is_initial(&self, _: Constant) -> bool {
        self.is_zero()
    }

    fn read(&mut self, decoder: &mut Decoder, _: Form) -> Result<(), DecodeError> {
        *self = Uuid(decoder.array()?);
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, _: Form, _: &'static str) -> Result<(), EncodeError> {
        encoder.slice(&self.0);
        Ok(())
    }

    fn smallest(&self, _: Form) -> usize {
        16
    }
}

fn written(fits: bool, field: &'static str, len: usize) -> Result<(), EncodeError> {
    if fits { Ok(()) } else { Err(EncodeError::TooLong { field, len }) }
}

fn not_null(form: Form) -> Form {
    Form { nullable: false, ..form }
}

fn null(form: Form, field: &'static str) -> Result<(), EncodeError> {
    if form.nullable { Ok(()) } else { Err(EncodeError::Null { field, version: form.version }) }
}

fn never_null(len: Option<usize>) -> Result<usize, DecodeError> {
    len.ok_or_else(|| Problem::UnexpectedNull(-1).into())
}

fn smallest_string(form: Form) -> usize {
    if form.flexible { 1 } else { 2 }
}

fn smallest_long(form: Form) -> usize {
    if form.flexible { 1 } else { 4 }
}

impl Field for String {
    fn initial(_: Constant) -> String {
        String::new()
    }

    fn is_initial(&self, _: Constant) -> bool {
        self.is_empty()
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        let len = never_null(decoder.string_len(not_null(form))?)?;
        *self = decoder.text(len)?;
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        written(encoder.string_len(Some(self.len()), form), name, self.len())?;
        encoder.slice(self.as_bytes());
        Ok(())
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_string(form)
    }
}

impl Field for Option<String> {
    fn initial(default: Constant) -> Option<String> {
        (!matches!(default, Constant::Null)).then(String::new)
    }

    fn is_initial(&self, default: Constant) -> bool {
        *self == Self::initial(default)
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        *self = match decoder.string_len(form)? {
            Some(len) => Some(decoder.text(len)?),
            None => None,
        };
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        let Some(text) = self else {
            null(form, name)?;
            return written(encoder.string_len(None, form), name, 0);
        };
        text.write(encoder, form, name)
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_string(form)
    }
}

impl Field for Bytes {
    fn initial(_: Constant) -> Bytes {
        Bytes::new()
    }

    fn is_initial(&self, _: Constant) -> bool {
        self.is_empty()
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        let len = never_null(decoder.long_len(not_null(form))?)?;
        *self = decoder.bytes(len)?;
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        written(encoder.long_len(Some(self.len()), form), name, self.len())?;
        encoder.shared(self);
        Ok(())
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_long(form)
    }
}

impl Field for Option<Bytes> {
    fn initial(default: Constant) -> Option<Bytes> {
        (!matches!(default, Constant::Null)).then(Bytes::new)
    }

    fn is_initial(&self, default: Constant) -> bool {
        *self == Self::initial(default)
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        *self = match decoder.long_len(form)? {
            Some(len) => Some(decoder.bytes(len)?),
            None => None,
        };
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        let Some(bytes) = self else {
            null(form, name)?;
            return written(encoder.long_len(None, form), name, 0);
        };
        bytes.write(encoder, form, name)
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_long(form)
    }
}

/// Record batches in a Fetch response: bytes that are here, or a hole that slices of segment files will fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// The batches themselves; what decoding gives.
    Bytes(Bytes),
    /// So many bytes that the connection sends from files ([`Piece::Hole`](crate::Piece)).
    Hole(usize),
}

impl Records {
    /// No batches.
    pub const EMPTY: Records = Records::Bytes(Bytes::new());

    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Records::Bytes(bytes) => bytes.len(),
            Records::Hole(len) => *len,
        }
    }

    /// No batches?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Field for Option<Records> {
    fn initial(default: Constant) -> Option<Records> {
        (!matches!(default, Constant::Null)).then_some(Records::EMPTY)
    }

    fn is_initial(&self, default: Constant) -> bool {
        *self == Self::initial(default)
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        let mut bytes = None::<Bytes>;
        bytes.read(decoder, form)?;
        *self = bytes.map(Records::Bytes);
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        match self {
            None => None::<Bytes>.write(encoder, form, name),
            Some(Records::Bytes(bytes)) => bytes.write(encoder, form, name),
            Some(Records::Hole(len)) => {
                written(encoder.long_len(Some(*len), form), name, *len)?;
                encoder.hole(*len);
                Ok(())
            }
        }
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_long(form)
    }
}

impl<T: Field> Field for Vec<T> {
    fn initial(_: Constant) -> Vec<T> {
        Vec::new()
    }

    fn is_initial(&self, _: Constant) -> bool {
        self.is_empty()
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        let smallest = T::initial(Constant::Zero).smallest(form);
        let count = never_null(decoder.count(not_null(form), smallest, size_of::<T>())?)?;
        *self = elements(decoder, form, count)?;
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        written(encoder.long_len(Some(self.len()), form), name, self.len())?;
        self.iter().try_for_each(|element| element.write(encoder, form, name))
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_long(form)
    }
}

fn elements<T: Field>(decoder: &mut Decoder, form: Form, count: usize) -> Result<Vec<T>, DecodeError> {
    let mut elements = Vec::with_capacity(count);
    for index in 0..count {
        let mut element = T::initial(Constant::Zero);
        element.read(decoder, not_null(form)).map_err(|error| error.inside_element(index))?;
        elements.push(element);
    }
    Ok(elements)
}

impl<T: Field + PartialEq> Field for Option<Vec<T>> {
    fn initial(default: Constant) -> Option<Vec<T>> {
        (!matches!(default, Constant::Null)).then(Vec::new)
    }

    fn is_initial(&self, default: Constant) -> bool {
        *self == Self::initial(default)
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        let smallest = T::initial(Constant::Zero).smallest(form);
        *self = match decoder.count(form, smallest, size_of::<T>())? {
            Some(count) => Some(elements(decoder, form, count)?),
            None => None,
        };
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        let Some(elements) = self else {
            null(form, name)?;
            return written(encoder.long_len(None, form), name, 0);
        };
        elements.write(encoder, form, name)
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_long(form)
    }
}

impl<T: Struct + Default + PartialEq> Field for T {
    fn initial(_: Constant) -> T {
        T::default()
    }

    fn is_initial(&self, _: Constant) -> bool {
        *self == T::default()
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        read_struct(self, decoder, form)
    }

    fn write(&self, encoder: &mut Encoder, form: Form, _: &'static str) -> Result<(), EncodeError> {
        write_struct(self, encoder, form)
    }

    fn smallest(&self, form: Form) -> usize {
        smallest_struct(self, form)
    }
}

/// A struct that may be null: one byte before it, -1 for null and 1 otherwise.
impl<T: Struct + Default + PartialEq> Field for Option<T> {
    fn initial(default: Constant) -> Option<T> {
        (!matches!(default, Constant::Null)).then(T::default)
    }

    fn is_initial(&self, default: Constant) -> bool {
        *self == Self::initial(default)
    }

    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
        let mark = decoder.i8()?;
        if mark < 0 {
            if !form.nullable {
                return Err(Problem::UnexpectedNull(i64::from(mark)).into());
            }
            *self = None;
            return Ok(());
        }
        let mut value = T::default();
        read_struct(&mut value, decoder, not_null(form))?;
        *self = Some(value);
        Ok(())
    }

    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError> {
        let Some(value) = self else {
            null(form, name)?;
            encoder.i8(-1);
            return Ok(());
        };
        encoder.i8(1);
        write_struct(value, encoder, form)
    }

    fn smallest(&self, _: Form) -> usize {
        1
    }
}
