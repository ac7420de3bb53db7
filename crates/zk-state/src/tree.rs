//! The znodes, with what is derived from them: digest, counts, and who owns which ephemeral, container and TTL znode.
//!
//! A znode is found by walking the components of its path through sorted lists of children. Nothing holds a full path
//! but the indexes, and a snapshot's cursor can come back to where it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use zk_proto::{Acl, SessionId, StatPersisted, Zxid};

use crate::acl::{AclId, AclTable};
use crate::arena::Handle;
use crate::digest::{self, TreeDigest};
use crate::node::{Meta, NodeKind, NodeRef};
use crate::nodes::{Data, Found, Nodes};
use crate::path;
use crate::quota::LimitedPaths;

/// The tree of znodes.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
    acls: AclTable,
    digest: TreeDigest,
    count: usize,
    data_bytes: u64,
    ephemerals: HashMap<SessionId, BTreeSet<String>>,
    containers: BTreeSet<String>,
    ttls: BTreeSet<String>,
    limited: LimitedPaths,
}

/// The parent of what should change is not there, or the znode itself is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing;

/// A znode that was changed: how long its data was before, where it is now, and which ACL it has.
struct Changed {
    old_len: usize,
    found: Found,
    acl: AclId,
}

/// Why a znode could not be put into the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAttached {
    NoParent,
    Exists,
}

/// A znode to be put into the tree.
#[derive(Clone, Copy)]
pub(crate) struct NewNode<'a> {
    pub(crate) path: &'a str,
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acl: AclId,
    pub(crate) stat: StatPersisted,
}

impl Tree {
    /// A tree with the system's znodes, as a new server has it.
    pub fn new() -> Tree {
        let mut tree = Tree::bare();
        let config_acl = tree.acls.add(&Acl::read_only());
        for (node, acl, aversion) in
            [(path::ZOOKEEPER, AclId::OPEN, 0), (path::QUOTA, AclId::OPEN, 0), (path::CONFIG, config_acl, -1)]
        {
            let stat = StatPersisted { aversion, ..StatPersisted::default() };
            let data = Some([].as_slice());
            // Made outside of any transaction: the parents' counters stay 0.
            let added = tree.attach(NewNode { path: node, data, acl, stat });
            debug_assert_eq!(added, Ok(()));
        }
        tree
    }

    /// A tree with nothing but a root, to be filled from a snapshot.
    pub(crate) fn bare() -> Tree {
        let data = Some([].as_slice());
        let (root, digest) = new_meta(path::ROOT, data, AclId::OPEN, StatPersisted::default());
        Tree {
            nodes: Nodes::new(b"", &root, data),
            acls: AclTable::default(),
            digest: TreeDigest::default().plus(digest),
            // Apache counts the root twice, as "" and as "/", and people compare the figure.
            count: 2,
            data_bytes: 0,
            ephemerals: HashMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            limited: LimitedPaths::default(),
        }
    }

