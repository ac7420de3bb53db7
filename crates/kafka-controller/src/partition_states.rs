//! Partitions change their state.
//!
//! ```text
//!   NonExistent ──▶ New ──────▶ Online ◀──▶ Offline ──▶ NonExistent
//!                   (assigned)  (has a      (its leader
//!                                leader)     is gone)
//! ```

use std::collections::BTreeSet;

use kafka_metadata::znodes::partition_state::{self, PartitionState};
use kafka_metadata::znodes::{config, topics};
use kafka_types::{BrokerId, LeaderEpoch, PartitionEpoch, TopicName, TopicPartition};

use crate::context::{Context, Leadership};
use crate::controller::Controller;
use crate::effect::{Effect, Notice, NoticeLevel, Read, Write, WriteOp};
use crate::election::{Ballot, Elected};
use crate::event::{ReadResult, WriteError, WriteResult};
use crate::job::{Io, Job, Next};
use crate::startup::is_there;

/// See the diagram above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartitionStatus {
    NonExistent,
    New,
    Online,
    Offline,
}

impl PartitionStatus {
    fn may_become(self, next: PartitionStatus) -> bool {
        use PartitionStatus::{New, NonExistent, Offline, Online};
        match next {
            New => self == NonExistent,
            Online | Offline => matches!(self, New | Online | Offline),
            NonExistent => self == Offline,
        }
    }
}

/// By which rule partitions get their leaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The old leader is gone. Unclean elections by order, or where the topic allows them.
    Offline { unclean: bool },
    /// Back to the preferred replica.
    Preferred,
    /// Brokers are about to stop.
    Stopping,
    /// A move is over, and the leader is not among those that stay, or not alive.
    Reassigned,
    /// The same leader and the same replicas in sync, in a new epoch: who holds the partition changes.
    Again,
}

/// A change of state of some partitions, under way.
#[derive(Debug)]
pub(crate) struct PartitionChange {
    partitions: Vec<TopicPartition>,
    to: PartitionStatus,
    rule: Rule,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Start,
    /// First leaders were written: the index of each partition's state among the writes.
    Created(Vec<(usize, TopicPartition, PartitionState)>),
    /// States that were there already were read.
    Found(Vec<TopicPartition>),
    /// Settings of these topics were read: may they elect uncleanly?
    Asked(Vec<TopicName>),
    /// New leaders were written.
    Elected(Vec<(TopicPartition, PartitionState)>),
    /// States that had changed were read again; perhaps by our own write, whose answer was lost.
    Reread(Vec<(TopicPartition, PartitionState)>),
}

impl PartitionChange {
    pub(crate) fn new(partitions: Vec<TopicPartition>, to: PartitionStatus) -> PartitionChange {
        PartitionChange { partitions, to, rule: Rule::Offline { unclean: false }, step: Step::Start }
    }

    pub(crate) fn elect(partitions: Vec<TopicPartition>, rule: Rule) -> PartitionChange {
        PartitionChange { partitions, to: PartitionStatus::Online, rule, step: Step::Start }
    }

    pub(crate) fn step(mut self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match std::mem::replace(&mut self.step, Step::Start) {
            Step::Start => self.start(controller, effects),
            Step::Created(plan) => self.created(controller, plan, &io.writes(), effects),
            Step::Found(found) => {
                for (partition, result) in found.iter().zip(io.reads()) {
                    controller.adopt_state(partition, result, effects);
                    if controller.context.leaderships.contains_key(partition) {
                        let replicas = controller.context.replicas(partition).to_vec();
                        controller.batch.lead_or_follow(&controller.context, replicas, partition, true);
                        controller.context.partition_states.insert(partition.clone(), PartitionStatus::Online);
                    }
                }
                self.ask(controller, effects)
            }
            Step::Asked(topics) => {
                let allowed = unclean_topics(&topics, io.reads(), controller.settings.unclean_leader_election);
                self.vote(controller, &allowed, effects)
            }
            Step::Elected(plan) => self.elected(controller, plan, io.writes(), effects),
            Step::Reread(plan) => {
                for ((partition, wanted), result) in plan.into_iter().zip(io.reads()) {
                    controller.adopt_state(&partition, result, effects);
                    if controller.context.leaderships.get(&partition).is_some_and(|known| known.state == wanted) {
                        self.announce(controller, partition);
                    } else {
                        self.partitions.push(partition);
                    }
                }
                self.ask(controller, effects)
            }
        }
    }

