//! One type for a connection, whatever is below it: plain TCP, or TLS.
//!
//! Everything above uses these types and never a `TcpStream`; whether file ranges can go out by `sendfile` is decided
//! here, too.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use key_store::CertificateDer;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::{TlsConnector, TlsStream};
use tokio_util::io::poll_read_buf;

use crate::send::{Piece, SendError, copy_all, send_all};
use crate::tls::ClientTls;

/// What a read asks for at least.
const READ_LEN: usize = 4 << 10;

/// A connection.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    peer: SocketAddr,
}

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// A plain connection. Nagle's delay is switched off: both protocols write whole messages.
    pub fn plain(socket: TcpStream) -> io::Result<Stream> {
        let peer = canonical(socket.peer_addr()?);
        socket.set_nodelay(true)?;
        Ok(Stream { kind: Kind::Plain(socket), peer })
    }

    /// A connection whose handshake is done.
    pub(crate) fn secure(stream: TlsStream<TcpStream>, peer: SocketAddr) -> Stream {
        Stream { kind: Kind::Tls(Box::new(stream)), peer }
    }

    /// Does a client's handshake with the server that is known as `host`: a name or an address.
    pub async fn into_tls(self, tls: &ClientTls, host: &str) -> io::Result<Stream> {
        let peer = self.peer;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let secure = TlsConnector::from(tls.config.clone()).connect(name, self.into_plain()?).await?;
        Ok(Stream::secure(TlsStream::Client(secure), peer))
    }

    /// The socket of a plain connection.
    pub(crate) fn into_plain(self) -> io::Result<TcpStream> {
        match self.kind {
            Kind::Plain(socket) => Ok(socket),
            Kind::Tls(_) => Err(not_plain()),
        }
    }

    /// The first byte that the other side has sent, which stays there; `None` at the end of the stream.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match &self.kind {
            Kind::Plain(socket) => Ok((socket.peek(&mut byte).await? == 1).then_some(byte[0])),
            Kind::Tls(_) => Err(not_plain()),
        }
    }

    /// Is it encrypted?
    pub fn is_secure(&self) -> bool {
        matches!(self.kind, Kind::Tls(_))
    }

    /// The certificates that the other side has shown and that were checked, its own first; `None` if there are none.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match &self.kind {
            Kind::Plain(_) => None,
            Kind::Tls(stream) => stream.get_ref().1.peer_certificates(),
        }
    }

    /// Reads into `inbox` or writes from `output`, whichever is possible first. At the end of the stream
    /// [`io::ErrorKind::UnexpectedEof`]. Cancel safe.
    pub async fn transfer(&mut self, inbox: &mut BytesMut, output: &mut BytesMut) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            if output.is_empty() {
                // What was written before may still be in TLS's own buffer.
                if let Poll::Ready(Err(error)) = Pin::new(&mut *self).poll_flush(cx) {
                    return Poll::Ready(Err(error));
                }
            } else if let Poll::Ready(written) = Pin::new(&mut *self).poll_write(cx, output) {
                return Poll::Ready(written.map(|written| output.advance(written)));
            }
            inbox.reserve(READ_LEN);
            match ready!(poll_read_buf(Pin::new(&mut *self), cx, inbox))? {
                0 => {
                    let text = "the server closed the connection";
                    Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)))
                }
                _ => Poll::Ready(Ok(())),
            }
        })
        .await
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
        let socket = match &self.kind {
            Kind::Plain(socket) => socket,
            Kind::Tls(stream) => stream.get_ref().0,
        };
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
            Kind::Tls(stream) => stream.get_ref().0.local_addr().map(canonical),
        }
    }

    /// Takes a plain socket off this thread's runtime, to be put on another's with [`Stream::from_std`].
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.into_plain()?.into_std()
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
                (ReadHalf(ReadKind::Plain(read)), WriteHalf(WriteKind::Plain(write)))
            }
            Kind::Tls(stream) => {
                let (read, write) = tokio::io::split(*stream);
                (ReadHalf(ReadKind::Tls(read)), WriteHalf(WriteKind::Tls(write)))
            }
        }
    }

    /// Sends the pieces in order; after an error the connection has to be closed, see [`send_all`].
    pub async fn send_all(&mut self, pieces: &[Piece]) -> Result<(), SendError> {
        match &mut self.kind {
            Kind::Plain(socket) => send_all(socket, pieces).await,
            Kind::Tls(stream) => copy_all(stream, pieces).await,
        }
    }
}

/// An IPv4 address that came to an IPv6 socket (`::ffff:127.0.0.1`) as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the connection is encrypted")
}

/// The reading half of a connection.
#[derive(Debug)]
pub struct ReadHalf(ReadKind);

#[derive(Debug)]
enum ReadKind {
    Plain(OwnedReadHalf),
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
}

/// The writing half of a connection. Dropping that of a plain one ends the stream for the peer; TLS says its farewell in
/// `shutdown` only.
#[derive(Debug)]
pub struct WriteHalf(WriteKind);

#[derive(Debug)]
enum WriteKind {
    Plain(OwnedWriteHalf),
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
}

impl WriteHalf {
    /// Sends the pieces in order; after an error the connection has to be closed, see [`send_all`].
    pub async fn send_all(&mut self, pieces: &[Piece]) -> Result<(), SendError> {
        match &mut self.0 {
            WriteKind::Plain(socket) => send_all(socket.as_ref(), pieces).await,
            WriteKind::Tls(stream) => copy_all(stream, pieces).await,
        }
    }

    /// Does it keep what was written until it is flushed?
    pub fn needs_flush(&self) -> bool {
        matches!(self.0, WriteKind::Tls(_))
    }

    /// Writes what the socket takes at once: how many bytes, or [`io::ErrorKind::WouldBlock`]. TLS takes nothing in this
    /// way.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            WriteKind::Plain(socket) => socket.try_write(bytes),
            WriteKind::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The same call on whatever is below.
macro_rules! below {
    ($self:expr, $kind:ident, $call:ident $(, $argument:expr)*) => {
        match $self {
            $kind::Plain(stream) => Pin::new(stream).$call($($argument),*),
            $kind::Tls(stream) => Pin::new(stream).$call($($argument),*),
        }
    };
}

impl AsyncRead for ReadHalf {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        below!(&mut self.0, ReadKind, poll_read, cx, buffer)
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        below!(&mut self.0, WriteKind, poll_write, cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        below!(&mut self.0, WriteKind, poll_write_vectored, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            WriteKind::Plain(socket) => socket.is_write_vectored(),
            WriteKind::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        below!(&mut self.0, WriteKind, poll_flush, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        below!(&mut self.0, WriteKind, poll_shutdown, cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        below!(&mut self.kind, Kind, poll_read, cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        below!(&mut self.kind, Kind, poll_write, cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        below!(&mut self.kind, Kind, poll_write_vectored, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Plain(socket) => socket.is_write_vectored(),
            Kind::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        below!(&mut self.kind, Kind, poll_flush, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        below!(&mut self.kind, Kind, poll_shutdown, cx)
    }
}
