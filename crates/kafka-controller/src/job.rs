//! What is left to do of an event: jobs, one after the other, each a few steps with reads or writes between them.

use std::collections::BTreeSet;

use kafka_metadata::znodes;
use kafka_types::{BrokerId, ErrorCode, TopicName, TopicPartition};

use crate::brokers::{BrokerStep, ChangedBroker};
use crate::controller::Controller;
use crate::deletion::{DeletionStep, TreeRemoval};
use crate::effect::{Answer, Effect, Read, Write};
use crate::event::{AlterPartitionRequest, ReadResult, ReplyToken, WriteResult};
use crate::isr::AlterStep;
use crate::leaders::ElectionAnswer;
use crate::notifications::{NotificationStep, reread};
use crate::partition_states::PartitionChange;
use crate::producer_ids::AllocationStep;
use crate::reassignment::{MoveAnswer, MoveStep};
use crate::replica_states::ReplicaChange;
use crate::startup::{Elect, Failover};
use crate::topics::{TopicStep, TopicsStep};

/// What a step was waiting for.
#[derive(Debug)]
pub(crate) enum Io {
    /// Nothing: it is the first.
    None,
    /// Reads.
    Reads(Vec<ReadResult>),
    /// Writes.
    Writes(Vec<WriteResult>),
}

impl Io {
    pub(crate) fn reads(self) -> Vec<ReadResult> {
        match self {
            Io::Reads(results) => results,
            _ => Vec::new(),
        }
    }

    pub(crate) fn writes(self) -> Vec<WriteResult> {
        match self {
            Io::Writes(results) => results,
            _ => Vec::new(),
        }
    }
}

/// What follows a step.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next job.
    Done,
    /// These jobs, before all others.
    Jobs(Vec<Job>),
    /// These reads, then this job with their results.
    Read(Vec<Read>, Job),
    /// These writes, then this job with their results.
    Write(Vec<Write>, Job),
    /// Another broker controls.
    Resign,
    /// This broker cannot control: give the role up, and try again later.
    GiveUp,
}

#[derive(Debug)]
pub(crate) enum Job {
    /// Who controls? Perhaps this broker.
    Elect(Elect),
    /// Take over.
    Failover(Failover),
    /// The living brokers changed.
    Brokers(BrokerStep),
    /// What one broker says of itself changed.
    Broker(ChangedBroker),
    /// Replicas cannot serve any more: elect, take them out of sync.
    ReplicasLost(Vec<(TopicPartition, BrokerId)>),
    /// The topics changed.
    Topics(TopicsStep),
    /// One topic's assignment changed.
    Topic(TopicStep),
    /// Topics shall be deleted.
    Deletions(DeletionStep),
    /// Go on deleting what can be deleted.
    ResumeDeletions,
    /// Take topics out of use and have their replicas deleted.
    BeginDeletion(Vec<TopicName>),
    /// A topic's replicas are gone: remove its znodes.
    RemoveTopic(TreeRemoval),
    /// Notices from brokers, and wishes of old tools.
    Notifications(NotificationStep),
    /// States of these partitions changed behind our back: read them.
    Reread(Vec<TopicPartition>),
    /// Partitions change their state.
    Partitions(PartitionChange),
    /// Replicas change their state.
    Replicas(ReplicaChange),
    /// All partitions that should have a leader and have none get one, if possible.
    ElectMissing,
    /// Everybody is told who lives and what these partitions are.
    Tell(BTreeSet<BrokerId>, Vec<TopicPartition>),
    /// Followers on a stopping broker are told to stop.
    StopFollowing(BrokerId, Vec<TopicPartition>),
    /// A leader wants other in-sync replicas.
    Alter(AlterStep),
    /// A stopping broker is told what it still leads.
    AnswerShutdown(ReplyToken, BrokerId),
    /// A broker gets producer ids.
    Allocate(AllocationStep),
    /// A partition moves to other brokers.
    Move(MoveStep),
    /// A tool is told which moves have begun.
    AnswerMoves(MoveAnswer),
    /// A tool is told which leaders changed.
    AnswerElection(ElectionAnswer),
    /// Give leaderships back to preferred replicas where too many are elsewhere.
    Rebalance,
}