    fn start(mut self, controller: &mut Controller, effects: &mut Vec<Effect>) -> Next {
        let status = |context: &Context, partition: &TopicPartition| {
            context.partition_states.get(partition).copied().unwrap_or(PartitionStatus::NonExistent)
        };
        let to = self.to;
        self.partitions.retain(|partition| {
            let from = status(&controller.context, partition);
            let legal = from.may_become(to);
            if !legal {
                let text = format!("partition {partition} cannot go from {from:?} to {to:?}");
                effects.push(state_change(controller, NoticeLevel::Error, &text));
            }
            legal
        });
        if to != PartitionStatus::Online {
            for partition in self.partitions {
                controller.context.partition_states.insert(partition, to);
            }
            return Next::Done;
        }
        let (new, known): (Vec<_>, Vec<_>) = self
            .partitions
            .into_iter()
            .partition(|partition| status(&controller.context, partition) == PartitionStatus::New);
        self.partitions = known;
        self.create(controller, &new, effects)
    }

    /// Writes the first state of partitions that never had a leader.
    fn create(mut self, controller: &mut Controller, new: &[TopicPartition], effects: &mut Vec<Effect>) -> Next {
        let mut first: Vec<(TopicPartition, PartitionState)> = Vec::new();
        for partition in new {
            let context = &controller.context;
            let replicas = context.replicas(partition);
            let ballot = Ballot { replicas, isr: &[], is_live: |id| context.is_online(partition, id, false) };
            if let Some(Elected { leader, isr, .. }) = ballot.first() {
                let (controller_epoch, leader_epoch) = (context.epoch, LeaderEpoch(0));
                let state = PartitionState { controller_epoch, leader, leader_epoch, isr, recovering: false };
                first.push((partition.clone(), state));
            } else {
                let text = format!(
                    "partition {partition} cannot go from New to Online: none of its replicas {replicas:?} is alive"
                );
                effects.push(state_change(controller, NoticeLevel::Error, &text));
            }
        }
        if first.is_empty() {
            return self.ask(controller, effects);
        }
        let make =
            |path: String, data: Option<Vec<u8>>| controller.fenced(WriteOp::Create { path, data, ephemeral: false });
        let names: BTreeSet<&TopicName> = first.iter().map(|(partition, _)| &partition.topic).collect();
        let mut writes: Vec<Write> = names.into_iter().map(|name| make(topics::partitions_path(name), None)).collect();
        writes.extend(first.iter().map(|(partition, _)| make(partition_state::partition_path(partition), None)));
        let mut plan = Vec::with_capacity(first.len());
        for (partition, state) in first {
            plan.push((writes.len(), partition.clone(), state.clone()));
            writes.push(make(partition_state::path(&partition), Some(state.encode())));
        }
        self.step = Step::Created(plan);
        Next::Write(writes, Job::Partitions(self))
    }

    fn created(
        mut self,
        controller: &mut Controller,
        plan: Vec<(usize, TopicPartition, PartitionState)>,
        results: &[WriteResult],
        effects: &mut Vec<Effect>,
    ) -> Next {
        let mut found = Vec::new();
        for (index, partition, state) in plan {
            match results.get(index) {
                Some(WriteResult::Done(_)) => {
                    let receivers = state.isr.clone();
                    let known = Leadership { state, version: PartitionEpoch(0) };
                    controller.context.leaderships.insert(partition.clone(), known);
                    controller.batch.lead_or_follow(&controller.context, receivers, &partition, true);
                    controller.context.partition_states.insert(partition, PartitionStatus::Online);
                }
                // Written before, by us (the answer was lost) or by the controller before us.
                Some(result) if is_there(result) => found.push(partition),
                other => {
                    let text = format!("partition {partition} cannot go from New to Online: {other:?}");
                    effects.push(state_change(controller, NoticeLevel::Error, &text));
                }
            }
        }
        if found.is_empty() {
            return self.ask(controller, effects);
        }
        let read = |partition| Read::Data { path: partition_state::path(partition), watch: false };
        let reads = found.iter().map(read).collect();
        self.step = Step::Found(found);
        Next::Read(reads, Job::Partitions(self))
    }

