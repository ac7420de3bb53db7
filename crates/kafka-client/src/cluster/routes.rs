//! Connections to brokers: the one that stands, or a new one after the back-off, and what is said when it fails.

use kafka_types::BrokerId;

use super::{Cluster, Lane, NETWORK_CLIENT, jitter};
use crate::connection::Connection;
use crate::error::ConnectionError;
use crate::metadata::Node;

impl Cluster {
    /// A connection to a broker of the metadata: the one that stands, or a new one. Waits out the back-off after
    /// attempts that failed.
    pub async fn connection(&self, broker: BrokerId, lane: Lane) -> Result<Connection, ConnectionError> {
        let node = self.metadata().brokers.get(&broker).cloned();
        match node {
            Some(node) => self.connection_to(&node, lane).await,
            None => Err(ConnectionError::Unresolved {
                host: format!("broker {broker}"),
                reason: "the cluster does not name it".to_owned(),
            }),
        }
    }

    /// The same for a broker whose address is known from elsewhere.
    pub async fn connection_to(&self, node: &Node, lane: Lane) -> Result<Connection, ConnectionError> {
        if let Some(connection) = self.standing(node.id, lane) {
            return Ok(connection);
        }
        let not_before = {
            let mut state = self.inner.lock();
            let link = state.links.entry((node.id, lane)).or_insert_with(|| self.inner.new_link());
            link.not_before
        };
        self.inner.clock.sleep_until(not_before).await;
        match Connection::open(&node.address, &self.inner.options.connection).await {
            Ok(connection) => Ok(self.keep(node.id, lane, connection)),
            Err(error) => {
                self.failed(node, lane, &error);
                Err(error)
            }
        }
    }

    /// A connection to any broker: one that stands, else the first that can be made. Before the first metadata it is
    /// one of the bootstrap addresses.
    pub async fn any(&self) -> Result<Connection, ConnectionError> {
        let metadata = self.metadata();
        let mut nodes: Vec<Node> = metadata.brokers.values().cloned().collect();
        if nodes.is_empty() {
            nodes.clone_from(&self.inner.bootstrap);
        }
        let standing = nodes.iter().filter_map(|node| self.standing(node.id, Lane::Data));
        if let Some(connection) = standing.min_by_key(Connection::in_flight) {
            return Ok(connection);
        }
        // Spread clients over brokers; those that failed lately come last.
        let start = jitter() as usize % nodes.len();
        nodes.rotate_left(start);
        nodes.sort_by_key(|node| self.inner.lock().links.get(&(node.id, Lane::Data)).map(|link| link.not_before));
        if self.inner.options.rebootstrap && !metadata.brokers.is_empty() {
            nodes.extend(self.inner.bootstrap.iter().cloned());
        }
        let mut last = ConnectionError::ClosedHere;
        for node in nodes {
            match self.connection_to(&node, Lane::Data).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The connection that stands, if one does.
    pub fn standing(&self, broker: BrokerId, lane: Lane) -> Option<Connection> {
        let state = self.inner.lock();
        let connection = state.links.get(&(broker, lane))?.connection.as_ref()?;
        connection.closed().is_none().then(|| connection.clone())
    }

    /// Closes all connections; calls that wait for answers fail.
    pub fn close(&self) {
        let links: Vec<_> = self.inner.lock().links.drain().collect();
        for (_, link) in links {
            if let Some(connection) = link.connection {
                connection.close(ConnectionError::ClosedHere);
            }
        }
    }

    /// Two callers may have opened a connection at the same time: the first stays.
    fn keep(&self, broker: BrokerId, lane: Lane, connection: Connection) -> Connection {
        let mut state = self.inner.lock();
        let link = state.links.entry((broker, lane)).or_insert_with(|| self.inner.new_link());
        link.backoff.reset();
        link.not_before = time_types::Tick(0);
        match &link.connection {
            Some(first) if first.closed().is_none() => first.clone(),
            _ => {
                link.connection = Some(connection.clone());
                connection
            }
        }
    }

    fn failed(&self, node: &Node, lane: Lane, error: &ConnectionError) {
        {
            let mut state = self.inner.lock();
            let link = state.links.entry((node.id, lane)).or_insert_with(|| self.inner.new_link());
            let wait = link.backoff.next(jitter());
            link.not_before = self.inner.clock.tick().after(wait.as_millis() as u64);
        }
        let prefix = &self.inner.options.log_prefix;
        match error {
            ConnectionError::Unreachable { address, .. } => tracing::warn!(
                target: NETWORK_CLIENT,
                "{prefix}Connection to node {} ({address}) could not be established. Node may not be available.",
                node.id
            ),
            ConnectionError::Unresolved { .. } => {
                tracing::warn!(target: NETWORK_CLIENT, "{prefix}Error connecting to node {node}");
            }
            _ => {}
        }
        if node.id.0 < 0 && self.inner.options.warns_of_bootstrap {
            tracing::warn!(target: NETWORK_CLIENT, "{prefix}Bootstrap broker {node} disconnected");
        }
        if let ConnectionError::ZooKeeper { address } = error
            && !std::mem::replace(&mut self.inner.lock().told_of_zookeeper, true)
        {
            tracing::warn!(
                target: NETWORK_CLIENT,
                "{prefix}{address} is a ZooKeeper server. Clients want the address of a Kafka broker, which usually has \
                 port 9092."
            );
        }
    }
}
