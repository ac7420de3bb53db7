//! The children of a znode, sorted by name, in four bytes each.
//!
//! The names stand in the records. The handles lie in pieces of some hundred, so that a child among a million costs one
//! short move; a piece that overflows is cut where the new child goes, which leaves full pieces behind whoever counts
//! upwards.

use crate::arena::Handle;

/// Children in one piece at most.
const PIECE: usize = 512;

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    piece: usize,
    index: usize,
}

impl Place {
    /// The next place, perhaps behind the end of a piece: see [`Children::from`].
    pub(crate) fn behind(self) -> Place {
        Place { index: self.index + 1, ..self }
    }
}

/// The children of one znode.
#[derive(Debug)]
pub(crate) enum Children {
    /// All in one piece.
    Few(Vec<Handle>),
    /// In several pieces, none of them empty.
    Many(Vec<Vec<Handle>>, usize),
}

impl Default for Children {
    fn default() -> Children {
        Children::Few(Vec::new())
    }
}

impl Children {
    pub(crate) fn len(&self) -> usize {
        match self {
            Children::Few(all) => all.len(),
            Children::Many(_, len) => *len,
        }
    }

    fn pieces(&self) -> &[Vec<Handle>] {
        match self {
            Children::Few(all) => std::slice::from_ref(all),
            Children::Many(pieces, _) => pieces,
        }
    }

    /// The child at a place; `None` behind the last one.
    pub(crate) fn at(&self, place: Place) -> Option<Handle> {
        self.pieces().get(place.piece)?.get(place.index).copied()
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Handle> {
        self.pieces().iter().flatten().copied()
    }

    /// Where the child called `name` stands, or would stand: `name_of` knows the names.
    pub(crate) fn find<'a>(&self, name: &[u8], name_of: impl Fn(Handle) -> &'a [u8]) -> Result<Place, Place> {
        let pieces = self.pieces();
        // Who counts upwards, or loads what is sorted, goes to the end.
        if let Some((piece, last)) = pieces.last().and_then(|piece| Some((piece, piece.last()?)))
            && name_of(*last) < name
        {
            return Err(Place { piece: pieces.len() - 1, index: piece.len() });
        }
        // The last piece that begins at or before the name.
        let piece = if pieces.len() > 1 {
            let behind = pieces.partition_point(|piece| piece.first().is_some_and(|first| name_of(*first) <= name));
            behind.saturating_sub(1)
        } else {
            0
        };
        let in_piece = |index| Place { piece, index };
        pieces[piece].binary_search_by(|handle| name_of(*handle).cmp(name)).map(in_piece).map_err(in_piece)
    }

    /// Where the first child at or behind a place stands.
    pub(crate) fn from(&self, place: Place) -> Place {
        let end = self.pieces().get(place.piece).map_or(0, Vec::len);
        if place.index < end { place } else { Place { piece: place.piece + 1, index: 0 } }
    }

    /// Puts a child where [`Children::find`] said it would stand.
    pub(crate) fn insert(&mut self, place: Place, handle: Handle) {
        let (pieces, len) = match self {
            Children::Few(all) if all.len() < PIECE => return all.insert(place.index, handle),
            Children::Few(all) => {
                let len = all.len();
                *self = Children::Many(vec![std::mem::take(all)], len);
                return self.insert(place, handle);
            }
            Children::Many(pieces, len) => (pieces, len),
        };
        *len += 1;
        let piece = &mut pieces[place.piece];
        if piece.len() < PIECE {
            return piece.insert(place.index, handle);
        }
        let mut new = Vec::with_capacity(PIECE);
        new.extend(piece.drain(cut_at(place.index)..));
        if place.index <= piece.len() && piece.len() < PIECE {
            piece.insert(place.index, handle);
        } else {
            new.insert(place.index - piece.len(), handle);
        }
        pieces.insert(place.piece + 1, new);
    }

    /// Puts another handle in the place of one.
    pub(crate) fn replace(&mut self, place: Place, handle: Handle) {
        let piece = match self {
            Children::Few(all) => Some(all),
            Children::Many(pieces, _) => pieces.get_mut(place.piece),
        };
        if let Some(entry) = piece.and_then(|piece| piece.get_mut(place.index)) {
            *entry = handle;
        }
    }

