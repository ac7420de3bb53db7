//! The one place of the broker that looks at a clock or a random source; everybody else is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time_types::{Now, Tick, WallMillis};

/// Counts from the moment it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "the one clock of the program")]
    pub(crate) fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    /// Both times.
    pub(crate) fn now(&self) -> Now {
        Now { tick: self.tick(), wall: self.wall() }
    }

    /// Monotonic time since the start.
    pub(crate) fn tick(&self) -> Tick {
        Tick(self.started.elapsed().as_millis() as u64)
    }

    /// Time since the start, as precise as the system has it: for how long something takes.
    pub(crate) fn precise(&self) -> Duration {
        self.started.elapsed()
    }

    /// Wall-clock time.
    #[expect(clippy::disallowed_methods, reason = "the one clock of the program")]
    #[expect(clippy::unused_self, reason = "whoever may know the time has the clock")]
    pub(crate) fn wall(&self) -> WallMillis {
        WallMillis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64)
    }

    /// How long it is from now until `deadline`; zero if it has passed.
    pub(crate) fn until(&self, deadline: Tick) -> Duration {
        Duration::from_millis(deadline.since(self.tick()))
    }
}

/// 16 random bytes, for ids.
pub(crate) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// An id for a topic or a cluster that no other has.
pub(crate) fn random_uuid() -> kafka_types::Uuid {
    loop {
        if let Some(id) = kafka_types::Uuid::from_random(random_bytes()) {
            return id;
        }
    }
}
