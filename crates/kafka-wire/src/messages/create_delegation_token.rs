//! CreateDelegationToken (38): issue a delegation token.
//!
//! Sent by authenticated admin clients to any broker.

use bytes::Bytes;

messages! {
    CreateDelegationToken

    /// Owner, renewers, life time.
    struct Request {
        3..     owner_principal_type: Option<String>;
        3..     owner_principal_name: Option<String>;
        0..     renewers: Vec<CreatableRenewers>;
        0..     max_lifetime_ms: i64;
    }

    struct CreatableRenewers {
        0..     principal_type: String;
        0..     principal_name: String;
    }

    /// The token.
    struct Response {
        0..     error_code: i16;
        0..     principal_type: String;
        0..     principal_name: String;
        3..     token_requester_principal_type: String;
        3..     token_requester_principal_name: String;
        0..     issue_timestamp_ms: i64;
        0..     expiry_timestamp_ms: i64;
        0..     max_timestamp_ms: i64;
        0..     token_id: String;
        0..     hmac: Bytes;
        0..     throttle_time_ms: i32;
    }
}
