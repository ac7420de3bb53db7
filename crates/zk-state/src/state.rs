//! All replicated state in one value: znodes, sessions, and how far it is.

use zk_proto::Zxid;

use crate::digest::TreeDigest;
use crate::session::SessionTable;
use crate::tree::Tree;

/// The state behind the last applied transaction.
#[derive(Debug, Default)]
pub struct ZkState {
    pub(crate) tree: Tree,
    pub(crate) sessions: SessionTable,
    pub(crate) last_zxid: Zxid,
}

impl ZkState {
    /// The state of a new server: the system's znodes, no session, zxid 0.
    pub fn new() -> ZkState {
        ZkState::default()
    }

    /// The same content behind the transaction `zxid`: for what comes from elsewhere.
    pub fn at(mut self, zxid: Zxid) -> ZkState {
        self.last_zxid = zxid;
        self
    }

    /// The znodes.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The sessions.
    pub fn sessions(&self) -> &SessionTable {
        &self.sessions
    }

    /// Reads the marks of znodes with a time to live as servers 3.5.3 wrote them, too (`emulate353TTLNodes`). To be called
    /// once, before anything is prepared.
    pub fn emulate_353_ttl(&mut self) {
        self.tree.emulate_353_ttl();
    }

    /// The last applied transaction.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The tree's digest, as transactions and snapshots carry it.
    pub fn digest(&self) -> TreeDigest {
        self.tree.digest()
    }
}
