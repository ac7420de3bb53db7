//! What a caller can act on.

use zk_proto::{DecodeError, ErrorCode};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server looked at the request and said no.
    #[error("KeeperErrorCode = {code}{}", for_path(path))]
    Refused {
        /// Its reason.
        code: ErrorCode,
        /// The path of the request, as the caller wrote it; empty if it has none.
        path: String,
    },
    /// The connection broke (or could not be made) before the reply came: whether a write happened is unknown.
    #[error("KeeperErrorCode = ConnectionLoss{}", for_path(path))]
    ConnectionLoss {
        /// The path of the request; empty if it has none.
        path: String,
    },
    /// The session is over, and its ephemeral znodes are gone: only a new client can go on.
    #[error("KeeperErrorCode = Session expired{}", for_path(path))]
    SessionExpired {
        /// The path of the request; empty if it has none.
        path: String,
    },
    /// The server did not accept what [`Client::add_auth`](crate::Client::add_auth) sent: the session cannot be used.
    #[error("KeeperErrorCode = AuthFailed{}", for_path(path))]
    AuthFailed {
        /// The path of the request; empty if it has none.
        path: String,
    },
    /// This client was closed.
    #[error("the ZooKeeper client is closed")]
    Closed,
    /// The path breaks a rule of paths; nothing was sent. The words are those of Apache's client.
    #[error("{0}")]
    InvalidPath(String),
    /// The reply cannot be read.
    #[error("a reply of the ZooKeeper server cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// The reply is of another kind than the request asks for.
    #[error("the ZooKeeper server answered with something else than was asked for")]
    UnexpectedReply,
}

fn for_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" for {path}") }
}

impl Error {
    /// ZooKeeper's code for it, those included that only clients make.
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Refused { code, .. } => *code,
            Error::ConnectionLoss { .. } => ErrorCode::ConnectionLoss,
            Error::SessionExpired { .. } | Error::Closed => ErrorCode::SessionExpired,
            Error::AuthFailed { .. } => ErrorCode::AuthFailed,
            Error::InvalidPath(_) => ErrorCode::BadArguments,
            Error::Malformed(_) | Error::UnexpectedReply => ErrorCode::MarshallingError,
        }
    }

    /// Is the connection, and not the request, to blame? Then the call may be repeated once there is another one, if
    /// the caller can tell whether it had happened.
    pub fn is_connection_loss(&self) -> bool {
        matches!(self, Error::ConnectionLoss { .. })
    }

    /// Is the session gone for good?
    pub fn is_final(&self) -> bool {
        matches!(self, Error::SessionExpired { .. } | Error::AuthFailed { .. } | Error::Closed)
    }

    /// The same error for a request with this path.
    pub(crate) fn at(&self, path: String) -> Error {
        match self {
            Error::ConnectionLoss { .. } => Error::ConnectionLoss { path },
            Error::SessionExpired { .. } => Error::SessionExpired { path },
            Error::AuthFailed { .. } => Error::AuthFailed { path },
            other => other.clone(),
        }
    }
}
