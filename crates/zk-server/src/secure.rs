//! The doors: plain, TLS, or both; and who a certificate makes of its owner.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use net::Stream;
use net::tls::{HandshakeError, Handshakes, ServerTls, TlsError, TlsSettings};
use regex_lite::Regex;
use vfs::Vfs;
use zk_proto::Id;

use crate::config::{CertificateId, Security};

const FACTORY: &str = "org.apache.zookeeper.server.NettyServerCnxnFactory";
const PROVIDER: &str = "org.apache.zookeeper.server.auth.X509AuthenticationProvider";
/// A handshake's time (that of Netty).
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// How often the stores are looked at for changes.
const LOOK: Duration = Duration::from_secs(1);

/// What a port takes.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// Plain connections.
    Plain,
    /// TLS.
    Tls(Handshakes),
    /// Whatever the client begins with.
    Either(Handshakes),
}

impl Door {
    /// Lets a connection in: its stream as it is from now on. Nothing that it waits for takes longer than `within`.
    pub(crate) async fn enter(&self, stream: Stream, within: Duration) -> Result<Stream, HandshakeError> {
        match self {
            Door::Plain => Ok(stream),
            Door::Tls(handshakes) => handshakes.accept(stream, within).await,
            Door::Either(handshakes) => handshakes.accept_either(stream, within).await,
        }
    }
}

/// A port's door, and who comes through it.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) door: Door,
    pub(crate) identifier: Rc<Identifier>,
}

impl Entrance {
    /// See [`Door::enter`].
    pub(crate) async fn enter(&self, stream: Stream) -> Result<Stream, HandshakeError> {
        self.door.enter(stream, WITHIN).await
    }

    /// The ids of a connection; none without a certificate.
    pub(crate) fn ids(&self, stream: &Stream) -> Vec<Id> {
        self.identifier.ids(stream)
    }
}

/// TLS as it is set, ready for handshakes; `None` if it is not set.
pub(crate) fn handshakes(security: &Security, vfs: &dyn Vfs) -> Result<Option<Handshakes>, SecureError> {
    let Some(settings) = &security.tls else { return Ok(None) };
    let tls = load(settings, vfs)?;
    Ok(Some(Handshakes::start(tls, security.handshake_limit)?))
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecureError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn load(settings: &TlsSettings, vfs: &dyn Vfs) -> Result<ServerTls, TlsError> {
    let tls = ServerTls::load(settings, vfs)?;
    if !tls.unknown_suites.is_empty() {
        tracing::warn!(target: FACTORY, "ssl.ciphersuites: not there and left out: {}", tls.unknown_suites.join(", "));
    }
    Ok(tls)
}

/// Reads the stores again whenever one of them has changed. What cannot be read leaves everything as it is.
pub(crate) async fn reload(settings: TlsSettings, handshakes: Handshakes, vfs: Arc<dyn Vfs>) {
    let files: Vec<PathBuf> =
        [&settings.key_store, &settings.trust_store].into_iter().flatten().map(|store| store.file.clone()).collect();
    let state = |vfs: &dyn Vfs| -> Vec<Option<(u64, i64)>> {
        let look = |file: &PathBuf| vfs.metadata(file).ok().map(|found| (found.len, found.modified_ms));
        files.iter().map(look).collect()
    };
    let mut seen = state(vfs.as_ref());
    let mut changed = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = state(vfs.as_ref());
        if now != seen {
            // Not before it stands still: stores are written in pieces, and two of them one after the other.
            (seen, changed) = (now, true);
        } else if changed {
            changed = false;
            match load(&settings, vfs.as_ref()) {
                Ok(tls) => {
                    handshakes.replace(tls);
                    tracing::info!(target: FACTORY, "The stores have changed and are read again");
                }
                Err(error) => tracing::error!(target: FACTORY, "The changed stores are not taken: {error}"),
            }
        }
    }
}

/// Turns a client's certificate into its ids.
#[derive(Debug)]
pub(crate) struct Identifier {
    superuser: Option<String>,
    alternative: Option<Alternative>,
}

#[derive(Debug)]
struct Alternative {
    kind: u8,
    pick: Regex,
    extract: Regex,
    group: usize,
}

impl Identifier {
    pub(crate) fn new(security: &Security) -> Rc<Identifier> {
        Rc::new(Identifier::read(security))
    }

