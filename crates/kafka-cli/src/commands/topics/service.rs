//! The five actions, carried out.

use std::collections::BTreeSet;

use kafka_client::admin::{ConfigEntry, ConfigResource, ConfigSource, NewPartitions, NewTopic, TopicSelection};
use kafka_client::{Admin, Error, TopicInfo};
use kafka_metadata::topic_name;
use kafka_types::{BrokerId, ErrorCode, TopicPartition, Uuid};

use super::Trouble;
use super::arguments::{Filter, Rejection, Wanted};
use super::describe::{Partition, Report, Topic};
use crate::options::Options;
use crate::output::Console;

/// Does what the options say.
pub(super) async fn execute(admin: &Admin, options: &Options, console: &mut Console) -> Result<(), Trouble> {
    if options.has("create") {
        create(admin, options, console).await
    } else if options.has("alter") {
        alter(admin, options).await
    } else if options.has("list") {
        list(admin, options, console).await
    } else if options.has("describe") {
        describe(admin, options, console).await
    } else {
        delete(admin, options).await
    }
}

async fn create(admin: &Admin, options: &Options, console: &mut Console) -> Result<(), Trouble> {
    let wanted = Wanted::read(options)?;
    if topic_name::has_collision_chars(&wanted.name) {
        console.line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
             collide. To avoid issues it is best to use either, but not both.",
        );
    }
    wanted.check_ranges()?;
    let assignments = wanted.assignment.as_ref().map(|partitions| {
        let ids = |brokers: &Vec<i32>| brokers.iter().copied().map(BrokerId).collect();
        (0..).zip(partitions.iter().map(ids)).collect()
    });
    let topic = NewTopic {
        name: wanted.name.clone(),
        partitions: wanted.partitions,
        replication_factor: wanted.replication_factor,
        assignments,
        configs: wanted.configs.into_iter().collect(),
    };
    match only(admin.create_topics(&[topic], false).await?) {
        Ok(_) => {
            console.line(&format!("Created topic {}.", wanted.name));
            Ok(())
        }
        Err(Error::Broker { code: ErrorCode::TopicAlreadyExists, .. }) if options.has("if-not-exists") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn list(admin: &Admin, options: &Options, console: &mut Console) -> Result<(), Trouble> {
    let names = matching(admin, options, options.has("exclude-internal")).await?;
    console.line(&names.join("\n"));
    Ok(())
}

async fn alter(admin: &Admin, options: &Options) -> Result<(), Trouble> {
    let wanted = Wanted::read(options)?;
    let names = existing(admin, options, false).await?;
    if names.is_empty() {
        return Ok(());
    }
    let (described, _) = admin.describe_topics(TopicSelection::Names(&names)).await?;
    let total = wanted.partitions.unwrap_or_default();
    let mut topics = Vec::new();
    for (name, info) in described {
        let held = info?.partitions.len();
        // The assignment names the partitions that are there, too.
        let assignments = wanted.assignment.as_ref().map(|partitions| {
            let ids = |brokers: &Vec<i32>| brokers.iter().copied().map(BrokerId).collect();
            partitions.iter().skip(held).map(ids).collect()
        });
        topics.push(NewPartitions { topic: name, total, assignments });
    }
    for (_, outcome) in admin.create_partitions(&topics, false).await? {
        outcome?;
    }
    Ok(())
}

async fn delete(admin: &Admin, options: &Options) -> Result<(), Trouble> {
    let names = existing(admin, options, false).await?;
    if names.is_empty() {
        return Ok(());
    }
    for (_, outcome) in admin.delete_topics(&names).await? {
        outcome?;
    }
    Ok(())
}

async fn describe(admin: &Admin, options: &Options, console: &mut Console) -> Result<(), Trouble> {
    // Brokers in ZooKeeper mode are asked by Metadata, which has no such limit; the number is checked, as in Java.
    options.number::<i32>("partition-size-limit-per-response")?;
    let infos = match options.one("topic-id")?.map(topic_id).transpose()? {
        Some((text, id)) if !id.is_zero() => by_id(admin, options, text, id).await?,
        _ => by_name(admin, options).await?,
    };
    if infos.is_empty() {
        return Ok(());
    }
    let resources: Vec<ConfigResource> =
        infos.iter().map(|info| ConfigResource::Topic(info.name.to_string())).collect();
    let settings = admin.describe_configs(&resources, false).await?;
    // Brokers that do not serve this are moving nothing, as far as anybody can tell; Java's tool takes it likewise.
    let moving = match admin.list_partition_reassignments().await {
        Ok(moving) => moving,
        Err(error) if is_unsupported(&error) => std::collections::HashMap::new(),
        Err(error) => return Err(error.into()),
    };
    let report = Report::of(options);
    for (info, (_, entries)) in infos.iter().zip(settings) {
        let mut topic = plain(info, &entries?);
        for partition in &mut topic.partitions {
            let key = TopicPartition::new(info.name.clone(), partition.number);
            if let Some(move_of) = moving.get(&key) {
                partition.adding = move_of.adding.iter().map(|id| id.0).collect();
                partition.removing = move_of.removing.iter().map(|id| id.0).collect();
            }
        }
        console.bytes(topic.lines(report).as_bytes());
    }
    Ok(())
}

async fn by_name(admin: &Admin, options: &Options) -> Result<Vec<TopicInfo>, Trouble> {
    let names = existing(admin, options, options.has("exclude-internal")).await?;
    let mut infos = Vec::with_capacity(names.len());
    if names.is_empty() {
        return Ok(infos);
    }
    for (_, info) in admin.describe_topics(TopicSelection::Names(&names)).await?.0 {
        infos.push(info?);
    }
    infos.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(infos)
}

fn topic_id(text: &str) -> Result<(&str, Uuid), Rejection> {
    let id = text.parse().map_err(|_| {
        Rejection::argument(format!(
            "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
            text.len() * 3 / 4
        ))
    })?;
    Ok((text, id))
}

async fn by_id(admin: &Admin, options: &Options, text: &str, id: Uuid) -> Result<Vec<TopicInfo>, Trouble> {
    let listed = admin.list_topics(true).await?;
    if !listed.iter().any(|topic| topic.id == id) {
        if options.has("if-exists") {
            return Ok(Vec::new());
        }
        return Err(Rejection::argument(format!("TopicId '{text}' does not exist as expected")).into());
    }
    let mut infos = Vec::new();
    for (_, info) in admin.describe_topics(TopicSelection::Ids(&[id])).await?.0 {
        infos.push(info?);
    }
    Ok(infos)
}

/// The names that `--topic` stands for, sorted; an error if there are none, unless `--if-exists` says that this is
/// fine.
async fn existing(admin: &Admin, options: &Options, exclude_internal: bool) -> Result<Vec<String>, Trouble> {
    let names = matching(admin, options, exclude_internal).await?;
    if names.is_empty()
        && !options.has("if-exists")
        && let Some(asked) = options.one("topic")?.filter(|asked| !asked.is_empty())
    {
        // Java prints its `Optional` here, and people grep for it.
        return Err(Rejection::argument(format!("Topic 'Optional[{asked}]' does not exist as expected")).into());
    }
    Ok(names)
}

async fn matching(admin: &Admin, options: &Options, exclude_internal: bool) -> Result<Vec<String>, Trouble> {
    let filter = Filter::new(options.one("topic")?, exclude_internal)?;
    let listed = admin.list_topics(true).await?;
    let names: BTreeSet<String> =
        listed.into_iter().map(|topic| topic.name).filter(|name| filter.allows(name)).collect();
    Ok(names.into_iter().collect())
}

fn plain(info: &TopicInfo, entries: &[ConfigEntry]) -> Topic {
    let raw = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    let set = entries.iter().filter(|entry| !matches!(entry.source, ConfigSource::Default));
    let least = entries.iter().find(|entry| entry.name == "min.insync.replicas");
    Topic {
        name: info.name.to_string(),
        id: info.id.to_string(),
        partitions: info
            .partitions
            .iter()
            .map(|partition| Partition {
                number: partition.partition,
                leader: partition.leader.map(|id| id.0),
                replicas: raw(&partition.replicas),
                isr: raw(&partition.isr),
                ..Partition::default()
            })
            .collect(),
        configs: set.map(|entry| (entry.name.clone(), entry.value.clone().unwrap_or_default())).collect(),
        min_insync_replicas: least.and_then(|entry| entry.value.as_deref()?.parse().ok()),
    }
}

fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::Connection(kafka_client::ConnectionError::UnsupportedVersion { .. }))
        || matches!(
            error,
            Error::Broker { code: ErrorCode::UnsupportedVersion | ErrorCode::ClusterAuthorizationFailed, .. }
        )
}

/// The outcome of a call about one thing.
fn only<T>(mut outcomes: Vec<(String, Result<T, Error>)>) -> Result<T, Error> {
    match outcomes.pop() {
        Some((_, outcome)) => outcome,
        None => Err(Error::Broker {
            code: ErrorCode::UnknownServerError,
            message: Some("The broker answered about nothing that it was asked".to_owned()),
        }),
    }
}
