//! Rules that look at several settings at once, in the order in which Apache's broker looks.

use kafka_types::BrokerId;
use properties::{Kind, Value, Values};

use super::BrokerConfig;
use super::error::{ConfigError, require};

/// The classes that stand in the table as defaults: what they do is built in.
const BUILT_IN_CLASSES: [&str; 1] = ["org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"];

/// There is no class path here: a class of the user's own is not found, in the words of a JVM that lacks it.
pub(super) fn classes(values: &Values) -> Result<(), ConfigError> {
    for (setting, value) in values.iter().filter(|(setting, _)| setting.kind == Kind::Class) {
        if let Value::Class(class) = value
            && !BUILT_IN_CLASSES.contains(&class.as_str())
        {
            return Err(ConfigError::config(format!(
                "Invalid value {class} for configuration {}: Class {class} could not be found.",
                setting.name
            )));
        }
    }
    Ok(())
}

/// Which broker this is, and whether it has a coordination server at all.
pub(super) fn broker_id(values: &Values) -> Result<Option<BrokerId>, ConfigError> {
    let roles = values.list("process.roles");
    if !roles.is_empty() {
        return Err(kraft(values));
    }
    let id = values.int("broker.id");
    if values.int("node.id") != id {
        return Err(ConfigError::config("You must set `node.id` to the same value as `broker.id`."));
    }
    if values.optional_string("zookeeper.connect").is_none() {
        return Err(ConfigError::config(
            "Missing required configuration `zookeeper.connect` which has no default value.",
        ));
    }
    if values.boolean("broker.id.generation.enable") {
        require(
            (-1..=values.int("reserved.broker.max.id")).contains(&id),
            "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id",
        )?;
    } else {
        require(id >= 0, "broker.id must be greater than or equal to 0")?;
    }
    Ok((id >= 0).then_some(BrokerId(id)))
}

/// What Apache's broker says first when `process.roles` is set in a file for ZooKeeper.
fn kraft(values: &Values) -> ConfigError {
    if values.int("node.id") < 0 {
        return ConfigError::config(
            "Missing configuration `node.id` which is required when `process.roles` is defined (i.e. when running in \
             KRaft mode).",
        );
    }
    if values.list("controller.quorum.voters").is_empty()
        && values.list("controller.quorum.bootstrap.servers").is_empty()
    {
        return ConfigError::config(
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
             controllers or controller.quorum.voters must contain a parseable set of controllers.",
        );
    }
    ConfigError::config("process.roles is set: this broker works with ZooKeeper and has no KRaft mode.")
}

/// Everything else.
pub(super) fn together(config: &BrokerConfig) -> Result<(), ConfigError> {
    let values = config.values();
    require(config.log_roll_ms >= 1, "log.roll.ms must be greater than or equal to 1")?;
    require(config.log_roll_jitter_ms >= 0, "log.roll.jitter.ms must be greater than or equal to 0")?;
    require(
        config.log_retention_ms >= 1 || config.log_retention_ms == -1,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )?;
    require(!config.log_dirs.is_empty(), "At least one log directory must be defined via log.dirs or log.dir.")?;
    // Apache divides by the number of threads; with none of them nothing is cleaned.
    let threads = i64::from(values.int("log.cleaner.threads")).max(1);
    require(
        values.long("log.cleaner.dedupe.buffer.size") / threads > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )?;
    let fetch_wait = values.int("replica.fetch.wait.max.ms");
    require(
        fetch_wait <= values.int("replica.socket.timeout.ms"),
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
         timeouts",
    )?;
    require(
        i64::from(fetch_wait) <= values.long("replica.lag.time.max.ms"),
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
         changes in ISR",
    )?;
    groups(values)?;
    network(config)
}

fn groups(values: &Values) -> Result<(), ConfigError> {
    let acks = values.short("offsets.commit.required.acks");
    if !(-1..=values.short("offsets.topic.replication.factor")).contains(&acks) {
        return Err(ConfigError::argument(
            "offsets.commit.required.acks must be greater or equal to -1 and less or equal to \
             offsets.topic.replication.factor",
        ));
    }
    let codec = values.int("offsets.topic.compression.codec");
    if !(0..=4).contains(&codec) {
        return Err(ConfigError::argument(format!("Unknown compression type id: {codec}")));
    }
    if !values.list("group.coordinator.rebalance.protocols").iter().any(|protocol| protocol == "classic") {
        return Err(ConfigError::config("Disabling the 'classic' protocol is not supported."));
    }
    Ok(())
}

fn network(config: &BrokerConfig) -> Result<(), ConfigError> {
    let values = config.values();
    let mechanism = values.string("sasl.mechanism.inter.broker.protocol");
    require(
        !config.inter_broker_protocol.uses_sasl() || values.list("sasl.enabled.mechanisms").contains(&mechanism),
        "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used for \
         inter-broker communication",
    )?;
    let queued = values.long("queued.max.request.bytes");
    require(
        queued <= 0 || queued >= i64::from(values.int("socket.request.max.bytes")),
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    )?;
    require(
        values.int("max.connections.per.ip") != 0 || !config.max_connections_per_ip_overrides.is_empty(),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    )?;
    let idle = values.long("connections.max.idle.ms");
    let delay = values.int("connection.failed.authentication.delay.ms");
    require(
        idle < 0 || i64::from(delay) < idle,
        format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than \
             connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"
        ),
    )?;
    if let Some(text) = values.optional_string("early.start.listeners") {
        let known = |name: &str| config.listeners.iter().any(|listener| listener.listener.eq_ignore_ascii_case(name));
        if let Some(name) = text.split(',').map(str::trim).find(|name| !name.is_empty() && !known(name)) {
            return Err(ConfigError::config(format!(
                "early.start.listeners contains listener {name}, but this is not contained in listeners or \
                 controller.listener.names"
            )));
        }
    }
    if let Some(names) = values.optional_string("controller.listener.names").filter(|names| !names.trim().is_empty()) {
        return Err(ConfigError::config(format!(
            "controller.listener.names must be empty when not running in KRaft mode: [{names}]"
        )));
    }
    Ok(())
}