    /// Where nobody who is in sync lives, the topic's settings decide whether anybody else may lead.
    fn ask(mut self, controller: &mut Controller, effects: &mut Vec<Effect>) -> Next {
        let lost: BTreeSet<TopicName> = match self.rule {
            Rule::Offline { unclean: false } => {
                let lost =
                    self.partitions.iter().filter(|partition| controller.elect(partition, self.rule, false).is_none());
                lost.map(|partition| partition.topic.clone()).collect()
            }
            _ => BTreeSet::new(),
        };
        if lost.is_empty() {
            return self.vote(controller, &BTreeSet::new(), effects);
        }
        let reads = lost.iter().map(|name| Read::Data { path: config::topic_path(name), watch: false }).collect();
        self.step = Step::Asked(lost.into_iter().collect());
        Next::Read(reads, Job::Partitions(self))
    }

    fn vote(mut self, controller: &mut Controller, unclean: &BTreeSet<TopicName>, effects: &mut Vec<Effect>) -> Next {
        let mut plan: Vec<(TopicPartition, PartitionState)> = Vec::new();
        let mut writes = Vec::new();
        for partition in std::mem::take(&mut self.partitions) {
            let Some(known) = controller.context.leaderships.get(&partition) else { continue };
            if known.state.controller_epoch > controller.context.epoch {
                let text = format!("partition {partition} was changed by a newer controller");
                effects.push(state_change(controller, NoticeLevel::Error, &text));
                continue;
            }
            let Some(elected) = controller.elect(&partition, self.rule, unclean.contains(&partition.topic)) else {
                let text = format!("no leader can be elected for partition {partition} ({:?})", self.rule);
                effects.push(state_change(controller, NoticeLevel::Info, &text));
                continue;
            };
            let state = PartitionState {
                controller_epoch: controller.context.epoch,
                leader: elected.leader,
                leader_epoch: known.state.leader_epoch.next(),
                isr: elected.isr,
                recovering: if self.rule == Rule::Again { known.state.recovering } else { elected.unclean },
            };
            writes.push(controller.set_state(&partition, &state, known.version));
            plan.push((partition, state));
        }
        if writes.is_empty() {
            controller.send_batch(effects);
            return Next::Done;
        }
        self.step = Step::Elected(plan);
        Next::Write(writes, Job::Partitions(self))
    }

    fn elected(
        mut self,
        controller: &mut Controller,
        plan: Vec<(TopicPartition, PartitionState)>,
        results: Vec<WriteResult>,
        effects: &mut Vec<Effect>,
    ) -> Next {
        let mut again = Vec::new();
        for ((partition, state), result) in plan.into_iter().zip(results) {
            match result {
                WriteResult::Done(versions) => {
                    let version = PartitionEpoch(versions.last().copied().unwrap_or(0));
                    controller.unclean_elections += u64::from(state.recovering && self.rule != Rule::Again);
                    controller.context.leaderships.insert(partition.clone(), Leadership { state, version });
                    self.announce(controller, partition);
                }
                WriteResult::Refused { error: WriteError::BadVersion, .. } => again.push((partition, state)),
                WriteResult::Refused { error, .. } => {
                    let text = format!("the new leader of partition {partition} could not be written: {error:?}");
                    effects.push(state_change(controller, NoticeLevel::Error, &text));
                }
            }
        }
        if again.is_empty() {
            controller.send_batch(effects);
            return Next::Done;
        }
        let read = |partition| Read::Data { path: partition_state::path(partition), watch: false };
        let reads = again.iter().map(|(partition, _)| read(partition)).collect();
        self.step = Step::Reread(again);
        Next::Read(reads, Job::Partitions(self))
    }