impl Job {
    /// The job for a change at a watched path.
    pub(crate) fn for_path(path: &str) -> Option<Job> {
        let of_topic = || path.strip_prefix(znodes::topics::TOPICS)?.strip_prefix('/');
        let of_broker = || znodes::brokers::id_of(path.strip_prefix(znodes::brokers::IDS)?.strip_prefix('/')?);
        match path {
            znodes::brokers::IDS => Some(Job::Brokers(BrokerStep::List)),
            znodes::topics::TOPICS => Some(Job::Topics(TopicsStep::List)),
            znodes::admin::DELETE_TOPICS => Some(Job::Deletions(DeletionStep::List)),
            _ if of_broker().is_some() => of_broker().map(|id| Job::Broker(ChangedBroker::Read(id))),
            _ if of_topic().is_some() => of_topic().map(|name| Job::Topic(TopicStep::Read(name.into()))),
            _ => NotificationStep::for_path(path).map(Job::Notifications),
        }
    }

    pub(crate) fn alter_partition(token: ReplyToken, request: AlterPartitionRequest) -> Job {
        Job::Alter(AlterStep::Check(token, request))
    }

    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            Job::Elect(step) => step.step(controller, io, effects),
            Job::Failover(step) => step.step(controller, io, effects),
            Job::Brokers(step) => step.step(controller, io, effects),
            Job::Broker(step) => step.step(controller, io, effects),
            Job::ReplicasLost(replicas) => controller.replicas_lost(replicas),
            Job::Topics(step) => step.step(controller, io, effects),
            Job::Topic(step) => step.step(controller, io, effects),
            Job::Deletions(step) => step.step(controller, io, effects),
            Job::ResumeDeletions => controller.resume_deletions(effects),
            Job::BeginDeletion(topics) => controller.begin_deletion(&topics, effects),
            Job::RemoveTopic(step) => step.step(controller, io, effects),
            Job::Notifications(step) => step.step(controller, io, effects),
            Job::Reread(partitions) => reread(partitions),
            Job::Partitions(change) => change.step(controller, io, effects),
            Job::Replicas(change) => change.step(controller, io, effects),
            Job::ElectMissing => controller.elect_missing(),
            Job::Tell(brokers, partitions) => {
                controller.batch.tell(brokers, partitions);
                controller.send_batch(effects);
                Next::Done
            }
            Job::StopFollowing(broker, partitions) => {
                for partition in &partitions {
                    controller.batch.stop(broker, partition, false);
                }
                controller.send_batch(effects);
                Next::Done
            }
            Job::Alter(step) => step.step(controller, io, effects),
            Job::AnswerShutdown(token, broker) => controller.answer_shutdown(token, broker, effects),
            Job::Allocate(step) => step.step(controller, io, effects),
            Job::Move(step) => step.step(controller, io, effects),
            Job::AnswerMoves(answer) => controller.answer_moves(answer, effects),
            Job::AnswerElection(answer) => controller.answer_election(answer, effects),
            Job::Rebalance => controller.rebalance(),
        }
    }

    /// Can a controller not go on without it?
    pub(crate) fn is_essential(&self) -> bool {
        matches!(self, Job::Elect(_) | Job::Failover(_))
    }

    /// For errors.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Job::Elect(_) => "Error while electing or becoming controller",
            Job::Failover(_) => "Error while taking over as controller",
            Job::Topics(_) | Job::Topic(_) => "Error while handling a change of topics",
            Job::Deletions(_) | Job::RemoveTopic(_) => "Error while deleting topics",
            Job::Brokers(_) | Job::Broker(_) => "Error while handling a change of brokers",
            Job::Partitions(_) | Job::Replicas(_) => "Error while changing the state of partitions",
            _ => "Error processing an event",
        }
    }

    /// Will never be done: who waits for it is told that this broker does not control.
    pub(crate) fn abandon(self, effects: &mut Vec<Effect>) {
        let (token, answer) = match self {
            Job::Alter(step) => (step.token(), Answer::AlterPartition(Err(ErrorCode::NotController))),
            Job::AnswerShutdown(token, _) => (token, Answer::ControlledShutdown(Err(ErrorCode::NotController))),
            Job::Allocate(step) => (step.token(), Answer::AllocateProducerIds(Err(ErrorCode::NotController))),
            Job::AnswerMoves(answer) => (answer.token, Answer::AlterReassignments(Err(ErrorCode::NotController))),
            Job::AnswerElection(answer) => {
                let Some(token) = answer.token else { return };
                (token, Answer::ElectLeaders(Err(ErrorCode::NotController)))
            }
            _ => return,
        };
        effects.push(Effect::Answer { token, answer });
    }
}
