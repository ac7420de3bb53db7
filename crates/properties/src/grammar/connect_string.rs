//! ZooKeeper's connect string: `host:port,[::1]:2181,host/chroot`.

use nom::branch::alt;
use nom::bytes::complete::{take_till1, take_until1};
use nom::character::complete::char;
use nom::combinator::{map, opt, rest};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use thiserror::Error;

/// ZooKeeper's port when a host is given without one.
const DEFAULT_PORT: u16 = 2181;

/// A host and the port on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A connect string, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectString {
    /// The servers, in the order given.
    pub hosts: Vec<HostPort>,
    /// The path under which all paths of the client lie; `None` for the root.
    pub chroot: Option<String>,
}

/// Why a connect string is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectStringError {
    /// No server in it (the words of Apache's client).
    #[error("A HostProvider may not be empty!")]
    NoHost,
    /// What stands where a port belongs (Java's words).
    #[error("For input string: \"{0}\"")]
    NotAPort(String),
    /// A number that no port has.
    #[error("port out of range:{0}")]
    PortOutOfRange(i64),
    /// A host text that has no end, such as `[::1`.
    #[error("Invalid host {0:?} in the connect string")]
    BadHost(String),
    /// The chroot breaks the rules of paths.
    #[error("Invalid path string \"{path}\" caused by {reason}")]
    BadChroot {
        /// The chroot as given.
        path: String,
        /// Which rule.
        reason: &'static str,
    },
}

/// Parses a connect string. White space around hosts does not count; a chroot of `/` alone is the root.
pub fn connect_string(text: &str) -> Result<ConnectString, ConnectStringError> {
    let (hosts, chroot) = match text.find('/') {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    let chroot = chroot.filter(|path| *path != "/");
    if let Some(path) = chroot {
        check_path(path).map_err(|reason| ConnectStringError::BadChroot { path: path.to_owned(), reason })?;
    }
    let hosts = hosts
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .map(host_port)
        .collect::<Result<Vec<_>, _>>()?;
    if hosts.is_empty() {
        return Err(ConnectStringError::NoHost);
    }
    Ok(ConnectString { hosts, chroot: chroot.map(str::to_owned) })
}

fn host_port(text: &str) -> Result<HostPort, ConnectStringError> {
    let bad = || ConnectStringError::BadHost(text.to_owned());
    let (host, port) = split(text).map_err(|_| bad())?.1;
    let port = match port {
        None | Some("") => DEFAULT_PORT,
        Some(port) => {
            let number: i64 = port.parse().map_err(|_| ConnectStringError::NotAPort(port.to_owned()))?;
            u16::try_from(number).map_err(|_| ConnectStringError::PortOutOfRange(number))?
        }
    };
    Ok(HostPort { host: host.to_owned(), port })
}

/// `[v6]`, `[v6]:port`, `host`, `host:port`; a bare IPv6 address has its last group taken for a port, as Java does.
fn split(text: &str) -> IResult<&str, (&str, Option<&str>)> {
    let bracketed = (delimited(char('['), take_until1("]"), char(']')), opt(preceded(char(':'), rest)));
    let name = map(take_till1(|c| c == '['), |text: &str| match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    });
    let (left, found) = alt((bracketed, name)).parse(text)?;
    if left.is_empty() && !found.0.is_empty() {
        Ok((left, found))
    } else {
        Err(nom::Err::Error(nom::error::Error::new(left, nom::error::ErrorKind::Eof)))
    }
}

/// The rules of ZooKeeper's paths that a chroot can break.
fn check_path(path: &str) -> Result<(), &'static str> {
    if path.ends_with('/') {
        return Err("Path must not end with / character");
    }
    for part in path.split('/').skip(1) {
        match part {
            "" => return Err("empty node name specified"),
            "." | ".." => return Err("relative paths not allowed"),
            _ if part.contains(|c: char| c.is_control()) => return Err("invalid character"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<(String, u16)> {
        let parsed = connect_string(text).expect("legal");
        parsed.hosts.into_iter().map(|host| (host.host, host.port)).collect()
    }

    #[test]
    fn hosts_with_and_without_ports() {
        assert_eq!(hosts("localhost:2181"), [("localhost".to_owned(), 2181)]);
        assert_eq!(
            hosts("a, b:1 ,[::1]:2182,[fe80::1%eth0]"),
            [("a".into(), 2181), ("b".into(), 1), ("::1".into(), 2182), ("fe80::1%eth0".into(), 2181)]
        );
        assert_eq!(hosts("a:"), [("a".to_owned(), 2181)]);
    }

    #[test]
    fn a_chroot_holds_for_all_hosts() {
        assert_eq!(connect_string("a:1,b:2/kafka/x").expect("legal").chroot.as_deref(), Some("/kafka/x"));
        assert_eq!(connect_string("a:1/").expect("legal").chroot, None);
        for bad in ["a/x/", "a//x", "a/x/../y"] {
            assert!(matches!(connect_string(bad), Err(ConnectStringError::BadChroot { .. })), "{bad}");
        }
    }

    #[test]
    fn mistakes_in_the_words_of_the_original() {
        let error = |text| connect_string(text).expect_err("illegal").to_string();
        assert_eq!(error(""), "A HostProvider may not be empty!");
        assert_eq!(error(" , /x"), "A HostProvider may not be empty!");
        assert_eq!(error("localhost:abc"), "For input string: \"abc\"");
        assert_eq!(error("localhost:99999"), "port out of range:99999");
        assert_eq!(error("[::1"), "Invalid host \"[::1\" in the connect string");
        assert_eq!(error("[::1]x"), "Invalid host \"[::1]x\" in the connect string");
    }
}
