//! Znodes and sessions in the words of Apache's tool.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use zk_proto::{SessionId, StatPersisted};

use crate::commands::zookeeper_shell::date;

/// A znode's lines, without the rule above them.
pub(super) fn node(path: &str, stat: &StatPersisted, data: Option<&[u8]>, with_data: bool, zone: &TimeZone) -> String {
    let data = if with_data {
        format!("data = {}", STANDARD.encode(data.unwrap_or_default()))
    } else {
        format!("dataLength = {}", data.map_or(0, <[u8]>::len))
    };
    [
        path.to_owned(),
        format!("  cZxid = {}", hex(stat.czxid.0)),
        format!("  ctime = {}", date(stat.ctime, zone)),
        format!("  mZxid = {}", hex(stat.mzxid.0)),
        format!("  mtime = {}", date(stat.mtime, zone)),
        format!("  pZxid = {}", hex(stat.pzxid.0)),
        format!("  cversion = {}", stat.cversion),
        format!("  dataVersion = {}", stat.version),
        format!("  aclVersion = {}", stat.aversion),
        format!("  ephemeralOwner = {}", hex(stat.ephemeral_owner)),
        format!("  {data}\n"),
    ]
    .join("\n")
}

/// A session's line.
pub(super) fn session(session: SessionId, timeout_ms: i32, ephemerals: usize) -> String {
    format!("{}, {timeout_ms}, {ephemerals}", hex(session.0))
}

/// Sixteen characters at least, `0x` counted.
fn hex(number: i64) -> String {
    format!("{number:#016x}")
}

/// What stands before the znodes.
pub(super) fn json_head(now_ms: i64) -> String {
    format!("[1,0,{{\"progname\":\"SnapshotFormatter.java\",\"progver\":\"0.01\",\"timestamp\":{now_ms}}}")
}

/// A znode by its last name.
pub(super) fn json_node(path: &str, len: usize, inode: u64) -> String {
    let name = if path == "/" { path } else { path.rsplit('/').next().unwrap_or(path) };
    format!("{{\"name\":\"{}\",\"asize\":{len},\"dsize\":{len},\"dev\":0,\"ino\":{inode}}}", escaped(name))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use zk_proto::Zxid;

    use super::*;

    #[test]
    fn figures_are_those_of_apache() {
        let stat = StatPersisted { czxid: Zxid(4), ephemeral_owner: 0x0100_002c_1a96_0000, ..StatPersisted::default() };
        let text = node("/a", &stat, Some(b"e"), true, &TimeZone::UTC);
        let start = "/a\n  cZxid = 0x00000000000004\n  ctime = Thu Jan 01 00:00:00 UTC 1970\n";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("  ephemeralOwner = 0x100002c1a960000\n  data = ZQ==\n"), "{text}");
        assert!(node("/a", &stat, None, false, &TimeZone::UTC).ends_with("  dataLength = 0\n"));
        assert_eq!(session(SessionId(0x0100_002c_1a96_0000), 30000, 2), "0x100002c1a960000, 30000, 2");
    }

    #[test]
    fn names_are_quoted() {
        let expected = r#"{"name":"a\"\\\u0001","asize":3,"dsize":3,"dev":0,"ino":7}"#;
        assert_eq!(json_node("/x/a\"\\\u{1}", 3, 7), expected);
        assert!(json_node("/", 0, 1).starts_with(r#"{"name":"/","#));
    }
}
