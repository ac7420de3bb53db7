//! The settings of one log, as plain numbers; names and texts of settings belong to `kafka-metadata`.

use kafka_record::TimestampType;
use kafka_record::validate::TargetCompression;

/// What happens to old records (`cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Whole segments go by time and size.
    pub delete: bool,
    /// Only the last record of each key stays.
    pub compact: bool,
}

/// The settings of one log. `Default` is what Kafka 3.9 uses when nothing is configured.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment grows no larger than this.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment whose first record is older than this is closed by the next append.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off `segment_ms`, so that many partitions do not roll at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: size to which the indexes of the active segment are preallocated.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: an index entry is made when this many bytes came since the last one.
    pub index_interval_bytes: u64,
    /// `preallocate`: reserve a new segment's bytes at once.
    pub preallocate: bool,
    /// `flush.messages`: sync after this many records; `i64::MAX` leaves it to the background.
    pub flush_messages: i64,
    /// `flush.ms`: sync this long after an append; `i64::MAX` leaves it to the background.
    pub flush_ms: i64,
    /// `retention.ms`: segments whose newest record is older go; -1 keeps them.
    pub retention_ms: i64,
    /// `retention.bytes`: oldest segments go while the log is larger; -1 keeps them.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: a file that was renamed away lives this long, for those who still read it by name.
    pub file_delete_delay_ms: u64,
    /// `cleanup.policy`.
    pub cleanup: CleanupPolicy,
    /// `delete.retention.ms`: a tombstone outlives its first compaction by this much.
    pub delete_retention_ms: i64,
    /// `min.cleanable.dirty.ratio`: compaction is worth while when this share of the bytes is not yet compacted.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: records younger than this are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: records older than this are compacted whatever the ratio.
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`: largest record batch.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`: whose clock the records' timestamps are of.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a timestamp may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a timestamp may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`.
    pub compression: TargetCompression,
    /// `producer.id.expiration.ms` of the broker: a producer that was silent for so long is forgotten.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            preallocate: false,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            cleanup: CleanupPolicy { delete: true, compact: false },
            delete_retention_ms: 24 * 3_600_000,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            compression: TargetCompression::Producer,
            producer_id_expiration_ms: 24 * 3_600_000,
        }
    }
}
