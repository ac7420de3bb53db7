//! SaslAuthenticate (36): one step of a SASL exchange.
//!
//! Sent by clients after SaslHandshake version 1.

use bytes::Bytes;

messages! {
    SaslAuthenticate

    /// The client's bytes.
    struct Request {
        0..     auth_bytes: Bytes;
    }

    /// The server's bytes, or an error.
    struct Response {
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     auth_bytes: Bytes;
        /// After so long the client must authenticate again, in ms; 0: never.
        1..     session_lifetime_ms: i64, ignorable;
    }
}

questions! {
    /// The session may end, and the client can authenticate again before.
    carries_session_lifetime: 1..;
}
