//! A workload of random transactions with the state they give, and small helpers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use vfs::{MemoryVfs, OpenMode, OsVfs, Vfs};
use zk_proto::txn::{CreateSessionTxn, CreateTtlTxn, CreateTxn, DIGEST_VERSION, DeleteTxn, SetAclTxn, SetDataTxn};
use zk_proto::{Acl, ErrorCode, Id, LoggedTxn, Permissions, SessionId, Txn, TxnDigest, TxnHeader, Zxid};
use zk_state::ZkState;
use zk_store::{Dirs, RecoveryOptions, Report, TxnLog, TxnLogOptions, recover};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % bound as u64) as usize
    }
}

/// Makes transactions as a server would, and applies them.
pub(crate) struct Workload {
    pub(crate) state: ZkState,
    random: Random,
    /// The digest behind each transaction, from zxid 0 on.
    pub(crate) digests: Vec<i64>,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Workload {
        let state = ZkState::new();
        let digests = vec![state.digest().0];
        Workload { state, random: Random(seed), digests }
    }

    pub(crate) fn next(&mut self) -> LoggedTxn {
        let (session, txn) = self.choose();
        let zxid = self.state.last_zxid().next();
        let header =
            TxnHeader { client_id: session, cxid: zxid.0 as i32, zxid, time: 1000 + zxid.0, op: txn.op().code() };
        self.state.apply(&header, &txn);
        self.digests.push(self.state.digest().0);
        let digest = TxnDigest { version: DIGEST_VERSION, tree_digest: self.state.digest().0 };
        let digest = (!matches!(txn, Txn::Error(_))).then_some(digest);
        LoggedTxn { header, txn, digest }
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<LoggedTxn> {
        (0..count).map(|_| self.next()).collect()
    }

    fn choose(&mut self) -> (SessionId, Txn) {
        let sessions: Vec<SessionId> = sorted_sessions(&self.state);
        if sessions.is_empty() {
            return (SessionId(0x100), Txn::CreateSession(CreateSessionTxn { timeout_ms: 4000 }));
        }
        let session = sessions[self.random.below(sessions.len())];
        let paths = self.own_paths();
        let some_path = (!paths.is_empty()).then(|| paths[self.random.below(paths.len().max(1))].clone());
        let txn = match (self.random.below(20), some_path) {
            (0, _) => {
                let new = SessionId(0x100 + self.state.last_zxid().0);
                return (new, Txn::CreateSession(CreateSessionTxn { timeout_ms: 4000 }));
            }
            (1, _) if sessions.len() > 1 => {
                let mut own: Vec<String> = self.state.tree().ephemerals_of(session).map(str::to_owned).collect();
                own.sort();
                Txn::CloseSession(Some(own))
            }
            (2, _) => Txn::Error(ErrorCode::NoNode),
            (3..=6, Some(path)) => {
                let version = self.node(&path).version + 1;
                Txn::SetData(SetDataTxn { path, data: self.data(), version })
            }
            (7, Some(path)) => {
                let version = self.node(&path).aversion + 1;
                Txn::SetAcl(SetAclTxn { path, acl: self.acl(), version })
            }
            (8..=11, Some(path)) if self.state.tree().descendants(&path) == 0 => Txn::Delete(DeleteTxn { path }),
            (12, Some(path)) if self.is_leaf(&path) => self.delete_and_create(path),
            _ => self.create(session),
        };
        (session, txn)
    }

    fn create(&mut self, session: SessionId) -> Txn {
        let parents: Vec<String> = self.own_paths().into_iter().filter(|path| !self.is_ephemeral(path)).collect();
        let parent = match self.random.below(3) {
            0 => String::new(),
            _ if parents.is_empty() => String::new(),
            _ => parents[self.random.below(parents.len())].clone(),
        };
        let parent_cversion = self.stored(if parent.is_empty() { "/" } else { &parent }).cversion + 1;
        let path = format!("{parent}/{}{}", ["a", "m", "z"][self.random.below(3)], self.state.last_zxid().0);
        let (data, acl) = (self.data(), self.acl());
        match self.random.below(8) {
            0 => Txn::CreateTtl(CreateTtlTxn { path, data, acl, parent_cversion, ttl: 5000 }),
            1 | 2 => Txn::Create2(CreateTxn { path, data, acl, ephemeral: session.0 != 0, parent_cversion }),
            _ => Txn::Create(CreateTxn { path, data, acl, ephemeral: false, parent_cversion }),
        }
    }

    /// The same name goes and comes back in one step: where replay over a later state is hardest.
    fn delete_and_create(&mut self, path: String) -> Txn {
        let parent = match path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        };
        let parent_cversion = self.stored(parent).cversion + 1;
        let create =
            CreateTxn { path: path.clone(), data: self.data(), acl: self.acl(), ephemeral: false, parent_cversion };
        Txn::Multi(vec![Txn::Delete(DeleteTxn { path }), Txn::Create(create)])
    }

