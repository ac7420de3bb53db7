//! Settings of a coordinator, as plain numbers.

/// Settings of a coordinator; the names behind them are the broker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `group.min.session.timeout.ms`
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_max_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: u64,
    /// `group.max.size`, members
    pub members_max: usize,
    /// `offset.metadata.max.bytes`; counted in UTF-16 units, as Java does
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub expiry_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            members_max: i32::MAX as usize,
            offset_metadata_max: 4_096,
            offsets_retention_ms: 10_080 * 60_000,
            expiry_interval_ms: 600_000,
        }
    }
}
