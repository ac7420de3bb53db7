//! Znodes' counters, access control lists and errors in the shell's words.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zk_client::{Error, Event, EventKind};
use zk_proto::{Acl, ErrorCode, Stat};

/// The lines of a znode's counters.
pub(super) fn stat(stat: &Stat, zone: &TimeZone) -> String {
    let lines = [
        format!("cZxid = {:#x}", stat.czxid.0),
        format!("ctime = {}", date(stat.ctime, zone)),
        format!("mZxid = {:#x}", stat.mzxid.0),
        format!("mtime = {}", date(stat.mtime, zone)),
        format!("pZxid = {:#x}", stat.pzxid.0),
        format!("cversion = {}", stat.cversion),
        format!("dataVersion = {}", stat.version),
        format!("aclVersion = {}", stat.aversion),
        format!("ephemeralOwner = {:#x}", stat.ephemeral_owner),
        format!("dataLength = {}", stat.data_length),
        format!("numChildren = {}", stat.num_children),
    ];
    lines.join("\n")
}

/// As Java prints a `Date`: `Mon Jan 02 15:04:05 UTC 2006`.
pub(crate) fn date(millis: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string(),
        Err(_) => format!("{millis} ms"),
    }
}

/// The lines of an access control list.
pub(super) fn acl(acl: &[Acl]) -> String {
    let lines: Vec<String> =
        acl.iter().map(|entry| format!("'{},'{}\n: {}", entry.id.scheme, entry.id.id, entry.perms)).collect();
    lines.join("\n")
}

/// A failed command in the shell's words.
pub(super) fn error(error: &Error) -> String {
    let Error::Refused { code, path } = error else { return error.to_string() };
    let text = match code {
        ErrorCode::NoNode => "Node does not exist: ",
        ErrorCode::NoChildrenForEphemerals => "Ephemerals cannot have children: ",
        ErrorCode::NodeExists => "Node already exists: ",
        ErrorCode::NotEmpty => "Node not empty: ",
        ErrorCode::NotReadOnly => "Not a read-only call: ",
        ErrorCode::InvalidAcl => "Acl is not valid : ",
        ErrorCode::NoAuth => "Insufficient permission : ",
        ErrorCode::BadArguments => "Arguments are not valid : ",
        ErrorCode::BadVersion => "version No is not valid : ",
        ErrorCode::QuotaExceeded => "Quota has exceeded : ",
        ErrorCode::ReconfigInProgress => {
            return "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)".to_owned();
        }
        ErrorCode::NewConfigNoQuorum => {
            return "No quorum of new config is connected and up-to-date with the leader of last commmitted config - \
                    try invoking reconfiguration after new servers are connected and synced"
                .to_owned();
        }
        _ => return error.to_string(),
    };
    format!("{text}{path}")
}

/// What happened, as Java prints a `WatchedEvent`.
pub(super) fn event(event: &Event) -> String {
    let (state, kind, path) = match event {
        Event::Connected => ("SyncConnected", "None", "null"),
        Event::ConnectedReadOnly => ("ConnectedReadOnly", "None", "null"),
        Event::Disconnected => ("Disconnected", "None", "null"),
        Event::Expired => ("Expired", "None", "null"),
        Event::SaslAuthenticated => ("SaslAuthenticated", "None", "null"),
        Event::AuthFailed => ("AuthFailed", "None", "null"),
        Event::Watch(watched) => ("SyncConnected", kind_name(watched.kind), watched.path.as_str()),
    };
    watcher(state, kind, path)
}

/// The event that ends a session which was closed.
pub(super) fn closed() -> String {
    watcher("Closed", "None", "null")
}

fn watcher(state: &str, kind: &str, path: &str) -> String {
    format!("\nWATCHER::\n\nWatchedEvent state:{state} type:{kind} path:{path}")
}

fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::NodeCreated => "NodeCreated",
        EventKind::NodeDeleted => "NodeDeleted",
        EventKind::NodeDataChanged => "NodeDataChanged",
        EventKind::NodeChildrenChanged => "NodeChildrenChanged",
        EventKind::DataWatchRemoved => "DataWatchRemoved",
        EventKind::ChildWatchRemoved => "ChildWatchRemoved",
        EventKind::PersistentWatchRemoved => "PersistentWatchRemoved",
    }
}

/// Bytes in rows of sixteen between rules, as Netty prints them; nothing for none.
pub(super) fn hex_dump(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    let mut lines = vec![
        "         +-------------------------------------------------+".to_owned(),
        "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |".to_owned(),
        "+--------+-------------------------------------------------+----------------+".to_owned(),
    ];
    for (row, bytes) in data.chunks(16).enumerate() {
        let hex = bytes.iter().map(|byte| format!(" {byte:02x}")).collect::<Vec<_>>().concat();
        let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let text: String = bytes.iter().map(shown).collect();
        lines.push(format!("|{:08x}|{hex:<48} |{text:<16}|", row * 16));
    }
    lines.push("+--------+-------------------------------------------------+----------------+".to_owned());
    lines.join("\n")
}

/// What clients need of the ensemble's configuration: `VERSION host:port,host:port` out of `server.N=..;host:port`
/// lines and `version=..`.
pub(super) fn client_config(text: &str) -> String {
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.trim().to_owned());
    let version = text.lines().find(|line| line.starts_with("version=")).and_then(value).unwrap_or_default();
    let servers: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("server."))
        .filter_map(|line| Some(line.split_once(';')?.1.trim().to_owned()))
        .collect();
    format!("{version} {}", servers.join(","))
}

#[cfg(test)]
mod tests {
    use zk_proto::{Id, Permissions};

    use super::*;

    #[test]
    fn counters_are_hexadecimal_and_dates_javas() {
        let stat_of =
            Stat { czxid: zk_proto::Zxid(0x1f), ctime: 1_136_214_245_000, ephemeral_owner: -1, ..Stat::default() };
        let text = stat(&stat_of, &TimeZone::UTC);
        assert!(text.starts_with("cZxid = 0x1f\nctime = Mon Jan 02 15:04:05 UTC 2006\nmZxid = 0x0\n"), "{text}");
        assert!(text.contains("\nephemeralOwner = 0xffffffffffffffff\n"), "{text}");
        assert_eq!(date(i64::MAX, &TimeZone::UTC), format!("{} ms", i64::MAX));
    }

    #[test]
    fn lists_have_a_line_for_who_and_one_for_what() {
        let list = [Acl::open(), vec![Acl::new(Permissions::READ, Id::new("digest", "u:h"))]].concat();
        assert_eq!(acl(&list), "'world,'anyone\n: cdrwa\n'digest,'u:h\n: r");
    }

    #[test]
    fn bytes_stand_in_rows() {
        let rule = "+--------+-------------------------------------------------+----------------+";
        let text = hex_dump(b"hello, hex dump!\x00");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], rule);
        assert_eq!(lines[3], "|00000000| 68 65 6c 6c 6f 2c 20 68 65 78 20 64 75 6d 70 21 |hello, hex dump!|");
        assert_eq!(lines[4], "|00000010| 00                                              |.               |");
        assert_eq!((lines[5], lines.len()), (rule, 6));
        assert_eq!(hex_dump(b""), "");
    }

    #[test]
    fn events_are_javas() {
        let fired = zk_client::WatchedEvent { kind: EventKind::NodeCreated, path: "/a".to_owned() };
        assert_eq!(
            event(&Event::Watch(fired)),
            "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeCreated path:/a"
        );
        assert!(closed().ends_with("state:Closed type:None path:null"));
    }

    #[test]
    fn clients_need_addresses() {
        let text = "server.1=a:1:2:participant;a:2181\nserver.2=b:1:2;b:2182\nversion=100000000";
        assert_eq!(client_config(text), "100000000 a:2181,b:2182");
        assert_eq!(client_config(""), " ");
    }
}
