//! Transaction to new state and what changed; decides nothing.
//!
//! Replay runs over fuzzy snapshots, which may hold later changes already. So errors are outcomes, never failures:
//! creating what exists only raises the parent's counters, deleting what is gone only raises the parent's `pzxid`,
//! versions are set to the recorded values, `cversion` and `pzxid` never move down.

use std::sync::Arc;

use zk_proto::txn::CreateTxn;
use zk_proto::{Acl, ErrorCode, MultiResult, SessionId, Stat, StatPersisted, Txn, TxnHeader};

use crate::node::{NodeKind, NodeRef, shown_stat};
use crate::path;
use crate::state::ZkState;
use crate::tree::NewNode;

/// What a transaction did.
#[derive(Debug)]
pub struct Applied {
    /// What to answer.
    pub outcome: Outcome,
    /// What watchers may want to know, in order.
    pub events: Vec<NodeEvent>,
}

/// The result of a transaction or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to tell: delete, check, sessions.
    Done,
    /// A znode was made.
    Created {
        /// The name it got.
        path: String,
        /// Its counters.
        stat: Stat,
    },
    /// Data or ACL was set; the znode's new counters.
    Set(Stat),
    /// A multi, part by part; failed ones too.
    Multi(Vec<MultiResult>),
    /// It failed, here or when it was prepared.
    Failed(ErrorCode),
}

/// A change of a znode, with the ACLs that decide who may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// The znode was created, its parent got a child.
    Created {
        /// The znode.
        path: String,
        /// Its ACL.
        acl: Arc<[Acl]>,
        /// Its parent's ACL.
        parent_acl: Arc<[Acl]>,
    },
    /// The znode was deleted, its parent lost a child.
    Deleted {
        /// The znode.
        path: String,
        /// Its ACL.
        acl: Arc<[Acl]>,
        /// Its parent's ACL.
        parent_acl: Arc<[Acl]>,
    },
    /// The znode's data was set.
    DataChanged {
        /// The znode.
        path: String,
        /// Its ACL.
        acl: Arc<[Acl]>,
    },
}

impl ZkState {
    /// Changes the state by a transaction.
    pub fn apply(&mut self, header: &TxnHeader, txn: &Txn) -> Applied {
        let mut events = Vec::new();
        let outcome = match txn {
            Txn::Multi(parts) => self.apply_multi(header, parts, &mut events),
            txn => self.apply_one(header, txn, &mut events),
        };
        // The zxid moves only now: multi and closeSession are one step for whoever asks how far the state is.
        self.last_zxid = self.last_zxid.max(header.zxid);
        Applied { outcome, events }
    }

    fn apply_multi(&mut self, header: &TxnHeader, parts: &[Txn], events: &mut Vec<NodeEvent>) -> Outcome {
        if !parts.iter().any(|part| matches!(part, Txn::Error(_))) {
            let results = parts.iter().map(|part| part_result(part, self.apply_one(header, part, events)));
            return Outcome::Multi(results.collect());
        }
        // A failed multi is logged with the parts that would have gone well, and none of them happens.
        let mut failed = false;
        let results = parts.iter().map(|part| match part {
            Txn::Error(code) => {
                failed = true;
                MultiResult::Error(*code)
            }
            _ if failed => MultiResult::Error(ErrorCode::RuntimeInconsistency),
            _ => MultiResult::Error(ErrorCode::Ok),
        });
        Outcome::Multi(results.collect())
    }

    fn apply_one(&mut self, header: &TxnHeader, txn: &Txn, events: &mut Vec<NodeEvent>) -> Outcome {
        match txn {
            Txn::Create(create) | Txn::Create2(create) => {
                let kind = if create.ephemeral { NodeKind::Ephemeral(header.client_id) } else { NodeKind::Persistent };
                self.create(header, create, kind, events)
            }
            Txn::CreateContainer(create) => {
                let txn = CreateTxn {
                    path: create.path.clone(),
                    data: create.data.clone(),
                    acl: create.acl.clone(),
                    ephemeral: false,
                    parent_cversion: create.parent_cversion,
                };
                self.create(header, &txn, NodeKind::Container, events)
            }
            Txn::CreateTtl(create) => {
                let txn = CreateTxn {
                    path: create.path.clone(),
                    data: create.data.clone(),
                    acl: create.acl.clone(),
                    ephemeral: false,
                    parent_cversion: create.parent_cversion,
                };
                self.create(header, &txn, NodeKind::Ttl(create.ttl), events)
            }
            Txn::Delete(delete) | Txn::DeleteContainer(delete) => self.delete(header, &delete.path, events),
            Txn::SetData(set) | Txn::Reconfig(set) => {
                let old_len = self.data_len_for_quota(&set.path);
                let changed = self.tree.set_data(&set.path, set.data.as_deref(), |stat| {
                    stat.version = set.version;
                    stat.mtime = header.time;
                    stat.mzxid = header.zxid;
                });
                let Ok(node) = changed else { return Outcome::Failed(ErrorCode::NoNode) };
                let (stat, acl) = (node.stat(), node.acl_id());
                let new_len = set.data.as_ref().map_or(0, bytes::Bytes::len);
                self.tree.quota_changed(path::stored(&set.path), old_len, new_len);
                events.push(NodeEvent::DataChanged { path: set.path.clone(), acl: self.tree.acls().get(acl) });
                Outcome::Set(stat)
            }
            Txn::SetAcl(set) => {
                let result = self.tree.set_acl(&set.path, &set.acl, set.version);
                self.stat_outcome(&set.path, result.is_ok())
            }
            Txn::Check(_) => Outcome::Done,
            Txn::CreateSession(create) => {
                self.sessions.insert(header.client_id, create.timeout_ms);
                Outcome::Done
            }
            Txn::CloseSession(paths) => self.close_session(header, paths.as_deref(), events),
            Txn::Error(code) => Outcome::Failed(*code),
            Txn::Multi(_) => Outcome::Failed(ErrorCode::MarshallingError),
        }
    }

