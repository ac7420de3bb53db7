//! Envelope (58): a client's request, forwarded to the controller with the client's principal.
//!
//! Announced, but sent only between brokers that migrate from ZooKeeper to KRaft.

use bytes::Bytes;

messages! {
    Envelope

    /// The frame as it came, and who sent it.
    struct Request {
        0..     request_data: Bytes;
        0..     request_principal: Option<Bytes>;
        0..     client_host_address: Bytes;
    }

    /// The frame to hand back.
    struct Response {
        0..     response_data: Option<Bytes> = null;
        0..     error_code: i16;
    }
}
