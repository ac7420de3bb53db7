//! AllocateProducerIds (67): a block of producer ids.
//!
//! Sent by brokers to the controller, in [`BROKER_VERSION`].

messages! {
    AllocateProducerIds

    /// Who asks.
    struct Request {
        0..     broker_id: i32;
        0..     broker_epoch: i64 = -1;
    }

    /// First id and number of ids.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     producer_id_start: i64;
        0..     producer_id_len: i32;
    }
}

/// Brokers send this version.
pub const BROKER_VERSION: i16 = 0;
