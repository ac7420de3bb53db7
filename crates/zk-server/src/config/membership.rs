//! `server.N`: an ensemble is refused; one server alone is none, but its line may say where clients are to come.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use properties::Entry;
use vfs::Vfs;

use super::settings::{Settings, bad, place};
use super::{ConfigError, ServerConfig};

/// The file in the data directory with a server's number.
const MY_ID: &str = "myid";
/// What the system says where no such file is.
const NOT_A_FILE: [io::ErrorKind; 3] =
    [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::IsADirectory];
const FORM: &str = "does not have the form server_config or server_config;client_config where server_config is the pipe \
                    separated list of host:port:port or host:port:port:type and client_config is port or host:port";

/// The one server that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    id: i64,
    /// Where its clients come; it may be that no line says so.
    clients: Option<Clients>,
}

/// Where clients come: an address and the name of that; or what is to be said of a name that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Clients {
    At(SocketAddr, String),
    Unresolved(String),
}

pub(super) fn read(config: &mut ServerConfig, settings: &mut Settings) -> Result<Option<Member>, ConfigError> {
    let servers = settings.starting_with("server.");
    match servers.as_slice() {
        [] => Ok(None),
        [(name, entry)] => {
            let member = member(name, entry)?;
            config.mistakes.push("Invalid configuration, only one server specified (ignoring)".to_owned());
            Ok(Some(member))
        }
        [_, (_, second), ..] => {
            let place = place(second);
            Err(ConfigError::Illegal(format!(
                "{place}: more than one server: an ensemble is not served, only a standalone server"
            )))
        }
    }
}

/// `host:port:port[:type][|..][;[host:]port]`; what is before the semicolon is for an ensemble.
fn member(name: &str, entry: &Entry) -> Result<Member, ConfigError> {
    let id = name.strip_prefix("server.").unwrap_or_default();
    let number = |text: &str| bad(entry, format!("java.lang.NumberFormatException: For input string: \"{text}\""));
    let id = id.parse().map_err(|_| number(id))?;
    let value = entry.value.as_str();
    let wrong = || ConfigError::Membership(format!("{value} {FORM}\n\t{}", place(entry)));
    let mut parts = value.split(';');
    let servers = parts.next().unwrap_or_default();
    let clients = parts.next();
    if parts.next().is_some() {
        return Err(wrong());
    }
    for server in servers.split('|') {
        // An address of version 6 stands in brackets, and is one part.
        let ports = server.rsplit_once("]:").map_or(server, |(_, ports)| ports);
        let wanted = if ports.len() == server.len() { 3..=4 } else { 2..=3 };
        if !wanted.contains(&ports.split(':').count()) {
            return Err(wrong());
        }
        if server.rsplit(':').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("observer")) {
            return Err(ConfigError::Illegal("Observers w/o participants is an invalid configuration".to_owned()));
        }
    }
    let Some(clients) = clients else { return Ok(Member { id, clients: None }) };
    let (host, port) = match clients.rsplit_once(':') {
        None => (None, clients),
        Some((host, _)) if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) => {
            return Err(wrong());
        }
        Some((host, port)) => (Some(host.trim_start_matches('[').trim_end_matches(']')), port),
    };
    let unresolved = |_| {
        let host = host.unwrap_or("null");
        ConfigError::Membership(format!("Address unresolved: {host}:{port}\n\t{}", place(entry)))
    };
    let number: i32 = port.parse().map_err(unresolved)?;
    let out_of_range = |_| bad(entry, format!("java.lang.IllegalArgumentException: port out of range:{number}"));
    let port = u16::try_from(number).map_err(out_of_range)?;
    let address = match host {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(host) => {
            let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
            let Some(found) = found else {
                // It matters to the server whose line it is, and to nobody else.
                let unresolved = format!("Address unresolved: {host}:{port}\n\t{}", place(entry));
                return Ok(Member { id, clients: Some(Clients::Unresolved(unresolved)) });
            };
            found.ip()
        }
    };
    let name = host.filter(|host| host.parse::<IpAddr>().is_err()).unwrap_or_default();
    Ok(Member { id, clients: Some(Clients::At(SocketAddr::new(address, port), name.to_owned())) })
}

/// Takes the client port of the server's own line: that with the number in the data directory, as containers have it.
pub(super) fn take_own_port(
    vfs: &dyn Vfs,
    member: Option<Member>,
    config: &mut ServerConfig,
) -> Result<(), ConfigError> {
    let path = config.data_dir.join(MY_ID);
    let bytes = match vfs.read(&path) {
        Ok(bytes) => bytes,
        // That the data directory is a file is told by who opens it; a directory of this name says nothing.
        Err(error) if NOT_A_FILE.contains(&error.kind()) => return Ok(()),
        Err(error) => return Err(ConfigError::Illegal(format!("{} cannot be read: {error}", path.display()))),
    };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.lines().next().unwrap_or_default().trim();
    let not_a_number = |_| ConfigError::Illegal(format!("serverid {text} is not a number\n\t{}", path.display()));
    let id: i64 = text.parse().map_err(not_a_number)?;
    let own = member.filter(|member| member.id == id);
    let (clients, name) = match own.and_then(|member| member.clients) {
        Some(Clients::At(clients, name)) => (clients, name),
        Some(Clients::Unresolved(text)) => return Err(ConfigError::Membership(text)),
        None => return Ok(()),
    };
    if let Some(port) = config.client_port {
        let set = SocketAddr::new(config.client_address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port);
        let differs = if set.ip().is_unspecified() { set.port() != clients.port() } else { set != clients };
        if differs {
            return Err(ConfigError::Membership(format!(
                "client address for this server (id = {id}) in static config file is {} is different from client \
                 address found in dynamic file: {name}/{clients}",
                java(set)
            )));
        }
    }
    // Port 0 is none, as with `clientPort`.
    config.client_port = Some(clients.port()).filter(|port| *port != 0);
    config.client_address = Some(clients.ip());
    Ok(())
}

