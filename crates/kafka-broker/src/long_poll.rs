//! Long polls: fetches that wait until enough has come, or until something happens that has to be told.
//!
//! Every partition has a [`Bell`], which its owner rings when the partition moves. A fetch that waits leaves a watch at
//! the bell of each partition it reads and sleeps. A watch counts on the spot what an append adds to the fetch, so that
//! appends which are not enough wake nobody; and a fetch that is woken looks only at what has moved.
//!
//! The bell is the one thing of a partition that others may touch besides its owner: its lock is held for a few
//! instructions, and a fetch parks at a thousand partitions without one visit to their shards.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kafka_log::LogPosition;
use kafka_types::Offset;
use tokio::sync::Notify;

/// A fetch that waits.
#[derive(Debug)]
pub(crate) struct LongPoll {
    inner: Arc<Poll>,
}

#[derive(Debug)]
struct Poll {
    /// Bytes that have yet to come.
    missing: AtomicI64,
    /// Tags of the watches whose partitions have moved.
    moved: Mutex<Vec<u64>>,
    woken: Notify,
}

impl Poll {
    fn on_moved(&self, tag: u64) {
        lock(&self.moved).push(tag);
    }
}

impl LongPoll {
    /// One that waits for so many bytes.
    pub(crate) fn new(missing: u64) -> LongPoll {
        let missing = AtomicI64::new(i64::try_from(missing).unwrap_or(i64::MAX));
        LongPoll { inner: Arc::new(Poll { missing, moved: Mutex::default(), woken: Notify::new() }) }
    }

    /// Waits until enough has come, until something else happened that has to be told, or until the time is over.
    pub(crate) async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.inner.woken.notified()).await;
    }

    /// Has enough come?
    pub(crate) fn has_enough(&self) -> bool {
        self.inner.missing.load(Ordering::Acquire) <= 0
    }

    /// Tags of the watches whose partitions have moved, each once.
    pub(crate) fn take_moved(&self) -> Vec<u64> {
        std::mem::take(&mut *lock(&self.inner.moved))
    }
}

/// Up to where a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    LogEnd,
    HighWatermark,
    LastStable,
}

/// Where a partition ends, for each kind of reader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable: Offset,
    /// Of the log end.
    pub(crate) position: LogPosition,
}

impl Ends {
    fn of(&self, bound: Bound) -> Offset {
        match bound {
            Bound::LogEnd => self.log_end,
            Bound::HighWatermark => self.high_watermark,
            Bound::LastStable => self.last_stable,
        }
    }
}

/// What a read has seen of a partition: enough to tell whether the partition has moved since, and to wait for that.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    bell: Arc<Bell>,
    moves: u64,
    place: Place,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) bound: Bound,
    pub(crate) offset: Offset,
    /// Where that is in the log, if it is known.
    pub(crate) position: Option<LogPosition>,
    /// Bytes that are there for the reader.
    pub(crate) available: u64,
    /// Bytes that it wants at most.
    pub(crate) max_bytes: u64,
}

impl Seen {
    /// Has nothing happened since?
    pub(crate) fn is_current(&self) -> bool {
        self.bell.moves.load(Ordering::Acquire) == self.moves
    }

    /// Watches the partition for `poll` from this state on. If it has moved already, that is told at once.
    pub(crate) fn watch(&self, poll: &LongPoll, tag: u64) {
        let mut watches = lock(&self.bell.watches);
        if self.bell.moves.load(Ordering::Acquire) != self.moves {
            drop(watches);
            poll.inner.on_moved(tag);
            poll.inner.woken.notify_one();
            return;
        }
        watches.push(Watch { poll: Arc::downgrade(&poll.inner), tag, place: self.place, has_moved: false });
    }
}

/// Tells those who watch a partition that it moves.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// How often it has moved; written under the lock.
    moves: AtomicU64,
    watches: Mutex<Watches>,
}

