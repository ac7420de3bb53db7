//! The controller's orders as wire requests, in the versions that 3.9 sends without asking.

use std::collections::BTreeMap;

use kafka_controller::{LeaderAndIsr, StopReplica, UpdateMetadata};
use kafka_types::{BrokerId, ErrorCode, TopicPartition, Uuid};
use kafka_wire::leader_and_isr::{self, LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use kafka_wire::stop_replica::{self, StopReplicaPartitionState, StopReplicaTopicState};
use kafka_wire::update_metadata::{
    self, UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};

/// One request for one broker.
#[derive(Debug, Clone)]
pub(super) enum Order {
    LeaderAndIsr(Box<LeaderAndIsrOrder>),
    UpdateMetadata(Box<update_metadata::Request>),
    StopReplica(Box<StopReplicaOrder>),
}

/// LeaderAndIsr, with what it takes to read the answer: topics come back by id.
#[derive(Debug, Clone)]
pub(super) struct LeaderAndIsrOrder {
    pub(super) request: leader_and_isr::Request,
    pub(super) topics: BTreeMap<Uuid, String>,
}

/// StopReplica, with the partitions that are to be deleted.
#[derive(Debug, Clone)]
pub(super) struct StopReplicaOrder {
    pub(super) request: stop_replica::Request,
    pub(super) deleting: Vec<TopicPartition>,
}

fn raw(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

/// LeaderAndIsr, grouped by topic.
pub(super) fn leader_and_isr(order: LeaderAndIsr) -> Order {
    let mut topics: BTreeMap<String, (Uuid, Vec<LeaderAndIsrPartitionState>)> = BTreeMap::new();
    for partition in order.partitions {
        let state = LeaderAndIsrPartitionState {
            partition_index: partition.partition.partition,
            controller_epoch: partition.controller_epoch.0,
            leader: partition.leader.0,
            leader_epoch: partition.leader_epoch.0,
            isr: raw(&partition.isr),
            partition_epoch: partition.partition_epoch.0,
            replicas: raw(&partition.replicas),
            adding_replicas: raw(&partition.adding),
            removing_replicas: raw(&partition.removing),
            is_new: partition.is_new,
            leader_recovery_state: i8::from(partition.recovering),
            ..Default::default()
        };
        let topic = topics.entry(partition.partition.topic.to_string()).or_default();
        topic.0 = partition.topic_id;
        topic.1.push(state);
    }
    let names = topics.iter().map(|(name, (id, _))| (*id, name.clone())).collect();
    let topic_states = topics.into_iter().map(|(topic_name, (topic_id, partition_states))| LeaderAndIsrTopicState {
        topic_name,
        topic_id,
        partition_states,
    });
    let live_leaders = order.live_leaders.into_iter().map(|leader| LeaderAndIsrLiveLeader {
        broker_id: leader.id.0,
        host_name: leader.host,
        port: leader.port,
    });
    let request = leader_and_isr::Request {
        controller_id: order.controller.0,
        controller_epoch: order.controller_epoch.0,
        broker_epoch: order.broker_epoch.0,
        topic_states: topic_states.collect(),
        live_leaders: live_leaders.collect(),
        ..Default::default()
    };
    Order::LeaderAndIsr(Box::new(LeaderAndIsrOrder { request, topics: names }))
}

/// UpdateMetadata.
pub(super) fn update_metadata(order: &UpdateMetadata) -> Order {
    let update = &order.update;
    let topic_states = update.topics.iter().map(|topic| UpdateMetadataTopicState {
        topic_name: topic.name.to_string(),
        topic_id: topic.id,
        partition_states: topic
            .partitions
            .iter()
            .map(|partition| UpdateMetadataPartitionState {
                partition_index: partition.partition,
                controller_epoch: partition.image.controller_epoch.0,
                leader: partition.image.leader.0,
                leader_epoch: partition.image.leader_epoch.0,
                isr: raw(&partition.image.isr),
                zk_version: partition.image.partition_epoch.0,
                replicas: raw(&partition.image.replicas),
                offline_replicas: raw(&partition.image.offline),
                ..Default::default()
            })
            .collect(),
    });
    let live_brokers = update.brokers.iter().map(|broker| UpdateMetadataBroker {
        id: broker.id.0,
        endpoints: broker
            .endpoints
            .iter()
            .map(|endpoint| UpdateMetadataEndpoint {
                port: endpoint.port,
                host: endpoint.host.clone(),
                listener: endpoint.listener.clone(),
                security_protocol: endpoint.protocol.wire_number(),
            })
            .collect(),
        rack: broker.rack.clone(),
        ..Default::default()
    });
    Order::UpdateMetadata(Box::new(update_metadata::Request {
        controller_id: update.controller.0,
        controller_epoch: update.controller_epoch.0,
        broker_epoch: order.broker_epoch.0,
        topic_states: topic_states.collect(),
        live_brokers: live_brokers.collect(),
        ..Default::default()
    }))
}

/// StopReplica, grouped by topic.
pub(super) fn stop_replica(order: StopReplica) -> Order {
    let deleting = order.partitions.iter().filter(|one| one.delete).map(|one| one.partition.clone()).collect();
    let mut topics: BTreeMap<String, Vec<StopReplicaPartitionState>> = BTreeMap::new();
    for partition in order.partitions {
        topics.entry(partition.partition.topic.to_string()).or_default().push(StopReplicaPartitionState {
            partition_index: partition.partition.partition,
            leader_epoch: partition.leader_epoch.0,
            delete_partition: partition.delete,
        });
    }
    let request = stop_replica::Request {
        controller_id: order.controller.0,
        controller_epoch: order.controller_epoch.0,
        broker_epoch: order.broker_epoch.0,
        topic_states: topics
            .into_iter()
            .map(|(topic_name, partition_states)| StopReplicaTopicState { topic_name, partition_states })
            .collect(),
        ..Default::default()
    };
    Order::StopReplica(Box::new(StopReplicaOrder { request, deleting }))
}

/// What LeaderAndIsr's answer says of each partition that failed.
pub(super) fn leader_and_isr_errors(
    order: &LeaderAndIsrOrder,
    response: &leader_and_isr::Response,
) -> Vec<(TopicPartition, ErrorCode)> {
    let whole = ErrorCode::from_code(response.error_code);
    if whole.is_error() {
        let all = order.request.states();
        return all.map(|(topic, _, state)| (TopicPartition::new(topic, state.partition_index), whole)).collect();
    }
    let mut errors = Vec::new();
    for topic in &response.topics {
        let Some(name) = order.topics.get(&topic.topic_id) else { continue };
        for partition in &topic.partition_errors {
            let error = ErrorCode::from_code(partition.error_code);
            if error.is_error() {
                errors.push((TopicPartition::new(name.as_str(), partition.partition_index), error));
            }
        }
    }
    errors
}

/// What StopReplica's answer says of each partition that was to be deleted.
pub(super) fn deleted(order: &StopReplicaOrder, response: &stop_replica::Response) -> Vec<(TopicPartition, ErrorCode)> {
    let whole = ErrorCode::from_code(response.error_code);
    let error_of = |partition: &TopicPartition| {
        if whole.is_error() {
            return whole;
        }
        let told = response
            .partition_errors
            .iter()
            .find(|one| one.topic_name == *partition.topic && one.partition_index == partition.partition);
        told.map_or(ErrorCode::None, |one| ErrorCode::from_code(one.error_code))
    };
    order.deleting.iter().map(|partition| (partition.clone(), error_of(partition))).collect()
}
