//! Partitions move to other brokers.
//!
//! ```text
//!              goal written          the goal is in sync        leader among those that stay,
//!   at rest ──────────────▶ moving ──────────────────────▶ ···  the others deleted, goal written ──▶ at rest
//!              adding, removing        (at once where
//!                 ▲      │              nobody comes)
//!                 └──────┘ another goal, or back to the origin
//! ```
//!
//! Whoever holds a partition while it moves stands in its topic's znode, with those that come and those that go. What old
//! tools wish for in `/admin/reassign_partitions` stays there until it is done.

use std::collections::{BTreeMap, BTreeSet};

use kafka_metadata::znodes::admin;
use kafka_metadata::znodes::topics::{self, ReplicaAssignment, TopicAssignment};
use kafka_types::{BrokerId, ErrorCode, TopicPartition};

use crate::controller::Controller;
use crate::effect::{Answer, Effect, NoticeLevel, Read, ReassignedPartition, WriteOp};
use crate::event::{ReadResult, ReplyToken, WriteError, WriteResult};
use crate::job::{Io, Job, Next};
use crate::partition_states::{PartitionChange, Rule};
use crate::replica_states::{ReplicaChange, ReplicaStatus};

/// Who holds a partition, to be written into its topic's znode.
#[derive(Debug)]
pub(crate) struct Record {
    partition: TopicPartition,
    assignment: ReplicaAssignment,
    /// The move is over when it is written; else it begins.
    completes: bool,
}

/// Steps of a move.
#[derive(Debug)]
pub(crate) enum MoveStep {
    /// A partition has this goal from now on, perhaps the one that it had.
    Begin(TopicPartition, ReplicaAssignment),
    Record(Record),
    Read(Record),
    Written(Record),
    /// The goal is known to everybody who asks: go there, or be there already.
    Go(TopicPartition),
    /// Those of the goal are in sync: the others leave.
    Settle(TopicPartition),
    /// Somebody came into sync: perhaps that was all that was missing.
    Check(Vec<TopicPartition>),
    /// Moves whose goal names one of these brokers go on; all but those that were wished for just now if none are named.
    Resume(Option<BTreeSet<BrokerId>>),
    /// Wishes that are done, or that cannot be.
    Forget(Vec<TopicPartition>),
    Forgotten,
}

/// What has to be told when moves have begun.
#[derive(Debug)]
pub(crate) struct MoveAnswer {
    pub(crate) token: ReplyToken,
    /// Refused before they began.
    refused: Vec<ReassignedPartition>,
    begun: Vec<(TopicPartition, ReplicaAssignment)>,
}

impl MoveStep {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            MoveStep::Begin(partition, goal) => begin(controller, partition, goal),
            MoveStep::Record(record) => {
                let read = Read::Data { path: topics::path(&record.partition.topic), watch: false };
                Next::Read(vec![read], Job::Move(MoveStep::Read(record)))
            }
            MoveStep::Read(record) => write(controller, record, io.reads(), effects),
            MoveStep::Written(record) => written(controller, record, io.writes(), effects),
            MoveStep::Go(partition) => go(controller, partition, effects),
            MoveStep::Settle(partition) => settle(controller, partition, effects),
            MoveStep::Check(partitions) => {
                let done = partitions.into_iter().filter(|partition| {
                    let assignment = controller.context.assignment(partition);
                    assignment.is_some_and(|known| known.is_reassigning() && controller.is_there(partition, known))
                });
                Next::Jobs(done.map(|partition| Job::Move(MoveStep::Go(partition))).collect())
            }
            MoveStep::Resume(brokers) => resume(controller, brokers.as_ref()),
            MoveStep::Forget(partitions) => forget(controller, &partitions, effects),
            MoveStep::Forgotten => Next::Done,
        }
    }
}

