//! A reply as pieces: bytes and file ranges, in order.
//!
//! On a plain socket a file range goes from the page cache to the socket by `sendfile(2)` and is never copied to
//! this process. Where there is no descriptor (the in-memory file system) it is read and written.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use thiserror::Error;
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// Bytes that one `sendfile` moves at most, and after which other tasks of the thread get their turn: what consumers
/// ask of a partition if nobody tells them otherwise.
const TURN: usize = 1 << 20;
/// What is shorter shares a packet with the head before it. Before a longer piece the head goes ahead: the peer is awake when
/// the rest comes, and takes it in on its own time instead of this thread's.
const OWN_PACKET: u64 = 64 << 10;
/// Slices that one vectored write takes.
const SLICES: usize = 64;
/// Copied at a time where `sendfile` is not possible.
const COPY: usize = 64 << 10;

/// A part of a reply.
#[derive(Debug, Clone)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// A range of a file. It must not be cut while it waits to be sent; if it is, [`SendError::FileCut`] comes.
    File {
        /// The file.
        file: Arc<dyn vfs::File>,
        /// Where the range begins.
        offset: u64,
        /// How many bytes it has.
        len: u64,
    },
}

impl Piece {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File { len, .. } => *len,
        }
    }

    /// Has it no bytes?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Piece {
        Piece::Bytes(bytes)
    }
}

/// Why not all pieces were sent. Nobody knows how much the peer has got: close the connection.
#[derive(Debug, Error)]
pub enum SendError {
    /// The socket or the file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file was cut while it was sent; the announced length cannot be kept.
    #[error("file ended {missing} bytes before the end of the range that was to be sent")]
    FileCut {
        /// Bytes of the range that are not there.
        missing: u64,
    },
}

/// Sends all pieces in order. Not cancel safe: a caller that drops the future in the middle has to close the
/// connection, as after an error.
pub async fn send_all(socket: &TcpStream, pieces: &[Piece]) -> Result<(), SendError> {
    let mut rest = pieces;
    while let Some(first) = rest.first() {
        match first {
            Piece::File { file, offset, len } => {
                send_file(socket, file.as_ref(), *offset, *len).await?;
                rest = &rest[1..];
            }
            Piece::Bytes(_) => {
                let count = rest.iter().take_while(|piece| matches!(piece, Piece::Bytes(_))).count();
                let (run, after) = rest.split_at(count);
                let shares = after.first().is_some_and(|next| next.len() < OWN_PACKET);
                let flags = if shares { SendFlags::MORE } else { SendFlags::empty() };
                send_bytes(socket, run, flags).await?;
                rest = after;
            }
        }
    }
    Ok(())
}

async fn send_bytes(socket: &TcpStream, pieces: &[Piece], flags: SendFlags) -> io::Result<()> {
    if let [Piece::Bytes(bytes)] = pieces {
        return send_slice(socket, bytes, flags).await;
    }
    let mut left: VecDeque<Bytes> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Bytes(bytes) if !bytes.is_empty() => Some(bytes.clone()),
            _ => None,
        })
        .collect();
    while !left.is_empty() {
        let mut sent = when_writable(socket, || send_slices(socket.as_fd(), &left, flags)).await?;
        while let Some(first) = left.front_mut() {
            let part = sent.min(first.len());
            first.advance(part);
            sent -= part;
            if !first.is_empty() {
                break;
            }
            left.pop_front();
        }
    }
    Ok(())
}

/// What most replies are. `sendmsg` costs more than `send`: the kernel has to fetch a header and slices first.
async fn send_slice(socket: &TcpStream, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = when_writable(socket, || Ok(send(socket, bytes, flags | SendFlags::NOSIGNAL)?)).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

fn send_slices(socket: BorrowedFd<'_>, bytes: &VecDeque<Bytes>, flags: SendFlags) -> io::Result<usize> {
    let slices: Vec<IoSlice<'_>> = bytes.iter().take(SLICES).map(|bytes| IoSlice::new(bytes)).collect();
    // More slices than fit into one call follow at once.
    let flags = if bytes.len() > SLICES { flags | SendFlags::MORE } else { flags };
    let sent = sendmsg(socket, &slices, &mut SendAncillaryBuffer::default(), flags | SendFlags::NOSIGNAL)?;
    Ok(sent)
}

async fn send_file(socket: &TcpStream, file: &dyn vfs::File, mut offset: u64, mut len: u64) -> Result<(), SendError> {
    let Some(fd) = file.as_fd() else { return copy_file(socket, file, offset, len).await };
    while len > 0 {
        let count = len.min(TURN as u64) as usize;
        let mut position = offset;
        let sent = when_writable(socket, || Ok(rustix::fs::sendfile(socket, fd, Some(&mut position), count)?)).await;
        match sent {
            Ok(0) => return Err(SendError::FileCut { missing: len }),
            Ok(sent) => {
                offset += sent as u64;
                len -= sent as u64;
            }
            // Some file systems cannot; then bytes are copied.
            Err(error) if [Errno::INVAL, Errno::NOSYS].iter().any(|errno| is(&error, *errno)) => {
                return copy_file(socket, file, offset, len).await;
            }
            Err(error) => return Err(error.into()),
        }
        // A fast reader could keep this thread from its other connections.
        if len > 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn copy_file(socket: &TcpStream, file: &dyn vfs::File, mut offset: u64, mut len: u64) -> Result<(), SendError> {
    let mut buffer = vec![0; len.min(COPY as u64) as usize];
    while len > 0 {
        let part = len.min(buffer.len() as u64) as usize;
        let read = file.read_at(&mut buffer[..part], offset)?;
        if read == 0 {
            return Err(SendError::FileCut { missing: len });
        }
        send_bytes(socket, &[Piece::Bytes(Bytes::copy_from_slice(&buffer[..read]))], SendFlags::empty()).await?;
        offset += read as u64;
        len -= read as u64;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Sends all pieces in order over what is no socket of the system: everything is copied. Not cancel safe, as
/// [`send_all`].
pub(crate) async fn copy_all<W: AsyncWrite + Unpin>(to: &mut W, pieces: &[Piece]) -> Result<(), SendError> {
    let mut buffer = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => to.write_all(bytes).await?,
            Piece::File { file, offset, len } => {
                let (mut offset, mut len) = (*offset, *len);
                buffer.resize(COPY, 0);
                while len > 0 {
                    let part = len.min(COPY as u64) as usize;
                    let read = file.read_at(&mut buffer[..part], offset)?;
                    if read == 0 {
                        return Err(SendError::FileCut { missing: len });
                    }
                    to.write_all(&buffer[..read]).await?;
                    offset += read as u64;
                    len -= read as u64;
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    to.flush().await?;
    Ok(())
}

/// Tries at once, and again each time the socket takes bytes.
async fn when_writable(socket: &TcpStream, mut send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match socket.try_io(Interest::WRITABLE, &mut send) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests;
