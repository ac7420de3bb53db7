//! Records against Apache's bytes: every entry of captured logs, every frame of captured conversations.
#![expect(clippy::disallowed_methods, reason = "tests read the captures")]

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::connect::{ConnectRequest, ConnectResponse};
use crate::header::{ReplyHeader, RequestHeader, xid};
use crate::ops::WatcherEvent;
use crate::request::{Request, Response};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");

/// The bodies of a log file's entries, up to the padding or a torn end.
fn log_entries(path: &Path) -> Vec<Bytes> {
    let mut reader = Reader::new(Bytes::from(std::fs::read(path).unwrap()));
    reader.take(16).unwrap();
    let mut entries = Vec::new();
    while reader.remaining() >= 12 {
        i64::read(&mut reader).unwrap();
        let len = i32::read(&mut reader).unwrap();
        if len == 0 {
            break;
        }
        let Ok(body) = reader.take(len as usize) else { break };
        entries.push(body);
        assert!(reader.take(1).unwrap().as_ref() == b"B");
    }
    entries
}

#[test]
fn every_logged_transaction_is_read_and_written_as_apache_wrote_it() {
    let mut types = HashMap::new();
    for directory in ["clean", "killed", "torn"] {
        for file in std::fs::read_dir(format!("{GOLDEN}/zk-data/{directory}/version-2")).unwrap() {
            let path = file.unwrap().path();
            if !path.file_name().unwrap().to_string_lossy().starts_with("log.") {
                continue;
            }
            for body in log_entries(&path) {
                let logged = LoggedTxn::from_bytes(body.clone()).unwrap();
                assert_eq!(logged.to_bytes(), body, "{} {:?}", path.display(), logged.header);
                assert_eq!(logged.digest.is_none(), logged.txn.op() == OpCode::Error);
                assert!(logged.digest.is_none_or(|digest| digest.version == DIGEST_VERSION));
                *types.entry(logged.header.op).or_insert(0) += 1;
            }
        }
    }
    for op in [1, 2, 5, 7, 14, 15, 19, 20, 21, -10, -11, -1] {
        assert!(types.contains_key(&op), "no transaction of type {op} in the captures");
    }
}

#[test]
fn forms_of_older_servers() {
    let mut out = Writer::new();
    TxnHeader { op: OpCode::Create.code(), ..TxnHeader::default() }.write(&mut out);
    out.string("/a");
    None::<Bytes>.write(&mut out);
    Acl::open().write(&mut out);
    true.write(&mut out);
    let logged = LoggedTxn::from_bytes(out.into_bytes()).unwrap();
    assert!(matches!(logged.txn, Txn::Create(CreateTxn { parent_cversion: -1, ephemeral: true, .. })));

    let header = TxnHeader { op: OpCode::CloseSession.code(), ..TxnHeader::default() };
    let logged = LoggedTxn::from_bytes(header.to_bytes()).unwrap();
    assert_eq!(logged.txn, Txn::CloseSession(None));
}

#[test]
fn a_multi_within_a_multi_is_refused() {
    let inner = Txn::Multi(vec![]);
    let mut out = Writer::new();
    Txn::Multi(vec![inner]).write(&mut out);
    assert!(matches!(Txn::read(14, &mut Reader::new(out.into_bytes())), Err(DecodeError::BadValue { value: 14, .. })));
}

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Reads a frame to its end, writes it again, and gives back what `answer` needs to know.
fn request_round_trip(frame: &Bytes) -> (i32, OpCode) {
    let mut reader = Reader::new(frame.clone());
    let header = RequestHeader::read(&mut reader).unwrap();
    let op = OpCode::from_code(header.op).unwrap();
    let request = Request::read(op, &mut reader).unwrap().unwrap();
    assert_eq!(reader.remaining(), 0, "{request:?}");
    let mut out = Writer::new();
    header.write(&mut out);
    request.write(&mut out);
    assert_eq!(out.as_slice(), frame.as_ref(), "{request:?}");
    (header.xid, op)
}

fn reply_round_trip(frame: &Bytes, asked: &HashMap<i32, OpCode>) {
    let mut reader = Reader::new(frame.clone());
    let header = ReplyHeader::read(&mut reader).unwrap();
    let mut out = Writer::new();
    header.write(&mut out);
    if header.xid == xid::NOTIFICATION {
        WatcherEvent::read(&mut reader).unwrap().write(&mut out);
    } else if header.err == 0 {
        Response::read(asked[&header.xid], &mut reader).unwrap().write(&mut out);
    }
    assert_eq!(reader.remaining(), 0, "{header:?}");
    assert_eq!(out.as_slice(), frame.as_ref(), "{header:?}");
}

#[test]
fn every_frame_of_kafka_and_the_shell_is_read_and_written_as_it_was() {
    let mut frames = 0;
    for name in ["broker-0-start-to-topic-created", "broker-1-joins", "shell"] {
        let text = std::fs::read_to_string(format!("{GOLDEN}/frames/zookeeper-{name}.jsonl")).unwrap();
        let mut asked: HashMap<i64, HashMap<i32, OpCode>> = HashMap::new();
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let frame = unhex(line["frame"].as_str().unwrap());
            let asked = asked.entry(line["connection"].as_i64().unwrap()).or_default();
            let to_server = line["direction"] == "to-server";
            frames += 1;
            match (line["op"].as_str().unwrap(), to_server) {
                ("connect", true) => {
                    assert_eq!(ConnectRequest::from_bytes(frame.clone()).unwrap().to_bytes(), frame);
                }
                ("connect", false) => {
                    assert_eq!(ConnectResponse::from_bytes(frame.clone()).unwrap().to_bytes(), frame);
                }
                (_, true) => {
                    let (xid, op) = request_round_trip(&frame);
                    asked.insert(xid, op);
                }
                (_, false) => reply_round_trip(&frame, asked),
            }
        }
    }
    assert!(frames > 300, "only {frames} frames in the captures");
}

/// Found by the fuzzer.
#[test]
fn a_closed_session_without_a_list_keeps_its_digest() {
    let header =
        TxnHeader { client_id: SessionId(1), cxid: 0, zxid: Zxid(1), time: 1, op: OpCode::CloseSession.code() };
    for digest in [None, Some(TxnDigest { version: 2, tree_digest: 7 })] {
        let logged = LoggedTxn { header, txn: Txn::CloseSession(None), digest };
        assert_eq!(LoggedTxn::from_bytes(logged.to_bytes()), Ok(logged));
    }
}