fn begin(controller: &mut Controller, partition: TopicPartition, goal: ReplicaAssignment) -> Next {
    let context = &mut controller.context;
    if context.deleting.contains(&partition.topic) {
        context.deletion_blocked.insert(partition.topic.clone());
    }
    match context.assignment(&partition) {
        None => Next::Done,
        Some(known) if *known == goal => Next::Jobs(vec![Job::Move(MoveStep::Go(partition))]),
        Some(_) => {
            let record = Record { partition, assignment: goal, completes: false };
            Next::Jobs(vec![Job::Move(MoveStep::Record(record))])
        }
    }
}

/// Writes an assignment over the one that stands in the znode, the topic's other partitions as they are there: some may
/// have been added since it was read.
fn write(controller: &mut Controller, record: Record, results: Vec<ReadResult>, effects: &mut Vec<Effect>) -> Next {
    let path = topics::path(&record.partition.topic);
    let found = match results.into_iter().next() {
        Some(ReadResult::Data { data, stat }) => {
            TopicAssignment::decode(&data).map(|topic| (topic, stat.version)).map_err(|error| error.to_string())
        }
        _ => Err("it is gone".to_owned()),
    };
    let (mut topic, version) = match found {
        Ok(found) => found,
        Err(error) => {
            let text = format!("Error completing reassignment of partition {}: {path}: {error}", record.partition);
            controller.notice(NoticeLevel::Error, text, effects);
            return Next::Done;
        }
    };
    let before = topic.partitions.insert(record.partition.partition, record.assignment.clone());
    if before.as_ref() == Some(&record.assignment) {
        // Written before, by us (the answer was lost) or by the controller before us.
        return recorded(controller, record, effects);
    }
    let write = controller.fenced(WriteOp::Set { path, data: topic.encode(), version: Some(version) });
    Next::Write(vec![write], Job::Move(MoveStep::Written(record)))
}

fn written(controller: &mut Controller, record: Record, results: Vec<WriteResult>, effects: &mut Vec<Effect>) -> Next {
    match results.into_iter().next() {
        Some(WriteResult::Done(_)) => {}
        // More partitions came in between, or this was our own write, whose answer was lost: look again.
        Some(WriteResult::Refused { error: WriteError::BadVersion, .. }) => {
            return Next::Jobs(vec![Job::Move(MoveStep::Record(record))]);
        }
        other => {
            let text = format!("Error completing reassignment of partition {}: {other:?}", record.partition);
            controller.notice(NoticeLevel::Error, text, effects);
            return Next::Done;
        }
    }
    recorded(controller, record, effects)
}

/// The znode holds the assignment.
fn recorded(controller: &mut Controller, record: Record, effects: &mut Vec<Effect>) -> Next {
    let Record { partition, assignment, completes } = record;
    let text = format!("Successfully updated assignment of partition {partition} to {}", shown(&assignment));
    controller.notice(NoticeLevel::Info, text, effects);
    if completes {
        return complete(controller, &partition);
    }
    let before = controller.context.replicas(&partition).to_vec();
    let unneeded = before.into_iter().filter(|id| !assignment.replicas.contains(id)).collect();
    controller.context.set_assignment(&partition, assignment);
    let mut jobs = stop_holding(&partition, unneeded);
    jobs.push(Job::Move(MoveStep::Go(partition)));
    Next::Jobs(jobs)
}

fn go(controller: &mut Controller, partition: TopicPartition, effects: &mut Vec<Effect>) -> Next {
    let Some(assignment) = controller.context.assignment(&partition).cloned() else { return Next::Done };
    if !controller.context.leaderships.contains_key(&partition) {
        let text = format!("Error completing reassignment of partition {partition}: it never had a leader");
        controller.notice(NoticeLevel::Error, text, effects);
        return Next::Done;
    }
    let with = |ids: &[BrokerId]| ids.iter().map(|id| (partition.clone(), *id)).collect::<Vec<_>>();
    let mut adding = with(&assignment.adding);
    if controller.is_there(&partition, &assignment) {
        return Next::Jobs(vec![
            Job::Replicas(ReplicaChange::new(adding, ReplicaStatus::Online)),
            Job::Move(MoveStep::Settle(partition)),
        ]);
    }
    // Under a controller that took over in the middle they are known already.
    adding.retain(|replica| !controller.context.replica_states.contains_key(replica));
    Next::Jobs(vec![
        Job::Partitions(PartitionChange::elect(vec![partition], Rule::Again)),
        Job::Replicas(ReplicaChange::new(adding, ReplicaStatus::New)),
    ])
}

