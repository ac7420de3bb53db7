//! Apache's own logs, replayed: after every transaction the digest must be the one that Apache logged.
#![expect(clippy::disallowed_methods, reason = "tests read the captures")]

use bytes::Bytes;
use zk_proto::txn::DeleteTxn;
use zk_proto::{Jute, LoggedTxn, Reader, Zxid};

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/zk-data");

pub(crate) fn logged(directory: &str, log: &str) -> Vec<LoggedTxn> {
    let bytes = std::fs::read(format!("{GOLDEN}/{directory}/version-2/{log}")).unwrap();
    let mut reader = Reader::new(Bytes::from(bytes));
    reader.take(16).unwrap();
    let mut txns = Vec::new();
    loop {
        i64::read(&mut reader).unwrap();
        let len = i32::read(&mut reader).unwrap();
        if len == 0 {
            return txns;
        }
        txns.push(LoggedTxn::from_bytes(reader.take(len as usize).unwrap()).unwrap());
        reader.take(1).unwrap();
    }
}

pub(crate) fn whole_history() -> Vec<LoggedTxn> {
    ["log.1", "log.22", "log.53", "log.85"].iter().flat_map(|log| logged("clean", log)).collect()
}

fn header(op: i32, zxid: i64) -> TxnHeader {
    TxnHeader { client_id: SessionId(7), cxid: 0, zxid: Zxid(zxid), time: 1000 + zxid, op }
}

fn create(path: &str, ephemeral: bool) -> Txn {
    Txn::Create(CreateTxn { path: path.into(), data: None, acl: Acl::open(), ephemeral, parent_cversion: -1 })
}

#[test]
fn apaches_history_gives_apaches_digests() {
    let mut state = ZkState::new();
    let mut compared = 0;
    for logged in whole_history() {
        let applied = state.apply(&logged.header, &logged.txn);
        if let Some(digest) = logged.digest {
            assert_eq!(state.digest().0, digest.tree_digest, "{:?} {:?} {applied:?}", logged.header, logged.txn);
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    assert_eq!(state.last_zxid(), Zxid(0xa2));
}

#[test]
fn replaying_a_history_twice_changes_nothing_but_times() {
    let mut once = ZkState::new();
    let mut twice = ZkState::new();
    let history = whole_history();
    for logged in &history {
        once.apply(&logged.header, &logged.txn);
        twice.apply(&logged.header, &logged.txn);
    }
    // As if the snapshot held everything and the log were replayed from its middle.
    for logged in &history[history.len() / 2..] {
        twice.apply(&logged.header, &logged.txn);
    }
    assert_eq!(once.digest(), twice.digest());
    assert_eq!(once.tree().node_count(), twice.tree().node_count());
    assert_eq!(once.tree().approximate_data_size(), twice.tree().approximate_data_size());
    assert_eq!(once.tree().ephemeral_count(), twice.tree().ephemeral_count());
}

#[test]
fn counters_of_a_parent() {
    let mut state = ZkState::new();
    state.apply(&header(1, 1), &create("/a", false));
    state.apply(&header(1, 2), &create("/a/b", false));
    state.apply(&header(1, 3), &create("/a/c", false));
    let deleted = state.apply(&header(2, 4), &Txn::Delete(DeleteTxn { path: "/a/b".into() }));
    assert_eq!(deleted.outcome, Outcome::Done);
    let stat = state.tree().get("/a").unwrap().stat();
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid, stat.czxid), (3, 1, Zxid(4), Zxid(1)));
}

#[test]
fn what_is_there_already_only_raises_its_parents_counters() {
    let mut state = ZkState::new();
    state.apply(&header(1, 1), &create("/a", false));
    let Txn::Create(mut again) = create("/a", false) else { unreachable!() };
    again.parent_cversion = 9;
    let applied = state.apply(&header(1, 5), &Txn::Create(again.clone()));
    assert_eq!(applied.outcome, Outcome::Failed(ErrorCode::NodeExists));
    assert_eq!(state.tree().get("/").unwrap().stored_stat().cversion, 9);
    assert_eq!(state.tree().get("/").unwrap().stored_stat().pzxid, Zxid(5));
    again.parent_cversion = 3;
    state.apply(&header(1, 6), &Txn::Create(again));
    assert_eq!(state.tree().get("/").unwrap().stored_stat().cversion, 9);
    assert_eq!(state.tree().get("/").unwrap().stored_stat().pzxid, Zxid(5));
}

#[test]
fn a_session_takes_its_ephemerals_along_listed_or_not() {
    let mut state = ZkState::new();
    for (zxid, path) in [(1, "/e1"), (2, "/e2"), (3, "/e3")] {
        state.apply(&header(1, zxid), &create(path, true));
    }
    let applied = state.apply(&header(-11, 4), &Txn::CloseSession(Some(vec!["/e2".into(), "/gone".into()])));
    let deleted: Vec<&str> = applied
        .events
        .iter()
        .map(|event| match event {
            NodeEvent::Deleted { path, .. } => path.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(deleted, ["/e2", "/e1", "/e3"]);
    assert_eq!(state.tree().ephemeral_count(), 0);
    assert_eq!(state.tree().node_count(), 5);
}

#[test]
fn a_failed_multi_tells_who_failed_and_changes_nothing() {
    let mut state = ZkState::new();
    let before = state.digest();
    let parts =
        vec![create("/a", false), Txn::Error(ErrorCode::BadVersion), Txn::Error(ErrorCode::RuntimeInconsistency)];
    let applied = state.apply(&header(14, 1), &Txn::Multi(parts));
    let errors = [ErrorCode::Ok, ErrorCode::BadVersion, ErrorCode::RuntimeInconsistency].map(MultiResult::Error);
    assert_eq!(applied.outcome, Outcome::Multi(errors.to_vec()));
    assert!(applied.events.is_empty());
    assert_eq!((state.digest(), state.last_zxid()), (before, Zxid(1)));
}

#[test]
fn the_root_is_not_deleted() {
    let mut state = ZkState::new();
    let applied = state.apply(&header(2, 1), &Txn::Delete(DeleteTxn { path: "/".into() }));
    assert_eq!(applied.outcome, Outcome::Failed(ErrorCode::NoNode));
}
