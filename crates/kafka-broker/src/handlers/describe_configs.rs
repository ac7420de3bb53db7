//! DescribeConfigs: settings of topics and brokers, with where each value comes from.

use kafka_metadata::broker_config::{ConfigEntry, ConfigSource};
use kafka_metadata::znodes::config::EntityType;
use kafka_metadata::{topic_config, topic_name};
use kafka_security::{Operation, ResourceType};
use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::describe_configs::{
    self as wire, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::Context;
use crate::settings::alter::{BROKER, BROKER_LOGGER, CLIENT_METRICS, TOPIC};
use crate::settings::loggers;
use crate::topics::TopicError;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let known = |resource: &DescribeConfigsResource| {
        matches!(resource.resource_type, TOPIC | BROKER | BROKER_LOGGER | CLIENT_METRICS)
    };
    if !request.resources.iter().all(known) {
        // A kind of resource that nobody knows is a mistake of the whole request.
        let refused = request.resources.into_iter().map(|resource| DescribeConfigsResult {
            error_code: ErrorCode::InvalidRequest.code(),
            error_message: Some(ErrorCode::InvalidRequest.message().to_owned()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        });
        return wire::Response { throttle_time_ms: 0, results: refused.collect() };
    }
    let (mut results, mut unauthorized) = (Vec::with_capacity(request.resources.len()), Vec::new());
    for resource in request.resources {
        if let Some(error) = refuse(context, &resource) {
            unauthorized.push(DescribeConfigsResult {
                error_code: error.code(),
                error_message: Some(error.message().to_owned()),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
                ..Default::default()
            });
            continue;
        }
        let described = describe(context, &resource).await;
        let mut result = DescribeConfigsResult {
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        };
        match described {
            Ok(entries) => {
                let wanted = |entry: &ConfigEntry| match &resource.configuration_keys {
                    None => true,
                    Some(keys) if keys.is_empty() => true,
                    Some(keys) => keys.contains(&entry.name),
                };
                result.configs = entries
                    .into_iter()
                    .filter(wanted)
                    .map(|entry| told(entry, request.include_synonyms, request.include_documentation))
                    .collect();
                result.error_message = Some(String::new());
            }
            Err(error) => {
                result.error_code = error.code.code();
                result.error_message = Some(error.message);
            }
        }
        results.push(result);
    }
    results.append(&mut unauthorized);
    wire::Response { throttle_time_ms: 0, results }
}

/// Settings of topics are read by those who may read the topic's, all others by those who may read the cluster's.
fn refuse(context: &Context, resource: &DescribeConfigsResource) -> Option<ErrorCode> {
    let operation = Operation::DescribeConfigs;
    let (allowed, error) = if resource.resource_type == TOPIC {
        let allowed = context.may(operation, ResourceType::Topic, &resource.resource_name);
        (allowed, ErrorCode::TopicAuthorizationFailed)
    } else {
        (context.may_on_cluster(operation), ErrorCode::ClusterAuthorizationFailed)
    };
    (!allowed).then_some(error)
}

async fn describe(context: &Context, resource: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, TopicError> {
    let config = context.broker.config.broker();
    let name = &resource.resource_name;
    match resource.resource_type {
        TOPIC => {
            topic_name::validate(name)
                .map_err(|error| TopicError::new(ErrorCode::InvalidTopicException, error.to_string()))?;
            if context.broker.metadata.image().topic(name).is_none() {
                return Err(TopicError::new(ErrorCode::UnknownTopicOrPartition, ""));
            }
            let own = context.broker.zookeeper.settings(EntityType::Topics, name).await;
            let own = own.map_err(|error| TopicError::new(ErrorCode::UnknownServerError, error.to_string()))?;
            let values = topic_config::resolve(&config.topic_defaults(), &own)
                .map_err(|error| TopicError::new(ErrorCode::InvalidConfig, error.to_string()))?;
            Ok(config.describe_topic(&values, &own))
        }
        BROKER if name.is_empty() => Ok(config.describe_dynamic_default()),
        BROKER if *name == context.broker.id.0.to_string() => Ok(config.describe()),
        BROKER_LOGGER if *name == context.broker.id.0.to_string() => {
            Ok(loggers::all().into_iter().map(logger).collect())
        }
        kind => Err(TopicError::new(ErrorCode::InvalidRequest, refusal(context.broker.id, kind, name))),
    }
}

/// Why a resource other than a topic or this broker is not described.
fn refusal(me: BrokerId, kind: i8, name: &str) -> String {
    let id = name.parse::<i32>();
    match (kind, id) {
        (CLIENT_METRICS, _) if name.is_empty() => "Client metrics subscription name must not be empty".to_owned(),
        (CLIENT_METRICS, _) => "Config type client-metrics is only supported on KRaft clusters".to_owned(),
        (BROKER_LOGGER, _) if name.is_empty() => "Broker id must not be empty".to_owned(),
        (_, Err(_)) => format!("Broker id must be an integer, but it is: {name}"),
        (BROKER, Ok(_)) => format!("Unexpected broker id, expected {me} or empty string, but received {name}"),
        _ => format!("Unexpected broker id, expected {me} but received {name}"),
    }
}

/// A logger has no type, and what it is for stands nowhere.
fn logger((name, level): (String, &'static str)) -> ConfigEntry {
    ConfigEntry {
        name,
        value: Some(level.to_owned()),
        source: ConfigSource::DynamicBrokerLogger,
        read_only: false,
        sensitive: false,
        kind: None,
        doc: "",
        synonyms: Vec::new(),
    }
}

fn told(entry: ConfigEntry, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    // Values that must not be read are told as null.
    let visible = |value: Option<String>| if entry.sensitive { None } else { value };
    DescribeConfigsResourceResult {
        value: visible(entry.value.clone()),
        read_only: entry.read_only,
        // Version 0 alone has it, and Apache's broker never sets it.
        is_default: false,
        config_source: entry.source as i8,
        is_sensitive: entry.sensitive,
        synonyms: if synonyms {
            entry
                .synonyms
                .iter()
                .map(|synonym| DescribeConfigsSynonym {
                    name: synonym.name.clone(),
                    value: visible(synonym.value.clone()),
                    source: synonym.source as i8,
                })
                .collect()
        } else {
            Vec::new()
        },
        config_type: entry.kind.map_or(0, properties::Kind::wire_number),
        // Of loggers it is told without being asked for, as Apache's broker does.
        documentation: (documentation || entry.source == ConfigSource::DynamicBrokerLogger)
            .then(|| entry.doc.to_owned()),
        name: entry.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_in_the_words_of_the_original() {
        let refusal = |kind, name| refusal(BrokerId(0), kind, name);
        assert_eq!(refusal(BROKER, "1"), "Unexpected broker id, expected 0 or empty string, but received 1");
        assert_eq!(refusal(BROKER, "x"), "Broker id must be an integer, but it is: x");
        assert_eq!(refusal(BROKER_LOGGER, ""), "Broker id must not be empty");
        assert_eq!(refusal(BROKER_LOGGER, "1"), "Unexpected broker id, expected 0 but received 1");
        assert_eq!(refusal(CLIENT_METRICS, ""), "Client metrics subscription name must not be empty");
        assert_eq!(refusal(CLIENT_METRICS, "s"), "Config type client-metrics is only supported on KRaft clusters");
    }
}
