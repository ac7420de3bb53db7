//! CreateTopics: sent to the controller; the reply waits until the new topics have leaders.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka_security::{Operation, ResourceType};
use kafka_types::{BrokerId, ErrorCode, Uuid};
use kafka_wire::create_topics::{self as wire, CreatableTopic, CreatableTopicConfigs, CreatableTopicResult};

use super::Context;
use crate::topics::{NewTopic, PlannedTopic, TopicError};

/// How long a controller that has just begun may take to see its own broker.
const BEGINNING: Duration = Duration::from_secs(5);

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let patience = Duration::from_millis(request.timeout_ms.max(0) as u64);
    if !context.broker.controls(patience.min(BEGINNING)).await {
        let topics = request.topics.iter().map(|topic| {
            refused(&topic.name, &TopicError::new(ErrorCode::NotController, ErrorCode::NotController.message()))
        });
        return wire::Response { throttle_time_ms: 0, topics: topics.collect() };
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for topic in &request.topics {
        *seen.entry(&topic.name).or_default() += 1;
    }
    let may_create_all = context.may_on_cluster_quietly(Operation::Create);
    let mut results = Vec::with_capacity(request.topics.len());
    let mut created = Vec::new();
    for topic in &request.topics {
        let outcome = if seen[topic.name.as_str()] > 1 {
            Err(TopicError::new(ErrorCode::InvalidRequest, "Found multiple entries for this topic."))
        } else if !may_create_all && !context.may_on_topic(Operation::Create, &topic.name) {
            Err(TopicError::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed."))
        } else {
            create(context, topic, request.validate_only).await
        };
        results.push(match outcome {
            Ok(planned) => {
                let mut result = described(context, &planned);
                if request.validate_only {
                    // Nothing has this id.
                    result.topic_id = Uuid::ZERO;
                }
                created.push((results.len(), planned));
                result
            }
            Err(error) => {
                let mut result = refused(&topic.name, &error);
                if !context.may_quietly(Operation::DescribeConfigs, ResourceType::Topic, &topic.name) {
                    result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
                }
                result
            }
        });
    }
    if !request.validate_only {
        wait(context, &created, request.timeout_ms, &mut results).await;
    }
    wire::Response { throttle_time_ms: 0, topics: results }
}

async fn create(context: &Context, topic: &CreatableTopic, validate_only: bool) -> Result<PlannedTopic, TopicError> {
    let wish = wish(topic)?;
    let planned = context.broker.topics().plan(wish).await?;
    if !validate_only {
        let knows_error = wire::Version(context.version).knows_throttling_quota_exceeded();
        context.mutate(planned.replicas.len(), knows_error).map_err(|code| TopicError::new(code, code.message()))?;
        context.broker.topics().create(&planned).await?;
    }
    Ok(planned)
}

fn wish(topic: &CreatableTopic) -> Result<NewTopic, TopicError> {
    let manual = !topic.assignments.is_empty();
    if manual && (topic.num_partitions != -1 || topic.replication_factor != -1) {
        return Err(TopicError::new(
            ErrorCode::InvalidRequest,
            "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.",
        ));
    }
    // Old versions do not promise it, but Apache's broker takes -1 as its default in each of them.
    let size = |asked: i32| (asked != -1).then_some(asked);
    let mut settings = BTreeMap::new();
    for setting in &topic.configs {
        let Some(value) = &setting.value else {
            let message = format!("Null value not supported for topic configs: {}", setting.name);
            return Err(TopicError::new(ErrorCode::InvalidConfig, message));
        };
        settings.insert(setting.name.clone(), value.clone());
    }
    let assignment = topic
        .assignments
        .iter()
        .map(|partition| (partition.partition_index, partition.broker_ids.iter().copied().map(BrokerId).collect()));
    Ok(NewTopic {
        name: topic.name.clone(),
        partitions: size(topic.num_partitions),
        replication_factor: size(i32::from(topic.replication_factor)),
        assignment: assignment.collect(),
        settings,
    })
}

async fn wait(
    context: &Context,
    created: &[(usize, PlannedTopic)],
    timeout_ms: i32,
    results: &mut [CreatableTopicResult],
) {
    let deadline = context.broker.clock.tick().after(timeout_ms.max(0) as u64);
    for (at, planned) in created {
        let left: Duration = context.broker.clock.until(deadline);
        if timeout_ms <= 0
            || !context.broker.topics().wait_for_leaders(&planned.name, planned.replicas.len(), left).await
        {
            // It is there, and may have leaders at any time; sizes and settings are told of what is ready only.
            results[*at] = CreatableTopicResult {
                name: planned.name.clone(),
                topic_id: planned.id,
                error_code: ErrorCode::RequestTimedOut.code(),
                error_message: None,
                configs: Some(Vec::new()),
                ..Default::default()
            };
        }
    }
}

fn described(context: &Context, planned: &PlannedTopic) -> CreatableTopicResult {
    if !context.may_quietly(Operation::DescribeConfigs, ResourceType::Topic, &planned.name) {
        return CreatableTopicResult {
            name: planned.name.clone(),
            topic_id: planned.id,
            error_message: None,
            topic_config_error_code: ErrorCode::TopicAuthorizationFailed.code(),
            configs: Some(Vec::new()),
            ..Default::default()
        };
    }
    let broker = context.broker.config.broker();
    let configs = kafka_metadata::topic_config::resolve(&broker.topic_defaults(), &planned.settings)
        .map(|values| broker.describe_topic(&values, &planned.settings))
        .unwrap_or_default();
    CreatableTopicResult {
        name: planned.name.clone(),
        topic_id: planned.id,
        error_message: None,
        num_partitions: planned.replicas.len() as i32,
        replication_factor: planned.replicas.values().next().map_or(0, Vec::len) as i16,
        configs: Some(
            configs
                .into_iter()
                .map(|entry| CreatableTopicConfigs {
                    name: entry.name,
                    value: entry.value,
                    read_only: entry.read_only,
                    config_source: entry.source as i8,
                    is_sensitive: entry.sensitive,
                })
                .collect(),
        ),
        ..Default::default()
    }
}

fn refused(name: &str, error: &TopicError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        error_code: error.code.code(),
        error_message: Some(error.message.clone()),
        configs: Some(Vec::new()),
        ..Default::default()
    }
}
