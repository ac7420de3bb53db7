//! `/admin/...`: what the controller is asked to do by way of znodes.

use std::collections::BTreeMap;

use kafka_types::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};

use super::{ZnodeError, broker_ids, from_json, raw, to_json};

/// Parent of the topics that are to be deleted (no data).
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
/// Partitions to move, as tools before 2.4 asked for it.
pub const REASSIGN_PARTITIONS: &str = "/admin/reassign_partitions";
/// Partitions whose preferred replica shall lead, as tools before 2.2 asked for it.
pub const PREFERRED_REPLICA_ELECTION: &str = "/admin/preferred_replica_election";

/// Where the wish to delete a topic is.
pub fn delete_topic_path(topic: &str) -> String {
    format!("{DELETE_TOPICS}/{topic}")
}

#[derive(Serialize, Deserialize)]
struct Json<T> {
    version: i32,
    partitions: Vec<T>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PartitionJson {
    pub(super) topic: String,
    pub(super) partition: i32,
}

#[derive(Serialize, Deserialize)]
struct MoveJson {
    topic: String,
    partition: i32,
    replicas: Vec<i32>,
}

/// Data of [`REASSIGN_PARTITIONS`].
pub fn encode_reassignment(moves: &BTreeMap<TopicPartition, Vec<BrokerId>>) -> Vec<u8> {
    let partitions = moves.iter().map(|(partition, replicas)| MoveJson {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        replicas: raw(replicas),
    });
    to_json(&Json { version: 1, partitions: partitions.collect() })
}

/// Target replicas by partition in [`REASSIGN_PARTITIONS`].
pub fn decode_reassignment(data: &[u8]) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>, ZnodeError> {
    let json: Json<MoveJson> = from_json("moves in /admin/reassign_partitions", data)?;
    let moves = json.partitions.into_iter();
    Ok(moves.map(|one| (TopicPartition::new(one.topic, one.partition), broker_ids(&one.replicas))).collect())
}

/// Data of [`PREFERRED_REPLICA_ELECTION`].
pub fn encode_preferred_election(partitions: &[TopicPartition]) -> Vec<u8> {
    to_json(&Json { version: 1, partitions: partitions.iter().map(PartitionJson::of).collect() })
}

/// The partitions in [`PREFERRED_REPLICA_ELECTION`].
pub fn decode_preferred_election(data: &[u8]) -> Result<Vec<TopicPartition>, ZnodeError> {
    let json: Json<PartitionJson> = from_json("partitions in /admin/preferred_replica_election", data)?;
    Ok(json.partitions.into_iter().map(PartitionJson::into_partition).collect())
}

impl PartitionJson {
    pub(super) fn of(partition: &TopicPartition) -> PartitionJson {
        PartitionJson { topic: partition.topic.to_string(), partition: partition.partition }
    }

    pub(super) fn into_partition(self) -> TopicPartition {
        TopicPartition::new(self.topic, self.partition)
    }
}
