//! New settings of topics, put in force in their logs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Result;
use kafka_metadata::znodes::config::EntityType;
use kafka_types::TopicName;
use tracing::{error, info};

use crate::broker::Broker;
use crate::config::TopicSettings;

/// Reads a topic's settings again.
pub(super) async fn read(broker: &Broker, topic: &str) -> Result<()> {
    let stored = broker.zookeeper.settings(EntityType::Topics, topic).await?;
    put(broker, topic, stored).await
}

/// Puts a topic's own settings in force, if it has partitions here and they are others than those in force.
pub(super) async fn put(broker: &Broker, topic: &str, own: BTreeMap<String, String>) -> Result<()> {
    match broker.topic_settings.get(topic) {
        Some(known) if known.own != own => {}
        _ => return Ok(()),
    }
    let Some(settings) = resolved(broker, topic, own) else { return Ok(()) };
    info!(target: "kafka.server.TopicConfigHandler", "New settings of topic {topic}: {}", settings.overrides_text());
    apply(broker, HashMap::from([(TopicName::from(topic), settings)])).await
}

/// The broker's settings changed, and with them what every topic inherits.
pub(super) async fn inherit(broker: &Broker) -> Result<()> {
    let mut changed = HashMap::new();
    for topic in broker.topic_settings.names() {
        if let Some(known) = broker.topic_settings.get(&topic)
            && let Some(settings) = resolved(broker, &topic, known.own.clone())
        {
            changed.insert(topic, settings);
        }
    }
    apply(broker, changed).await
}

fn resolved(broker: &Broker, topic: &str, own: BTreeMap<String, String>) -> Option<Arc<TopicSettings>> {
    match broker.config.topic(own) {
        Ok(settings) => Some(Arc::new(settings)),
        Err(error) => {
            error!(target: "kafka.server.TopicConfigHandler", "The new settings of topic {topic} are not legal and ignored: {error}");
            None
        }
    }
}

async fn apply(broker: &Broker, changed: HashMap<TopicName, Arc<TopicSettings>>) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    for (topic, settings) in &changed {
        broker.topic_settings.put(topic.clone(), Arc::clone(settings));
    }
    let changed = Arc::new(changed);
    broker
        .shards
        .on_all(move |owned| {
            let now = owned.shared.clock.now();
            let config = Arc::clone(&owned.shared.config);
            for partition in owned.partitions.values_mut() {
                if let Some(settings) = changed.get(&partition.topic_partition.topic) {
                    partition.set_settings(now, settings.log.clone(), config.replica_settings(settings));
                }
            }
        })
        .await?;
    Ok(())
}
