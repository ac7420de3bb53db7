//! DeleteTopics: sent to the controller; the reply waits until the topics are gone from the metadata.

use std::collections::HashMap;
use std::time::Duration;

use kafka_security::Operation;
use kafka_types::{ErrorCode, TopicName, Uuid};
use kafka_wire::delete_topics::{self as wire, DeletableTopicResult};

use super::Context;

/// One entry of the request: whom it means, or why nobody.
struct Asked {
    name: Option<String>,
    id: Uuid,
    topic: Result<TopicName, ErrorCode>,
}

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let states: Vec<(Option<&str>, Uuid)> = request.states().collect();
    if states.iter().any(|(name, id)| name.is_some() && *id != Uuid::ZERO) {
        // Name and id together are a mistake of the whole request.
        let refused = states.into_iter().map(|(name, id)| {
            let code = ErrorCode::InvalidRequest;
            result(Asked { name: name.map(str::to_owned), id, topic: Err(code) }, code)
        });
        return wire::Response { throttle_time_ms: 0, responses: refused.collect() };
    }
    // All are found before the first is deleted, so that entries for one topic have one fate.
    let asked: Vec<Asked> = states.into_iter().map(|(name, id)| find(context, name, id)).collect();
    let deadline = context.broker.clock.tick().after(request.timeout_ms.max(0) as u64);
    let mut outcomes: HashMap<TopicName, ErrorCode> = HashMap::new();
    let mut responses = Vec::with_capacity(asked.len());
    for one in asked {
        let code = match &one.topic {
            Err(code) => *code,
            Ok(topic) => {
                if !outcomes.contains_key(topic) {
                    let left: Duration = context.broker.clock.until(deadline);
                    let code = delete(context, topic, left, request.timeout_ms).await;
                    outcomes.insert(topic.clone(), code);
                }
                outcomes[topic]
            }
        };
        responses.push(result(one, code));
    }
    wire::Response { throttle_time_ms: 0, responses }
}

async fn delete(context: &Context, topic: &TopicName, left: Duration, timeout_ms: i32) -> ErrorCode {
    let partitions = context.broker.metadata.image().topic(topic).map_or(0, |topic| topic.partitions.len());
    let knows_error = wire::Version(context.version).knows_throttling_quota_exceeded();
    if let Err(code) = context.mutate(partitions, knows_error) {
        return code;
    }
    match context.broker.topics().delete(topic, left).await {
        // Whoever does not wait is not told of an end.
        Ok(()) if timeout_ms <= 0 => ErrorCode::RequestTimedOut,
        Ok(()) => ErrorCode::None,
        Err(error) => error.code,
    }
}

/// Apache's broker says codes only, no texts.
fn result(asked: Asked, code: ErrorCode) -> DeletableTopicResult {
    let name = asked.name.or_else(|| asked.topic.ok().map(|topic| topic.to_string()));
    DeletableTopicResult { name, topic_id: asked.id, error_code: code.code(), error_message: None }
}

fn find(context: &Context, name: Option<&str>, id: Uuid) -> Asked {
    let mut asked = Asked { name: name.map(str::to_owned), id, topic: look_up(context, name, id) };
    if name.is_none() && asked.topic == Err(ErrorCode::TopicAuthorizationFailed) {
        // Whoever may know of the topic is told its name all the same; ids are no secret.
        let image = context.broker.metadata.image();
        let known = image.topic_by_id(id).map(|topic| topic.name.to_string());
        asked.name = known.filter(|name| context.may_on_topic(Operation::Describe, name));
    }
    asked
}

fn look_up(context: &Context, name: Option<&str>, id: Uuid) -> Result<TopicName, ErrorCode> {
    let broker = &context.broker;
    if !broker.is_controller() {
        return Err(ErrorCode::NotController);
    }
    if !broker.config.delete_topics() {
        let knows = wire::Version(context.version).knows_topic_deletion_disabled();
        return Err(if knows { ErrorCode::TopicDeletionDisabled } else { ErrorCode::InvalidRequest });
    }
    let image = broker.metadata.image();
    let (found, otherwise) = match name {
        Some(name) => (image.topic(name), ErrorCode::UnknownTopicOrPartition),
        None => (image.topic_by_id(id), ErrorCode::UnknownTopicId),
    };
    if let Some(name) = name.or(found.map(|topic| &*topic.name))
        && !context.may_on_topic(Operation::Delete, name)
    {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    found.map(|topic| topic.name.clone()).ok_or(otherwise)
}
