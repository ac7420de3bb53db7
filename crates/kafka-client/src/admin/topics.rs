//! Topics: made, deleted, listed, described.

use std::collections::{BTreeMap, HashMap};

use kafka_types::{BrokerId, ErrorCode, Uuid};
use kafka_wire::{create_topics, delete_topics, metadata};

use super::call::{Call, Target};
use super::{Admin, Outcomes, unless_not_controller};
use crate::error::{ConnectionError, Error};
use crate::metadata::{Metadata, TopicInfo};

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the brokers' `num.partitions` if none is said.
    pub partitions: Option<i32>,
    /// How many replicas of each; the brokers' `default.replication.factor` if none is said.
    pub replication_factor: Option<i16>,
    /// Which brokers hold which partition, the preferred leader first; instead of the two numbers.
    pub assignments: Option<BTreeMap<i32, Vec<BrokerId>>>,
    /// Settings of its own.
    pub configs: Vec<(String, String)>,
}

/// A topic that was made; old brokers tell nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id, or zero.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: Option<i32>,
    /// How many replicas each has.
    pub replication_factor: Option<i16>,
}

/// A topic in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id, or zero from old brokers.
    pub id: Uuid,
    /// Does it belong to the cluster itself?
    pub internal: bool,
}

/// Which topics to describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicSelection<'a> {
    /// These names.
    Names(&'a [String]),
    /// These ids.
    Ids(&'a [Uuid]),
}

impl Admin {
    /// Makes topics, or only checks whether they could be made.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Outcomes<CreatedTopic>, Error> {
        // As in Java's client, a topic without a name does not get as far as the cluster.
        let (named, nameless): (Vec<NewTopic>, Vec<NewTopic>) =
            topics.iter().cloned().partition(|topic| !topic.name.is_empty());
        let refused = nameless.into_iter().map(|topic| (topic.name, Err(unrepresentable())));
        if named.is_empty() {
            return Ok(refused.collect());
        }
        let call = self.call("createTopics");
        let mut outcomes = call.until_settled(async |call| try_create(call, &named, validate_only).await).await?;
        outcomes.extend(refused);
        Ok(outcomes)
    }

    /// Deletes topics.
    pub async fn delete_topics(&self, names: &[String]) -> Result<Outcomes<()>, Error> {
        self.call("deleteTopics").until_settled(async |call| try_delete(call, names).await).await
    }

    /// All topics by name, the cluster's own only if they are asked for.
    pub async fn list_topics(&self, internal: bool) -> Result<Vec<TopicListing>, Error> {
        let call = self.call("listTopics");
        let found = call.until_settled(async |call| try_metadata(call, None).await).await?;
        let topics = found.topics.values().filter(|topic| internal || !topic.internal);
        Ok(topics
            .map(|topic| TopicListing { name: topic.name.to_string(), id: topic.id, internal: topic.internal })
            .collect())
    }

    /// Topics with their partitions, and the brokers these are on. A topic that does not exist is an error beside its
    /// name (or id).
    pub async fn describe_topics(&self, topics: TopicSelection<'_>) -> Result<(Outcomes<TopicInfo>, Metadata), Error> {
        let call = self.call("describeTopics");
        let found = call.until_settled(async |call| try_metadata(call, Some(topics)).await).await?;
        Ok((described(topics, &found), found))
    }
}

fn unrepresentable() -> Error {
    Error::Broker {
        code: ErrorCode::InvalidTopicException,
        message: Some("The given topic name '' cannot be represented in a request.".to_owned()),
    }
}

async fn try_create(
    call: &mut Call<'_>,
    topics: &[NewTopic],
    validate_only: bool,
) -> Result<Outcomes<CreatedTopic>, Error> {
    let connection = call.connection(Target::Controller).await?;
    let version = create_topics::Version(connection.version::<create_topics::CreateTopics>()?);
    let needs_defaults = |topic: &NewTopic| {
        topic.assignments.is_none() && (topic.partitions.is_none() || topic.replication_factor.is_none())
    };
    if !version.allows_default_sizes() && topics.iter().any(needs_defaults) {
        return Err(ConnectionError::Unencodable {
            api: kafka_wire::ApiKey::CreateTopics,
            reason: "this broker has no default number of partitions or replicas".to_owned(),
        }
        .into());
    }
    let request = create_topics::Request {
        topics: topics.iter().map(creatable).collect(),
        timeout_ms: call.remaining_ms(),
        validate_only,
    };
    let response = call.send::<create_topics::CreateTopics>(&connection, &request).await?;
    unless_not_controller(response.topics.iter().map(|topic| &topic.error_code))?;
    let mut results: HashMap<String, create_topics::CreatableTopicResult> =
        response.topics.into_iter().map(|result| (result.name.clone(), result)).collect();
    Ok(topics.iter().map(|topic| (topic.name.clone(), created(results.remove(&topic.name)))).collect())
}

