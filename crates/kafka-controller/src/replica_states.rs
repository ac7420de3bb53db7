//! Replicas change their state.
//!
//! ```text
//!   NonExistent ─▶ New ─▶ Online ◀─▶ Offline ─▶ DeletionStarted ─▶ DeletionSuccessful ─▶ NonExistent
//!                             ▲          ▲  │          │
//!                             │          └──┼──────────┼── DeletionIneligible (its broker is dead)
//!                             └─────────────┴──────────┘
//! ```

use std::collections::{BTreeMap, VecDeque};

use kafka_metadata::znodes::partition_state::{self, PartitionState};
use kafka_types::{BrokerId, PartitionEpoch, TopicPartition};

use crate::context::{Leadership, PartitionReplica};
use crate::controller::Controller;
use crate::effect::{Effect, NoticeLevel, Read};
use crate::event::{WriteError, WriteResult};
use crate::job::{Io, Job, Next};
use crate::partition_states::state_change;

/// See the diagram above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaStatus {
    NonExistent,
    New,
    Online,
    Offline,
    DeletionStarted,
    DeletionSuccessful,
    DeletionIneligible,
}

impl ReplicaStatus {
    fn may_become(self, next: ReplicaStatus) -> bool {
        use ReplicaStatus as Is;
        match next {
            Is::New => self == Is::NonExistent,
            Is::Online | Is::Offline => matches!(self, Is::New | Is::Online | Is::Offline | Is::DeletionIneligible),
            Is::DeletionStarted => self == Is::Offline,
            Is::DeletionSuccessful => self == Is::DeletionStarted,
            Is::NonExistent => self == Is::DeletionSuccessful,
            Is::DeletionIneligible => matches!(self, Is::Offline | Is::DeletionStarted),
        }
    }
}

/// A change of state of some replicas, under way.
#[derive(Debug)]
pub(crate) struct ReplicaChange {
    replicas: Vec<PartitionReplica>,
    to: ReplicaStatus,
    /// Replicas that go offline, broker by broker: a partition's state is written once per replica that leaves.
    leaving: VecDeque<(BrokerId, Vec<TopicPartition>)>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Start,
    /// In-sync replicas without this broker were written.
    Removed(BrokerId, Vec<(TopicPartition, PartitionState)>),
    /// States that had changed were read again; perhaps by our own write, whose answer was lost.
    Reread(BrokerId, Vec<(TopicPartition, PartitionState)>),
}

impl ReplicaChange {
    pub(crate) fn new(replicas: Vec<PartitionReplica>, to: ReplicaStatus) -> ReplicaChange {
        ReplicaChange { replicas, to, leaving: VecDeque::new(), step: Step::Start }
    }

    pub(crate) fn step(mut self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match std::mem::replace(&mut self.step, Step::Start) {
            Step::Start => self.start(controller, effects),
            Step::Removed(broker, plan) => self.removed(controller, broker, plan, io.writes(), effects),
            Step::Reread(broker, plan) => {
                let mut again = Vec::new();
                for ((partition, wanted), result) in plan.into_iter().zip(io.reads()) {
                    controller.adopt_state(&partition, result, effects);
                    if controller.context.leaderships.get(&partition).is_some_and(|known| known.state == wanted) {
                        left(controller, &partition, broker);
                    } else {
                        again.push(partition);
                    }
                }
                self.leaving.push_front((broker, again));
                self.leave(controller, effects)
            }
        }
    }

    fn start(mut self, controller: &mut Controller, effects: &mut Vec<Effect>) -> Next {
        let to = self.to;
        self.replicas.retain(|replica| {
            let from = controller.context.replica_states.get(replica).copied().unwrap_or(ReplicaStatus::NonExistent);
            let legal = from.may_become(to);
            if !legal {
                let text =
                    format!("replica {} of partition {} cannot go from {from:?} to {to:?}", replica.1, replica.0);
                effects.push(state_change(controller, NoticeLevel::Error, &text));
            }
            legal
        });
        if to == ReplicaStatus::Offline {
            let mut by_broker: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
            for (partition, broker) in std::mem::take(&mut self.replicas) {
                controller.batch.stop(broker, &partition, false);
                by_broker.entry(broker).or_default().push(partition);
            }
            self.leaving = by_broker.into_iter().collect();
            return self.leave(controller, effects);
        }
        for replica in self.replicas {
            enter(controller, replica, to);
        }
        controller.send_batch(effects);
        Next::Done
    }

