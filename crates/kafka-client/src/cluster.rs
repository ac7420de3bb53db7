//! The brokers of a cluster: finds them, knows who leads what, keeps connections, and says on stderr what Java's
//! clients say when that fails.
//!
//! A [`Cluster`] makes single attempts (with back-off per broker, so that a loop around it does not spin); how often to
//! try and for how long is for its users. State is behind a lock that is never held while waiting.

mod routes;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, TopicName, TopicPartition};
use kafka_wire::{find_coordinator, metadata};
use net::backoff::Backoff;
use time_types::Tick;

use crate::bootstrap::{self, HostPort};
use crate::clock::{Clock, random};
use crate::connection::{Connection, ConnectionOptions};
use crate::error::{ConnectionError, Error};
use crate::metadata::{Metadata, Node};

/// Where Java's clients log what happens to connections.
pub(crate) const NETWORK_CLIENT: &str = "org.apache.kafka.clients.NetworkClient";

/// What a cluster's connections need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOptions {
    /// `bootstrap.servers`.
    pub bootstrap: Vec<String>,
    /// How to open connections; they always negotiate.
    pub connection: ConnectionOptions,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff_ms: u64,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max_ms: u64,
    /// Go back to the bootstrap addresses when no known broker can be reached?
    pub rebootstrap: bool,
    /// What stands before each log line: `[AdminClient clientId=adminclient-1] `.
    pub log_prefix: String,
    /// Say `Bootstrap broker .. disconnected`, as producers and consumers do and admin clients do not?
    pub warns_of_bootstrap: bool,
}

impl ClusterOptions {
    /// Apache's defaults.
    pub fn new(bootstrap: Vec<String>, client_id: impl Into<String>) -> ClusterOptions {
        ClusterOptions {
            bootstrap,
            connection: ConnectionOptions { client_id: client_id.into(), ..ConnectionOptions::default() },
            reconnect_backoff_ms: 50,
            reconnect_backoff_max_ms: 1000,
            rebootstrap: false,
            log_prefix: String::new(),
            warns_of_bootstrap: true,
        }
    }
}

/// Which of a broker's connections. A broker answers one request per connection at a time, so that a heartbeat behind a
/// long fetch would come too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Everything else.
    Data,
    /// The group coordinator's.
    Coordinator,
}

/// Which topics to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topics<'a> {
    /// Brokers and controller only.
    None,
    /// Every topic there is.
    All,
    /// These.
    Named(&'a [TopicName]),
}

/// What is coordinated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    /// A consumer group.
    Group,
    /// A transactional id.
    Transaction,
}

/// A cluster as one client sees it; clones share it.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    options: ClusterOptions,
    bootstrap: Vec<Node>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    metadata: Arc<Metadata>,
    links: HashMap<(BrokerId, Lane), LinkState>,
    coordinators: HashMap<(CoordinatorKind, String), Node>,
    metadata_requests: i32,
    /// Somebody was told already that this is ZooKeeper's port.
    told_of_zookeeper: bool,
}

/// What is known of the way to one broker.
struct LinkState {
    connection: Option<Connection>,
    backoff: Backoff,
    /// No attempt before this.
    not_before: Tick,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("bootstrap", &self.inner.bootstrap).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads and resolves the bootstrap addresses; connects to nothing yet. Fails with Apache's `ConfigException` texts.
    pub async fn new(options: ClusterOptions) -> Result<Cluster, Error> {
        let servers = bootstrap::resolve(&options.bootstrap).await?;
        let bootstrap = servers
            .into_iter()
            .zip((i32::MIN..=-1).rev())
            .map(|(address, id)| Node { id: BrokerId(id), address, rack: None })
            .collect();
        Ok(Cluster { inner: Arc::new(Inner { options, bootstrap, clock: Clock::start(), state: Mutex::default() }) })
    }

    /// What was told last; empty before the first [`refresh`](Cluster::refresh).
    pub fn metadata(&self) -> Arc<Metadata> {
        self.inner.lock().metadata.clone()
    }

