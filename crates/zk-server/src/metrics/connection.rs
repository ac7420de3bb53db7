//! Figures of one connection, which `cons` prints.

use super::summary::Figures;

/// Figures of one connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionFigures {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) latency: Figures,
    /// Code of the last operation.
    pub(crate) last_op: &'static str,
    /// When it was established, milliseconds since 1970.
    pub(crate) established: i64,
    pub(crate) last_xid: i64,
    pub(crate) last_zxid: i64,
    pub(crate) last_response: u64,
    pub(crate) last_latency: u64,
}

impl ConnectionFigures {
    pub(crate) fn new(established: i64) -> ConnectionFigures {
        ConnectionFigures {
            received: 0,
            sent: 0,
            latency: Figures::default(),
            last_op: "NA",
            established,
            last_xid: -1,
            last_zxid: -1,
            last_response: 0,
            last_latency: 0,
        }
    }

    /// `crst`: forgets what has been counted.
    pub(crate) fn reset(&mut self) {
        *self = ConnectionFigures::new(self.established);
    }
}
