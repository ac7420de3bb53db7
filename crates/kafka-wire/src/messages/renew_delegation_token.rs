//! RenewDelegationToken (39): prolong a delegation token.
//!
//! Sent by the owner or a renewer to any broker.

use bytes::Bytes;

messages! {
    RenewDelegationToken

    /// The token's HMAC and by how much.
    struct Request {
        0..     hmac: Bytes;
        0..     renew_period_ms: i64;
    }

    /// When it expires now, in wall ms.
    struct Response {
        0..     error_code: i16;
        0..     expiry_timestamp_ms: i64;
        0..     throttle_time_ms: i32;
    }
}
