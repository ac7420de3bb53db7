//! Takes a leader's ISR proposals to the controller and brings the answers back.

use std::sync::Arc;
use std::time::Duration;

use kafka_controller::{AlterPartitionRequest, Answer, Event, IsrProposal};
use kafka_replication::{Isr, IsrAnswer, IsrRefusal};
use kafka_types::{BrokerEpoch, ErrorCode, TopicPartition, Uuid};

use crate::broker::Broker;

/// Before a proposal that nobody answered is made again.
const RETRY: Duration = Duration::from_millis(50);

/// Proposes in the background; runs on the shard that owns the partition.
pub(crate) fn propose(broker: &Arc<Broker>, topic_partition: TopicPartition, topic_id: Uuid, isr: Isr) {
    let broker = Arc::clone(broker);
    tokio::task::spawn_local(async move {
        let mut proposal = Some(isr);
        while let Some(isr) = proposal.take() {
            let answer = ask(&broker, &topic_partition, topic_id, isr).await;
            if matches!(answer, Err(IsrRefusal::Retry)) {
                tokio::time::sleep(RETRY).await;
            }
            let (target, owner) = (topic_partition.clone(), broker.shards.owner(&topic_partition));
            let again = broker.shards.on(owner, move |owned| {
                let now = owned.shared.clock.now();
                owned.partition(&target).ok().and_then(|partition| partition.on_isr(now, answer))
            });
            proposal = again.await.ok().flatten();
        }
    });
}

async fn ask(
    broker: &Broker,
    topic_partition: &TopicPartition,
    topic_id: Uuid,
    isr: Isr,
) -> Result<IsrAnswer, IsrRefusal> {
    let request = AlterPartitionRequest {
        broker: broker.id,
        broker_epoch: BrokerEpoch(broker.epoch.load(std::sync::atomic::Ordering::Acquire)),
        by_topic_id: true,
        proposals: vec![IsrProposal {
            topic_id,
            topic: topic_partition.topic.to_string(),
            partition: topic_partition.partition,
            leader_epoch: isr.leader_epoch,
            isr: isr.members.into_iter().collect(),
            recovering: false,
            partition_epoch: isr.partition_epoch,
        }],
    };
    let altered = if broker.is_controller() {
        match broker.controller.ask(move |token| Event::AlterPartition { token, request }).await {
            Ok(Answer::AlterPartition(altered)) => altered,
            _ => return Err(IsrRefusal::Retry),
        }
    } else {
        crate::peers::alter_partition(broker, request).await
    };
    match altered.map(|mut altered| altered.pop().map(|one| one.result)) {
        Ok(Some(Ok(state))) => Ok(IsrAnswer {
            leader_epoch: state.leader_epoch,
            isr: state.isr.into_iter().collect(),
            partition_epoch: state.partition_epoch,
        }),
        Ok(Some(Err(error))) => Err(refusal(error)),
        _ => Err(IsrRefusal::Retry),
    }
}

fn refusal(error: ErrorCode) -> IsrRefusal {
    match error {
        ErrorCode::IneligibleReplica | ErrorCode::OperationNotAttempted => IsrRefusal::Drop,
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => IsrRefusal::Outdated,
        _ => IsrRefusal::Retry,
    }
}
