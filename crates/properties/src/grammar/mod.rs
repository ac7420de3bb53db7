//! The small languages inside the values of settings, one parser each (`nom`).

mod connect_string;
mod jaas;
mod listeners;
mod maps;
mod quantity;

pub use connect_string::{ConnectString, ConnectStringError, HostPort, connect_string};
pub use jaas::{Jaas, JaasEntry, JaasError, JaasSection, jaas};
pub use listeners::{Listener, ListenerError, listener, listeners};
pub use maps::{MapError, pairs};
pub use quantity::{QuantityError, bytes, duration_ms};
