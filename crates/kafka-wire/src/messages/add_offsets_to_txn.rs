//! AddOffsetsToTxn (25): the group whose positions a transaction is about to commit.
//!
//! Sent by transactional producers to their coordinator, before TxnOffsetCommit.

messages! {
    AddOffsetsToTxn

    /// The transaction and the group.
    struct Request {
        0..     transactional_id: String;
        0..     producer_id: i64;
        0..     producer_epoch: i16;
        0..     group_id: String;
    }

    /// Added, or why not.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
    }
}

questions! {
    /// The client understands PRODUCER_FENCED; older ones are told INVALID_PRODUCER_EPOCH.
    knows_producer_fenced: 2..;
    /// The client understands TRANSACTION_ABORTABLE.
    knows_transaction_abortable: 4..;
}
