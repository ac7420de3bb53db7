//! Messages with four bytes of length before them.
//!
//! `tokio-util`'s [`LengthDelimitedCodec`] splits them off. It reserves the announced length at once, though, so a
//! peer could make a server allocate 100 MB with four bytes; therefore it only sees complete frames, and a large
//! frame's memory grows with the bytes that have come.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

/// Bytes of the length before a frame.
pub const HEAD_LEN: usize = 4;
/// What a read asks for at least; an idle connection holds this much.
const READ_LEN: usize = 4 << 10;
/// Below this a frame's memory is reserved when it is announced.
const SMALL: usize = 64 << 10;
/// The most that is read at once because much was there before: a few full batches of a producer.
const AHEAD_MAX: usize = 256 << 10;
/// A buffer that grew beyond this is given back once it is empty.
const KEPT_CAPACITY: usize = 1 << 20;

/// Why no further frame can be read; the connection has to be closed.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The announced length is negative or above the limit.
    #[error("frame of {announced} bytes announced, {max} are allowed")]
    Length {
        /// What the peer announced.
        announced: i32,
        /// The limit, in bytes.
        max: usize,
    },
    /// The peer ended the stream inside a frame.
    #[error("stream ended after {got} bytes of a frame, its length included")]
    Cut {
        /// How many bytes of the frame had come.
        got: usize,
    },
}

/// Reads frames from a stream of bytes. Keeps what was read beyond the frame it returned.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    codec: LengthDelimitedCodec,
    max_len: usize,
    /// What a read asks for at least: more after one that got all it asked for, less after one that got little.
    ahead: usize,
    /// The most that this may be.
    ahead_max: usize,
    /// The buffer has become larger than an idle connection's.
    grown: bool,
}

impl FrameReader {
    /// Accepts frames of up to `max_len` bytes, their length not counted. Holds no memory before the first read.
    pub fn new(max_len: usize) -> FrameReader {
        let codec = LengthDelimitedCodec::builder().max_frame_length(max_len).new_codec();
        FrameReader { buffer: BytesMut::new(), codec, max_len, ahead: READ_LEN, ahead_max: AHEAD_MAX, grown: false }
    }

    /// The same, and it reads little that is not of the frame that is asked for, however fast its peer sends: for those who
    /// say by [`FrameReader::next_len`] when a frame may be read.
    pub fn frame_by_frame(max_len: usize) -> FrameReader {
        FrameReader { ahead_max: READ_LEN, ..FrameReader::new(max_len) }
    }

