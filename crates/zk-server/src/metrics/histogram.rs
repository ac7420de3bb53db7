//! How often which value came: exact below 64, then within 1/32.

/// Values below are counted one by one.
const EXACT: u64 = 64;
/// Buckets of each doubling above.
const STEPS: u64 = 32;
/// Greater values count as this one: 34 years of milliseconds.
const GREATEST: u64 = (1 << 40) - 1;

/// Counts of values. As long as the greatest one needs, so that mostly it is a few hundred bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = bucket_of(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.total += 1;
    }

    /// Takes in what another one has counted.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.total += other.total;
    }

    /// The value below which the share `quantile` (0 to 1) of all lies, between the two nearest; `None` of nothing.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let position = quantile * (self.total + 1) as f64;
        if position < 1.0 {
            return Some(self.ranked(1));
        }
        if position >= self.total as f64 {
            return Some(self.ranked(self.total));
        }
        let (lower, upper) = (self.ranked(position as u64), self.ranked(position as u64 + 1));
        Some(lower + position.fract() * (upper - lower))
    }

    /// The value of a rank, from 1.
    fn ranked(&self, rank: u64) -> f64 {
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return value_of(bucket as u64) as f64;
            }
        }
        // A count that is full has fewer than came.
        value_of(self.counts.len().saturating_sub(1) as u64) as f64
    }
}

fn bucket_of(value: u64) -> usize {
    let value = value.min(GREATEST);
    if value < EXACT {
        return value as usize;
    }
    // `value` has the bits 1xxxxx... behind `shift` others: 32 buckets for each place of the first one.
    let shift = u64::from(value.ilog2()) - 5;
    (EXACT + (shift - 1) * STEPS + ((value >> shift) - STEPS)) as usize
}

/// The least value of a bucket.
fn value_of(bucket: u64) -> u64 {
    if bucket < EXACT {
        return bucket;
    }
    let above = bucket - EXACT;
    (STEPS + above % STEPS) << (above / STEPS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_first_and_close_later() {
        for value in (0..5000).chain([1 << 20, (1 << 33) + 12345, GREATEST]) {
            let found = value_of(bucket_of(value) as u64);
            assert!(found <= value && value - found <= value / 32, "{value} is taken for {found}");
            if value < EXACT {
                assert_eq!(found, value);
            }
        }
        assert_eq!(bucket_of(u64::MAX), bucket_of(GREATEST));
    }

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for value in 1..=10 {
            histogram.add(value);
        }
        assert_eq!(histogram.quantile(0.5), Some(5.5));
        assert_eq!(histogram.quantile(0.999), Some(10.0));
        assert_eq!(histogram.quantile(0.0), Some(1.0));
        let mut other = Histogram::default();
        other.add(1000);
        histogram.merge(&other);
        assert!(histogram.quantile(1.0).is_some_and(|greatest| (969.0..=1000.0).contains(&greatest)));
    }
}
