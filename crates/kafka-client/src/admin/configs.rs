//! Settings of topics and brokers, described.

use kafka_types::BrokerId;
use kafka_wire::describe_configs;

use super::Admin;
use super::call::{Call, Target};
use super::topics::left_out;
use crate::error::Error;

/// Whose settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConfigResource {
    /// A topic's.
    Topic(String),
    /// A broker's.
    Broker(BrokerId),
    /// Those that all brokers have by default.
    BrokerDefault,
    /// The levels of a broker's loggers.
    BrokerLogger(BrokerId),
    /// A subscription of clients' metrics.
    ClientMetrics(String),
}

impl ConfigResource {
    pub(super) fn wire(&self) -> (i8, String) {
        match self {
            ConfigResource::Topic(name) => (2, name.clone()),
            ConfigResource::Broker(broker) => (4, broker.to_string()),
            ConfigResource::BrokerDefault => (4, String::new()),
            ConfigResource::BrokerLogger(broker) => (8, broker.to_string()),
            ConfigResource::ClientMetrics(name) => (16, name.clone()),
        }
    }

    /// Who answers: what concerns one broker is known to that broker only.
    pub(super) fn target(&self) -> Target<'static> {
        match self {
            ConfigResource::Broker(broker) | ConfigResource::BrokerLogger(broker) => Target::Broker(*broker),
            ConfigResource::Topic(_) | ConfigResource::BrokerDefault | ConfigResource::ClientMetrics(_) => Target::Any,
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigSource {
    /// The broker did not say.
    Unknown,
    /// Set for this topic.
    DynamicTopic,
    /// Set for this broker at run time.
    DynamicBroker,
    /// Set for all brokers at run time.
    DynamicDefaultBroker,
    /// From the broker's file.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// The level of a logger, set at run time.
    DynamicBrokerLogger,
}

impl ConfigSource {
    fn from_wire(source: i8) -> ConfigSource {
        match source {
            1 => ConfigSource::DynamicTopic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::DynamicBrokerLogger,
            _ => ConfigSource::Unknown,
        }
    }

    /// As Java's tools print it: `DYNAMIC_TOPIC_CONFIG`.
    pub fn name(self) -> &'static str {
        match self {
            ConfigSource::Unknown => "UNKNOWN",
            ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        }
    }
}

/// A value that would count if the ones before it were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The setting, which may have another name (`log.retention.ms` for `retention.ms`).
    pub name: String,
    /// Its value; hidden ones are not told.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; hidden ones are not told.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// May its value not be shown?
    pub sensitive: bool,
    /// Can it not be changed at run time?
    pub read_only: bool,
    /// What else would give it a value, if asked for.
    pub synonyms: Vec<ConfigSynonym>,
}

/// The settings of one thing, or why they are not told.
pub type DescribedConfigs = (ConfigResource, Result<Vec<ConfigEntry>, Error>);

impl Admin {
    /// The settings of topics and brokers, with their synonyms if asked for.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        synonyms: bool,
    ) -> Result<Vec<DescribedConfigs>, Error> {
        let mut described = Vec::with_capacity(resources.len());
        let (any, single): (Vec<_>, Vec<_>) =
            resources.iter().cloned().partition(|resource| matches!(resource.target(), Target::Any));
        let groups = std::iter::once(any).chain(single.into_iter().map(|resource| vec![resource]));
        for group in groups.filter(|group| !group.is_empty()) {
            let call = self.call("describeConfigs");
            described.extend(call.until_settled(async |call| try_describe(call, &group, synonyms).await).await?);
        }
        described.sort_by_key(|(resource, _)| resources.iter().position(|wanted| wanted == resource));
        Ok(described)
    }
}

/// Asks for resources that one broker can answer for.
async fn try_describe(
    call: &mut Call<'_>,
    resources: &[ConfigResource],
    synonyms: bool,
) -> Result<Vec<DescribedConfigs>, Error> {
    let target = resources.first().map_or(Target::Any, ConfigResource::target);
    let connection = call.connection(target).await?;
    let version = describe_configs::Version(connection.version::<describe_configs::DescribeConfigs>()?);
    let request = describe_configs::Request {
        resources: resources
            .iter()
            .map(|resource| {
                let (resource_type, resource_name) = resource.wire();
                describe_configs::DescribeConfigsResource { resource_type, resource_name, configuration_keys: None }
            })
            .collect(),
        include_synonyms: synonyms && version.carries_sources(),
        include_documentation: false,
    };
    let response = call.send::<describe_configs::DescribeConfigs>(&connection, &request).await?;
    let outcome = |resource: &ConfigResource| {
        let (kind, name) = resource.wire();
        let mut results = response.results.iter();
        let result =
            results.find(|result| result.resource_type == kind && result.resource_name == name).ok_or_else(left_out)?;
        Error::check_with(result.error_code, result.error_message.as_deref())?;
        Ok(result.configs.iter().map(|entry| config_entry(entry, resource)).collect())
    };
    Ok(resources.iter().map(|resource| (resource.clone(), outcome(resource))).collect())
}

fn config_entry(entry: &describe_configs::DescribeConfigsResourceResult, resource: &ConfigResource) -> ConfigEntry {
    // Version 0 says only whether it is the default.
    let source = match (entry.config_source, resource) {
        (-1, _) if entry.is_default => ConfigSource::Default,
        (-1, ConfigResource::Topic(_)) => ConfigSource::DynamicTopic,
        (-1, _) => ConfigSource::StaticBroker,
        (source, _) => ConfigSource::from_wire(source),
    };
    let synonym = |synonym: &describe_configs::DescribeConfigsSynonym| ConfigSynonym {
        name: synonym.name.clone(),
        value: synonym.value.clone(),
        source: ConfigSource::from_wire(synonym.source),
    };
    ConfigEntry {
        name: entry.name.clone(),
        value: entry.value.clone(),
        source,
        sensitive: entry.is_sensitive,
        read_only: entry.read_only,
        synonyms: entry.synonyms.iter().map(synonym).collect(),
    }
}
