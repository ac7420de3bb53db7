//! Who hears of what.

use zk_proto::txn::{CreateTxn, SetDataTxn};
use zk_proto::{Txn, TxnHeader, Zxid};

use super::*;

const A: WatcherId = WatcherId(1);
const B: WatcherId = WatcherId(2);

fn open() -> Arc<[Acl]> {
    Acl::open().into()
}

fn created(path: &str) -> NodeEvent {
    NodeEvent::Created { path: path.into(), acl: open(), parent_acl: open() }
}

fn deleted(path: &str) -> NodeEvent {
    NodeEvent::Deleted { path: path.into(), acl: open(), parent_acl: open() }
}

fn changed(path: &str) -> NodeEvent {
    NodeEvent::DataChanged { path: path.into(), acl: open() }
}

fn fire(watches: &mut Watches, event: &NodeEvent) -> Vec<(u64, i32, String)> {
    let mut told = Vec::new();
    watches.fire(event, |notice| told.push((notice.watcher.0, notice.kind, notice.path.to_owned())));
    told
}

#[test]
fn one_shot_watches_fire_once() {
    let mut watches = Watches::default();
    watches.add("/a", A, WatchKinds::DATA);
    watches.add("/a", A, WatchKinds::DATA);
    assert_eq!(fire(&mut watches, &changed("/a")), [(1, 3, "/a".into())]);
    assert_eq!(fire(&mut watches, &changed("/a")), []);
    assert_eq!(watches.counts(), (0, 0));
}

#[test]
fn creation_and_deletion_tell_the_parents_watchers() {
    let mut watches = Watches::default();
    watches.add("/a/b", A, WatchKinds::DATA);
    watches.add("/a", B, WatchKinds::CHILD);
    watches.add("/a", A, WatchKinds::DATA);
    assert_eq!(fire(&mut watches, &created("/a/b")), [(1, 1, "/a/b".into()), (2, 4, "/a".into())]);
    watches.add("/", B, WatchKinds::CHILD);
    assert_eq!(fire(&mut watches, &deleted("/a")), [(1, 2, "/a".into()), (2, 4, "/".into())]);
}

#[test]
fn a_deletion_is_told_once_per_watcher() {
    let mut watches = Watches::default();
    watches.add("/a", A, WatchKinds::DATA | WatchKinds::CHILD);
    watches.add("/a", B, WatchKinds::CHILD);
    assert_eq!(fire(&mut watches, &deleted("/a")), [(1, 2, "/a".into()), (2, 2, "/a".into())]);
    assert_eq!(watches.counts(), (0, 0));
}

#[test]
fn persistent_watches_stay() {
    let mut watches = Watches::default();
    watches.add("/a", A, WatchKinds::PERSISTENT);
    watches.add("/a", B, WatchKinds::RECURSIVE);
    for _ in 0..2 {
        assert_eq!(fire(&mut watches, &created("/a/b")), [(2, 1, "/a/b".into()), (1, 4, "/a".into())]);
        assert_eq!(fire(&mut watches, &changed("/a")), [(1, 3, "/a".into()), (2, 3, "/a".into())]);
        assert_eq!(fire(&mut watches, &deleted("/a/b/c")), [(2, 2, "/a/b/c".into())]);
    }
    watches.add("/", A, WatchKinds::RECURSIVE);
    assert_eq!(fire(&mut watches, &changed("/x/y")), [(1, 3, "/x/y".into())]);
    assert_eq!(fire(&mut watches, &changed("/")), [(1, 3, "/".into())]);
}

#[test]
fn kinds_are_removed_one_by_one() {
    let mut watches = Watches::default();
    watches.add("/a", A, WatchKinds::DATA | WatchKinds::PERSISTENT);
    assert!(!watches.remove("/a", A, WatchKinds::CHILD));
    assert!(!watches.remove("/a", B, WatchKinds::ANY));
    assert!(watches.remove("/a", A, WatchKinds::DATA));
    assert!(watches.has("/a", A, WatchKinds::PERSISTENT) && !watches.has("/a", A, WatchKinds::DATA));
    assert!(watches.remove("/a", A, WatchKinds::ANY));
    assert_eq!(watches.counts(), (0, 0));
    assert!(watches.by_path.is_empty() && watches.by_watcher.is_empty());
}

#[test]
fn a_connection_takes_its_watches_along() {
    let mut watches = Watches::default();
    for path in ["/a", "/b", "/c"] {
        watches.add(path, A, WatchKinds::DATA);
        watches.add(path, B, WatchKinds::CHILD | WatchKinds::RECURSIVE);
    }
    assert_eq!(watches.counts(), (6, 3));
    for watcher in [A, B] {
        assert_eq!(watches.paths_of(watcher, WatchKinds::DATA_TABLE).count(), 3);
    }
    assert_eq!(watches.paths_of(A, WatchKinds::CHILD).count(), 0);
    watches.forget(B);
    assert_eq!(watches.counts(), (3, 0));
    watches.forget(A);
    assert!(watches.by_path.is_empty() && watches.by_watcher.is_empty() && watches.recursive == 0);
}

#[test]
fn at_the_empty_path_nothing_fires() {
    let mut watches = Watches::default();
    watches.add("", A, WatchKinds::ANY);
    watches.add("/", B, WatchKinds::DATA | WatchKinds::CHILD);
    assert_eq!(fire(&mut watches, &created("/a")), [(2, 4, "/".into())]);
    assert_eq!(fire(&mut watches, &changed("")), [(2, 3, "/".into())]);
    assert!(watches.has("", A, WatchKinds::ANY) && !watches.has("/", B, WatchKinds::ANY));
}

#[test]
fn what_was_missed_is_told_and_the_rest_is_watched_again() {
    let mut state = ZkState::new();
    for (zxid, path) in [(1, "/old"), (2, "/set"), (3, "/parent"), (6, "/parent/child"), (7, "/new")] {
        let txn = CreateTxn { path: path.into(), data: None, acl: Acl::open(), ephemeral: false, parent_cversion: -1 };
        state.apply(&TxnHeader { zxid: Zxid(zxid), ..TxnHeader::default() }, &Txn::Create(txn));
    }
    let set = Txn::SetData(SetDataTxn { path: "/set".into(), data: None, version: 1 });
    state.apply(&TxnHeader { zxid: Zxid(8), ..TxnHeader::default() }, &set);
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let old = SetWatches2 {
        relative_zxid: Zxid(5),
        data_watches: paths(&["/old", "/set", "/gone"]),
        exist_watches: paths(&["/new", "/never"]),
        child_watches: paths(&["/parent", "/old", "/gone"]),
        persistent_watches: paths(&["/old"]),
        persistent_recursive_watches: paths(&["/new"]),
    };
    let mut watches = Watches::default();
    let mut told = Vec::new();
    watches.set_again(&state, A, &old, |notice| {
        assert!(notice.acl.is_none(), "it is told whoever may read");
        told.push((notice.kind, notice.path.to_owned()));
    });
    let expected = [(3, "/set"), (2, "/gone"), (1, "/new"), (4, "/parent"), (2, "/gone")];
    assert_eq!(told, expected.map(|(kind, path)| (kind, path.to_owned())));
    assert!(watches.has("/old", A, WatchKinds::DATA) && watches.has("/never", A, WatchKinds::DATA));
    assert!(watches.has("/old", A, WatchKinds::CHILD) && !watches.has("/parent", A, WatchKinds::CHILD));
    assert!(watches.has("/old", A, WatchKinds::PERSISTENT) && watches.has("/new", A, WatchKinds::RECURSIVE));
    assert!(!watches.has("/set", A, WatchKinds::ANY));
}
