//! Apache's snapshots in; fuzzy dumps out and in again.
#![expect(clippy::disallowed_methods, reason = "tests read the captures")]

use bytes::Bytes;
use proptest::prelude::*;
use zk_proto::txn::{CreateTxn, DeleteTxn, SetAclTxn, SetDataTxn};
use zk_proto::{Id, Jute, Permissions, Reader, Txn, TxnHeader};

use super::*;
use crate::apply::tests::whole_history;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/zk-data");

/// The state of a captured snapshot, and the digest it says to have with the zxid of that.
fn captured(name: &str) -> (ZkState, Zxid, i64) {
    let bytes = std::fs::read(format!("{GOLDEN}/clean/version-2/{name}")).unwrap();
    let reader = &mut Reader::new(Bytes::from(bytes));
    reader.take(16).unwrap();
    let mut loader = Loader::new();
    for _ in 0..i32::read(reader).unwrap() {
        loader.session(SessionId::read(reader).unwrap(), i32::read(reader).unwrap());
    }
    for _ in 0..i32::read(reader).unwrap() {
        loader.acl(i64::read(reader).unwrap(), Vec::read(reader).unwrap()).unwrap();
    }
    loop {
        let path = String::read(reader).unwrap();
        if path == "/" {
            break;
        }
        let data = Option::<Bytes>::read(reader).unwrap();
        let acl = i64::read(reader).unwrap();
        loader.node(&path, data.as_deref(), acl, StatPersisted::read(reader).unwrap()).unwrap();
    }
    i64::read(reader).unwrap();
    assert_eq!(String::read(reader).unwrap(), "/");
    let zxid = Zxid::read(reader).unwrap();
    i32::read(reader).unwrap();
    let digest = i64::read(reader).unwrap();
    (loader.finish(zxid).unwrap(), zxid, digest)
}

#[test]
fn apaches_snapshots_have_apaches_digests() {
    for name in ["snapshot.20", "snapshot.51", "snapshot.83"] {
        let (state, _, digest) = captured(name);
        assert_eq!(state.digest().0, digest, "{name}");
    }
    // Before the first transaction Apache has no digest to write.
    let (state, zxid, digest) = captured("snapshot.0");
    assert_eq!((state.digest().0, zxid, digest), (1_371_985_504, Zxid(0), 0));
}

#[test]
fn a_snapshot_and_the_history_up_to_it_are_the_same() {
    let (loaded, zxid, _) = captured("snapshot.51");
    let mut replayed = ZkState::new();
    for logged in whole_history().iter().filter(|logged| logged.header.zxid <= zxid) {
        replayed.apply(&logged.header, &logged.txn);
    }
    // Usage of quotas is kept up by the server itself, outside of transactions.
    let rows = |state| dump(state, usize::MAX, |_| {}).into_iter().filter(|row| !row.0.ends_with("/zookeeper_stats"));
    for (loaded, replayed) in rows(&loaded).zip(rows(&replayed)) {
        assert_eq!(loaded, replayed);
    }
    assert_eq!(loaded.tree().node_count(), replayed.tree().node_count());
    assert_eq!(loaded.tree().ephemeral_count(), replayed.tree().ephemeral_count());
    assert!(loaded.tree().containers().eq(replayed.tree().containers()));
    assert!(loaded.tree().ttls().eq(replayed.tree().ttls()));
}

type Row = (String, Option<Vec<u8>>, Vec<Acl>, StatPersisted);

/// All znodes with their ACLs, in slices of `slice`.
fn dump(state: &ZkState, slice: usize, mut between: impl FnMut(usize)) -> Vec<Row> {
    let mut cursor = DumpCursor::new(state);
    let lists: HashMap<i64, Vec<Acl>> =
        state.tree().acls().iter().map(|(id, acls)| (id.index(), acls.to_vec())).chain([(-1, Acl::open())]).collect();
    let mut rows = Vec::new();
    let mut slices = 0;
    while cursor
        .next_slice(state, slice, |node| {
            let row = (node.path.to_owned(), node.data.map(<[u8]>::to_vec), lists[&node.acl_index].clone(), node.stat);
            rows.push(row);
            Ok::<(), ()>(())
        })
        .unwrap()
    {
        slices += 1;
        between(slices);
    }
    rows
}

#[test]
fn slices_of_any_size_give_the_same() {
    let (state, ..) = captured("snapshot.83");
    let whole = dump(&state, usize::MAX, |_| {});
    assert_eq!(whole.len() + 1, state.tree().node_count());
    for slice in [1, 2, 3, 7] {
        assert_eq!(dump(&state, slice, |_| {}), whole);
    }
}

#[test]
fn what_is_no_state() {
    let stat = StatPersisted::default();
    assert_eq!(Loader::new().finish(Zxid(0)).unwrap_err(), LoadError::NoRoot);
    let mut loader = Loader::new();
    let early = loader.node("/early", None, -1, stat);
    assert_eq!(early, Err(LoadError::NoParent { path: "/early".into() }), "the root comes first");
    loader.node("", None, -1, stat).unwrap();
    assert_eq!(loader.node("", None, -1, stat), Err(LoadError::Twice { path: "/".into() }));
    assert_eq!(loader.node("/a/b", None, -1, stat), Err(LoadError::NoParent { path: "/a/b".into() }));
    // Its parent would be the root, and its path another one when it is dumped.
    assert_eq!(loader.node("//a", None, -1, stat), Err(LoadError::NoParent { path: "//a".into() }));
    assert_eq!(loader.node("b", None, -1, stat), Err(LoadError::NoParent { path: "b".into() }));
    loader.node("/a", None, 5, stat).unwrap();
    assert_eq!(loader.node("/a", None, -1, stat), Err(LoadError::Twice { path: "/a".into() }));
    let state = loader.finish(Zxid(0)).unwrap();
    let node = state.tree().get("/a").unwrap();
    assert_eq!(state.tree().acl_of(node).as_ref(), nobody(), "an unknown list lets nobody in");
}

