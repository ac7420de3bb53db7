//! The coordination server: connections, request pipeline, log writer, four-letter words.
//!
//! One thread owns the state and all connections ([`server`]); a second one owns the transaction log, and a third one
//! writes a snapshot now and then. The rules are in `zk-state`, the files in `zk-store`.

pub mod clock;
pub mod config;
pub mod connection_throttle;
pub mod reaper;
pub mod request_throttle;
pub mod server;

mod client;
mod connection;
mod counting;
mod log_writer;
mod outlet;
mod pipeline;
mod reply;
mod requests;
mod sasl;
mod secure;
mod session_end;
mod snapshots;

mod admin;
mod audit;
mod facts;
mod four_letter;
mod gauges;
mod line;
mod metrics;
mod not_serving;
mod operators;
mod prometheus;

mod environment;
mod pid_file;

pub use clock::Clock;
pub use config::{ConfigError, ServerConfig};
pub use pid_file::PidFile;
pub use server::{Server, ServerError};
