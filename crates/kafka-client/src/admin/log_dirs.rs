//! The log directories of brokers, and moves between them.

use std::collections::HashMap;

use kafka_types::{BrokerId, TopicPartition};
use kafka_wire::{alter_replica_log_dirs as alter, describe_log_dirs};

use super::call::{Call, Target};
use super::topics::left_out;
use super::{Admin, PartitionOutcomes};
use crate::error::Error;

/// One log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirDescription {
    /// Its path on the broker's machine.
    pub path: String,
    /// Why it cannot be used, if it cannot.
    pub error: Option<Error>,
    /// What lies in it, in the order of the answer.
    pub replicas: Vec<ReplicaInfo>,
}

/// One replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Of which partition.
    pub partition: TopicPartition,
    /// Bytes of its segments.
    pub size: i64,
    /// Records that it is behind.
    pub offset_lag: i64,
    /// It will replace the one in another directory.
    pub is_future: bool,
}

impl Admin {
    /// The log directories of a broker, with all that lies in them.
    pub async fn describe_log_dirs(&self, broker: BrokerId) -> Result<Vec<LogDirDescription>, Error> {
        self.call("describeLogDirs").until_settled(async |call| try_describe(call, broker).await).await
    }
}

impl Admin {
    /// Has replicas of one broker moved to other of its directories; in the order of the call.
    pub async fn alter_replica_log_dirs(
        &self,
        broker: BrokerId,
        moves: &[(TopicPartition, String)],
    ) -> Result<PartitionOutcomes, Error> {
        self.call("alterReplicaLogDirs").until_settled(async |call| try_move(call, broker, moves).await).await
    }
}

async fn try_move(
    call: &mut Call<'_>,
    broker: BrokerId,
    moves: &[(TopicPartition, String)],
) -> Result<PartitionOutcomes, Error> {
    let connection = call.connection(Target::Broker(broker)).await?;
    let mut dirs: Vec<alter::AlterReplicaLogDir> = Vec::new();
    for (partition, path) in moves {
        let at = dirs.iter().position(|dir| dir.path == *path).unwrap_or_else(|| {
            dirs.push(alter::AlterReplicaLogDir { path: path.clone(), topics: Vec::new() });
            dirs.len() - 1
        });
        let topics = &mut dirs[at].topics;
        match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(partition.partition),
            None => topics.push(alter::AlterReplicaLogDirTopic {
                name: partition.topic.to_string(),
                partitions: vec![partition.partition],
            }),
        }
    }
    let response = call.send::<alter::AlterReplicaLogDirs>(&connection, &alter::Request { dirs }).await?;
    let mut results = HashMap::new();
    for topic in response.results {
        for partition in topic.partitions {
            let name = TopicPartition::new(topic.topic_name.as_str(), partition.partition_index);
            results.insert(name, Error::check(partition.error_code));
        }
    }
    let outcome = |partition: &TopicPartition| results.get(partition).cloned().unwrap_or_else(|| Err(left_out()));
    Ok(moves.iter().map(|(partition, _)| (partition.clone(), outcome(partition))).collect())
}

async fn try_describe(call: &mut Call<'_>, broker: BrokerId) -> Result<Vec<LogDirDescription>, Error> {
    let connection = call.connection(Target::Broker(broker)).await?;
    let request = describe_log_dirs::Request { topics: None };
    let response = call.send::<describe_log_dirs::DescribeLogDirs>(&connection, &request).await?;
    Error::check(response.error_code)?;
    let described = response.results.into_iter().map(|dir| LogDirDescription {
        path: dir.log_dir,
        error: Error::check(dir.error_code).err(),
        replicas: dir
            .topics
            .into_iter()
            .flat_map(|topic| {
                let name = topic.name;
                topic.partitions.into_iter().map(move |partition| ReplicaInfo {
                    partition: TopicPartition::new(name.as_str(), partition.partition_index),
                    size: partition.partition_size,
                    offset_lag: partition.offset_lag,
                    is_future: partition.is_future_key,
                })
            })
            .collect(),
    });
    Ok(described.collect())
}
