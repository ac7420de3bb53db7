//! What brokers and clients store for themselves: keys and values of the internal topics, the consumers' own
//! protocol inside of JoinGroup and SyncGroup, and control records. All begin with a 16-bit version.

use bytes::Bytes;

use crate::error::{DecodeError, EncodeError};
use crate::primitives::{Decoder, Encoder};
use crate::schema::Message;

pub mod consumer_protocol;
pub mod groups;
pub mod markers;
pub mod transactions;

/// A message that carries its version in front of itself.
pub trait Record: Message {
    /// The version that Apache 3.9 writes, and so do we.
    fn written_version(&self) -> i16;

    /// Version and body, in the version that is to be written.
    fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        self.to_bytes_in(self.written_version())
    }

    /// Version and body, in this version.
    fn to_bytes_in(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        encoder.i16(version);
        self.encode(&mut encoder, version)?;
        Ok(encoder.into_bytes())
    }

    /// Reads version and body. Bytes after the body are ignored, as Apache does.
    fn from_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let version = decoder.i16()?;
        Self::decode(&mut decoder, version)
    }
}