    /// Everybody who holds the partition is told of its new leader.
    fn announce(&self, controller: &mut Controller, partition: TopicPartition) {
        if self.rule == Rule::Again {
            return told_again(controller, &partition);
        }
        let context = &controller.context;
        let stopping_too = self.rule == Rule::Stopping;
        let replicas = context.replicas(&partition).iter().copied();
        let live: Vec<BrokerId> = replicas.filter(|&id| context.is_online(&partition, id, stopping_too)).collect();
        controller.batch.lead_or_follow(context, live, &partition, false);
        controller.context.partition_states.insert(partition, PartitionStatus::Online);
    }
}

impl Controller {
    /// Who would lead, by a rule.
    fn elect(&self, partition: &TopicPartition, rule: Rule, topic_allows_unclean: bool) -> Option<Elected> {
        let context = &self.context;
        let known = context.leaderships.get(partition)?;
        let stopping_too = rule == Rule::Stopping;
        let ballot = Ballot {
            replicas: context.replicas(partition),
            isr: &known.state.isr,
            is_live: |id| context.is_online(partition, id, stopping_too),
        };
        match rule {
            Rule::Offline { unclean } => ballot.offline(unclean || topic_allows_unclean),
            Rule::Preferred => ballot.preferred(),
            Rule::Stopping => ballot.without(|id| context.shutting_down.contains(&id)),
            Rule::Reassigned => ballot.reassigned(),
            Rule::Again => {
                let state = &known.state;
                Some(Elected { leader: state.leader, isr: state.isr.clone(), unclean: false })
            }
        }
    }

    pub(crate) fn set_state(
        &self,
        partition: &TopicPartition,
        state: &PartitionState,
        version: PartitionEpoch,
    ) -> Write {
        let path = partition_state::path(partition);
        self.fenced(WriteOp::Set { path, data: state.encode(), version: Some(version.0) })
    }

    /// Elects for all partitions that have no leader.
    pub(crate) fn elect_missing(&mut self) -> Next {
        let partitions = self.context.partitions_to_elect();
        let rule = Rule::Offline { unclean: false };
        Next::Jobs(vec![Job::Partitions(PartitionChange::elect(partitions, rule))])
    }
}

/// Who holds a partition changes, not who leads it: all that hold it are told, and those that come with the move hear that
/// it is new to them, so that they may put it into any directory.
fn told_again(controller: &mut Controller, partition: &TopicPartition) {
    let context = &controller.context;
    let Some(assignment) = context.assignment(partition) else { return };
    controller.batch.lead_or_follow(context, assignment.origin(), partition, false);
    controller.batch.lead_or_follow(context, assignment.adding.iter().copied(), partition, true);
}

/// Topics that allow unclean elections by their own settings, or by the broker's where they do not say.
fn unclean_topics(topics: &[TopicName], results: Vec<ReadResult>, by_default: bool) -> BTreeSet<TopicName> {
    let allows = |result: ReadResult| match result {
        ReadResult::Data { data, .. } => {
            let own = config::decode(&data).unwrap_or_default();
            own.get("unclean.leader.election.enable")
                .map_or(by_default, |text| text.trim().eq_ignore_ascii_case("true"))
        }
        _ => by_default,
    };
    topics.iter().zip(results).filter_map(|(name, result)| allows(result).then(|| name.clone())).collect()
}

/// A line of `state.change.logger`.
pub(crate) fn state_change(controller: &Controller, level: NoticeLevel, text: &str) -> Effect {
    let text = format!("[Controller id={} epoch={}] {text}", controller.id, controller.context.epoch);
    Effect::Notice(Notice { level, logger: "state.change.logger", text })
}
