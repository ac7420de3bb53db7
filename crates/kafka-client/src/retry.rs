//! How often to try again, and when.

use net::backoff::Backoff;

/// The back-off between attempts of one call (`retry.backoff.ms`, `retry.backoff.max.ms`; KIP-580): it doubles, with a
/// jitter of one fifth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// After the first failure, in ms.
    pub backoff_ms: u64,
    /// The most, in ms.
    pub backoff_max_ms: u64,
}

impl Default for RetryPolicy {
    /// Apache's defaults: 100 ms up to 1 s.
    fn default() -> RetryPolicy {
        RetryPolicy { backoff_ms: 100, backoff_max_ms: 1000 }
    }
}

impl RetryPolicy {
    /// A fresh back-off of this policy.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.backoff_ms, self.backoff_max_ms)
    }
}
