//! Which address to bind, and which name to give to others.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _, UdpSocket};

use anyhow::{Result, anyhow};
use kafka_metadata::Endpoint;
use tracing::warn;

/// Address (`None`: all) and port of a listener.
pub(crate) fn bind_address(endpoint: &Endpoint) -> Result<(Option<IpAddr>, u16)> {
    let port = u16::try_from(endpoint.port)
        .map_err(|_| anyhow!("java.lang.IllegalArgumentException: port out of range:{}", endpoint.port))?;
    if endpoint.host.is_empty() {
        return Ok((None, port));
    }
    let unresolved = || {
        anyhow!(
            "org.apache.kafka.common.KafkaException: Socket server failed to bind to {}:{port}: Unresolved address.",
            endpoint.host
        )
    };
    let mut addresses = (endpoint.host.as_str(), port).to_socket_addrs().map_err(|_| unresolved())?;
    let address = addresses.next().ok_or_else(unresolved)?.ip();
    // Java takes 0.0.0.0 as "all", IPv6 included.
    Ok((if address.is_unspecified() { None } else { Some(address) }, port))
}

/// What is said when a port cannot be bound.
pub(crate) fn bind_error(endpoint: &Endpoint, error: &io::Error) -> anyhow::Error {
    let host = if endpoint.host.is_empty() { "0.0.0.0" } else { endpoint.host.as_str() };
    let port = endpoint.port;
    if error.kind() != io::ErrorKind::AddrInUse {
        return anyhow!(
            "org.apache.kafka.common.KafkaException: Socket server failed to bind to {host}:{port}: {error}."
        );
    }
    let holder = u16::try_from(port).ok().and_then(net::port_owner);
    let holder = holder.map_or_else(|| "a process of another user".to_owned(), |holder| holder.to_string());
    anyhow!(
        "org.apache.kafka.common.KafkaException: Socket server failed to bind to {host}:{port}: Address already in use.\n\
         Port {port} is held by {holder}: stop it, or choose another port with listeners=PLAINTEXT://:PORT."
    )
}

/// The name of this machine if it leads back here, else `localhost`: a name that nobody can resolve would lock every
/// client out, the local ones included.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_here = |ip: IpAddr| UdpSocket::bind((ip, 0)).is_ok();
    let resolved = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.any(|a| is_here(a.ip())));
    if resolved {
        return name;
    }
    warn!(
        target: "kafka.server.KafkaServer",
        "This machine's name, {name}, does not lead back to it; clients are told to use localhost. For clients \
         elsewhere set advertised.listeners."
    );
    "localhost".to_owned()
}
