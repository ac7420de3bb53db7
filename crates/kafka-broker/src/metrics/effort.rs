//! What a request takes, told by those who serve it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafka_wire::ErrorCounts;

use super::requests::{Answered, Fetcher};
use crate::clock::Clock;

/// Of one request.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    fetcher: OnceLock<Fetcher>,
    /// When it began to wait, as time since the broker's start.
    parked: OnceLock<Duration>,
    conversion_ns: AtomicU64,
    temporary_bytes: AtomicU64,
    errors: OnceLock<ErrorCounts>,
}

impl Effort {
    /// It is a fetch.
    pub(crate) fn fetches(&self, fetcher: Fetcher) {
        let _ = self.fetcher.set(fetcher);
    }

    /// From here on it waits for others, if it has not begun to before.
    pub(crate) fn parked(&self, clock: Clock) {
        self.parked.get_or_init(|| clock.precise());
    }

    /// Records were brought into another format.
    pub(crate) fn converted(&self, took: Duration) {
        self.conversion_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Records took memory besides the request's own.
    pub(crate) fn took_memory(&self, bytes: u64) {
        if bytes > 0 {
            self.temporary_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The answer tells of these errors.
    pub(crate) fn tells(&self, errors: ErrorCounts) {
        let _ = self.errors.set(errors);
    }

    /// Adds all of it to what else is known.
    pub(crate) fn measured(&self, mut known: Answered) -> Answered {
        known.fetcher = self.fetcher.get().copied();
        known.parked = self.parked.get().copied();
        known.conversion = Duration::from_nanos(self.conversion_ns.load(Ordering::Relaxed));
        known.temporary_bytes = self.temporary_bytes.load(Ordering::Relaxed);
        known.errors = self.errors.get().cloned().unwrap_or_default();
        known
    }
}
