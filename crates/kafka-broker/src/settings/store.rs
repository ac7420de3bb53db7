//! Writing the settings of an entity, and the notice that they changed.

use std::collections::BTreeMap;

use kafka_metadata::znodes::config::{self, EntityType};
use zk_client::Error;

use crate::broker::Broker;

/// Writes all settings of an entity and tells every broker. `entity` is the path below `/config`, its names sanitized:
/// `topics/t`, `users/u/clients/c`. Of a user, client or address that has no settings any more nothing is left, nor of
/// the nodes above it that were there for it.
pub(crate) async fn write(broker: &Broker, entity: &str, settings: &BTreeMap<String, String>) -> Result<(), Error> {
    let zookeeper = &broker.zookeeper;
    let path = format!("/config/{entity}");
    let kept = settings.is_empty() && !is_permanent(entity);
    if !kept || !remove_empty(broker, entity).await? {
        zookeeper.put_with_parents(&path, config::encode(settings).into()).await?;
    }
    zookeeper.create_sequential(config::CHANGE_PREFIX, config::encode_change(entity).into()).await
}

fn is_permanent(entity: &str) -> bool {
    [EntityType::Topics, EntityType::Brokers].iter().any(|kind| entity.split('/').next() == Some(kind.name()))
}

/// Deletes an entity without settings; `false` if others lie below it.
async fn remove_empty(broker: &Broker, entity: &str) -> Result<bool, Error> {
    let zookeeper = &broker.zookeeper;
    let path = format!("/config/{entity}");
    if !zookeeper.children(&path, false).await?.is_empty() {
        return Ok(false);
    }
    zookeeper.delete(&path).await?;
    // `/config/users/U/clients/C`: the node of all clients, then the user's.
    let parts: Vec<&str> = entity.split('/').collect();
    if let ["users", user, "clients", _] = parts.as_slice() {
        let user = format!("/config/users/{user}");
        let clients = format!("{user}/clients");
        if zookeeper.children(&clients, false).await?.is_empty() {
            zookeeper.delete(&clients).await?;
            let stored = zookeeper.get(&user, false).await?.map(|(data, _)| data);
            let has_settings = stored.is_some_and(|data| config::decode(&data).map_or(true, |own| !own.is_empty()));
            if !has_settings && zookeeper.children(&user, false).await?.is_empty() {
                zookeeper.delete(&user).await?;
            }
        }
    }
    Ok(true)
}
