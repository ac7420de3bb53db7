//! What happened to one znode, transaction by transaction.

use std::collections::HashMap;

use vfs::Vfs;
use zk_proto::{Acl, LoggedTxn, SessionId, Stat, Txn, Zxid};
use zk_state::path::split;

use super::{PastError, again_if_purged, list};
use crate::file_names::{Dirs, LogFile, SnapshotFile};
use crate::snapshot;
use crate::txn_reader::{TornEnd, TxnReader};

/// What kind of znode was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stays until it is deleted.
    Persistent,
    /// Goes with the session.
    Ephemeral,
    /// Goes some time after its last child.
    Container,
    /// Goes when it was not changed for so many milliseconds.
    Ttl(i64),
}

/// What a transaction did to the znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Created {
        /// As what.
        kind: Kind,
        /// Length of its data; `None` is null.
        data_len: Option<usize>,
        /// Who may do what.
        acl: Vec<Acl>,
    },
    /// Its data was set.
    DataSet {
        /// Length of its data; `None` is null.
        data_len: Option<usize>,
        /// Its version from then on.
        version: i32,
    },
    /// Its access control list was set.
    AclSet {
        /// Who may do what.
        acl: Vec<Acl>,
        /// The list's version from then on.
        version: i32,
    },
    /// It was deleted on request.
    Deleted,
    /// It was deleted by the server: a container without children, or its time was over.
    Expired,
    /// It went with the session that owned it.
    SessionClosed,
    /// A child with this name was created.
    ChildCreated(String),
    /// A child with this name was deleted, in whatever way.
    ChildDeleted(String),
}

/// A transaction that touched the znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Its id.
    pub zxid: Zxid,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Whose.
    pub session: SessionId,
    /// Part of a multi?
    pub in_multi: bool,
    /// What it did.
    pub change: Change,
}

/// Follows one path through a log.
#[derive(Debug)]
pub struct Tracker {
    path: String,
    /// Ephemeral ones among the znode (by its path) and its children, with their sessions: logs of servers before 3.6
    /// do not list what goes with a session.
    owners: HashMap<String, SessionId>,
    touches: Vec<Touch>,
}

impl Tracker {
    /// For a path; `/` is the root.
    pub fn new(path: &str) -> Tracker {
        Tracker { path: path.to_owned(), owners: HashMap::new(), touches: Vec::new() }
    }

    /// Looks at the next transaction.
    pub fn observe(&mut self, logged: &LoggedTxn) {
        match &logged.txn {
            // A failed multi is logged with the parts that would have gone well.
            Txn::Multi(parts) if parts.iter().any(|part| matches!(part, Txn::Error(_))) => {}
            Txn::Multi(parts) => parts.iter().for_each(|part| self.one(logged, part, true)),
            txn => self.one(logged, txn, false),
        }
    }

    /// What was found.
    pub fn into_touches(self) -> Vec<Touch> {
        self.touches
    }

    fn one(&mut self, logged: &LoggedTxn, txn: &Txn, in_multi: bool) {
        let (path, change) = match txn {
            Txn::Create(create) | Txn::Create2(create) => {
                let kind = if create.ephemeral { Kind::Ephemeral } else { Kind::Persistent };
                (&create.path, created(kind, create.data.as_deref(), &create.acl))
            }
            Txn::CreateContainer(create) => {
                (&create.path, created(Kind::Container, create.data.as_deref(), &create.acl))
            }
            Txn::CreateTtl(create) => {
                (&create.path, created(Kind::Ttl(create.ttl), create.data.as_deref(), &create.acl))
            }
            Txn::Delete(delete) => (&delete.path, Change::Deleted),
            Txn::DeleteContainer(delete) => (&delete.path, Change::Expired),
            Txn::SetData(set) | Txn::Reconfig(set) => {
                let data_len = set.data.as_deref().map(<[u8]>::len);
                (&set.path, Change::DataSet { data_len, version: set.version })
            }
            Txn::SetAcl(set) => (&set.path, Change::AclSet { acl: set.acl.clone(), version: set.version }),
            Txn::CloseSession(paths) => return self.session_closed(logged, paths.as_deref()),
            Txn::Check(_) | Txn::Multi(_) | Txn::CreateSession(_) | Txn::Error(_) => return,
        };
        self.touch(logged, path, change, in_multi);
    }

