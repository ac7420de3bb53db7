//! AlterConfigs and IncrementalAlterConfigs: checks in Apache's order and words, then the write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kafka_metadata::alter::{AlterError, AlterOp, alter};
use kafka_metadata::broker_config::{self, Layer};
use kafka_metadata::topic_config::{self, TopicConfigError};
use kafka_metadata::znodes::config::{DEFAULT_ENTITY, EntityType};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use tracing::info;

use super::{Refusal, brokers, loggers, topics, write};
use crate::broker::Broker;
use crate::handlers::Context;

/// Types of resources on the wire.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;
pub(crate) const BROKER_LOGGER: i8 = 8;
pub(crate) const CLIENT_METRICS: i8 = 16;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// One setting of a request: name, operation, value.
pub(crate) type Wish = (String, i8, Option<String>);

/// One resource of a request.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) kind: i8,
    pub(crate) name: String,
    pub(crate) wishes: Vec<Wish>,
    /// The wishes are all that the resource shall have (AlterConfigs), not changes of what it has.
    pub(crate) replaces: bool,
}

/// What became of one, as both requests tell it.
#[derive(Debug)]
pub(crate) struct Altered {
    pub(crate) kind: i8,
    pub(crate) name: String,
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

/// Alters each resource for itself; the results are in the order of the request.
pub(crate) async fn all(context: &Context, resources: Vec<Resource>, validate_only: bool) -> Vec<Altered> {
    let mut times: HashMap<(i8, &str), usize> = HashMap::new();
    for resource in &resources {
        *times.entry((resource.kind, &resource.name)).or_default() += 1;
    }
    let mut results = Vec::with_capacity(resources.len());
    for resource in &resources {
        results.push(if times[&(resource.kind, resource.name.as_str())] > 1 {
            Err(Refusal::request("Each resource must appear at most once."))
        } else {
            one(context, resource, validate_only).await
        });
    }
    let told = |(Resource { kind, name, .. }, result): (Resource, Result<(), Refusal>)| {
        let (code, message) =
            result.map_or_else(|refusal| (refusal.code, refusal.message), |()| (ErrorCode::None, None));
        Altered { kind, name, code, message }
    };
    resources.into_iter().zip(results).map(told).collect()
}

async fn one(context: &Context, resource: &Resource, validate_only: bool) -> Result<(), Refusal> {
    let broker = &context.broker;
    let mut names = HashSet::new();
    if !resource.wishes.iter().all(|(name, ..)| names.insert(name)) {
        return Err(Refusal::request("Error due to duplicate config keys"));
    }
    let empty = resource.wishes.iter().filter(|(_, operation, value)| *operation != DELETE && value.is_none());
    let empty: Vec<&str> = empty.map(|(name, ..)| name.as_str()).collect();
    if !empty.is_empty() {
        return Err(Refusal::request(format!("Null value not supported for : {}", empty.join(", "))));
    }
    if resource.kind == BROKER && !resource.name.is_empty() {
        check_node_id(broker, &resource.name)?;
    }
    may_alter(context, resource)?;
    match resource.kind {
        TOPIC => topic(broker, resource, validate_only).await,
        BROKER => self::broker(broker, resource, validate_only).await,
        BROKER_LOGGER if !resource.replaces => {
            check_node_id(broker, &resource.name)?;
            loggers::alter(&resource.wishes, validate_only)
        }
        CLIENT_METRICS => Err(Refusal::request(
            "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS",
        )),
        other => Err(Refusal::request(format!("Unknown resource type {other}"))),
    }
}

/// Settings of topics are changed by those who may change the topic's, all others by those who may change the cluster's.
fn may_alter(context: &Context, resource: &Resource) -> Result<(), Refusal> {
    let (allowed, code) = if resource.kind == TOPIC {
        (context.may_on_topic(Operation::AlterConfigs, &resource.name), ErrorCode::TopicAuthorizationFailed)
    } else {
        (context.may_on_cluster(Operation::AlterConfigs), ErrorCode::ClusterAuthorizationFailed)
    };
    if allowed { Ok(()) } else { Err(Refusal { code, message: None }) }
}

fn check_node_id(broker: &Broker, name: &str) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Err(_) => Err(Refusal::request(format!("Node id must be an integer, but it is: {name}"))),
        Ok(id) if id != broker.id.0 => {
            Err(Refusal::request(format!("Unexpected broker id, expected {}, but received {name}", broker.id)))
        }
        Ok(_) => Ok(()),
    }
}

