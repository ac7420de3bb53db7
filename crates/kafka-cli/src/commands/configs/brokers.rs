//! What the tool does by asking brokers.

use std::collections::BTreeMap;

use kafka_client::Admin;
use kafka_client::admin::{
    AlterConfig, AlterScram, ConfigEntry, ConfigResource, ConfigSource, EntityQuotas, QuotaFilter, QuotaMatch,
};
use kafka_metadata::topic_name;
use kafka_types::BrokerId;
use properties::Value;
use sasl::ScramMechanism;

use super::arguments::{Arguments, BROKER_LOGGERS, BROKERS, CLIENT_METRICS, CLIENTS, IPS, TOPICS, USERS};
use super::{Trouble, refused, values};
use crate::admin;
use crate::java_order;
use crate::output::Console;

const QUOTAS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];

pub(super) async fn execute(arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    let admin =
        admin::connect(&arguments.options).await.map_err(|failure| Trouble::Thrown(failure.lines.join("\n")))?;
    if arguments.options.has("describe") {
        describe(&admin, arguments, console).await
    } else {
        alter(&admin, arguments, console).await
    }
}

async fn describe(admin: &Admin, arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    match arguments.kind() {
        USERS | CLIENTS => {
            describe_quotas(admin, arguments, console).await?;
            if !arguments.has_type(CLIENTS) && !arguments.names.iter().any(String::is_empty) {
                describe_credentials(admin, &arguments.names, console).await?;
            }
            Ok(())
        }
        IPS => describe_quotas(admin, arguments, console).await,
        kind => describe_resources(admin, kind, arguments, console).await,
    }
}

async fn describe_resources(
    admin: &Admin,
    kind: &str,
    arguments: &Arguments,
    console: &mut Console,
) -> Result<(), Trouble> {
    let all = arguments.options.has("all");
    let names = match (arguments.names.first(), kind) {
        (Some(name), _) => vec![name.clone()],
        (None, TOPICS) => {
            let topics = admin.list_topics(true).await?;
            let names = topics.into_iter().map(|topic| topic.name).collect();
            java_order::of_map(names, |name: &String| java_order::hash_of_string(name))
        }
        (None, CLIENT_METRICS) => {
            return Err(Trouble::Thrown(
                "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.UnsupportedVersionException: \
                 The node does not support LIST_CLIENT_METRICS_RESOURCES"
                    .to_owned(),
            ));
        }
        (None, _) => {
            let cluster = admin.describe_cluster().await?;
            cluster.brokers.iter().map(|broker| broker.id.to_string()).chain([String::new()]).collect()
        }
    };
    for name in names {
        if name.is_empty() {
            console.line(&format!("Default configs for {kind} in the cluster are:"));
        } else {
            let which = if all { "All" } else { "Dynamic" };
            console.line(&format!("{which} configs for {} {name} are:", singular(kind)));
        }
        for entry in settings(admin, kind, &name, true, all).await? {
            console.line(&format!("  {}", told(&entry)));
        }
    }
    Ok(())
}

fn told(entry: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, text(&synonym.value)))
        .collect();
    let value = text(&entry.value);
    format!("{}={value} sensitive={} synonyms={{{}}}", entry.name, entry.sensitive, synonyms.join(", "))
}

fn singular(kind: &str) -> &str {
    &kind[..kind.len() - 1]
}

/// The settings of one thing by name: all of them, or those that were set for it at run time.
async fn settings(
    admin: &Admin,
    kind: &str,
    name: &str,
    synonyms: bool,
    all: bool,
) -> Result<Vec<ConfigEntry>, Trouble> {
    let (resource, source) = resource(kind, name)?;
    let described = admin.describe_configs(std::slice::from_ref(&resource), synonyms).await?;
    let mut entries = described.into_iter().next().map_or(Ok(Vec::new()), |(_, entries)| entries)?;
    entries.retain(|entry| all || source.is_none_or(|source| entry.source == source));
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn resource(kind: &str, name: &str) -> Result<(ConfigResource, Option<ConfigSource>), Trouble> {
    let broker = || {
        let wrong = || refused(format!("The entity name for {kind} must be a valid integer broker id, found: {name}"));
        name.parse().map(BrokerId).map_err(|_| wrong())
    };
    Ok(match kind {
        TOPICS => {
            topic_name::validate(name).map_err(|error| {
                Trouble::Thrown(format!("org.apache.kafka.common.errors.InvalidTopicException: {error}"))
            })?;
            (ConfigResource::Topic(name.to_owned()), Some(ConfigSource::DynamicTopic))
        }
        BROKERS if name.is_empty() => (ConfigResource::BrokerDefault, Some(ConfigSource::DynamicDefaultBroker)),
        BROKERS => (ConfigResource::Broker(broker()?), Some(ConfigSource::DynamicBroker)),
        BROKER_LOGGERS => (ConfigResource::BrokerLogger(broker()?), None),
        _ => (ConfigResource::ClientMetrics(name.to_owned()), None),
    })
}

/// The type of an entity as requests name it.
fn wire_type(kind: &str) -> &'static str {
    match kind {
        USERS => "user",
        CLIENTS => "client-id",
        _ => "ip",
    }
}

