//! Deleting topics: out of use first, then replica by replica, then the znodes. A topic waits while the broker of one of
//! its replicas is dead.

use kafka_metadata::znodes::{admin, config, topics};
use kafka_types::{BrokerId, ErrorCode, TopicName, TopicPartition};

use crate::context::PartitionReplica;
use crate::controller::Controller;
use crate::effect::{Effect, Notice, NoticeLevel, Read, WriteOp};
use crate::event::{ReadResult, WriteError, WriteResult};
use crate::job::{Io, Job, Next};
use crate::partition_states::{PartitionChange, PartitionStatus};
use crate::replica_states::{ReplicaChange, ReplicaStatus};
use crate::startup::topic_names;

/// Steps of looking at which topics shall go.
#[derive(Debug)]
pub(crate) enum DeletionStep {
    List,
    Listed,
    /// Remove the wishes for these topics.
    Forget(Vec<TopicName>),
    Forgotten,
}

impl DeletionStep {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            DeletionStep::List => {
                let read = Read::Children { path: admin::DELETE_TOPICS.to_owned(), watch: true };
                Next::Read(vec![read], Job::Deletions(DeletionStep::Listed))
            }
            DeletionStep::Listed => {
                let Some(ReadResult::Children(names)) = io.reads().pop() else { return Next::Done };
                let (there, gone): (Vec<TopicName>, Vec<TopicName>) =
                    topic_names(&names).into_iter().partition(|name| controller.context.topics.contains_key(name));
                let text = format!("Starting topic deletion for topics {}", there.join(","));
                if controller.settings.delete_topics && !there.is_empty() {
                    controller.notice(NoticeLevel::Info, text, effects);
                }
                controller.context.deleting.extend(there.iter().cloned());
                controller.block_deletions_of_moving_topics();
                Next::Jobs(controller.forget_deletions(there, gone))
            }
            DeletionStep::Forget(names) => {
                let text =
                    format!("Removing {} since delete topic is disabled or there is no such topic", names.join(","));
                controller.notice(NoticeLevel::Info, text, effects);
                let path = |name: &TopicName| admin::delete_topic_path(name);
                let delete = |name| controller.fenced(WriteOp::Delete { path: path(name), version: None });
                Next::Write(names.iter().map(delete).collect(), Job::Deletions(DeletionStep::Forgotten))
            }
            DeletionStep::Forgotten => Next::Done,
        }
    }
}

impl Controller {
    /// A topic is not deleted while a partition of it is being moved.
    pub(crate) fn block_deletions_of_moving_topics(&mut self) {
        let context = &self.context;
        let moving: Vec<TopicName> =
            context.deleting.iter().filter(|topic| context.is_reassigning(topic)).cloned().collect();
        self.context.deletion_blocked.extend(moving);
    }

    /// Every topic that shall go makes the step that it can make.
    pub(crate) fn resume_deletions(&mut self, effects: &mut Vec<Effect>) -> Next {
        let mut jobs = Vec::new();
        let (mut retry, mut begin) = (Vec::new(), Vec::new());
        let context = &self.context;
        for topic in &context.deleting {
            if context.are_all_replicas(topic, ReplicaStatus::DeletionSuccessful) {
                jobs.push(Job::RemoveTopic(TreeRemoval::new(topic.clone())));
                continue;
            }
            let started = context.is_any_replica(topic, ReplicaStatus::DeletionStarted);
            if started || context.deletion_blocked.contains(topic) {
                continue;
            }
            for replica in context.replicas_of(topic) {
                if context.replica_states.get(&replica) == Some(&ReplicaStatus::DeletionIneligible) {
                    retry.push(replica);
                }
            }
            begin.push(topic.clone());
        }
        if !retry.is_empty() {
            jobs.push(Job::Replicas(ReplicaChange::new(retry, ReplicaStatus::Offline)));
        }
        if !begin.is_empty() {
            let text = format!("Deletion of topic {} (re)started", begin.join(","));
            effects.push(deletion_notice(self, text));
            jobs.push(Job::BeginDeletion(begin));
        }
        Next::Jobs(jobs)
    }

    /// Takes topics out of use, tells everybody, and has the replicas deleted whose brokers live.
    pub(crate) fn begin_deletion(&mut self, topics: &[TopicName], effects: &mut Vec<Effect>) -> Next {
        let mut jobs = Vec::new();
        let unseen: Vec<TopicName> =
            topics.iter().filter(|topic| !self.context.deletion_started.contains(*topic)).cloned().collect();
        let partitions: Vec<TopicPartition> =
            unseen.iter().flat_map(|topic| self.context.partitions_of(topic)).collect();
        if !partitions.is_empty() {
            jobs.push(Job::Partitions(PartitionChange::new(partitions.clone(), PartitionStatus::Offline)));
            jobs.push(Job::Partitions(PartitionChange::new(partitions, PartitionStatus::NonExistent)));
        }
        self.context.deletion_started.extend(unseen);
        let all: Vec<TopicPartition> = topics.iter().flat_map(|topic| self.context.partitions_of(topic)).collect();
        jobs.push(Job::Tell(self.context.brokers.keys().copied().collect(), all));
        let (mut dead, mut alive) = (Vec::new(), Vec::new());
        for topic in topics {
            for replica in self.context.replicas_of(topic) {
                if !self.context.is_online(&replica.0, replica.1, false) {
                    self.context.deletion_blocked.insert(topic.clone());
                    dead.push(replica);
                } else if self.context.replica_states.get(&replica) != Some(&ReplicaStatus::DeletionSuccessful) {
                    alive.push(replica);
                }
            }
        }
        if !dead.is_empty() {
            effects.push(deletion_notice(self, format!("Halted deletion of topics {}", topics.join(","))));
            // Some of them are known to be offline, the others are about to be.
            let known_dead = |replica: &PartitionReplica| {
                self.context.replica_states.get(replica) == Some(&ReplicaStatus::DeletionIneligible)
            };
            dead.retain(|replica| !known_dead(replica));
        }
        jobs.push(Job::Replicas(ReplicaChange::new(dead, ReplicaStatus::DeletionIneligible)));
        jobs.push(Job::Replicas(ReplicaChange::new(alive.clone(), ReplicaStatus::Offline)));
        jobs.push(Job::Replicas(ReplicaChange::new(alive, ReplicaStatus::DeletionStarted)));
        Next::Jobs(jobs)
    }

