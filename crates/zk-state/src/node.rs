//! One znode: data, ACL, counters, children; and the marks of its kind in `ephemeral_owner`.

use zk_proto::{SessionId, Stat, StatPersisted, Zxid};

use crate::acl::AclId;
use crate::arena::Handle;
use crate::children::Children;
use crate::digest;
use crate::nodes::{FamilyId, Nodes};

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

    /// Reads the mark as servers 3.5.3 wrote it: any negative owner but a container's is a time to live, of which Apache
    /// reads the lower 40 bits (`emulate353TTLNodes`).
    pub fn of_353(ephemeral_owner: i64) -> NodeKind {
        match NodeKind::of(ephemeral_owner) {
            NodeKind::Ephemeral(_) if ephemeral_owner < 0 => NodeKind::Ttl(ephemeral_owner & TTL_MAX),
            kind => kind,
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

/// What is stored of a znode beside its name, data and children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) stat: StatPersisted,
    pub(crate) acl: AclId,
    /// [`digest::content`] of its path and data, where the data is long: see [`Meta::keep`].
    pub(crate) content: Option<u32>,
    /// Its children, once it had any.
    pub(crate) family: Option<FamilyId>,
}

/// Data up to so many bytes is gone through again when its checksum is needed.
const SHORT_DATA: usize = 1 << 10;

impl Meta {
    /// Keeps the checksum of path and data, if finding it again would take longer than keeping it is worth.
    pub(crate) fn keep(&mut self, content: u32, data: Option<&[u8]>) {
        self.content = data.is_some_and(|data| data.len() > SHORT_DATA).then_some(content);
    }
}

/// The bytes of a record: the name, then [`Meta`], then the data. Most znodes are never changed, and most numbers are
/// small or near another one: such a record takes eleven bytes beside name and data, where the plain ones have 72.
///
/// ```text
/// record := name:len,bytes flags:byte family? czxid ctime changes? acl? owner? content? data_len data
/// changes := mzxid pzxid mtime version cversion aversion
/// ```
pub(crate) mod record {
    use super::{AclId, FamilyId, Meta, StatPersisted, Zxid};

    /// The data is null, which is not empty.
    const NULL: u8 = 1;
    const HAS_FAMILY: u8 = 2;
    const HAS_OWNER: u8 = 4;
    /// There is more than the creation.
    const CHANGED: u8 = 8;
    const HAS_ACL: u8 = 16;
    const HAS_CONTENT: u8 = 32;
    /// The time takes eight bytes.
    const FAR_TIME: u8 = 64;
    /// Times of the 34 years behind 2010 take five bytes.
    const NEAR: i64 = 1_262_304_000_000;
    const NEAR_BYTES: usize = 5;
    /// What [`Head`] has room for: everything at its longest.
    const HEAD_MAX: usize = 128;

    /// The bytes between name and data.
    pub(crate) struct Head {
        bytes: [u8; HEAD_MAX],
        len: usize,
    }

    impl Head {
        pub(crate) fn new(meta: &Meta, data: Option<usize>) -> Head {
            let mut head = Head { bytes: [0; HEAD_MAX], len: 0 };
            let stat = &meta.stat;
            let created = StatPersisted {
                czxid: stat.czxid,
                mzxid: stat.czxid,
                pzxid: stat.czxid,
                ctime: stat.ctime,
                mtime: stat.ctime,
                ephemeral_owner: stat.ephemeral_owner,
                ..StatPersisted::default()
            };
            let since = stat.ctime.wrapping_sub(NEAR) as u64;
            let flags = [
                (NULL, data.is_none()),
                (HAS_FAMILY, meta.family.is_some()),
                (HAS_OWNER, stat.ephemeral_owner != 0),
                (CHANGED, *stat != created),
                (HAS_ACL, meta.acl != AclId::OPEN),
                (HAS_CONTENT, meta.content.is_some()),
                (FAR_TIME, since >> (8 * NEAR_BYTES) != 0),
            ];
            let flags = flags.iter().filter(|(_, set)| *set).fold(0, |all, (flag, _)| all | flag);
            head.put(&[flags]);
            if let Some(family) = meta.family {
                head.put(&family.0.to_le_bytes());
            }
            head.number(stat.czxid.0 as u64);
            head.put(&since.to_le_bytes()[..if flags & FAR_TIME == 0 { NEAR_BYTES } else { 8 }]);
            if flags & CHANGED != 0 {
                head.number(stat.mzxid.0.wrapping_sub(stat.czxid.0) as u64);
                head.number(stat.pzxid.0.wrapping_sub(stat.czxid.0) as u64);
                head.number(zigzag(stat.mtime.wrapping_sub(stat.ctime)));
                for counter in [stat.version, stat.cversion, stat.aversion] {
                    head.number(zigzag(i64::from(counter)));
                }
            }
            if flags & HAS_ACL != 0 {
                head.number(meta.acl.number());
            }
            if flags & HAS_OWNER != 0 {
                head.put(&stat.ephemeral_owner.to_le_bytes());
            }
            if let Some(content) = meta.content {
                head.put(&content.to_le_bytes());
            }
            head.number(data.unwrap_or(0) as u64);
            head
        }

        pub(crate) fn as_slice(&self) -> &[u8] {
            &self.bytes[..self.len]
        }

        fn put(&mut self, bytes: &[u8]) {
            self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
            self.len += bytes.len();
        }

        fn number(&mut self, value: u64) {
            self.len += put_number(&mut self.bytes[self.len..], value);
        }
    }

    /// Writes a number, seven bits to a byte; how many bytes it took.
    pub(crate) fn put_number(out: &mut [u8], mut value: u64) -> usize {
        let mut len = 0;
        while value >= 0x80 {
            out[len] = value as u8 | 0x80;
            value >>= 7;
            len += 1;
        }
        out[len] = value as u8;
        len + 1
    }

    /// How many bytes [`put_number`] takes.
    pub(crate) fn number_len(value: u64) -> usize {
        (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
    }

    fn zigzag(value: i64) -> u64 {
        ((value << 1) ^ (value >> 63)) as u64
    }

    fn unzigzag(value: u64) -> i64 {
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    /// Reads what [`Head`] and the name before it have written, from a slot's start.
    struct Cursor<'a> {
        slot: &'a [u8],
        at: usize,
    }

    impl<'a> Cursor<'a> {
        fn byte(&mut self) -> u8 {
            self.at += 1;
            self.slot[self.at - 1]
        }

        fn number(&mut self) -> u64 {
            let mut value = 0;
            let mut shift = 0;
            loop {
                let byte = self.byte();
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return value;
                }
            }
        }

        fn counter(&mut self) -> i32 {
            unzigzag(self.number()) as i32
        }

        fn bytes(&mut self, len: usize) -> &'a [u8] {
            self.at += len;
            &self.slot[self.at - len..self.at]
        }

        fn fixed<const N: usize>(&mut self) -> [u8; N] {
            self.bytes(N).first_chunk().copied().unwrap_or([0; N])
        }
    }

    /// The name alone.
    pub(crate) fn name(slot: &[u8]) -> &[u8] {
        if slot[0] < 0x80 {
            return &slot[1..=slot[0] as usize];
        }
        let mut cursor = Cursor { slot, at: 0 };
        let len = cursor.number() as usize;
        cursor.bytes(len)
    }

    /// The family alone: a walk along a path needs no more.
    pub(crate) fn family(slot: &[u8]) -> Option<FamilyId> {
        let mut cursor = Cursor { slot, at: 0 };
        let name_len = cursor.number() as usize;
        cursor.bytes(name_len);
        let has_family = cursor.byte() & HAS_FAMILY != 0;
        has_family.then(|| FamilyId(u32::from_le_bytes(cursor.fixed())))
    }

    /// What a slot holds, and where.
    pub(crate) struct Parts {
        pub(crate) meta: Meta,
        /// Where the name ends and the head begins.
        pub(crate) head: usize,
        /// Where the head ends and the data begins; `None` for null.
        pub(crate) data: Option<std::ops::Range<usize>>,
    }

    pub(crate) fn parts(slot: &[u8]) -> Parts {
        let mut cursor = Cursor { slot, at: 0 };
        let name_len = cursor.number() as usize;
        cursor.bytes(name_len);
        let head = cursor.at;
        let flags = cursor.byte();
        let family = (flags & HAS_FAMILY != 0).then(|| FamilyId(u32::from_le_bytes(cursor.fixed())));
        let mut stat = StatPersisted { czxid: Zxid(cursor.number() as i64), ..StatPersisted::default() };
        let mut since = [0; 8];
        let time_len = if flags & FAR_TIME == 0 { NEAR_BYTES } else { 8 };
        since[..time_len].copy_from_slice(cursor.bytes(time_len));
        stat.ctime = NEAR.wrapping_add(i64::from_le_bytes(since));
        (stat.mzxid, stat.pzxid, stat.mtime) = (stat.czxid, stat.czxid, stat.ctime);
        if flags & CHANGED != 0 {
            stat.mzxid = Zxid(stat.czxid.0.wrapping_add(cursor.number() as i64));
            stat.pzxid = Zxid(stat.czxid.0.wrapping_add(cursor.number() as i64));
            stat.mtime = stat.ctime.wrapping_add(unzigzag(cursor.number()));
            (stat.version, stat.cversion, stat.aversion) = (cursor.counter(), cursor.counter(), cursor.counter());
        }
        let acl = if flags & HAS_ACL == 0 { AclId::OPEN } else { AclId::from_number(cursor.number()) };
        if flags & HAS_OWNER != 0 {
            stat.ephemeral_owner = i64::from_le_bytes(cursor.fixed());
        }
        let content = (flags & HAS_CONTENT != 0).then(|| u32::from_le_bytes(cursor.fixed()));
        let data_len = cursor.number() as usize;
        let data = (flags & NULL == 0).then_some(cursor.at..cursor.at + data_len);
        Parts { meta: Meta { stat, acl, content, family }, head, data }
    }
}