async fn quotas(admin: &Admin, arguments: &Arguments) -> Result<Vec<EntityQuotas>, Trouble> {
    let filter: Vec<QuotaFilter> = arguments
        .types
        .iter()
        .enumerate()
        .map(|(at, kind)| QuotaFilter {
            entity_type: wire_type(kind).to_owned(),
            matches: match arguments.names.get(at) {
                None => QuotaMatch::Any,
                Some(name) if name.is_empty() => QuotaMatch::Default,
                Some(name) => QuotaMatch::Is(name.clone()),
            },
        })
        .collect();
    Ok(admin.describe_client_quotas(&filter).await?)
}

async fn describe_quotas(admin: &Admin, arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    for mut found in quotas(admin, arguments).await? {
        let part = |kind: &str, shown: &str| {
            let (_, name) = found.entity.iter().find(|(there, _)| there == kind)?;
            Some(name.as_ref().map_or_else(|| format!("the default {shown}"), |name| format!("{shown} '{name}'")))
        };
        let parts = [part("user", "user-principal"), part("client-id", "client-id"), part("ip", "ip")];
        let who: Vec<String> = parts.into_iter().flatten().collect();
        found.quotas.sort_by(|one, other| one.0.cmp(&other.0));
        let quotas: Vec<String> = found.quotas.iter().map(|(key, value)| format!("{key}={}", double(*value))).collect();
        console.line(&format!("Quota configs for {} are {}", who.join(", "), quotas.join(", ")));
    }
    Ok(())
}

fn double(number: f64) -> String {
    Value::Double(number).text().unwrap_or_default()
}

async fn describe_credentials(admin: &Admin, users: &[String], console: &mut Console) -> Result<(), Trouble> {
    for (user, outcome) in admin.describe_user_scram_credentials(users).await? {
        console.line(&match outcome {
            Ok(infos) => {
                let info = |(mechanism, iterations): (ScramMechanism, i32)| {
                    format!("{}=iterations={iterations}", mechanism.name())
                };
                let infos: Vec<String> = infos.into_iter().map(info).collect();
                format!("SCRAM credential configs for user-principal '{user}' are {}", infos.join(", "))
            }
            Err(error) => {
                let class = error.exception();
                let class = class.rsplit('.').next().unwrap_or_default();
                format!("Error retrieving SCRAM credential configs for user-principal '{user}': {class}: {error}")
            }
        });
    }
    Ok(())
}

async fn alter(admin: &Admin, arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    let added = values::added(&arguments.options, console)?;
    let deleted = values::deleted(&arguments.options);
    let kind = arguments.kind();
    let name = arguments.names.first().cloned().unwrap_or_default();
    match kind {
        USERS | CLIENTS => alter_users(admin, arguments, &added, &deleted).await?,
        IPS => {
            let unknown: Vec<&str> = added.keys().chain(&deleted).map(String::as_str).collect();
            let unknown: Vec<&str> = unknown.into_iter().filter(|key| *key != "connection_creation_rate").collect();
            if !unknown.is_empty() {
                return Err(refused(format!(
                    "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config \
                     names: {}",
                    unknown.join(",")
                )));
            }
            alter_quotas(admin, arguments, &added, &deleted).await?;
        }
        _ => alter_settings(admin, kind, &name, added, &deleted).await?,
    }
    if name.is_empty() {
        console.line(&format!("Completed updating default config for {kind} in the cluster."));
    } else {
        console.line(&format!("Completed updating config for {} {name}.", singular(kind)));
    }
    Ok(())
}

