//! DescribeConfigs: settings of topics and brokers, with where each value comes from.

use kafka_metadata::broker_config::{ConfigEntry, ConfigSource};
use kafka_metadata::znodes::config::EntityType;
use kafka_metadata::{topic_config, topic_name};
use kafka_types::ErrorCode;
use kafka_wire::describe_configs::{
    self as wire, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::Context;
use crate::topics::TopicError;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let version = wire::Version(context.version);
    let mut results = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
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
                    Some(keys) => keys.contains(&entry.name),
                };
                result.configs = entries
                    .into_iter()
                    .filter(wanted)
                    .map(|entry| told(entry, version, request.include_synonyms, request.include_documentation))
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
    wire::Response { throttle_time_ms: 0, results }
}

async fn describe(context: &Context, resource: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, TopicError> {
    let config = context.broker.config.broker();
    let name = &resource.resource_name;
    match resource.resource_type {
        TOPIC => {
            topic_name::validate(name)
                .map_err(|error| TopicError::new(ErrorCode::InvalidTopicException, error.to_string()))?;
            if context.broker.metadata.image().topic(name).is_none() {
                let code = ErrorCode::UnknownTopicOrPartition;
                return Err(TopicError::new(code, code.message()));
            }
            let own = context.broker.zookeeper.settings(EntityType::Topics, name).await;
            let own = own.map_err(|error| TopicError::new(ErrorCode::UnknownServerError, error.to_string()))?;
            let values = topic_config::resolve(&config.topic_defaults(), &own)
                .map_err(|error| TopicError::new(ErrorCode::InvalidConfig, error.to_string()))?;
            Ok(config.describe_topic(&values, &own))
        }
        BROKER if name.is_empty() => Ok(config.describe_dynamic_default()),
        BROKER if *name == context.broker.id.0.to_string() => Ok(config.describe()),
        BROKER => Err(TopicError::new(
            ErrorCode::InvalidRequest,
            format!("Unexpected broker id, expected {} or empty string, but received {name}", context.broker.id),
        )),
        BROKER_LOGGER => Err(TopicError::new(
            ErrorCode::InvalidRequest,
            "Broker loggers cannot be described yet; levels are set by KAFKA_LOG_LEVEL at the start",
        )),
        other => Err(TopicError::new(ErrorCode::InvalidRequest, format!("Unsupported resource type: {other}"))),
    }
}

fn told(
    entry: ConfigEntry,
    version: wire::Version,
    synonyms: bool,
    documentation: bool,
) -> DescribeConfigsResourceResult {
    // Values that must not be read are told as null.
    let visible = |value: Option<String>| if entry.sensitive { None } else { value };
    DescribeConfigsResourceResult {
        value: visible(entry.value.clone()),
        read_only: entry.read_only,
        is_default: !version.carries_sources() && entry.source == ConfigSource::Default,
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
        documentation: documentation.then(|| entry.doc.to_owned()),
        name: entry.name,
    }
}
