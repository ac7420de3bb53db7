//! Figures that `srvr`, `stat`, `cons` and `mntr` print. Owned by the pipeline and by each connection, never global.

use time_types::Tick;

/// Least, greatest, sum and count of something; milliseconds mostly.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    min: u64,
    pub(crate) max: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.sum += value;
        self.count += 1;
    }

    pub(crate) fn min(&self) -> u64 {
        self.min
    }

    /// The mean; 0 of nothing.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

/// Figures of the whole server.
#[derive(Debug, Default)]
pub(crate) struct ServerFigures {
    pub(crate) started: Tick,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Of all requests but those of four-letter words.
    pub(crate) latency: Summary,
    pub(crate) read_latency: Summary,
    pub(crate) update_latency: Summary,
    /// Size of replies.
    pub(crate) response: Summary,
    pub(crate) response_last: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) auth_failed: u64,
    pub(crate) connection_requests: u64,
    pub(crate) connection_drops: u64,
    pub(crate) connections_rejected: u64,
    pub(crate) sessions_expired: u64,
    pub(crate) sessionless_expired: u64,
    pub(crate) requests_prepared: u64,
    pub(crate) snapshot: Summary,
    pub(crate) unrecoverable: u64,
}

impl ServerFigures {
    /// `srst`: forgets what has been counted.
    pub(crate) fn reset(&mut self) {
        self.received = 0;
        self.sent = 0;
        self.latency = Summary::default();
        self.response = Summary::default();
        self.response_last = 0;
    }
}

/// Figures of one connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionFigures {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) latency: Summary,
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
            latency: Summary::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary() {
        let mut summary = Summary::default();
        assert_eq!((summary.min(), summary.mean()), (0, 0.0));
        for value in [3, 1, 5] {
            summary.add(value);
        }
        assert_eq!((summary.min(), summary.max, summary.count, summary.mean()), (1, 5, 3, 3.0));
    }
}
