//! A map that is a list while it is small: most groups have one member, one protocol and a handful of offsets, and there may
//! be very many of them. Without entries it is three words and owns no memory.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// So many entries are looked through one by one.
const FEW: usize = 8;

/// Keys to values.
#[derive(Debug, Clone)]
pub(crate) struct SmallMap<K, V>(Form<K, V>);

#[derive(Debug, Clone)]
#[expect(clippy::box_collection, reason = "a HashMap is six words, and most maps have the small form")]
enum Form<K, V> {
    /// In the order in which they came.
    Few(Vec<(K, V)>),
    /// What has been many stays so until it is empty.
    Many(Box<HashMap<K, V>>),
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> SmallMap<K, V> {
        SmallMap(Form::Few(Vec::new()))
    }
}

impl<K: Eq + Hash, V> SmallMap<K, V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Few(few) => few.len(),
            Form::Many(many) => many.len(),
        }
    }

    /// Are there none?
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match &self.0 {
            Form::Few(few) => few.iter().find(|(one, _)| one.borrow() == key).map(|(_, value)| value),
            Form::Many(many) => many.get(key),
        }
    }

    /// The same, to be changed.
    pub(crate) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Form::Few(few) => few.iter_mut().find(|(one, _)| (*one).borrow() == key).map(|(_, value)| value),
            Form::Many(many) => many.get_mut(key),
        }
    }

    /// Is there such a key?
    pub(crate) fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Sets the value of a key; returns the former one.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(known) = self.get_mut(&key) {
            return Some(std::mem::replace(known, value));
        }
        match &mut self.0 {
            Form::Many(many) => {
                many.insert(key, value);
            }
            Form::Few(few) if few.len() < FEW => {
                // A list that grows by itself begins with four places.
                if few.len() == few.capacity() {
                    few.reserve_exact(few.len().max(1));
                }
                few.push((key, value));
            }
            Form::Few(few) => {
                let mut many: HashMap<K, V> = std::mem::take(few).into_iter().collect();
                many.insert(key, value);
                self.0 = Form::Many(Box::new(many));
            }
        }
        None
    }

    /// The value of a key, to be changed; the default if it had none.
    pub(crate) fn or_default(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        if !self.contains_key(key) {
            self.insert(key.clone(), V::default());
        }
        self.get_mut(key).expect("it was put in")
    }

    /// Takes an entry out; what is empty then owns no memory.
    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let removed = match &mut self.0 {
            Form::Few(few) => {
                let at = few.iter().position(|(one, _)| one.borrow() == key)?;
                Some(few.remove(at).1)
            }
            Form::Many(many) => many.remove(key),
        };
        if self.is_empty() {
            *self = SmallMap::default();
        }
        removed
    }

    /// Keeps what is wanted.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(&K, &mut V) -> bool) {
        match &mut self.0 {
            Form::Few(few) => few.retain_mut(|(key, value)| is_wanted(key, value)),
            Form::Many(many) => many.retain(is_wanted),
        }
        if self.is_empty() {
            *self = SmallMap::default();
        }
    }

    /// All entries, in any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (few, many) = match &self.0 {
            Form::Few(few) => (Some(few), None),
            Form::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten().map(|(key, value)| (key, value));
        few.chain(many.into_iter().flat_map(|many| many.iter()))
    }

    /// All keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K, V> SmallMap<K, V> {
    /// Takes all entries out.
    pub(crate) fn take(&mut self) -> Vec<(K, V)> {
        match std::mem::take(self).0 {
            Form::Few(few) => few,
            Form::Many(many) => many.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_map_in_both_forms() {
        let (mut small, mut plain) = (SmallMap::default(), HashMap::new());
        // Up beyond the small form and down again, by a walk that meets every key several times.
        for step in 0..2_000u32 {
            let key = step.wrapping_mul(2_654_435_761) >> 24;
            let wanted = if step / 400 % 2 == 0 { key % 20 } else { key % 5 };
            if (step / 7 + step / 400) % 3 == 0 {
                assert_eq!(small.remove(&wanted), plain.remove(&wanted));
            } else {
                assert_eq!(small.insert(wanted, step), plain.insert(wanted, step));
            }
            *small.or_default(&3) += 1;
            *plain.entry(3).or_default() += 1;
            let mut both = [small.iter().collect::<Vec<_>>(), plain.iter().collect()];
            for entries in &mut both {
                entries.sort_unstable();
            }
            assert_eq!(both[0], both[1]);
            assert_eq!((small.len(), small.get(&wanted)), (plain.len(), plain.get(&wanted)));
        }
        small.retain(|key, _| *key == 3);
        assert_eq!(small.keys().collect::<Vec<_>>(), [&3]);
        assert_eq!(small.values().count(), 1);
        assert_eq!((small.take().len(), small.is_empty()), (1, true));
    }

    #[test]
    fn it_takes_what_it_needs() {
        let mut map = SmallMap::default();
        assert_eq!(size_of_val(&map), 3 * size_of::<usize>());
        map.insert(1u64, 1u64);
        let Form::Few(few) = &map.0 else { panic!("{map:?}") };
        assert_eq!(few.capacity(), 1);
        map.remove(&1);
        let Form::Few(few) = &map.0 else { panic!("{map:?}") };
        assert_eq!(few.capacity(), 0);
    }
}
