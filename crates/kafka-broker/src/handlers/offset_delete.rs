//! OffsetDelete: forget how far a group has read some partitions (KIP-496).

use kafka_group_coordinator::{Reply, Request};
use kafka_security::Operation;
use kafka_types::{ErrorCode, TopicPartition};
use kafka_wire::offset_delete::{self as wire, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_group(Operation::Delete, &request.group_id) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    let image = context.broker.metadata.image();
    let (mut answers, mut partitions) = (Vec::new(), Vec::new());
    for topic in &request.topics {
        let allowed = context.may_on_topic(Operation::Read, &topic.name);
        for partition in &topic.partitions {
            let one = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            if !allowed {
                answers.push((one, ErrorCode::TopicAuthorizationFailed));
            } else if image.partition(&topic.name, partition.partition_index).is_none() {
                answers.push((one, ErrorCode::UnknownTopicOrPartition));
            } else {
                partitions.push(one);
            }
        }
    }
    let asked = Request::DeleteOffsets { group_id: request.group_id.clone(), partitions };
    match context.broker.ask_group(&request.group_id, asked).await {
        Ok(Reply::DeleteOffsets(reply)) if reply.error.is_error() => refused(reply.error),
        Ok(Reply::DeleteOffsets(reply)) => {
            answers.extend(reply.partitions);
            respond(answers)
        }
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

/// An error of the group leaves no word about partitions.
fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), ..Default::default() }
}

fn respond(answers: Vec<(TopicPartition, ErrorCode)>) -> wire::Response {
    let mut topics: Vec<OffsetDeleteResponseTopic> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (one, error) in answers {
        let place = *places.entry(one.topic.clone()).or_insert_with(|| {
            topics.push(OffsetDeleteResponseTopic { name: one.topic.to_string(), partitions: Vec::new() });
            topics.len() - 1
        });
        let partition = OffsetDeleteResponsePartition { partition_index: one.partition, error_code: error.code() };
        topics[place].partitions.push(partition);
    }
    wire::Response { topics, ..Default::default() }
}
