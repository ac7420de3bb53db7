//! Jute values from a snapshot's bytes as they come, with the running checksum.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use vfs::File;
use zk_proto::{Jute, Writer};

use super::Checksum;
use super::load::SnapshotError;
use super::packing::SnappyReader;
use crate::file_names::Compression;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// A file's bytes in order.
struct Sequential {
    file: Arc<dyn File>,
    at: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The unpacked bytes of a snapshot.
pub(super) struct Source {
    from: Box<dyn Read>,
    buffer: BytesMut,
    checksum: Checksum,
    /// Bytes taken so far, for messages.
    position: u64,
}

impl Source {
    pub(super) fn new(file: Arc<dyn File>, compression: Compression) -> Source {
        let raw = Sequential { file, at: 0 };
        let from: Box<dyn Read> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(CHUNK, raw))),
            Compression::Snappy => Box::new(SnappyReader::new(io::BufReader::with_capacity(CHUNK, raw))),
        };
        Source { from, buffer: BytesMut::new(), checksum: Checksum::new(), position: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The checksum of everything taken so far.
    pub(super) fn checksum(&self) -> i64 {
        self.checksum.value()
    }

    /// Has everything been taken?
    pub(super) fn at_end(&mut self) -> Result<bool, SnapshotError> {
        Ok(self.buffer.is_empty() && !self.more()?)
    }

    /// The next `len` bytes. Memory grows with the bytes that are there, not with what a length says.
    pub(super) fn take(&mut self, len: usize) -> Result<Bytes, SnapshotError> {
        while self.buffer.len() < len {
            if !self.more()? {
                return Err(SnapshotError::Ends { at: self.position + self.buffer.len() as u64 });
            }
        }
        let taken = self.buffer.split_to(len).freeze();
        self.checksum.write(&taken);
        self.position += len as u64;
        Ok(taken)
    }

    /// A value of `len` bytes.
    pub(super) fn fixed<T: Jute>(&mut self, len: usize) -> Result<T, SnapshotError> {
        let at = self.position;
        T::from_bytes(self.take(len)?).map_err(|source| SnapshotError::Value { at, source })
    }

    pub(super) fn int(&mut self) -> Result<i32, SnapshotError> {
        self.fixed(4)
    }

    pub(super) fn long(&mut self) -> Result<i64, SnapshotError> {
        self.fixed(8)
    }

    /// A count of things that follow.
    pub(super) fn count(&mut self) -> Result<usize, SnapshotError> {
        let at = self.position;
        let count = self.int()?;
        usize::try_from(count).map_err(|_| SnapshotError::Length { at, length: count })
    }

    /// A buffer; null is not empty.
    pub(super) fn buffer(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        let at = self.position;
        match self.int()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(len) => self.take(len).map(Some),
                Err(_) => Err(SnapshotError::Length { at, length }),
            },
        }
    }

    pub(super) fn string(&mut self) -> Result<String, SnapshotError> {
        let at = self.position;
        let text = self.buffer()?.ok_or(SnapshotError::Length { at, length: -1 })?;
        if let Ok(text) = std::str::from_utf8(&text) {
            return Ok(text.to_owned());
        }
        // Java's way of writing characters is known to the codec alone.
        let mut with_length = Writer::new();
        with_length.buffer(&text);
        String::from_bytes(with_length.into_bytes()).map_err(|source| SnapshotError::Value { at, source })
    }

    fn more(&mut self) -> Result<bool, SnapshotError> {
        let here = self.buffer.len();
        self.buffer.resize(here + CHUNK, 0);
        let read = self.from.read(&mut self.buffer[here..]);
        self.buffer.truncate(here + read.as_ref().map_or(0, |read| *read));
        Ok(read? > 0)
    }
}
