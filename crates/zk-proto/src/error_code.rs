//! The error codes of replies (`KeeperException.Code`).

use std::fmt;

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// An error code; [`ErrorCode::Other`] keeps what this list does not know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$meta])* $name,)*
            /// A code that is not in this list.
            Other(i32),
        }

        impl ErrorCode {
            /// The number on the wire.
            pub fn code(self) -> i32 {
                match self {
                    $(ErrorCode::$name => $code,)*
                    ErrorCode::Other(code) => code,
                }
            }

            /// The name in Java's messages: `KeeperErrorCode = NoNode`.
            pub fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $text,)*
                    ErrorCode::Other(_) => "Unknown error",
                }
            }
        }

        impl From<i32> for ErrorCode {
            fn from(code: i32) -> ErrorCode {
                match code {
                    $($code => ErrorCode::$name,)*
                    code => ErrorCode::Other(code),
                }
            }
        }

        #[cfg(test)]
        const ALL: &[ErrorCode] = &[$(ErrorCode::$name,)*];
    };
}

codes! {
    /// No error.
    Ok = 0 "ok",
    /// The server failed.
    SystemError = -1 "SystemError",
    /// An operation of a multi that was not tried because an earlier one failed.
    RuntimeInconsistency = -2 "RuntimeInconsistency",
    /// Data of replicas differ.
    DataInconsistency = -3 "DataInconsistency",
    /// The connection was lost; the outcome is unknown. Made by clients.
    ConnectionLoss = -4 "ConnectionLoss",
    /// A record could not be read.
    MarshallingError = -5 "MarshallingError",
    /// The server does not know the operation.
    Unimplemented = -6 "Unimplemented",
    /// Made by clients.
    OperationTimeout = -7 "OperationTimeout",
    /// An argument is not legal.
    BadArguments = -8 "BadArguments",
    /// No such session.
    UnknownSession = -12 "UnknownSession",
    /// A reconfiguration without a synchronized quorum.
    NewConfigNoQuorum = -13 "NewConfigNoQuorum",
    /// Another reconfiguration is on its way.
    ReconfigInProgress = -14 "ReconfigInProgress",
    /// The boundary between server and API errors.
    ApiError = -100 "APIError",
    /// The znode does not exist.
    NoNode = -101 "NoNode",
    /// The connection's ids do not have the permission.
    NoAuth = -102 "NoAuth",
    /// The version is not the expected one.
    BadVersion = -103 "BadVersion",
    /// Ephemeral znodes have no children.
    NoChildrenForEphemerals = -108 "NoChildrenForEphemerals",
    /// The znode exists already.
    NodeExists = -110 "NodeExists",
    /// The znode has children.
    NotEmpty = -111 "Directory not empty",
    /// The session has expired.
    SessionExpired = -112 "Session expired",
    /// A callback of the wrong type. Made by clients.
    InvalidCallback = -113 "Invalid callback",
    /// An ACL that is empty or not legal.
    InvalidAcl = -114 "InvalidACL",
    /// The authentication failed.
    AuthFailed = -115 "AuthFailed",
    /// The session lives on another server now.
    SessionMoved = -118 "Session moved",
    /// A read-only server does not write.
    NotReadOnly = -119 "Not a read-only call",
    /// Local sessions own no ephemeral znodes.
    EphemeralOnLocalSession = -120 "Ephemeral node on local session",
    /// No such watch.
    NoWatcher = -121 "No such watcher",
    /// Made by clients.
    RequestTimeout = -122 "Request timeout",
    /// Reconfiguration is switched off.
    ReconfigDisabled = -123 "Reconfig is disabled",
    /// The server serves SASL-authenticated sessions only.
    SessionClosedRequireSaslAuth = -124 "Session closed because client failed to authenticate",
    /// A quota would be exceeded.
    QuotaExceeded = -125 "Quota has exceeded",
    /// The server has too much to do.
    ThrottledOp = -127 "Op throttled due to high load",
}

impl ErrorCode {
    /// Is it [`ErrorCode::Ok`]?
    pub fn is_ok(self) -> bool {
        self == ErrorCode::Ok
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCode::Other(code) => write!(f, "Unknown error {code}"),
            known => f.write_str(known.name()),
        }
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own() {
        for (index, code) in ALL.iter().enumerate() {
            assert_eq!(ErrorCode::from(code.code()), *code);
            assert!(ALL[..index].iter().all(|other| other.code() != code.code()));
        }
        assert_eq!(ErrorCode::from(-999), ErrorCode::Other(-999));
    }
}
