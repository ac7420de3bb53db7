//! Which sessions there are, and who has to go for a new one.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use time_types::Tick;

/// Who is silent for so long may be evicted by anybody; who is younger is spared (Apache's
/// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION_MS: u64 = 120_000;

/// Partitions that all sessions together may remember. A request of a few bytes per partition would otherwise leave
/// behind ten times as much, a thousand times over.
const MAX_PARTITIONS: usize = 1 << 20;

/// Who began a session. Followers' sessions are privileged: clients cannot evict them while they are young.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Client,
    Follower,
}

/// What a session is worth: the least one is evicted first.
type Worth = (Origin, usize, i32);

#[derive(Debug)]
struct Entry<S> {
    session: S,
    origin: Origin,
    created: Tick,
    last_used: Tick,
    /// Partitions when it was last used.
    size: usize,
}

/// Sessions by id, so many at most: one part of those of a broker.
#[derive(Debug)]
pub(crate) struct SessionCache<S> {
    slots: usize,
    sessions: HashMap<i32, Entry<S>>,
    /// Oldest first.
    last_used: BTreeSet<(Tick, i32)>,
    /// Those that a client's session may evict if it is worth more ..
    evictable_by_clients: BTreeSet<Worth>,
    /// .. and those that a follower's session may.
    evictable_by_followers: BTreeSet<Worth>,
    partitions: usize,
    max_partitions: usize,
    /// What ids may be.
    ids: Range<i32>,
    evictions: u64,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SessionCounts {
    pub(crate) sessions: usize,
    /// That they remember, all together.
    pub(crate) partitions: usize,
    /// Sessions that had to go for others, since the start.
    pub(crate) evictions: u64,
}

impl<S> SessionCache<S> {
    /// No sessions, and room for `slots` with these ids, beside `parts` - 1 others that are like it; with none every
    /// client has to tell everything each time.
    pub(crate) fn new(slots: usize, parts: usize, ids: Range<i32>) -> SessionCache<S> {
        SessionCache {
            slots,
            sessions: HashMap::new(),
            last_used: BTreeSet::new(),
            evictable_by_clients: BTreeSet::new(),
            evictable_by_followers: BTreeSet::new(),
            partitions: 0,
            max_partitions: MAX_PARTITIONS / parts.max(1),
            ids,
            evictions: 0,
        }
    }

    /// How many there are, and were.
    pub(crate) fn counts(&self) -> SessionCounts {
        SessionCounts { sessions: self.sessions.len(), partitions: self.partitions, evictions: self.evictions }
    }

    /// A session, if it is there.
    pub(crate) fn get(&self, id: i32) -> Option<&S> {
        self.sessions.get(&id).map(|entry| &entry.session)
    }