    /// What has been read and not been returned: for a look at the first bytes of a connection.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads until at least `len` bytes are [buffered](FrameReader::buffered); `false` if the stream ends before.
    /// Cancel safe.
    pub async fn fill<R: AsyncRead + Unpin>(&mut self, from: &mut R, len: usize) -> io::Result<bool> {
        while self.buffer.len() < len {
            self.buffer.reserve(READ_LEN);
            if from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next frame without its length, or `None` at the end of the stream. Cancel safe.
    pub async fn next<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = self.next_buffered()? {
                return Ok(Some(frame));
            }
            self.make_room();
            let room = self.buffer.capacity() - self.buffer.len();
            match from.read_buf(&mut self.buffer).await? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(FrameError::Cut { got: self.buffer.len() }),
                read => self.adapt(read, room),
            }
        }
    }

    /// What was there when it read last, and is no part of a frame that was returned: the next frame, if it is whole.
    pub fn peek(&self) -> Option<&[u8]> {
        let len = self.announced().ok()??;
        self.buffer.get(HEAD_LEN..HEAD_LEN + len)
    }

    /// Reads the length of the next frame, which stays where it is; `None` at the end of the stream. Cancel safe.
    pub async fn next_len<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> Result<Option<usize>, FrameError> {
        if self.fill(from, HEAD_LEN).await? {
            return self.announced();
        }
        match self.buffer.len() {
            0 => Ok(None),
            got => Err(FrameError::Cut { got }),
        }
    }

    /// Gives back the memory of a connection that has nothing more to say, but for what its next read needs anyway;
    /// nothing is lost.
    pub fn release(&mut self) {
        if self.buffer.is_empty() && std::mem::take(&mut self.grown) {
            self.buffer = BytesMut::new();
            self.ahead = READ_LEN;
        }
    }

    /// A frame that is there already; `None` if more bytes are needed.
    pub fn next_buffered(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(len) = self.announced()? else { return Ok(None) };
        if self.buffer.len() < HEAD_LEN + len {
            return Ok(None);
        }
        Ok(self.codec.decode(&mut self.buffer)?.map(BytesMut::freeze))
    }

    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<HEAD_LEN>() else { return Ok(None) };
        let announced = i32::from_be_bytes(*head);
        match usize::try_from(announced) {
            Ok(len) if len <= self.max_len => Ok(Some(len)),
            _ => Err(FrameError::Length { announced, max: self.max_len }),
        }
    }

    /// A read with room for so much got so much.
    fn adapt(&mut self, read: usize, room: usize) {
        if read == room {
            self.ahead = (2 * self.ahead).min(self.ahead_max);
        } else if read < self.ahead / 8 {
            self.ahead = (self.ahead / 2).max(READ_LEN);
        }
    }

    /// Room for the next read: what the frame still needs, but never more than has come already or than a small
    /// frame, whichever is larger; or what may be there besides. So a growing frame is copied a few times at most, and
    /// only its sender's bytes make it grow. Memory of frames that were dropped is used again (`BytesMut::reserve` sees
    /// to that).
    fn make_room(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer = BytesMut::new();
        }
        let here = self.buffer.len();
        let missing = match self.announced() {
            Ok(Some(len)) => (HEAD_LEN + len).saturating_sub(here),
            _ => 0,
        };
        let room = missing.min(here.max(SMALL)).max(self.ahead);
        if self.buffer.capacity() - here < missing.clamp(self.ahead / 4, room) {
            self.buffer.reserve(room);
            self.grown |= here + room > READ_LEN;
        }
    }
}

/// Appends a frame to `out`: its length, then what `body` puts there.
///
/// Fails if the body is longer than a length can say, 2 GiB; `out` is as before, then.
pub fn put_frame(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) -> io::Result<()> {
    let start = out.len();
    out.put_i32(0);
    body(out);
    if let Ok(len) = i32::try_from(out.len() - start - HEAD_LEN) {
        out[start..start + HEAD_LEN].copy_from_slice(&len.to_be_bytes());
        Ok(())
    } else {
        out.truncate(start);
        Err(io::Error::new(io::ErrorKind::InvalidInput, "frame above 2 GiB"))
    }
}

