//! The log directories of brokers, and moves between them.

use kafka_types::{BrokerId, TopicPartition};
use kafka_wire::describe_log_dirs;

use super::Admin;
use super::call::{Call, Target};
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
        let mut call = self.call("describeLogDirs");
        loop {
            let attempt = try_describe(&mut call, broker).await;
            if let Some(dirs) = call.settle(attempt).await? {
                return Ok(dirs);
            }
        }
    }
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
