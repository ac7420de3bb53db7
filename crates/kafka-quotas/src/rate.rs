//! What was used over the last few windows of time, and what is left in a bucket.

use std::collections::VecDeque;

use time_types::Tick;

/// How long is looked back: so many samples of so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How many, at least one.
    pub samples: u32,
    /// Length of each, in ms, at least one.
    pub millis: u64,
}

impl Windows {
    /// All of them together, in ms.
    pub fn total(self) -> u64 {
        u64::from(self.samples) * self.millis
    }

    /// All but the one that is being filled, in ms.
    pub fn full(self) -> u64 {
        u64::from(self.samples.saturating_sub(1)) * self.millis
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    begun: Tick,
    amount: f64,
}

/// A rate over sliding windows, as Apache's `Rate` over a `SampledStat` has it.
///
/// A sample begins with the first use after the one before is full. Windows that have not been yet count as empty ones,
/// so that a first burst is no violation; the price is that a new client may use one look-back's worth at once.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    samples: VecDeque<Sample>,
}

impl Rate {
    /// Something was used, or (negative) was not used after all.
    pub fn record(&mut self, windows: Windows, now: Tick, amount: f64) {
        self.forget(windows, now);
        match self.samples.back_mut() {
            Some(last) if now.since(last.begun) < windows.millis => last.amount += amount,
            _ => self.samples.push_back(Sample { begun: now, amount }),
        }
    }

    /// Used in a second, on average.
    pub fn per_second(&mut self, windows: Windows, now: Tick) -> f64 {
        self.forget(windows, now);
        let used: f64 = self.samples.iter().map(|sample| sample.amount).sum();
        used * 1000.0 / self.window(windows, now) as f64
    }

    /// How long to use nothing until the average is `limit` again, in ms; 0 if it is not above that.
    pub fn excess(&mut self, windows: Windows, now: Tick, limit: f64) -> u64 {
        let rate = self.per_second(windows, now);
        if rate <= limit {
            return 0;
        }
        if limit <= 0.0 {
            return windows.total();
        }
        ((rate - limit) / limit * self.window(windows, now) as f64).round() as u64
    }

    /// How long to use nothing until no more than `limit` a second was used since the oldest sample began, in ms; 0 if
    /// that is so. Windows that have not been yet do not count, as in Apache's `SimpleRate`: a first burst is one.
    pub fn simple_excess(&mut self, windows: Windows, now: Tick, limit: f64) -> u64 {
        self.forget(windows, now);
        let Some(oldest) = self.samples.front().map(|oldest| oldest.begun) else { return 0 };
        let used: f64 = self.samples.iter().map(|sample| sample.amount).sum();
        let elapsed = now.since(oldest);
        if used * 1000.0 <= limit * elapsed.max(windows.millis) as f64 {
            return 0;
        }
        // When the oldest sample is forgotten, there is less.
        let allowed = if limit > 0.0 { (used * 1000.0 / limit).ceil() as u64 } else { u64::MAX };
        allowed.min(windows.total()).saturating_sub(elapsed).max(1)
    }

    /// Nothing of it matters any more.
    pub fn is_idle(&mut self, windows: Windows, now: Tick) -> bool {
        self.forget(windows, now);
        self.samples.is_empty()
    }

    fn forget(&mut self, windows: Windows, now: Tick) {
        while self.samples.front().is_some_and(|oldest| now.since(oldest.begun) >= windows.total()) {
            self.samples.pop_front();
        }
    }

    /// The time that the samples stand for, in ms: with empty windows for those that are missing.
    fn window(&self, windows: Windows, now: Tick) -> u64 {
        let elapsed = self.samples.front().map_or(0, |oldest| now.since(oldest.begun));
        let missing = u64::from(windows.samples.saturating_sub(1)).saturating_sub(elapsed / windows.millis);
        (elapsed + missing * windows.millis).max(windows.millis)
    }
}

/// A bucket that fills at the rate of a limit and holds what comes in all windows (KIP-599). It begins full; whoever
/// finds something in it may take more than there is, and then nobody may before the debt is paid.
#[derive(Debug, Clone, Default)]
pub struct TokenBucket {
    filled: Option<(Tick, f64)>,
}

