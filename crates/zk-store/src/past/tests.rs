//! A server's life, and every moment of it found again.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use vfs::{MemoryVfs, OpenMode};
use zk_proto::txn::{CreateSessionTxn, CreateTxn, DeleteTxn, SetAclTxn, SetDataTxn};
use zk_proto::{Acl, ErrorCode, LoggedTxn, SessionId, Txn, TxnHeader};

use super::*;
use crate::file_names::Compression;
use crate::snapshot::{SnapshotDump, SnapshotSink};
use crate::txn_log::{TxnLog, TxnLogOptions};

/// A server's life: every transaction goes to the log and the state, snapshots are taken in between.
struct Life {
    vfs: Arc<dyn Vfs>,
    memory: MemoryVfs,
    dirs: Dirs,
    log: TxnLog,
    state: ZkState,
}

const SESSION: SessionId = SessionId(0x77);

impl Life {
    fn new() -> Life {
        let memory = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
        let dirs = Dirs::new(Path::new("/data"), None);
        dirs.create(&memory).unwrap();
        let options = TxnLogOptions { preallocate: 4096, ..TxnLogOptions::default() };
        let log = TxnLog::new(Arc::clone(&vfs), dirs.logs_dir().to_path_buf(), options, Zxid(0));
        Life { vfs, memory, dirs, log, state: ZkState::new() }
    }

    fn apply(&mut self, txn: Txn) {
        let zxid = self.state.last_zxid().next();
        let time = 1000 * zxid.0;
        let header = TxnHeader { client_id: SESSION, cxid: 1, zxid, time, op: txn.op().code() };
        self.state.apply(&header, &txn);
        // Servers that did not list what goes with a session knew no digests either.
        let knows_digests = txn != Txn::CloseSession(None);
        let digest = zk_proto::TxnDigest { version: 2, tree_digest: self.state.digest().0 };
        let digest = knows_digests.then_some(digest);
        self.log.append(&LoggedTxn { header, txn, digest }).unwrap();
        self.log.sync().unwrap();
    }

    fn create(&mut self, path: &str) {
        self.apply(create(path, false));
    }

    fn set(&mut self, path: &str, version: i32) {
        let data = Some(Bytes::from(vec![b'x'; version as usize]));
        self.apply(Txn::SetData(SetDataTxn { path: path.into(), data, version }));
    }

    fn snapshot(&mut self) {
        self.log.roll().unwrap();
        snapshot::write(&self.vfs, &self.dirs, &self.state, Compression::None).unwrap();
    }

    fn at(&self, zxid: i64) -> Result<Past, PastError> {
        tree_at(&self.memory, &self.dirs, Moment::At(Zxid(zxid)))
    }

    fn remove(&self, name: &str) {
        self.memory.remove_file(&self.dirs.logs_dir().join(name)).unwrap();
    }
}

fn create(path: &str, ephemeral: bool) -> Txn {
    Txn::Create(CreateTxn { path: path.into(), data: None, acl: Acl::open(), ephemeral, parent_cversion: -1 })
}

/// `/a` is created by 1 and set by 2 to 9, with snapshots at 3 and 6.
fn nine() -> Life {
    let mut life = Life::new();
    life.snapshot();
    life.create("/a");
    for version in 1..=8 {
        life.set("/a", version);
        if matches!(version, 2 | 5) {
            life.snapshot();
        }
    }
    life
}

fn version(past: &Past) -> Option<i32> {
    past.state.tree().get("/a").map(|node| node.stat().version)
}

#[test]
fn every_moment_is_found_again() {
    let life = nine();
    for zxid in 0..=9 {
        let past = life.at(zxid).unwrap();
        assert_eq!(version(&past), (zxid > 0).then(|| zxid as i32 - 1), "{zxid}");
        assert_eq!(past.state.last_zxid(), Zxid(zxid));
        assert_eq!(past.digest_mismatch, None);
        assert_eq!(past.time, (past.replayed > 0).then_some(1000 * zxid));
    }
    let past = life.at(7).unwrap();
    assert!(past.snapshot.unwrap().ends_with("snapshot.6"));
    assert_eq!(past.replayed, 1);
    assert_eq!(version(&tree_at(&life.memory, &life.dirs, Moment::Latest).unwrap()), Some(8));
}

#[test]
fn the_edges_are_told() {
    let life = nine();
    let message = |zxid| life.at(zxid).unwrap_err().to_string();
    assert_eq!(message(10), "zxid 0xa is beyond the end of the log: the last transaction is 0x9");
    life.remove("snapshot.0");
    // Snapshot 3 lacks nothing that the first log does not have.
    assert_eq!(version(&life.at(2).unwrap()), Some(1));
    life.remove("log.1");
    let before = "zxid 0x2 is before the oldest snapshot that can be read (/data/version-2/snapshot.3): what happened \
                  before was purged";
    assert_eq!(message(2), before);
    life.remove("log.4");
    assert_eq!(version(&life.at(3).unwrap()), Some(2));
    assert!(matches!(life.at(5), Err(PastError::Gap { .. })));
    assert!(life.at(6).is_ok());
    let nowhere = Dirs::new(Path::new("/nowhere"), None);
    assert!(matches!(tree_at(&life.memory, &nowhere, Moment::Latest), Err(PastError::NoFiles { .. })));
}

