//! Jute values from a snapshot's bytes as they come, with the running checksum.

use std::io::{self, Read};
use std::sync::Arc;

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
    /// What is read next comes here first.
    chunk: Vec<u8>,
    buffer: Vec<u8>,
    /// How much of the buffer has been taken, and how much of that the checksum has seen.
    at: usize,
    summed: usize,
    checksum: Checksum,
    /// Bytes taken before those in the buffer, for messages.
    before: u64,
}

impl Source {
    pub(super) fn new(file: Arc<dyn File>, compression: Compression) -> Source {
        let raw = Sequential { file, at: 0 };
        let from: Box<dyn Read> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(CHUNK, raw))),
            Compression::Snappy => Box::new(SnappyReader::new(io::BufReader::with_capacity(CHUNK, raw))),
        };
        let (chunk, buffer) = (vec![0; CHUNK], Vec::new());
        Source { from, chunk, buffer, at: 0, summed: 0, checksum: Checksum::new(), before: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// The checksum of everything taken so far.
    pub(super) fn checksum(&mut self) -> i64 {
        // In long pieces: one at a time would cost more than the sum itself.
        self.checksum.write(&self.buffer[self.summed..self.at]);
        self.summed = self.at;
        self.checksum.value()
    }

    /// Has everything been taken?
    pub(super) fn at_end(&mut self) -> Result<bool, SnapshotError> {
        Ok(self.at == self.buffer.len() && !self.more()?)
    }

    /// The next `len` bytes. Memory grows with the bytes that are there, not with what a length says.
    pub(super) fn take(&mut self, len: usize) -> Result<&[u8], SnapshotError> {
        while self.buffer.len() - self.at < len {
            if !self.more()? {
                return Err(SnapshotError::Ends { at: self.before + self.buffer.len() as u64 });
            }
        }
        let start = self.at;
        self.at += len;
        Ok(&self.buffer[start..self.at])
    }

    /// So many bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let at = self.position();
        self.take(N)?.first_chunk().copied().ok_or(SnapshotError::Ends { at })
    }

    pub(super) fn int(&mut self) -> Result<i32, SnapshotError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, SnapshotError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A count of things that follow.
    pub(super) fn count(&mut self) -> Result<usize, SnapshotError> {
        let at = self.position();
        let count = self.int()?;
        usize::try_from(count).map_err(|_| SnapshotError::Length { at, length: count })
    }

    /// A buffer; null is not empty.
    pub(super) fn buffer(&mut self) -> Result<Option<&[u8]>, SnapshotError> {
        let at = self.position();
        match self.int()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(len) => self.take(len).map(Some),
                Err(_) => Err(SnapshotError::Length { at, length }),
            },
        }
    }

    pub(super) fn string(&mut self) -> Result<String, SnapshotError> {
        let mut text = String::new();
        self.string_into(&mut text)?;
        Ok(text)
    }

    /// A string in place of what `text` holds.
    pub(super) fn string_into(&mut self, text: &mut String) -> Result<(), SnapshotError> {
        let at = self.position();
        let bytes = self.buffer()?.ok_or(SnapshotError::Length { at, length: -1 })?;
        text.clear();
        if let Ok(utf8) = std::str::from_utf8(bytes) {
            text.push_str(utf8);
            return Ok(());
        }
        // Java's way of writing characters is known to the codec alone.
        let mut with_length = Writer::new();
        with_length.buffer(bytes);
        *text = String::from_bytes(with_length.into_bytes()).map_err(|source| SnapshotError::Value { at, source })?;
        Ok(())
    }

    fn more(&mut self) -> Result<bool, SnapshotError> {
        self.checksum();
        self.before += self.at as u64;
        self.buffer.drain(..self.at);
        (self.at, self.summed) = (0, 0);
        let read = self.from.read(&mut self.chunk)?;
        self.buffer.extend_from_slice(&self.chunk[..read]);
        Ok(read > 0)
    }
}