/// Stored counters as clients see them: stored `cversion` counts creates, shown it counts creates and deletes.
pub(crate) fn shown_stat(stored: &StatPersisted, kind: NodeKind, data_length: usize, children: usize) -> Stat {
    Stat {
        czxid: stored.czxid,
        mzxid: stored.mzxid,
        ctime: stored.ctime,
        mtime: stored.mtime,
        version: stored.version,
        cversion: stored.cversion.wrapping_mul(2).wrapping_sub(children as i32),
        aversion: stored.aversion,
        ephemeral_owner: match kind {
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
pub struct NodeRef<'a> {
    nodes: &'a Nodes,
    meta: Meta,
    data: Option<&'a [u8]>,
}

impl<'a> NodeRef<'a> {
    pub(crate) fn new(nodes: &'a Nodes, handle: Handle) -> NodeRef<'a> {
        let slot = nodes.slot(handle);
        let parts = record::parts(slot);
        NodeRef { nodes, meta: parts.meta, data: parts.data.map(|data| &slot[data]) }
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// [`digest::content`] of its data and its path, in stored form.
    pub(crate) fn content(&self, path: &str) -> u32 {
        self.meta.content.unwrap_or_else(|| digest::content(path, self.data))
    }

    /// Its part of the tree's digest.
    pub(crate) fn digest(&self, path: &str) -> u32 {
        digest::node(self.content(path), &self.meta.stat)
    }

    /// Its content; null is not empty.
    pub fn data(self) -> Option<&'a [u8]> {
        self.data
    }

    /// Its counters as clients see them.
    pub fn stat(self) -> Stat {
        shown_stat(&self.meta.stat, self.kind(), self.data.map_or(0, <[u8]>::len), self.child_count())
    }

    /// Its counters as they are stored.
    pub fn stored_stat(self) -> StatPersisted {
        self.meta.stat
    }

    /// Which list of the ACL table it has.
    pub fn acl_id(self) -> AclId {
        self.meta.acl
    }

    /// How many children it has.
    pub fn child_count(self) -> usize {
        self.meta.family.map_or(0, |family| self.nodes.family(family).len())
    }

    /// Its children's names, sorted.
    pub fn children(self) -> impl Iterator<Item = &'a str> {
        let family = self.meta.family.map(|family| self.nodes.family(family));
        family.into_iter().flat_map(Children::iter).map(|child| self.nodes.name(child))
    }

    /// What kind of znode it is.
    pub fn kind(self) -> NodeKind {
        self.nodes.kind_of(self.meta.stat.ephemeral_owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn a_leaf_as_most_are_is_small() {
        let stat = StatPersisted {
            czxid: Zxid(0x0010_0000),
            mzxid: Zxid(0x0010_0000),
            pzxid: Zxid(0x0010_0000),
            ctime: 1_750_000_000_000,
            mtime: 1_750_000_000_000,
            ..StatPersisted::default()
        };
        let head = record::Head::new(&Meta { stat, acl: AclId::OPEN, content: None, family: None }, Some(100));
        assert!(head.as_slice().len() <= 10, "{}", head.as_slice().len());
    }

    prop_compose! {
        fn stats()(
            zxids in any::<[i64; 3]>(),
            times in any::<[i64; 2]>(),
            counters in any::<[i32; 3]>(),
            owner in prop_oneof![Just(0i64), any::<i64>()],
        ) -> StatPersisted {
            StatPersisted {
                czxid: Zxid(zxids[0]),
                mzxid: Zxid(zxids[1]),
                pzxid: Zxid(zxids[2]),
                ctime: times[0],
                mtime: times[1],
                version: counters[0],
                cversion: counters[1],
                aversion: counters[2],
                ephemeral_owner: owner,
            }
        }
    }

    proptest! {
        #[test]
        fn any_record_reads_as_it_was_written(
            stat in stats(),
            name in "\\PC{0,300}",
            data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
            content in proptest::option::of(any::<u32>()),
            acl in any::<u32>(),
            family in proptest::option::of(any::<u32>()),
        ) {
            let acl = AclId::from_number(u64::from(acl));
            let meta = Meta { stat, acl, content, family: family.map(FamilyId) };
            let mut nodes = Nodes::new(b"", &meta, None);
            let handle = nodes.add(name.as_bytes(), &meta, data.as_deref());
            let node = record::parts(nodes.slot(handle));
            prop_assert_eq!(node.meta, meta);
            prop_assert_eq!(node.data.map(|data| nodes.slot(handle)[data].to_vec()), data);
            prop_assert_eq!(nodes.name(handle), name);
        }
    }
}
