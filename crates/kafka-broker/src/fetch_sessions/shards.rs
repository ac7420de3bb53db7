//! The sessions of a broker in eight parts that do not wait for each other, as Apache's broker has them since 3.9
//! (KAFKA-9401): each part has its share of the slots and ids of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cache::{SessionCache, SessionCounts};

/// `NumFetchSessionCacheShards`
const SHARDS: usize = 8;
/// Ids of one part.
const IDS: i32 = i32::MAX / SHARDS as i32;

/// All sessions of a broker: at most `max.incremental.fetch.session.cache.slots`, to the next lower eight.
#[derive(Debug)]
pub(crate) struct FetchSessions<S> {
    shards: [Mutex<SessionCache<S>>; SHARDS],
    next: AtomicUsize,
}

impl<S> FetchSessions<S> {
    /// No sessions, and room for `slots`; fewer than eight are none.
    pub(crate) fn new(slots: usize) -> FetchSessions<S> {
        let first_id = |shard: usize| (IDS * shard as i32).max(1);
        let shard = |shard| SessionCache::new(slots / SHARDS, SHARDS, first_id(shard)..IDS * (shard as i32 + 1));
        FetchSessions { shards: std::array::from_fn(|at| Mutex::new(shard(at))), next: AtomicUsize::new(0) }
    }

    /// The part that a session is in, if it is anywhere.
    pub(crate) fn of(&self, id: i32) -> Option<MutexGuard<'_, SessionCache<S>>> {
        let shard = usize::try_from(id / IDS).ok()?;
        self.shards.get(shard).map(lock)
    }

    /// The part that the next session comes into: all have their turn.
    pub(crate) fn next(&self) -> MutexGuard<'_, SessionCache<S>> {
        lock(&self.shards[self.next.fetch_add(1, Ordering::Relaxed) % SHARDS])
    }

    /// How many there are, and were.
    pub(crate) fn counts(&self) -> SessionCounts {
        let mut sum = SessionCounts::default();
        for shard in &self.shards {
            let counts = lock(shard).counts();
            sum.sessions += counts.sessions;
            sum.partitions += counts.partitions;
            sum.evictions += counts.evictions;
        }
        sum
    }
}

fn lock<S>(shard: &Mutex<SessionCache<S>>) -> MutexGuard<'_, SessionCache<S>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use time_types::Tick;

    use super::super::cache::Origin;
    use super::*;

    fn create(sessions: &FetchSessions<usize>, now: u64, size: usize) -> Option<i32> {
        let mut random = 0;
        let next = || {
            random += 1;
            random
        };
        sessions.next().create(Tick(now), Origin::Client, size, next, || size)
    }

    #[test]
    fn parts_have_their_turn_and_their_ids() {
        let sessions = FetchSessions::new(16);
        let ids: Vec<i32> = (1..=16).filter_map(|size| create(&sessions, 0, size)).collect();
        let parts: Vec<i32> = ids.iter().map(|id| id / IDS).collect();
        assert_eq!(parts, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(create(&sessions, 0, 1), None, "two slots each");
        for (size, id) in (1..).zip(ids) {
            assert_eq!(sessions.of(id).and_then(|part| part.get(id).copied()), Some(size));
        }
        let sum = SessionCounts { sessions: 16, partitions: (1..=16).sum(), evictions: 0 };
        assert_eq!(sessions.counts(), sum);
        assert!(sessions.of(i32::MAX).is_none() && sessions.of(i32::MIN).is_none());
    }

    #[test]
    fn slots_are_shared_out_whole() {
        let sessions = FetchSessions::new(15);
        assert_eq!((0..16).filter_map(|_| create(&sessions, 0, 1)).count(), 8);
        let sessions = FetchSessions::new(7);
        assert_eq!((0..16).filter_map(|_| create(&sessions, 0, 1)).count(), 0);
    }

    #[test]
    fn who_has_to_go_is_counted() {
        let sessions = FetchSessions::new(8);
        (0..8).for_each(|_| assert!(create(&sessions, 0, 3).is_some()));
        let later = 200_000;
        (0..5).for_each(|_| assert!(create(&sessions, later, 2).is_some()));
        assert_eq!(sessions.counts(), SessionCounts { sessions: 8, partitions: 5 * 2 + 3 * 3, evictions: 5 });
    }
}
