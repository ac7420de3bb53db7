//! One znode: data, ACL, counters, children; and the marks of its kind in `ephemeral_owner`.

use std::collections::BTreeMap;

use zk_proto::{SessionId, Stat, StatPersisted};

use crate::acl::AclId;
use crate::digest;

/// Mark of a container.
const CONTAINER: i64 = i64::MIN;
/// Mark of a znode with a time to live, which stands in the other 40 bits.
const TTL_MARK: i64 = -0x0100_0000_0000_0000;
/// The longest time to live in milliseconds.
pub const TTL_MAX: i64 = 0xff_ffff_ffff;

/// What `ephemeral_owner` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Stays until it is deleted.
    Persistent,
    /// Goes with this session.
    Ephemeral(SessionId),
    /// Goes some time after its last child.
    Container,
    /// Goes when it has no children and was not changed for so many milliseconds.
    Ttl(i64),
}

impl NodeKind {
    /// Reads the mark. Server ids above 254 would collide with it, and Apache forbids them.
    pub fn of(ephemeral_owner: i64) -> NodeKind {
        match ephemeral_owner {
            0 => NodeKind::Persistent,
            CONTAINER => NodeKind::Container,
            owner if owner & TTL_MARK == TTL_MARK => NodeKind::Ttl(owner & TTL_MAX),
            owner => NodeKind::Ephemeral(SessionId(owner)),
        }
    }

    /// The mark.
    pub fn owner(self) -> i64 {
        match self {
            NodeKind::Persistent => 0,
            NodeKind::Ephemeral(session) => session.0,
            NodeKind::Container => CONTAINER,
            NodeKind::Ttl(ttl) => TTL_MARK | ttl,
        }
    }
}

pub(crate) type Children = BTreeMap<Box<str>, Box<Node>>;

/// A znode in the tree. Its name is the key in its parent's map and is stored nowhere else; leaves have no map. That
/// keeps a million of them below 200 bytes each.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) data: Option<Box<[u8]>>,
    pub(crate) stat: StatPersisted,
    pub(crate) acl: AclId,
    /// [`digest::content`] of its path and data.
    pub(crate) content: u32,
    children: Option<Box<Children>>,
}

impl Node {
    pub(crate) fn new(path: &str, data: Option<Box<[u8]>>, acl: AclId, stat: StatPersisted) -> Node {
        let content = digest::content(path, data.as_deref());
        Node { data, stat, acl, content, children: None }
    }

    pub(crate) fn digest(&self) -> u32 {
        digest::node(self.content, &self.stat)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.as_ref()?.get(name).map(Box::as_ref)
    }

    pub(crate) fn child_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.children.as_mut()?.get_mut(name).map(Box::as_mut)
    }

    pub(crate) fn add_child(&mut self, name: &str, child: Node) {
        self.children.get_or_insert_default().insert(name.into(), Box::new(child));
    }

    pub(crate) fn remove_child(&mut self, name: &str) -> Option<Box<Node>> {
        let children = self.children.as_mut()?;
        let removed = children.remove(name);
        if children.is_empty() {
            self.children = None;
        }
        removed
    }

    pub(crate) fn take_children(&mut self) -> Option<Box<Children>> {
        self.children.take()
    }

    pub(crate) fn children(&self) -> Option<&Children> {
        self.children.as_deref()
    }

    pub(crate) fn child_count(&self) -> usize {
        self.children.as_ref().map_or(0, |children| children.len())
    }

    pub(crate) fn stat(&self) -> Stat {
        shown_stat(&self.stat, self.data.as_ref().map_or(0, |data| data.len()), self.child_count())
    }
}

/// Stored counters as clients see them: stored `cversion` counts creates, shown it counts creates and deletes.
fn shown_stat(stored: &StatPersisted, data_length: usize, children: usize) -> Stat {
    Stat {
        czxid: stored.czxid,
        mzxid: stored.mzxid,
        ctime: stored.ctime,
        mtime: stored.mtime,
        version: stored.version,
        cversion: stored.cversion.wrapping_mul(2).wrapping_sub(children as i32),
        aversion: stored.aversion,
        ephemeral_owner: match NodeKind::of(stored.ephemeral_owner) {
            NodeKind::Ephemeral(session) => session.0,
            _ => 0,
        },
        data_length: data_length as i32,
        num_children: children as i32,
        pzxid: stored.pzxid,
    }
}

/// A znode to look at.
#[derive(Debug, Clone, Copy)]
pub struct NodeRef<'a>(pub(crate) &'a Node);

impl<'a> NodeRef<'a> {
    /// Its content; null is not empty.
    pub fn data(self) -> Option<&'a [u8]> {
        self.0.data.as_deref()
    }

    /// Its counters as clients see them.
    pub fn stat(self) -> Stat {
        self.0.stat()
    }

    /// Its counters as they are stored.
    pub fn stored_stat(self) -> &'a StatPersisted {
        &self.0.stat
    }

    /// Which list of the ACL table it has.
    pub fn acl_id(self) -> AclId {
        self.0.acl
    }

    /// How many children it has.
    pub fn child_count(self) -> usize {
        self.0.child_count()
    }

    /// Its children's names, sorted.
    pub fn children(self) -> impl Iterator<Item = &'a str> {
        self.0.children().into_iter().flat_map(|children| children.keys().map(AsRef::as_ref))
    }

    /// What kind of znode it is.
    pub fn kind(self) -> NodeKind {
        NodeKind::of(self.0.stat.ephemeral_owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        for kind in [
            NodeKind::Persistent,
            NodeKind::Ephemeral(SessionId(0x0100_0000_0000_0001)),
            NodeKind::Container,
            NodeKind::Ttl(1000),
            NodeKind::Ttl(TTL_MAX),
        ] {
            assert_eq!(NodeKind::of(kind.owner()), kind);
        }
        assert_eq!(NodeKind::Ttl(5).owner() as u64, 0xff00_0000_0000_0005);
    }

    #[test]
    fn a_node_is_small() {
        assert!(size_of::<Node>() <= 96, "{}", size_of::<Node>());
    }
}
