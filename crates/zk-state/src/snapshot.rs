//! State out to a snapshot and back in, without knowing a file.
//!
//! Out: [`ZkState::sessions`](crate::ZkState::sessions) and [`ZkState::tree`](crate::ZkState::tree)`().acls()` at the
//! start, then znodes through a [`DumpCursor`] in as many slices as one likes, with transactions applied in between. The
//! dump is fuzzy: it may hold changes later than its start, and replay of all transactions behind the start makes it
//! right. Two traps are closed here: a znode that was created after the start is skipped, because its parent may have
//! been passed without it, and an ACL list that was made after the start is not named (replay brings it).

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;
use zk_proto::{Acl, SessionId, StatPersisted, Zxid};

use crate::acl::{AclId, nobody};
use crate::children::Place;
use crate::node::NodeRef;
use crate::nodes::{FamilyId, Found, Nodes};
use crate::path;
use crate::session::SessionTable;
use crate::state::ZkState;
use crate::tree::{NewNode, Tree};

/// A znode as a snapshot holds it.
#[derive(Debug)]
pub struct DumpNode<'a> {
    /// Its path; the root is the empty path.
    pub path: &'a str,
    /// Its content; null is not empty.
    pub data: Option<&'a [u8]>,
    /// Its ACL list; -1 is the open one.
    pub acl_index: i64,
    /// Its counters.
    pub stat: StatPersisted,
}

/// Goes through all znodes, parents before children, and can rest while the tree changes.
#[derive(Debug)]
pub struct DumpCursor {
    start: Zxid,
    acls: Vec<AclId>,
    /// The znode that was given out last; `None` before the root.
    at: Option<String>,
    done: bool,
}

impl DumpCursor {
    /// A cursor before the root. The sessions and ACL lists of the snapshot are to be taken at this moment.
    pub fn new(state: &ZkState) -> DumpCursor {
        let mut acls: Vec<AclId> = state.tree.acls().iter().map(|(id, _)| id).collect();
        acls.sort_unstable();
        DumpCursor { start: state.last_zxid, acls, at: None, done: false }
    }

    /// The zxid the snapshot is named after: the last one applied at the start.
    pub fn start_zxid(&self) -> Zxid {
        self.start
    }

    /// Gives up to `budget` znodes to `each`. False when there are no more.
    ///
    /// # Errors
    /// What `each` fails with; the cursor is not to be used again then.
    pub fn next_slice<E>(
        &mut self,
        state: &ZkState,
        budget: usize,
        mut each: impl FnMut(DumpNode<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.done {
            return Ok(false);
        }
        let mut left = budget;
        let nodes = state.tree.nodes();
        let mut walk = if let Some(path) = self.at.take() {
            Walk::resume(nodes, path)
        } else {
            each(self.dump(path::ROOT, nodes.node(nodes.root())))?;
            left = left.saturating_sub(1);
            Walk::resume(nodes, String::new())
        };
        while left > 0 {
            let Some(node) = walk.next() else {
                self.done = true;
                return Ok(false);
            };
            if node.stored_stat().czxid <= self.start {
                each(self.dump(&walk.path, node))?;
            }
            left -= 1;
        }
        self.at = Some(walk.path);
        Ok(true)
    }

    fn dump<'a>(&self, path: &'a str, node: NodeRef<'a>) -> DumpNode<'a> {
        let acl = node.acl_id();
        let known = acl == AclId::OPEN || self.acls.binary_search(&acl).is_ok();
        let acl_index = if known { acl.index() } else { AclId::OPEN.index() };
        DumpNode { path, data: node.data(), acl_index, stat: node.stored_stat() }
    }
}

/// Children of one znode that are being gone through.
#[derive(Debug, Clone, Copy)]
struct Level {
    family: FamilyId,
    /// The child that comes next.
    next: Place,
    /// Length of the parent's path.
    parent: usize,
}

/// Depth-first walk behind a given znode, children in order of their names.
struct Walk<'a> {
    nodes: &'a Nodes,
    /// From the root down to the deepest znode whose children come next.
    levels: Vec<Level>,
    /// The znode that was given last.
    path: String,
}

impl<'a> Walk<'a> {
    /// Stands at `path` (the root is empty), or behind it as far as it is gone.
    fn resume(nodes: &'a Nodes, path: String) -> Walk<'a> {
        let mut walk = Walk { nodes, levels: Vec::new(), path: String::new() };
        walk.enter(nodes.family_of(nodes.root()));
        for name in path.split('/').skip(1) {
            let Some(level) = walk.levels.last_mut() else { break };
            let children = nodes.family(level.family);
            match nodes.find_child(level.family, name) {
                Ok(place) => {
                    level.next = children.from(place.behind());
                    walk.path.push('/');
                    walk.path.push_str(name);
                    let family = children.at(place).and_then(|child| nodes.family_of(child));
                    walk.enter(family);
                    if family.is_none() {
                        break;
                    }
                }
                Err(place) => {
                    level.next = children.from(place);
                    break;
                }
            }
        }
        walk.path = path;
        walk
    }

    fn enter(&mut self, family: Option<FamilyId>) {
        self.levels.extend(family.map(|family| Level { family, next: Place::default(), parent: self.path.len() }));
    }

    fn next(&mut self) -> Option<NodeRef<'a>> {
        loop {
            let level = self.levels.last_mut()?;
            let children = self.nodes.family(level.family);
            let Some(child) = children.at(level.next) else {
                self.levels.pop();
                continue;
            };
            level.next = children.from(level.next.behind());
            self.path.truncate(level.parent);
            self.path.push('/');
            self.path.push_str(self.nodes.name(child));
            let node = self.nodes.node(child);
            self.enter(node.meta().family);
            return Some(node);
        }
    }
}