/// Writes one frame, its length first.
pub async fn write_frame<W: AsyncWrite + Unpin>(to: &mut W, body: &[u8]) -> io::Result<()> {
    let len =
        i32::try_from(body.len()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "frame above 2 GiB"))?;
    let head = Bytes::copy_from_slice(&len.to_be_bytes());
    to.write_all_buf(&mut bytes::Buf::chain(head, body)).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    /// Gives `bytes` in pieces of `step`, then the end.
    struct Slowly<'a>(&'a [u8], usize);

    impl AsyncRead for Slowly<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let len = self.0.len().min(self.1).min(buffer.remaining());
            let (now, later) = self.0.split_at(len);
            buffer.put_slice(now);
            self.0 = later;
            std::task::Poll::Ready(Ok(()))
        }
    }

    fn framed(bodies: &[&[u8]]) -> BytesMut {
        let mut out = BytesMut::new();
        for body in bodies {
            put_frame(&mut out, |out| out.put_slice(body)).unwrap();
        }
        out
    }

    #[test]
    fn frames_come_whole_whatever_the_pieces() {
        let large: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let bodies: [&[u8]; 4] = [b"one", b"", &large, b"last"];
        let bytes = framed(&bodies);
        for step in [1, 3, 1000, 1 << 20] {
            let (mut reader, mut from) = (FrameReader::new(1 << 20), Slowly(&bytes, step));
            for body in bodies {
                assert_eq!(run(reader.next(&mut from)).unwrap().unwrap(), body);
            }
            assert!(run(reader.next(&mut from)).unwrap().is_none());
        }
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut reader = FrameReader::new(100 << 20);
        let bytes = (100i32 << 20).to_be_bytes();
        let error = run(reader.next(&mut Slowly(&bytes, 4))).unwrap_err();
        assert!(matches!(error, FrameError::Cut { got: 4 }));
        assert!(reader.buffer.capacity() <= 2 * SMALL, "{}", reader.buffer.capacity());
    }

    #[test]
    fn memory_grows_with_what_came_and_is_given_back() {
        let body = vec![1; 3 << 20];
        let bytes = framed(&[&body, b"x"]);
        let (mut reader, mut from) = (FrameReader::new(100 << 20), Slowly(&bytes, 10_000));
        let frame = run(reader.next(&mut from)).unwrap().unwrap();
        assert_eq!(frame.len(), body.len());
        drop(frame);
        run(reader.next(&mut from)).unwrap().unwrap();
        run(reader.next(&mut from)).unwrap();
        assert!(reader.buffer.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn who_sends_much_is_read_in_large_pieces_and_who_sends_little_is_not() {
        let body = vec![7; 20_000];
        let frames = framed(&[&body[..]; 40]);
        let (mut reader, mut from) = (FrameReader::new(1 << 20), &frames[..]);
        let mut together = Vec::new();
        while run(reader.next(&mut from)).unwrap().is_some() {
            let mut more = 0;
            while reader.peek().is_some_and(|frame| frame == body) {
                reader.next_buffered().unwrap().unwrap();
                more += 1;
            }
            together.push(more);
        }
        assert_eq!(together[0], 0, "{together:?}");
        assert!(together.iter().any(|&more| more > 8) && together.len() < 12, "{together:?}");
        for _ in 0..10 {
            run(reader.next(&mut &framed(&[b"few"])[..])).unwrap().unwrap();
        }
        assert_eq!(reader.ahead, READ_LEN);
    }

    #[test]
    fn only_whole_frames_can_be_peeked_at() {
        let bytes = framed(&[b"one", b"two"]);
        let mut reader = FrameReader::new(10);
        assert_eq!(reader.peek(), None);
        assert!(run(reader.fill(&mut &bytes[..12], 12)).unwrap());
        assert_eq!(reader.peek(), Some(&b"one"[..]));
        reader.next_buffered().unwrap().unwrap();
        assert_eq!(reader.peek(), None);
    }

    #[test]
    fn bad_lengths_are_refused_before_anything_is_read() {
        for announced in [-1, i32::MIN, 11] {
            let bytes = announced.to_be_bytes();
            let error = run(FrameReader::new(10).next(&mut Slowly(&bytes, 4))).unwrap_err();
            assert!(matches!(error, FrameError::Length { announced: a, max: 10 } if a == announced));
        }
        assert_eq!(run(FrameReader::new(10).next(&mut Slowly(&framed(&[&[7; 10]]), 4))).unwrap().unwrap(), [7; 10][..]);
    }

    #[test]
    fn the_first_bytes_can_be_looked_at() {
        let bytes = framed(&[b"body"]);
        let (mut reader, mut from) = (FrameReader::new(10), Slowly(&bytes, 3));
        assert!(run(reader.fill(&mut from, 4)).unwrap());
        assert_eq!(&reader.buffered()[..4], [0, 0, 0, 4]);
        assert_eq!(run(reader.next(&mut from)).unwrap().unwrap(), "body");
        assert!(!run(reader.fill(&mut from, 1)).unwrap());
    }

    #[test]
    fn a_cut_frame_is_an_error() {
        let bytes = framed(&[b"body"]);
        let error = run(FrameReader::new(10).next(&mut Slowly(&bytes[..7], 3))).unwrap_err();
        assert!(matches!(error, FrameError::Cut { got: 7 }));
    }

    #[test]
    fn written_frames_are_read_back() {
        let mut out = Vec::new();
        run(write_frame(&mut out, b"abc")).unwrap();
        assert_eq!(out, b"\0\0\0\x03abc");
    }
}
