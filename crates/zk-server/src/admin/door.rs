//! How one gets to the admin server: by plain HTTP, by TLS, or by whichever one begins with.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use net::Stream;
use net::tls::{Handshakes, ServerTls, TlsError};
use tokio::net::TcpStream;
use vfs::Vfs;

use super::ADMIN;
use super::authentication::Chain;
use crate::config::AdminConfig;
use crate::line::Line;
use crate::metrics::definitions::INSECURE_ADMIN;
use crate::secure::{self, SecureError};

/// The door, and where plain connections through one that takes both are counted.
#[derive(Debug, Clone)]
pub(crate) struct AdminDoor {
    door: secure::Door,
    within: Duration,
    line: Arc<Line>,
}

/// Who came through.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) address: IpAddr,
    pub(crate) secure: bool,
    /// What it has shown, if it had to.
    pub(crate) certificates: Option<Chain>,
}

impl AdminDoor {
    /// The door as it is set. The stores are read once, here.
    ///
    /// # Errors
    /// [`SecureError`] when there is to be TLS and a store is missing (the one with whom to trust, too, although it is
    /// only used where clients have to show certificates: so it is with Apache's) or does not hold what is needed.
    pub(crate) fn new(config: &AdminConfig, vfs: &dyn Vfs, line: Arc<Line>) -> Result<AdminDoor, SecureError> {
        let door = match &config.tls {
            None => secure::Door::Plain,
            Some(tls) => {
                let server = ServerTls::load(&tls.settings, vfs)?;
                let trusted = tls.settings.trust_store.as_ref().ok_or_else(|| TlsError::Missing {
                    name: "ssl.quorum.trustStore.location".into(),
                    reason: "the admin server has no TLS without it".into(),
                })?;
                trusted.read(vfs)?;
                let file = |store: &net::tls::StoreSettings| store.file.display().to_string();
                let key_store = tls.settings.key_store.as_ref().map(file).unwrap_or_default();
                tracing::info!(target: ADMIN, "Successfully loaded private key from {key_store}");
                tracing::info!(target: ADMIN, "Successfully loaded certificate authority from {}", file(trusted));
                let handshakes = Handshakes::start(server, None)?;
                if tls.force { secure::Door::Tls(handshakes) } else { secure::Door::Either(handshakes) }
            }
        };
        Ok(AdminDoor { door, within: secure::WITHIN.min(Duration::from_millis(config.idle_ms)), line })
    }
}

impl http_server::Door for AdminDoor {
    type Stream = Stream;
    type Guest = Guest;

    async fn enter(&self, socket: TcpStream, address: IpAddr) -> io::Result<(Stream, Guest)> {
        let stream = self.door.enter(Stream::plain(socket)?, self.within).await.map_err(io::Error::other)?;
        let secure = stream.is_secure();
        if !secure && matches!(self.door, secure::Door::Either(_)) {
            self.line.count(INSECURE_ADMIN).await;
        }
        let certificates = stream.peer_certificates().map(Chain::from);
        Ok((stream, Guest { address, secure, certificates }))
    }
}
