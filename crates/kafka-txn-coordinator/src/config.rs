//! Settings of a coordinator, as plain numbers.

/// Settings of a coordinator; the names behind them are the broker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `transaction.max.timeout.ms`
    pub timeout_max_ms: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_interval_ms: u64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expiry_interval_ms: u64,
    /// Bytes that a batch of deletions may have: the topic's `max.message.bytes`.
    pub batch_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            timeout_max_ms: 900_000,
            id_expiration_ms: 604_800_000,
            abort_interval_ms: 10_000,
            expiry_interval_ms: 3_600_000,
            batch_bytes_max: 1_048_588,
        }
    }
}
