//! CreatePartitions: sent to the controller; the reply waits until the new partitions have leaders.

use std::collections::HashMap;

use kafka_security::Operation;
use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::create_partitions::{self as wire, CreatePartitionsTopicResult};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let broker = &context.broker;
    let deadline = broker.clock.tick().after(request.timeout_ms.max(0) as u64);
    let mut results = Vec::with_capacity(request.topics.len());
    let mut times: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.clone()).or_default() += 1;
    }
    for topic in request.topics {
        let Some(times) = times.remove(&topic.name) else { continue };
        let mut result = CreatePartitionsTopicResult { name: topic.name.clone(), ..Default::default() };
        if !broker.is_controller() {
            result.error_code = ErrorCode::NotController.code();
            results.push(result);
            continue;
        }
        if times > 1 {
            result.error_code = ErrorCode::InvalidRequest.code();
            result.error_message = Some("Duplicate topic in request.".to_owned());
            results.push(result);
            continue;
        }
        if !context.may_on_topic(Operation::Alter, &topic.name) {
            result.error_code = ErrorCode::TopicAuthorizationFailed.code();
            result.error_message = Some("The topic authorization is failed.".to_owned());
            results.push(result);
            continue;
        }
        let assignment = topic.assignments.map(|assignments| {
            let ids = |one: wire::CreatePartitionsAssignment| one.broker_ids.into_iter().map(BrokerId).collect();
            assignments.into_iter().map(ids).collect()
        });
        let there = broker.metadata.image().topic(&topic.name).map_or(0, |topic| topic.partitions.len());
        let added = usize::try_from(topic.count).unwrap_or(0).saturating_sub(there);
        let knows_error = wire::Version(context.version).knows_throttling_quota_exceeded();
        if !request.validate_only
            && let Err(code) = context.mutate(added, knows_error)
        {
            result.error_code = code.code();
            result.error_message = Some(code.message().to_owned());
            results.push(result);
            continue;
        }
        match broker.topics().grow(&topic.name, topic.count, assignment, request.validate_only).await {
            Ok(total) if !request.validate_only => {
                let left = broker.clock.until(deadline);
                if !broker.topics().wait_for_leaders(&topic.name, total, left).await {
                    result.error_code = ErrorCode::RequestTimedOut.code();
                }
            }
            Ok(_) => {}
            Err(error) => {
                result.error_code = error.code.code();
                result.error_message = Some(error.message);
            }
        }
        results.push(result);
    }
    wire::Response { throttle_time_ms: 0, results }
}
