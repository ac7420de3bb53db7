//! Notices from brokers (a failed directory, an ISR that a leader of an old release changed itself) and wishes of old
//! tools, all by way of znodes that are removed when they are read.

use std::collections::BTreeSet;

use kafka_metadata::znodes::{admin, notifications, partition_state};
use kafka_types::{BrokerId, TopicPartition};

use crate::controller::Controller;
use crate::effect::{Effect, Read, WriteOp};
use crate::event::ReadResult;
use crate::job::{Io, Job, Next};
use crate::partition_states::{PartitionChange, Rule};
use crate::reassignment::{MoveStep, wished};
use crate::replica_states::{ReplicaChange, ReplicaStatus};

/// What is told or wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    LogDirFailed,
    IsrChanged,
    PreferredElection,
    Reassignment,
}

/// Steps of reading notices.
#[derive(Debug)]
pub(crate) enum NotificationStep {
    Look(Kind),
    Listed(Kind),
    Read(Kind, Vec<String>),
    Removed,
    /// States of partitions were read again.
    States(Vec<TopicPartition>),
}

impl NotificationStep {
    pub(crate) fn for_path(path: &str) -> Option<NotificationStep> {
        let kind = match path {
            notifications::LOG_DIR_EVENTS => Kind::LogDirFailed,
            notifications::ISR_CHANGES => Kind::IsrChanged,
            admin::PREFERRED_REPLICA_ELECTION => Kind::PreferredElection,
            admin::REASSIGN_PARTITIONS => Kind::Reassignment,
            _ => return None,
        };
        Some(NotificationStep::Look(kind))
    }

    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            NotificationStep::Look(kind) => look(kind),
            NotificationStep::Listed(kind) => {
                let parent = match kind {
                    Kind::LogDirFailed => notifications::LOG_DIR_EVENTS,
                    _ => notifications::ISR_CHANGES,
                };
                let Some(ReadResult::Children(names)) = io.reads().pop() else { return Next::Done };
                let mut paths: Vec<String> = names.iter().map(|name| format!("{parent}/{name}")).collect();
                paths.sort_unstable();
                if paths.is_empty() {
                    return Next::Done;
                }
                let reads = paths.iter().map(|path| Read::Data { path: path.clone(), watch: false }).collect();
                Next::Read(reads, Job::Notifications(NotificationStep::Read(kind, paths)))
            }
            NotificationStep::Read(kind, paths) => read(controller, kind, paths, io.reads(), effects),
            NotificationStep::Removed => Next::Done,
            NotificationStep::States(partitions) => {
                for (partition, result) in partitions.iter().zip(io.reads()) {
                    controller.adopt_state(partition, result, effects);
                }
                controller.batch.tell_all(&controller.context, partitions.iter().cloned());
                controller.send_batch(effects);
                Next::Jobs(vec![Job::Move(MoveStep::Check(partitions))])
            }
        }
    }
}

fn look(kind: Kind) -> Next {
    let children = |path: &str| Read::Children { path: path.to_owned(), watch: true };
    // A wish is one znode; the watch for the next one is set by asking whether it exists.
    let wish = |path: &str| {
        let reads = vec![
            Read::Exists { path: path.to_owned(), watch: true },
            Read::Data { path: path.to_owned(), watch: false },
        ];
        Next::Read(reads, Job::Notifications(NotificationStep::Read(kind, vec![path.to_owned()])))
    };
    match kind {
        Kind::LogDirFailed => {
            let reads = vec![children(notifications::LOG_DIR_EVENTS)];
            Next::Read(reads, Job::Notifications(NotificationStep::Listed(kind)))
        }
        Kind::IsrChanged => {
            let reads = vec![children(notifications::ISR_CHANGES)];
            Next::Read(reads, Job::Notifications(NotificationStep::Listed(kind)))
        }
        Kind::PreferredElection => wish(admin::PREFERRED_REPLICA_ELECTION),
        Kind::Reassignment => wish(admin::REASSIGN_PARTITIONS),
    }
}

fn read(
    controller: &mut Controller,
    kind: Kind,
    paths: Vec<String>,
    results: Vec<ReadResult>,
    effects: &mut Vec<Effect>,
) -> Next {
    if kind == Kind::Reassignment {
        let data = results.iter().find_map(|result| match result {
            ReadResult::Data { data, .. } => Some(data.as_slice()),
            _ => None,
        });
        return wished(controller, data, effects);
    }
    let data: Vec<Vec<u8>> = results
        .into_iter()
        .filter_map(|result| match result {
            ReadResult::Data { data, .. } => Some(data),
            _ => None,
        })
        .collect();
    if data.is_empty() {
        return Next::Done;
    }
    let then = match kind {
        Kind::LogDirFailed => log_dirs_failed(controller, &data),
        Kind::IsrChanged => isr_changed(controller, &data),
        Kind::PreferredElection => preferred(controller, &data),
        Kind::Reassignment => Vec::new(),
    };
    controller.push_jobs(then);
    let delete = |path| controller.fenced(WriteOp::Delete { path, version: None });
    Next::Write(paths.into_iter().map(delete).collect(), Job::Notifications(NotificationStep::Removed))
}

/// The brokers are told again what they hold, and answer what they cannot serve.
fn log_dirs_failed(controller: &Controller, data: &[Vec<u8>]) -> Vec<Job> {
    let brokers: BTreeSet<BrokerId> =
        data.iter().filter_map(|data| notifications::decode_log_dir_failure(data).ok()).collect();
    let replicas = controller.context.replicas_on(&brokers);
    let (replicas, _): (Vec<_>, Vec<_>) =
        replicas.into_iter().partition(|(partition, id)| controller.context.is_online(partition, *id, false));
    vec![Job::Replicas(ReplicaChange::new(replicas, ReplicaStatus::Online))]
}

fn isr_changed(controller: &Controller, data: &[Vec<u8>]) -> Vec<Job> {
    let partitions: BTreeSet<TopicPartition> =
        data.iter().filter_map(|data| notifications::decode_isr_change(data).ok()).flatten().collect();
    let known = partitions.into_iter().filter(|partition| controller.context.assignment(partition).is_some());
    vec![Job::Reread(known.collect())]
}

fn preferred(controller: &Controller, data: &[Vec<u8>]) -> Vec<Job> {
    let wished = data.iter().filter_map(|data| admin::decode_preferred_election(data).ok()).flatten();
    let led = wished.filter(|partition| controller.context.leaderships.contains_key(partition)).collect();
    vec![Job::Partitions(PartitionChange::elect(led, Rule::Preferred))]
}

/// Reads the states of partitions again.
pub(crate) fn reread(partitions: Vec<TopicPartition>) -> Next {
    let read = |partition| Read::Data { path: partition_state::path(partition), watch: false };
    let reads = partitions.iter().map(read).collect();
    Next::Read(reads, Job::Notifications(NotificationStep::States(partitions)))
}
