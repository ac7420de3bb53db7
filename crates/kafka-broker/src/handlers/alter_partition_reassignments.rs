//! AlterPartitionReassignments: sent to the controller; the reply comes when the moves have begun.

use std::collections::BTreeMap;

use kafka_controller::{Answer, Event, ReassignedPartition};
use kafka_security::Operation;
use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use kafka_wire::alter_partition_reassignments::{
    self as wire, ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::Alter) {
        return unauthorized(context, request);
    }
    // Of a partition that is named twice the last wish counts.
    let mut moves: BTreeMap<TopicPartition, Option<Vec<BrokerId>>> = BTreeMap::new();
    for topic in request.topics {
        let name: kafka_types::TopicName = topic.name.as_str().into();
        for partition in topic.partitions {
            let replicas = partition.replicas.map(|ids| ids.into_iter().map(BrokerId).collect());
            moves.insert(TopicPartition::new(name.clone(), partition.partition_index), replicas);
        }
    }
    let moves = moves.into_iter().collect();
    match context.broker.controller.ask(move |token| Event::AlterReassignments { token, moves }).await {
        Ok(Answer::AlterReassignments(Ok(outcomes))) => {
            wire::Response { responses: by_topic(outcomes), ..Default::default() }
        }
        Ok(Answer::AlterReassignments(Err(code))) | Err(code) => refused(code),
        Ok(_) => refused(ErrorCode::UnknownServerError),
    }
}

fn by_topic(outcomes: Vec<ReassignedPartition>) -> Vec<ReassignableTopicResponse> {
    let mut topics: BTreeMap<String, Vec<ReassignablePartitionResponse>> = BTreeMap::new();
    for one in outcomes {
        topics.entry(one.partition.topic.to_string()).or_default().push(ReassignablePartitionResponse {
            partition_index: one.partition.partition,
            error_code: one.error.code(),
            error_message: one.message,
        });
    }
    topics.into_iter().map(|(name, partitions)| ReassignableTopicResponse { name, partitions }).collect()
}

fn refused(code: ErrorCode) -> wire::Response {
    let error_message = Some(code.message().to_owned());
    wire::Response { error_code: code.code(), error_message, ..Default::default() }
}

fn unauthorized(context: &Context, request: wire::Request) -> wire::Response {
    let code = ErrorCode::ClusterAuthorizationFailed;
    let mut response = wire::Response { error_message: Some(context.not_authorized()), ..refused(code) };
    let one = |partition: wire::ReassignablePartition| ReassignablePartitionResponse {
        partition_index: partition.partition_index,
        error_code: code.code(),
        error_message: response.error_message.clone(),
    };
    let of_topic = |topic: wire::ReassignableTopic| ReassignableTopicResponse {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(one).collect(),
    };
    response.responses = request.topics.into_iter().map(of_topic).collect();
    response
}
