//! The codecs behind one enum, with a limit on what comes out.
//!
//! Framings as Kafka's Java writes them: gzip stream; snappy in the blocks of the "xerial" library; LZ4 frame with
//! independent blocks; zstd frame. Snappy without that framing is read as well, because other clients write it.

use std::fmt;
use std::io::{Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};
use zstd::zstd_safe;

use crate::error::ReadError;

/// A codec, by its number in the attributes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None = 0,
    /// gzip.
    Gzip = 1,
    /// snappy.
    Snappy = 2,
    /// LZ4 frames.
    Lz4 = 3,
    /// zstd; from Produce v7 and Fetch v10 on.
    Zstd = 4,
}

impl Compression {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// By its number in the attributes; `None` for 5, 6 and 7.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// Its number in the attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Its name in settings and in the tools' output.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// By its name in settings (`none`, `gzip`, `snappy`, `lz4`, `zstd`).
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A codec with the level to compress at (`compression.gzip.level`, `compression.zstd.level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Codec {
    /// The codec.
    pub compression: Compression,
    /// The level; `None` is the codec's default (gzip 6, zstd 3). Snappy has none; LZ4 is always written by its fast
    /// method, whose output every reader takes: its level only trades time for size.
    pub level: Option<i32>,
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Codec {
        Codec { compression, level: None }
    }
}

/// Appends the compressed form of `input` to `out`.
pub fn compress(codec: Codec, input: &[u8], out: &mut Vec<u8>) {
    match codec.compression {
        Compression::None => out.extend_from_slice(input),
        Compression::Gzip => compress_gzip(codec.level, input, out),
        Compression::Snappy => compress_snappy(input, out),
        Compression::Lz4 => compress_lz4(input, out),
        Compression::Zstd => compress_zstd(codec.level, input, out),
    }
}

/// Decompresses `input` to at most `limit` bytes; more, or damage, is an error.
pub fn decompress(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
    let mut out = Vec::new();
    match codec {
        Compression::None if input.len() > limit => return Err(ReadError::TooLarge { codec, limit }),
        Compression::None => out.extend_from_slice(input),
        Compression::Gzip => read_limited(codec, flate2::read::MultiGzDecoder::new(input), limit, &mut out)?,
        Compression::Snappy => decompress_snappy(input, limit, &mut out)?,
        Compression::Lz4 => read_limited(codec, lz4_flex::frame::FrameDecoder::new(input), limit, &mut out)?,
        Compression::Zstd => decompress_zstd(input, limit, &mut out)?,
    }
    Ok(out)
}

fn damaged(codec: Compression, reason: impl fmt::Display) -> ReadError {
    ReadError::Decompress { codec, reason: reason.to_string() }
}

/// Reads all of `reader`, in steps, so that memory grows with what really came out.
fn read_limited(codec: Compression, reader: impl Read, limit: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
    reader.take(limit as u64 + 1).read_to_end(out).map_err(|error| damaged(codec, error))?;
    if out.len() > limit { Err(ReadError::TooLarge { codec, limit }) } else { Ok(()) }
}

fn compress_gzip(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
    let level = match level {
        Some(level @ 1..=9) => flate2::Compression::new(level as u32),
        _ => flate2::Compression::default(),
    };
    let mut encoder = flate2::write::GzEncoder::new(out, level);
    encoder.write_all(input).and_then(|()| encoder.finish()).expect("writing to memory does not fail");
}

/// The front of a stream of the "xerial" snappy library: magic, version 1, readable from version 1 on.
const XERIAL_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_MAGIC_LEN: usize = 8;
/// What the Java library compresses at a time.
const XERIAL_BLOCK: usize = 32 << 10;
/// No snappy element makes more than this many bytes per byte of input (a copy: 64 bytes of 3).
const SNAPPY_RATIO_MAX: usize = 22;

fn compress_snappy(input: &[u8], out: &mut Vec<u8>) {
    let mut encoder = snap::raw::Encoder::new();
    out.extend_from_slice(&XERIAL_HEADER);
    for block in input.chunks(XERIAL_BLOCK) {
        let length_at = out.len();
        let start = length_at + 4;
        out.resize(start + snap::raw::max_compress_len(block.len()), 0);
        let len = encoder.compress(block, &mut out[start..]).expect("the output has room for the worst case");
        out.truncate(start + len);
        out[length_at..start].copy_from_slice(&(len as u32).to_be_bytes());
    }
}

fn decompress_snappy(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
    if !input.starts_with(&XERIAL_HEADER[..XERIAL_MAGIC_LEN]) {
        return decompress_snappy_block(input, limit, out);
    }
    let cut = || damaged(Compression::Snappy, "the data ends inside a block");
    let mut rest = input.get(XERIAL_HEADER.len()..).ok_or_else(cut)?;
    while !rest.is_empty() {
        // Streams of the library may be put one after the other: each begins with the magic again.
        if rest.starts_with(&XERIAL_HEADER[..XERIAL_MAGIC_LEN]) {
            rest = rest.get(XERIAL_HEADER.len()..).ok_or_else(cut)?;
            continue;
        }
        let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = tail.get(..length).ok_or_else(cut)?;
        decompress_snappy_block(block, limit, out)?;
        rest = &tail[length..];
    }
    Ok(())
}

fn decompress_snappy_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
    let codec = Compression::Snappy;
    let len = snap::raw::decompress_len(block).map_err(|error| damaged(codec, error))?;
    if len > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(damaged(codec, format_args!("{} bytes cannot hold the {len} they announce", block.len())));
    }
    let start = out.len();
    if len > limit.saturating_sub(start) {
        return Err(ReadError::TooLarge { codec, limit });
    }
    out.resize(start + len, 0);
    let written =
        snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(|error| damaged(codec, error))?;
    out.truncate(start + written);
    Ok(())
}

fn compress_lz4(input: &[u8], out: &mut Vec<u8>) {
    // Java reads independent blocks only; 64 KiB is what its writer makes.
    let frame = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, out);
    encoder.write_all(input).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail");
}

fn compress_zstd(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    let start = out.len();
    out.resize(start + zstd_safe::compress_bound(input.len()), 0);
    // A context of its own for each batch: its tables are made to the measure of the input, whose length is known.
    let len = zstd_safe::CCtx::create()
        .compress(&mut out[start..], input, level)
        .expect("the output has room for the worst case");
    out.truncate(start + len);
}

fn decompress_zstd(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
    let codec = Compression::Zstd;
    let mut context = zstd_safe::DCtx::create();
    let mut source = zstd_safe::InBuffer::around(input);
    let mut frame_open = false;
    let mut chunk = zstd_safe::DCtx::out_size().min(limit.saturating_add(1));
    while source.pos() < input.len() || frame_open {
        let start = out.len();
        out.resize(start + chunk.min(limit - start + 1), 0);
        let mut target = zstd_safe::OutBuffer::around(&mut out[start..]);
        let read_before = source.pos();
        let hint = context
            .decompress_stream(&mut target, &mut source)
            .map_err(|code| damaged(codec, zstd_safe::get_error_name(code)))?;
        let written = target.pos();
        out.truncate(start + written);
        if out.len() > limit {
            return Err(ReadError::TooLarge { codec, limit });
        }
        frame_open = hint != 0;
        if frame_open && written == 0 && source.pos() == read_before {
            return Err(damaged(codec, "the data ends inside a frame"));
        }
        chunk = chunk.saturating_mul(2);
    }
    Ok(())
}