    /// The znode at `path`; "" and "/" are the root.
    pub fn get(&self, path: &str) -> Option<NodeRef<'_>> {
        self.nodes.find(path).map(|found| self.nodes.node(found.handle))
    }

    /// The interned ACL lists.
    pub fn acls(&self) -> &AclTable {
        &self.acls
    }

    /// The ACL of a znode.
    pub fn acl_of(&self, node: NodeRef<'_>) -> Arc<[Acl]> {
        self.acls.get(node.acl_id())
    }

    /// The digest over all znodes.
    pub fn digest(&self) -> TreeDigest {
        self.digest
    }

    /// How many znodes there are, in Apache's way of counting (the root twice).
    pub fn node_count(&self) -> usize {
        self.count
    }

    /// Bytes of all paths and data.
    pub fn approximate_data_size(&self) -> u64 {
        self.data_bytes
    }

    /// The ephemeral znodes of a session, sorted.
    pub fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals.get(&session).into_iter().flatten().map(String::as_str)
    }

    /// How many ephemeral znodes a session has.
    pub fn ephemeral_count_of(&self, session: SessionId) -> usize {
        self.ephemerals.get(&session).map_or(0, BTreeSet::len)
    }

    /// How many ephemeral znodes there are.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Sessions that own ephemeral znodes; in no order.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// The containers, sorted.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.containers.iter().map(String::as_str)
    }

    /// The znodes with a time to live, sorted.
    pub fn ttls(&self) -> impl Iterator<Item = &str> {
        self.ttls.iter().map(String::as_str)
    }

    /// Znodes below a znode, at any depth.
    pub fn descendants(&self, path: &str) -> usize {
        let mut open: Vec<Handle> = self.nodes.find(path).map(|found| found.handle).into_iter().collect();
        let mut count = 0;
        while let Some(handle) = open.pop() {
            if let Some(family) = self.nodes.family_of(handle) {
                count += self.nodes.family(family).len();
                open.extend(self.nodes.family(family).iter());
            }
        }
        count
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub(crate) fn intern(&mut self, acls: Arc<[Acl]>) -> AclId {
        self.acls.insert(acls)
    }

    pub(crate) fn drop_unused_acls(&mut self) {
        self.acls.drop_unused();
    }

    /// Puts a znode below its parent, whose counters stay; the ACL's use is counted by the caller.
    pub(crate) fn attach(&mut self, new: NewNode<'_>) -> Result<(), NotAttached> {
        let (parent_path, _) = path::split_stored(new.path).ok_or(NotAttached::NoParent)?;
        let parent = self.nodes.find(parent_path).ok_or(NotAttached::NoParent)?;
        self.attach_to(parent, new).map(|_| ())
    }

    /// The same, where the parent has been found; where it is then.
    pub(crate) fn attach_to(&mut self, parent: Found, new: NewNode<'_>) -> Result<Found, NotAttached> {
        let NewNode { path, data, acl, stat } = new;
        let (_, name) = path::split_stored(path).ok_or(NotAttached::NoParent)?;
        let (meta, digest) = new_meta(path, data, acl, stat);
        let parent = self.nodes.add_child(parent, name, &meta, data).ok_or(NotAttached::Exists)?;
        self.count += 1;
        self.data_bytes += node_bytes(path, data);
        if !path::is_outside_digest(path) {
            self.digest = self.digest.plus(digest);
        }
        match self.nodes.kind_of(stat.ephemeral_owner) {
            NodeKind::Persistent => {}
            NodeKind::Ephemeral(session) => {
                self.ephemerals.entry(session).or_default().insert(path.to_owned());
            }
            NodeKind::Container => {
                self.containers.insert(path.to_owned());
            }
            NodeKind::Ttl(_) => {
                self.ttls.insert(path.to_owned());
            }
        }
        Ok(parent)
    }

    /// Replaces the root's content, which a snapshot brings as its first node.
    pub(crate) fn set_root(&mut self, data: Option<&[u8]>, acl: AclId, stat: StatPersisted) {
        let root = self.nodes.node(self.nodes.root());
        debug_assert_eq!(root.child_count(), 0, "the root comes first");
        self.digest = self.digest.minus(root.digest(path::ROOT));
        let (meta, digest) = new_meta(path::ROOT, data, acl, stat);
        self.nodes = Nodes::new(b"", &meta, data);
        self.digest = self.digest.plus(digest);
    }

    /// Takes a leaf out; its ACL's use is counted down. The ACL it had.
    pub(crate) fn detach(&mut self, path: &str) -> Result<Arc<[Acl]>, Missing> {
        let found = self.nodes.find(path).filter(|found| found.handle != self.nodes.root()).ok_or(Missing)?;
        let acl = self.acls.get(self.nodes.node(found.handle).acl_id());
        self.nodes.unlink(found);
        // Transactions delete leaves only; replay over a fuzzy snapshot may not.
        let mut open = vec![(path.to_owned(), found.handle)];
        while let Some((path, handle)) = open.pop() {
            if let Some(family) = self.nodes.family_of(handle) {
                let children = self.nodes.family(family).iter();
                open.extend(children.map(|child| (format!("{path}/{}", self.nodes.name(child)), child)));
            }
            self.forget(&path, handle);
        }
        Ok(acl)
    }

    fn forget(&mut self, path: &str, handle: Handle) {
        let node = self.nodes.node(handle);
        let meta = *node.meta();
        self.count -= 1;
        self.data_bytes -= node_bytes(path, node.data());
        if !path::is_outside_digest(path) {
            self.digest = self.digest.minus(node.digest(path));
        }
        self.acls.remove_user(meta.acl);
        self.nodes.free(handle);
        match self.nodes.kind_of(meta.stat.ephemeral_owner) {
            NodeKind::Persistent => {}
            NodeKind::Ephemeral(session) => {
                if let Some(paths) = self.ephemerals.get_mut(&session) {
                    paths.remove(path);
                    if paths.is_empty() {
                        self.ephemerals.remove(&session);
                    }
                }
            }
            NodeKind::Container => {
                self.containers.remove(path);
            }
            NodeKind::Ttl(_) => {
                self.ttls.remove(path);
            }
        }
    }

    /// A child of `path` was made or deleted: raises its counters, never lowers them. Which ACL it has.
    pub(crate) fn child_changed(&mut self, path: &str, cversion: Option<i32>, zxid: Zxid) -> Result<AclId, Missing> {
        let changed = self.change(path, Data::Same, |meta| match cversion {
            Some(cversion) => {
                let cversion = if cversion == -1 { meta.stat.cversion.wrapping_add(1) } else { cversion };
                if cversion > meta.stat.cversion {
                    meta.stat.cversion = cversion;
                    meta.stat.pzxid = zxid;
                }
            }
            None => meta.stat.pzxid = meta.stat.pzxid.max(zxid),
        })?;
        Ok(changed.acl)
    }

    /// Replaces the data; the znode as it is then.
    pub(crate) fn set_data(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        stat: impl FnOnce(&mut StatPersisted),
    ) -> Result<NodeRef<'_>, Missing> {
        let changed = self.change(path, Data::New(data), |meta| stat(&mut meta.stat))?;
        self.data_bytes = self.data_bytes + data.map_or(0, <[u8]>::len) as u64 - changed.old_len as u64;
        Ok(self.nodes.node(changed.found.handle))
    }

    pub(crate) fn set_acl(&mut self, path: &str, acls: &[Acl], aversion: i32) -> Result<(), Missing> {
        let new = self.acls.add(acls);
        let mut old = new;
        let changed = self.change(path, Data::Same, |meta| {
            old = std::mem::replace(&mut meta.acl, new);
            meta.stat.aversion = aversion;
        });
        self.acls.remove_user(old);
        changed.map(|_| ())
    }

    /// Changes a znode and keeps the digest true.
    fn change(&mut self, path: &str, data: Data<'_>, change: impl FnOnce(&mut Meta)) -> Result<Changed, Missing> {
        let found = self.nodes.find(path).ok_or(Missing)?;
        let node = self.nodes.node(found.handle);
        let path = path::stored(path);
        let (old, old_len) = (node.content(path), node.data().map_or(0, <[u8]>::len));
        let before = digest::node(old, &node.meta().stat);
        let mut meta = *node.meta();
        change(&mut meta);
        let content = match data {
            Data::Same => old,
            Data::New(data) => {
                let content = digest::content(path, data);
                meta.keep(content, data);
                content
            }
        };
        let found = self.nodes.change(found, &meta, data);
        if !path::is_outside_digest(path) {
            self.digest = self.digest.minus(before).plus(digest::node(content, &meta.stat));
        }
        Ok(Changed { old_len, found, acl: meta.acl })
    }

    /// What kind of znode this owner marks.
    pub(crate) fn kind_of(&self, ephemeral_owner: i64) -> NodeKind {
        self.nodes.kind_of(ephemeral_owner)
    }

    /// From here on marks of servers 3.5.3 are read, too: what seemed to belong to a session with a negative id has a
    /// time to live.
    pub(crate) fn emulate_353_ttl(&mut self) {
        self.nodes.emulate_353_ttl();
        let owners: Vec<SessionId> = self.ephemerals.keys().copied().filter(|owner| owner.0 < 0).collect();
        for owner in owners {
            self.ttls.extend(self.ephemerals.remove(&owner).unwrap_or_default());
        }
    }

    pub(crate) fn limited_paths(&self) -> &LimitedPaths {
        &self.limited
    }

    pub(crate) fn limited_paths_mut(&mut self) -> &mut LimitedPaths {
        &mut self.limited
    }

    /// Interns a list and counts one znode more that has it.
    pub(crate) fn use_acl(&mut self, acls: &[Acl]) -> AclId {
        self.acls.add(acls)
    }

    /// Counts one znode less that has an interned list.
    pub(crate) fn leave_acl(&mut self, acl: AclId) {
        self.acls.remove_user(acl);
    }

    /// Counts one znode more that has an interned list.
    pub(crate) fn use_acl_id(&mut self, acl: AclId) {
        self.acls.add_user(acl);
    }
}

