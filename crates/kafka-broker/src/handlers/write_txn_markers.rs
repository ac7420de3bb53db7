//! WriteTxnMarkers: a coordinator ends transactions in partitions of this broker, or an administrator one that hangs.

use kafka_record::control::EndTxnMarker;
use kafka_security::Operation;
use kafka_types::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use kafka_wire::write_txn_markers::{
    self as wire, WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
};

use super::Context;
use crate::transactions::markers;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let broker = &context.broker;
    if !context.may_on_cluster_quietly(Operation::Alter) && !context.may_on_cluster(Operation::ClusterAction) {
        let refuse = |marker: WritableTxnMarker| {
            let errors = vec![ErrorCode::ClusterAuthorizationFailed; partitions(&marker).len()];
            result(marker, errors)
        };
        return wire::Response { markers: request.markers.into_iter().map(refuse).collect() };
    }
    if request.markers.iter().any(|marker| is_of_nobody(context, marker)) {
        let refuse = |marker: WritableTxnMarker| {
            let errors = vec![ErrorCode::UnknownServerError; partitions(&marker).len()];
            result(marker, errors)
        };
        return wire::Response { markers: request.markers.into_iter().map(refuse).collect() };
    }
    let deadline = broker.clock.tick().after(broker.config.positive("request.timeout.ms"));
    let mut results = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        let partitions = partitions(&marker);
        let end = EndTxnMarker { commit: marker.transaction_result, coordinator_epoch: marker.coordinator_epoch };
        let producer = (ProducerId(marker.producer_id), ProducerEpoch(marker.producer_epoch));
        let mut errors = markers::write_here(broker, end, producer, &partitions, deadline).await;
        let image = broker.metadata.image();
        for (partition, error) in partitions.iter().zip(&mut errors) {
            if *error == ErrorCode::NotLeaderOrFollower
                && image.partition(&partition.topic, partition.partition).is_none()
            {
                *error = ErrorCode::UnknownTopicOrPartition;
            }
        }
        results.push(result(marker, errors));
    }
    wire::Response { markers: results }
}

/// A log must not have a marker of a producer that cannot be; Kafka answers such a request as its own failure, if there
/// is a partition for which it would make one.
fn is_of_nobody(context: &Context, marker: &WritableTxnMarker) -> bool {
    let image = context.broker.metadata.image();
    (marker.producer_id < 0 || marker.producer_epoch < 0)
        && partitions(marker).iter().any(|one| image.partition(&one.topic, one.partition).is_some())
}

fn partitions(marker: &WritableTxnMarker) -> Vec<TopicPartition> {
    let topics = marker.topics.iter();
    topics
        .flat_map(|topic| topic.partition_indexes.iter().map(|index| TopicPartition::new(topic.name.as_str(), *index)))
        .collect()
}

fn result(marker: WritableTxnMarker, errors: Vec<ErrorCode>) -> WritableTxnMarkerResult {
    let mut errors = errors.into_iter();
    let topics = marker.topics.into_iter().map(|topic| WritableTxnMarkerTopicResult {
        partitions: topic
            .partition_indexes
            .into_iter()
            .zip(&mut errors)
            .map(|(partition_index, error)| WritableTxnMarkerPartitionResult {
                partition_index,
                error_code: error.code(),
            })
            .collect(),
        name: topic.name,
    });
    WritableTxnMarkerResult { producer_id: marker.producer_id, topics: topics.collect() }
}