    fn create(&mut self, header: &TxnHeader, txn: &CreateTxn, kind: NodeKind, events: &mut Vec<NodeEvent>) -> Outcome {
        let path = txn.path.as_str();
        let Some((parent_path, _)) = path::split_stored(path) else { return Outcome::Failed(ErrorCode::NoNode) };
        let Ok(parent_acl) = self.tree.child_changed(parent_path, Some(txn.parent_cversion), header.zxid) else {
            return Outcome::Failed(ErrorCode::NoNode);
        };
        let stat = StatPersisted {
            czxid: header.zxid,
            mzxid: header.zxid,
            pzxid: header.zxid,
            ctime: header.time,
            mtime: header.time,
            ephemeral_owner: kind.owner(),
            ..StatPersisted::default()
        };
        let acl = self.tree.use_acl(&txn.acl);
        if self.tree.attach(NewNode { path, data: txn.data.as_deref(), acl, stat }).is_err() {
            self.tree.leave_acl(acl);
            return Outcome::Failed(ErrorCode::NodeExists);
        }
        let data_len = txn.data.as_ref().map_or(0, bytes::Bytes::len);
        self.tree.quota_created(path, data_len);
        events.push(NodeEvent::Created {
            path: path.to_owned(),
            acl: self.tree.acls().get(acl),
            parent_acl: self.tree.acls().get(parent_acl),
        });
        let kind = self.tree.kind_of(stat.ephemeral_owner);
        Outcome::Created { path: path.to_owned(), stat: shown_stat(&stat, kind, data_len, 0) }
    }

    fn delete(&mut self, header: &TxnHeader, path: &str, events: &mut Vec<NodeEvent>) -> Outcome {
        let Some((parent_path, _)) = path::split(path) else { return Outcome::Failed(ErrorCode::NoNode) };
        // The root is split into itself and nothing; no transaction deletes it.
        if path == "/" {
            return Outcome::Failed(ErrorCode::NoNode);
        }
        let Ok(parent_acl) = self.tree.child_changed(parent_path, None, header.zxid) else {
            return Outcome::Failed(ErrorCode::NoNode);
        };
        let data_len = self.data_len_for_quota(path);
        let Ok(acl) = self.tree.detach(path) else { return Outcome::Failed(ErrorCode::NoNode) };
        self.tree.quota_deleted(path, data_len);
        let parent_acl = self.tree.acls().get(parent_acl);
        events.push(NodeEvent::Deleted { path: path.to_owned(), acl, parent_acl });
        Outcome::Done
    }

    /// Deletes the listed znodes, then whatever else the session owns (all of it if the log is old and lists none).
    fn close_session(&mut self, header: &TxnHeader, paths: Option<&[String]>, events: &mut Vec<NodeEvent>) -> Outcome {
        let session = header.client_id;
        for path in paths.unwrap_or_default() {
            self.delete(header, path, events);
        }
        let left: Vec<String> = self.tree.ephemerals_of(session).map(str::to_owned).collect();
        for path in &left {
            self.delete(header, path, events);
        }
        self.sessions.remove(session);
        Outcome::Done
    }

    /// Bytes of a znode's data; 0 where no quota asks for them.
    fn data_len_for_quota(&self, path: &str) -> usize {
        let node = if self.tree.has_quotas() { self.tree.get(path) } else { None };
        node.and_then(NodeRef::data).map_or(0, <[u8]>::len)
    }

    fn stat_outcome(&self, path: &str, changed: bool) -> Outcome {
        match self.tree.get(path) {
            Some(node) if changed => Outcome::Set(node.stat()),
            _ => Outcome::Failed(ErrorCode::NoNode),
        }
    }

    /// Sessions that own znodes but are not known, sorted: a snapshot of a server that was stopped between the two.
    /// Their znodes are to be deleted by closing them.
    pub fn orphaned_owners(&self) -> Vec<SessionId> {
        let mut owners: Vec<SessionId> =
            self.tree.ephemeral_owners().filter(|owner| !self.sessions.contains(*owner)).collect();
        owners.sort_unstable();
        owners
    }
}

fn part_result(part: &Txn, outcome: Outcome) -> MultiResult {
    match (part, outcome) {
        (Txn::Create(_), Outcome::Created { path, .. }) => MultiResult::Create(path),
        (_, Outcome::Created { path, stat }) => MultiResult::Create2 { path, stat },
        (_, Outcome::Set(stat)) => MultiResult::SetData(stat),
        (Txn::Check(_), _) => MultiResult::Check,
        (_, Outcome::Failed(code)) => MultiResult::Error(code),
        (_, Outcome::Done | Outcome::Multi(_)) => MultiResult::Delete,
    }
}

#[cfg(test)]
pub(crate) mod tests;