    pub(crate) fn read(security: &Security) -> Identifier {
        let alternative = match &security.certificate_id {
            CertificateId::Subject => None,
            CertificateId::AlternativeName { kind, pick, extract, group } => {
                // Both were tried when the settings were read.
                let of = |text: &str| Regex::new(text).ok();
                of(pick).zip(of(extract)).map(|(pick, extract)| Alternative {
                    kind: *kind,
                    pick,
                    extract,
                    group: *group,
                })
            }
        };
        Identifier { superuser: security.x509_superuser.clone(), alternative }
    }

    /// The ids of a connection; none without a certificate.
    pub(crate) fn ids(&self, stream: &Stream) -> Vec<Id> {
        let certificate = stream.peer_certificates().and_then(<[_]>::first);
        certificate.map_or_else(Vec::new, |certificate| self.of(certificate))
    }

    /// The ids of a certificate's owner.
    pub(crate) fn of(&self, certificate: &[u8]) -> Vec<Id> {
        let subject = match key_store::subject(certificate) {
            Ok(subject) => subject,
            Err(error) => {
                tracing::error!(target: PROVIDER, "Failed to read the certificate of a client: {error}");
                return Vec::new();
            }
        };
        let id = match self.alternative.as_ref().map(|alternative| alternative.of(certificate)) {
            None => subject,
            Some(Ok(id)) => id,
            Some(Err(reason)) => {
                tracing::error!(target: PROVIDER, "Failed to get the client's id of its alternative names: {reason}");
                subject
            }
        };
        let mut ids = Vec::new();
        if self.superuser.as_ref() == Some(&id) {
            ids.push(Id::new("super", &id));
            tracing::info!(target: PROVIDER, "Authenticated Id '{id}' as super user");
        }
        tracing::info!(target: PROVIDER, "Authenticated Id '{id}' for Scheme 'x509'");
        ids.push(Id::new("x509", &id));
        ids
    }
}

impl Alternative {
    /// The one name that is picked, or the part of it that is extracted.
    fn of(&self, certificate: &[u8]) -> Result<String, String> {
        let names = key_store::subject_alternative_names(certificate).map_err(|error| error.to_string())?;
        let names: Vec<String> = names
            .into_iter()
            .filter(|(kind, name)| *kind == self.kind && self.pick.is_match(name))
            .map(|(_, name)| name)
            .collect();
        let [name] = names.as_slice() else {
            return Err(format!("expected exactly 1 match, got {}", names.len()));
        };
        let found = self.extract.captures(name).and_then(|found| found.get(self.group));
        found.map(|found| found.as_str().to_owned()).ok_or_else(|| format!("no group {} in {name}", self.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use key_store::{KeyStore, StoreType};

    fn certificate() -> Vec<u8> {
        let path = format!("{}/../../tests/golden/key-stores/server.jks", env!("CARGO_MANIFEST_DIR"));
        let bytes = vfs::OsVfs.read(std::path::Path::new(&path)).unwrap();
        KeyStore::read(StoreType::Jks, &bytes, "changeit").unwrap().identities[0].chain[0].to_vec()
    }

    const SUBJECT: &str = "1.2.840.113549.1.9.1=#16056140622e63,CN=localhost,O=Te\\\"st,ST=A\\, B,C=DE";

    #[test]
    fn the_subject_is_the_id() {
        let plain = Identifier::new(&Security::default());
        assert_eq!(plain.of(&certificate()), [Id::new("x509", SUBJECT)]);
        let security = Security { x509_superuser: Some(SUBJECT.into()), ..Security::default() };
        assert_eq!(
            Identifier::new(&security).of(&certificate()),
            [Id::new("super", SUBJECT), Id::new("x509", SUBJECT)]
        );
        assert_eq!(plain.of(b"none"), []);
    }

    #[test]
    fn or_a_part_of_an_alternative_name() {
        let of = |kind, pick: &str, extract: &str, group| {
            let certificate_id =
                CertificateId::AlternativeName { kind, pick: pick.into(), extract: extract.into(), group };
            Identifier::new(&Security { certificate_id, ..Security::default() }).of(&certificate())
        };
        assert_eq!(of(6, ".*", "^spiffe://([^/]+)/", 1), [Id::new("x509", "a")]);
        assert_eq!(of(6, ".*", ".*", 0), [Id::new("x509", "spiffe://a/b")]);
        assert_eq!(of(7, ".*", ".*", 0), [Id::new("x509", SUBJECT)], "two of the kind");
        assert_eq!(of(6, "https", ".*", 0), [Id::new("x509", SUBJECT)], "none fits");
    }
}
