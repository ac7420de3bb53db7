//! Packed snapshots: gzip, and the stream of snappy-java.
//!
//! snappy-java's stream is a head of 16 bytes, then blocks of at most 32 KiB before packing, each behind its packed
//! length. It is older than, and different from, snappy's framing format.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use flate2::write::GzEncoder;

use crate::file_names::Compression;

pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
pub(super) const SNAPPY_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// The stream's version, and the oldest version that can read it.
const SNAPPY_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const SNAPPY_BLOCK: usize = 32 << 10;
/// A block that says it is longer is damaged: nobody makes blocks of more than 1 MiB.
const SNAPPY_BLOCK_MAX: usize = 2 << 20;

/// Packs what is written, piece by piece.
#[derive(Debug)]
pub(super) enum Packer {
    None,
    Gzip(GzEncoder<Vec<u8>>),
    /// Bytes that do not fill a block yet, and whether the head was given.
    Snappy(Vec<u8>, bool),
}

impl Packer {
    pub(super) fn new(compression: Compression) -> Packer {
        match compression {
            Compression::None => Packer::None,
            Compression::Gzip => Packer::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Compression::Snappy => Packer::Snappy(Vec::new(), false),
        }
    }

    /// What can be written to the file by now.
    pub(super) fn pack<'a>(&mut self, bytes: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        Ok(match self {
            Packer::None => Cow::Borrowed(bytes),
            Packer::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                Cow::Owned(std::mem::take(encoder.get_mut()))
            }
            Packer::Snappy(waiting, begun) => {
                waiting.extend_from_slice(bytes);
                let whole = waiting.len() / SNAPPY_BLOCK * SNAPPY_BLOCK;
                let mut out = snappy_head(begun);
                put_snappy_blocks(&mut out, &waiting[..whole])?;
                waiting.drain(..whole);
                Cow::Owned(out)
            }
        })
    }

    /// The rest.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Packer::None => Ok(Vec::new()),
            Packer::Gzip(encoder) => {
                encoder.try_finish()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Packer::Snappy(waiting, begun) => {
                let mut out = snappy_head(begun);
                put_snappy_blocks(&mut out, waiting)?;
                Ok(out)
            }
        }
    }
}

fn snappy_head(begun: &mut bool) -> Vec<u8> {
    if std::mem::replace(begun, true) { Vec::new() } else { [SNAPPY_MAGIC, SNAPPY_VERSIONS].concat() }
}

fn put_snappy_blocks(out: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    for block in bytes.chunks(SNAPPY_BLOCK) {
        let packed = snap::raw::Encoder::new().compress_vec(block).map_err(io::Error::other)?;
        out.extend_from_slice(&(packed.len() as i32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(())
}

/// Unpacks a stream of snappy-java.
pub(super) struct SnappyReader<R> {
    from: R,
    block: Vec<u8>,
    given: usize,
    begun: bool,
}

impl<R: Read> SnappyReader<R> {
    pub(super) fn new(from: R) -> SnappyReader<R> {
        SnappyReader { from, block: Vec::new(), given: 0, begun: false }
    }

    /// The next block; an empty one at the end.
    fn next_block(&mut self) -> io::Result<()> {
        self.given = 0;
        self.block.clear();
        if !std::mem::replace(&mut self.begun, true) {
            let mut head = [0; 16];
            self.from.read_exact(&mut head)?;
            if head[..8] != SNAPPY_MAGIC {
                return Err(damaged("does not begin as a stream of snappy-java"));
            }
        }
        let mut length = [0; 4];
        if self.from.read(&mut length[..1])? == 0 {
            return Ok(());
        }
        self.from.read_exact(&mut length[1..])?;
        let packed_len = usize::try_from(i32::from_be_bytes(length)).ok().filter(|len| *len <= SNAPPY_BLOCK_MAX);
        let mut packed = vec![0; packed_len.ok_or_else(|| damaged("has a snappy block of an impossible length"))?];
        self.from.read_exact(&mut packed)?;
        let len = snap::raw::decompress_len(&packed).map_err(io::Error::other)?;
        if len == 0 || len > SNAPPY_BLOCK_MAX {
            return Err(damaged("has a snappy block that unpacks to an impossible length"));
        }
        self.block = snap::raw::Decoder::new().decompress_vec(&packed).map_err(io::Error::other)?;
        Ok(())
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() {
            self.next_block()?;
        }
        let len = buffer.len().min(self.block.len() - self.given);
        buffer[..len].copy_from_slice(&self.block[self.given..self.given + len]);
        self.given += len;
        Ok(len)
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
