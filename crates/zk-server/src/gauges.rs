//! What is as it is when somebody asks: the gauges of `mntr`, `monitor` and Prometheus, in Apache's order.

use net::tls::Handshakes;

use crate::environment;
use crate::metrics::{Gauges, Registry, Value};
use crate::pipeline::Pipeline;

impl Pipeline {
    /// All gauges. `open_files` and `open_files_max` are of the process.
    pub(crate) fn gauges(&self, open_files: u64, open_files_max: u64) -> Gauges {
        let (figures, tree) = (&self.figures, self.state.tree());
        let (data_watches, child_watches) = self.watches.counts();
        let int = |value: u64| Value::Int(value as i64);
        let size = |value: usize| Value::Int(value as i64);
        // Apache's is -1 before the first reply.
        let response = |value: u64| Value::Int(if figures.response.count == 0 { -1 } else { value as i64 });
        let zero = Value::Int(0);
        vec![
            ("version", Value::Text(environment::VERSION)),
            ("server_state", Value::Text("standalone")),
            ("ephemerals_count", size(tree.ephemeral_count())),
            ("num_alive_connections", size(self.clients.len())),
            ("avg_latency", Value::Double(figures.latency.mean())),
            ("outstanding_requests", size(self.outstanding())),
            ("znode_count", size(tree.node_count())),
            ("global_sessions", size(self.state.sessions().len())),
            ("non_mtls_remote_conn_count", zero.clone()),
            ("last_client_response_size", response(figures.response_last)),
            ("packets_sent", int(figures.sent)),
            ("packets_received", int(figures.received)),
            ("max_client_response_size", response(figures.response.max)),
            ("connection_drop_probability", Value::Double(self.connection_throttle.drop_chance())),
            ("watch_count", size(data_watches + child_watches)),
            ("auth_failed_count", int(figures.auth_failed)),
            ("min_latency", int(figures.latency.min())),
            ("max_file_descriptor_count", int(open_files_max)),
            ("approximate_data_size", int(tree.approximate_data_size())),
            ("open_file_descriptor_count", int(open_files)),
            ("local_sessions", zero.clone()),
            ("uptime", int(self.clock.tick().since(figures.started))),
            ("max_latency", int(figures.latency.max)),
            ("outstanding_tls_handshake", size(self.handshakes.as_ref().map_or(0, Handshakes::outstanding))),
            ("min_client_response_size", response(figures.response.min())),
            ("non_mtls_local_conn_count", zero),
        ]
    }

    /// The registry with what the log's thread has measured.
    pub(crate) fn metrics(&self) -> Registry {
        let mut registry = self.registry.clone();
        self.log.measured_into(&mut registry);
        registry
    }
}
