//! Requests to the controller when it is another broker.

use std::sync::atomic::Ordering;

use kafka_controller::{AlterPartitionRequest, AlteredPartition, AlteredState, Answer, Event};
use kafka_types::{BrokerEpoch, BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, PartitionEpoch};
use kafka_wire::alter_partition::{BrokerState, PartitionData, TopicData};
use kafka_wire::{allocate_producer_ids, alter_partition, controlled_shutdown};

use crate::broker::Broker;
use crate::controller::connect;

/// First id and length of a block.
pub(crate) async fn allocate_producer_ids(
    broker: &Broker,
    id: BrokerId,
    epoch: BrokerEpoch,
) -> Result<(i64, i32), ErrorCode> {
    let request = allocate_producer_ids::Request { broker_id: id.0, broker_epoch: epoch.0 };
    let version = allocate_producer_ids::BROKER_VERSION;
    let response =
        connect::call_controller::<allocate_producer_ids::AllocateProducerIds>(broker, version, request).await?;
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None => Ok((response.producer_id_start, response.producer_id_len)),
        error => Err(error),
    }
}

/// What became of each proposal.
pub(crate) async fn alter_partition(
    broker: &Broker,
    request: AlterPartitionRequest,
) -> Result<Vec<AlteredPartition>, ErrorCode> {
    let topics = request.proposals.into_iter().map(|proposal| TopicData {
        topic_id: proposal.topic_id,
        partitions: vec![PartitionData {
            partition_index: proposal.partition,
            leader_epoch: proposal.leader_epoch.0,
            new_isr_with_epochs: proposal
                .isr
                .iter()
                .map(|(id, epoch)| BrokerState { broker_id: id.0, broker_epoch: epoch.0 })
                .collect(),
            leader_recovery_state: i8::from(proposal.recovering),
            partition_epoch: proposal.partition_epoch.0,
            ..Default::default()
        }],
        ..Default::default()
    });
    let request = alter_partition::Request {
        broker_id: request.broker.0,
        broker_epoch: request.broker_epoch.0,
        topics: topics.collect(),
    };
    let version = alter_partition::BROKER_VERSION;
    let response = connect::call_controller::<alter_partition::AlterPartition>(broker, version, request).await?;
    let whole = ErrorCode::from_code(response.error_code);
    if whole.is_error() {
        return Err(whole);
    }
    let mut altered = Vec::new();
    for topic in response.topics {
        for partition in topic.partitions {
            let result = match ErrorCode::from_code(partition.error_code) {
                ErrorCode::None => Ok(AlteredState {
                    leader: BrokerId(partition.leader_id),
                    leader_epoch: LeaderEpoch(partition.leader_epoch),
                    isr: partition.isr.into_iter().map(BrokerId).collect(),
                    recovering: partition.leader_recovery_state != 0,
                    partition_epoch: PartitionEpoch(partition.partition_epoch),
                    controller_epoch: ControllerEpoch(broker.controller_epoch.load(Ordering::Relaxed)),
                }),
                error => Err(error),
            };
            altered.push(AlteredPartition {
                topic_id: topic.topic_id,
                topic: topic.topic_name.clone(),
                partition: partition.partition_index,
                result,
            });
        }
    }
    Ok(altered)
}

/// Asks the controller, here or elsewhere, to move this broker's leaderships; returns how many it could not move.
pub(crate) async fn controlled_shutdown(broker: &Broker) -> Result<usize, ErrorCode> {
    let (id, broker_epoch) = (broker.id, BrokerEpoch(broker.epoch.load(Ordering::Acquire)));
    if broker.is_controller() {
        let ask = broker.controller.ask(move |token| Event::ControlledShutdown { token, broker: id, broker_epoch });
        return match ask.await? {
            Answer::ControlledShutdown(remaining) => remaining.map(|remaining| remaining.len()),
            _ => Err(ErrorCode::UnknownServerError),
        };
    }
    let request = controlled_shutdown::Request { broker_id: id.0, broker_epoch: broker_epoch.0 };
    let version = controlled_shutdown::BROKER_VERSION;
    let response =
        connect::call_controller::<controlled_shutdown::ControlledShutdown>(broker, version, request).await?;
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None => Ok(response.remaining_partitions.len()),
        error => Err(error),
    }
}