impl Bell {
    /// What a read that happens now sees. For the owner, so that the partition does not move meanwhile.
    pub(crate) fn seen(self: &Arc<Bell>, place: Place) -> Seen {
        Seen { bell: Arc::clone(self), moves: self.moves.load(Ordering::Relaxed), place }
    }

    /// The log end, the high watermark or the last stable offset moved up.
    pub(crate) fn on_data(&self, ends: impl FnOnce() -> Ends) {
        let mut watches = self.begin();
        if !watches.0.is_empty() {
            let ends = ends();
            watches.0.retain_mut(|watch| watch.on_data(&ends));
        }
    }

    /// Something moved that is to be told, but for which nobody is woken.
    pub(crate) fn on_change(&self) {
        for watch in &mut self.begin().0 {
            watch.mark();
        }
    }

    /// Whoever waits has to look anew.
    pub(crate) fn ring(&self) {
        for mut watch in std::mem::take(&mut self.begin().0) {
            if let Some(poll) = watch.mark() {
                poll.woken.notify_one();
            }
        }
    }

    fn begin(&self) -> MutexGuard<'_, Watches> {
        let watches = lock(&self.watches);
        self.moves.fetch_add(1, Ordering::Release);
        watches
    }
}

#[derive(Debug, Default)]
struct Watches(Vec<Watch>);

impl Watches {
    fn push(&mut self, watch: Watch) {
        // Fetches that are over have dropped their half; what they left is cleared whenever there is no room.
        if self.0.len() == self.0.capacity() {
            self.0.retain(|watch| watch.poll.strong_count() > 0);
        }
        self.0.push(watch);
    }
}

#[derive(Debug)]
struct Watch {
    poll: Weak<Poll>,
    tag: u64,
    place: Place,
    has_moved: bool,
}

impl Watch {
    /// Tells the fetch that the partition moved; `None` if the fetch is over.
    fn mark(&mut self) -> Option<Arc<Poll>> {
        let poll = self.poll.upgrade()?;
        if !self.has_moved {
            self.has_moved = true;
            poll.on_moved(self.tag);
        }
        Some(poll)
    }

    /// Counts what has come; `false` if there is nothing more to watch for.
    fn on_data(&mut self, ends: &Ends) -> bool {
        let bound = ends.of(self.place.bound);
        if bound == self.place.offset {
            // Nothing for this reader, yet its next look finds another high watermark or log end.
            return self.mark().is_some();
        }
        let Some(poll) = self.mark() else { return false };
        let Some(available) = self.available(bound, ends) else {
            poll.woken.notify_one();
            return false;
        };
        let more = available.saturating_sub(self.place.available) as i64;
        self.place.available = available;
        if poll.missing.fetch_sub(more, Ordering::AcqRel) <= more {
            poll.woken.notify_one();
        }
        true
    }