fn settle(controller: &mut Controller, partition: TopicPartition, effects: &mut Vec<Effect>) -> Next {
    let Some(moving) = controller.context.assignment(&partition).cloned() else { return Next::Done };
    let target = moving.target();
    controller.context.set_assignment(&partition, ReplicaAssignment::of(target.clone()));
    let leader = controller.context.leaderships.get(&partition).map(|known| known.state.leader);
    let stays = leader.is_some_and(|id| target.contains(&id) && controller.context.is_online(&partition, id, false));
    let text = format!("Partition {partition} has arrived at {target:?}; its leader {leader:?} stays: {stays}");
    controller.notice(NoticeLevel::Info, text, effects);
    let rule = if stays { Rule::Again } else { Rule::Reassigned };
    let mut jobs = vec![Job::Partitions(PartitionChange::elect(vec![partition.clone()], rule))];
    jobs.extend(stop_holding(&partition, moving.removing));
    let record = Record { partition, assignment: ReplicaAssignment::of(target), completes: true };
    jobs.push(Job::Move(MoveStep::Record(record)));
    Next::Jobs(jobs)
}

/// The goal stands in the znode: the wish for it is fulfilled, everybody hears of it, and a topic that waits to be
/// deleted need not wait any more.
fn complete(controller: &mut Controller, partition: &TopicPartition) -> Next {
    let context = &mut controller.context;
    let mut jobs = Vec::new();
    if context.wishes.get(partition).is_some_and(|wish| wish.as_slice() == context.replicas(partition)) {
        jobs.push(Job::Move(MoveStep::Forget(vec![partition.clone()])));
    }
    jobs.push(Job::Tell(context.brokers.keys().copied().collect(), vec![partition.clone()]));
    if context.deleting.contains(&partition.topic) {
        context.deletion_blocked.remove(&partition.topic);
        jobs.push(Job::ResumeDeletions);
    }
    Next::Jobs(jobs)
}

/// These replicas leave: they follow nobody any more, and their logs are deleted. Nobody waits for that: a broker that is
/// away finds out when it is back.
fn stop_holding(partition: &TopicPartition, replicas: Vec<BrokerId>) -> Vec<Job> {
    let replicas: Vec<_> = replicas.into_iter().map(|id| (partition.clone(), id)).collect();
    if replicas.is_empty() {
        return Vec::new();
    }
    let steps = [
        ReplicaStatus::Offline,
        ReplicaStatus::DeletionStarted,
        ReplicaStatus::DeletionSuccessful,
        ReplicaStatus::NonExistent,
    ];
    steps.into_iter().map(|to| Job::Replicas(ReplicaChange::new(replicas.clone(), to))).collect()
}

fn resume(controller: &Controller, brokers: Option<&BTreeSet<BrokerId>>) -> Next {
    let context = &controller.context;
    let mut jobs = Vec::new();
    for partition in context.partitions() {
        let Some(assignment) = context.assignment(&partition).filter(|known| known.is_reassigning()) else { continue };
        let goes_on = match brokers {
            Some(brokers) => assignment.target().iter().any(|id| brokers.contains(id)),
            None => !context.wishes.contains_key(&partition),
        };
        if goes_on {
            let goal = assignment.clone();
            jobs.push(Job::Move(MoveStep::Begin(partition, goal)));
        }
    }
    Next::Jobs(jobs)
}