    /// These replicas could not be deleted: their topics wait until somebody comes back.
    pub(crate) fn fail_deletion(&mut self, replicas: Vec<PartitionReplica>) -> Vec<Job> {
        for (partition, _) in &replicas {
            self.context.deletion_blocked.insert(partition.topic.clone());
        }
        let under_way = |replica: &PartitionReplica| {
            let state = self.context.replica_states.get(replica);
            matches!(state, Some(ReplicaStatus::Offline | ReplicaStatus::DeletionStarted))
        };
        // A dead broker's replica that was never told to go has to be offline first.
        let (ready, others): (Vec<_>, Vec<_>) = replicas.into_iter().partition(under_way);
        let others: Vec<_> = others
            .into_iter()
            .filter(|replica| self.context.replica_states.get(replica) == Some(&ReplicaStatus::Online))
            .collect();
        vec![
            Job::Replicas(ReplicaChange::new(ready, ReplicaStatus::DeletionIneligible)),
            Job::Replicas(ReplicaChange::new(others.clone(), ReplicaStatus::Offline)),
            Job::Replicas(ReplicaChange::new(others, ReplicaStatus::DeletionIneligible)),
            Job::ResumeDeletions,
        ]
    }

    /// A broker says which replicas it has deleted.
    pub(crate) fn on_stop_replica_answer(&mut self, broker: BrokerId, deleted: Vec<(TopicPartition, ErrorCode)>) {
        let concerns = |partition: &TopicPartition| self.context.deleting.contains(&partition.topic);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (partition, error) in deleted.into_iter().filter(|(partition, _)| concerns(partition)) {
            let to = if error == ErrorCode::None { &mut done } else { &mut failed };
            to.push((partition, broker));
        }
        let mut jobs = Vec::new();
        if !failed.is_empty() {
            jobs.extend(self.fail_deletion(failed));
        }
        if !done.is_empty() {
            jobs.push(Job::Replicas(ReplicaChange::new(done, ReplicaStatus::DeletionSuccessful)));
            jobs.push(Job::ResumeDeletions);
        }
        self.push_jobs(jobs);
    }
}

/// Removes all that the coordination server knows of a topic: leaves first.
#[derive(Debug)]
pub(crate) struct TreeRemoval {
    topic: TopicName,
    /// Paths in the order of their discovery: parents before children.
    found: Vec<String>,
    frontier: Vec<String>,
    step: RemovalStep,
}

#[derive(Debug)]
enum RemovalStep {
    Look,
    Looked,
    Removed,
}

impl TreeRemoval {
    pub(crate) fn new(topic: TopicName) -> TreeRemoval {
        let frontier = vec![topics::path(&topic)];
        TreeRemoval { topic, found: Vec::new(), frontier, step: RemovalStep::Look }
    }

    pub(crate) fn step(mut self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self.step {
            RemovalStep::Look => {
                let read = |path: &String| Read::Children { path: path.clone(), watch: false };
                let reads = self.frontier.iter().map(read).collect();
                self.step = RemovalStep::Looked;
                Next::Read(reads, Job::RemoveTopic(self))
            }
            RemovalStep::Looked => {
                let mut below = Vec::new();
                for (path, result) in std::mem::take(&mut self.frontier).into_iter().zip(io.reads()) {
                    if let ReadResult::Children(names) = result {
                        below.extend(names.iter().map(|name| format!("{path}/{name}")));
                        self.found.push(path);
                    }
                }
                if below.is_empty() {
                    return self.remove(controller);
                }
                self.frontier = below;
                self.step = RemovalStep::Look;
                Next::Jobs(vec![Job::RemoveTopic(self)])
            }
            RemovalStep::Removed => {
                let grew =
                    |result: &WriteResult| matches!(result, WriteResult::Refused { error: WriteError::NotEmpty, .. });
                if io.writes().iter().any(grew) {
                    return Next::Jobs(vec![Job::RemoveTopic(TreeRemoval::new(self.topic))]);
                }
                effects.push(deletion_notice(
                    controller,
                    format!("Deletion of topic {} successfully completed", self.topic),
                ));
                controller.context.remove_topic(&self.topic);
                Next::Done
            }
        }
    }

    fn remove(mut self, controller: &Controller) -> Next {
        let mut paths: Vec<String> = std::mem::take(&mut self.found);
        paths.reverse();
        paths.push(config::topic_path(&self.topic));
        paths.push(admin::delete_topic_path(&self.topic));
        let delete = |path| controller.fenced(WriteOp::Delete { path, version: None });
        let writes = paths.into_iter().map(delete).collect();
        self.step = RemovalStep::Removed;
        Next::Write(writes, Job::RemoveTopic(self))
    }
}

fn deletion_notice(controller: &Controller, mut text: String) -> Effect {
    text.insert_str(0, &format!("[Topic Deletion Manager {}] ", controller.id));
    Effect::Notice(Notice { level: NoticeLevel::Info, logger: "kafka.controller.TopicDeletionManager", text })
}