    /// The clock that this cluster's ticks are of.
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// The options it was made with.
    pub fn options(&self) -> &ClusterOptions {
        &self.inner.options
    }

    /// Asks some broker for metadata, once: what it tells is merged into [`metadata`](Cluster::metadata). `create` lets
    /// the broker make topics that do not exist (if its `auto.create.topics.enable` agrees).
    pub async fn refresh(&self, topics: Topics<'_>, create: bool) -> Result<Arc<Metadata>, Error> {
        let connection = self.any().await?;
        let request = metadata_request(&connection, topics, create)?;
        let response = connection.call::<metadata::Metadata>(request).await?;
        let request_number = self.inner.next_metadata_request();
        self.warn_of_topics(&response, request_number);
        let mut state = self.inner.lock();
        state.metadata = Arc::new(state.metadata.updated(&response, topics == Topics::All));
        Ok(state.metadata.clone())
    }

    /// The leader of a partition, asking the cluster if it is not known. Errors are those of the moment: a caller
    /// that may wait tries again while [`Error::is_retriable`].
    pub async fn leader(&self, partition: &TopicPartition) -> Result<(Node, LeaderEpoch), Error> {
        if let Some((node, epoch)) = self.metadata().leader(partition) {
            return Ok((node.clone(), epoch));
        }
        let metadata = self.refresh(Topics::Named(std::slice::from_ref(&partition.topic)), false).await?;
        if let Some((node, epoch)) = metadata.leader(partition) {
            return Ok((node.clone(), epoch));
        }
        let topic =
            metadata.topics.get(&partition.topic).map_or(ErrorCode::UnknownTopicOrPartition, |topic| topic.error);
        let code = match metadata.partition(partition) {
            _ if topic.is_error() => topic,
            None => ErrorCode::UnknownTopicOrPartition,
            Some(_) => ErrorCode::LeaderNotAvailable,
        };
        Err(Error::Broker { code, message: None })
    }

    /// The controller, asking the cluster if it is not known.
    pub async fn controller(&self) -> Result<Connection, Error> {
        let known = |metadata: &Metadata| metadata.controller.filter(|id| metadata.brokers.contains_key(id));
        let controller = match known(&self.metadata()) {
            Some(id) => id,
            None => known(&*self.refresh(Topics::None, false).await?)
                .ok_or(Error::Broker { code: ErrorCode::NotController, message: None })?,
        };
        Ok(self.connection(controller, Lane::Data).await?)
    }