    /// Takes a child out.
    pub(crate) fn remove(&mut self, place: Place) -> Handle {
        let (pieces, len) = match self {
            Children::Few(all) => {
                let removed = all.remove(place.index);
                if all.capacity() > 16 && all.len() < all.capacity() / 4 {
                    all.shrink_to(all.len() * 2);
                }
                return removed;
            }
            Children::Many(pieces, len) => (pieces, len),
        };
        *len -= 1;
        let removed = pieces[place.piece].remove(place.index);
        let left = pieces[place.piece].len();
        if left < PIECE / 4 {
            // Small pieces join a neighbour that has room for more than them.
            let joins = |other: &Vec<Handle>| other.len() + left <= PIECE * 3 / 4;
            if pieces.get(place.piece + 1).is_some_and(joins) {
                let behind = pieces.remove(place.piece + 1);
                pieces[place.piece].extend(behind);
            } else if place.piece > 0 && joins(&pieces[place.piece - 1]) {
                let this = pieces.remove(place.piece);
                pieces[place.piece - 1].extend(this);
            } else if left == 0 {
                pieces.remove(place.piece);
            }
        }
        if let [only] = pieces.as_mut_slice() {
            *self = Children::Few(std::mem::take(only));
        }
        removed
    }
}

/// Where a full piece is cut when a child goes to `index`: in the middle, or right there if that is far to the right.
fn cut_at(index: usize) -> usize {
    if index > PIECE * 3 / 4 { index } else { PIECE / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    struct Named {
        arena: Arena,
        children: Children,
        expected: BTreeMap<String, Handle>,
    }

    impl Named {
        fn new() -> Named {
            Named { arena: Arena::default(), children: Children::default(), expected: BTreeMap::new() }
        }

        fn find(&self, name: &str) -> Result<Place, Place> {
            self.children.find(name.as_bytes(), |handle| name_of(&self.arena, handle))
        }

        fn add(&mut self, name: &str) {
            let Err(place) = self.find(name) else { return };
            let handle = self.arena.allocate(1 + name.len());
            let slot = self.arena.get_mut(handle);
            slot[0] = name.len() as u8;
            slot[1..=name.len()].copy_from_slice(name.as_bytes());
            self.children.insert(place, handle);
            self.expected.insert(name.to_owned(), handle);
        }

        fn remove(&mut self, name: &str) {
            let Ok(place) = self.find(name) else { return };
            let handle = self.children.remove(place);
            assert_eq!(self.expected.remove(name), Some(handle));
            self.arena.free(handle);
        }

        fn check(&self) {
            assert_eq!(self.children.len(), self.expected.len());
            assert!(self.children.iter().eq(self.expected.values().copied()));
            let mut place = Place::default();
            for (name, handle) in &self.expected {
                assert_eq!(self.children.at(place), Some(*handle));
                assert_eq!(self.find(name), Ok(place));
                place = self.children.from(place.behind());
            }
            assert_eq!(self.children.at(place), None);
            if let Children::Many(pieces, _) = &self.children {
                assert!(pieces.len() > 1 && pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
            }
        }
    }

    fn name_of(arena: &Arena, handle: Handle) -> &[u8] {
        let slot = arena.get(handle);
        &slot[1..=slot[0] as usize]
    }

    #[test]
    fn counting_up_fills_the_pieces() {
        let mut named = Named::new();
        (0..10_000).for_each(|n| named.add(&format!("n{n:010}")));
        named.check();
        let Children::Many(pieces, _) = &named.children else { panic!("they are many") };
        assert_eq!(pieces.len(), 10_000usize.div_ceil(PIECE));
    }

    #[test]
    fn several_counting_up_side_by_side_do_so_too() {
        let mut named = Named::new();
        (0..20_000).for_each(|n| named.add(&format!("client{}-{n:010}", n % 7)));
        named.check();
        let Children::Many(pieces, _) = &named.children else { panic!("they are many") };
        assert!(pieces.len() < 20_000 / PIECE * 3 / 2, "{}", pieces.len());
    }

    #[test]
    fn many_become_few_again() {
        let mut named = Named::new();
        (0..5_000u32).for_each(|n| named.add(&format!("{:08x}", n.wrapping_mul(2_654_435_761))));
        named.check();
        let names: Vec<String> = named.expected.keys().cloned().collect();
        for (index, name) in names.iter().enumerate() {
            named.remove(name);
            if index % 500 == 0 {
                named.check();
            }
        }
        assert!(matches!(&named.children, Children::Few(all) if all.is_empty() && all.capacity() <= PIECE));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn as_a_sorted_map(steps in proptest::collection::vec((0..10u8, 0..1500u32), 1..4000), turn in 0..5000usize) {
            let mut named = Named::new();
            for (at, (what, number)) in steps.iter().enumerate() {
                // First it grows, then it shrinks.
                let adds = if at < turn { *what < 8 } else { *what < 2 };
                let name = format!("{number}");
                if adds { named.add(&name) } else { named.remove(&name) }
            }
            named.check();
        }
    }
}
