//! ElectLeaders: preferred or unclean leaders now; the reply waits until they are known here.

use std::time::Duration;

use kafka_controller::{Answer, ElectedPartition, ElectionType, Event};
use kafka_metadata::MetadataImage;
use kafka_security::Operation;
use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use kafka_wire::elect_leaders::{self as wire, PartitionResult, ReplicaElectionResult};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let broker = &context.broker;
    let deadline = broker.clock.tick().after(request.timeout_ms.max(0) as u64);
    let asked: Option<Vec<TopicPartition>> = request.topic_partitions.as_ref().map(|topics| {
        let of = |topic: &wire::TopicPartitions| {
            let name: kafka_types::TopicName = topic.topic.as_str().into();
            topic.partitions.iter().map(move |index| TopicPartition::new(name.clone(), *index)).collect::<Vec<_>>()
        };
        let mut asked: Vec<TopicPartition> = topics.iter().flat_map(of).collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    });
    if !context.may_on_cluster(Operation::Alter) {
        return refused(asked, ErrorCode::ClusterAuthorizationFailed, None);
    }
    let election = match request.election_type {
        0 => ElectionType::Preferred,
        1 => ElectionType::Unclean,
        _ => return refused(asked, ErrorCode::UnknownServerError, None),
    };
    let partitions = asked.clone();
    let answer = broker.controller.ask(move |token| Event::ElectLeaders { token, election, partitions }).await;
    let elected = match answer {
        Ok(Answer::ElectLeaders(Ok(elected))) => elected,
        Ok(Answer::ElectLeaders(Err(code))) | Err(code) => {
            return refused(asked, code, Some(code.message()));
        }
        Ok(_) => return refused(asked, ErrorCode::UnknownServerError, None),
    };
    let elected = wait(context, election, elected, broker.clock.until(deadline)).await;
    wire::Response { throttle_time_ms: 0, error_code: 0, replica_election_results: by_topic(elected) }
}

/// Whoever is told of a new leader shall find it here.
async fn wait(
    context: &Context,
    election: ElectionType,
    mut elected: Vec<ElectedPartition>,
    at_most: Duration,
) -> Vec<ElectedPartition> {
    let changed: Vec<TopicPartition> =
        elected.iter().filter(|one| one.error == ErrorCode::None).map(|one| one.partition.clone()).collect();
    let is_known = |image: &MetadataImage, one: &TopicPartition| {
        image.partition(&one.topic, one.partition).is_none_or(|known| match election {
            ElectionType::Preferred => known.replicas.first() == Some(&known.leader),
            ElectionType::Unclean => known.leader >= BrokerId(0),
        })
    };
    let ready = |image: &MetadataImage| changed.iter().all(|one| is_known(image, one));
    if !changed.is_empty() && !context.broker.metadata.wait_for(at_most, ready).await {
        let image = context.broker.metadata.image();
        for one in elected.iter_mut().filter(|one| one.error == ErrorCode::None) {
            if !is_known(&image, &one.partition) {
                one.error = ErrorCode::RequestTimedOut;
                one.message = Some("The request timed out.".to_owned());
            }
        }
    }
    elected
}

fn by_topic(elected: Vec<ElectedPartition>) -> Vec<ReplicaElectionResult> {
    let mut topics: Vec<ReplicaElectionResult> = Vec::new();
    for one in elected {
        let result = PartitionResult {
            partition_id: one.partition.partition,
            error_code: one.error.code(),
            error_message: one.message,
        };
        match topics.iter_mut().find(|topic| *topic.topic == *one.partition.topic) {
            Some(topic) => topic.partition_result.push(result),
            None => topics
                .push(ReplicaElectionResult { topic: one.partition.topic.to_string(), partition_result: vec![result] }),
        }
    }
    topics
}

fn refused(asked: Option<Vec<TopicPartition>>, error: ErrorCode, message: Option<&str>) -> wire::Response {
    let refuse = |partition| ElectedPartition { partition, error, message: message.map(str::to_owned) };
    let elected = asked.unwrap_or_default().into_iter().map(refuse).collect();
    wire::Response { throttle_time_ms: 0, error_code: error.code(), replica_election_results: by_topic(elected) }
}