    /// The coordinator of a group or transactional id, asking the cluster if it is not known.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<Node, Error> {
        if let Some(node) = self.known_coordinator(kind, key) {
            return Ok(node);
        }
        let node = self.find_coordinator(kind, key).await?;
        self.inner.lock().coordinators.insert((kind, key.to_owned()), node.clone());
        Ok(node)
    }

    /// The coordinator that was found last.
    pub fn known_coordinator(&self, kind: CoordinatorKind, key: &str) -> Option<Node> {
        self.inner.lock().coordinators.get(&(kind, key.to_owned())).cloned()
    }

    /// The controller said that it is none, or it is gone: ask again next time.
    pub fn forget_controller(&self) {
        let mut state = self.inner.lock();
        if state.metadata.controller.is_some() {
            state.metadata = Arc::new(Metadata { controller: None, ..Metadata::clone(&state.metadata) });
        }
    }

    /// It said that it is not the coordinator, or it is gone: ask again next time.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.inner.lock().coordinators.remove(&(kind, key.to_owned()));
    }

    /// A connection to the coordinator of a group, apart from the one that fetches use.
    pub async fn coordinator_connection(&self, kind: CoordinatorKind, key: &str) -> Result<Connection, Error> {
        let node = self.coordinator(kind, key).await?;
        let connection = self.connection_to(&node, Lane::Coordinator).await;
        if connection.is_err() {
            self.forget_coordinator(kind, key);
        }
        Ok(connection?)
    }

    async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<Node, Error> {
        let connection = self.any().await?;
        let version = find_coordinator::Version(connection.version::<find_coordinator::FindCoordinator>()?);
        let batched = version.is_batched();
        let request = find_coordinator::Request {
            key: if batched { String::new() } else { key.to_owned() },
            key_type: i8::from(kind == CoordinatorKind::Transaction),
            coordinator_keys: if batched { vec![key.to_owned()] } else { Vec::new() },
        };
        let response = connection.call::<find_coordinator::FindCoordinator>(request).await?;
        let found = match response.coordinators.into_iter().next() {
            Some(found) => found,
            None => find_coordinator::Coordinator {
                key: key.to_owned(),
                node_id: response.node_id,
                host: response.host,
                port: response.port,
                error_code: response.error_code,
                error_message: response.error_message,
            },
        };
        Error::check_with(found.error_code, found.error_message.as_deref())?;
        let port = u16::try_from(found.port).map_err(|_| ConnectionError::Protocol {
            reason: format!("FindCoordinator: port {} does not exist", found.port),
        })?;
        Ok(Node { id: BrokerId(found.node_id), address: HostPort::new(found.host, port), rack: None })
    }

    fn warn_of_topics(&self, response: &metadata::Response, request_number: i32) {
        let prefix = &self.inner.options.log_prefix;
        let mut wrong = Vec::new();
        let mut invalid = Vec::new();
        for topic in &response.topics {
            let (name, code) = (topic.name.as_deref().unwrap_or_default(), ErrorCode::from_code(topic.error_code));
            let partition_error = || {
                let codes = topic.partitions.iter().map(|partition| ErrorCode::from_code(partition.error_code));
                codes.into_iter().find(|code| *code == ErrorCode::LeaderNotAvailable)
            };
            if let Some(code) = code.is_error().then_some(code).or_else(partition_error) {
                wrong.push(format!("{name}={code}"));
            }
            if code == ErrorCode::InvalidTopicException {
                invalid.push(name);
            }
        }
        if !wrong.is_empty() {
            tracing::warn!(
                target: NETWORK_CLIENT,
                "{prefix}The metadata response from the cluster reported a recoverable issue with correlation id \
                 {request_number} : {{{}}}",
                wrong.join(", ")
            );
        }
        if !invalid.is_empty() {
            tracing::error!(
                target: "org.apache.kafka.clients.Metadata",
                "{prefix}Metadata response reported invalid topics [{}]",
                invalid.join(", ")
            );
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn next_metadata_request(&self) -> i32 {
        let mut state = self.lock();
        state.metadata_requests += 1;
        state.metadata_requests
    }

    fn new_link(&self) -> LinkState {
        LinkState {
            connection: None,
            backoff: Backoff::new(self.options.reconnect_backoff_ms, self.options.reconnect_backoff_max_ms),
            not_before: Tick(0),
        }
    }
}

fn metadata_request(
    connection: &Connection,
    topics: Topics<'_>,
    create: bool,
) -> Result<metadata::Request, ConnectionError> {
    let version = metadata::Version(connection.version::<metadata::Metadata>()?);
    let named = |names: &[TopicName]| {
        let topic = |name: &TopicName| metadata::MetadataRequestTopic {
            name: Some(name.to_string()),
            ..metadata::MetadataRequestTopic::default()
        };
        Some(names.iter().map(topic).collect())
    };
    let topics = match topics {
        Topics::All => version.all_topics(),
        // Where an empty list means all topics, the answer just holds more than was wanted.
        Topics::None => Some(Vec::new()),
        Topics::Named(names) => named(names),
    };
    Ok(metadata::Request {
        topics,
        allow_auto_topic_creation: create || !version.may_forbid_auto_creation(),
        ..metadata::Request::default()
    })
}

pub(crate) fn jitter() -> u64 {
    random()
}

#[cfg(test)]
mod tests;
