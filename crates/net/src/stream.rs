//! One type for a connection, whatever is below it.
//!
//! Plain TCP is the only kind today. Everything above uses these types and never a `TcpStream`, so that TLS can be
//! added beside it; whether file ranges can go out by `sendfile` is asked here, too.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::send::{Piece, SendError, send_all};

/// A connection.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    peer: SocketAddr,
}

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
}

impl Stream {
    /// A plain connection. Nagle's delay is switched off: both protocols write whole messages.
    pub fn plain(socket: TcpStream) -> io::Result<Stream> {
        let peer = canonical(socket.peer_addr()?);
        socket.set_nodelay(true)?;
        Ok(Stream { kind: Kind::Plain(socket), peer })
    }

    /// Connects to the first address of `host` that answers, giving each at most `timeout`.
    pub async fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<Stream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
        for address in tokio::net::lookup_host((host, port)).await? {
            match Stream::connect_to(address, timeout).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects to one address within `timeout`.
    pub async fn connect_to(address: SocketAddr, timeout: Duration) -> io::Result<Stream> {
        match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
            Ok(socket) => Stream::plain(socket?),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not answer in {timeout:?}"))),
        }
    }

    /// Has the system ask a silent peer whether it is still there (TCP keep-alive).
    pub fn keep_alive(&self) -> io::Result<()> {
        let Kind::Plain(socket) = &self.kind;
        Ok(rustix::net::sockopt::set_socket_keepalive(socket, true)?)
    }

    /// The other side's address; IPv4 as IPv4, also when it came to an IPv6 socket.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This side's address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Plain(socket) => socket.local_addr().map(canonical),
        }
    }

    /// Takes the socket off this thread's runtime, to be put on another's with [`Stream::from_std`].
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.kind {
            Kind::Plain(socket) => socket.into_std(),
        }
    }

    /// Puts a socket (non-blocking, as [`Stream::into_std`] leaves it) on this thread's runtime.
    pub fn from_std(socket: std::net::TcpStream) -> io::Result<Stream> {
        Stream::plain(TcpStream::from_std(socket)?)
    }

    /// Two halves that can be used by two tasks.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self.kind {
            Kind::Plain(socket) => {
                let (read, write) = socket.into_split();
                (ReadHalf(read), WriteHalf(write))
            }
        }
    }

    /// Sends the pieces in order; after an error the connection has to be closed, see [`send_all`].
    pub async fn send_all(&mut self, pieces: &[Piece]) -> Result<(), SendError> {
        match &self.kind {
            Kind::Plain(socket) => send_all(socket, pieces).await,
        }
    }
}

/// An IPv4 address that came to an IPv6 socket (`::ffff:127.0.0.1`) as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The reading half of a connection.
#[derive(Debug)]
pub struct ReadHalf(OwnedReadHalf);

/// The writing half of a connection; dropping it ends the stream for the peer.
#[derive(Debug)]
pub struct WriteHalf(OwnedWriteHalf);

impl WriteHalf {
    /// Sends the pieces in order; after an error the connection has to be closed, see [`send_all`].
    pub async fn send_all(&mut self, pieces: &[Piece]) -> Result<(), SendError> {
        send_all(self.0.as_ref(), pieces).await
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Plain(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