fn creatable(topic: &NewTopic) -> create_topics::CreatableTopic {
    let assigned = topic.assignments.is_some();
    let assignments = topic.assignments.iter().flatten();
    create_topics::CreatableTopic {
        name: topic.name.clone(),
        num_partitions: if assigned { -1 } else { topic.partitions.unwrap_or(-1) },
        replication_factor: if assigned { -1 } else { topic.replication_factor.unwrap_or(-1) },
        assignments: assignments
            .map(|(&partition_index, brokers)| create_topics::CreatableReplicaAssignment {
                partition_index,
                broker_ids: brokers.iter().map(|broker| broker.0).collect(),
            })
            .collect(),
        configs: topic
            .configs
            .iter()
            .map(|(name, value)| create_topics::CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) })
            .collect(),
    }
}

fn created(result: Option<create_topics::CreatableTopicResult>) -> Result<CreatedTopic, Error> {
    let result = result.ok_or_else(left_out)?;
    Error::check_with(result.error_code, result.error_message.as_deref())?;
    Ok(CreatedTopic {
        id: result.topic_id,
        partitions: (result.num_partitions >= 0).then_some(result.num_partitions),
        replication_factor: (result.replication_factor >= 0).then_some(result.replication_factor),
    })
}

/// The answer does not speak of something that was asked for.
pub(super) fn left_out() -> Error {
    ConnectionError::Protocol { reason: "the answer leaves out what was asked for".to_owned() }.into()
}

async fn try_delete(call: &mut Call<'_>, names: &[String]) -> Result<Outcomes<()>, Error> {
    let connection = call.connection(Target::Controller).await?;
    let version = delete_topics::Version(connection.version::<delete_topics::DeleteTopics>()?);
    let mut request = delete_topics::Request { timeout_ms: call.remaining_ms(), ..delete_topics::Request::default() };
    if version.uses_topic_states() {
        let state = |name: &String| delete_topics::DeleteTopicState { name: Some(name.clone()), topic_id: Uuid::ZERO };
        request.topics = names.iter().map(state).collect();
    } else {
        request.topic_names = names.to_vec();
    }
    let response = call.send::<delete_topics::DeleteTopics>(&connection, &request).await?;
    unless_not_controller(response.responses.iter().map(|topic| &topic.error_code))?;
    let results: HashMap<_, _> = response
        .responses
        .into_iter()
        .map(|result| (result.name, Error::check_with(result.error_code, result.error_message.as_deref())))
        .collect();
    let outcome = |name: &String| results.get(&Some(name.clone())).cloned().unwrap_or_else(|| Err(left_out()));
    Ok(names.iter().map(|name| (name.clone(), outcome(name))).collect())
}

/// Asks for topics, all if none are named. Not [`Cluster::refresh`](crate::Cluster::refresh): what a tool asks for is
/// an answer, not the client's own knowledge, and errors in it are the tool's to tell.
pub(super) async fn try_metadata(call: &mut Call<'_>, topics: Option<TopicSelection<'_>>) -> Result<Metadata, Error> {
    let connection = call.connection(Target::Any).await?;
    let version = metadata::Version(connection.version::<metadata::Metadata>()?);
    if matches!(topics, Some(TopicSelection::Ids(_))) && !version.allows_topic_ids() {
        return Err(ConnectionError::Unencodable {
            api: kafka_wire::ApiKey::Metadata,
            reason: "this broker does not know topics by their ids".to_owned(),
        }
        .into());
    }
    let by_name = |name: &String| metadata::MetadataRequestTopic {
        name: Some(name.clone()),
        ..metadata::MetadataRequestTopic::default()
    };
    let by_id = |id: &Uuid| metadata::MetadataRequestTopic { topic_id: *id, name: None };
    let request = metadata::Request {
        topics: match topics {
            None => version.all_topics(),
            Some(TopicSelection::Names(names)) => Some(names.iter().map(by_name).collect()),
            Some(TopicSelection::Ids(ids)) => Some(ids.iter().map(by_id).collect()),
        },
        allow_auto_topic_creation: !version.may_forbid_auto_creation(),
        ..metadata::Request::default()
    };
    let mut response = call.send::<metadata::Metadata>(&connection, &request).await?;
    for topic in &mut response.topics {
        // A topic that is not there has no name, only the id that was asked for.
        topic.name.get_or_insert_with(|| topic.topic_id.to_string());
    }
    Ok(Metadata::default().updated(&response, true))
}

fn described(topics: TopicSelection<'_>, found: &Metadata) -> Outcomes<TopicInfo> {
    let outcome = |name: String, topic: Option<&TopicInfo>| {
        let result = match topic {
            None => Err(Error::Broker { code: ErrorCode::UnknownTopicOrPartition, message: None }),
            Some(topic) => Error::check(topic.error.code()).map(|()| topic.clone()),
        };
        (name, result)
    };
    match topics {
        TopicSelection::Names(names) => {
            names.iter().map(|name| outcome(name.clone(), found.topics.get(name.as_str()).map(AsRef::as_ref))).collect()
        }
        TopicSelection::Ids(ids) => ids
            .iter()
            .map(|id| outcome(id.to_string(), found.topics.values().find(|topic| topic.id == *id).map(AsRef::as_ref)))
            .collect(),
    }
}
