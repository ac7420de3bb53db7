//! rustls configurations, made of settings and the stores that they name.

use std::path::Path;
use std::sync::Arc;

use key_store::{Identity, KeyStore};
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, InconsistentKeys, ServerConfig, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use vfs::Vfs;

use super::TlsError;
use super::settings::{ClientAuth, Protocol, StoreSettings, TlsSettings};
use super::verify::{ClientTrust, Clients, Servers, Trust};

/// A server's side of TLS, ready for handshakes.
#[derive(Debug, Clone)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) client_names: bool,
    /// Cipher suites that were asked for and that rustls does not have.
    pub unknown_suites: Vec<String>,
}

/// A client's side of TLS.
#[derive(Debug, Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    /// Cipher suites that were asked for and that rustls does not have.
    pub unknown_suites: Vec<String>,
}

impl ServerTls {
    /// Reads the stores and makes the configuration.
    ///
    /// # Errors
    /// [`TlsError`] when a store is missing, cannot be read, or does not hold what is needed.
    pub fn load(settings: &TlsSettings, vfs: &dyn Vfs) -> Result<ServerTls, TlsError> {
        let (provider, unknown_suites) = provider(settings)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(settings))
            .map_err(|error| TlsError::Tls(error.to_string()))?;
        let missing = |name: &str, reason: &str| TlsError::Missing {
            name: format!("{}{name}", settings.prefix),
            reason: reason.to_owned(),
        };
        let identities = identities(settings, vfs, &provider)?
            .ok_or_else(|| missing("keyStore.location", "a server has to show a certificate"))?;
        let builder = match settings.client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            wanted => {
                let reason = "clients' certificates are asked for (clientAuth), and nobody would be trusted";
                let trust = trust(settings, vfs, &provider)?.ok_or_else(|| missing("trustStore.location", reason))?;
                builder.with_client_cert_verifier(Arc::new(Clients::new(trust, wanted == ClientAuth::Need)))
            }
        };
        let config = Arc::new(builder.with_cert_resolver(Arc::new(identities)));
        Ok(ServerTls { config, client_names: settings.client_hostname_verification, unknown_suites })
    }
}

impl ClientTls {
    /// Reads the stores and makes the configuration.
    ///
    /// # Errors
    /// [`TlsError`] when a store is missing, cannot be read, or does not hold what is needed.
    pub fn load(settings: &TlsSettings, vfs: &dyn Vfs) -> Result<ClientTls, TlsError> {
        let (provider, unknown_suites) = provider(settings)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(settings))
            .map_err(|error| TlsError::Tls(error.to_string()))?;
        let trust = trust(settings, vfs, &provider)?.ok_or_else(|| TlsError::Missing {
            name: format!("{}trustStore.location", settings.prefix),
            reason: "no server would be trusted".into(),
        })?;
        let verifier = Arc::new(Servers { trust, names: settings.hostname_verification });
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let config = match identities(settings, vfs, &provider)? {
            Some(identities) => builder.with_client_cert_resolver(Arc::new(identities)),
            None => builder.with_no_client_auth(),
        };
        Ok(ClientTls { config: Arc::new(config), unknown_suites })
    }
}

impl ClientTrust {
    /// Reads the trust store; `None`: there is none.
    ///
    /// # Errors
    /// [`TlsError`] when it cannot be read, or does not hold what is needed.
    pub fn load(settings: &TlsSettings, vfs: &dyn Vfs) -> Result<Option<ClientTrust>, TlsError> {
        Ok(trust(settings, vfs, &ring::default_provider())?.map(ClientTrust))
    }
}

fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let version = |protocol: &Protocol| match protocol {
        Protocol::Tls12 => &TLS12,
        Protocol::Tls13 => &TLS13,
    };
    settings.protocols.iter().map(version).collect()
}

