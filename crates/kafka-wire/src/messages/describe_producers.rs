//! DescribeProducers (61): the producers a partition remembers, and their open transactions.
//!
//! Sent by admin clients to the partitions' leaders.

messages! {
    DescribeProducers

    /// Which partitions.
    struct Request {
        0..     topics: Vec<TopicRequest>;
    }

    struct TopicRequest {
        0..     name: String;
        0..     partition_indexes: Vec<i32>;
    }

    /// Producers per partition.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     topics: Vec<TopicResponse>;
    }

    struct TopicResponse {
        0..     name: String;
        0..     partitions: Vec<PartitionResponse>;
    }

    struct PartitionResponse {
        0..     partition_index: i32;
        0..     error_code: i16;
        0..     error_message: Option<String> = null;
        0..     active_producers: Vec<ProducerState>;
    }

    struct ProducerState {
        0..     producer_id: i64;
        0..     producer_epoch: i32;
        0..     last_sequence: i32 = -1;
        0..     last_timestamp: i64 = -1;
        0..     coordinator_epoch: i32;
        /// First offset of the open transaction; -1: none.
        0..     current_txn_start_offset: i64 = -1;
    }
}
