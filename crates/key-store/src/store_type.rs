//! Which kind of store a setting or a file's name means.

use thiserror::Error;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreType {
    /// Sun's own format.
    Jks,
    /// RFC 7292.
    Pkcs12,
    /// Text with certificates and a PKCS8 key.
    Pem,
}

/// Why a kind is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreTypeError {
    /// The setting names none (Java's words).
    #[error("No enum constant org.apache.zookeeper.common.KeyStoreFileType.{0}")]
    Unknown(String),
    /// The name of the file does not tell.
    #[error("Unable to auto-detect store type from file name: {0}")]
    Extension(String),
    /// BouncyCastle's format.
    #[error("BCFKS stores are not read; use JKS, PKCS12 or PEM")]
    Bcfks,
}

impl StoreType {
    /// The kind that `setting` names (`JKS`, `PKCS12`, `PEM`), or else the end of the file's name (`.jks`, `.p12`,
    /// `.pem`). Both are read exactly, as Apache's server does.
    ///
    /// # Errors
    /// [`StoreTypeError`] when neither tells.
    pub fn of(setting: Option<&str>, file: &str) -> Result<StoreType, StoreTypeError> {
        match setting.filter(|setting| !setting.is_empty()) {
            Some("JKS") => Ok(StoreType::Jks),
            Some("PKCS12") => Ok(StoreType::Pkcs12),
            Some("PEM") => Ok(StoreType::Pem),
            Some("BCFKS") => Err(StoreTypeError::Bcfks),
            Some(other) => Err(StoreTypeError::Unknown(other.to_owned())),
            None => match file.rsplit_once('.').map(|(_, extension)| extension) {
                Some("jks") => Ok(StoreType::Jks),
                Some("p12") => Ok(StoreType::Pkcs12),
                Some("pem") => Ok(StoreType::Pem),
                Some("bcfks") => Err(StoreTypeError::Bcfks),
                _ => Err(StoreTypeError::Extension(file.to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_wins_over_the_name() {
        assert_eq!(StoreType::of(Some("PEM"), "keys.jks"), Ok(StoreType::Pem));
        assert_eq!(StoreType::of(None, "/etc/keys.jks"), Ok(StoreType::Jks));
        assert_eq!(StoreType::of(Some(""), "keys.p12"), Ok(StoreType::Pkcs12));
        assert_eq!(StoreType::of(None, "keys.pem"), Ok(StoreType::Pem));
    }

    #[test]
    fn what_does_not_tell_is_named() {
        assert_eq!(StoreType::of(None, "keys.txt"), Err(StoreTypeError::Extension("keys.txt".into())));
        assert_eq!(StoreType::of(Some("jks"), "k.jks"), Err(StoreTypeError::Unknown("jks".into())));
        assert_eq!(StoreType::of(None, "k.bcfks"), Err(StoreTypeError::Bcfks));
    }
}