/// What is stored of a new znode, and its part of the digest.
fn new_meta(path: &str, data: Option<&[u8]>, acl: AclId, stat: StatPersisted) -> (Meta, u32) {
    let content = digest::content(path, data);
    let mut meta = Meta { stat, acl, content: None, family: None };
    meta.keep(content, data);
    (meta, digest::node(content, &stat))
}

fn node_bytes(path: &str, data: Option<&[u8]>) -> u64 {
    (path.len() + data.map_or(0, <[u8]>::len)) as u64
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tree_has_apaches_digest_and_count() {
        let tree = Tree::new();
        assert_eq!(tree.digest(), TreeDigest(1_371_985_504));
        assert_eq!(tree.node_count(), 5);
        let config = tree.get(path::CONFIG).unwrap();
        assert_eq!(config.stat().aversion, -1);
        assert_eq!(tree.acl_of(config).as_ref(), Acl::read_only());
        assert!(tree.get("/").is_some() && tree.get("").is_some());
        for nowhere in ["zookeeper", "/zookeeper/", "//zookeeper", "/nope"] {
            assert!(tree.get(nowhere).is_none(), "{nowhere}");
        }
    }

    #[test]
    fn a_very_deep_tree_can_be_taken_out_and_dropped() {
        let mut tree = Tree::new();
        let before = tree.digest();
        let mut path = String::new();
        for _ in 0..2_000 {
            path.push_str("/x");
            let new = NewNode { path: &path, data: None, acl: AclId::OPEN, stat: StatPersisted::default() };
            assert_eq!(tree.attach(new), Ok(()));
        }
        assert_eq!(tree.descendants("/"), 2_003);
        assert!(tree.detach("/x").is_ok());
        assert_eq!(
            (tree.node_count(), tree.digest(), tree.approximate_data_size()),
            (5, before, Tree::new().data_bytes)
        );
        assert_eq!(tree.detach("/"), Err(Missing));
    }

    #[test]
    fn records_that_grow_and_shrink_keep_what_is_around_them() {
        let mut tree = Tree::new();
        let paths: Vec<String> = (0..2_000).map(|n| format!("/n{n}")).collect();
        for path in &paths {
            let new = NewNode { path, data: Some(b"1"), acl: AclId::OPEN, stat: StatPersisted::default() };
            assert_eq!(tree.attach(new), Ok(()));
        }
        for round in [700usize, 3, 50_000, 0, 20] {
            for (at, path) in paths.iter().enumerate().step_by(7) {
                let data = vec![at as u8; round + at % 5];
                assert!(tree.set_data(path, Some(&data), |stat| stat.version += 1 << (round % 23)).is_ok());
                assert_eq!(tree.child_changed(path, Some(round as i32), Zxid(round as i64)), Ok(AclId::OPEN));
            }
        }
        for (at, path) in paths.iter().enumerate() {
            let node = tree.get(path).unwrap();
            let expected = if at % 7 == 0 { vec![at as u8; 20 + at % 5] } else { b"1".to_vec() };
            assert_eq!(node.data(), Some(&expected[..]), "{path}");
        }
        let sizes: usize = paths.iter().map(|path| path.len() + tree.get(path).unwrap().data().unwrap().len()).sum();
        assert_eq!(tree.approximate_data_size(), Tree::new().data_bytes + sizes as u64);
    }
}
