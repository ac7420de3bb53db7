//! DescribeProducers: whom a partition remembers, and which transactions are open in it.

use kafka_metadata::topic_name;
use kafka_security::Operation;
use kafka_types::{ErrorCode, TopicName, TopicPartition};
use kafka_wire::describe_producers::{self as wire, PartitionResponse, ProducerState, TopicResponse};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name: TopicName = topic.name.as_str().into();
        let refused = refuse(context, &name);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let mut answer = PartitionResponse { partition_index: index, ..PartitionResponse::default() };
            match &refused {
                Some((error, message)) => {
                    (answer.error_code, answer.error_message) = (error.code(), Some(message.clone()));
                }
                None => match describe(context, TopicPartition::new(name.clone(), index)).await {
                    Ok(producers) => answer.active_producers = producers,
                    Err(error) => answer.error_code = error.code(),
                },
            }
            partitions.push(answer);
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    wire::Response { throttle_time_ms: 0, topics }
}

/// Why nothing of the topic can be described.
fn refuse(context: &Context, name: &str) -> Option<(ErrorCode, String)> {
    if !context.may_on_topic(Operation::Read, name) {
        let error = ErrorCode::TopicAuthorizationFailed;
        return Some((error, error.message().to_owned()));
    }
    if let Err(error) = topic_name::validate(name) {
        return Some((ErrorCode::InvalidTopicException, error.to_string()));
    }
    let unknown = ErrorCode::UnknownTopicOrPartition;
    context.broker.metadata.image().topic(name).is_none().then(|| (unknown, unknown.message().to_owned()))
}

/// A follower remembers producers as well, so it is not asked whether this broker leads.
async fn describe(context: &Context, topic_partition: TopicPartition) -> Result<Vec<ProducerState>, ErrorCode> {
    let broker = &context.broker;
    let is_known = broker.metadata.image().partition(&topic_partition.topic, topic_partition.partition).is_some();
    let absent = if is_known { ErrorCode::NotLeaderOrFollower } else { ErrorCode::UnknownTopicOrPartition };
    let owner = broker.shards.owner(&topic_partition);
    let visit = broker.shards.on(owner, move |owned| {
        let partition = owned.partitions.get(&topic_partition).ok_or(absent)?;
        if partition.has_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        let state = |producer: kafka_log::ActiveProducer| ProducerState {
            producer_id: producer.producer_id.0,
            producer_epoch: i32::from(producer.producer_epoch.0),
            last_sequence: producer.last_sequence,
            last_timestamp: producer.last_timestamp.0,
            coordinator_epoch: producer.coordinator_epoch,
            current_txn_start_offset: producer.transaction_start.map_or(-1, |offset| offset.0),
        };
        Ok(partition.log.active_producers().map(state).collect())
    });
    visit.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
}
