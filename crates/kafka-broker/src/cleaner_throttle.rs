//! How fast a cleaner reads and writes (`log.cleaner.io.max.bytes.per.second`): it rests while it is at work, so that the
//! disk is left to others between two batches and not only between two logs.

use std::sync::Arc;
use std::time::Duration;

use time_types::Tick;

use crate::broker::Broker;

/// The clock is looked at after so many bytes, or after a part of a second's worth.
const LOOK_BYTES: f64 = 65_536.0;
/// Parts of a second.
const LOOKS_A_SECOND: f64 = 10.0;
/// What was not used for so long is not made up for.
const FORGOTTEN_MS: u64 = 300;
/// Before the settings are looked at again: another limit is in force at once.
const LOOK_EVERY_MS: u64 = 200;

/// What one cleaner has used of its share.
pub(crate) struct Throttle {
    broker: Arc<Broker>,
    pace: Pace,
}

impl Throttle {
    /// For a log that is about to be cleaned.
    pub(crate) fn new(broker: &Arc<Broker>) -> Throttle {
        Throttle { broker: Arc::clone(broker), pace: Pace::begin(broker.clock.tick()) }
    }

    /// So many bytes were read or written: rests as long as that takes. Runs on a cleaner's own thread.
    pub(crate) fn spent(&mut self, bytes: u64) {
        self.pace.take(bytes);
        loop {
            // Switched off while it cleans: it ends what it has begun.
            let Some(rate) = self.broker.config.cleaner().map(|settings| settings.bytes_per_second) else { return };
            match self.pace.rest(self.broker.clock.tick(), rate) {
                0 => return,
                // Nobody waits for a cleaner when the broker stops.
                _ if self.broker.shutdown.has_begun() => return,
                rest => std::thread::sleep(Duration::from_millis(rest.min(LOOK_EVERY_MS))),
            }
        }
    }
}

/// Bytes since a moment.
#[derive(Debug)]
struct Pace {
    since: Tick,
    bytes: f64,
    /// Of these, not looked at yet.
    fresh: f64,
}

impl Pace {
    fn begin(now: Tick) -> Pace {
        Pace { since: now, bytes: 0.0, fresh: 0.0 }
    }

    fn take(&mut self, bytes: u64) {
        self.bytes += bytes as f64;
        self.fresh += bytes as f64;
    }

    /// How long to rest now, in ms, at so many bytes a second.
    fn rest(&mut self, now: Tick, rate: f64) -> u64 {
        let rate = rate.max(1.0);
        if self.fresh < LOOK_BYTES.min(rate / LOOKS_A_SECOND) {
            return 0;
        }
        let (allowed, elapsed) = ((self.bytes * 1000.0 / rate) as u64, now.since(self.since));
        if allowed > elapsed {
            return allowed - elapsed;
        }
        self.fresh = 0.0;
        if elapsed - allowed > FORGOTTEN_MS {
            *self = Pace::begin(now);
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long so many batches take, in ms.
    fn take(batches: u64, size: u64, rate: f64, work: u64) -> u64 {
        let mut now = Tick(7);
        let mut pace = Pace::begin(now);
        for _ in 0..batches {
            now = now.after(work);
            pace.take(size);
            loop {
                match pace.rest(now, rate) {
                    0 => break,
                    rest => now = now.after(rest.min(LOOK_EVERY_MS)),
                }
            }
        }
        now.since(Tick(7))
    }

    #[test]
    fn batches_take_as_long_as_they_may_be_fast() {
        assert_eq!(take(10, 1000, 1000.0, 0), 10_000, "from the first batch on");
        assert_eq!(take(10, 1000, 1000.0, 400), 10_000, "work is no rest");
        assert_eq!(take(10, 1000, 1000.0, 3000), 30_000, "who is slower does not rest");
        assert_eq!(take(1_000, 1 << 20, f64::MAX, 1), 1_000, "without a limit nobody does");
        let long = take(10_000, 100, 100_000.0, 0);
        assert!((9_900..=10_000).contains(&long), "{long}");
    }

    #[test]
    fn what_was_not_used_is_not_made_up_for() {
        let mut pace = Pace::begin(Tick(0));
        pace.take(500);
        assert_eq!(pace.rest(Tick(60_000), 1000.0), 0);
        pace.take(500);
        assert_eq!(pace.rest(Tick(60_000), 1000.0), 500);
        assert_eq!(pace.rest(Tick(60_000), 5000.0), 100, "another limit holds at once");
    }
}