async fn alter_settings(
    admin: &Admin,
    kind: &str,
    name: &str,
    added: BTreeMap<String, String>,
    deleted: &[String],
) -> Result<(), Trouble> {
    let known: Vec<String> =
        settings(admin, kind, name, false, false).await?.into_iter().map(|entry| entry.name).collect();
    if kind == BROKER_LOGGERS {
        let unknown = deleted.iter().chain(added.keys()).filter(|name| !known.contains(name));
        let unknown: Vec<&str> = unknown.map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(refused(format!("Invalid broker logger(s): {}", unknown.join(","))));
        }
    }
    check_deleted(deleted, &known)?;
    let set = added.into_iter().map(|(name, value)| AlterConfig::Set(name, value));
    let changes: Vec<AlterConfig> = set.chain(deleted.iter().cloned().map(AlterConfig::Delete)).collect();
    admin.alter_config(&resource(kind, name)?.0, &changes).await?;
    Ok(())
}

fn check_deleted(deleted: &[String], known: &[String]) -> Result<(), Trouble> {
    let missing: Vec<&str> = deleted.iter().filter(|name| !known.contains(name)).map(String::as_str).collect();
    if missing.is_empty() { Ok(()) } else { Err(refused(format!("Invalid config(s): {}", missing.join(",")))) }
}

async fn alter_users(
    admin: &Admin,
    arguments: &Arguments,
    added: &BTreeMap<String, String>,
    deleted: &[String],
) -> Result<(), Trouble> {
    let is_quota = |name: &String| QUOTAS.contains(&name.as_str());
    let is_scram = |name: &String| ScramMechanism::from_name(name).is_some();
    let of_client = arguments.kind() == CLIENTS || arguments.types.len() == 2;
    for (names, what) in [(added.keys().collect::<Vec<_>>(), "added"), (deleted.iter().collect(), "deleted")] {
        let unexpected = |name: &&&String| !is_quota(name) && (of_client || !is_scram(name));
        let unexpected: Vec<&str> = names.iter().filter(unexpected).map(|name| name.as_str()).collect();
        if !unexpected.is_empty() {
            let (kinds, of) = if of_client { ("quota", CLIENTS) } else { ("quota and SCRAM credential", USERS) };
            return Err(refused(format!(
                "Only {kinds} configs can be {what} for '{of}' using --bootstrap-server. Unexpected config names: \
                 Set({})",
                unexpected.join(", ")
            )));
        }
    }
    let has_quotas = added.keys().chain(deleted).any(is_quota);
    if added.keys().chain(deleted).any(is_scram) {
        if arguments.names.iter().any(String::is_empty) {
            return Err(refused(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
                 --bootstrap-server.",
            ));
        }
        if has_quotas {
            return Err(refused(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using \
                 --bootstrap-server.",
            ));
        }
    }
    if has_quotas {
        return alter_quotas(admin, arguments, added, deleted).await;
    }
    let user = arguments.names.first().cloned().unwrap_or_default();
    let mut changes: Vec<AlterScram> =
        deleted.iter().filter_map(|name| ScramMechanism::from_name(name)).map(AlterScram::Delete).collect();
    for (name, text) in added {
        if let Some(mechanism) = ScramMechanism::from_name(name) {
            let (iterations, password) = values::scram(mechanism, text)?;
            changes.push(AlterScram::Set { mechanism, iterations, salt: values::salt(), password });
        }
    }
    admin.alter_user_scram_credentials(&user, &changes).await?;
    Ok(())
}

async fn alter_quotas(
    admin: &Admin,
    arguments: &Arguments,
    added: &BTreeMap<String, String>,
    deleted: &[String],
) -> Result<(), Trouble> {
    let old = quotas(admin, arguments).await?;
    let known: Vec<String> = old.into_iter().flat_map(|found| found.quotas).map(|(key, _)| key).collect();
    check_deleted(deleted, &known)?;
    let pairs = arguments.types.iter().zip(&arguments.names);
    let entity = pairs.map(|(kind, name)| (wire_type(kind).to_owned(), (!name.is_empty()).then(|| name.clone())));
    let mut changes = Vec::new();
    for (key, value) in added {
        let wrong = || refused(format!("Cannot parse quota configuration value for {key}: {value}"));
        changes.push((key.clone(), Some(value.trim().parse::<f64>().map_err(|_| wrong())?)));
    }
    changes.extend(deleted.iter().map(|key| (key.clone(), None)));
    admin.alter_client_quotas(&entity.collect(), &changes).await?;
    Ok(())
}
