//! Whom to trust: chains, names and revocation as Java's `PKIX` trust manager and ZooKeeper's host name verifier see them.
//!
//! Where webpki is stricter than Java, Java's way is taken: a certificate that stands in the trust store itself is
//! trusted whatever it says of itself (the self-signed ones of small installations are often marked as authorities), a
//! certificate without alternative names is for the host that its common name says, and one of version 1 is as good as
//! another.

use std::net::IpAddr;
use std::sync::Arc;

use key_store::{
    CertificateDer, CertificateRevocationListDer, common_name, is_valid_at, is_version_1_of, public_key_info,
    subject_alternative_names,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{ServerName, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList, RawPublicKeyEntity,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::TlsError;

/// Trusted certificates and what has been revoked.
#[derive(Debug)]
pub(super) struct Trust {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    /// `None`: revocation is not looked at.
    revoked: Option<Vec<CertRevocationList<'static>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        revoked: Option<Vec<CertificateRevocationListDer<'static>>>,
        provider: &CryptoProvider,
    ) -> Result<Trust, TlsError> {
        let bad = |what: &str, error: webpki::Error| TlsError::Tls(format!("{what} in the trust store: {error}"));
        let mut anchors = Vec::new();
        for certificate in &certificates {
            let anchor = webpki::anchor_from_trusted_cert(certificate).map_err(|error| bad("a certificate", error))?;
            anchors.push(anchor.to_owned());
        }
        let list = |der: CertificateRevocationListDer<'static>| {
            OwnedCertRevocationList::from_der(&der).map(CertRevocationList::from)
        };
        let revoked = revoked
            .map(|lists| lists.into_iter().map(list).collect::<Result<Vec<_>, _>>())
            .transpose()
            .map_err(|error| bad("a revocation list", error))?;
        Ok(Trust { certificates, anchors, revoked, algorithms: provider.signature_verification_algorithms })
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        if self.certificates.iter().any(|trusted| trusted.as_ref() == certificate.as_ref()) {
            return Ok(());
        }
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().flatten().collect();
        let revocation = match self.revoked {
            None => None,
            Some(_) => Some(
                RevocationOptionsBuilder::new(&lists)
                    .map_err(|_| Error::General("no revocation list is there".into()))?
                    .with_depth(RevocationCheckDepth::Chain)
                    .with_status_policy(UnknownStatusPolicy::Deny)
                    .with_expiration_policy(ExpirationPolicy::Enforce)
                    .build(),
            ),
        };
        let entity = match EndEntityCert::try_from(certificate) {
            Err(webpki::Error::UnsupportedCertVersion) => return self.check_version_1(certificate, now),
            entity => entity.map_err(refused)?,
        };
        entity
            .verify_for_usage(self.algorithms.all, &self.anchors, intermediates, now, usage, revocation, None)
            .map_err(refused)?;
        Ok(())
    }

    /// Version 1 has no extensions, so nothing says what the certificate is for; it has to be signed by a trusted one.
    fn check_version_1(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        if self.revoked.is_some() {
            return Err(Error::InvalidCertificate(CertificateError::UnknownRevocationStatus));
        }
        if !self.certificates.iter().any(|issuer| is_version_1_of(certificate, issuer).unwrap_or(false)) {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        if !is_valid_at(certificate, now.as_secs()).unwrap_or(false) {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        Ok(())
    }

    /// Does the signature of a handshake fit the certificate that was checked?
    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        version: Version,
    ) -> Result<HandshakeSignatureValid, Error> {
        let is_version_1 = matches!(EndEntityCert::try_from(certificate), Err(webpki::Error::UnsupportedCertVersion));
        let key = || {
            let key = public_key_info(certificate).map_err(|error| Error::General(error.to_string()))?;
            Ok::<_, Error>(SubjectPublicKeyInfoDer::from(key))
        };
        match (version, is_version_1) {
            (Version::Tls12, false) => verify_tls12_signature(message, certificate, signed, &self.algorithms),
            (Version::Tls13, false) => verify_tls13_signature(message, certificate, signed, &self.algorithms),
            (Version::Tls13, true) => verify_tls13_signature_with_raw_key(message, &key()?, signed, &self.algorithms),
            (Version::Tls12, true) => {
                let key = key()?;
                let key = RawPublicKeyEntity::try_from(&key).map_err(refused)?;
                let known = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
                let mut fits = known.into_iter().flat_map(|(_, algorithms)| algorithms.iter());
                if fits.any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok()) {
                    Ok(HandshakeSignatureValid::assertion())
                } else {
                    Err(Error::InvalidCertificate(CertificateError::BadSignature))
                }
            }
        }
    }
}