    fn data(&mut self) -> Option<Bytes> {
        match self.random.below(6) {
            0 => None,
            1 => Some(Bytes::new()),
            2 => Some(Bytes::from(vec![0; 100 + self.random.below(2000)])),
            _ => {
                let len = self.random.below(300);
                Some((0..len).map(|_| self.random.below(256) as u8).collect())
            }
        }
    }

    fn acl(&mut self) -> Vec<Acl> {
        match self.random.below(4) {
            0 => vec![Acl::new(Permissions::READ, Id::new("digest", &format!("user{}", self.random.below(3))))],
            1 => Acl::read_only(),
            _ => Acl::open(),
        }
    }

    fn own_paths(&self) -> Vec<String> {
        paths(&self.state).into_iter().filter(|path| path != "/" && !path.starts_with("/zookeeper")).collect()
    }

    fn is_leaf(&self, path: &str) -> bool {
        self.state.tree().descendants(path) == 0
    }

    fn is_ephemeral(&self, path: &str) -> bool {
        self.node(path).ephemeral_owner != 0
    }

    fn node(&self, path: &str) -> zk_proto::Stat {
        self.state.tree().get(path).expect("the path was listed").stat()
    }

    fn stored(&self, path: &str) -> zk_proto::StatPersisted {
        self.state.tree().get(path).expect("the path was listed").stored_stat()
    }
}

/// All paths, parents first.
pub(crate) fn paths(state: &ZkState) -> Vec<String> {
    let mut all = vec!["/".to_string()];
    let mut at = 0;
    while at < all.len() {
        let path = all[at].clone();
        let prefix = if path == "/" { "" } else { &path };
        let node = state.tree().get(&path).expect("the path was listed");
        all.extend(node.children().map(|name| format!("{prefix}/{name}")));
        at += 1;
    }
    all
}

pub(crate) fn sorted_sessions(state: &ZkState) -> Vec<SessionId> {
    let mut sessions: Vec<SessionId> = state.sessions().iter().map(|(session, _)| session).collect();
    sessions.sort();
    sessions
}

/// Everything that a state holds, to be compared.
pub(crate) fn content(state: &ZkState) -> String {
    use std::fmt::Write;
    let mut out = format!("{} {:x}\n", state.last_zxid(), state.digest().0);
    let mut sessions: Vec<_> = state.sessions().iter().collect();
    sessions.sort();
    writeln!(out, "{sessions:?}").unwrap();
    for path in paths(state) {
        let node = state.tree().get(&path).unwrap();
        // Sums that every server keeps for itself, outside of transactions.
        if path.ends_with("/zookeeper_stats") {
            continue;
        }
        let acl = state.tree().acl_of(node);
        let data = node.data().map(|data| (data.len(), simd_adler32::adler32(&data)));
        writeln!(out, "{path} {:?} {data:?} {acl:?}", node.stored_stat()).unwrap();
    }
    for session in sorted_sessions(state) {
        let mut own: Vec<&str> = state.tree().ephemerals_of(session).collect();
        own.sort_unstable();
        writeln!(out, "{session} {own:?}").unwrap();
    }
    writeln!(out, "{} lists", state.tree().acls().len()).unwrap();
    out
}

/// Compares all of two states and shows the first difference.
#[track_caller]
pub(crate) fn assert_same(found: &ZkState, expected: &ZkState, place: &str) {
    let (found, expected) = (content(found), content(expected));
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "{place}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{place}");
}

pub(crate) fn dirs() -> Dirs {
    Dirs::new(Path::new("/zk"), None)
}

pub(crate) fn memory() -> MemoryVfs {
    let vfs = MemoryVfs::new();
    dirs().create(&vfs).unwrap();
    vfs
}

pub(crate) fn recovered(vfs: &dyn Vfs) -> (ZkState, Report) {
    let recovered = recover(vfs, &dirs(), RecoveryOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    (recovered.state, recovered.report)
}

/// A log that is open behind `last`, with little padding.
pub(crate) fn log(vfs: &Arc<dyn Vfs>, last: Zxid) -> TxnLog {
    let options = TxnLogOptions { preallocate: 16 << 10, ..TxnLogOptions::default() };
    TxnLog::new(Arc::clone(vfs), dirs().logs_dir().to_path_buf(), options, last)
}

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/zk-data")).join(name)
}

/// A golden `version-2` directory in memory.
pub(crate) fn golden_in_memory(name: &str) -> MemoryVfs {
    let vfs = memory();
    for path in OsVfs.paths_in(&golden(name)).unwrap() {
        put(&vfs, &dirs().logs_dir().join(path.file_name().unwrap()), &OsVfs.read(&path).unwrap());
    }
    vfs
}

pub(crate) fn put(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) {
    let file = vfs.open(path, OpenMode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    vfs.sync_dir(&vfs::durable::parent_of(path)).unwrap();
}

impl Workload {
    /// Goes back to a recovered state.
    pub(crate) fn forget_after(&mut self, state: ZkState) {
        self.digests.truncate(state.last_zxid().0 as usize + 1);
        self.state = state;
    }
}

/// Is this the long tier (`cargo xtask test --full`)?
pub(crate) fn full() -> bool {
    std::env::var_os("KAFKA_TESTS_FULL").is_some()
}
