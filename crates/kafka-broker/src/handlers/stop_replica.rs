//! StopReplica: the controller takes roles away, and perhaps the logs with them.

use kafka_group_coordinator::Event;
use kafka_security::Operation;
use kafka_types::{ControllerEpoch, ErrorCode, TopicPartition};
use kafka_wire::stop_replica::{self as wire, StopReplicaPartitionError};
use tracing::info;

use super::Context;
use crate::coordinators::GroupCoordinator;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::ClusterAction) {
        return refuse_all(&request, ErrorCode::ClusterAuthorizationFailed);
    }
    let broker = &context.broker;
    if let Err(error) = broker.check_controller(ControllerEpoch(request.controller_epoch), request.broker_epoch) {
        return wire::Response { error_code: error.code(), ..Default::default() };
    }
    let mut partition_errors = Vec::new();
    let mut deleted = Vec::new();
    for replica in request.replicas() {
        let topic_partition = TopicPartition::new(replica.topic, replica.partition);
        let (target, epoch, delete) = (topic_partition.clone(), replica.leader_epoch, replica.delete);
        let owner = broker.shards.owner(&topic_partition);
        let stopped = broker.shards.on(owner, move |owned| {
            // Epoch -2 stands for a deletion and goes before every other; -1 says nothing.
            let known = owned.partitions.get(&target).and_then(|partition| partition.replica.epoch());
            if epoch >= 0 && known.is_some_and(|known| known.0 > epoch) {
                return Err(ErrorCode::FencedLeaderEpoch);
            }
            owned.stop_replica(&target, delete)
        });
        let outcome = stopped.await.unwrap_or(Err(ErrorCode::KafkaStorageError));
        if delete && outcome.is_ok() {
            broker.topic_settings.remove(&topic_partition.topic);
            deleted.push(topic_partition);
        }
        partition_errors.push(StopReplicaPartitionError {
            topic_name: replica.topic.to_owned(),
            partition_index: replica.partition,
            error_code: outcome.err().unwrap_or(ErrorCode::None).code(),
        });
    }
    if !deleted.is_empty() {
        info!(target: "kafka.server.ReplicaManager", "Deleted the replicas of {} partitions", deleted.len());
        let gone = Event::PartitionsDeleted(deleted);
        // Shards that have ended hold no groups any more.
        let _ = broker
            .shards
            .on_all(move |owned| {
                for partition in owned.groups.partitions() {
                    owned.tell_coordinator::<GroupCoordinator>(partition, gone.clone());
                }
            })
            .await;
    }
    wire::Response { error_code: 0, partition_errors }
}

fn refuse_all(request: &wire::Request, error: ErrorCode) -> wire::Response {
    let refused = request.replicas().map(|replica| StopReplicaPartitionError {
        topic_name: replica.topic.to_owned(),
        partition_index: replica.partition,
        error_code: error.code(),
    });
    wire::Response { error_code: error.code(), partition_errors: refused.collect() }
}
