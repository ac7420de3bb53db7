//! AddPartitionsToTxn (24): partitions a transaction is about to write to.
//!
//! Sent by transactional producers to their coordinator (one transaction, up to version 3) and by brokers that verify
//! several transactions at once.

messages! {
    AddPartitionsToTxn

    /// Transactions with their partitions.
    struct Request {
        4..     transactions: Vec<AddPartitionsToTxnTransaction>;
        0..=3   v3_and_below_transactional_id: String;
        0..=3   v3_and_below_producer_id: i64;
        0..=3   v3_and_below_producer_epoch: i16;
        0..=3   v3_and_below_topics: Vec<AddPartitionsToTxnTopic>;
    }

    struct AddPartitionsToTxnTransaction {
        4..     transactional_id: String;
        4..     producer_id: i64;
        4..     producer_epoch: i16;
        4..     verify_only: bool;
        4..     topics: Vec<AddPartitionsToTxnTopic>;
    }

    struct AddPartitionsToTxnTopic {
        0..     name: String;
        0..     partitions: Vec<i32>;
    }

    /// Per partition: added, or why not.
    struct Response {
        0..     throttle_time_ms: i32;
        4..     error_code: i16, ignorable, counted_from 4;
        4..     results_by_transaction: Vec<AddPartitionsToTxnResult>;
        0..=3   results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>;
    }

    struct AddPartitionsToTxnResult {
        4..     transactional_id: String;
        4..     topic_results: Vec<AddPartitionsToTxnTopicResult>;
    }

    struct AddPartitionsToTxnTopicResult {
        0..     name: String;
        0..     results_by_partition: Vec<AddPartitionsToTxnPartitionResult>;
    }

    struct AddPartitionsToTxnPartitionResult {
        0..     partition_index: i32;
        0..     partition_error_code: i16, counted_from 0;
    }
}

/// Brokers that verify transactions at the coordinator send this version.
pub const BROKER_VERSION: i16 = 5;

/// The newest version that producers send.
pub const NEWEST_CLIENT_VERSION: i16 = 3;

questions! {
    /// The client understands PRODUCER_FENCED; older ones are told INVALID_PRODUCER_EPOCH.
    knows_producer_fenced: 2..;
    /// Several transactions at once, in `transactions`; sent by brokers only.
    is_batched: 4..;
    /// The sender understands TRANSACTION_ABORTABLE.
    knows_transaction_abortable: 5..;
}