/// ring, with the cipher suites that were asked for; and the names of those that it does not have.
fn provider(settings: &TlsSettings) -> Result<(Arc<CryptoProvider>, Vec<String>), TlsError> {
    let mut provider = ring::default_provider();
    let Some(wanted) = &settings.cipher_suites else { return Ok((Arc::new(provider), Vec::new())) };
    let (mut suites, mut unknown) = (Vec::new(), Vec::new());
    for name in wanted {
        match provider.cipher_suites.iter().find(|suite| iana_name(suite) == *name) {
            Some(suite) => suites.push(*suite),
            None => unknown.push(name.clone()),
        }
    }
    if suites.is_empty() {
        let known: Vec<String> = provider.cipher_suites.iter().map(iana_name).collect();
        return Err(TlsError::Setting {
            name: format!("{}ciphersuites", settings.prefix),
            value: wanted.join(","),
            reason: format!("none of them is there; there are {}", known.join(", ")),
        });
    }
    provider.cipher_suites = suites;
    Ok((Arc::new(provider), unknown))
}

/// rustls calls those of TLS 1.3 `TLS13_..`; everybody else says `TLS_..`.
fn iana_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

impl StoreSettings {
    /// Reads the store.
    ///
    /// # Errors
    /// [`TlsError::Store`] when its file, or that of its password, cannot be read, or is no store of this kind.
    pub fn read(&self, vfs: &dyn Vfs) -> Result<KeyStore, TlsError> {
        read_store(self, vfs)
    }
}

fn read_store(settings: &StoreSettings, vfs: &dyn Vfs) -> Result<KeyStore, TlsError> {
    let failed = |file: &Path, reason: String| TlsError::Store {
        name: settings.setting.clone(),
        file: file.display().to_string(),
        reason,
    };
    let password = match &settings.password_file {
        None => settings.password.clone(),
        Some(file) => {
            let bytes = vfs.read(file).map_err(|error| failed(file, error.to_string()))?;
            let text = String::from_utf8(bytes).map_err(|_| failed(file, "the password is no UTF-8".into()))?;
            text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text)).to_owned()
        }
    };
    let bytes = vfs.read(&settings.file).map_err(|error| failed(&settings.file, error.to_string()))?;
    KeyStore::read(settings.kind, &bytes, &password).map_err(|error| failed(&settings.file, error.to_string()))
}

fn trust(settings: &TlsSettings, vfs: &dyn Vfs, provider: &CryptoProvider) -> Result<Option<Trust>, TlsError> {
    let Some(place) = &settings.trust_store else { return Ok(None) };
    let store = read_store(place, vfs)?;
    let failed = |reason: &str| TlsError::Store {
        name: place.setting.clone(),
        file: place.file.display().to_string(),
        reason: reason.to_owned(),
    };
    if store.trusted.is_empty() {
        return Err(failed("the trustAnchors parameter must be non-empty: no certificate in it is marked as trusted"));
    }
    if settings.crl && store.revocations.is_empty() {
        return Err(failed(
            "crl is set, and there is no list: they are not fetched from distribution points; \
             put them as `X509 CRL` beside the certificates of a PEM trust store",
        ));
    }
    Trust::new(store.trusted, settings.crl.then_some(store.revocations), provider).map(Some)
}

fn identities(
    settings: &TlsSettings,
    vfs: &dyn Vfs,
    provider: &CryptoProvider,
) -> Result<Option<Identities>, TlsError> {
    let Some(place) = &settings.key_store else { return Ok(None) };
    let store = read_store(place, vfs)?;
    let failed = |reason: String| TlsError::Store {
        name: place.setting.clone(),
        file: place.file.display().to_string(),
        reason,
    };
    let mut keys = Vec::new();
    for Identity { key, chain } in store.identities {
        let key = provider.key_provider.load_private_key(key).map_err(|error| failed(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        // A certificate of version 1 cannot be compared, but shown.
        if let Err(error @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = certified.keys_match() {
            return Err(failed(error.to_string()));
        }
        keys.push(Arc::new(certified));
    }
    if keys.is_empty() {
        return Err(failed("it holds no private key with its certificate".into()));
    }
    Ok(Some(Identities(keys)))
}

/// The keys of a store; the first one that the other side can check is shown.
#[derive(Debug)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl Identities {
    fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|key| key.key.choose_scheme(schemes).is_some()).cloned()
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(client_hello.signature_schemes())
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.choose(schemes)
    }

    fn has_certs(&self) -> bool {
        true
    }
}