/// Why a snapshot's content is no state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// A znode came before its parent, or its path is not one.
    #[error("znode {path} comes before its parent")]
    NoParent {
        /// The znode.
        path: String,
    },
    /// A znode came twice.
    #[error("znode {path} comes twice")]
    Twice {
        /// The znode.
        path: String,
    },
    /// There was no root.
    #[error("there is no root znode")]
    NoRoot,
    /// There are more ACL lists than can be.
    #[error("ACL list {index} has a number that is not legal")]
    BadAclIndex {
        /// Its number.
        index: i64,
    },
}

/// Builds a state from a snapshot's sessions, ACL lists and znodes, in this order.
#[derive(Debug)]
pub struct Loader {
    tree: Tree,
    sessions: SessionTable,
    acls: HashMap<i64, AclId>,
    nobody: Option<AclId>,
    has_root: bool,
    /// The parent of the last znode: mostly that of the next one. Who is added to it does not move it, and who is
    /// added elsewhere takes its place here.
    parent: Option<(String, Found)>,
}

impl Default for Loader {
    fn default() -> Loader {
        Loader::new()
    }
}

impl Loader {
    /// Nothing loaded yet.
    pub fn new() -> Loader {
        Loader {
            tree: Tree::bare(),
            sessions: SessionTable::default(),
            acls: HashMap::new(),
            nobody: None,
            has_root: false,
            parent: None,
        }
    }

    /// A session with its timeout in milliseconds.
    pub fn session(&mut self, session: SessionId, timeout_ms: i32) {
        self.sessions.insert(session, timeout_ms);
    }

    /// An ACL list under its number.
    ///
    /// # Errors
    /// [`LoadError::BadAclIndex`] for the number of the open list.
    pub fn acl(&mut self, index: i64, acls: Vec<Acl>) -> Result<(), LoadError> {
        if index == AclId::OPEN.index() {
            return Err(LoadError::BadAclIndex { index });
        }
        let id = self.tree.intern(acls.into());
        self.acls.insert(index, id);
        Ok(())
    }

    /// A znode, behind its parent; the root is the empty path. A list that the snapshot lacks (it was made during the
    /// dump) lets nobody in until replay brings the right one.
    ///
    /// # Errors
    /// [`LoadError`] when it cannot be there.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_index: i64,
        stat: StatPersisted,
    ) -> Result<(), LoadError> {
        let acl = self.acl_id(acl_index);
        self.tree.use_acl_id(acl);
        if path.is_empty() {
            if std::mem::replace(&mut self.has_root, true) {
                return Err(LoadError::Twice { path: "/".into() });
            }
            self.parent = None;
            self.tree.set_root(data, acl, stat);
            return Ok(());
        }
        let no_parent = || LoadError::NoParent { path: path.to_owned() };
        if !self.has_root {
            return Err(no_parent());
        }
        let (parent_path, _) = path::split_stored(path).ok_or_else(no_parent)?;
        let known = self.parent.take().filter(|(path, _)| path == parent_path);
        let (parent_path, parent) = match known {
            Some(known) => known,
            None => (parent_path.to_owned(), self.tree.nodes().find(parent_path).ok_or_else(no_parent)?),
        };
        let parent = self.tree.attach_to(parent, NewNode { path, data, acl, stat });
        let parent = parent.map_err(|_| LoadError::Twice { path: path.to_owned() })?;
        self.parent = Some((parent_path, parent));
        Ok(())
    }

    /// The state at `zxid`.
    ///
    /// # Errors
    /// [`LoadError::NoRoot`] when no root came.
    pub fn finish(mut self, zxid: Zxid) -> Result<ZkState, LoadError> {
        if !self.has_root {
            return Err(LoadError::NoRoot);
        }
        self.tree.drop_unused_acls();
        self.tree.find_quotas();
        Ok(ZkState { tree: self.tree, sessions: self.sessions, last_zxid: zxid })
    }

    fn acl_id(&mut self, index: i64) -> AclId {
        if index == AclId::OPEN.index() {
            return AclId::OPEN;
        }
        if let Some(id) = self.acls.get(&index) {
            return *id;
        }
        let tree = &mut self.tree;
        *self.nobody.get_or_insert_with(|| tree.intern(Arc::from(nobody())))
    }
}

#[cfg(test)]
mod tests;
