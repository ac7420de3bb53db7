//! The connections of a listener, for when there are more than may be: brokers get in beyond `max.connections`, and the
//! limit may be lowered. Those that have been silent for longest are closed then, and whoever is served only if there is
//! nobody else, after its answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Later than all others.
const BUSY: u64 = u64::MAX;

/// Those of one listener.
#[derive(Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by_number: BTreeMap<u64, Arc<Shared>>,
}

/// What both sides of a connection's seat know.
#[derive(Debug, Default)]
struct Shared {
    /// When the client was last answered, in microseconds since the broker's start; [`BUSY`] while it is served.
    active: AtomicU64,
    is_called: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// The place of one connection. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    shared: Arc<Shared>,
    all: Weak<Mutex<Taken>>,
    is_listening: bool,
}

/// A connection that may be closed.
#[derive(Debug)]
pub(crate) struct Candidate(Arc<Shared>);

impl Seats {
    /// For a connection that begins now.
    pub(crate) fn take(&self, now: Duration) -> Seat {
        let mut taken = lock(&self.0);
        let (number, shared) = (taken.next, Arc::new(Shared::default()));
        shared.active.store(micros(now), Ordering::Relaxed);
        taken.next += 1;
        taken.by_number.insert(number, Arc::clone(&shared));
        Seat { number, shared, all: Arc::downgrade(&self.0), is_listening: false }
    }

    /// All of them.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        lock(&self.0).by_number.values().map(|shared| Candidate(Arc::clone(shared))).collect()
    }
}

/// Closes as many of them as there are too many, those first that have been silent for longest. Those that were called
/// before and have not ended yet count.
pub(crate) fn close_excess(mut candidates: Vec<Candidate>, excess: usize) {
    let called = candidates.iter().filter(|one| one.0.is_called.load(Ordering::Acquire)).count();
    candidates.retain(|one| !one.0.is_called.load(Ordering::Acquire));
    candidates.sort_by_key(|one| one.0.active.load(Ordering::Relaxed));
    for one in candidates.iter().take(excess.saturating_sub(called)) {
        one.0.is_called.store(true, Ordering::Release);
        if let Some(waker) = lock(&one.0.waker).take() {
            waker.wake();
        }
    }
}

impl Seat {
    /// The client was answered at this moment.
    pub(crate) fn active(&self, now: Duration) {
        self.shared.active.store(micros(now), Ordering::Relaxed);
    }

    /// A request of the client is served.
    pub(crate) fn busy(&self) {
        self.shared.active.store(BUSY, Ordering::Relaxed);
    }

    /// Is the connection to be closed?
    pub(crate) fn is_called(&self) -> bool {
        self.shared.is_called.load(Ordering::Acquire)
    }

    /// As [`Seat::is_called`], for its one task, which is woken when it becomes so.
    pub(crate) fn poll_called(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if !self.is_listening {
            *lock(&self.shared.waker) = Some(task.waker().clone());
            self.is_listening = true;
        }
        // Behind the waker: who calls later finds it.
        if self.is_called() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            lock(&all).by_number.remove(&self.number);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_called(seat: &mut Seat) -> bool {
        seat.poll_called(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn who_was_silent_for_longest_goes_first_and_nobody_goes_for_another() {
        let (seats, second) = (Seats::default(), Duration::from_secs(1));
        let mut taken: Vec<Seat> = (0..4).map(|at| seats.take(second * at)).collect();
        taken[0].active(second * 9);
        taken[3].busy();
        let called = |taken: &mut Vec<Seat>| taken.iter_mut().map(is_called).collect::<Vec<_>>();
        close_excess(seats.candidates(), 1);
        assert_eq!(called(&mut taken), [false, true, false, false]);
        close_excess(seats.candidates(), 1);
        assert_eq!(called(&mut taken), [false, true, false, false], "it has not ended yet");
        close_excess(seats.candidates(), 2);
        assert_eq!(called(&mut taken), [false, true, true, false]);
        taken.drain(1..3);
        assert_eq!(seats.candidates().len(), 2);
        close_excess(seats.candidates(), 1);
        assert_eq!(called(&mut taken), [true, false], "who is served goes last");
        close_excess(seats.candidates(), 7);
        assert_eq!(called(&mut taken), [true, true]);
    }
}
