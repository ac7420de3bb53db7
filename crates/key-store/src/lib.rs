//! Stores of keys and certificates as bytes: JKS, PKCS12 and PEM, and the names inside certificates as Java writes them.
//!
//! ```text
//!  JKS (Sun's own), PKCS12 (keytool's default since JDK 9), PEM
//!        \             |              /
//!         KeyStore: identities (key + chain), trusted certificates, revocation lists
//! ```
//!
//! No files and no TLS in here: a shell reads the bytes, `net` makes a TLS configuration of the store.
#![deny(missing_docs)]

mod certificate;
mod jks;
mod names;
mod pem_store;
mod pkcs12;
mod store_type;

pub use certificate::{is_valid_at, is_version_1_of, public_key_info};
pub use names::{NameError, common_name, subject, subject_alternative_names};
pub use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
pub use store_type::{StoreType, StoreTypeError};

use thiserror::Error;

/// A private key with the certificates that speak for it.
#[derive(Debug)]
pub struct Identity {
    /// The key.
    pub key: PrivateKeyDer<'static>,
    /// Its certificate first, then that of the issuer, and so on.
    pub chain: Vec<CertificateDer<'static>>,
}

/// What a store holds.
#[derive(Debug, Default)]
pub struct KeyStore {
    /// Keys, in the order of the store.
    pub identities: Vec<Identity>,
    /// Certificates that are trusted.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Lists of revoked certificates; only PEM can hold them.
    pub revocations: Vec<CertificateRevocationListDer<'static>>,
}

/// Why a store cannot be read; Java's words where Java has some.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyStoreError {
    /// Neither JKS nor PKCS12.
    #[error("Invalid keystore format")]
    Format,
    /// A format that only Java reads.
    #[error("{0} stores are not read; convert it with `keytool -importkeystore -deststoretype PKCS12`")]
    Foreign(&'static str),
    /// The store ends inside an entry.
    #[error("the key store is cut off at byte {0}")]
    Cut(usize),
    /// The checksum does not fit.
    #[error("Keystore was tampered with, or password was incorrect")]
    Password,
    /// A key could not be decrypted.
    #[error("Cannot recover key")]
    Key,
    /// Something that PKCS12 or PEM does not allow, or that is not supported.
    #[error("{0}")]
    Invalid(String),
}

impl KeyStore {
    /// Reads a store. As in Java, a store that is said to be JKS may be PKCS12, and the other way round.
    ///
    /// # Errors
    /// [`KeyStoreError`] for bytes that are no such store, or another password.
    pub fn read(kind: StoreType, bytes: &[u8], password: &str) -> Result<KeyStore, KeyStoreError> {
        match kind {
            StoreType::Pem => pem_store::read(bytes, password),
            StoreType::Jks | StoreType::Pkcs12 if jks::is_jks(bytes)? => jks::read(bytes, password),
            StoreType::Jks | StoreType::Pkcs12 => pkcs12::read(bytes, password),
        }
    }
}

#[cfg(test)]
mod tests;