    /// Begins a session of `size` partitions, for which another one may have to go; `None` if there is no room.
    /// `random` gives candidates for its id, which no other session has.
    pub(crate) fn create(
        &mut self,
        now: Tick,
        origin: Origin,
        size: usize,
        mut random: impl FnMut() -> u32,
        session: impl FnOnce() -> S,
    ) -> Option<i32> {
        if size > self.max_partitions {
            return None;
        }
        while self.sessions.len() >= self.slots || self.partitions + size > self.max_partitions {
            self.evict(now, (origin, size, 0))?;
        }
        let id = loop {
            let id = self.ids.start + (random() % self.ids.len().max(1) as u32) as i32;
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let entry = Entry { session: session(), origin, created: now, last_used: now, size: 0 };
        self.sessions.insert(id, entry);
        self.touch(id, size, now);
        Some(id)
    }

    /// A session was used and has `size` partitions now. One that has grown beyond all bounds goes: `false`.
    pub(crate) fn touch(&mut self, id: i32, size: usize, now: Tick) -> bool {
        let Some(entry) = self.sessions.get_mut(&id) else { return false };
        if self.partitions - entry.size + size > self.max_partitions {
            self.remove(id);
            return false;
        }
        self.last_used.remove(&(entry.last_used, id));
        self.last_used.insert((now, id));
        self.evictable_by_clients.remove(&(entry.origin, entry.size, id));
        self.evictable_by_followers.remove(&(entry.origin, entry.size, id));
        self.partitions = self.partitions - entry.size + size;
        (entry.last_used, entry.size) = (now, size);
        let grown_up = now.since(entry.created) > EVICTION_MS;
        if grown_up || entry.origin == Origin::Client {
            self.evictable_by_followers.insert((entry.origin, size, id));
        }
        if grown_up {
            self.evictable_by_clients.insert((entry.origin, size, id));
        }
        true
    }

    /// Ends a session.
    pub(crate) fn remove(&mut self, id: i32) -> Option<S> {
        let entry = self.sessions.remove(&id)?;
        self.last_used.remove(&(entry.last_used, id));
        self.evictable_by_clients.remove(&(entry.origin, entry.size, id));
        self.evictable_by_followers.remove(&(entry.origin, entry.size, id));
        self.partitions -= entry.size;
        Some(entry.session)
    }

    /// Makes room for a session of this worth: the one that was silent for too long goes, or else one that is worth
    /// less.
    fn evict(&mut self, now: Tick, newcomer: Worth) -> Option<S> {
        let (last_used, oldest) = *self.last_used.first()?;
        if now.since(last_used) > EVICTION_MS {
            self.evictions += 1;
            return self.remove(oldest);
        }
        let evictable = match newcomer.0 {
            Origin::Client => &self.evictable_by_clients,
            Origin::Follower => &self.evictable_by_followers,
        };
        let least = *evictable.first()?;
        // A newcomer has no id yet, so of two with the same worth the old one stays.
        if newcomer < least {
            return None;
        }
        self.evictions += 1;
        self.remove(least.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: u64 = EVICTION_MS + 1;

    struct World {
        cache: SessionCache<&'static str>,
        next: u32,
    }

    impl World {
        fn new(slots: usize) -> World {
            World { cache: SessionCache::new(slots, 1, 1..i32::MAX), next: 0 }
        }

        fn create(&mut self, now: u64, origin: Origin, size: usize, name: &'static str) -> Option<i32> {
            let next = &mut self.next;
            let random = || {
                *next += 1;
                *next
            };
            self.cache.create(Tick(now), origin, size, random, || name)
        }
    }

    #[test]
    fn ids_are_positive_and_nobody_elses() {
        let mut cache = SessionCache::new(10, 1, 1..i32::MAX);
        let mut candidates = [u32::MAX, 0, 0, i32::MAX as u32 - 1, 5].into_iter();
        let mut ids = Vec::new();
        for _ in 0..3 {
            let random = || candidates.next().expect("enough");
            ids.extend(cache.create(Tick(0), Origin::Client, 1, random, || ()));
        }
        // 2^32 - 1 is 3 modulo 2^31 - 2; the second 0 and 2^31 - 2 collide with the first one.
        assert_eq!(ids, [4, 1, 6]);
    }

    #[test]
    fn without_slots_there_are_no_sessions() {
        assert_eq!(World::new(0).create(0, Origin::Follower, 5, "a"), None);
    }

    #[test]
    fn a_silent_session_goes_for_anybody() {
        let mut world = World::new(2);
        let first = world.create(0, Origin::Follower, 100, "first").expect("room");
        let second = world.create(1, Origin::Client, 100, "second").expect("room");
        assert_eq!(world.create(EVICTION_MS, Origin::Client, 1, "third"), None);
        assert!(world.cache.touch(first, 100, Tick(EVICTION_MS)));
        let third = world.create(1 + LATER, Origin::Client, 1, "third");
        assert!(third.is_some());
        assert_eq!((world.cache.get(first), world.cache.get(second)), (Some(&"first"), None));
    }

    #[test]
    fn young_sessions_of_clients_yield_to_followers_only() {
        let mut world = World::new(2);
        let small = world.create(0, Origin::Client, 1, "small").expect("room");
        let large = world.create(0, Origin::Client, 50, "large").expect("room");
        assert_eq!(world.create(1, Origin::Client, 1000, "more"), None);
        let follower = world.create(1, Origin::Follower, 1, "follower").expect("a client has to go");
        assert_eq!((world.cache.get(small), world.cache.get(large)), (None, Some(&"large")));
        let another = world.create(1, Origin::Follower, 1, "another").expect("a client has to go");
        assert_eq!(world.create(2, Origin::Follower, 1000, "third"), None, "young followers are spared");
        assert!(world.cache.get(follower).is_some() && world.cache.get(another).is_some());
    }

    #[test]
    fn grown_up_sessions_yield_to_larger_ones() {
        let mut world = World::new(2);
        let small = world.create(0, Origin::Client, 5, "small").expect("room");
        let large = world.create(0, Origin::Client, 10, "large").expect("room");
        for id in [small, large] {
            assert!(world.cache.touch(id, if id == small { 5 } else { 10 }, Tick(LATER)));
        }
        assert_eq!(world.create(LATER, Origin::Client, 5, "as small"), None);
        assert!(world.create(LATER, Origin::Client, 6, "larger").is_some());
        assert_eq!((world.cache.get(small), world.cache.get(large)), (None, Some(&"large")));
    }

    #[test]
    fn a_grown_up_follower_yields_to_a_larger_follower_and_to_no_client() {
        let mut world = World::new(1);
        let follower = world.create(0, Origin::Follower, 5, "follower").expect("room");
        world.cache.touch(follower, 5, Tick(LATER));
        assert_eq!(world.create(LATER, Origin::Client, 100, "client"), None);
        assert_eq!(world.create(LATER, Origin::Follower, 5, "same"), None);
        assert!(world.create(LATER, Origin::Follower, 6, "larger").is_some());
        assert_eq!(world.cache.get(follower), None);
    }

    #[test]
    fn sizes_count_as_they_are_now() {
        let mut world = World::new(1);
        let grown = world.create(0, Origin::Client, 1, "grown").expect("room");
        world.cache.touch(grown, 9, Tick(LATER));
        assert_eq!(world.create(LATER, Origin::Client, 9, "as large"), None);
        world.cache.touch(grown, 2, Tick(LATER));
        assert!(world.create(LATER, Origin::Client, 3, "larger").is_some());
    }

    #[test]
    fn a_removed_session_leaves_its_slot() {
        let mut world = World::new(1);
        let id = world.create(0, Origin::Client, 1, "first").expect("room");
        assert_eq!(world.cache.remove(id), Some("first"));
        assert_eq!(world.cache.remove(id), None);
        assert!(world.create(0, Origin::Client, 1, "second").is_some());
    }

    #[test]
    fn the_partitions_of_all_sessions_are_bounded() {
        let mut world = World::new(10);
        world.cache.max_partitions = 10;
        assert_eq!(world.create(0, Origin::Client, 11, "too large"), None);
        let first = world.create(0, Origin::Client, 6, "first").expect("room");
        assert_eq!(world.create(0, Origin::Client, 5, "no room"), None);
        let second = world.create(0, Origin::Client, 4, "second").expect("room");
        assert!(!world.cache.touch(second, 5, Tick(0)), "it has grown beyond what there is");
        assert_eq!((world.cache.get(first), world.cache.get(second)), (Some(&"first"), None));
        assert!(world.cache.touch(first, 10, Tick(0)));
    }
}