    /// Takes the next broker's replicas out of the in-sync replicas.
    fn leave(mut self, controller: &mut Controller, effects: &mut Vec<Effect>) -> Next {
        while let Some((broker, partitions)) = self.leaving.pop_front() {
            let mut plan = Vec::new();
            let mut writes = Vec::new();
            for partition in partitions {
                let known = controller.context.leaderships.get(&partition);
                match known.filter(|known| known.state.isr.contains(&broker)) {
                    Some(known) => {
                        let state = without(&known.state, broker, controller.context.epoch);
                        writes.push(controller.set_state(&partition, &state, known.version));
                        plan.push((partition, state));
                    }
                    None => went_offline(controller, &partition, broker),
                }
            }
            if !writes.is_empty() {
                self.step = Step::Removed(broker, plan);
                return Next::Write(writes, Job::Replicas(self));
            }
        }
        controller.send_batch(effects);
        Next::Done
    }

    fn removed(
        mut self,
        controller: &mut Controller,
        broker: BrokerId,
        plan: Vec<(TopicPartition, PartitionState)>,
        results: Vec<WriteResult>,
        effects: &mut Vec<Effect>,
    ) -> Next {
        let mut again = Vec::new();
        for ((partition, state), result) in plan.into_iter().zip(results) {
            match result {
                WriteResult::Done(versions) => {
                    let version = PartitionEpoch(versions.last().copied().unwrap_or(0));
                    controller.context.leaderships.insert(partition.clone(), Leadership { state, version });
                    left(controller, &partition, broker);
                }
                WriteResult::Refused { error: WriteError::BadVersion, .. } => again.push((partition, state)),
                WriteResult::Refused { error, .. } => {
                    let text = format!("replica {broker} of {partition} could not be taken out of sync: {error:?}");
                    effects.push(state_change(controller, NoticeLevel::Error, &text));
                    went_offline(controller, &partition, broker);
                }
            }
        }
        if again.is_empty() {
            return self.leave(controller, effects);
        }
        let read = |partition| Read::Data { path: partition_state::path(partition), watch: false };
        let reads = again.iter().map(|(partition, _)| read(partition)).collect();
        self.step = Step::Reread(broker, again);
        Next::Read(reads, Job::Replicas(self))
    }
}

/// The state without a replica. The last one in sync stays: nobody else may lead before it is back.
fn without(state: &PartitionState, broker: BrokerId, controller_epoch: kafka_types::ControllerEpoch) -> PartitionState {
    let isr = match state.isr.as_slice() {
        [_] => state.isr.clone(),
        more => more.iter().copied().filter(|id| *id != broker).collect(),
    };
    let leader = if state.leader == broker { BrokerId::NONE } else { state.leader };
    PartitionState {
        controller_epoch,
        leader,
        leader_epoch: state.leader_epoch.next(),
        isr,
        recovering: state.recovering,
    }
}

/// The replica is out of sync: the others are told, unless the topic is on its way out.
fn left(controller: &mut Controller, partition: &TopicPartition, broker: BrokerId) {
    if !controller.context.deleting.contains(&partition.topic) {
        let others = controller.context.replicas(partition).iter().copied();
        let others: Vec<BrokerId> = others.filter(|id| *id != broker).collect();
        controller.batch.lead_or_follow(&controller.context, others, partition, false);
    }
    went_offline(controller, partition, broker);
}

fn went_offline(controller: &mut Controller, partition: &TopicPartition, broker: BrokerId) {
    controller.batch.tell_all(&controller.context, [partition.clone()]);
    controller.context.replica_states.insert((partition.clone(), broker), ReplicaStatus::Offline);
}

/// Every other state is entered without a write.
fn enter(controller: &mut Controller, replica: PartitionReplica, to: ReplicaStatus) {
    let (partition, broker) = (&replica.0, replica.1);
    let is_led = controller.context.leaderships.contains_key(partition);
    match to {
        ReplicaStatus::New if is_led => {
            controller.batch.lead_or_follow(&controller.context, [broker], partition, true);
        }
        // A new replica was told its role when the partition got its leader.
        ReplicaStatus::Online
            if is_led && controller.context.replica_states.get(&replica) != Some(&ReplicaStatus::New) =>
        {
            controller.batch.lead_or_follow(&controller.context, [broker], partition, false);
        }
        ReplicaStatus::DeletionStarted => controller.batch.stop(broker, partition, true),
        _ => {}
    }
    if to == ReplicaStatus::NonExistent {
        controller.context.replica_states.remove(&replica);
    } else {
        controller.context.replica_states.insert(replica, to);
    }
}
