//! Changes that are prepared but not applied yet, laid over the state, so that the next request is checked against
//! what will be when the ones before it are done.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use zk_proto::{Acl, SessionId, StatPersisted, Zxid};

use crate::digest::{self, TreeDigest};
use crate::node::NodeKind;
use crate::path;
use crate::quota::QuotaExceeded;
use crate::state::ZkState;

/// What a znode will be; `None`: deleted.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) stat: StatPersisted,
    pub(crate) children: usize,
    pub(crate) acl: Arc<[Acl]>,
    /// [`digest::content`] of its path and data.
    pub(crate) content: u32,
    pub(crate) data_len: usize,
}

impl Planned {
    /// What it adds to the digest of the tree.
    pub(crate) fn digest(&self) -> u32 {
        digest::node(self.content, &self.stat)
    }
}

#[derive(Debug, Clone)]
struct Change {
    zxid: Zxid,
    node: Option<Planned>,
}

/// The overlay. It belongs to the one task that prepares and applies.
#[derive(Debug, Default)]
pub struct Pending {
    changes: HashMap<Arc<str>, Change>,
    /// In order of preparation: which change goes with which zxid.
    queue: VecDeque<(Zxid, Arc<str>)>,
    /// Paths that were planned to be a session's ephemerals; what they are by now, `changes` knows.
    owned: HashMap<SessionId, VecDeque<Arc<str>>>,
    owned_queue: VecDeque<(Zxid, SessionId)>,
    opening: HashSet<SessionId>,
    closing: HashSet<SessionId>,
    /// Sessions whose closeSession will be prepared next.
    doomed: HashSet<SessionId>,
    /// Sessions of `opening` and `closing` with the zxid that makes it so.
    sessions: VecDeque<(Zxid, SessionId)>,
    last_zxid: Zxid,
    /// The digest behind the last prepared change; `None` when nothing is pending.
    digest: Option<TreeDigest>,
    /// Limits that prepared requests pass or would have passed.
    quotas: Vec<QuotaExceeded>,
}

/// Where a multi began, to go back to.
#[derive(Debug)]
pub(crate) struct Mark {
    queue: usize,
    digest: Option<TreeDigest>,
    /// What the changes of the multi replaced, newest last.
    replaced: Vec<(Arc<str>, Option<Change>)>,
}

impl Pending {
    /// Nothing pending behind `state`.
    pub fn new(state: &ZkState) -> Pending {
        Pending { last_zxid: state.last_zxid(), ..Pending::default() }
    }

    /// The last zxid that was given to a transaction.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// How many changes of znodes wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Does no change of a znode wait?
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Is a closeSession of this session prepared? It may do nothing any more then.
    pub fn is_closing(&self, session: SessionId) -> bool {
        self.closing.contains(&session) || self.doomed.contains(&session)
    }

    /// Takes what is to be told of quotas, since it was asked last.
    pub fn take_quota_notices(&mut self) -> Vec<QuotaExceeded> {
        std::mem::take(&mut self.quotas)
    }

    pub(crate) fn tell_of_quota(&mut self, exceeded: QuotaExceeded) {
        self.quotas.push(exceeded);
    }

    /// Forgets what is applied now: everything up to and with `zxid`.
    pub fn applied(&mut self, zxid: Zxid) {
        while let Some((of, path)) = self.queue.pop_front_if(|(of, _)| *of <= zxid) {
            if self.changes.get(&path).is_some_and(|change| change.zxid == of) {
                self.changes.remove(&path);
            }
        }
        if self.queue.is_empty() {
            self.digest = None;
        }
        while let Some((_, session)) = self.owned_queue.pop_front_if(|(of, _)| *of <= zxid) {
            if let Some(paths) = self.owned.get_mut(&session) {
                paths.pop_front();
                if paths.is_empty() {
                    self.owned.remove(&session);
                }
            }
        }
        while let Some((_, session)) = self.sessions.pop_front_if(|(of, _)| *of <= zxid) {
            // A session that opens and closes at once stays in both until the second transaction is applied; what
            // the state says counts from there.
            if !self.sessions.iter().any(|(_, later)| *later == session) {
                self.opening.remove(&session);
                self.closing.remove(&session);
            }
        }
    }

    /// The session is about to be closed: nothing more is prepared for it but its end.
    pub fn begin_closing(&mut self, session: SessionId) {
        self.doomed.insert(session);
    }

