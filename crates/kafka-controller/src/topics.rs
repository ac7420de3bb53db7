//! Topics came, went, or have more partitions.

use std::collections::BTreeSet;

use kafka_metadata::znodes::topics;
use kafka_types::{TopicName, TopicPartition};

use crate::controller::Controller;
use crate::effect::{Effect, NoticeLevel, Read, Write, WriteOp};
use crate::event::ReadResult;
use crate::job::{Io, Job, Next};
use crate::partition_states::{PartitionChange, PartitionStatus, Rule};
use crate::replica_states::{ReplicaChange, ReplicaStatus};
use crate::startup::topic_names;

/// Steps of looking at which topics there are.
#[derive(Debug)]
pub(crate) enum TopicsStep {
    List,
    Listed,
    Read(Vec<TopicName>),
    Created(Vec<TopicPartition>),
}

impl TopicsStep {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            TopicsStep::List => {
                let read = Read::Children { path: topics::TOPICS.to_owned(), watch: true };
                Next::Read(vec![read], Job::Topics(TopicsStep::Listed))
            }
            TopicsStep::Listed => {
                let Some(ReadResult::Children(names)) = io.reads().pop() else { return Next::Done };
                let there = topic_names(&names);
                let known: BTreeSet<TopicName> = controller.context.topics.keys().cloned().collect();
                for name in known.difference(&there) {
                    controller.context.remove_topic(name);
                }
                let new: Vec<TopicName> = there.difference(&known).cloned().collect();
                let reads = new.iter().map(|name| Read::Data { path: topics::path(name), watch: true }).collect();
                if new.is_empty() { Next::Done } else { Next::Read(reads, Job::Topics(TopicsStep::Read(new))) }
            }
            TopicsStep::Read(names) => {
                let mut writes: Vec<Write> = Vec::new();
                let mut partitions = Vec::new();
                for (name, result) in names.iter().zip(io.reads()) {
                    let Some((topic, write)) = controller.read_topic(name, result, effects) else { continue };
                    controller.context.add_topic(name.clone(), topic);
                    partitions.extend(controller.context.partitions_of(name));
                    writes.extend(write);
                }
                let list = names.iter().map(|name| &**name).collect::<Vec<_>>().join(",");
                controller.notice(NoticeLevel::Info, format!("New topics: [{list}]"), effects);
                let job = Job::Topics(TopicsStep::Created(partitions));
                if writes.is_empty() { Next::Jobs(vec![job]) } else { Next::Write(writes, job) }
            }
            TopicsStep::Created(partitions) => create_partitions(controller, partitions),
        }
    }
}

/// New partitions, with a znode and a leader each.
fn create_partitions(controller: &Controller, partitions: Vec<TopicPartition>) -> Next {
    let replicas = controller.context.pairs(partitions.iter().cloned());
    let rule = Rule::Offline { unclean: false };
    Next::Jobs(vec![
        Job::Partitions(PartitionChange::new(partitions.clone(), PartitionStatus::New)),
        Job::Replicas(ReplicaChange::new(replicas.clone(), ReplicaStatus::New)),
        Job::Partitions(PartitionChange::elect(partitions, rule)),
        Job::Replicas(ReplicaChange::new(replicas, ReplicaStatus::Online)),
    ])
}

/// Steps of looking at one topic whose assignment changed.
#[derive(Debug)]
pub(crate) enum TopicStep {
    Read(TopicName),
    Found(TopicName),
    Restored,
}

impl TopicStep {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            TopicStep::Read(name) => {
                // A topic that is new, or gone, is the business of the list of topics.
                if !controller.context.topics.contains_key(&name) {
                    return Next::Done;
                }
                let read = Read::Data { path: topics::path(&name), watch: true };
                Next::Read(vec![read], Job::Topic(TopicStep::Found(name)))
            }
            TopicStep::Found(name) => {
                let result = io.reads().pop();
                let Some((found, _)) = result.and_then(|result| controller.read_topic(&name, result, effects)) else {
                    return Next::Done;
                };
                found_topic(controller, &name, found, effects)
            }
            TopicStep::Restored => Next::Done,
        }
    }
}

fn found_topic(
    controller: &mut Controller,
    name: &TopicName,
    mut found: crate::context::Topic,
    effects: &mut Vec<Effect>,
) -> Next {
    let Some(known) = controller.context.topics.get_mut(name) else { return Next::Done };
    let added: Vec<i32> =
        found.partitions.keys().copied().filter(|partition| !known.partitions.contains_key(partition)).collect();
    if added.is_empty() {
        return Next::Done;
    }
    if controller.context.deleting.contains(name) {
        // More partitions for a topic that goes would never be deleted: the assignment becomes what it was.
        let text = format!("Skipping adding partitions {added:?} for topic {name} since it is currently being deleted");
        let data = topics::TopicAssignment { id: Some(known.id), partitions: known.partitions.clone() }.encode();
        controller.notice(NoticeLevel::Warn, text, effects);
        let write = controller.fenced(WriteOp::Set { path: topics::path(name), data, version: None });
        return Next::Write(vec![write], Job::Topic(TopicStep::Restored));
    }
    let mut partitions = Vec::new();
    for partition in added {
        if let Some(replicas) = found.partitions.remove(&partition) {
            known.partitions.insert(partition, replicas);
            partitions.push(TopicPartition::new(name.clone(), partition));
        }
    }
    controller.notice(NoticeLevel::Info, format!("New partitions to be added {partitions:?}"), effects);
    create_partitions(controller, partitions)
}
