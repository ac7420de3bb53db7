//! OffsetForLeaderEpoch (23): where in a leader's log an epoch ends.
//!
//! Sent by followers that must truncate (older protocols) and by consumers that check for truncation (KIP-320).

messages! {
    OffsetForLeaderEpoch

    /// Partitions and epochs.
    struct Request {
        /// The follower's broker id; -1 for consumers, -2 for debugging.
        3..     replica_id: i32 = -2, ignorable;
        0..     topics: Vec<OffsetForLeaderTopic>;
    }

    struct OffsetForLeaderTopic {
        0..     topic: String;
        0..     partitions: Vec<OffsetForLeaderPartition>;
    }

    struct OffsetForLeaderPartition {
        0..     partition: i32;
        2..     current_leader_epoch: i32 = -1, ignorable;
        0..     leader_epoch: i32;
    }

    /// The largest epoch not above the one asked for, and its end offset.
    struct Response {
        2..     throttle_time_ms: i32, ignorable;
        0..     topics: Vec<OffsetForLeaderTopicResult>;
    }

    struct OffsetForLeaderTopicResult {
        0..     topic: String;
        0..     partitions: Vec<EpochEndOffset>;
    }

    struct EpochEndOffset {
        0..     error_code: i16;
        0..     partition: i32;
        1..     leader_epoch: i32 = -1, ignorable;
        0..     end_offset: i64 = -1;
    }
}

/// Followers ask in this version.
pub const FOLLOWER_VERSION: i16 = 4;

questions! {
    /// The sender says whether it is a replica; before, only replicas asked.
    carries_replica_id: 3..;
}
