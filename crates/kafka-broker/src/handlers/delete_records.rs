//! DeleteRecords: the records below an offset are not to be seen any more, now and after a restart.

use std::time::Duration;

use kafka_metadata::topic_name;
use kafka_security::Operation;
use kafka_types::{ErrorCode, Offset, TopicName, TopicPartition};
use kafka_wire::delete_records::{self as wire, DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use time_types::Tick;

use super::Context;
use super::twins::last_of_each;
use crate::broker::Broker;
use crate::waiters::Waiter;

/// What the answer says where there is nothing to say.
const NO_LOW_WATERMARK: i64 = -1;

/// One partition of the request.
struct Part {
    topic: usize,
    topic_partition: TopicPartition,
    /// Up to where records are deleted, and the lowest log start of the living replicas.
    outcome: Result<Deleted, ErrorCode>,
}

#[derive(Clone, Copy)]
struct Deleted {
    below: Offset,
    low_watermark: Offset,
}

pub(crate) async fn handle(context: &Context, mut request: wire::Request) -> wire::Response {
    request.topics = last_of_each(request.topics);
    let broker = &context.broker;
    let deadline = broker.clock.tick().after(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut parts = Vec::new();
    for (topic, asked) in request.topics.iter().enumerate() {
        let name: TopicName = asked.name.as_str().into();
        let allowed = context.may_on_topic(Operation::Delete, &name);
        for partition in &asked.partitions {
            let topic_partition = TopicPartition::new(name.clone(), partition.partition_index);
            let outcome = if allowed {
                delete(broker, &topic_partition, Offset(partition.offset)).await
            } else {
                Err(ErrorCode::TopicAuthorizationFailed)
            };
            parts.push(Part { topic, topic_partition, outcome });
        }
    }
    // What is answered must not come back after a crash; a broker that writes nothing in time did not delete.
    let is_kept = parts.iter().all(|part| part.outcome.is_err())
        || broker.checkpoint_orders.written(broker.clock.until(deadline).max(Duration::from_secs(1))).await;
    let mut topics: Vec<DeleteRecordsTopicResult> = request
        .topics
        .into_iter()
        .map(|topic| DeleteRecordsTopicResult { name: topic.name, partitions: Vec::new() })
        .collect();
    for part in parts {
        let (low_watermark, error) = match part.outcome {
            Ok(deleted) if !is_kept => (deleted.low_watermark.0, ErrorCode::RequestTimedOut),
            Ok(deleted) => match everywhere(broker, &part.topic_partition, deleted, deadline).await {
                Ok(low_watermark) => (low_watermark.0, ErrorCode::None),
                Err(error) => (deleted.low_watermark.0, error),
            },
            Err(error) => (NO_LOW_WATERMARK, error),
        };
        topics[part.topic].partitions.push(DeleteRecordsPartitionResult {
            partition_index: part.topic_partition.partition,
            low_watermark,
            error_code: error.code(),
        });
    }
    wire::Response { throttle_time_ms: 0, topics }
}

async fn delete(broker: &Broker, topic_partition: &TopicPartition, below: Offset) -> Result<Deleted, ErrorCode> {
    let image = broker.metadata.image();
    image.partition(&topic_partition.topic, topic_partition.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic_name::is_internal(&topic_partition.topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let (owner, target) = (broker.shards.owner(topic_partition), topic_partition.clone());
    let visit = broker.shards.on(owner, move |owned| {
        let now = owned.shared.clock.now();
        let partition = owned.partition(&target)?;
        let below = partition.delete_records(now, below)?;
        Ok(Deleted { below, low_watermark: partition.low_watermark()? })
    });
    visit.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
}

/// Waits until all living replicas have deleted the records; returns the lowest log start then.
async fn everywhere(
    broker: &Broker,
    topic_partition: &TopicPartition,
    deleted: Deleted,
    deadline: Tick,
) -> Result<Offset, ErrorCode> {
    if deleted.low_watermark >= deleted.below {
        return Ok(deleted.low_watermark);
    }
    let owner = broker.shards.owner(topic_partition);
    loop {
        let (target, waiter) = (topic_partition.clone(), Waiter::default());
        let parked = waiter.clone();
        let low_watermark = broker.shards.on(owner, move |owned| {
            let partition = owned.partition(&target)?;
            if partition.has_failed() {
                return Err(ErrorCode::KafkaStorageError);
            }
            let low_watermark = partition.low_watermark()?;
            if low_watermark < deleted.below {
                partition.park(&parked);
            }
            Ok::<Offset, ErrorCode>(low_watermark)
        });
        let low_watermark = low_watermark.await.map_err(|_| ErrorCode::NotLeaderOrFollower)??;
        if low_watermark >= deleted.below {
            return Ok(low_watermark);
        }
        let left = broker.clock.until(deadline);
        if left.is_zero() || !waiter.wait(left).await {
            return Err(ErrorCode::RequestTimedOut);
        }
    }
}
