//! DescribeDelegationToken (41): list delegation tokens.
//!
//! Sent by admin clients to any broker.

use bytes::Bytes;

messages! {
    DescribeDelegationToken

    /// Owners; null: all.
    struct Request {
        0..     owners: Option<Vec<DescribeDelegationTokenOwner>>;
    }

    struct DescribeDelegationTokenOwner {
        0..     principal_type: String;
        0..     principal_name: String;
    }

    /// The tokens the caller may see.
    struct Response {
        0..     error_code: i16;
        0..     tokens: Vec<DescribedDelegationToken>;
        0..     throttle_time_ms: i32;
    }

    struct DescribedDelegationToken {
        0..     principal_type: String;
        0..     principal_name: String;
        3..     token_requester_principal_type: String;
        3..     token_requester_principal_name: String;
        0..     issue_timestamp: i64;
        0..     expiry_timestamp: i64;
        0..     max_timestamp: i64;
        0..     token_id: String;
        0..     hmac: Bytes;
        0..     renewers: Vec<DescribedDelegationTokenRenewer>;
    }

    struct DescribedDelegationTokenRenewer {
        0..     principal_type: String;
        0..     principal_name: String;
    }
}
