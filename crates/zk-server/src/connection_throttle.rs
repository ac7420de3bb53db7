//! How many sessions may be asked for in a time: a bucket of tokens that fills up again, and in front of it, if wanted,
//! a chance to be refused that grows while the bucket is empty ("BLUE"), so that whoever comes late in each interval
//! does not always lose.

use time_types::Tick;

/// The settings `connection_throttle_*`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConnectionThrottleConfig {
    /// Tokens of a full bucket; 0: everybody may.
    pub tokens: i64,
    /// Milliseconds in which [`ConnectionThrottleConfig::fill_count`] tokens come.
    pub fill_ms: i64,
    /// Tokens that come.
    pub fill_count: i64,
    /// Milliseconds between two changes of the chance to be refused; -1: there is no such chance.
    pub freeze_ms: i64,
    /// How much that chance grows when the bucket is empty.
    pub drop_increase: f64,
    /// How much it shrinks when the bucket is full enough.
    pub drop_decrease: f64,
    /// Full enough: at most this part of the tokens is gone.
    pub decrease_ratio: f64,
    /// Does a session cost more than one token?
    pub weighted: bool,
    /// What a new session costs then.
    pub new_session: i64,
    /// What it costs to come back to one.
    pub renewed_session: i64,
}

impl Default for ConnectionThrottleConfig {
    fn default() -> ConnectionThrottleConfig {
        ConnectionThrottleConfig {
            tokens: 0,
            fill_ms: 1,
            fill_count: 1,
            freeze_ms: -1,
            drop_increase: 0.02,
            drop_decrease: 0.002,
            decrease_ratio: 0.0,
            weighted: false,
            new_session: 3,
            renewed_session: 2,
        }
    }
}

/// The bucket.
#[derive(Debug)]
pub(crate) struct ConnectionThrottle {
    config: ConnectionThrottleConfig,
    max: i64,
    tokens: i64,
    filled: Tick,
    frozen: Tick,
    drop_chance: f64,
}

impl ConnectionThrottle {
    /// A full bucket.
    pub(crate) fn new(config: ConnectionThrottleConfig, now: Tick) -> ConnectionThrottle {
        let max = if config.weighted { config.new_session.saturating_mul(config.tokens) } else { config.tokens };
        ConnectionThrottle { config, max, tokens: max, filled: now, frozen: now, drop_chance: 0.0 }
    }

    /// May a session begin (or be come back to, `renewed`)? `random` is any number.
    pub(crate) fn admits(&mut self, renewed: bool, now: Tick, random: u64) -> bool {
        if self.max == 0 {
            return true;
        }
        let need = match (self.config.weighted, renewed) {
            (false, _) => 1,
            (true, false) => self.config.new_session,
            (true, true) => self.config.renewed_session,
        };
        self.fill(now);
        if self.config.freeze_ms != -1 && self.is_unlucky(now, random) {
            return false;
        }
        let enough = self.tokens >= need;
        if enough {
            self.tokens -= need;
        }
        enough
    }

    /// The chance to be refused without a look at the bucket, 0 to 1.
    pub(crate) fn drop_chance(&self) -> f64 {
        self.drop_chance
    }

    fn fill(&mut self, now: Tick) {
        let passed = now.since(self.filled) as i64;
        let (fill_ms, count) = (self.config.fill_ms.max(1), self.config.fill_count);
        if passed > self.config.fill_ms {
            let count = if self.config.weighted { count.saturating_mul(self.config.new_session) } else { count };
            self.tokens = self.tokens.saturating_add(passed.saturating_mul(count) / fill_ms).min(self.max);
            self.filled = now;
        }
    }

    fn is_unlucky(&mut self, now: Tick, random: u64) -> bool {
        let gone = self.max - self.tokens;
        if now.since(self.frozen) as i64 > self.config.freeze_ms {
            let few = (self.max as f64 * self.config.decrease_ratio).round() as i64;
            if gone == self.max && self.drop_chance < 1.0 {
                self.drop_chance = (self.drop_chance + self.config.drop_increase).min(1.0);
            } else if gone <= few && self.drop_chance > 0.0 {
                self.drop_chance = (self.drop_chance - self.config.drop_decrease).max(0.0);
            }
            self.frozen = now;
        }
        // The upper 53 bits as a fraction.
        ((random >> 11) as f64 / (1_u64 << 53) as f64) < self.drop_chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUCKY: u64 = u64::MAX;

    #[test]
    fn off_lets_everybody_in() {
        let mut throttle = ConnectionThrottle::new(ConnectionThrottleConfig::default(), Tick(0));
        assert!((0..1000).all(|_| throttle.admits(false, Tick(0), 0)));
    }

    #[test]
    fn a_bucket_of_tokens() {
        let config = ConnectionThrottleConfig { tokens: 3, fill_ms: 10, fill_count: 2, ..Default::default() };
        let mut throttle = ConnectionThrottle::new(config, Tick(0));
        let admitted = |throttle: &mut ConnectionThrottle, now| {
            (0..10).filter(|_| throttle.admits(false, Tick(now), LUCKY)).count()
        };
        assert_eq!(admitted(&mut throttle, 0), 3);
        assert_eq!(admitted(&mut throttle, 10), 0, "not before the interval is over");
        assert_eq!(admitted(&mut throttle, 11), 2);
        assert_eq!(admitted(&mut throttle, 1000), 3, "not more than it holds");
    }

    #[test]
    fn weights() {
        let config = ConnectionThrottleConfig { tokens: 2, weighted: true, ..Default::default() };
        let mut throttle = ConnectionThrottle::new(config, Tick(0));
        assert!(throttle.admits(false, Tick(0), LUCKY));
        assert!(throttle.admits(true, Tick(0), LUCKY));
        assert!(!throttle.admits(true, Tick(0), LUCKY), "one of six is left");
    }

    #[test]
    fn an_empty_bucket_makes_unlucky() {
        let config = ConnectionThrottleConfig {
            tokens: 1,
            fill_ms: 100,
            freeze_ms: 0,
            drop_increase: 0.5,
            drop_decrease: 0.25,
            ..Default::default()
        };
        let mut throttle = ConnectionThrottle::new(config, Tick(0));
        assert!(throttle.admits(false, Tick(0), LUCKY));
        for (now, chance) in [(1, 0.5), (2, 1.0), (3, 1.0)] {
            assert!(!throttle.admits(false, Tick(now), LUCKY));
            assert!((throttle.drop_chance() - chance).abs() < f64::EPSILON);
        }
        assert!(throttle.admits(false, Tick(1000), LUCKY), "full again, and luck is needed less");
        assert!((throttle.drop_chance() - 0.75).abs() < f64::EPSILON);
    }
}
