//! ControlledShutdown (7): a broker that is about to stop asks the controller to move its leaders away.
//!
//! Sent by brokers in [`BROKER_VERSION`]. Version 0 has a request header without a client id.

messages! {
    ControlledShutdown

    /// Who stops.
    struct Request {
        0..     broker_id: i32;
        2..     broker_epoch: i64 = -1, ignorable;
    }

    /// Which partitions the broker still leads; empty: it may go.
    struct Response {
        0..     error_code: i16;
        0..     remaining_partitions: Vec<RemainingPartition>;
    }

    struct RemainingPartition {
        0..     topic_name: String;
        0..     partition_index: i32;
    }
}

/// Brokers send this version.
pub const BROKER_VERSION: i16 = 3;
