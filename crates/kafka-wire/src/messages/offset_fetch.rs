//! OffsetFetch (9): read the positions that groups have stored.
//!
//! Sent by consumers before they start, and by tools. From version 8 on several groups at once.

messages! {
    OffsetFetch

    /// Which groups and partitions; null topics: all.
    struct Request {
        0..=7   group_id: String;
        0..=7   topics: Option<Vec<OffsetFetchRequestTopic>>, null_from 2;
        8..     groups: Vec<OffsetFetchRequestGroup>;
        /// Refuse (UNSTABLE_OFFSET_COMMIT) positions that an open transaction is about to replace.
        7..     require_stable: bool;
    }

    struct OffsetFetchRequestTopic {
        0..=7   name: String;
        0..=7   partition_indexes: Vec<i32>;
    }

    struct OffsetFetchRequestGroup {
        8..     group_id: String;
        9..     member_id: Option<String> = null, ignorable;
        /// KIP-848 groups only.
        9..     member_epoch: i32 = -1, ignorable;
        8..     topics: Option<Vec<OffsetFetchRequestTopics>>;
    }

    struct OffsetFetchRequestTopics {
        8..     name: String;
        8..     partition_indexes: Vec<i32>;
    }

    /// The positions; offset -1 where none is stored.
    struct Response {
        3..     throttle_time_ms: i32, ignorable;
        0..=7   topics: Vec<OffsetFetchResponseTopic>;
        2..=7   error_code: i16, ignorable;
        8..     groups: Vec<OffsetFetchResponseGroup>;
    }

    struct OffsetFetchResponseTopic {
        0..=7   name: String;
        0..=7   partitions: Vec<OffsetFetchResponsePartition>;
    }

    struct OffsetFetchResponsePartition {
        0..=7   partition_index: i32;
        0..=7   committed_offset: i64;
        5..=7   committed_leader_epoch: i32 = -1, ignorable;
        0..=7   metadata: Option<String>;
        0..=7   error_code: i16;
    }

    struct OffsetFetchResponseGroup {
        8..     group_id: String;
        8..     topics: Vec<OffsetFetchResponseTopics>;
        8..     error_code: i16;
    }

    struct OffsetFetchResponseTopics {
        8..     name: String;
        8..     partitions: Vec<OffsetFetchResponsePartitions>;
    }

    struct OffsetFetchResponsePartitions {
        8..     partition_index: i32;
        8..     committed_offset: i64;
        8..     committed_leader_epoch: i32 = -1, ignorable;
        8..     metadata: Option<String>;
        8..     error_code: i16;
    }
}

questions! {
    /// The positions are in ZooKeeper, under `/consumers`.
    reads_zookeeper: 0..=0;
    /// Null topics are all topics.
    allows_all_topics: 2..;
    /// There is one error for the whole answer; before, it is repeated for every partition.
    carries_group_error: 2..;
    /// Only stable positions may be asked for.
    allows_require_stable: 7..;
    /// Several groups at once, in `groups`.
    is_batched: 8..;
}
