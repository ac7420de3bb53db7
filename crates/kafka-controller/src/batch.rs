//! Orders to brokers, collected while states change and sent together: LeaderAndIsr, then UpdateMetadata, then
//! StopReplica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_metadata::{MetadataUpdate, PartitionImage, PartitionUpdate, TopicUpdate};
use kafka_types::{BrokerEpoch, BrokerId, LeaderEpoch, TopicPartition};

use crate::context::Context;
use crate::effect::{
    Effect, LeaderAndIsr, LeaderAndIsrPartition, LiveLeader, StopReplica, StopReplicaPartition, UpdateMetadata,
};

/// What is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    leader_and_isr: BTreeMap<BrokerId, BTreeMap<TopicPartition, bool>>,
    stop_replica: BTreeMap<BrokerId, BTreeMap<TopicPartition, bool>>,
    news: BTreeSet<TopicPartition>,
    news_for: BTreeSet<BrokerId>,
}

impl Batch {
    /// Tell these brokers their roles in a partition, and everybody who leads it.
    pub(crate) fn lead_or_follow(
        &mut self,
        context: &Context,
        brokers: impl IntoIterator<Item = BrokerId>,
        partition: &TopicPartition,
        is_new: bool,
    ) {
        for id in brokers {
            let new = self.leader_and_isr.entry(id).or_default().entry(partition.clone()).or_default();
            *new |= is_new;
        }
        self.tell_all(context, [partition.clone()]);
    }

    /// Tell a broker to stop holding a partition.
    pub(crate) fn stop(&mut self, broker: BrokerId, partition: &TopicPartition, delete: bool) {
        let known = self.stop_replica.entry(broker).or_default().entry(partition.clone()).or_default();
        *known |= delete;
    }

    /// Tell every broker about these partitions, and who lives.
    pub(crate) fn tell_all(&mut self, context: &Context, partitions: impl IntoIterator<Item = TopicPartition>) {
        self.tell(context.brokers.keys().copied(), partitions);
    }

    /// Tell some brokers about these partitions, and who lives.
    pub(crate) fn tell(
        &mut self,
        brokers: impl IntoIterator<Item = BrokerId>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) {
        self.news_for.extend(brokers);
        self.news.extend(partitions);
    }

    /// Sends everything; afterwards the batch is empty.
    pub(crate) fn send(&mut self, me: BrokerId, listener: &str, context: &Context, effects: &mut Vec<Effect>) {
        let batch = std::mem::take(self);
        for (to, partitions) in batch.leader_and_isr {
            if let Some(broker_epoch) = context.broker_epoch(to) {
                effects.extend(leader_and_isr(me, listener, context, (to, broker_epoch), &partitions));
            }
        }
        if !batch.news_for.is_empty() {
            let update = Arc::new(news(me, context, &batch.news));
            for to in batch.news_for {
                if let Some(broker_epoch) = context.broker_epoch(to) {
                    let request = UpdateMetadata { broker_epoch, update: Arc::clone(&update) };
                    effects.push(Effect::UpdateMetadata { to, request });
                }
            }
        }
        for (to, partitions) in batch.stop_replica {
            if let Some(broker_epoch) = context.broker_epoch(to) {
                let one = |(partition, delete): (&TopicPartition, &bool)| stop_partition(context, partition, *delete);
                let request = StopReplica {
                    controller: me,
                    controller_epoch: context.epoch,
                    broker_epoch,
                    partitions: partitions.iter().map(one).collect(),
                };
                effects.push(Effect::StopReplica { to, request });
            }
        }
    }
}

fn leader_and_isr(
    me: BrokerId,
    listener: &str,
    context: &Context,
    (to, broker_epoch): (BrokerId, BrokerEpoch),
    partitions: &BTreeMap<TopicPartition, bool>,
) -> Option<Effect> {
    let one = |(partition, is_new): (&TopicPartition, &bool)| {
        let known = context.leaderships.get(partition)?;
        let assignment = context.assignment(partition)?;
        Some(LeaderAndIsrPartition {
            partition: partition.clone(),
            topic_id: context.topics.get(&partition.topic)?.id,
            controller_epoch: known.state.controller_epoch,
            leader: known.state.leader,
            leader_epoch: known.state.leader_epoch,
            isr: known.state.isr.clone(),
            partition_epoch: known.version,
            replicas: assignment.replicas.clone(),
            adding: assignment.adding.clone(),
            removing: assignment.removing.clone(),
            is_new: *is_new,
            recovering: known.state.recovering,
        })
    };
    let partitions: Vec<LeaderAndIsrPartition> = partitions.iter().filter_map(one).collect();
    if partitions.is_empty() {
        return None;
    }
    let leaders: BTreeSet<BrokerId> = partitions.iter().map(|partition| partition.leader).collect();
    let live_leaders = leaders.into_iter().filter_map(|id| {
        let endpoint = context.brokers.get(&id)?.broker.endpoint(listener)?;
        Some(LiveLeader { id, host: endpoint.host.clone(), port: endpoint.port })
    });
    let request = LeaderAndIsr {
        controller: me,
        controller_epoch: context.epoch,
        broker_epoch,
        partitions,
        live_leaders: live_leaders.collect(),
    };
    Some(Effect::LeaderAndIsr { to, request })
}

fn news(me: BrokerId, context: &Context, partitions: &BTreeSet<TopicPartition>) -> MetadataUpdate {
    let mut topics: Vec<TopicUpdate> = Vec::new();
    for partition in partitions {
        // A partition that never had a leader is nothing that clients could use.
        let (Some(known), Some(topic)) = (context.leaderships.get(partition), context.topics.get(&partition.topic))
        else {
            continue;
        };
        let deleting = context.deleting.contains(&partition.topic);
        let replicas = context.replicas(partition).to_vec();
        let offline = replicas.iter().copied().filter(|&id| !context.is_online(partition, id, false)).collect();
        let image = PartitionImage {
            controller_epoch: known.state.controller_epoch,
            leader: if deleting { MetadataUpdate::DELETED } else { known.state.leader },
            leader_epoch: if deleting { StopReplica::EPOCH_DURING_DELETE } else { known.state.leader_epoch },
            isr: known.state.isr.clone(),
            partition_epoch: known.version,
            replicas,
            offline,
        };
        if topics.last().is_none_or(|last| last.name != partition.topic) {
            topics.push(TopicUpdate { name: partition.topic.clone(), id: topic.id, partitions: Vec::new() });
        }
        if let Some(last) = topics.last_mut() {
            last.partitions.push(PartitionUpdate { partition: partition.partition, image });
        }
    }
    let brokers = context.brokers.values().map(|node| node.broker.clone()).collect();
    MetadataUpdate { controller: me, controller_epoch: context.epoch, brokers, topics }
}

fn stop_partition(context: &Context, partition: &TopicPartition, delete: bool) -> StopReplicaPartition {
    let leader_epoch = if delete && context.deleting.contains(&partition.topic) {
        StopReplica::EPOCH_DURING_DELETE
    } else {
        context.leaderships.get(partition).map_or(LeaderEpoch::NONE, |known| known.state.leader_epoch)
    };
    StopReplicaPartition { partition: partition.clone(), leader_epoch, delete }
}