    /// Bytes that are there for the reader; `None` if it has to look itself: only the position of the log end is known
    /// here, and what goes on in a next segment is not worth to be waited for.
    fn available(&self, bound: Offset, ends: &Ends) -> Option<u64> {
        let from = self.place.position.filter(|from| from.segment == ends.position.segment)?;
        let counted = bound == ends.log_end && bound > self.place.offset;
        counted.then(|| ends.position.bytes.saturating_sub(from.bytes).min(self.place.max_bytes))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Offset = Offset(0);

    fn ends(end: i64, bytes: u64) -> Ends {
        Ends {
            log_end: Offset(end),
            high_watermark: Offset(end),
            last_stable: Offset(end),
            position: LogPosition { segment: SEGMENT, bytes },
        }
    }

    /// At offset 10, which is at byte 100 and the end of everything.
    fn place(bound: Bound) -> Place {
        let position = Some(LogPosition { segment: SEGMENT, bytes: 100 });
        Place { bound, offset: Offset(10), position, available: 0, max_bytes: 1000 }
    }

    async fn is_woken(poll: &LongPoll) -> bool {
        tokio::time::timeout(Duration::from_millis(20), poll.inner.woken.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn appends_that_are_not_enough_wake_nobody() {
        let (first, second) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let poll = LongPoll::new(50);
        first.seen(place(Bound::HighWatermark)).watch(&poll, 1);
        second.seen(place(Bound::HighWatermark)).watch(&poll, 2);
        first.on_data(|| ends(11, 120));
        first.on_data(|| ends(12, 130));
        assert!(!is_woken(&poll).await && !poll.has_enough());
        second.on_data(|| ends(11, 120));
        assert!(is_woken(&poll).await && poll.has_enough());
        assert_eq!(poll.take_moved(), [1, 2]);
    }

    #[tokio::test]
    async fn no_partition_counts_for_more_than_is_wanted_of_it() {
        let bell = Arc::new(Bell::default());
        let poll = LongPoll::new(50);
        bell.seen(Place { max_bytes: 40, ..place(Bound::LogEnd) }).watch(&poll, 1);
        bell.on_data(|| ends(11, 2000));
        assert!(!is_woken(&poll).await);
    }

    #[tokio::test]
    async fn who_may_not_see_it_yet_sleeps_on() {
        let bell = Arc::new(Bell::default());
        let (committed, all) = (LongPoll::new(1), LongPoll::new(1));
        bell.seen(place(Bound::LastStable)).watch(&committed, 1);
        bell.seen(place(Bound::LogEnd)).watch(&all, 1);
        bell.on_data(|| Ends { last_stable: Offset(10), ..ends(12, 130) });
        assert!(is_woken(&all).await && !is_woken(&committed).await);
        // When its time is over it is told the new high watermark.
        assert_eq!(committed.take_moved(), [1]);
        // Where the last stable offset is in the segment is not known here: it looks itself.
        bell.on_data(|| Ends { last_stable: Offset(11), ..ends(12, 130) });
        assert!(is_woken(&committed).await && !committed.has_enough());
    }

    #[tokio::test]
    async fn a_next_segment_is_looked_at() {
        let bell = Arc::new(Bell::default());
        let poll = LongPoll::new(1_000_000);
        bell.seen(place(Bound::LogEnd)).watch(&poll, 7);
        bell.on_data(|| Ends { position: LogPosition { segment: Offset(11), bytes: 20 }, ..ends(12, 0) });
        assert!(is_woken(&poll).await);
        assert_eq!(poll.take_moved(), [7]);
    }

    #[tokio::test]
    async fn what_moved_before_the_watch_is_told_at_once() {
        let bell = Arc::new(Bell::default());
        let (seen, poll) = (bell.seen(place(Bound::LogEnd)), LongPoll::new(1));
        assert!(seen.is_current());
        bell.on_change();
        assert!(!seen.is_current());
        seen.watch(&poll, 3);
        assert!(is_woken(&poll).await);
        assert_eq!(poll.take_moved(), [3]);
    }

    #[tokio::test]
    async fn a_change_is_told_without_waking_and_a_ring_wakes() {
        let bell = Arc::new(Bell::default());
        let poll = LongPoll::new(1);
        bell.seen(place(Bound::LogEnd)).watch(&poll, 3);
        bell.on_change();
        bell.on_change();
        assert!(!is_woken(&poll).await);
        bell.ring();
        assert!(is_woken(&poll).await);
        assert_eq!(poll.take_moved(), [3]);
    }

    #[test]
    fn fetches_that_are_over_leave_nothing_for_long() {
        let (bell, other) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        for _ in 0..10_000 {
            let poll = LongPoll::new(1);
            bell.seen(place(Bound::LogEnd)).watch(&poll, 0);
            other.seen(place(Bound::LogEnd)).watch(&poll, 1);
        }
        assert!(lock(&bell.watches).0.len() < 64);
        let poll = LongPoll::new(1);
        bell.seen(place(Bound::LogEnd)).watch(&poll, 0);
        bell.on_data(|| ends(10, 100));
        assert_eq!(lock(&bell.watches).0.len(), 1);
    }
}