/// Takes wishes out of `/admin/reassign_partitions`; the znode goes with the last one.
fn forget(controller: &mut Controller, partitions: &[TopicPartition], effects: &mut Vec<Effect>) -> Next {
    let wishes = &mut controller.context.wishes;
    let before = wishes.len();
    wishes.retain(|partition, _| !partitions.contains(partition));
    if wishes.len() == before {
        return Next::Done;
    }
    let path = admin::REASSIGN_PARTITIONS.to_owned();
    let op = if wishes.is_empty() {
        WriteOp::Delete { path, version: None }
    } else {
        WriteOp::Set { path, data: admin::encode_reassignment(wishes), version: None }
    };
    let text = format!("Removing partitions {partitions:?} from the list of reassigned partitions in zookeeper");
    controller.notice(NoticeLevel::Info, text, effects);
    Next::Write(vec![controller.fenced(op)], Job::Move(MoveStep::Forgotten))
}

/// What old tools wish for was read; `None` if nothing is wished for any more.
pub(crate) fn wished(controller: &mut Controller, data: Option<&[u8]>, effects: &mut Vec<Effect>) -> Next {
    let wishes = match data.map(admin::decode_reassignment) {
        None => BTreeMap::new(),
        Some(Ok(wishes)) => wishes,
        Some(Err(error)) => {
            controller.notice(NoticeLevel::Warn, format!("Ignoring partition reassignment: {error}"), effects);
            return Next::Done;
        }
    };
    let known = std::mem::replace(&mut controller.context.wishes, wishes.clone());
    let (mut jobs, mut failed) = (Vec::new(), Vec::new());
    for (partition, replicas) in wishes {
        // Written back by ourselves, without others.
        if known.get(&partition) == Some(&replicas) {
            continue;
        }
        let illegal = is_illegal(&replicas).err().map(|text| (ErrorCode::InvalidReplicaAssignment, text));
        match illegal.map_or_else(|| controller.may_move(&partition), Err) {
            Ok(assignment) => {
                let goal = assignment.reassign_to(&replicas);
                jobs.push(Job::Move(MoveStep::Begin(partition, goal)));
            }
            Err((_, text)) => {
                let text = format!("Failed reassignment through zk with the following errors: {partition}: {text}");
                controller.notice(NoticeLevel::Warn, text, effects);
                failed.push(partition);
            }
        }
    }
    jobs.push(Job::Move(MoveStep::Forget(failed)));
    Next::Jobs(jobs)
}

impl Controller {
    /// A tool wants partitions to move, or (without replicas) to go back.
    pub(crate) fn on_alter_reassignments(
        &mut self,
        token: ReplyToken,
        moves: Vec<(TopicPartition, Option<Vec<BrokerId>>)>,
    ) {
        let mut answer = MoveAnswer { token, refused: Vec::new(), begun: Vec::new() };
        for (partition, replicas) in moves {
            match self.goal(&partition, replicas.as_deref()) {
                Ok(goal) => answer.begun.push((partition, goal)),
                Err((error, message)) => {
                    answer.refused.push(ReassignedPartition { partition, error, message: Some(message) });
                }
            }
        }
        // The latest wish counts, whichever way it came.
        let partitions = answer.begun.iter().map(|(partition, _)| partition.clone()).collect();
        let begin = |(partition, goal): &(TopicPartition, ReplicaAssignment)| {
            Job::Move(MoveStep::Begin(partition.clone(), goal.clone()))
        };
        let mut jobs = vec![Job::Move(MoveStep::Forget(partitions))];
        jobs.extend(answer.begun.iter().map(begin));
        jobs.push(Job::AnswerMoves(answer));
        self.push_jobs(jobs);
    }

    /// Where a partition shall go.
    fn goal(
        &self,
        partition: &TopicPartition,
        replicas: Option<&[BrokerId]>,
    ) -> Result<ReplicaAssignment, (ErrorCode, String)> {
        let none = ReplicaAssignment::default();
        let known = self.context.assignment(partition).unwrap_or(&none);
        let goal = match replicas {
            Some(replicas) => {
                let illegal = |text| (ErrorCode::InvalidReplicaAssignment, text);
                is_illegal(replicas).map_err(illegal)?;
                let goal = known.reassign_to(replicas);
                self.all_live(&goal.adding).map_err(illegal)?;
                goal
            }
            None if known.is_reassigning() => known.reassign_to(&known.origin()),
            None => {
                let error = ErrorCode::NoReassignmentInProgress;
                return Err((error, error.message().to_owned()));
            }
        };
        self.may_move(partition).map(|_| goal)
    }

