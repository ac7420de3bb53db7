//! Following the notices under `/config/changes`, as every broker does.

use std::sync::Arc;

use anyhow::Result;
use kafka_metadata::znodes::config::{self, DEFAULT_ENTITY};
use tracing::{debug, error, info};

use super::{brokers, topics};
use crate::broker::Broker;
use crate::quotas;

/// Watches, and reads everything that may have changed while nobody watched.
pub(crate) async fn start(broker: &Arc<Broker>) -> Result<()> {
    let mut followed = broker.changes.followed.lock().await;
    let notices = broker.zookeeper.children(config::CHANGES, true).await?;
    *followed = notices.iter().filter_map(|name| number(name)).max().unwrap_or(-1);
    brokers::read(broker).await?;
    quotas::read_all(broker).await?;
    for topic in broker.topic_settings.names() {
        topics::read(broker, &topic).await?;
    }
    Ok(())
}

/// There are new notices.
pub(crate) async fn changed(broker: &Arc<Broker>) -> Result<()> {
    let mut followed = broker.changes.followed.lock().await;
    // Watched again before they are looked at: what comes meanwhile rings once more.
    let notices = broker.zookeeper.children(config::CHANGES, true).await?;
    for name in &notices {
        let Some(number) = number(name).filter(|number| *number > *followed) else { continue };
        *followed = number;
        let Some((data, _)) = broker.zookeeper.get(&format!("{}/{name}", config::CHANGES), false).await? else {
            continue;
        };
        match config::decode_change(&data) {
            Ok(entity) => follow(broker, &entity).await,
            Err(error) => {
                error!(target: "kafka.common.ZkNodeChangeNotificationListener", "The notice {name} is ignored: {error}");
            }
        }
    }
    forget_old(broker, &notices).await
}

fn number(name: &str) -> Option<i64> {
    name.strip_prefix("config_change_")?.parse().ok()
}

async fn follow(broker: &Arc<Broker>, entity: &str) {
    debug!(target: "kafka.server.ZkConfigManager", "Processing override for entityPath: {entity}");
    // One whose request is still under way is not read half.
    let _alone = broker.changes.alone().await;
    let parts: Vec<&str> = entity.split('/').collect();
    let followed = match parts.as_slice() {
        ["topics", topic] => topics::read(broker, topic).await,
        ["brokers", id] if *id == DEFAULT_ENTITY || *id == broker.id.to_string() => brokers::read(broker).await,
        _ => quotas::read(broker, entity).await,
    };
    if let Err(error) = followed {
        error!(target: "kafka.server.ZkConfigManager", "The change of {entity} could not be followed: {error:#}");
    }
}

/// Deletes notices that every broker has seen long ago, oldest first.
async fn forget_old(broker: &Broker, notices: &[String]) -> Result<()> {
    let now = broker.clock.wall().0;
    for name in notices {
        let path = format!("{}/{name}", config::CHANGES);
        let Some(stat) = broker.zookeeper.exists(&path, false).await? else { continue };
        if now - stat.ctime <= config::CHANGE_LIFETIME_MS {
            return Ok(());
        }
        info!(target: "kafka.common.ZkNodeChangeNotificationListener", "Purging change notification {name}");
        broker.zookeeper.delete(&path).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn notices_are_numbered() {
        assert_eq!(super::number("config_change_0000000054"), Some(54));
        assert_eq!(super::number("config_change_"), None);
        assert_eq!(super::number("other"), None);
    }
}
