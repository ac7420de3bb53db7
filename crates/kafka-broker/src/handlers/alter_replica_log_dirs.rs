//! AlterReplicaLogDirs: moves replicas between the log directories of this broker.

use std::collections::HashMap;
use std::path::Path;

use kafka_log::is_too_long_to_move;
use kafka_security::Operation;
use kafka_types::{ErrorCode, TopicPartition};
use kafka_wire::alter_replica_log_dirs::{
    self as wire, AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use tracing::warn;

use super::Context;
use crate::dir_moves;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let allowed = context.may_on_cluster(Operation::Alter);
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for (name, path) in moves(&request) {
        let outcome =
            if allowed { alter(context, &name, path).await } else { Err(ErrorCode::ClusterAuthorizationFailed) };
        let error_code = outcome.err().map_or(0, ErrorCode::code);
        let result = AlterReplicaLogDirPartitionResult { partition_index: name.partition, error_code };
        match results.iter_mut().find(|one| *one.topic_name == *name.topic) {
            Some(one) => one.partitions.push(result),
            None => results
                .push(AlterReplicaLogDirTopicResult { topic_name: name.topic.to_string(), partitions: vec![result] }),
        }
    }
    wire::Response { throttle_time_ms: 0, results }
}

/// Each partition once, with the directory that was named last for it.
fn moves(request: &wire::Request) -> Vec<(TopicPartition, &str)> {
    let (mut moves, mut places) = (Vec::new(), HashMap::new());
    for dir in &request.dirs {
        for topic in &dir.topics {
            for index in &topic.partitions {
                let name = TopicPartition::new(topic.name.as_str(), *index);
                let at = *places.entry(name.clone()).or_insert(moves.len());
                if at == moves.len() {
                    moves.push((name, dir.path.as_str()));
                } else {
                    moves[at].1 = &dir.path;
                }
            }
        }
    }
    moves
}

async fn alter(context: &Context, name: &TopicPartition, to: &str) -> Result<(), ErrorCode> {
    let broker = &context.broker;
    let refused = |class: &str, message: &str, code: ErrorCode| {
        let exception = format!("org.apache.kafka.common.errors.{class}: {message}");
        warn!(
            target: "kafka.server.ReplicaManager",
            exception, "[ReplicaManager broker={}] Unable to alter log dirs for {name}", broker.id
        );
        code
    };
    if is_too_long_to_move(name) {
        return Err(refused("InvalidTopicException", "The topic name is too long.", ErrorCode::InvalidTopicException));
    }
    let dirs = &broker.shared.dirs;
    let Some(index) = dirs.all().iter().position(|one| one.path() == Path::new(to)) else {
        let message = format!("Log dir {to} is not found in the config.");
        return Err(refused("LogDirNotFoundException", &message, ErrorCode::LogDirNotFound));
    };
    if dirs.all()[index].online().is_none() {
        let message = format!("Log directory {to} is offline");
        return Err(refused("KafkaStorageException", &message, ErrorCode::KafkaStorageError));
    }
    let (owner, target) = (broker.shards.owner(name), name.clone());
    let altered = broker.shards.on(owner, move |owned| owned.alter_dir(&target, index)).await;
    match altered.unwrap_or(Err(ErrorCode::KafkaStorageError)) {
        Ok(Some(begun)) => dir_moves::start(broker, name.clone(), begun).await,
        Ok(None) => {}
        Err(ErrorCode::ReplicaNotAvailable) => {
            let message = format!("Partition {name} is not hosted by this broker");
            return Err(refused("NotLeaderOrFollowerException", &message, ErrorCode::ReplicaNotAvailable));
        }
        Err(code) => {
            return Err(refused("KafkaStorageException", &format!("Partition {name} is offline"), code));
        }
    }
    Ok(())
}