impl TokenBucket {
    /// How long until there is something in it, in ms; 0 if there is.
    pub fn debt(&mut self, windows: Windows, now: Tick, limit: f64) -> u64 {
        let tokens = self.fill(windows, now, limit);
        if tokens >= 0.0 {
            return 0;
        }
        if limit <= 0.0 {
            return windows.total();
        }
        (-tokens / limit * 1000.0).round() as u64
    }

    /// Takes so many out.
    pub fn take(&mut self, windows: Windows, now: Tick, limit: f64, amount: f64) {
        let size = size(windows, limit);
        let tokens = (self.fill(windows, now, limit) - amount).min(size);
        self.filled = Some((now, tokens));
    }

    /// It is full, as one that was never used.
    pub fn is_full(&mut self, windows: Windows, now: Tick, limit: f64) -> bool {
        self.fill(windows, now, limit) >= size(windows, limit)
    }

    fn fill(&mut self, windows: Windows, now: Tick, limit: f64) -> f64 {
        let size = size(windows, limit);
        let tokens =
            self.filled.map_or(size, |(then, tokens)| (tokens + now.since(then) as f64 / 1000.0 * limit).min(size));
        self.filled = Some((now, tokens));
        tokens
    }
}

fn size(windows: Windows, limit: f64) -> f64 {
    limit * windows.total() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { samples: 11, millis: 1000 };

    #[test]
    fn windows_that_were_not_yet_count_as_empty() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, Tick(0), 500.0);
        let per_10_500_ms = |rate: &mut Rate, now| (rate.per_second(WINDOWS, Tick(now)) * 10.5).round() as i64;
        assert_eq!(per_10_500_ms(&mut rate, 0), 525);
        rate.record(WINDOWS, Tick(2500), 500.0);
        assert_eq!(per_10_500_ms(&mut rate, 2500), 1000);
        // The first sample falls out of the windows.
        assert_eq!(per_10_500_ms(&mut rate, 11_000), 500);
        assert!(rate.is_idle(WINDOWS, Tick(14_000)));
    }

    #[test]
    fn the_pause_brings_the_average_down_to_the_limit() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, Tick(0), 1000.0);
        assert_eq!(rate.excess(WINDOWS, Tick(0), 100.0), 0, "as much as all windows allow");
        rate.record(WINDOWS, Tick(0), 200.0);
        assert_eq!(rate.excess(WINDOWS, Tick(0), 100.0), 2000);
        assert_eq!(rate.excess(WINDOWS, Tick(0), 0.0), 11_000, "nothing is allowed");
    }

    #[test]
    fn whoever_obeys_the_pauses_gets_the_limit_within_a_tenth() {
        let (limit, size) = (1000.0, 300.0);
        let (mut rate, mut now, mut sent, mut counted_from) = (Rate::default(), Tick(0), 0.0, None);
        while now < Tick(60_000) {
            rate.record(WINDOWS, now, size);
            let pause = rate.excess(WINDOWS, now, limit);
            // The burst that new clients are allowed is over with the first pause, and out of the windows soon.
            if now >= Tick(20_000) {
                counted_from.get_or_insert(now);
                sent += size;
            }
            now = now.after(pause.max(5));
        }
        let seconds = now.since(counted_from.expect("it ran that long")) as f64 / 1000.0;
        let measured = sent / seconds;
        assert!((measured / limit - 1.0).abs() < 0.1, "{measured} a second");
    }

    #[test]
    fn a_bucket_allows_one_debt() {
        let windows = Windows { samples: 11, millis: 1000 };
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.debt(windows, Tick(0), 2.0), 0);
        bucket.take(windows, Tick(0), 2.0, 30.0);
        assert_eq!(bucket.debt(windows, Tick(0), 2.0), 4000, "22 were there");
        assert_eq!(bucket.debt(windows, Tick(4000), 2.0), 0);
        assert!(!bucket.is_full(windows, Tick(4000), 2.0) && bucket.is_full(windows, Tick(15_000), 2.0));
    }
}
