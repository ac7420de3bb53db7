//! What is true of every message in every version: it reads back, Apache's clients' frames and a second, independent
//! codec agree with it, and bytes that are not a message are refused without harm.

use bytes::Bytes;

use crate::error::{DecodeError, EncodeError};
use crate::primitives::{Decoder, Encoder, Form};
use crate::schema::{FieldReader, Message, Struct, Tagged, write_tags};

mod differential;
mod error_counts;
mod every;
mod golden;
mod hostile;
mod shapes;

/// Makes values up; the same ones for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Generator {
        Generator(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// xorshift64*.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }

    /// A number: zero, small, or anything; never a NaN, which is not equal to itself.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        match self.below(4) {
            0 => {}
            1 => bytes[N - 1] = self.next() as u8,
            _ => bytes.fill_with(|| self.next() as u8),
        }
        bytes[0] &= 0xbf;
        bytes
    }

    pub(crate) fn len(&mut self, nullable: bool) -> Option<usize> {
        match self.below(8) {
            0 if nullable => None,
            0..=2 => Some(0),
            3..=6 => Some(self.below(4) as usize),
            // Past one byte of a compact length now and then.
            _ => Some(if self.below(16) == 0 { 130 } else { 5 }),
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Bytes {
        (0..len).map(|_| self.next() as u8).collect::<Vec<u8>>().into()
    }

    pub(crate) fn text(&mut self, len: usize) -> String {
        (0..len).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

/// Makes up the tagged fields, each of them in about half of the cases.
pub(crate) fn generate_tagged(value: &mut dyn Struct, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
    for tag in 0..8 {
        let wanted = decoder.generator.as_mut().is_some_and(|generator| generator.below(2) == 0);
        if wanted {
            value.read_fields(&mut FieldReader::new(decoder, form, Some(tag)))?;
        }
    }
    Ok(())
}

/// The same with a field behind them that is of a version to come, as newer peers send them.
pub(crate) fn write_tags_and_unknown_ones(
    tagged: Vec<Tagged<'_>>,
    encoder: &mut Encoder,
    form: Form,
) -> Result<(), EncodeError> {
    encoder.unsigned_varint(tagged.len() as u32 + 1);
    write_tags(tagged, encoder, form)?;
    let generator = encoder.unknown_tags.as_mut().expect("asked for");
    let len = generator.below(200) as usize;
    let bytes = generator.bytes(len);
    encoder.unsigned_varint(100 + len as u32);
    encoder.unsigned_varint(len as u32);
    encoder.slice(&bytes);
    Ok(())
}

/// A message as this version can carry it.
pub(crate) fn generate<M: Message>(seed: u64, version: i16) -> M {
    let mut decoder = Decoder::new(Bytes::new());
    decoder.generator = Some(Generator::new(seed));
    M::decode(&mut decoder, version).expect("made up as the version wants it")
}

pub(crate) fn encode<M: Message>(message: &M, version: i16) -> Bytes {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).unwrap_or_else(|error| panic!("{error}: {message:?}"));
    encoder.into_bytes()
}

/// Decodes all of the bytes.
pub(crate) fn decode<M: Message>(bytes: &Bytes, version: i16) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(bytes.clone());
    let message = M::decode(&mut decoder, version)?;
    decoder.finish()?;
    Ok(message)
}

/// A file of the golden data, one JSON object per line; none when there is no such file.
pub(crate) fn json_lines(name: &str) -> Vec<serde_json::Value> {
    let path = format!("{}/../../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
