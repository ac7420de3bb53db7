//! Events of the coordination session: to the controller what is its, to this broker what concerns every broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use kafka_controller::Event;
use kafka_metadata::znodes::config;
use kafka_metadata::znodes::feature;
use tracing::{info, warn};
use zk_client::{Event as Session, EventReceiver};

use crate::broker::Broker;
use crate::settings::follow;
use crate::{startup, zookeeper};

/// Between attempts to come back after an expired session.
const RETRY: Duration = Duration::from_secs(1);

/// Sets the watches of every broker and takes part in elections.
pub(crate) async fn start(broker: &Arc<Broker>) -> Result<()> {
    follow::start(broker).await?;
    read_features(broker).await?;
    broker.controller.tell(Event::SessionStarted).await;
    Ok(())
}

/// Follows the session; after it expired, a new one takes its place.
pub(crate) async fn run(broker: Arc<Broker>, mut events: EventReceiver, session_dir: PathBuf) {
    loop {
        match events.recv().await {
            Some(Session::Watch(event)) => changed(&broker, event.path).await,
            Some(Session::Connected) => broker.metrics.session.connected.count(),
            Some(Session::ConnectedReadOnly) => broker.metrics.session.connected_read_only.count(),
            Some(Session::SaslAuthenticated) => broker.metrics.session.authenticated.count(),
            Some(Session::Disconnected) => {
                broker.metrics.session.disconnected.count();
                info!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient Kafka server] Connection lost; looking for a server");
            }
            ended @ (Some(Session::Expired | Session::AuthFailed) | None) => {
                match ended {
                    Some(Session::Expired) => broker.metrics.session.expired.count(),
                    Some(Session::AuthFailed) => broker.metrics.session.auth_failed.count(),
                    _ => {}
                }
                if broker.shutdown.has_begun() {
                    return;
                }
                info!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient Kafka server] Session expired.");
                broker.controller.tell(Event::SessionLost).await;
                events = come_back(&broker, &session_dir).await;
            }
        }
    }
}

async fn changed(broker: &Arc<Broker>, path: String) {
    let done = match path.as_str() {
        config::CHANGES => follow::changed(broker).await,
        feature::FEATURE => {
            let read = read_features(broker).await;
            broker.controller.tell(Event::Changed { path }).await;
            read
        }
        _ => {
            broker.controller.tell(Event::Changed { path }).await;
            Ok(())
        }
    };
    if let Err(error) = done {
        warn!(target: "kafka.server.KafkaServer", "A change in ZooKeeper could not be followed: {error:#}");
    }
}

async fn read_features(broker: &Broker) -> Result<()> {
    // `exists` leaves a watch also where nothing is yet.
    if let Some(stat) = broker.zookeeper.exists(feature::FEATURE, true).await? {
        broker.features_epoch.store(i64::from(stat.version), Ordering::Relaxed);
    }
    Ok(())
}

/// A new session, registered; tries until it works, for the broker serves on meanwhile.
async fn come_back(broker: &Arc<Broker>, session_dir: &Path) -> EventReceiver {
    let timeout = Duration::from_millis(broker.config.broker().zookeeper_session_timeout_ms.max(1) as u64);
    loop {
        match new_session(broker, session_dir, timeout).await {
            Ok(events) => return events,
            Err(error) => warn!(target: "kafka.zookeeper.ZooKeeperClient", "No new session yet: {error:#}"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn new_session(broker: &Arc<Broker>, session_dir: &Path, timeout: Duration) -> Result<EventReceiver> {
    let mut options = zookeeper::options(&broker.config.broker())?;
    options.session_timeout_ms = timeout.as_millis() as u32;
    let (client, events) = zookeeper::connect(options, timeout).await?;
    broker.zookeeper.replace(client);
    startup::register(broker, session_dir).await?;
    start(broker).await?;
    Ok(events)
}
