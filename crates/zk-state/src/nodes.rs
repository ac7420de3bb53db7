//! All znodes: their records, and who is whose child. What a znode means, [`crate::tree`] knows.

use crate::arena::{Arena, Handle};
use crate::children::{Children, Place};
use crate::node::{Meta, NodeKind, NodeRef, record};
use crate::path;

/// Names the children of one znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FamilyId(pub(crate) u32);

/// Where a znode is found: its record, and its place among its parent's children (the root has none).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) handle: Handle,
    place: Option<(FamilyId, Place)>,
}

/// What becomes of the data when a record is changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data<'a> {
    /// It stays.
    Same,
    /// It is replaced; `None` is null.
    New(Option<&'a [u8]>),
}

/// Records and families. Whatever is asked for by handle or family must be there: only [`crate::tree`] holds them.
#[derive(Debug)]
pub(crate) struct Nodes {
    arena: Arena,
    families: Vec<Children>,
    /// Families that nobody has.
    free_families: Vec<u32>,
    root: Handle,
    /// Are marks read as [`NodeKind::of_353`] does?
    ttl_353: bool,
}

impl Nodes {
    /// A root and nothing else.
    pub(crate) fn new(name: &[u8], meta: &Meta, data: Option<&[u8]>) -> Nodes {
        let mut arena = Arena::default();
        let root = put(&mut arena, name, meta, data);
        Nodes { arena, families: Vec::new(), free_families: Vec::new(), root, ttl_353: false }
    }

    /// What kind of znode this owner marks.
    pub(crate) fn kind_of(&self, ephemeral_owner: i64) -> NodeKind {
        if self.ttl_353 { NodeKind::of_353(ephemeral_owner) } else { NodeKind::of(ephemeral_owner) }
    }

    pub(crate) fn emulate_353_ttl(&mut self) {
        self.ttl_353 = true;
    }

    pub(crate) fn slot(&self, handle: Handle) -> &[u8] {
        self.arena.get(handle)
    }

    pub(crate) fn name(&self, handle: Handle) -> &str {
        // Names are put in as text and never cut.
        std::str::from_utf8(record::name(self.slot(handle))).unwrap_or_default()
    }

    pub(crate) fn node(&self, handle: Handle) -> NodeRef<'_> {
        NodeRef::new(self, handle)
    }

    pub(crate) fn family(&self, family: FamilyId) -> &Children {
        &self.families[family.0 as usize]
    }

    pub(crate) fn root(&self) -> Handle {
        self.root
    }

    /// The children of a znode, if it has a family.
    pub(crate) fn family_of(&self, handle: Handle) -> Option<FamilyId> {
        record::family(self.slot(handle))
    }

    /// Where a child is, or would be.
    pub(crate) fn find_child(&self, family: FamilyId, name: &str) -> Result<Place, Place> {
        self.family(family).find(name.as_bytes(), |handle| record::name(self.slot(handle)))
    }

    /// The znode at `path`; "" and "/" are the root.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let path = path::stored(path);
        let mut found = Found { handle: self.root, place: None };
        if path.is_empty() {
            return Some(found);
        }
        for name in path.strip_prefix('/')?.split('/') {
            let family = self.family_of(found.handle)?;
            let place = self.find_child(family, name).ok()?;
            found = Found { handle: self.family(family).at(place)?, place: Some((family, place)) };
        }
        Some(found)
    }

    /// Makes a record that is nobody's child yet.
    pub(crate) fn add(&mut self, name: &[u8], meta: &Meta, data: Option<&[u8]>) -> Handle {
        put(&mut self.arena, name, meta, data)
    }

    /// Makes a child of `parent`; where the parent is then. Nothing happens, and `None`, if it has one of that name.
    pub(crate) fn add_child(&mut self, parent: Found, name: &str, meta: &Meta, data: Option<&[u8]>) -> Option<Found> {
        let (parent, family) = if let Some(family) = self.family_of(parent.handle) {
            (parent, family)
        } else {
            let mut of_parent = record::parts(self.slot(parent.handle)).meta;
            let family = FamilyId(self.free_families.pop().unwrap_or_else(|| {
                self.families.push(Children::default());
                self.families.len() as u32 - 1
            }));
            of_parent.family = Some(family);
            (self.change(parent, &of_parent, Data::Same), family)
        };
        let place = self.find_child(family, name).err()?;
        let handle = self.add(name.as_bytes(), meta, data);
        self.families[family.0 as usize].insert(place, handle);
        Some(parent)
    }

    /// Takes a znode out of its family; its record stays until [`Nodes::free`].
    pub(crate) fn unlink(&mut self, found: Found) {
        if let Some((family, place)) = found.place {
            self.families[family.0 as usize].remove(place);
        }
    }

    /// Gives a record back, and its family, which nobody may need any more.
    pub(crate) fn free(&mut self, handle: Handle) {
        if let Some(family) = self.family_of(handle) {
            self.families[family.0 as usize] = Children::default();
            self.free_families.push(family.0);
        }
        self.arena.free(handle);
    }

    /// Replaces what is stored of a znode; where it is then. The places of all znodes stay.
    pub(crate) fn change(&mut self, found: Found, meta: &Meta, data: Data<'_>) -> Found {
        let old = record::parts(self.slot(found.handle));
        let new_len = match data {
            Data::Same => old.data.as_ref().map(ExactSizeIterator::len),
            Data::New(data) => data.map(<[u8]>::len),
        };
        let head = record::Head::new(meta, new_len);
        let head = head.as_slice();
        let data_at = old.head + head.len();
        let total = data_at + new_len.unwrap_or(0);
        if self.arena.fits(found.handle, total) {
            let slot = self.arena.get_mut(found.handle);
            if let (Data::Same, Some(range)) = (data, old.data)
                && range.start != data_at
            {
                slot.copy_within(range, data_at);
            }
            slot[old.head..data_at].copy_from_slice(head);
            if let Data::New(Some(data)) = data {
                slot[data_at..total].copy_from_slice(data);
            }
            return found;
        }
        let handle = self.arena.allocate(total);
        self.arena.copy(found.handle, 0..old.head, handle, 0);
        self.arena.get_mut(handle)[old.head..data_at].copy_from_slice(head);
        match (data, old.data) {
            (Data::Same, Some(range)) => self.arena.copy(found.handle, range, handle, data_at),
            (Data::New(Some(data)), _) => self.arena.get_mut(handle)[data_at..total].copy_from_slice(data),
            _ => {}
        }
        self.arena.free(found.handle);
        match found.place {
            Some((family, place)) => self.families[family.0 as usize].replace(place, handle),
            None => self.root = handle,
        }
        Found { handle, ..found }
    }
}

fn put(arena: &mut Arena, name: &[u8], meta: &Meta, data: Option<&[u8]>) -> Handle {
    let head = record::Head::new(meta, data.map(<[u8]>::len));
    let head = head.as_slice();
    let data = data.unwrap_or_default();
    let name_at = record::number_len(name.len() as u64);
    let head_at = name_at + name.len();
    let data_at = head_at + head.len();
    let handle = arena.allocate(data_at + data.len());
    let slot = arena.get_mut(handle);
    record::put_number(slot, name.len() as u64);
    slot[name_at..head_at].copy_from_slice(name);
    slot[head_at..data_at].copy_from_slice(head);
    slot[data_at..data_at + data.len()].copy_from_slice(data);
    handle
}
