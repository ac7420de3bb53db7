//! ListPartitionReassignments: which partitions are being moved, as the controller knows it.

use std::collections::{BTreeMap, BTreeSet};

use kafka_controller::{Answer, Event};
use kafka_security::Operation;
use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use kafka_wire::list_partition_reassignments::{self as wire, OngoingPartitionReassignment, OngoingTopicReassignment};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::Describe) {
        return unauthorized(context, request);
    }
    let partitions = request.topics.map(|topics| {
        let of = |topic: wire::ListPartitionReassignmentsTopics| {
            let name: kafka_types::TopicName = topic.name.as_str().into();
            topic.partition_indexes.into_iter().map(move |index| TopicPartition::new(name.clone(), index))
        };
        topics.into_iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
    });
    let answer = context.broker.controller.ask(move |token| Event::ListReassignments { token, partitions }).await;
    let moving = match answer {
        Ok(Answer::ListReassignments(Ok(moving))) => moving,
        Ok(Answer::ListReassignments(Err(code))) | Err(code) => return refused(code),
        Ok(_) => return refused(ErrorCode::UnknownServerError),
    };
    let raw = |ids: Vec<BrokerId>| ids.into_iter().map(|id| id.0).collect();
    let mut topics: BTreeMap<String, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
    for (partition, assignment) in moving {
        topics.entry(partition.topic.to_string()).or_default().push(OngoingPartitionReassignment {
            partition_index: partition.partition,
            replicas: raw(assignment.replicas),
            adding_replicas: raw(assignment.adding),
            removing_replicas: raw(assignment.removing),
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| OngoingTopicReassignment { name, partitions }).collect();
    wire::Response { topics, ..Default::default() }
}

fn refused(code: ErrorCode) -> wire::Response {
    let error_message = Some(code.message().to_owned());
    wire::Response { error_code: code.code(), error_message, ..Default::default() }
}

fn unauthorized(context: &Context, request: wire::Request) -> wire::Response {
    let one = |index| OngoingPartitionReassignment { partition_index: index, ..Default::default() };
    let of_topic = |topic: wire::ListPartitionReassignmentsTopics| OngoingTopicReassignment {
        name: topic.name,
        partitions: topic.partition_indexes.into_iter().map(one).collect(),
    };
    let topics = request.topics.unwrap_or_default().into_iter().map(of_topic).collect();
    let error_message = Some(context.not_authorized());
    wire::Response { topics, error_message, ..refused(ErrorCode::ClusterAuthorizationFailed) }
}