    fn session_closed(&mut self, logged: &LoggedTxn, listed: Option<&[String]>) {
        let session = logged.header.client_id;
        let mut paths: Vec<String> = match listed {
            Some(paths) => paths.to_vec(),
            None => self.owners.iter().filter(|(_, owner)| **owner == session).map(|(path, _)| path.clone()).collect(),
        };
        paths.sort();
        for path in paths {
            self.touch(logged, &path, Change::SessionClosed, false);
        }
    }

    fn touch(&mut self, logged: &LoggedTxn, path: &str, change: Change, in_multi: bool) {
        let is_it = path == self.path;
        let Some((_, name)) = split(path).filter(|(parent, _)| is_it || is_same(parent, &self.path)) else { return };
        match change {
            Change::Created { kind: Kind::Ephemeral, .. } => {
                self.owners.insert(path.to_owned(), logged.header.client_id);
            }
            Change::Deleted | Change::SessionClosed => {
                self.owners.remove(path);
            }
            _ => {}
        }
        let change = match change {
            change if is_it => change,
            Change::Created { .. } => Change::ChildCreated(name.to_owned()),
            Change::Deleted | Change::Expired | Change::SessionClosed => Change::ChildDeleted(name.to_owned()),
            _ => return,
        };
        let header = &logged.header;
        self.touches.push(Touch { zxid: header.zxid, time: header.time, session: header.client_id, in_multi, change });
    }
}

/// The root has two names.
fn is_same(parent: &str, path: &str) -> bool {
    parent == path || (path == "/" && parent.is_empty())
}

fn created(kind: Kind, data: Option<&[u8]>, acl: &[Acl]) -> Change {
    Change::Created { kind, data_len: data.map(<[u8]>::len), acl: acl.to_vec() }
}

/// All that the files tell of one znode.
#[derive(Debug)]
pub struct History {
    /// The transactions that touched it, oldest first.
    pub touches: Vec<Touch>,
    /// The first and the last transaction of the logs; `None` if there are none.
    pub range: Option<(Zxid, Zxid)>,
    /// The znode in the oldest snapshot that can be read, which is the one named: what was before the logs. Looked up
    /// only if the logs do not begin with a server's first transaction.
    pub before: Option<(SnapshotFile, Option<Stat>)>,
    /// Stretches of transactions that are missing: behind the first, before the second.
    pub gaps: Vec<(Zxid, Zxid)>,
    /// What stands behind the last transaction and is none.
    pub torn: Option<TornEnd>,
}

/// Reads all logs for what touched `path`.
///
/// # Errors
/// [`PastError`] for files that cannot be read.
pub fn history(vfs: &dyn Vfs, dirs: &Dirs, path: &str) -> Result<History, PastError> {
    again_if_purged(|| {
        let (snapshots, logs) = list(vfs, dirs)?;
        read(vfs, &snapshots, &logs, path)
    })
}

fn read(vfs: &dyn Vfs, snapshots: &[SnapshotFile], logs: &[LogFile], path: &str) -> Result<History, PastError> {
    let mut tracker = Tracker::new(path);
    let mut reader = TxnReader::new(vfs, logs, Zxid(0));
    let mut range: Option<(Zxid, Zxid)> = None;
    let mut gaps = Vec::new();
    while let Some(entry) = reader.next()? {
        let zxid = entry.logged.header.zxid;
        if let Some((_, last)) = range
            && zxid > last.next()
            && zxid.epoch() == last.epoch()
        {
            gaps.push((last, zxid));
        }
        range = Some((range.map_or(zxid, |(first, _)| first), zxid));
        tracker.observe(&entry.logged);
    }
    let from_the_start = range.is_some_and(|(first, _)| matches!(first.0, 1 | 0x1_0000_0001));
    let oldest = snapshots.iter().rev().filter(|_| !from_the_start);
    let before = oldest.into_iter().find_map(|file| {
        let loaded = snapshot::load(vfs, file).ok()?;
        Some((file.clone(), loaded.state.tree().get(path).map(zk_state::NodeRef::stat)))
    });
    let torn = reader.torn_end().cloned();
    Ok(History { touches: tracker.into_touches(), range, before, gaps, torn })
}
