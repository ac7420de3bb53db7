//! Whom a connection belongs to.

use core::net::IpAddr;
use std::fmt;

/// Somebody: a type, nearly always `User`, and a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// Such as `User`.
    pub kind: String,
    /// Such as `alice`, or `*` for everybody in a rule.
    pub name: String,
}

/// A text that is no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a string in format principalType:principalName but got {0}")]
pub struct PrincipalError(pub String);

impl Principal {
    /// A user.
    pub fn user(name: impl Into<String>) -> Principal {
        Principal { kind: "User".to_owned(), name: name.into() }
    }

    /// Whoever did not say who it is: everybody on a listener without authentication.
    pub fn anonymous() -> Principal {
        Principal::user("ANONYMOUS")
    }

    /// Reads `Type:name`; the name may have colons in it.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Principal, PrincipalError> {
        match text.split_once(':') {
            Some((kind, name)) => Ok(Principal { kind: kind.to_owned(), name: name.to_owned() }),
            None => Err(PrincipalError(text.to_owned())),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// The users in `super.users`: `User:a;User:b`, white space around each passed over.
///
/// # Errors
/// One of them is no principal.
pub fn super_users(text: &str) -> Result<Vec<Principal>, PrincipalError> {
    text.split(';').map(str::trim).filter(|one| !one.is_empty()).map(Principal::parse).collect()
}

/// A client's address as rules name hosts: IPv4 also where it came through an IPv6 socket, IPv6 with all eight groups, as
/// Java's `InetAddress` writes them.
pub fn host_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
            groups.join(":")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_read() {
        assert_eq!(Principal::parse("User:CN=a,O=b:c").expect("legal").name, "CN=a,O=b:c");
        for text in ["", "User"] {
            let error = Principal::parse(text).expect_err(text);
            assert_eq!(
                error.to_string(),
                format!("expected a string in format principalType:principalName but got {text}")
            );
        }
        assert_eq!(super_users(" User:a ; User:b;").expect("legal"), [Principal::user("a"), Principal::user("b")]);
        assert!(super_users("a").is_err());
    }

    #[test]
    fn hosts_are_written_as_java_writes_them() {
        let host = |text: &str| host_address(text.parse().expect("an address"));
        assert_eq!(host("10.0.0.1"), "10.0.0.1");
        assert_eq!(host("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(host("::1"), "0:0:0:0:0:0:0:1");
        assert_eq!(host("2001:db8::a"), "2001:db8:0:0:0:0:0:a");
    }
}