/// As Java shows an address: with the name that it was made of, which the one for all has.
fn java(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("{}/{address}", address.ip()) } else { format!("/{address}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use properties::Properties;
    use vfs::{MemoryVfs, OpenMode};

    use super::super::read;
    use super::*;

    /// The client's address and port of a server whose data directory has this `myid`.
    fn port(my_id: &str, text: &str) -> Result<(Option<IpAddr>, Option<u16>), String> {
        let vfs = MemoryVfs::new();
        write(&vfs, "/zoo.cfg", &format!("dataDir=/data\n{text}\n"));
        if !my_id.is_empty() {
            write(&vfs, "/data/myid", my_id);
        }
        let config = read(&vfs, "/zoo.cfg", &[], &Properties::new()).map_err(|error| error.to_string())?;
        Ok((config.client_address, config.client_port))
    }

    fn write(vfs: &MemoryVfs, path: &str, text: &str) {
        let path = Path::new(path);
        vfs.create_dir_all(path.parent().unwrap()).unwrap();
        vfs.open(path, OpenMode::CreateNew).unwrap().write_at(text.as_bytes(), 0).unwrap();
    }

    #[test]
    fn the_own_line_says_where_clients_come() {
        let any: Option<IpAddr> = Some(Ipv4Addr::UNSPECIFIED.into());
        let local: Option<IpAddr> = Some(Ipv4Addr::LOCALHOST.into());
        let server = "server.1=localhost:2888:3888";
        for (my_id, text, expected) in [
            // As the image of ZooKeeper has it.
            ("1\n", format!("{server};2181"), (any, Some(2181))),
            ("1", format!("{server}:participant;127.0.0.1:2181"), (local, Some(2181))),
            ("1", "server.1=[::1]:2888:3888|localhost:2889:3889;2181".to_owned(), (any, Some(2181))),
            ("1", format!("{server};[::1]:2181"), (Some("::1".parse().unwrap()), Some(2181))),
            ("1", format!("clientPort=2181\n{server};2181"), (any, Some(2181))),
            ("1", format!("clientPort=2181\n{server};127.0.0.1:2181"), (local, Some(2181))),
            // It says nothing, or it is not its own.
            ("1", format!("clientPort=2181\n{server}"), (None, Some(2181))),
            ("", format!("{server};2181"), (None, None)),
            ("2", format!("clientPort=2182\n{server};2181"), (None, Some(2182))),
            ("2", format!("clientPort=2182\n{server};nosuch.invalid:2181"), (None, Some(2182))),
            ("1", "clientPort=2182\nserver.1=nosuch.invalid:2888:3888".to_owned(), (None, Some(2182))),
        ] {
            assert_eq!(port(my_id, &text), Ok(expected), "{my_id} {text}");
        }
    }

    #[test]
    fn mistakes_are_told_as_apache_tells_them() {
        let server = "server.1=localhost:2888:3888";
        for (my_id, text, expected) in [
            ("abc", "clientPort=1".to_owned(), "serverid abc is not a number"),
            ("1", format!("{server};x"), "Address unresolved: null:x"),
            ("1", format!("{server};nosuch.invalid:2181"), "Address unresolved: nosuch.invalid:2181"),
            ("1", format!("{server};2181|2182"), "Address unresolved: null:2181|2182"),
            ("1", format!("{server};a:b:1"), "localhost:2888:3888;a:b:1 does not have the form server_config or"),
            ("1", "server.1=localhost;1".to_owned(), "localhost;1 does not have the form server_config or"),
            ("1", "server.x=localhost:2888:3888;1".to_owned(), "NumberFormatException: For input string: \"x\""),
            ("1", format!("{server}:observer;1"), "Observers w/o participants is an invalid configuration"),
            ("1", format!("{server};70000"), "port out of range:70000"),
            (
                "1",
                format!("clientPort=1\n{server};2"),
                "client address for this server (id = 1) in static config file is 0.0.0.0/0.0.0.0:1 is different from \
                 client address found in dynamic file: /0.0.0.0:2",
            ),
            (
                "1",
                format!("clientPort=1\nclientPortAddress=127.0.0.1\n{server};1"),
                "static config file is /127.0.0.1:1 is different from client address found in dynamic file: /0.0.0.0:1",
            ),
            ("1", format!("{server};1\nserver.2=localhost:2889:3889"), "more than one server"),
        ] {
            let error = port(my_id, &text).unwrap_err();
            assert!(error.contains(expected), "{my_id} {text}: {error}");
        }
    }
}