/// A random transaction over a small set of paths, as a server could have logged it.
#[derive(Debug, Clone)]
enum Step {
    Create(usize, bool),
    Delete(usize),
    Set(usize),
    SetAcl(usize, u8),
    Close(i64),
}

const PATHS: [&str; 9] = ["/a", "/a/x", "/a/y", "/a/y/z", "/b", "/b/x", "/c", "/c/d", "/c/d/e"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = 0..PATHS.len();
    let step = prop_oneof![
        4 => (path.clone(), any::<bool>()).prop_map(|(path, ephemeral)| Step::Create(path, ephemeral)),
        2 => path.clone().prop_map(Step::Delete),
        2 => path.clone().prop_map(Step::Set),
        1 => (path, 0..3u8).prop_map(|(path, acl)| Step::SetAcl(path, acl)),
        1 => (1..3i64).prop_map(Step::Close),
    ];
    proptest::collection::vec(step, 1..60)
}

/// The transaction of a step if it is one that `prepare` would have allowed.
fn transaction(state: &ZkState, step: &Step, zxid: i64) -> Option<(TxnHeader, Txn)> {
    let tree = state.tree();
    let session = SessionId(1 + zxid % 2);
    let txn = match step {
        Step::Create(path, ephemeral) => {
            let (parent, _) = path::split(PATHS[*path])?;
            let parent = tree.get(parent)?;
            if tree.get(PATHS[*path]).is_some() || parent.stored_stat().ephemeral_owner != 0 {
                return None;
            }
            Txn::Create(CreateTxn {
                path: PATHS[*path].into(),
                data: Some(zxid.to_string().into()),
                acl: Acl::open(),
                ephemeral: *ephemeral,
                parent_cversion: parent.stored_stat().cversion + 1,
            })
        }
        Step::Delete(path) => {
            tree.get(PATHS[*path]).filter(|node| node.child_count() == 0)?;
            Txn::Delete(DeleteTxn { path: PATHS[*path].into() })
        }
        Step::Set(path) => {
            let version = tree.get(PATHS[*path])?.stat().version + 1;
            Txn::SetData(SetDataTxn { path: PATHS[*path].into(), data: Some(zxid.to_string().into()), version })
        }
        Step::SetAcl(path, who) => {
            let version = tree.get(PATHS[*path])?.stat().aversion + 1;
            let acl = vec![Acl::new(Permissions::ALL, Id::new("digest", &format!("user{who}:x")))];
            Txn::SetAcl(SetAclTxn { path: PATHS[*path].into(), acl, version })
        }
        Step::Close(session) => {
            let paths = tree.ephemerals_of(SessionId(*session)).map(str::to_owned).collect();
            let header = TxnHeader { client_id: SessionId(*session), cxid: 0, zxid: Zxid(zxid), time: zxid, op: -11 };
            return Some((header, Txn::CloseSession(Some(paths))));
        }
    };
    Some((TxnHeader { client_id: session, cxid: 0, zxid: Zxid(zxid), time: zxid, op: txn.op().code() }, txn))
}

proptest! {
    /// A dump in small slices under writes, loaded, and the log behind its start replayed: the same state.
    #[test]
    fn a_fuzzy_dump_and_the_log_are_the_state(before in steps(), during in steps(), slice in 1..4usize) {
        let mut state = ZkState::new();
        let mut zxid = 0;
        let mut log = Vec::new();
        for step in &before {
            if let Some((header, txn)) = transaction(&state, step, zxid + 1) {
                zxid += 1;
                state.apply(&header, &txn);
            }
        }
        let mut loader = Loader::new();
        let mut cursor = DumpCursor::new(&state);
        let start = cursor.start_zxid();
        prop_assert_eq!(start, Zxid(zxid));
        for (session, timeout) in state.sessions().iter() {
            loader.session(session, timeout);
        }
        for (id, acls) in state.tree().acls().iter() {
            loader.acl(id.index(), acls.to_vec()).unwrap();
        }
        let mut steps = during.iter();
        while cursor.next_slice(&state, slice, |node| loader.node(node.path, node.data, node.acl_index, node.stat)).unwrap() {
            for step in steps.by_ref().take(2) {
                if let Some((header, txn)) = transaction(&state, step, zxid + 1) {
                    zxid += 1;
                    state.apply(&header, &txn);
                    log.push((header, txn));
                }
            }
        }
        let mut loaded = loader.finish(start).unwrap();
        for (header, txn) in &log {
            loaded.apply(header, txn);
        }
        prop_assert_eq!(dump(&loaded, usize::MAX, |_| {}), dump(&state, usize::MAX, |_| {}));
        prop_assert_eq!(loaded.digest(), state.digest());
        prop_assert_eq!(loaded.tree().node_count(), state.tree().node_count());
        prop_assert_eq!(loaded.tree().ephemeral_count(), state.tree().ephemeral_count());
        prop_assert_eq!(loaded.tree().approximate_data_size(), state.tree().approximate_data_size());
    }
}
