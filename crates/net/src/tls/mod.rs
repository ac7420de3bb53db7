//! TLS by rustls with ring: configurations made of key stores, handshakes on a thread of their own.
//!
//! ```text
//! settings --load--> ServerConfig, ClientConfig --Handshakes / connect--> Stream
//! ```
//!
//! A handshake costs a signature, a millisecond with RSA; done on the thread that owns a server's state it would hold up
//! everybody. So [`Handshakes`] has a thread for them; what is encrypted later is cheap and stays with its connection.

mod config;
mod handshakes;
mod settings;
mod verify;

use thiserror::Error;

pub use config::{ClientTls, ServerTls};
pub use handshakes::{HandshakeError, Handshakes};
pub use settings::{ClientAuth, Lookup, Protocol, StoreSettings, TlsSettings};
pub use verify::{ClientTrust, matches_address};

/// Why there is no TLS configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlsError {
    /// A setting has a value that it cannot have.
    #[error("Bad value for {name}: {value}: {reason}")]
    Setting {
        /// The setting.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// A setting that has to be there.
    #[error("{name} not specified: {reason}")]
    Missing {
        /// The setting.
        name: String,
        /// Why it is needed.
        reason: String,
    },
    /// A store cannot be read.
    #[error("{name}={file}: {reason}")]
    Store {
        /// The setting.
        name: String,
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// rustls does not take it.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

#[cfg(test)]
mod tests;
