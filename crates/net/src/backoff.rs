//! How long to wait before the next attempt: a value, without clock and without randomness of its own.

use std::time::Duration;

/// Exponential back-off with jitter, as Kafka's clients do it (KIP-144): `initial * multiplier ^ attempts`, capped,
/// then moved by up to `jitter` of itself in either direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    initial_ms: u64,
    max_ms: u64,
    multiplier: f64,
    jitter: f64,
    attempts: u32,
}

impl Backoff {
    /// Doubles from `initial_ms` up to `max_ms`, with a jitter of one fifth.
    pub fn new(initial_ms: u64, max_ms: u64) -> Backoff {
        Backoff { initial_ms, max_ms: max_ms.max(initial_ms), multiplier: 2.0, jitter: 0.2, attempts: 0 }
    }

    /// The factor from one attempt to the next.
    pub fn with_multiplier(mut self, multiplier: f64) -> Backoff {
        self.multiplier = multiplier.max(1.0);
        self
    }

    /// The part of the delay that is random, 0 to 1.
    pub fn with_jitter(mut self, jitter: f64) -> Backoff {
        self.jitter = jitter.clamp(0.0, 1.0);
        self
    }

    /// Attempts that failed since the last [`Backoff::reset`].
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// An attempt worked: the next delay is the initial one again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// An attempt failed: how long to wait. `random` is any number from a random source.
    pub fn next(&mut self, random: u64) -> Duration {
        let delay = self.delay_ms(self.attempts, random);
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_millis(delay)
    }

    /// The delay in milliseconds after so many failed attempts.
    pub fn delay_ms(&self, attempts: u32, random: u64) -> u64 {
        let grown = self.initial_ms as f64 * self.multiplier.powf(f64::from(attempts.min(1000)));
        let capped = grown.min(self.max_ms as f64);
        // The upper 53 bits as a number in -1..1.
        let unit = (random >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
        // The cap holds with the jitter, too: a setting called "max" is one.
        (capped * (1.0 + self.jitter * unit)).min(self.max_ms as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u64 = 1 << 63;

    #[test]
    fn doubles_up_to_the_maximum_and_starts_again() {
        let mut backoff = Backoff::new(50, 1000);
        let delays: Vec<u64> = (0..7).map(|_| backoff.next(MIDDLE).as_millis() as u64).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(MIDDLE).as_millis(), 50);
        assert_eq!(backoff.delay_ms(u32::MAX, MIDDLE), 1000);
    }

    #[test]
    fn jitter_stays_within_its_part() {
        let backoff = Backoff::new(100, 100_000);
        assert_eq!(backoff.delay_ms(0, 0), 80);
        assert!((119..=120).contains(&backoff.delay_ms(0, u64::MAX)));
        assert_eq!(Backoff::new(100, 100).delay_ms(5, u64::MAX), 100);
        assert_eq!(Backoff::new(0, 0).delay_ms(5, u64::MAX), 0);
    }
}
