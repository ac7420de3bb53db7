//! Record batches as bytes: read in place, validate, assign offsets, build, compress.
//!
//! Producer, consumer, log and replication share these bytes, and none of them decodes and encodes what it can patch:
//! the base offset and the leader epoch of a v2 batch lie outside its CRC for exactly that reason.
//!
//! Nothing here trusts a length that the bytes do not back: sizes are compared with what is there, announced
//! uncompressed sizes are not allocated, and decompression stops at a limit the caller sets.
#![deny(missing_docs)]

pub mod batch;
pub mod builder;
pub mod checksum;
pub mod compression;
pub mod control;
mod error;
mod glance;
pub mod legacy;
pub mod reader;
pub mod record;
pub mod validate;

#[cfg(test)]
mod tests;

pub use batch::{BatchHeader, RecordBatch, TimestampType};
pub use builder::{BatchBuilder, BatchOptions};
pub use compression::{Codec, Compression};
pub use error::ReadError;
pub use glance::Glance;
pub use reader::{Batch, EntryHead, batches};
pub use record::{Header, Record, RecordRef};

/// "No timestamp" on the wire and on disk.
pub const NO_TIMESTAMP: i64 = -1;

/// "No sequence": the batch comes from a producer that is not idempotent.
pub const NO_SEQUENCE: i32 = -1;

/// How many bytes one batch may decompress to where the caller has no better number. A batch that honest producers
/// make is limited by `max.request.size` before compression, 1 MiB unless raised; this leaves room for a raised one.
pub const MAX_DECOMPRESSED_DEFAULT: usize = 256 << 20;
