//! Deadlines as data: a heap of what is due when. An entry may be stale (the thing was postponed, or is gone); whoever
//! pops it compares it with the deadline kept in the group. So a heartbeat costs one store and no heap operation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use time_types::Tick;

/// What may be due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A member was not heard of.
    Session(Arc<str>, Arc<str>),
    /// Somebody got a member id and did not come back with it.
    PendingMember(Arc<str>, Arc<str>),
    /// A group waited long enough for members to join.
    Join(Arc<str>),
    /// A group waited long enough for members to sync.
    Sync(Arc<str>),
    /// Look for offsets that nobody needs any more.
    Expiry,
}

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Tick, Timer)>>,
}

impl Timers {
    /// Wake me at `at`.
    pub(crate) fn arm(&mut self, at: Tick, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// When the next entry is due, stale or not.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes all that is due now. What is armed while these are handled waits for the next call, so that a timer which
    /// arms itself cannot keep its owner busy for ever.
    pub(crate) fn take_due(&mut self, now: Tick) -> Vec<(Tick, Timer)> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            if let Some(Reverse(entry)) = self.heap.pop() {
                due.push(entry);
            }
        }
        due
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
impl Timers {
    /// How many entries there are, stale ones included.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}