/// Whom a server trusts, for whoever asks apart from a handshake.
#[derive(Debug)]
pub struct ClientTrust(pub(super) Trust);

impl ClientTrust {
    /// Is this a chain, the client's own certificate first, that it may show now?
    ///
    /// # Errors
    /// [`TlsError::Tls`] with what is wrong with it.
    pub fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
        let (own, intermediates) = chain.split_first().ok_or_else(|| TlsError::Tls("no certificate".into()))?;
        let checked = self.0.check(own, intermediates, UnixTime::now(), KeyUsage::client_auth());
        checked.map_err(|error| TlsError::Tls(error.to_string()))
    }
}

/// Of TLS.
#[derive(Debug, Clone, Copy)]
enum Version {
    Tls12,
    Tls13,
}

/// webpki's verdict as rustls tells it to the other side.
fn refused(error: webpki::Error) -> Error {
    use webpki::Error as Verdict;
    let told = match error {
        Verdict::CertExpired { .. } => CertificateError::Expired,
        Verdict::CertNotValidYet { .. } => CertificateError::NotValidYet,
        Verdict::UnknownIssuer => CertificateError::UnknownIssuer,
        Verdict::CertRevoked => CertificateError::Revoked,
        Verdict::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        Verdict::BadDer => CertificateError::BadEncoding,
        error => CertificateError::Other(OtherError(Arc::new(error))),
    };
    Error::InvalidCertificate(told)
}

/// What a server makes of its clients' certificates.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) trust: Trust,
    pub(super) mandatory: bool,
    pub(super) hints: Vec<DistinguishedName>,
}

impl Clients {
    pub(super) fn new(trust: Trust, mandatory: bool) -> Clients {
        let hints = trust.anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect();
        Clients { trust, mandatory, hints }
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.check(end_entity, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss, Version::Tls12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss, Version::Tls13)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// What a client makes of a server's certificate.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) trust: Trust,
    pub(super) names: bool,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trust.check(end_entity, intermediates, now, KeyUsage::server_auth())?;
        if self.names && !is_for(end_entity, server_name) {
            return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss, Version::Tls12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss, Version::Tls13)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// Is the certificate for this host?
fn is_for(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let by_alternative_name = EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(name).is_ok());
    by_alternative_name || common_name_is(certificate, &name.to_str())
}

/// The common name counts where there is no alternative name of a host.
fn common_name_is(certificate: &[u8], host: &str) -> bool {
    let Ok(names) = subject_alternative_names(certificate) else { return false };
    if names.iter().any(|(kind, _)| matches!(kind, 2 | 7)) {
        return false;
    }
    let Ok(Some(pattern)) = common_name(certificate) else { return false };
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        // A star stands for one label, and not for a whole domain.
        Some(domain) if domain.contains('.') => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        Some(_) => false,
        None => pattern == host,
    }
}

/// Is the certificate for this address: does it name it, or one of its `names` that were looked up?
pub fn matches_address(certificate: &CertificateDer<'_>, address: IpAddr, names: &[String]) -> bool {
    let text = address.to_string();
    let mut all = std::iter::once(text.as_str()).chain(names.iter().map(String::as_str));
    all.any(|name| ServerName::try_from(name).is_ok_and(|name| is_for(certificate, &name)))
}
