//! ElectLeaders (43): elect the preferred, or an unclean, leader now.
//!
//! Sent by admin clients to the controller.

messages! {
    ElectLeaders

    /// Partitions; null: all.
    struct Request {
        /// 0: preferred; 1: unclean.
        1..     election_type: i8;
        0..     topic_partitions: Option<Vec<TopicPartitions>>;
        0..     timeout_ms: i32 = 60000;
    }

    struct TopicPartitions {
        0..     topic: String;
        0..     partitions: Vec<i32>;
    }

    /// One result per partition.
    struct Response {
        0..     throttle_time_ms: i32;
        1..     error_code: i16;
        0..     replica_election_results: Vec<ReplicaElectionResult>;
    }

    struct ReplicaElectionResult {
        0..     topic: String;
        0..     partition_result: Vec<PartitionResult>;
    }

    struct PartitionResult {
        0..     partition_id: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
    }
}

questions! {
    /// Unclean elections may be asked for, and there is one error for the whole answer; before, preferred only.
    carries_election_type: 1..;
}
