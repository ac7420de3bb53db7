//! Where the server's time comes from: a function that `main.rs` makes.

use std::fmt;
use std::sync::Arc;

use time_types::{Now, Tick};

/// A clock. Clones are the same clock.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Now + Send + Sync>,
    tick: Arc<dyn Fn() -> Tick + Send + Sync>,
}

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Now + Send + Sync + Clone + 'static) -> Clock {
        let tick = now.clone();
        Clock::with_tick(now, move || tick().tick)
    }

    /// A clock that asks `tick` where the wall's time does not matter; the same monotonic time as that of `now`.
    pub fn with_tick(
        now: impl Fn() -> Now + Send + Sync + 'static,
        tick: impl Fn() -> Tick + Send + Sync + 'static,
    ) -> Clock {
        Clock { now: Arc::new(now), tick: Arc::new(tick) }
    }

    /// The time.
    pub fn now(&self) -> Now {
        (self.now)()
    }

    /// The monotonic time alone.
    pub fn tick(&self) -> Tick {
        (self.tick)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
