//! `bootstrap.servers`: the addresses a client starts from.

use std::net::{IpAddr, SocketAddr};

use crate::error::Error;

/// A host and the port on it, as given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// A host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> HostPort {
        HostPort { host: host.into(), port }
    }

    /// Reads `host:port`, `[::1]:port` or `PROTOCOL://host:port`; `None` if there is no port.
    pub fn parse(text: &str) -> Option<HostPort> {
        let text = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            return None;
        }
        Some(HostPort { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn text(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Host and address as Java writes a resolved one: `localhost/127.0.0.1:9092`, `/127.0.0.1:9092`.
    pub fn java_text(&self, address: SocketAddr) -> String {
        let name = if self.host.parse::<IpAddr>().is_ok() { "" } else { &self.host };
        format!("{name}/{address}")
    }

    /// Its addresses, IPv4 first as in Java.
    pub(crate) async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        addresses.dedup();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        Ok(addresses)
    }
}

/// Reads the list of `bootstrap.servers` and leaves out hosts that have no address, with a warning each.
pub(crate) async fn resolve(urls: &[String]) -> Result<Vec<HostPort>, Error> {
    let mut found = Vec::new();
    for url in urls.iter().map(|url| url.trim()).filter(|url| !url.is_empty()) {
        let Some(server) = HostPort::parse(url) else {
            return Err(Error::Config(format!("Invalid url in bootstrap.servers: {url}")));
        };
        match server.resolve().await {
            Ok(addresses) if !addresses.is_empty() => found.push(server),
            _ => tracing::warn!(
                target: "org.apache.kafka.clients.ClientUtils",
                "Couldn't resolve server {url} from bootstrap.servers as DNS resolution failed for {}",
                server.host
            ),
        }
    }
    if found.is_empty() {
        return Err(Error::Config("No resolvable bootstrap urls given in bootstrap.servers".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_read_as_in_java() {
        assert_eq!(HostPort::parse("localhost:9092"), Some(HostPort::new("localhost", 9092)));
        assert_eq!(HostPort::parse("PLAINTEXT://a.b:1"), Some(HostPort::new("a.b", 1)));
        assert_eq!(HostPort::parse("[::1]:9092"), Some(HostPort::new("::1", 9092)));
        for bad in ["localhost", "localhost:abc", "localhost:70000", ":9092", "a b:1", ""] {
            assert_eq!(HostPort::parse(bad), None, "{bad}");
        }
        assert_eq!(HostPort::new("::1", 9092).text(), "[::1]:9092");
    }

    #[test]
    fn addresses_read_as_java_writes_them() {
        let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
        assert_eq!(HostPort::new("localhost", 9092).java_text(address), "localhost/127.0.0.1:9092");
        assert_eq!(HostPort::new("127.0.0.1", 9092).java_text(address), "/127.0.0.1:9092");
    }
}
