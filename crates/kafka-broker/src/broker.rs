//! What everybody in the broker shares, and the questions that cross shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::time::Duration;

use kafka_controller::{Answer, Event};
use kafka_metadata::BrokerConfig;
use kafka_metadata::znodes::brokers::BrokerRegistration;
use kafka_types::{BrokerEpoch, BrokerId, ControllerEpoch, ErrorCode};
use net::{Memory, Shutdown};
use tokio::sync::Notify;

use crate::authorizer::AclAuthorizer;
use crate::background::Background;
use crate::checkpoints::CheckpointOrders;
use crate::clock::Clock;
use crate::config::{Config, TopicSettingsCache};
use crate::controller::ControllerHandle;
use crate::dir_moves::DirMoves;
use crate::fetch_sessions::FetchSessions;
use crate::handlers::fetch::SharedSession;
use crate::metadata::MetadataCache;
use crate::metrics::Metrics;
use crate::network::listeners::Listeners;
use crate::network::seats::Seats;
use crate::producer_ids::ProducerIds;
use crate::quotas::ClientQuotas;
use crate::replicas::{Owned, Shared};
use crate::replication_quotas::ReplicationQuotas;
use crate::settings::Changes;
use crate::shard::Shards;
use crate::startup::connections::ConnectionLimits;
use crate::topics::Topics;
use crate::zookeeper::ZooKeeper;

/// A listener, as connections on it know it.
#[derive(Debug)]
pub(crate) struct ListenerInfo {
    /// Its name in capitals; answers name brokers by their endpoints of this listener.
    pub(crate) name: String,
    /// The end of its connections: that of the broker, or its own if it is closed before.
    pub(crate) shutdown: Shutdown,
    /// Its connections.
    pub(crate) seats: Seats,
}

/// The broker. Made once, in `startup.rs`.
pub(crate) struct Broker {
    pub(crate) id: BrokerId,
    pub(crate) cluster_id: String,
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    pub(crate) shards: Shards<Owned>,
    pub(crate) background: Background,
    pub(crate) metadata: MetadataCache,
    pub(crate) zookeeper: Arc<ZooKeeper>,
    pub(crate) controller: ControllerHandle,
    pub(crate) topic_settings: TopicSettingsCache,
    pub(crate) producer_ids: ProducerIds,
    /// The log directories among it.
    pub(crate) shared: Arc<Shared>,
    pub(crate) moves: DirMoves,
    /// Shared by all shards: a client may go on with its session on another connection.
    pub(crate) fetch_sessions: FetchSessions<SharedSession>,
    pub(crate) checkpoint_orders: CheckpointOrders,
    pub(crate) shutdown: Shutdown,
    /// Nobody may do what its rules do not allow; without it everybody may do everything.
    pub(crate) authorizer: Option<Arc<AclAuthorizer>>,
    /// Told when there is no directory left to keep anything in.
    pub(crate) halt: Notify,
    /// This life of the broker; -1 before it is registered.
    pub(crate) epoch: AtomicI64,
    /// The newest controller epoch that was seen.
    pub(crate) controller_epoch: AtomicI32,
    pub(crate) metrics: Metrics,
    /// Version of `/feature`; -1 before it was read.
    pub(crate) features_epoch: AtomicI64,
    pub(crate) changes: Changes,
    pub(crate) quotas: ClientQuotas,
    pub(crate) replication_quotas: ReplicationQuotas,
    /// How many connections there may be.
    pub(crate) limits: ConnectionLimits,
    /// For requests of all connections; `None`: as much as they send.
    pub(crate) request_memory: Option<Arc<Memory>>,
    pub(crate) listeners: Listeners,
}

impl Broker {
    /// Topic administration.
    pub(crate) fn topics(&self) -> Topics<'_> {
        Topics::new(self)
    }

    /// Does this broker control the cluster?
    pub(crate) fn is_controller(&self) -> bool {
        self.controller.is_here()
    }

    /// Is this broker the controller, and does it know itself to be there? A controller that has just begun has not heard
    /// of its own broker yet, and would have nobody to place a replica on; so that is waited for.
    pub(crate) async fn controls(&self, at_most: Duration) -> bool {
        self.is_controller() && self.metadata.wait_for(at_most, |image| image.is_alive(self.id)).await
    }

    /// How this broker registers itself under these settings.
    pub(crate) fn registration(&self, config: &BrokerConfig) -> BrokerRegistration {
        let mut endpoints = config.advertised_listeners.clone();
        // One that could not be opened at run time is told to nobody.
        endpoints.retain(|endpoint| self.listeners.port(&endpoint.listener).is_some());
        for endpoint in &mut endpoints {
            if endpoint.host.is_empty() {
                endpoint.host = crate::advertised::host_name();
            }
            if endpoint.port == 0 {
                endpoint.port = self.listeners.port(&endpoint.listener).map_or(0, i32::from);
            }
        }
        BrokerRegistration {
            id: self.id,
            endpoints,
            rack: config.rack.clone(),
            jmx_port: -1,
            timestamp: self.clock.wall(),
        }
    }

    /// Version of the finalized features, for ApiVersions.
    pub(crate) fn features_epoch(&self) -> i64 {
        self.features_epoch.load(Ordering::Relaxed)
    }

    /// Is an order from a controller of this epoch, for this life of the broker, to be obeyed?
    pub(crate) fn check_controller(&self, epoch: ControllerEpoch, broker_epoch: i64) -> Result<(), ErrorCode> {
        // A larger one is from a registration that we have made and not heard of yet.
        if broker_epoch >= 0 && broker_epoch < self.epoch.load(Ordering::Acquire) {
            return Err(ErrorCode::StaleBrokerEpoch);
        }
        let seen = self.controller_epoch.fetch_max(epoch.0, Ordering::AcqRel);
        if epoch.0 < seen { Err(ErrorCode::StaleControllerEpoch) } else { Ok(()) }
    }

    /// First id and length of a new block of producer ids.
    pub(crate) async fn allocate_producer_ids(&self) -> Result<(i64, i32), ErrorCode> {
        let (broker, broker_epoch) = (self.id, BrokerEpoch(self.epoch.load(Ordering::Acquire)));
        if !self.controller.is_here() {
            return crate::peers::allocate_producer_ids(self, broker, broker_epoch).await;
        }
        let ask = self.controller.ask(move |token| Event::AllocateProducerIds { token, broker, broker_epoch });
        match ask.await? {
            Answer::AllocateProducerIds(block) => {
                block.map(|block| (block.first, (block.last - block.first + 1) as i32))
            }
            _ => Err(ErrorCode::UnknownServerError),
        }
    }
}
