//! Two kinds of time that cannot be mixed up, and no clock.
//!
//! A set clock must neither expire a session nor keep a deletion from happening, so everything that measures a
//! *duration* takes a [`Tick`] and everything that is *written down* takes a [`WallMillis`].
#![deny(missing_docs)]

use std::ops::{Add, Sub};

/// Monotonic milliseconds since an arbitrary start: sessions, timers, lag, waiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The time `millis` later; saturates instead of wrapping.
    pub fn after(self, millis: u64) -> Tick {
        Tick(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time; 0 if `earlier` is later.
    pub fn since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z: transaction headers, record timestamps, retention, commit times.
/// Negative values are legal on the wire (-1 is Kafka's "no timestamp").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallMillis(pub i64);

impl Add<i64> for WallMillis {
    type Output = WallMillis;

    fn add(self, millis: i64) -> WallMillis {
        WallMillis(self.0.saturating_add(millis))
    }
}

impl Sub for WallMillis {
    type Output = i64;

    fn sub(self, other: WallMillis) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

/// Both times at one moment, for cores that need both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time.
    pub tick: Tick,
    /// Wall-clock time.
    pub wall: WallMillis,
}
