//! ListOffsets (2): the offset that belongs to a timestamp, or the start or end of a partition.
//!
//! Sent by consumers (to find where to start), followers (to learn where the leader's log starts and ends) and tools.

messages! {
    ListOffsets

    /// Timestamps to look up.
    struct Request {
        /// The follower's broker id; -1 for consumers.
        0..     replica_id: i32;
        2..     isolation_level: i8;
        0..     topics: Vec<ListOffsetsTopic>;
    }

    struct ListOffsetsTopic {
        0..     name: String;
        0..     partitions: Vec<ListOffsetsPartition>;
    }

    struct ListOffsetsPartition {
        0..     partition_index: i32;
        4..     current_leader_epoch: i32 = -1, ignorable;
        /// Wall ms, or -1 latest, -2 earliest, -3 largest timestamp, -4 earliest local, -5 latest tiered.
        0..     timestamp: i64;
        /// How many offsets the oldest version may return.
        0..=0   max_num_offsets: i32 = 1;
    }

    /// Offsets found.
    struct Response {
        2..     throttle_time_ms: i32, ignorable;
        0..     topics: Vec<ListOffsetsTopicResponse>;
    }

    struct ListOffsetsTopicResponse {
        0..     name: String;
        0..     partitions: Vec<ListOffsetsPartitionResponse>;
    }

    struct ListOffsetsPartitionResponse {
        0..     partition_index: i32;
        0..     error_code: i16;
        /// The oldest version's answer: segment base offsets, newest first.
        0..=0   old_style_offsets: Vec<i64>;
        /// Timestamp of the record found; -1 when none was looked for or found.
        1..     timestamp: i64 = -1;
        1..     offset: i64 = -1;
        4..     leader_epoch: i32 = -1;
    }
}

/// Followers ask in this version.
pub const FOLLOWER_VERSION: i16 = 9;

questions! {
    /// The answer is a list of offsets at segment bases, without timestamps.
    answers_old_style: 0..=0;
    /// The reader's isolation level is there; before, the end is the high watermark.
    carries_isolation_level: 2..;
    /// The answer has the epoch of the offset found.
    carries_leader_epoch: 4..;
    /// The client understands OFFSET_NOT_AVAILABLE; older ones are told LEADER_NOT_AVAILABLE.
    knows_offset_not_available: 5..;
    /// -3 (largest timestamp) may be asked for.
    allows_max_timestamp: 7..;
    /// -4 (earliest local) may be asked for.
    allows_earliest_local: 8..;
    /// -5 (latest tiered) may be asked for.
    allows_latest_tiered: 9..;
}