async fn topic(broker: &Broker, resource: &Resource, validate_only: bool) -> Result<(), Refusal> {
    let name = &resource.name;
    if name.is_empty() {
        return Err(Refusal::request("Default topic resources are not allowed."));
    }
    let _alone = broker.changes.alone().await;
    if broker.metadata.image().topic(name).is_none() {
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist.")));
    }
    let stored = stored(broker, EntityType::Topics, name, resource).await?;
    let changed = changed(stored, resource, &topic_config::DEFINITIONS)?;
    let defaults = broker.config.broker().topic_defaults();
    topic_config::validate(&defaults, &changed).map_err(|error| match error {
        TopicConfigError::Unknown(_) | TopicConfigError::CompactionLag { .. } => Refusal::config(error.to_string()),
        TopicConfigError::Value(_) | TopicConfigError::RemoteStorage => Refusal::config(format!(
            "Invalid config value for resource ConfigResource(type=TOPIC, name='{name}'): {error}"
        )),
    })?;
    if validate_only {
        return Ok(());
    }
    let pairs: Vec<String> = changed.iter().map(|(key, value)| format!("{key}={value}")).collect();
    info!(target: "kafka.server.ZkAdminManager", "[Admin Manager on Broker {}]: Updating topic {name} with new configuration : {}", broker.id, pairs.join(","));
    write(broker, &format!("topics/{name}"), &changed).await.map_err(|error| Refusal::storage(&error))?;
    topics::put(broker, name, changed).await.map_err(|error| Refusal::storage(&error))
}

async fn broker(broker: &Arc<Broker>, resource: &Resource, validate_only: bool) -> Result<(), Refusal> {
    let name = &resource.name;
    let (layer, entity) =
        if name.is_empty() { (Layer::ForAll, DEFAULT_ENTITY.to_owned()) } else { (Layer::Own, broker.id.to_string()) };
    let _alone = broker.changes.alone().await;
    let stored = stored(broker, EntityType::Brokers, &entity, resource).await?;
    let changed = changed(stored, resource, &broker_config::DEFINITIONS)?;
    let proposed = broker.config.broker().propose(layer, &changed).and_then(|proposed| {
        broker.config.check_shards(&proposed)?;
        Ok(proposed)
    });
    let proposed = proposed.map_err(|error| Refusal::request(error.message))?;
    if validate_only {
        return Ok(());
    }
    write(broker, &format!("brokers/{entity}"), &changed).await.map_err(|error| Refusal::storage(&error))?;
    brokers::put_in_force(broker, proposed).await.map_err(|error| Refusal::storage(&error))
}

/// What is stored now; nothing if all of it is replaced.
async fn stored(
    broker: &Broker,
    kind: EntityType,
    name: &str,
    resource: &Resource,
) -> Result<BTreeMap<String, String>, Refusal> {
    if resource.replaces {
        return Ok(BTreeMap::new());
    }
    broker.zookeeper.settings(kind, name).await.map_err(|error| Refusal::storage(&error))
}

fn changed(
    mut stored: BTreeMap<String, String>,
    resource: &Resource,
    definitions: &properties::Definitions,
) -> Result<BTreeMap<String, String>, Refusal> {
    let operation = |(name, operation, value): &Wish| {
        let value = value.clone().unwrap_or_default();
        let operation = match *operation {
            SET => AlterOp::Set(value),
            DELETE => AlterOp::Delete,
            APPEND => AlterOp::Append(value),
            SUBTRACT => AlterOp::Subtract(value),
            _ => return Err(Refusal::unexpected()),
        };
        Ok((name.clone(), operation))
    };
    let operations: Vec<(String, AlterOp)> = resource.wishes.iter().map(operation).collect::<Result<_, _>>()?;
    alter(&mut stored, &operations, definitions).map_err(|error| match error {
        AlterError::NotAList { .. } => Refusal::config(error.to_string()),
        AlterError::Unknown(_) => Refusal::unexpected(),
    })?;
    Ok(stored)
}
