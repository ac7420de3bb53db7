//! InitProducerId (22): a producer id and epoch, for idempotence or for transactions.
//!
//! Sent by producers: without a transactional id to any broker, else to the transaction coordinator.

messages! {
    InitProducerId

    /// Who asks.
    struct Request {
        0..     transactional_id: Option<String>;
        /// After so long the coordinator aborts an open transaction, in ms.
        0..     transaction_timeout_ms: i32;
        /// The id the producer has; -1: none yet.
        3..     producer_id: i64 = -1;
        3..     producer_epoch: i16 = -1;
    }

    /// Id and epoch.
    struct Response {
        0..     throttle_time_ms: i32, ignorable;
        0..     error_code: i16;
        0..     producer_id: i64 = -1;
        0..     producer_epoch: i16;
    }
}

questions! {
    /// The producer may name the id and epoch it has, to have the epoch raised (KIP-360).
    carries_producer_id: 3..;
    /// The client understands PRODUCER_FENCED; older ones are told INVALID_PRODUCER_EPOCH.
    knows_producer_fenced: 4..;
    /// The client understands TRANSACTION_ABORTABLE.
    knows_transaction_abortable: 5..;
}
