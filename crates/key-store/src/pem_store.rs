//! PEM: certificates, at most one private key, and revocation lists, in any order.
//!
//! Apache's server takes PKCS8 keys only, plain or encrypted; PKCS1 and SEC1 keys are read as well.

use pkcs8::der::Decode;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5::EncryptionScheme};

use crate::{CertificateDer, Identity, KeyStore, KeyStoreError, PrivateKeyDer};

/// Rounds of PBKDF2 above which a key is refused: each costs processor time before the password is known to be right.
const ROUNDS_MAX: u32 = 10_000_000;

/// The certificates are the chain of the key if there is one, and are trusted if the store is used for that.
pub(crate) fn read(bytes: &[u8], password: &str) -> Result<KeyStore, KeyStoreError> {
    let blocks = pem::parse_many(bytes).map_err(|error| KeyStoreError::Invalid(format!("PEM: {error}")))?;
    let mut store = KeyStore::default();
    let mut keys = Vec::new();
    for block in blocks {
        let der = block.contents().to_vec();
        match block.tag() {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => store.trusted.push(CertificateDer::from(der)),
            "X509 CRL" => store.revocations.push(der.into()),
            "PRIVATE KEY" => keys.push(PrivateKeyDer::Pkcs8(der.into())),
            "RSA PRIVATE KEY" if block.headers().get("DEK-Info").is_some() => {
                return Err(KeyStoreError::Invalid(
                    "PEM: a key with DEK-Info is not read; convert it with `openssl pkcs8 -topk8`".into(),
                ));
            }
            "RSA PRIVATE KEY" => keys.push(PrivateKeyDer::Pkcs1(der.into())),
            "EC PRIVATE KEY" => keys.push(PrivateKeyDer::Sec1(der.into())),
            "ENCRYPTED PRIVATE KEY" => keys.push(decrypt(&der, password)?),
            _ => {}
        }
    }
    let mut keys = keys.into_iter();
    if let Some(key) = keys.next() {
        store.identities.push(Identity { key, chain: store.trusted.clone() });
    }
    if keys.next().is_some() {
        return Err(KeyStoreError::Invalid("PEM: more than one private key".into()));
    }
    Ok(store)
}

fn decrypt(der: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, KeyStoreError> {
    let invalid = |error: &dyn std::fmt::Display| KeyStoreError::Invalid(format!("PEM: the encrypted key: {error}"));
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|error| invalid(&error))?;
    match &info.encryption_algorithm {
        EncryptionScheme::Pbes2(parameters) => match &parameters.kdf {
            Kdf::Pbkdf2(kdf) if kdf.iteration_count <= ROUNDS_MAX => {}
            Kdf::Pbkdf2(kdf) => return Err(invalid(&format!("{} rounds of PBKDF2 are too many", kdf.iteration_count))),
            _ => return Err(invalid(&"only PBKDF2 is supported")),
        },
        _ => return Err(invalid(&"only PBES2 is supported; convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`")),
    }
    let plain = info.decrypt(password).map_err(|_| KeyStoreError::Key)?;
    Ok(PrivateKeyDer::Pkcs8(plain.as_bytes().to_vec().into()))
}
