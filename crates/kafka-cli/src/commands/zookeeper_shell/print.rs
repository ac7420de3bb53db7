//! Znodes' counters, access control lists and errors in the shell's words.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zk_client::Error;
use zk_proto::{Acl, ErrorCode, Id, Permissions, Stat};

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
fn date(millis: i64, zone: &TimeZone) -> String {
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

/// Reads `scheme:id:perms,..`. What is wrong with it is told line by line; a list that cannot be taken apart is `None`.
pub(super) fn parse_acl(text: &str, complaints: &mut Vec<String>) -> Option<Vec<Acl>> {
    let mut list = Vec::new();
    for entry in text.split(',') {
        let parts = entry.split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
        let Some((scheme, (id, letters))) = parts else {
            complaints.push(format!("{entry} does not have the form scheme:id:perm"));
            return None;
        };
        let mut perms = Permissions(0);
        for letter in letters.chars() {
            perms = perms
                | match letter {
                    'r' => Permissions::READ,
                    'w' => Permissions::WRITE,
                    'c' => Permissions::CREATE,
                    'd' => Permissions::DELETE,
                    'a' => Permissions::ADMIN,
                    other => {
                        complaints.push(format!("Unknown perm type: {other}"));
                        continue;
                    }
                };
        }
        list.push(Acl::new(perms, Id::new(scheme, id)));
    }
    Some(list)
}

/// A failed command in the shell's words.
pub(super) fn error(error: &Error) -> String {
    let Error::Refused { code, path } = error else { return error.to_string() };
    let text = match code {
        ErrorCode::NoNode => "Node does not exist: ",
        ErrorCode::NoChildrenForEphemerals => "Ephemerals cannot have children: ",
        ErrorCode::NodeExists => "Node already exists: ",
        ErrorCode::NotEmpty => "Node not empty: ",
        ErrorCode::NotReadOnly => "Not a read-only call : ",
        ErrorCode::InvalidAcl => "Acl is not valid : ",
        ErrorCode::NoAuth => "Insufficient permission : ",
        ErrorCode::BadArguments => "Arguments are not valid : ",
        ErrorCode::BadVersion => "version No is not valid : ",
        ErrorCode::QuotaExceeded => "Quota has exceeded : ",
        _ => return error.to_string(),
    };
    format!("{text}{path}")
}

#[cfg(test)]
mod tests {
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
    fn lists_are_read_and_written() {
        let mut complaints = Vec::new();
        let list = parse_acl("world:anyone:cdrwa,digest:u:h:r", &mut complaints).unwrap();
        assert_eq!(acl(&list), "'world,'anyone\n: cdrwa\n'digest,'u:h\n: r");
        assert!(complaints.is_empty());
        assert_eq!(parse_acl("nonsense", &mut complaints), None);
        assert_eq!(parse_acl("a:b", &mut complaints), None);
        parse_acl("a:b:ry", &mut complaints).unwrap();
        assert_eq!(
            complaints,
            [
                "nonsense does not have the form scheme:id:perm",
                "a:b does not have the form scheme:id:perm",
                "Unknown perm type: y"
            ]
        );
    }
}