    fn all_live(&self, adding: &[BrokerId]) -> Result<(), String> {
        if adding.iter().all(|id| self.context.is_live(*id)) {
            return Ok(());
        }
        let live: Vec<String> =
            self.context.brokers.keys().filter(|id| self.context.is_live(**id)).map(ToString::to_string).collect();
        Err(format!(
            "Replica assignment has brokers that are not alive. Replica list: {}, live broker list: Set({})",
            listed(adding),
            live.join(", ")
        ))
    }

    fn may_move(&self, partition: &TopicPartition) -> Result<&ReplicaAssignment, (ErrorCode, String)> {
        let known = self.context.assignment(partition).filter(|known| !known.replicas.is_empty());
        known
            .filter(|_| !self.context.deleting.contains(&partition.topic))
            .ok_or_else(|| (ErrorCode::UnknownTopicOrPartition, "The partition does not exist.".to_owned()))
    }

    /// Are all of the goal in sync?
    fn is_there(&self, partition: &TopicPartition, assignment: &ReplicaAssignment) -> bool {
        let in_sync =
            |known: &crate::context::Leadership| assignment.target().iter().all(|id| known.state.isr.contains(id));
        !assignment.is_reassigning() || self.context.leaderships.get(partition).is_some_and(in_sync)
    }

    /// Moves have begun, as far as they could.
    pub(crate) fn answer_moves(&mut self, answer: MoveAnswer, effects: &mut Vec<Effect>) -> Next {
        let MoveAnswer { token, refused: mut outcomes, begun } = answer;
        for (partition, goal) in begun {
            let known = self.context.assignment(&partition);
            let is_under_way =
                known.is_some_and(|known| *known == goal || *known == ReplicaAssignment::of(goal.target()));
            let error = if is_under_way && self.context.leaderships.contains_key(&partition) {
                ErrorCode::None
            } else {
                ErrorCode::UnknownServerError
            };
            let message = (error != ErrorCode::None).then(|| error.message().to_owned());
            outcomes.push(ReassignedPartition { partition, error, message });
        }
        effects.push(Effect::Answer { token, answer: Answer::AlterReassignments(Ok(outcomes)) });
        Next::Done
    }

    /// A tool asks what is moving; of all partitions if none are named.
    pub(crate) fn on_list_reassignments(
        &mut self,
        token: ReplyToken,
        partitions: Option<Vec<TopicPartition>>,
        effects: &mut Vec<Effect>,
    ) {
        let partitions = partitions.unwrap_or_else(|| self.context.partitions().collect());
        let moving = partitions.into_iter().filter_map(|partition| {
            let assignment = self.context.assignment(&partition).filter(|known| known.is_reassigning())?.clone();
            Some((partition, assignment))
        });
        let answer = Answer::ListReassignments(Ok(moving.collect()));
        effects.push(Effect::Answer { token, answer });
    }
}

/// What no partition can have as replicas, in Apache's words.
fn is_illegal(replicas: &[BrokerId]) -> Result<(), String> {
    let distinct: BTreeSet<&BrokerId> = replicas.iter().collect();
    if replicas.is_empty() {
        Err("Empty replica list specified in partition reassignment.".to_owned())
    } else if distinct.len() != replicas.len() {
        Err(format!("Duplicate replica ids in partition reassignment replica list: {}", listed(replicas)))
    } else if replicas.iter().any(|id| id.0 < 0) {
        Err(format!("Invalid broker id in replica list: {}", listed(replicas)))
    } else {
        Ok(())
    }
}

/// As Scala prints a buffer.
fn listed(ids: &[BrokerId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("ArrayBuffer({})", ids.join(", "))
}

fn shown(assignment: &ReplicaAssignment) -> String {
    let ids = |ids: &[BrokerId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!(
        "ReplicaAssignment(replicas={}, addingReplicas={}, removingReplicas={})",
        ids(&assignment.replicas),
        ids(&assignment.adding),
        ids(&assignment.removing)
    )
}
