//! SaslHandshake (17): choose a SASL mechanism, before SaslAuthenticate (or, in version 0, raw SASL bytes).
//!
//! Sent by clients on SASL listeners.

messages! {
    SaslHandshake

    /// The mechanism wanted.
    struct Request {
        0..     mechanism: String;
    }

    /// Accepted, or the mechanisms there are.
    struct Response {
        0..     error_code: i16;
        0..     mechanisms: Vec<String>;
    }
}

questions! {
    /// SaslAuthenticate requests follow; before, raw SASL bytes in length frames.
    uses_sasl_authenticate: 1..;
}
