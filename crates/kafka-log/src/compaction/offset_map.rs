//! From each key to the last offset it was written at, within a budget of memory.
//!
//! Keys are kept as they are: no two keys are ever taken for one, as hashes could be.

use std::collections::HashMap;

use kafka_types::Offset;

/// Bytes that an entry takes besides its key.
const ENTRY_COST: usize = 64;

/// Keys and their last offsets.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    offsets: HashMap<Box<[u8]>, Offset>,
    used: usize,
    budget: usize,
}

impl OffsetMap {
    pub(crate) fn new(budget: usize) -> OffsetMap {
        OffsetMap { offsets: HashMap::new(), used: 0, budget }
    }

    /// Is there no room for another key of this length?
    pub(crate) fn is_full_for(&self, key: &[u8]) -> bool {
        !self.offsets.contains_key(key) && self.used + key.len() + ENTRY_COST > self.budget && !self.offsets.is_empty()
    }

    /// Later offsets come later.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) {
        if let Some(known) = self.offsets.get_mut(key) {
            *known = offset;
        } else {
            self.used += key.len() + ENTRY_COST;
            self.offsets.insert(key.into(), offset);
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        self.offsets.get(key).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_and_known_keys_are_always_taken() {
        let mut map = OffsetMap::new(2 * (ENTRY_COST + 1));
        map.put(b"a", Offset(1));
        map.put(b"b", Offset(2));
        assert!(map.is_full_for(b"c"));
        assert!(!map.is_full_for(b"a"));
        map.put(b"a", Offset(3));
        assert_eq!((map.get(b"a"), map.get(b"c"), map.len()), (Some(Offset(3)), None, 2));
        assert!(!OffsetMap::new(0).is_full_for(b"the first key always fits"));
    }
}
