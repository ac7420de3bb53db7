//! The kinds of identity (schemes) a client can have: `ip` from its address, `digest` from user and password; `sasl` and
//! `x509` come from elsewhere and are only compared here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use zk_proto::Id;

use crate::distinguished_name;

/// How a password is hashed (`DigestAuthenticationProvider.digestAlg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestAlgorithm {
    /// What Apache has always used.
    #[default]
    Sha1,
    /// MD5.
    Md5,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The algorithm with this name in Java's `MessageDigest`; `None` for any other.
    pub fn from_java_name(name: &str) -> Option<DigestAlgorithm> {
        Some(match name.to_ascii_uppercase().as_str() {
            "SHA1" | "SHA-1" | "SHA" => DigestAlgorithm::Sha1,
            "MD5" => DigestAlgorithm::Md5,
            "SHA-224" => DigestAlgorithm::Sha224,
            "SHA-256" => DigestAlgorithm::Sha256,
            "SHA-384" => DigestAlgorithm::Sha384,
            "SHA-512" => DigestAlgorithm::Sha512,
            _ => return None,
        })
    }

    /// `user:base64(hash("user:password"))` of `user:password`.
    pub fn digest_of(self, user_and_password: &str) -> String {
        let user = user_and_password.split_once(':').map_or(user_and_password, |(user, _)| user);
        let hash = match self {
            DigestAlgorithm::Sha1 => STANDARD.encode(Sha1::digest(user_and_password)),
            DigestAlgorithm::Md5 => STANDARD.encode(md5::Md5::digest(user_and_password)),
            DigestAlgorithm::Sha224 => STANDARD.encode(sha2::Sha224::digest(user_and_password)),
            DigestAlgorithm::Sha256 => STANDARD.encode(sha2::Sha256::digest(user_and_password)),
            DigestAlgorithm::Sha384 => STANDARD.encode(sha2::Sha384::digest(user_and_password)),
            DigestAlgorithm::Sha512 => STANDARD.encode(sha2::Sha512::digest(user_and_password)),
        };
        format!("{user}:{hash}")
    }
}

/// The schemes that a server has, beside `world` and `auth`, which stand for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemes(u8);

impl Schemes {
    /// The client's address.
    pub const IP: Schemes = Schemes(1);
    /// User and password.
    pub const DIGEST: Schemes = Schemes(2);
    /// SASL.
    pub const SASL: Schemes = Schemes(4);
    /// Certificates of clients.
    pub const X509: Schemes = Schemes(8);

    /// Is the scheme of this name one of them?
    pub fn has(self, scheme: &str) -> bool {
        let wanted = match scheme {
            "ip" => Schemes::IP,
            "digest" => Schemes::DIGEST,
            "sasl" => Schemes::SASL,
            "x509" => Schemes::X509,
            _ => return false,
        };
        self.0 & wanted.0 != 0
    }
}

impl Default for Schemes {
    fn default() -> Schemes {
        Schemes::IP | Schemes::DIGEST
    }
}

impl std::ops::BitOr for Schemes {
    type Output = Schemes;

    fn bitor(self, other: Schemes) -> Schemes {
        Schemes(self.0 | other.0)
    }
}

/// What auth packets are judged by.
#[derive(Debug, Clone, Default)]
pub struct Authenticator {
    /// How passwords are hashed; `None`: there is no scheme `digest`.
    pub digest: Option<DigestAlgorithm>,
    /// The digest (`user:hash`) whose owner gets the id `super`.
    pub superuser: Option<String>,
    /// The scheme `ensemble`, if there is one.
    pub ensemble: Option<Ensemble>,
}

/// By what name a client may call the ensemble that it wants to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensemble {
    /// By any.
    AnyName,
    /// By one of these.
    Names(Vec<String>),
}

/// Why an auth packet adds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthRefusal {
    /// `AuthFailed` is the answer, and the connection closes behind it.
    Failed,
    /// The connection closes without an answer: the client is to try another server.
    WrongEnsemble,
}

