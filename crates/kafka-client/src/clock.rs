//! The one place of the clients that looks at a clock or a random source.
//!
//! The cores (accumulator, membership) are told the time; the tasks around them ask here. The monotonic half is
//! tokio's, so that a test with paused time moves it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time_types::{Now, Tick, WallMillis};
use tokio::time::Instant;

/// Counts from the moment it was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "the one clock of the clients")]
    pub fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    /// Both times.
    pub fn now(&self) -> Now {
        Now { tick: self.tick(), wall: self.wall() }
    }

    /// Monotonic time since the start.
    pub fn tick(&self) -> Tick {
        Tick(self.started.elapsed().as_millis() as u64)
    }

    /// Wall-clock time.
    #[expect(clippy::disallowed_methods, reason = "the one clock of the clients")]
    pub fn wall(&self) -> WallMillis {
        WallMillis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64)
    }

    /// How long it is from now until `deadline`; zero if it has passed.
    pub fn until(&self, deadline: Tick) -> Duration {
        Duration::from_millis(deadline.since(self.tick()))
    }

    /// Waits until `deadline`.
    pub async fn sleep_until(&self, deadline: Tick) {
        tokio::time::sleep_until(self.started + Duration::from_millis(deadline.0)).await;
    }
}

/// 64 random bits, for jitter and for choices.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    u64::from_ne_bytes(bytes)
}
