//! How a number is distributed over requests: a sum, and counts in buckets that grow with the number.

use std::sync::atomic::{AtomicU64, Ordering};

use time_types::Tick;

/// Buckets of a histogram: eight for each doubling, from 1 to 2^32.
const PER_DOUBLING: u32 = 8;
pub(super) const BUCKETS: usize = 32 * PER_DOUBLING as usize;
/// Quantiles are of what happened since the last look that is so old, or the one before it.
const WINDOW_MS: u64 = 300_000;

/// The quantiles that dashboards know.
pub(super) const QUANTILES: [(&str, f64); 6] =
    [("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];

/// Adds to a number that only this thread changes: others read it, and none of them has to be told at once.
pub(super) fn add(to: &AtomicU64, number: u64) {
    to.store(to.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
}

/// Numbers that one thread counts. Zeros are not counted: they are what is missing to all that there were.
#[derive(Debug)]
pub(super) struct Distribution {
    sum: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution { sum: AtomicU64::new(0), buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

impl Distribution {
    /// One more number, which is not zero.
    pub(super) fn count(&self, number: u64) {
        add(&self.sum, number);
        add(&self.buckets[bucket(number)], 1);
    }
}

/// What several threads have counted.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) sum: u64,
    /// Of everything but zeros.
    buckets: Vec<u64>,
}

impl Default for Counted {
    fn default() -> Counted {
        Counted { sum: 0, buckets: vec![0; BUCKETS] }
    }
}

impl Counted {
    pub(super) fn add(&mut self, one: &Distribution) {
        self.sum = self.sum.wrapping_add(one.sum.load(Ordering::Relaxed));
        for (sum, count) in self.buckets.iter_mut().zip(&one.buckets) {
            *sum += count.load(Ordering::Relaxed);
        }
    }

    /// How many there were in each bucket; the zeros, of `all` that there were, first.
    fn with_zeros(&self, all: u64) -> Vec<u64> {
        let zeros = all.saturating_sub(self.buckets.iter().sum());
        std::iter::once(zeros).chain(self.buckets.iter().copied()).collect()
    }
}

/// Counts of the buckets at earlier looks.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// What is left out of quantiles.
    base: Vec<u64>,
    /// What will be left out next, and since when.
    next: Vec<u64>,
    since: Tick,
}

impl Window {
    /// Quantiles of the last minutes; `all` is how many numbers there were, zeros among them.
    pub(super) fn quantiles(&mut self, counted: &Counted, all: u64, now: Tick) -> [f64; QUANTILES.len()] {
        let counts = counted.with_zeros(all);
        if now.since(self.since) >= WINDOW_MS {
            self.base = std::mem::replace(&mut self.next, counts.clone());
            self.since = now;
        }
        let base = |at: usize| self.base.get(at).copied().unwrap_or(0);
        let recent: Vec<u64> = counts.iter().enumerate().map(|(at, count)| count.saturating_sub(base(at))).collect();
        let all: u64 = recent.iter().sum();
        QUANTILES.map(|(_, quantile)| {
            let wanted = (all as f64 * quantile).ceil() as u64;
            let mut sum = 0;
            let found = recent.iter().position(|count| {
                sum += count;
                sum >= wanted.max(1)
            });
            found.and_then(|at| at.checked_sub(1)).map_or(0.0, middle)
        })
    }
}

/// One and less is in the first bucket; each further one reaches an eighth of a doubling further.
fn bucket(number: u64) -> usize {
    let number = number.max(1);
    let doublings = number.ilog2();
    // The three bits below the highest one.
    let eighth = if doublings >= 3 { (number >> (doublings - 3)) & 7 } else { (number << (3 - doublings)) & 7 };
    ((doublings * PER_DOUBLING) as usize + eighth as usize).min(BUCKETS - 1)
}

fn middle(bucket: usize) -> f64 {
    let (doublings, eighth) = (bucket as u32 / PER_DOUBLING, bucket as u32 % PER_DOUBLING);
    f64::from(2u32).powi(doublings.cast_signed()) * (1.0 + (f64::from(eighth) + 0.5) / f64::from(PER_DOUBLING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_an_eighth_of_a_doubling_wide() {
        let mut last = 0;
        for number in 1..100_000u64 {
            let at = bucket(number);
            assert!(at == last || at > last && number < 1 << 20, "{number}");
            let middle = middle(at);
            assert!((middle - number as f64).abs() <= (number as f64 / 8.0).max(1.0), "{number} is about {middle}");
            last = at;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket(0), bucket(1));
    }

    #[test]
    fn quantiles_forget_what_is_long_ago_and_know_of_zeros() {
        let (distribution, mut window, mut all) = (Distribution::default(), Window::default(), 0);
        let mut after = |number: u64, times: u64, now: u64| {
            (0..times).filter(|_| number > 0).for_each(|_| distribution.count(number));
            all += times;
            let mut counted = Counted::default();
            counted.add(&distribution);
            window.quantiles(&counted, all, Tick(now))
        };
        after(100_000, 90, 0);
        let [half, _, most, ..] = after(1_000_000, 10, 1);
        assert!((half - 1e5).abs() < 1.3e4 && (most - 1e6).abs() < 1.3e5, "{half} {most}");
        let [half, _, most, ..] = after(0, 150, 2);
        assert!(half.abs() < 1e-9 && (most - 1e5).abs() < 1.3e4, "{half} {most}");
        after(0, 0, WINDOW_MS + 1);
        after(1_000, 100, 2 * WINDOW_MS + 1);
        let [.., most] = after(0, 0, 2 * WINDOW_MS + 2);
        assert!((most - 1_000.0).abs() < 130.0, "{most}");
    }
}
