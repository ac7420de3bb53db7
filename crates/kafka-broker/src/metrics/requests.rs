//! How many requests of each kind came, and how long they took until their answer was there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kafka_wire::ApiKey;
use time_types::Tick;

/// Keys are below this.
const KEYS: usize = 128;
/// Versions are below this; a later one is counted with the last.
const VERSIONS: usize = 24;
/// Buckets of a histogram: eight for each doubling, from a microsecond to an hour.
const PER_DOUBLING: u32 = 8;
const BUCKETS: usize = 32 * PER_DOUBLING as usize;
/// Quantiles are of what happened since the last look that is so old, or the one before it.
const WINDOW_MS: u64 = 300_000;

/// The quantiles that dashboards know.
pub(super) const QUANTILES: [(&str, f64); 6] =
    [("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];

/// All kinds of requests; fetches once more by who fetches.
#[derive(Debug)]
pub(crate) struct Requests {
    kinds: Vec<Kind>,
    pub(super) consumers: Kind,
    pub(super) followers: Kind,
}

/// One kind of request.
#[derive(Debug)]
pub(super) struct Kind {
    versions: [AtomicU64; VERSIONS],
    total_us: AtomicU64,
    buckets: Vec<AtomicU64>,
    window: Mutex<Window>,
}

/// Counts of the buckets at earlier looks.
#[derive(Debug, Default)]
struct Window {
    /// What is left out of quantiles.
    base: Vec<u64>,
    /// What will be left out next, and since when.
    next: Vec<u64>,
    since: Tick,
}

impl Default for Requests {
    fn default() -> Requests {
        let kinds = (0..KEYS).map(|_| Kind::default()).collect();
        Requests { kinds, consumers: Kind::default(), followers: Kind::default() }
    }
}

impl Default for Kind {
    fn default() -> Kind {
        Kind {
            versions: Default::default(),
            total_us: AtomicU64::new(0),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            window: Mutex::default(),
        }
    }
}

impl Requests {
    /// A request is answered.
    pub(crate) fn answered(&self, key: ApiKey, version: i16, took: Duration) {
        if let Some(kind) = usize::try_from(key.code()).ok().and_then(|code| self.kinds.get(code)) {
            kind.count(version, took);
        }
    }

    /// A fetch is answered; told besides [`Requests::answered`].
    pub(crate) fn fetched(&self, by_follower: bool, version: i16, took: Duration) {
        let kind = if by_follower { &self.followers } else { &self.consumers };
        kind.count(version, took);
    }

    /// Kinds that came at all.
    pub(super) fn seen(&self) -> impl Iterator<Item = (ApiKey, &Kind)> {
        let key = |code: usize| i16::try_from(code).ok().and_then(ApiKey::from_code);
        let seen = self.kinds.iter().enumerate().filter(|(_, kind)| kind.count_of_all() > 0);
        seen.filter_map(move |(code, kind)| key(code).map(|key| (key, kind)))
    }
}

impl Kind {
    fn count(&self, version: i16, took: Duration) {
        let version = usize::try_from(version).unwrap_or(0).min(VERSIONS - 1);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.versions[version].fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many came in each version.
    pub(super) fn by_version(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.versions.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0)
    }

    pub(super) fn count_of_all(&self) -> u64 {
        self.versions.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn total_ms(&self) -> f64 {
        self.total_us.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// Quantiles of the last minutes, in ms.
    pub(super) fn quantiles(&self, now: Tick) -> [f64; QUANTILES.len()] {
        let counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.since) >= WINDOW_MS {
            window.base = std::mem::replace(&mut window.next, counts.clone());
            window.since = now;
        }
        let base = |at: usize| window.base.get(at).copied().unwrap_or(0);
        let recent: Vec<u64> = counts.iter().enumerate().map(|(at, count)| count.saturating_sub(base(at))).collect();
        let all: u64 = recent.iter().sum();
        QUANTILES.map(|(_, quantile)| {
            let wanted = (all as f64 * quantile).ceil() as u64;
            let mut sum = 0;
            let found = recent.iter().position(|count| {
                sum += count;
                sum >= wanted.max(1)
            });
            found.map_or(0.0, |at| middle_us(at) / 1000.0)
        })
    }
}

/// A microsecond and less is in the first bucket; each further one reaches an eighth of a doubling further.
fn bucket(us: u64) -> usize {
    let us = us.max(1);
    let doublings = us.ilog2();
    // The three bits below the highest one.
    let eighth = if doublings >= 3 { (us >> (doublings - 3)) & 7 } else { (us << (3 - doublings)) & 7 };
    ((doublings * PER_DOUBLING) as usize + eighth as usize).min(BUCKETS - 1)
}

fn middle_us(bucket: usize) -> f64 {
    let (doublings, eighth) = (bucket as u32 / PER_DOUBLING, bucket as u32 % PER_DOUBLING);
    f64::from(2u32).powi(doublings.cast_signed()) * (1.0 + (f64::from(eighth) + 0.5) / f64::from(PER_DOUBLING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_an_eighth_of_a_doubling_wide() {
        let mut last = 0;
        for us in 1..100_000u64 {
            let at = bucket(us);
            assert!(at == last || at > last && us < 1 << 20, "{us}");
            let middle = middle_us(at);
            assert!((middle - us as f64).abs() <= (us as f64 / 8.0).max(1.0), "{us} is about {middle}");
            last = at;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket(0), bucket(1));
    }

    #[test]
    fn quantiles_forget_what_is_long_ago() {
        let requests = Requests::default();
        let take = |ms: u64, times: usize| {
            for _ in 0..times {
                requests.answered(ApiKey::Produce, 9, Duration::from_millis(ms));
            }
        };
        let quantiles =
            |now: u64| requests.seen().next().map(|(_, kind)| kind.quantiles(Tick(now))).unwrap_or_default();
        take(100, 90);
        take(1_000, 10);
        let [half, _, most, ..] = quantiles(1);
        assert!((half - 100.0).abs() < 13.0 && (most - 1_000.0).abs() < 126.0, "{half} {most}");
        quantiles(WINDOW_MS + 1);
        take(1, 100);
        quantiles(2 * WINDOW_MS + 1);
        let [.., all] = quantiles(2 * WINDOW_MS + 2);
        assert!((all - 1.0).abs() < 0.2, "{all}");
        let (key, kind) = requests.seen().next().unwrap();
        assert_eq!((key, kind.count_of_all()), (ApiKey::Produce, 200));
        assert_eq!(kind.by_version().collect::<Vec<_>>(), [(9, 200)]);
    }
}