impl Authenticator {
    /// What an auth packet of a client at `address` adds to its ids.
    ///
    /// # Errors
    /// [`AuthRefusal`]; the connection closes then.
    pub fn authenticate(&self, scheme: &str, auth: &[u8], address: &str) -> Result<Vec<Id>, AuthRefusal> {
        match (scheme, self.digest, &self.ensemble) {
            ("ip", _, _) => Ok(vec![Id::new("ip", address)]),
            ("digest", Some(algorithm), _) => {
                let digest = algorithm.digest_of(&String::from_utf8_lossy(auth));
                let mut ids = Vec::new();
                if self.superuser.as_deref() == Some(digest.as_str()) {
                    ids.push(Id::new("super", ""));
                }
                ids.push(Id { scheme: "digest".into(), id: digest });
                Ok(ids)
            }
            ("ensemble", _, Some(Ensemble::Names(names))) if !auth.is_empty() => {
                let name = String::from_utf8_lossy(auth);
                if names.iter().any(|known| *known == name) { Ok(Vec::new()) } else { Err(AuthRefusal::WrongEnsemble) }
            }
            ("ensemble", _, Some(_)) => Ok(Vec::new()),
            _ => Err(AuthRefusal::Failed),
        }
    }
}

/// The user in an id, as `whoAmI` tells it.
pub fn user_of<'a>(scheme: &str, id: &'a str) -> &'a str {
    match scheme {
        "digest" => id.split_once(':').map_or(id, |(user, _)| user),
        // Nobody provides it, so nobody can tell.
        "super" => "",
        _ => id,
    }
}

/// Does an id of this scheme prove who somebody is? (An address does not.) Only such ids stand in for `auth`.
pub fn is_authenticated(scheme: &str) -> bool {
    matches!(scheme, "digest" | "sasl" | "x509")
}

/// Is this the syntax of an id in an ACL of this scheme? False for unknown schemes.
pub fn is_valid(scheme: &str, id: &str) -> bool {
    match scheme {
        // Java's split drops empty parts at the end, but not at the beginning.
        "digest" => id.trim_end_matches(':').split(':').count() == 2,
        "ip" => network(id).is_some(),
        "sasl" => is_kerberos_name(id),
        "x509" => distinguished_name::is_name(id),
        _ => false,
    }
}

/// `service[/host][@realm]`.
fn is_kerberos_name(id: &str) -> bool {
    let (name, realm) = id.split_once('@').unwrap_or((id, ""));
    !realm.contains(['@', '/']) && (name.matches('/').count() <= 1 || !id.contains('@'))
}

/// Is the connection's id meant by the ACL's?
pub fn matches(scheme: &str, id: &str, acl_id: &str) -> bool {
    match scheme {
        "digest" | "x509" => id == acl_id,
        // A user of this name may do whatever any user of SASL may.
        "sasl" => id == "super" || id == acl_id,
        "ip" => match (address(id), network(acl_id)) {
            (Some(address), Some((network, bits))) => address & mask(bits) == network & mask(bits),
            _ => false,
        },
        _ => false,
    }
}

fn mask(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits).unwrap_or(0)
}

/// Four decimal numbers; IPv6 has no ACLs in 3.8.
fn address(text: &str) -> Option<u32> {
    let mut bytes = [0; 4];
    let mut parts = text.split('.');
    for byte in &mut bytes {
        *byte = parts.next()?.parse().ok()?;
    }
    parts.next().is_none().then(|| u32::from_be_bytes(bytes))
}

