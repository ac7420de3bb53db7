//! Request and reply headers, and the request ids with a meaning of their own.

use crate::ids::Zxid;
use crate::jute::records;

/// Request ids (xids) that are not a client's counter.
pub mod xid {
    /// Server to client: a watch fired, a [`WatcherEvent`](crate::ops::WatcherEvent) follows.
    pub const NOTIFICATION: i32 = -1;
    /// Ping; answered out of band.
    pub const PING: i32 = -2;
    /// Authentication packet.
    pub const AUTH: i32 = -4;
    /// `setWatches` and `setWatches2` after a reconnect.
    pub const SET_WATCHES: i32 = -8;
}

records! {
    /// In front of every request but the session handshake.
    RequestHeader {
        /// Chosen by the client, comes back in the reply.
        xid: i32,
        /// The op code (`type` in Apache's records); see [`OpCode`](crate::OpCode).
        op: i32,
    }

    /// In front of every reply but the session handshake's; a body follows only if `err` is 0.
    ReplyHeader {
        /// The request's id, or one of [`xid`].
        xid: i32,
        /// The last transaction the server had applied.
        zxid: Zxid,
        /// See [`ErrorCode`](crate::ErrorCode); 0 for success.
        err: i32,
    }
}

impl ReplyHeader {
    /// Length in bytes.
    pub const LEN: usize = 16;
}
