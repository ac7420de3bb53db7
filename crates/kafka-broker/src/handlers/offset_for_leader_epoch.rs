//! OffsetForLeaderEpoch: where an epoch ends in the leader's log, so that others can tell where theirs has left it.

use kafka_security::Operation;
use kafka_types::{ErrorCode, LeaderEpoch, TopicName, TopicPartition};
use kafka_wire::offset_for_leader_epoch::{
    self as wire, EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let is_broker = context.may_on_cluster_quietly(Operation::ClusterAction);
    let (mut topics, mut unauthorized) = (Vec::with_capacity(request.topics.len()), Vec::new());
    for topic in request.topics {
        let name: TopicName = topic.topic.as_str().into();
        let allowed = is_broker || context.may_on_topic(Operation::Describe, &name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let mut answer = EpochEndOffset { partition: asked.partition, ..EpochEndOffset::default() };
            if !allowed {
                answer.error_code = ErrorCode::TopicAuthorizationFailed.code();
                partitions.push(answer);
                continue;
            }
            match look_up(context, &name, &asked).await {
                Ok(Some((epoch, end))) => (answer.leader_epoch, answer.end_offset) = (epoch.0, end.0),
                Ok(None) => {}
                Err(error) => answer.error_code = error.code(),
            }
            partitions.push(answer);
        }
        let result = OffsetForLeaderTopicResult { topic: topic.topic, partitions };
        if allowed { topics.push(result) } else { unauthorized.push(result) }
    }
    topics.append(&mut unauthorized);
    wire::Response { throttle_time_ms: 0, topics }
}

async fn look_up(
    context: &Context,
    name: &TopicName,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(LeaderEpoch, kafka_types::Offset)>, ErrorCode> {
    let broker = &context.broker;
    broker.metadata.image().partition(name, asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let topic_partition = TopicPartition::new(name.clone(), asked.partition);
    let (current, epoch) = (LeaderEpoch(asked.current_leader_epoch), LeaderEpoch(asked.leader_epoch));
    let owner = broker.shards.owner(&topic_partition);
    let visit = broker.shards.on(owner, move |owned| owned.partition(&topic_partition)?.end_of_epoch(current, epoch));
    visit.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
}
