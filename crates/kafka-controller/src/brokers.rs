//! A broker came, went, or came back before anybody saw it go.

use std::collections::{BTreeMap, BTreeSet};

use kafka_metadata::znodes::brokers;
use kafka_types::{BrokerId, ErrorCode, TopicPartition};

use crate::context::PartitionReplica;
use crate::controller::Controller;
use crate::effect::{BrokerNode, Effect, NoticeLevel, Read};
use crate::event::ReadResult;
use crate::job::{Io, Job, Next};
use crate::partition_states::{PartitionChange, PartitionStatus};
use crate::reassignment::MoveStep;
use crate::replica_states::{ReplicaChange, ReplicaStatus};

/// Steps of looking at who lives.
#[derive(Debug)]
pub(crate) enum BrokerStep {
    List,
    Listed,
    Read(Vec<BrokerId>),
    /// Brokers that came back after they were seen to be gone: their second half.
    Enter(Vec<BrokerNode>),
}

impl BrokerStep {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            BrokerStep::List => {
                let read = Read::Children { path: brokers::IDS.to_owned(), watch: true };
                Next::Read(vec![read], Job::Brokers(BrokerStep::Listed))
            }
            BrokerStep::Listed => {
                let Some(ReadResult::Children(names)) = io.reads().pop() else { return Next::Done };
                let mut ids: Vec<BrokerId> = names.iter().filter_map(|name| brokers::id_of(name)).collect();
                ids.sort_unstable();
                let read = |id: &BrokerId| Read::Data { path: brokers::path(*id), watch: true };
                let reads = ids.iter().map(read).collect();
                Next::Read(reads, Job::Brokers(BrokerStep::Read(ids)))
            }
            BrokerStep::Read(ids) => {
                let mut found = BTreeMap::new();
                for (id, result) in ids.into_iter().zip(io.reads()) {
                    if let Some(node) = controller.broker_node(id, result, effects) {
                        found.insert(id, node);
                    }
                }
                changed(controller, found, effects)
            }
            BrokerStep::Enter(nodes) => controller.brokers_came(nodes),
        }
    }
}

fn changed(controller: &mut Controller, found: BTreeMap<BrokerId, BrokerNode>, effects: &mut Vec<Effect>) -> Next {
    let known = &controller.context.brokers;
    let gone: BTreeSet<BrokerId> = known.keys().copied().filter(|id| !found.contains_key(id)).collect();
    let (mut came, mut bounced) = (Vec::new(), Vec::new());
    for (id, node) in found {
        match known.get(&id) {
            None => came.push(node),
            // Another life: it was away, and nobody saw it.
            Some(before) if before.epoch < node.epoch => bounced.push(node),
            Some(_) => {}
        }
    }
    let list = |nodes: &[BrokerNode]| nodes.iter().map(|node| node.broker.id.to_string()).collect::<Vec<_>>().join(",");
    let text = format!(
        "Newly added brokers: {}, deleted brokers: {}, bounced brokers: {}, all live brokers: {}",
        list(&came),
        gone.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        list(&bounced),
        known.keys().map(ToString::to_string).collect::<Vec<_>>().join(","),
    );
    controller.notice(NoticeLevel::Info, text, effects);

    effects.extend(came.iter().cloned().map(Effect::AddBroker));
    let bounced_ids: BTreeSet<BrokerId> = bounced.iter().map(|node| node.broker.id).collect();
    effects.extend(bounced_ids.iter().map(|id| Effect::RemoveBroker(*id)));
    effects.extend(bounced.iter().cloned().map(Effect::AddBroker));
    effects.extend(gone.iter().map(|id| Effect::RemoveBroker(*id)));
    let mut jobs = Vec::new();
    if !came.is_empty() {
        jobs.push(Job::Brokers(BrokerStep::Enter(came)));
    }
    // What a bounced broker led must be led by somebody else, or by it in a new epoch: first gone, then come.
    let lost: BTreeSet<BrokerId> = bounced_ids.union(&gone).copied().collect();
    if !lost.is_empty() {
        let replicas = controller.brokers_went(&lost);
        jobs.push(Job::ReplicasLost(replicas));
    }
    if !bounced.is_empty() {
        jobs.push(Job::Brokers(BrokerStep::Enter(bounced)));
    }
    Next::Jobs(jobs)
}

