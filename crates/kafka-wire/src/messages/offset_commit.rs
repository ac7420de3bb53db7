//! OffsetCommit (8): store a group's positions.
//!
//! Sent by consumers to the group's coordinator, as members (with generation) or on their own.

messages! {
    OffsetCommit

    /// Positions to store.
    struct Request {
        0..     group_id: String;
        /// The generation the positions belong to; -1: not a member.
        1..     generation_id_or_member_epoch: i32 = -1, ignorable;
        1..     member_id: String, ignorable;
        7..     group_instance_id: Option<String> = null;
        /// How long to keep them, in ms; -1: as the broker is set.
        2..=4   retention_time_ms: i64 = -1, ignorable;
        0..     topics: Vec<OffsetCommitRequestTopic>;
    }

    struct OffsetCommitRequestTopic {
        0..     name: String;
        0..     partitions: Vec<OffsetCommitRequestPartition>;
    }

    struct OffsetCommitRequestPartition {
        0..     partition_index: i32;
        0..     committed_offset: i64;
        6..     committed_leader_epoch: i32 = -1, ignorable;
        /// When, in wall ms; -1: now.
        1..=1   commit_timestamp: i64 = -1;
        0..     committed_metadata: Option<String>;
    }

    /// Per partition: stored, or why not.
    struct Response {
        3..     throttle_time_ms: i32, ignorable;
        0..     topics: Vec<OffsetCommitResponseTopic>;
    }

    struct OffsetCommitResponseTopic {
        0..     name: String;
        0..     partitions: Vec<OffsetCommitResponsePartition>;
    }

    struct OffsetCommitResponsePartition {
        0..     partition_index: i32;
        0..     error_code: i16;
    }
}

questions! {
    /// The positions belong into ZooKeeper, under `/consumers`.
    stores_in_zookeeper: 0..=0;
    /// Each position has its own timestamp.
    carries_commit_timestamp: 1..=1;
    /// The client may say how long positions are kept.
    carries_retention_time: 2..=4;
    /// Static members name themselves.
    carries_group_instance_id: 7..;
}
