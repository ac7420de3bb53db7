//! Transactions as Apache's tool prints them: records in jute's text form, data as it is.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use zk_proto::{Acl, LoggedTxn, OpCode, Txn, Writer};
use zk_store::raw_log::Head;

use crate::zk_files::{java_text, java_time};

/// The first line.
pub(super) fn head(head: &Head) -> String {
    format!("ZooKeeper Transactional Log File with dbid {} txnlog format version {}", head.dbid, head.version)
}

/// A transaction, its last line ended.
pub(super) fn transaction(logged: &LoggedTxn, zone: &TimeZone) -> String {
    let header = &logged.header;
    let mut text = format!(
        "{} session {:#x} cxid {:#x} zxid {:#x} {} {}",
        java_time(header.time, "%-m/%-d/%y, %-I:%M:%S %p %Z", zone),
        header.client_id.0,
        i64::from(header.cxid),
        header.zxid.0,
        op_name(header.op),
        record(&logged.txn),
    );
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The name of an op code.
fn op_name(op: i32) -> String {
    let name = match OpCode::from_code(op) {
        Some(OpCode::Create) => "create",
        Some(OpCode::Create2) => "create2",
        Some(OpCode::CreateContainer) => "createContainer",
        Some(OpCode::CreateTtl) => "createTtl",
        Some(OpCode::Delete) => "delete",
        Some(OpCode::DeleteContainer) => "deleteContainer",
        Some(OpCode::SetData) => "setData",
        Some(OpCode::Reconfig) => "reconfig",
        Some(OpCode::SetAcl) => "setACL",
        Some(OpCode::Check) => "check",
        Some(OpCode::Multi) => "multi",
        Some(OpCode::CreateSession) => "createSession",
        Some(OpCode::CloseSession) => "closeSession",
        Some(OpCode::Error) => "error",
        _ => return format!("unknown {op}"),
    };
    name.to_owned()
}

fn record(txn: &Txn) -> String {
    match txn {
        Txn::Create(create) | Txn::Create2(create) => format!(
            "{},{},{},{},{}",
            create.path,
            data(create.data.as_deref()),
            acl_list(&create.acl),
            create.ephemeral,
            create.parent_cversion
        ),
        Txn::CreateContainer(create) => format!(
            "{},{},{},{}",
            create.path,
            data(create.data.as_deref()),
            acl_list(&create.acl),
            create.parent_cversion
        ),
        Txn::CreateTtl(create) => format!(
            "{},{},{},{},{}",
            create.path,
            data(create.data.as_deref()),
            acl_list(&create.acl),
            create.parent_cversion,
            create.ttl
        ),
        Txn::SetData(set) | Txn::Reconfig(set) => {
            format!("{},{},{}", set.path, data(set.data.as_deref()), set.version)
        }
        Txn::Multi(parts) => parts.iter().map(part).collect::<Vec<_>>().join(";"),
        Txn::Delete(delete) | Txn::DeleteContainer(delete) => format!("{}\n", string(&delete.path)),
        Txn::SetAcl(set) => {
            let entries: Vec<String> = set.acl.iter().map(|entry| format!("s{{{}}}", acl(entry))).collect();
            format!("{},v{{{}}},{}\n", string(&set.path), entries.join(","), set.version)
        }
        Txn::Check(check) => format!("{},{}\n", string(&check.path), check.version),
        Txn::CreateSession(create) => format!("{}\n", create.timeout_ms),
        Txn::CloseSession(Some(paths)) => {
            let paths: Vec<String> = paths.iter().map(|path| string(path)).collect();
            format!("v{{{}}}\n", paths.join(","))
        }
        Txn::CloseSession(None) => String::new(),
        Txn::Error(code) => format!("{}\n", code.code()),
    }
}

/// A part of a multi: its bytes, as far as they are text.
fn part(txn: &Txn) -> String {
    let mut out = Writer::new();
    txn.write(&mut out);
    format!("{}:{}", op_name(txn.op().code()), data(Some(&out.into_bytes())))
}

fn data(data: Option<&[u8]>) -> String {
    java_text(data.unwrap_or_default())
}

/// A Java list of records, each of which ends its line.
fn acl_list(list: &[Acl]) -> String {
    let entries: Vec<String> = list.iter().map(|entry| format!("{}\n", acl(entry))).collect();
    format!("[{}]", entries.join(", "))
}

fn acl(entry: &Acl) -> String {
    format!("{},s{{{},{}}}", entry.perms.0, string(&entry.id.scheme), string(&entry.id.id))
}

/// A string in jute's text form.
fn string(text: &str) -> String {
    let mut out = String::from("'");
    for letter in text.chars() {
        match letter {
            '\0' | '\n' | '\r' | ',' | '}' | '%' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{:02X}", u32::from(letter));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_proto::txn::{CreateSessionTxn, CreateTxn, DeleteTxn, SetAclTxn};
    use zk_proto::{ErrorCode, Id, Permissions, SessionId, TxnHeader, Zxid};

    use super::*;

    fn line(txn: Txn) -> String {
        let header = TxnHeader {
            client_id: SessionId(0x1000),
            cxid: -1,
            zxid: Zxid(0x22),
            time: 1_795_334_010_000,
            op: txn.op().code(),
        };
        transaction(&LoggedTxn { header, txn, digest: None }, &TimeZone::UTC)
    }

    const START: &str = "11/22/26, 7:53:30 AM UTC session 0x1000 cxid 0xffffffffffffffff zxid 0x22";

    #[test]
    fn records_are_those_of_jute() {
        let create = CreateTxn {
            path: "/a".into(),
            data: Some(Bytes::from_static(b"one\xff")),
            acl: Acl::open(),
            ephemeral: true,
            parent_cversion: 3,
        };
        let expected = format!("{START} create /a,one\u{fffd},[31,s{{'world,'anyone}}\n],true,3\n");
        assert_eq!(line(Txn::Create(create)), expected);
        let delete = DeleteTxn { path: "/a,b%}".into() };
        assert_eq!(line(Txn::Delete(delete.clone())), format!("{START} delete '/a%2Cb%25%7D\n"));
        let multi = Txn::Multi(vec![Txn::Delete(delete), Txn::Error(ErrorCode::Ok)]);
        assert_eq!(line(multi), format!("{START} multi delete:\0\0\0\u{6}/a,b%}};error:\0\0\0\0\n"));
        let acl = [Acl::read_only(), vec![Acl::new(Permissions(3), Id::new("ip", "::1"))]].concat();
        let set = SetAclTxn { path: "/a".into(), acl, version: 1 };
        let expected = format!("{START} setACL '/a,v{{s{{1,s{{'world,'anyone}}}},s{{3,s{{'ip,'::1}}}}}},1\n");
        assert_eq!(line(Txn::SetAcl(set)), expected);
        assert_eq!(line(Txn::CreateSession(CreateSessionTxn { timeout_ms: 5 })), format!("{START} createSession 5\n"));
        assert_eq!(line(Txn::CloseSession(None)), format!("{START} closeSession \n"));
        let two = Txn::CloseSession(Some(vec!["/a".into(), "/b".into()]));
        assert_eq!(line(two), format!("{START} closeSession v{{'/a,'/b}}\n"));
        assert_eq!(line(Txn::Error(ErrorCode::NoNode)), format!("{START} error -101\n"));
        assert_eq!(op_name(777), "unknown 777");
    }
}