/// Steps of looking at one broker whose registration changed.
#[derive(Debug)]
pub(crate) enum ChangedBroker {
    Read(BrokerId),
    Done(BrokerId),
}

impl ChangedBroker {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            ChangedBroker::Read(id) => {
                let read = Read::Data { path: brokers::path(id), watch: true };
                Next::Read(vec![read], Job::Broker(ChangedBroker::Done(id)))
            }
            ChangedBroker::Done(id) => {
                let Some(node) = io.reads().pop().and_then(|result| controller.broker_node(id, result, effects)) else {
                    return Next::Done;
                };
                // Another life is the business of the list of brokers; here only endpoints may have changed.
                let same_life = controller.context.brokers.get(&id).is_some_and(|known| known.epoch == node.epoch);
                if !same_life || controller.context.brokers.get(&id) == Some(&node) {
                    return Next::Done;
                }
                effects.push(Effect::BrokerMoved(node.clone()));
                controller.context.brokers.insert(id, node);
                let everybody = controller.context.brokers.keys().copied().collect();
                Next::Jobs(vec![Job::Tell(everybody, Vec::new())])
            }
        }
    }
}

impl Controller {
    /// Brokers came: everybody hears of them, they hear of everything, and their replicas may serve.
    fn brokers_came(&mut self, nodes: Vec<BrokerNode>) -> Next {
        let ids: BTreeSet<BrokerId> = nodes.iter().map(|node| node.broker.id).collect();
        for node in nodes {
            self.context.brokers.insert(node.broker.id, node);
        }
        self.context.offline_dirs.retain(|(_, id)| !ids.contains(id));
        let others = self.context.brokers.keys().copied().filter(|id| !ids.contains(id)).collect();
        let came = ids.clone();
        let led: Vec<TopicPartition> = self.context.leaderships.keys().cloned().collect();
        let replicas = self.context.replicas_on(&ids);
        for (partition, _) in &replicas {
            self.context.deletion_blocked.remove(&partition.topic);
        }
        Next::Jobs(vec![
            Job::Tell(others, Vec::new()),
            Job::Tell(ids, led),
            Job::Replicas(ReplicaChange::new(replicas, ReplicaStatus::Online)),
            Job::ElectMissing,
            Job::Move(MoveStep::Resume(Some(came))),
            Job::ResumeDeletions,
        ])
    }

    /// Brokers went: they are forgotten; their replicas are returned.
    fn brokers_went(&mut self, ids: &BTreeSet<BrokerId>) -> Vec<PartitionReplica> {
        for id in ids {
            self.context.brokers.remove(id);
            self.context.shutting_down.remove(id);
        }
        self.context.offline_dirs.retain(|(_, id)| !ids.contains(id));
        self.context.replicas_on(ids)
    }

    /// These replicas cannot serve any more.
    pub(crate) fn replicas_lost(&mut self, replicas: Vec<PartitionReplica>) -> Next {
        let (deleting, others): (Vec<_>, Vec<_>) =
            replicas.into_iter().partition(|(partition, _)| self.context.deleting.contains(&partition.topic));
        let orphaned = self.context.partitions_without_living_leader();
        let nobody_led = orphaned.is_empty();
        let mut jobs = vec![
            Job::Partitions(PartitionChange::new(orphaned, PartitionStatus::Offline)),
            Job::ElectMissing,
            Job::Replicas(ReplicaChange::new(others, ReplicaStatus::Offline)),
        ];
        if !deleting.is_empty() {
            jobs.extend(self.fail_deletion(deleting));
        }
        if nobody_led {
            // No state changed that would tell everybody who lives.
            jobs.push(Job::Tell(self.context.brokers.keys().copied().collect(), Vec::new()));
        }
        Next::Jobs(jobs)
    }

    /// A broker says which replicas it cannot serve.
    pub(crate) fn on_leader_and_isr_answer(
        &mut self,
        broker: BrokerId,
        errors: Vec<(TopicPartition, ErrorCode)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut lost = Vec::new();
        for (partition, error) in errors {
            let replica = (partition, broker);
            if error == ErrorCode::KafkaStorageError && self.context.offline_dirs.insert(replica.clone()) {
                lost.push(replica);
            }
        }
        if !lost.is_empty() {
            self.notice(NoticeLevel::Info, format!("Mark replicas {lost:?} on broker {broker} as offline"), effects);
            self.push_jobs([Job::ReplicasLost(lost)]);
        }
    }
}
