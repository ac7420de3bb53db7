//! EndTxn (26): commit or abort a transaction.
//!
//! Sent by transactional producers to their coordinator.

messages! {
    EndTxn

    /// Which transaction, and how it ends.
    struct Request {
        0..     transactional_id: String;
        0..     producer_id: i64;
        0..     producer_epoch: i16;
        0..     committed: bool;
    }

    /// Decided, or why not; markers may still be under way.
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
