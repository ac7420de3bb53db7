//! What is measured, and how it is shown: one set of definitions and one registry behind `mntr`, the admin server's
//! `monitor` and Prometheus. Nothing in here reads a clock or a file.

mod connection;
pub(crate) mod definitions;
mod histogram;
mod registry;
mod show;
mod summary;

pub(crate) use connection::ConnectionFigures;
pub(crate) use registry::Registry;
pub(crate) use show::{Gauges, Value, java_double, monitor, prometheus};
pub(crate) use summary::Figures;

use time_types::Tick;

/// Figures of the whole server that `srvr` prints and that are no metrics by themselves.
#[derive(Debug, Default)]
pub(crate) struct ServerFigures {
    pub(crate) started: Tick,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Of all requests but those of four-letter words.
    pub(crate) latency: Figures,
    /// Size of replies.
    pub(crate) response: Figures,
    pub(crate) response_last: u64,
    pub(crate) auth_failed: u64,
}

impl ServerFigures {
    /// `srst`: forgets what has been counted.
    pub(crate) fn reset(&mut self) {
        self.received = 0;
        self.sent = 0;
        self.latency = Figures::default();
        self.response = Figures::default();
        self.response_last = 0;
    }
}
