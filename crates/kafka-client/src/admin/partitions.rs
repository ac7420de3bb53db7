//! Partitions: added to topics, and those that are being moved.

use std::collections::HashMap;

use kafka_types::{BrokerId, TopicPartition};
use kafka_wire::{alter_partition_reassignments as alter, create_partitions, list_partition_reassignments};

use super::call::{Call, Target};
use super::topics::left_out;
use super::{Admin, Outcomes, PartitionOutcomes, unless_not_controller};
use crate::error::Error;

/// More partitions for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many it is to have then.
    pub total: i32,
    /// Which brokers hold each of the new ones, the preferred leader first; the controller chooses if none are said.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// A partition, and the replicas that it shall have, the preferred leader first; none: the move that is under way is
/// cancelled.
pub type PartitionMove = (TopicPartition, Option<Vec<BrokerId>>);

/// A partition that is being moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// Its replicas now, those that come and those that go among them.
    pub replicas: Vec<BrokerId>,
    /// Those that come.
    pub adding: Vec<BrokerId>,
    /// Those that go.
    pub removing: Vec<BrokerId>,
}

impl Admin {
    /// Adds partitions to topics, or only checks whether that could be done.
    pub async fn create_partitions(
        &self,
        topics: &[NewPartitions],
        validate_only: bool,
    ) -> Result<Outcomes<()>, Error> {
        self.call("createPartitions").until_settled(async |call| try_create(call, topics, validate_only).await).await
    }

    /// Has partitions moved to other replicas, or (where none are said) back to where they were; in the order of the call.
    pub async fn alter_partition_reassignments(&self, moves: &[PartitionMove]) -> Result<PartitionOutcomes, Error> {
        self.call("alterPartitionReassignments").until_settled(async |call| try_move(call, moves).await).await
    }

    /// The partitions that are being moved, of all topics.
    pub async fn list_partition_reassignments(&self) -> Result<HashMap<TopicPartition, Reassignment>, Error> {
        self.call("listPartitionReassignments").until_settled(async |call| try_list(call).await).await
    }
}

async fn try_create(call: &mut Call<'_>, topics: &[NewPartitions], validate_only: bool) -> Result<Outcomes<()>, Error> {
    let connection = call.connection(Target::Controller).await?;
    let assignment = |brokers: &Vec<BrokerId>| create_partitions::CreatePartitionsAssignment {
        broker_ids: brokers.iter().map(|broker| broker.0).collect(),
    };
    let request = create_partitions::Request {
        topics: topics
            .iter()
            .map(|topic| create_partitions::CreatePartitionsTopic {
                name: topic.topic.clone(),
                count: topic.total,
                assignments: topic.assignments.as_ref().map(|all| all.iter().map(assignment).collect()),
            })
            .collect(),
        timeout_ms: call.remaining_ms(),
        validate_only,
    };
    let response = call.send::<create_partitions::CreatePartitions>(&connection, &request).await?;
    unless_not_controller(response.results.iter().map(|topic| &topic.error_code))?;
    let results: HashMap<_, _> = response
        .results
        .into_iter()
        .map(|result| (result.name, Error::check_with(result.error_code, result.error_message.as_deref())))
        .collect();
    let outcome = |topic: &str| results.get(topic).cloned().unwrap_or_else(|| Err(left_out()));
    Ok(topics.iter().map(|topic| (topic.topic.clone(), outcome(&topic.topic))).collect())
}

async fn try_list(call: &mut Call<'_>) -> Result<HashMap<TopicPartition, Reassignment>, Error> {
    let connection = call.connection(Target::Controller).await?;
    let request = list_partition_reassignments::Request { timeout_ms: call.remaining_ms(), topics: None };
    let response = call.send::<list_partition_reassignments::ListPartitionReassignments>(&connection, &request).await?;
    Error::check_with(response.error_code, response.error_message.as_deref())?;
    let ids = |raw: Vec<i32>| raw.into_iter().map(BrokerId).collect();
    let mut moving = HashMap::new();
    for topic in response.topics {
        let name: kafka_types::TopicName = topic.name.into();
        for partition in topic.partitions {
            moving.insert(
                TopicPartition { topic: name.clone(), partition: partition.partition_index },
                Reassignment {
                    replicas: ids(partition.replicas),
                    adding: ids(partition.adding_replicas),
                    removing: ids(partition.removing_replicas),
                },
            );
        }
    }
    Ok(moving)
}

async fn try_move(call: &mut Call<'_>, moves: &[PartitionMove]) -> Result<PartitionOutcomes, Error> {
    let connection = call.connection(Target::Controller).await?;
    let mut topics: Vec<alter::ReassignableTopic> = Vec::new();
    for (partition, replicas) in moves {
        let one = alter::ReassignablePartition {
            partition_index: partition.partition,
            replicas: replicas.as_ref().map(|ids| ids.iter().map(|id| id.0).collect()),
        };
        match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(one),
            None => {
                topics.push(alter::ReassignableTopic { name: partition.topic.to_string(), partitions: vec![one] });
            }
        }
    }
    let request = alter::Request { timeout_ms: call.remaining_ms(), topics };
    let response = call.send::<alter::AlterPartitionReassignments>(&connection, &request).await?;
    unless_not_controller([&response.error_code])?;
    let refused = Error::check_with(response.error_code, response.error_message.as_deref());
    let mut results = HashMap::new();
    for topic in response.responses {
        for partition in topic.partitions {
            let outcome = Error::check_with(partition.error_code, partition.error_message.as_deref());
            results.insert(TopicPartition::new(topic.name.as_str(), partition.partition_index), outcome);
        }
    }
    // What is said of the whole request is said of each.
    let outcome = |partition: &TopicPartition| {
        refused.clone().and_then(|()| results.get(partition).cloned().unwrap_or_else(|| Err(left_out())))
    };
    Ok(moves.iter().map(|(partition, _)| (partition.clone(), outcome(partition))).collect())
}
