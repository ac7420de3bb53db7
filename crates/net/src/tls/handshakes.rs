//! Handshakes of a server: on a thread of their own, each within a time, so many at once.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use key_store::subject_alternative_names;
use thiserror::Error;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::config::ServerTls;
use super::verify::matches_address;
use crate::stream::Stream;

/// The first byte of a TLS connection; no frame of either protocol is so long that it would begin with it.
const HANDSHAKE_RECORD: u8 = 0x16;
/// Handshakes under way when nothing else is set; each holds some 20 KiB at most.
const AT_ONCE: usize = 1000;
/// How long the names of a client's certificate are looked up.
const LOOKUP: Duration = Duration::from_secs(2);

/// Why a connection was not let in.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The other side did not finish in time.
    #[error("no handshake within {0:?}")]
    Timeout(Duration),
    /// More handshakes than are allowed at once.
    #[error("{0} handshakes are under way, more are not allowed")]
    TooMany(usize),
    /// TLS or the socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client's certificate is for another host than it comes from.
    #[error("the certificate is not for {0}, where the client comes from")]
    Name(std::net::IpAddr),
}

/// Where a server's handshakes happen. Clones share the thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Handshakes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tls: RwLock<ServerTls>,
    runtime: Handle,
    room: Semaphore,
    /// Refuse above the limit rather than have them wait.
    refuse: Option<usize>,
    /// Dropped with the last clone: the thread ends.
    _alive: oneshot::Sender<()>,
}

impl Handshakes {
    /// Starts the thread. `limit`: more handshakes at once are refused; `None`: above 1000 they wait.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(tls: ServerTls, limit: Option<usize>) -> io::Result<Handshakes> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("tls-handshakes".into()).spawn(move || {
            let _ = runtime.block_on(ended);
        })?;
        let room = Semaphore::new(limit.unwrap_or(AT_ONCE));
        let shared = Shared { tls: RwLock::new(tls), runtime: handle, room, refuse: limit, _alive: alive };
        Ok(Handshakes { shared: Arc::new(shared) })
    }

    /// Connections that come from now on see this configuration.
    pub fn replace(&self, tls: ServerTls) {
        *self.shared.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    /// Handshakes under way.
    pub fn outstanding(&self) -> usize {
        self.shared.refuse.unwrap_or(AT_ONCE) - self.shared.room.available_permits()
    }

    /// Does the handshake of a plain stream.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed then.
    pub async fn accept(&self, stream: Stream, within: Duration) -> Result<Stream, HandshakeError> {
        match timeout(within, self.handshake(stream)).await {
            Ok(done) => done,
            Err(_) => Err(HandshakeError::Timeout(within)),
        }
    }

    /// Does the handshake if the first byte says that there is one, and leaves the stream as it is otherwise.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed then.
    pub async fn accept_either(&self, stream: Stream, within: Duration) -> Result<Stream, HandshakeError> {
        match timeout(within, stream.first_byte()).await {
            Ok(Ok(Some(HANDSHAKE_RECORD))) => self.accept(stream, within).await,
            Ok(Ok(_)) => Ok(stream),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(HandshakeError::Timeout(within)),
        }
    }

    async fn handshake(&self, stream: Stream) -> Result<Stream, HandshakeError> {
        let shared = &self.shared;
        let _room = match shared.refuse {
            Some(limit) => shared.room.try_acquire().map_err(|_| HandshakeError::TooMany(limit))?,
            None => shared.room.acquire().await.map_err(io::Error::other)?,
        };
        let tls = shared.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Ends with this call: a handshake that nobody waits for any more is not gone on with.
        let task = Abort(shared.runtime.spawn(async move {
            let peer = stream.peer();
            let socket = stream.into_plain()?;
            let secure = TlsAcceptor::from(tls.config).accept(socket).await?;
            let stream = Stream::secure(tokio_rustls::TlsStream::Server(secure), peer);
            if tls.client_names {
                verify_name(&stream).await?;
            }
            Ok(stream)
        }));
        task.await
    }
}

/// Is the client's certificate for where it comes from? Its names are looked up and compared with the address, as
/// whoever owns the address could claim any name for it.
async fn verify_name(stream: &Stream) -> Result<(), HandshakeError> {
    let address = stream.peer().ip();
    let Some([certificate, ..]) = stream.peer_certificates() else { return Ok(()) };
    if matches_address(certificate, address, &[]) {
        return Ok(());
    }
    let names = subject_alternative_names(certificate).unwrap_or_default();
    let common = key_store::common_name(certificate).ok().flatten();
    let hosts = names.into_iter().filter(|(kind, _)| *kind == 2).map(|(_, name)| name).chain(common);
    let mut owned = Vec::new();
    for host in hosts {
        let is_there = match timeout(LOOKUP, tokio::net::lookup_host((host.as_str(), 0))).await {
            Ok(Ok(mut found)) => found.any(|found| found.ip().to_canonical() == address),
            _ => false,
        };
        if is_there {
            owned.push(host);
        }
    }
    if matches_address(certificate, address, &owned) { Ok(()) } else { Err(HandshakeError::Name(address)) }
}

/// A task that ends when nobody waits for it.
struct Abort(tokio::task::JoinHandle<Result<Stream, HandshakeError>>);

impl Future for Abort {
    type Output = Result<Stream, HandshakeError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0)
            .poll(cx)
            .map(|ended| ended.unwrap_or_else(|error| Err(io::Error::other(error).into())))
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
