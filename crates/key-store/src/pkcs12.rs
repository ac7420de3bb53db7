//! PKCS12, read by `p12-keystore`; what becomes of the bags follows Java's provider.

use p12_keystore::error::Error;
use p12_keystore::{Certificate, CertificateBag, Pkcs12Archive, PrivateKeyBag};

use crate::{CertificateDer, Identity, KeyStore, KeyStoreError, PrivateKeyDer};

pub(crate) fn read(bytes: &[u8], password: &str) -> Result<KeyStore, KeyStoreError> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError => KeyStoreError::Password,
        Error::DerError(_) | Error::InvalidVersion => KeyStoreError::Format,
        error => KeyStoreError::Invalid(format!("PKCS12: {error}")),
    })?;
    let mut store = KeyStore::default();
    for key in &archive.keys {
        let chain = chain_of(key, &archive.certs);
        if !chain.is_empty() {
            let key = PrivateKeyDer::Pkcs8(key.key.as_der().to_vec().into());
            store.identities.push(Identity { key, chain });
        }
    }
    // Java marks what it trusts; a certificate without the mark only completes chains.
    store.trusted = archive.certs.iter().filter(|bag| bag.trusted).map(|bag| der(&bag.cert)).collect();
    Ok(store)
}

/// The certificate with the key's id (or the only one there is), then its issuers as far as they are in the store.
fn chain_of(key: &PrivateKeyBag, certificates: &[CertificateBag]) -> Vec<CertificateDer<'static>> {
    let id = key.local_key_id.as_ref().map(AsRef::as_ref);
    let own = certificates.iter().find(|bag| id.is_some() && bag.local_key_id.as_deref() == id);
    let own = match (own, certificates) {
        (None, [only]) => Some(only),
        (own, _) => own,
    };
    let mut chain: Vec<&Certificate> = own.map(|bag| &bag.cert).into_iter().collect();
    while let Some(last) = chain.last().filter(|last| last.issuer() != last.subject()) {
        let issuer = certificates.iter().map(|bag| &bag.cert).find(|cert| cert.subject() == last.issuer());
        match issuer {
            Some(issuer) if !chain.contains(&issuer) => chain.push(issuer),
            _ => break,
        }
    }
    chain.into_iter().map(der).collect()
}

fn der(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from(certificate.as_der().to_vec())
}
