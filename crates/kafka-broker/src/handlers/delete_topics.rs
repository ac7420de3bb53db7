//! DeleteTopics: sent to the controller; the reply waits until the topics are gone from the metadata.

use std::time::Duration;

use kafka_types::{ErrorCode, TopicName, Uuid};
use kafka_wire::delete_topics::{self as wire, DeletableTopicResult};

use super::Context;
use crate::topics::TopicError;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let deadline = context.broker.clock.tick().after(request.timeout_ms.max(0) as u64);
    let mut responses = Vec::new();
    for (name, id) in request.states() {
        let outcome = match find(context, name, id) {
            Ok(name) => {
                let left: Duration = context.broker.clock.until(deadline);
                context.broker.topics().delete(&name, left).await
            }
            Err(error) => Err(error),
        };
        let name = name
            .map(str::to_owned)
            .or_else(|| context.broker.metadata.image().topic_by_id(id).map(|topic| topic.name.to_string()));
        let (error_code, error_message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(error) => (error.code, Some(error.message)),
        };
        responses.push(DeletableTopicResult { name, topic_id: id, error_code: error_code.code(), error_message });
    }
    wire::Response { throttle_time_ms: 0, responses }
}

fn find(context: &Context, name: Option<&str>, id: Uuid) -> Result<TopicName, TopicError> {
    let broker = &context.broker;
    let code = |code: ErrorCode| TopicError::new(code, code.message());
    if !broker.is_controller() {
        return Err(code(ErrorCode::NotController));
    }
    if !broker.config.delete_topics() {
        let knows = wire::Version(context.version).knows_topic_deletion_disabled();
        return Err(code(if knows { ErrorCode::TopicDeletionDisabled } else { ErrorCode::InvalidRequest }));
    }
    let image = broker.metadata.image();
    match name {
        Some(name) => {
            image.topic(name).map(|topic| topic.name.clone()).ok_or_else(|| code(ErrorCode::UnknownTopicOrPartition))
        }
        None => image.topic_by_id(id).map(|topic| topic.name.clone()).ok_or_else(|| code(ErrorCode::UnknownTopicId)),
    }
}
