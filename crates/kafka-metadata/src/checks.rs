//! Rules for values that only Kafka's settings have.

use properties::Value;

use crate::features::InterBrokerVersion;

/// The name of an inter-broker protocol version.
pub(crate) fn inter_broker_version(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if InterBrokerVersion::parse(text).is_none() => {
            Err(format!("Version {text} is not a valid version"))
        }
        _ => Ok(()),
    }
}

/// gzip's levels.
pub(crate) fn gzip_level(value: &Value) -> Result<(), String> {
    match value.as_i64() {
        Some(-1 | 1..=9) => Ok(()),
        _ => Err("Value must be between 1 and 9 or equal to -1".to_owned()),
    }
}

/// See [`throttled`].
pub(crate) fn throttled_leaders(value: &Value) -> Result<(), String> {
    throttled("leader.replication.throttled.replicas", value)
}

/// See [`throttled`].
pub(crate) fn throttled_followers(value: &Value) -> Result<(), String> {
    throttled("follower.replication.throttled.replicas", value)
}

/// `*`, or pairs of partition and broker.
fn throttled(name: &str, value: &Value) -> Result<(), String> {
    let Value::List(items) = value else { return Ok(()) };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_pair = |item: &String| {
        item.split_once(':').is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    if matches!(items.as_slice(), [item] if item == "*") || items.iter().all(is_pair) {
        return Ok(());
    }
    Err(format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    ))
}
