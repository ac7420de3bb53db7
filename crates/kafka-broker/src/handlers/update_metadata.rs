//! UpdateMetadata: the controller tells what the cluster looks like.

use std::collections::BTreeMap;

use kafka_metadata::{
    Broker, Endpoint, MetadataUpdate, PartitionImage, PartitionUpdate, SecurityProtocol, TopicUpdate,
};
use kafka_security::Operation;
use kafka_types::{BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, PartitionEpoch, Uuid};
use kafka_wire::update_metadata::{self as wire, UpdateMetadataBroker, UpdateMetadataPartitionState};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::ClusterAction) {
        return wire::Response { error_code: ErrorCode::ClusterAuthorizationFailed.code() };
    }
    let broker = &context.broker;
    let epoch = ControllerEpoch(request.controller_epoch);
    if let Err(error) = broker.check_controller(epoch, request.broker_epoch) {
        return wire::Response { error_code: error.code() };
    }
    let brokers: Option<Vec<Broker>> = request.live_brokers.iter().map(live_broker).collect();
    let Some(brokers) = brokers else {
        return wire::Response { error_code: ErrorCode::InvalidRequest.code() };
    };
    let mut topics: BTreeMap<&str, (Uuid, Vec<PartitionUpdate>)> = BTreeMap::new();
    for (name, id, state) in request.states() {
        let topic = topics.entry(name).or_default();
        topic.0 = id;
        topic.1.push(PartitionUpdate { partition: state.partition_index, image: partition(state) });
    }
    let update = MetadataUpdate {
        controller: BrokerId(request.controller_id),
        controller_epoch: epoch,
        brokers,
        topics: topics
            .into_iter()
            .map(|(name, (id, partitions))| TopicUpdate { name: name.into(), id, partitions })
            .collect(),
    };
    let before = broker.metadata.image();
    broker.metadata.apply(&update);
    let image = broker.metadata.image();
    if before.brokers().keys().ne(image.brokers().keys()) {
        // Only who lives may come into sync. A shard that has ended leads nothing any more.
        let _ = broker.shards.on_all(move |owned| owned.set_alive(|id| image.is_alive(id))).await;
    }
    wire::Response { error_code: 0 }
}

/// `None` if a listener speaks something that there is not.
fn live_broker(broker: &UpdateMetadataBroker) -> Option<Broker> {
    let mut endpoints = Vec::with_capacity(broker.endpoints.len());
    for endpoint in &broker.endpoints {
        let protocol = SecurityProtocol::from_wire(endpoint.security_protocol)?;
        // Before listeners had names, the protocol was the name.
        let listener =
            if endpoint.listener.is_empty() { protocol.name().to_owned() } else { endpoint.listener.clone() };
        endpoints.push(Endpoint { listener, protocol, host: endpoint.host.clone(), port: endpoint.port });
    }
    Some(Broker { id: BrokerId(broker.id), endpoints, rack: broker.rack.clone() })
}

fn partition(state: &UpdateMetadataPartitionState) -> PartitionImage {
    let ids = |raw: &[i32]| raw.iter().copied().map(BrokerId).collect::<Vec<_>>();
    PartitionImage {
        controller_epoch: ControllerEpoch(state.controller_epoch),
        leader: BrokerId(state.leader),
        leader_epoch: LeaderEpoch(state.leader_epoch),
        isr: ids(&state.isr),
        partition_epoch: PartitionEpoch(state.zk_version),
        replicas: ids(&state.replicas),
        offline: ids(&state.offline_replicas),
    }
}