/// `address` or `address/bits`.
fn network(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        None => Some((address(text)?, 32)),
        Some((network, bits)) => {
            let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
            Some((address(network)?, bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_as_apache_computes_it() {
        // `DigestAuthenticationProvider alice:secret`, and the example of its documentation.
        let digest_of = |text| DigestAlgorithm::Sha1.digest_of(text);
        assert_eq!(digest_of("super:admin"), "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
        assert!(is_valid("digest", &digest_of("alice:secret")));
        assert!(!is_valid("digest", "alice"));
        assert!(!is_valid("digest", "alice:"));
        assert!(!is_valid("digest", "a:b:c"));
        // `printf super:admin | openssl dgst -sha256 -binary | base64`
        let sha256 = DigestAlgorithm::from_java_name("SHA-256").unwrap();
        assert_eq!(sha256.digest_of("super:admin"), "super:wtZw1Um4mq1rRKbXqxHs8ueodBP35/JhtBP/nwJ62WY=");
        assert_eq!(DigestAlgorithm::from_java_name("sha-512"), Some(DigestAlgorithm::Sha512));
        assert_eq!(DigestAlgorithm::from_java_name("ROT13"), None);
    }

    #[test]
    fn superuser() {
        let authenticator = Authenticator {
            digest: Some(DigestAlgorithm::Sha1),
            superuser: Some("super:xQJmxLMiHGwaqBvst5y6rkB6HQs=".into()),
            ensemble: None,
        };
        let ids = authenticator.authenticate("digest", b"super:admin", "127.0.0.1").unwrap();
        assert_eq!(ids[0], Id::new("super", ""));
        let without = Authenticator { superuser: None, ..authenticator.clone() };
        assert_eq!(without.authenticate("digest", b"super:admin", "127.0.0.1").unwrap().len(), 1);
        for scheme in ["nope", "ensemble", "sasl"] {
            assert_eq!(authenticator.authenticate(scheme, b"", "127.0.0.1"), Err(AuthRefusal::Failed));
        }
        let off = Authenticator { digest: None, ..authenticator };
        assert_eq!(off.authenticate("digest", b"super:admin", "127.0.0.1"), Err(AuthRefusal::Failed));
    }

    #[test]
    fn the_name_of_the_ensemble() {
        let names = Ensemble::Names(vec!["east".into(), "west".into()]);
        let mut authenticator = Authenticator { ensemble: Some(names), ..Authenticator::default() };
        for name in ["east", "west", ""] {
            assert_eq!(authenticator.authenticate("ensemble", name.as_bytes(), "127.0.0.1"), Ok(Vec::new()));
        }
        assert_eq!(authenticator.authenticate("ensemble", b"north", "127.0.0.1"), Err(AuthRefusal::WrongEnsemble));
        authenticator.ensemble = Some(Ensemble::AnyName);
        assert_eq!(authenticator.authenticate("ensemble", b"north", "127.0.0.1"), Ok(Vec::new()));
    }

    #[test]
    fn names_of_others() {
        for name in ["kafka", "kafka/host@REALM", "kafka@REALM", "a/b/c"] {
            assert!(is_valid("sasl", name), "{name}");
        }
        for name in ["a/b/c@REALM", "a@b@c", "a@b/c"] {
            assert!(!is_valid("sasl", name), "{name}");
        }
        assert!(is_valid("x509", "CN=a,O=b") && !is_valid("x509", "CN=a,b") && !is_valid("x509", "a"));
        assert!(matches("sasl", "super", "alice") && !matches("x509", "super", "CN=a"));
        assert_eq!(user_of("digest", "alice:hash"), "alice");
        assert_eq!((user_of("ip", "::1"), user_of("super", "")), ("::1", ""));
        assert!(Schemes::default().has("ip") && !Schemes::default().has("sasl"));
        assert!((Schemes::default() | Schemes::SASL).has("sasl") && !Schemes::default().has("world"));
    }

    #[test]
    fn addresses() {
        assert!(matches("ip", "10.1.2.3", "10.0.0.0/8"));
        assert!(!matches("ip", "11.1.2.3", "10.0.0.0/8"));
        assert!(matches("ip", "11.1.2.3", "0.0.0.0/0"));
        assert!(matches("ip", "11.1.2.3", "11.1.2.3"));
        assert!(!matches("ip", "::1", "0.0.0.0/0"));
        for bad in ["1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "1.2.3.4/-1", "x"] {
            assert!(!is_valid("ip", bad), "{bad}");
        }
    }
}