    /// Bytes of the paths that are planned to be the session's; some may count twice.
    pub(crate) fn owned_bytes(&self, session: SessionId) -> usize {
        self.owned.get(&session).map_or(0, |paths| paths.iter().map(|path| 4 + path.len()).sum())
    }

    pub(crate) fn next_zxid(&mut self) -> Zxid {
        self.last_zxid = self.last_zxid.next();
        self.last_zxid
    }

    pub(crate) fn open_session(&mut self, session: SessionId, zxid: Zxid) {
        self.opening.insert(session);
        self.sessions.push_back((zxid, session));
    }

    pub(crate) fn close_session(&mut self, session: SessionId, zxid: Zxid) {
        self.doomed.remove(&session);
        self.closing.insert(session);
        self.sessions.push_back((zxid, session));
    }

    pub(crate) fn has_session(&self, state: &ZkState, session: SessionId) -> bool {
        !self.is_closing(session) && (state.sessions().contains(session) || self.opening.contains(&session))
    }

    pub(crate) fn digest(&self, state: &ZkState) -> TreeDigest {
        self.digest.unwrap_or_else(|| state.digest())
    }

    /// What the znode at `path` will be; `None` if it will not be there.
    pub(crate) fn planned(&self, state: &ZkState, path: &str) -> Option<Planned> {
        let path = path::stored(path);
        if let Some(change) = self.changes.get(path) {
            return change.node.clone();
        }
        let node = state.tree().get(path)?;
        Some(Planned {
            stat: node.stored_stat(),
            children: node.child_count(),
            acl: state.tree().acl_of(node),
            content: node.content(path),
            data_len: node.data().map_or(0, <[u8]>::len),
        })
    }

    /// The paths of the ephemerals that the session will own, sorted.
    pub(crate) fn ephemerals_of(&self, state: &ZkState, session: SessionId) -> Vec<String> {
        let mut paths: Vec<String> = state.tree().ephemerals_of(session).map(str::to_owned).collect();
        if !self.changes.is_empty() {
            paths.retain(|path| self.changes.get(path.as_str()).is_none_or(|change| change.node.is_some()));
            let is_owned = |path: &Arc<str>| {
                let node = self.changes.get(path).and_then(|change| change.node.as_ref());
                node.is_some_and(|node| node.stat.ephemeral_owner == session.0)
            };
            let planned = self.owned.get(&session).into_iter().flatten();
            paths.extend(planned.filter(|path| is_owned(path)).map(ToString::to_string));
            paths.sort_unstable();
            paths.dedup();
        }
        paths
    }

    /// Plans a change of one znode, and what it does to the digest. `before`: [`Planned::digest`] of the znode as it was
    /// planned so far, which whoever checks the change has looked up; `None` if it was not there.
    pub(crate) fn plan(
        &mut self,
        state: &ZkState,
        zxid: Zxid,
        path: &str,
        (before, node): (Option<u32>, Option<Planned>),
        mark: Option<&mut Mark>,
    ) {
        let path = path::stored(path);
        debug_assert_eq!(before, self.planned(state, path).map(|node| node.digest()), "{path} is what was checked");
        if !path::is_outside_digest(path) {
            let mut sum = self.digest(state);
            if let Some(before) = before {
                sum = sum.minus(before);
            }
            if let Some(after) = &node {
                sum = sum.plus(after.digest());
            }
            self.digest = Some(sum);
        }
        let path: Arc<str> = match self.changes.get_key_value(path) {
            Some((path, _)) => Arc::clone(path),
            None => path.into(),
        };
        self.queue.push_back((zxid, Arc::clone(&path)));
        if let Some(NodeKind::Ephemeral(owner)) =
            node.as_ref().map(|node| state.tree().kind_of(node.stat.ephemeral_owner))
        {
            self.owned.entry(owner).or_default().push_back(Arc::clone(&path));
            self.owned_queue.push_back((zxid, owner));
        }
        let replaced = self.changes.insert(Arc::clone(&path), Change { zxid, node });
        if let Some(mark) = mark {
            mark.replaced.push((path, replaced));
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { queue: self.queue.len(), digest: self.digest, replaced: Vec::new() }
    }

    /// Undoes everything that was planned behind `mark`.
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        for (path, replaced) in mark.replaced.into_iter().rev() {
            match replaced {
                Some(change) => self.changes.insert(path, change),
                None => self.changes.remove(&path),
            };
        }
        self.queue.truncate(mark.queue);
        self.digest = mark.digest;
    }
}
