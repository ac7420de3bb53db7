//! TxnOffsetCommit (28): store a group's positions when a transaction commits.
//!
//! Sent by transactional producers to the group's coordinator.

messages! {
    TxnOffsetCommit

    /// The transaction, the group member, the positions.
    struct Request {
        0..     transactional_id: String;
        0..     group_id: String;
        0..     producer_id: i64;
        0..     producer_epoch: i16;
        3..     generation_id: i32 = -1;
        3..     member_id: String;
        3..     group_instance_id: Option<String> = null;
        0..     topics: Vec<TxnOffsetCommitRequestTopic>;
    }

    struct TxnOffsetCommitRequestTopic {
        0..     name: String;
        0..     partitions: Vec<TxnOffsetCommitRequestPartition>;
    }

    struct TxnOffsetCommitRequestPartition {
        0..     partition_index: i32;
        0..     committed_offset: i64;
        2..     committed_leader_epoch: i32 = -1, ignorable;
        0..     committed_metadata: Option<String>;
    }

    /// Per partition: taken, or why not.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     topics: Vec<TxnOffsetCommitResponseTopic>;
    }

    struct TxnOffsetCommitResponseTopic {
        0..     name: String;
        0..     partitions: Vec<TxnOffsetCommitResponsePartition>;
    }

    struct TxnOffsetCommitResponsePartition {
        0..     partition_index: i32;
        0..     error_code: i16;
    }
}

questions! {
    /// The client is prepared for COORDINATOR_LOAD_IN_PROGRESS; older ones (KAFKA-7296) are not.
    expects_loading: 2..;
    /// The group member and its generation are there, and are checked.
    carries_member: 3..;
    /// The client understands TRANSACTION_ABORTABLE.
    knows_transaction_abortable: 4..;
}
