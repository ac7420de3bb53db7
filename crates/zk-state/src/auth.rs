//! The kinds of identity (schemes) a client can have: `ip` from its address, `digest` from user and password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use zk_proto::{ErrorCode, Id};

/// What an auth packet adds to a connection's ids.
///
/// `superuser` is the digest (`user:hash`) whose owner gets the id `super`, if one is configured.
///
/// # Errors
/// [`ErrorCode::AuthFailed`] for a scheme that is not known; the connection closes then.
pub fn authenticate(scheme: &str, auth: &[u8], address: &str, superuser: Option<&str>) -> Result<Vec<Id>, ErrorCode> {
    match scheme {
        "ip" => Ok(vec![Id::new("ip", address)]),
        "digest" => {
            let digest = digest_of(&String::from_utf8_lossy(auth));
            let mut ids = Vec::new();
            if superuser == Some(digest.as_str()) {
                ids.push(Id::new("super", ""));
            }
            ids.push(Id { scheme: "digest".into(), id: digest });
            Ok(ids)
        }
        _ => Err(ErrorCode::AuthFailed),
    }
}

/// `user:base64(SHA-1("user:password"))` of `user:password`.
pub fn digest_of(user_and_password: &str) -> String {
    let user = user_and_password.split_once(':').map_or(user_and_password, |(user, _)| user);
    format!("{user}:{}", STANDARD.encode(Sha1::digest(user_and_password)))
}

/// Does an id of this scheme prove who somebody is? (An address does not.) Only such ids stand in for `auth`.
pub fn is_authenticated(scheme: &str) -> bool {
    scheme == "digest"
}

/// Is this the syntax of an id in an ACL of this scheme? False for unknown schemes.
pub fn is_valid(scheme: &str, id: &str) -> bool {
    match scheme {
        // Java's split drops empty parts at the end, but not at the beginning.
        "digest" => id.trim_end_matches(':').split(':').count() == 2,
        "ip" => network(id).is_some(),
        _ => false,
    }
}

/// Is the connection's id meant by the ACL's?
pub fn matches(scheme: &str, id: &str, acl_id: &str) -> bool {
    match scheme {
        "digest" => id == acl_id,
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
        assert_eq!(digest_of("super:admin"), "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
        assert!(is_valid("digest", &digest_of("alice:secret")));
        assert!(!is_valid("digest", "alice"));
        assert!(!is_valid("digest", "alice:"));
        assert!(!is_valid("digest", "a:b:c"));
    }

    #[test]
    fn superuser() {
        let ids =
            authenticate("digest", b"super:admin", "127.0.0.1", Some("super:xQJmxLMiHGwaqBvst5y6rkB6HQs=")).unwrap();
        assert_eq!(ids[0], Id::new("super", ""));
        assert_eq!(authenticate("digest", b"super:admin", "127.0.0.1", None).unwrap().len(), 1);
        assert_eq!(authenticate("nope", b"", "127.0.0.1", None), Err(ErrorCode::AuthFailed));
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
