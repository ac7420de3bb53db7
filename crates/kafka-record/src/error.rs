//! Why bytes are not records.

use crate::compression::Compression;

/// Why bytes are not records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The length field says less than the smallest entry needs.
    #[error("Record size {size} is less than the minimum record overhead ({minimum})")]
    SizeBelowMinimum {
        /// What the length field says, in bytes.
        size: i32,
        /// The least it could say.
        minimum: i32,
    },
    /// The entry's format is not 0, 1 or 2.
    #[error("Invalid magic found in record: {0}")]
    UnknownMagic(i8),
    /// The bytes end inside the entry.
    #[error("the entry needs {needed} bytes, {available} are there")]
    Truncated {
        /// How many bytes the entry has, as far as its front tells.
        needed: usize,
        /// How many are there.
        available: usize,
    },
    /// The bytes differ from those that the checksum was made of.
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Checksum {
        /// The checksum in the entry.
        stored: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// The records inside do not read: counts or lengths do not fit.
    #[error("{0}")]
    Malformed(String),
    /// The attributes name a codec that Kafka does not have.
    #[error("Unknown compression type id: {0}")]
    UnknownCodec(u8),
    /// The payload is not what its codec makes.
    #[error("cannot decompress {codec} data: {reason}")]
    Decompress {
        /// The codec that the attributes name.
        codec: Compression,
        /// What its reader said.
        reason: String,
    },
    /// The payload decompresses to more than the caller allows.
    #[error("{codec} data decompresses to more than {limit} bytes")]
    TooLarge {
        /// The codec that the attributes name.
        codec: Compression,
        /// The most the caller allows, in bytes.
        limit: usize,
    },
}

impl ReadError {
    pub(crate) fn malformed(text: impl Into<String>) -> ReadError {
        ReadError::Malformed(text.into())
    }
}