#[test]
fn a_missing_log_is_no_tree() {
    let life = nine();
    life.remove("snapshot.6");
    life.remove("log.4");
    let message = life.at(8).unwrap_err().to_string();
    assert_eq!(message, "the transactions between 0x3 and 0x7 are missing: a log file was removed");
}

#[test]
fn a_torn_end_is_told_and_nothing_is_written() {
    let life = nine();
    let path = life.dirs.logs_dir().join("log.7");
    let bytes = life.memory.read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let file = life.memory.open(&path, OpenMode::ReadWrite).unwrap();
    file.set_len(end as u64 - 4).unwrap();
    let message = life.at(9).unwrap_err().to_string();
    let start = "zxid 0x9 is beyond the end of the log: the last transaction is 0x8 (behind it, at byte ";
    assert!(message.starts_with(start), "{message}");
    let past = tree_at(&life.memory, &life.dirs, Moment::Latest).unwrap();
    assert_eq!((version(&past), past.torn.is_some()), (Some(7), true));
    assert_eq!(file.len().unwrap(), end as u64 - 4);
}

#[test]
fn a_snapshot_counts_from_its_end_on() {
    let mut life = Life::new();
    life.create("/a");
    life.log.roll().unwrap();
    let mut dump = SnapshotDump::begin(&life.state);
    let mut sink =
        SnapshotSink::create(Arc::clone(&life.vfs), &life.dirs, dump.start_zxid(), Compression::None).unwrap();
    life.set("/a", 1);
    life.set("/a", 2);
    while let Some(bytes) = dump.next_slice(&life.state, 1 << 20) {
        sink.write(&bytes).unwrap();
    }
    sink.finish().unwrap();
    // The snapshot is named after 1 and holds what 3 did: 2 is made of the first log.
    assert_eq!(version(&life.at(2).unwrap()), Some(1));
    assert_eq!(life.at(3).unwrap().replayed, 2);
    life.remove("log.1");
    let message = life.at(2).unwrap_err().to_string();
    let expected = "zxid 0x2 cannot be told exactly: /data/version-2/snapshot.1 was being written until transaction \
                    0x3; ask for 0x3 or later";
    assert_eq!(message, expected);
}

#[test]
fn all_that_touched_a_znode_is_listed() {
    let mut life = Life::new();
    life.snapshot();
    life.apply(Txn::CreateSession(CreateSessionTxn { timeout_ms: 1000 }));
    life.apply(create("/a", false));
    life.apply(create("/a/e", true));
    life.set("/a", 1);
    life.set("/ab", 1);
    life.apply(Txn::Multi(vec![create("/a/b", false), Txn::Error(ErrorCode::NoNode)]));
    life.apply(Txn::SetAcl(SetAclTxn { path: "/a".into(), acl: Acl::read_only(), version: 1 }));
    life.apply(Txn::CloseSession(None));
    let delete = Txn::Delete(DeleteTxn { path: "/a".into() });
    life.apply(Txn::Multi(vec![delete, create("/a", true)]));
    life.apply(Txn::CloseSession(Some(vec!["/a".into()])));
    let history = history(&life.memory, &life.dirs, "/a").unwrap();
    let created = |kind| Change::Created { kind, data_len: None, acl: Acl::open() };
    let found: Vec<(i64, Change)> = history.touches.iter().map(|touch| (touch.zxid.0, touch.change.clone())).collect();
    let expected = [
        (2, created(Kind::Persistent)),
        (3, Change::ChildCreated("e".into())),
        (4, Change::DataSet { data_len: Some(1), version: 1 }),
        (7, Change::AclSet { acl: Acl::read_only(), version: 1 }),
        (8, Change::ChildDeleted("e".into())),
        (9, Change::Deleted),
        (9, created(Kind::Ephemeral)),
        (10, Change::SessionClosed),
    ];
    assert_eq!(found, expected);
    assert_eq!(history.range, Some((Zxid(1), Zxid(10))));
    assert!(history.before.is_none() && history.gaps.is_empty() && history.torn.is_none());
    let touch = &history.touches[5];
    assert!(touch.in_multi);
    assert_eq!((touch.time, touch.session), (9000, SESSION));
}

#[test]
fn what_was_before_the_logs_is_looked_up() {
    let life = nine();
    for name in ["snapshot.0", "log.1"] {
        life.remove(name);
    }
    let history = history(&life.memory, &life.dirs, "/a").unwrap();
    let (file, stat) = history.before.unwrap();
    assert_eq!((file.zxid, stat.unwrap().version), (Zxid(3), 2));
    assert_eq!(history.touches.len(), 6);
    let root = super::history(&life.memory, &life.dirs, "/").unwrap();
    assert!(root.touches.is_empty());
}
