//! New settings of this broker, put in force while it runs.

use std::sync::Arc;

use anyhow::Result;
use kafka_controller::Event;
use kafka_metadata::BrokerConfig;
use kafka_metadata::znodes::config::{DEFAULT_ENTITY, EntityType};
use kafka_types::BrokerId;
use tracing::{error, info, warn};

use super::topics;
use crate::broker::Broker;
use crate::config::Config;
use crate::idle_settings;
use crate::zookeeper::ZooKeeper;

/// The settings with what is stored for all brokers and for this one; as they were if that is not legal.
pub(crate) async fn stored(zookeeper: &ZooKeeper, config: &Config, id: BrokerId) -> Result<BrokerConfig> {
    let for_all = zookeeper.settings(EntityType::Brokers, DEFAULT_ENTITY).await?;
    let own = zookeeper.settings(EntityType::Brokers, &id.to_string()).await?;
    let before = config.broker();
    Ok(before.with_dynamic(&for_all, &own).unwrap_or_else(|error| {
        error!(target: "kafka.server.DynamicBrokerConfig", "The settings of broker {id} in ZooKeeper are not legal and ignored: {error}");
        (*before).clone()
    }))
}

/// Reads both layers again.
pub(super) async fn read(broker: &Arc<Broker>) -> Result<()> {
    let config = stored(&broker.zookeeper, &broker.config, broker.id).await?;
    if let Err(error) = broker.config.check_shards(&config) {
        error!(target: "kafka.server.DynamicBrokerConfig", "{error}");
    }
    put_in_force(broker, config).await
}

/// What the parts of the broker read when they need it holds from now on; what they keep is told to them.
pub(super) async fn put_in_force(broker: &Arc<Broker>, config: BrokerConfig) -> Result<()> {
    let before = broker.config.replace(config);
    let now = broker.config.broker();
    if before.layers() == now.layers() {
        return Ok(());
    }
    for (name, value) in now.differences(&before) {
        info!(target: "kafka.server.DynamicBrokerConfig", "{name} is {value} from now on");
        idle_settings::tell_changed(name);
    }
    idle_settings::tell_rates(Some(&before), &now);
    let producers_expire = |config: &BrokerConfig| config.values().int("producer.id.expiration.ms");
    if before.topic_defaults() != now.topic_defaults() || producers_expire(&before) != producers_expire(&now) {
        topics::inherit(broker).await?;
    }
    let unclean = |config: &BrokerConfig| config.values().boolean("unclean.leader.election.enable");
    if unclean(&before) != unclean(&now) {
        broker.controller.tell(Event::UncleanElections { allowed: unclean(&now) }).await;
    }
    if let Err(error) = broker.limits.apply(&broker.config, &broker.background).await {
        error!(target: "kafka.network.ConnectionQuotas", "The limits of connections stay as they were: {error:#}");
    }
    broker.listeners.close_excess(broker);
    follow_listeners(broker, &before, &now).await
}

/// Opens and closes listeners, and tells others of it.
async fn follow_listeners(broker: &Arc<Broker>, before: &BrokerConfig, now: &BrokerConfig) -> Result<()> {
    for (then, now) in before.staying(now).filter(|(then, now)| then != now) {
        warn!(
            target: "kafka.server.DynamicBrokerConfig",
            "Listener {} stays open where it is until this broker is started anew, and is {} then",
            then.connection_string(), now.connection_string()
        );
    }
    let changed = broker.listeners.follow(broker, now).await;
    let told = if changed.any || before.advertised_listeners != now.advertised_listeners {
        advertise(broker).await
    } else {
        Ok(())
    };
    changed.end_closed();
    told
}

/// Clients learn of other addresses from the registration, which is written anew in the same life.
async fn advertise(broker: &Broker) -> Result<()> {
    let config = broker.config.broker();
    broker.zookeeper.refuse_taken_addresses(broker.id, &config.advertised_listeners).await?;
    let registration = broker.registration(&config);
    let path = kafka_metadata::znodes::brokers::path(broker.id);
    info!(target: "kafka.zk.KafkaZkClient", "Updated broker {} at path {path} with new endpoints", broker.id);
    broker.zookeeper.put_existing(&path, registration.encode().into()).await?;
    Ok(())
}
