//! Identities this client shows to every server it connects to.

use bytes::Bytes;
use zk_proto::ops::AuthPacket;

/// One identity; `T` is what waits for the first server's verdict.
#[derive(Debug)]
pub(crate) struct Identity<T> {
    pub(crate) scheme: String,
    pub(crate) proof: Bytes,
    pub(crate) waiting: Option<T>,
}

impl<T> Identity<T> {
    pub(crate) fn packet(&self) -> AuthPacket {
        AuthPacket { kind: 0, scheme: Some(self.scheme.clone()), auth: Some(self.proof.clone()) }
    }
}

/// The proof of the `digest` scheme: `user:password` as plain text. The server keeps only its hash.
pub fn digest(user: &str, password: &str) -> Bytes {
    Bytes::from(format!("{user}:{password}"))
}
