//! The znodes, with what is derived from them: digest, counts, and who owns which ephemeral, container and TTL znode.
//!
//! A znode is found by walking the components of its path through sorted maps of children. Nothing holds a full path
//! but the indexes, and a snapshot's cursor can come back to where it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use zk_proto::{Acl, SessionId, StatPersisted, Zxid};

use crate::acl::{AclId, AclTable};
use crate::digest::TreeDigest;
use crate::node::{Children, Node, NodeKind, NodeRef};
use crate::path;

/// The tree of znodes.
#[derive(Debug)]
pub struct Tree {
    root: Node,
    acls: AclTable,
    digest: TreeDigest,
    nodes: usize,
    data_bytes: u64,
    ephemerals: HashMap<SessionId, BTreeSet<String>>,
    containers: BTreeSet<String>,
    ttls: BTreeSet<String>,
}

/// The parent of what should change is not there, or the znode itself is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing;

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
        let root = Node::new(path::ROOT, Some([].into()), AclId::OPEN, StatPersisted::default());
        let digest = TreeDigest::default().plus(root.digest());
        Tree {
            root,
            acls: AclTable::default(),
            digest,
            // Apache counts the root twice, as "" and as "/", and people compare the figure.
            nodes: 2,
            data_bytes: 0,
            ephemerals: HashMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
        }
    }

    /// The znode at `path`; "" and "/" are the root.
    pub fn get(&self, path: &str) -> Option<NodeRef<'_>> {
        self.node(path).map(NodeRef)
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
        self.nodes
    }

    /// Bytes of all paths and data.
    pub fn approximate_data_size(&self) -> u64 {
        self.data_bytes
    }

    /// The ephemeral znodes of a session, sorted.
    pub fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals.get(&session).into_iter().flatten().map(String::as_str)
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
        let mut open: Vec<&Node> = self.node(path).into_iter().collect();
        let mut count = 0;
        while let Some(node) = open.pop() {
            count += node.child_count();
            open.extend(node.children().into_iter().flat_map(|children| children.values().map(Box::as_ref)));
        }
        count
    }

    pub(crate) fn node(&self, path: &str) -> Option<&Node> {
        let path = path::stored(path);
        if path.is_empty() {
            return Some(&self.root);
        }
        path.strip_prefix('/')?.split('/').try_fold(&self.root, |node, name| node.child(name))
    }

    fn node_mut(&mut self, path: &str) -> Option<&mut Node> {
        let path = path::stored(path);
        if path.is_empty() {
            return Some(&mut self.root);
        }
        path.strip_prefix('/')?.split('/').try_fold(&mut self.root, |node, name| node.child_mut(name))
    }

    pub(crate) fn root_children(&self) -> Option<&Children> {
        self.root.children()
    }

    pub(crate) fn intern(&mut self, acls: Arc<[Acl]>) -> AclId {
        self.acls.insert(acls)
    }

    pub(crate) fn drop_unused_acls(&mut self) {
        self.acls.drop_unused();
    }

    /// Puts a znode below its parent, whose counters stay; the ACL's use is counted by the caller.
    pub(crate) fn attach(&mut self, new: NewNode<'_>) -> Result<(), Missing> {
        let NewNode { path, data, acl, stat } = new;
        let (parent_path, name) = path::split(path).ok_or(Missing)?;
        let parent = self.node_mut(parent_path).ok_or(Missing)?;
        let node = Node::new(path, data.map(Into::into), acl, stat);
        let digest = node.digest();
        parent.add_child(name, node);
        self.nodes += 1;
        self.data_bytes += node_bytes(path, data);
        if !path::is_outside_digest(path) {
            self.digest = self.digest.plus(digest);
        }
        match NodeKind::of(stat.ephemeral_owner) {
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
        Ok(())
    }

    /// Replaces the root's content, which a snapshot brings as its first node.
    pub(crate) fn set_root(&mut self, data: Option<&[u8]>, acl: AclId, stat: StatPersisted) {
        self.digest = self.digest.minus(self.root.digest());
        let children = self.root.take_children();
        debug_assert!(children.is_none(), "the root comes first");
        self.root = Node::new(path::ROOT, data.map(Into::into), acl, stat);
        self.digest = self.digest.plus(self.root.digest());
    }

    /// Takes a leaf out; its ACL's use is counted down.
    pub(crate) fn detach(&mut self, path: &str) -> Result<(), Missing> {
        let (parent_path, name) = path::split(path).ok_or(Missing)?;
        let parent = self.node_mut(parent_path).ok_or(Missing)?;
        let node = parent.remove_child(name).ok_or(Missing)?;
        self.nodes -= 1 + self.forget_below(path, &node);
        self.forget_node(path, &node);
        Ok(())
    }

    /// Forgets what an inner node held. Transactions delete leaves only; replay over a fuzzy snapshot may not.
    fn forget_below(&mut self, path: &str, node: &Node) -> usize {
        let mut open: Vec<(String, &Node)> = vec![(path.to_owned(), node)];
        let mut count = 0;
        while let Some((path, node)) = open.pop() {
            for (name, child) in node.children().into_iter().flatten() {
                let path = format!("{path}/{name}");
                self.forget_node(&path, child);
                count += 1;
                open.push((path, child));
            }
        }
        count
    }

    fn forget_node(&mut self, path: &str, node: &Node) {
        self.data_bytes -= node_bytes(path, node.data.as_deref());
        if !path::is_outside_digest(path) {
            self.digest = self.digest.minus(node.digest());
        }
        self.acls.remove_user(node.acl);
        match NodeKind::of(node.stat.ephemeral_owner) {
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

    /// A child of `path` was made or deleted: raises its counters, never lowers them.
    pub(crate) fn child_changed(&mut self, path: &str, cversion: Option<i32>, zxid: Zxid) -> Result<(), Missing> {
        self.change(path, |node| match cversion {
            Some(cversion) => {
                let cversion = if cversion == -1 { node.stat.cversion.wrapping_add(1) } else { cversion };
                if cversion > node.stat.cversion {
                    node.stat.cversion = cversion;
                    node.stat.pzxid = zxid;
                }
            }
            None => node.stat.pzxid = node.stat.pzxid.max(zxid),
        })
    }

    pub(crate) fn set_data(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        stat: impl FnOnce(&mut StatPersisted),
    ) -> Result<(), Missing> {
        let mut old_len = 0;
        self.change(path, |node| {
            old_len = node.data.as_ref().map_or(0, |data| data.len());
            node.data = data.map(Into::into);
            node.content = crate::digest::content(path::stored(path), data);
            stat(&mut node.stat);
        })?;
        self.data_bytes = self.data_bytes + data.map_or(0, <[u8]>::len) as u64 - old_len as u64;
        Ok(())
    }

    pub(crate) fn set_acl(&mut self, path: &str, acls: &[Acl], aversion: i32) -> Result<(), Missing> {
        let new = self.acls.add(acls);
        let mut old = new;
        let changed = self.change(path, |node| {
            old = std::mem::replace(&mut node.acl, new);
            node.stat.aversion = aversion;
        });
        self.acls.remove_user(old);
        changed
    }

    /// Changes a node in place and keeps the digest true.
    fn change(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> Result<(), Missing> {
        let node = self.node_mut(path).ok_or(Missing)?;
        let before = node.digest();
        change(node);
        let after = node.digest();
        if !path::is_outside_digest(path) {
            self.digest = self.digest.minus(before).plus(after);
        }
        Ok(())
    }

    /// Interns a list and counts one znode more that has it.
    pub(crate) fn use_acl(&mut self, acls: &[Acl]) -> AclId {
        self.acls.add(acls)
    }

    /// Counts one znode more that has an interned list.
    pub(crate) fn use_acl_id(&mut self, acl: AclId) {
        self.acls.add_user(acl);
    }
}

fn node_bytes(path: &str, data: Option<&[u8]>) -> u64 {
    (path.len() + data.map_or(0, <[u8]>::len)) as u64
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

/// Takes the tree apart from a list: dropping a chain of a million nodes recursively would overflow the stack.
impl Drop for Tree {
    fn drop(&mut self) {
        let mut open: Vec<Box<Children>> = self.root.take_children().into_iter().collect();
        while let Some(mut children) = open.pop() {
            while let Some((_, mut node)) = children.pop_first() {
                open.extend(node.take_children());
            }
        }
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
    fn a_very_deep_tree_can_be_dropped() {
        let mut tree = Tree::new();
        let mut node = &mut tree.root;
        for _ in 0..300_000 {
            node.add_child("x", Node::new("", None, AclId::OPEN, StatPersisted::default()));
            node = node.child_mut("x").unwrap();
        }
        drop(tree);
    }
}
