//! DescribeLogDirs: the log directories of this broker, and how large what lies in them is.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kafka_security::Operation;
use kafka_types::{ErrorCode, TopicPartition};
use kafka_wire::describe_log_dirs::{
    self as wire, DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use tracing::error;

use super::Context;
use crate::replicas::log_dirs::DataDir;
use crate::replicas::moves::Described;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::Describe) {
        return wire::Response { error_code: ErrorCode::ClusterAuthorizationFailed.code(), ..Default::default() };
    }
    let broker = &context.broker;
    let wanted = request.topics.map(|topics| {
        let names = topics.into_iter().flat_map(|topic| {
            let name = kafka_types::TopicName::from(topic.topic.as_str());
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
        });
        Arc::new(names.collect::<HashSet<_>>())
    });
    let described = broker
        .shards
        .on_all(move |owned| owned.describe_logs(|name| wanted.as_ref().is_none_or(|wanted| wanted.contains(name))));
    let Ok(logs) = described.await else {
        return wire::Response { error_code: ErrorCode::KafkaStorageError.code(), ..Default::default() };
    };
    let mut by_dir: BTreeMap<usize, BTreeMap<String, Vec<DescribeLogDirsPartition>>> = BTreeMap::new();
    for one in logs.into_iter().flatten() {
        let Described { dir, partition, size, lag, is_future } = one;
        by_dir.entry(dir).or_default().entry(partition.topic.to_string()).or_default().push(DescribeLogDirsPartition {
            partition_index: partition.partition,
            partition_size: i64::try_from(size).unwrap_or(i64::MAX),
            offset_lag: lag,
            is_future_key: is_future,
        });
    }
    let dirs = broker.shared.dirs.all().iter().enumerate();
    let results = dirs.map(|(index, one)| describe(one, by_dir.remove(&index).unwrap_or_default()));
    wire::Response { results: results.collect(), ..Default::default() }
}

fn describe(one: &DataDir, topics: BTreeMap<String, Vec<DescribeLogDirsPartition>>) -> DescribeLogDirsResult {
    let log_dir = one.path().display().to_string();
    let space = match one.online() {
        Some(dir) => dir.vfs().space(dir.path()).map_err(|error| error.to_string()),
        None => Err(format!("Log directory {log_dir} is offline")),
    };
    let space = match space {
        Ok(space) => space,
        Err(reason) => {
            let exception = format!("org.apache.kafka.common.errors.KafkaStorageException: {reason}");
            error!(target: "kafka.server.ReplicaManager", exception, "Unable to describe replica dirs for {log_dir}");
            let error_code = ErrorCode::KafkaStorageError.code();
            return DescribeLogDirsResult {
                error_code,
                log_dir,
                total_bytes: -1,
                usable_bytes: -1,
                ..Default::default()
            };
        }
    };
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|one| (one.partition_index, one.is_future_key));
        DescribeLogDirsTopic { name, partitions }
    });
    // Larger than Java's long counts as that.
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    DescribeLogDirsResult {
        error_code: 0,
        log_dir,
        topics: topics.collect(),
        total_bytes: bytes(space.total),
        usable_bytes: bytes(space.usable),
    }
}
