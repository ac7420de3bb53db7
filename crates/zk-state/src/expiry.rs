//! When sessions end: deadlines in buckets of one tick, as Apache's, so that a touch is mostly one look-up.
//!
//! A deadline is rounded up to the next tick, so a session ends 0 to 1 tick late and never early.

use std::collections::{BTreeMap, HashSet};

use rustc_hash::FxHashMap;
use time_types::Tick;
use zk_proto::SessionId;

#[derive(Debug)]
struct Entry {
    timeout_ms: u64,
    deadline: Tick,
}

/// The deadlines of live sessions.
#[derive(Debug)]
pub struct Expiry {
    tick_ms: u64,
    sessions: FxHashMap<SessionId, Entry>,
    buckets: BTreeMap<Tick, HashSet<SessionId>>,
}

impl Expiry {
    /// No session yet; `tick_ms` (at least 1) is the width of a bucket.
    pub fn new(tick_ms: u64) -> Expiry {
        Expiry { tick_ms: tick_ms.max(1), sessions: FxHashMap::default(), buckets: BTreeMap::new() }
    }

    /// Begins to watch over a session, or gives it a new timeout.
    pub fn track(&mut self, session: SessionId, timeout_ms: u64, now: Tick) {
        let deadline = self.round(now.after(timeout_ms));
        if let Some(old) = self.sessions.insert(session, Entry { timeout_ms, deadline }) {
            self.leave_bucket(old.deadline, session);
        }
        self.buckets.entry(deadline).or_default().insert(session);
    }

    /// The session gave a sign of life. False if it is not tracked.
    pub fn touch(&mut self, session: SessionId, now: Tick) -> bool {
        let tick_ms = self.tick_ms;
        let Some(entry) = self.sessions.get_mut(&session) else { return false };
        let deadline = Tick((now.after(entry.timeout_ms).0 / tick_ms + 1).saturating_mul(tick_ms));
        if deadline > entry.deadline {
            let old = std::mem::replace(&mut entry.deadline, deadline);
            self.leave_bucket(old, session);
            self.buckets.entry(deadline).or_default().insert(session);
        }
        true
    }

    /// No longer watches over a session.
    pub fn forget(&mut self, session: SessionId) {
        if let Some(entry) = self.sessions.remove(&session) {
            self.leave_bucket(entry.deadline, session);
        }
    }

    /// Takes out the sessions whose time is over at `now`, sorted.
    pub fn expire(&mut self, now: Tick) -> Vec<SessionId> {
        let mut expired = Vec::new();
        while let Some(bucket) = self.buckets.first_entry().filter(|bucket| *bucket.key() <= now) {
            expired.extend(bucket.remove());
        }
        for session in &expired {
            self.sessions.remove(session);
        }
        expired.sort_unstable();
        expired
    }

    /// When to call [`Expiry::expire`] next; `None` if no session is tracked.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.buckets.first_key_value().map(|(deadline, _)| *deadline)
    }

    /// Each deadline with its sessions, the soonest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Tick, &HashSet<SessionId>)> {
        self.buckets.iter().map(|(deadline, sessions)| (*deadline, sessions))
    }

    /// Is the session tracked?
    pub fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// How many sessions are tracked.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Is no session tracked?
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn round(&self, deadline: Tick) -> Tick {
        Tick((deadline.0 / self.tick_ms + 1).saturating_mul(self.tick_ms))
    }

    fn leave_bucket(&mut self, deadline: Tick, session: SessionId) {
        if let Some(bucket) = self.buckets.get_mut(&deadline) {
            bucket.remove(&session);
            if bucket.is_empty() {
                self.buckets.remove(&deadline);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    #[test]
    fn never_early_at_most_one_tick_late() {
        let mut expiry = Expiry::new(1000);
        expiry.track(A, 2500, Tick(100));
        assert_eq!(expiry.next_deadline(), Some(Tick(3000)));
        assert!(expiry.expire(Tick(2999)).is_empty());
        assert_eq!(expiry.expire(Tick(3000)), [A]);
        assert!(expiry.is_empty());
        assert_eq!(expiry.next_deadline(), None);
    }

    #[test]
    fn a_touch_moves_the_deadline_forward_only() {
        let mut expiry = Expiry::new(1000);
        expiry.track(A, 5000, Tick(0));
        expiry.track(B, 5000, Tick(0));
        assert!(expiry.touch(A, Tick(3000)));
        assert_eq!(expiry.expire(Tick(6000)), [B]);
        assert_eq!(expiry.expire(Tick(8999)), []);
        assert_eq!(expiry.expire(Tick(9000)), [A]);
        assert!(!expiry.touch(A, Tick(9000)));
    }

    #[test]
    fn a_forgotten_session_does_not_expire() {
        let mut expiry = Expiry::new(10);
        expiry.track(A, 10, Tick(0));
        expiry.forget(A);
        assert!(!expiry.contains(A));
        assert_eq!(expiry.expire(Tick(1000)), []);
    }
}
