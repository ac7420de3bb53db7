//! Requests to other brokers: to the controller, and between coordinators and leaders.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kafka_controller::{AlterPartitionRequest, AlteredPartition, AlteredState, Answer, Event};
use kafka_txn_coordinator::{AddPartitions, MarkersToWrite};
use kafka_types::{BrokerEpoch, BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, PartitionEpoch, TopicPartition};
use kafka_wire::alter_partition::{BrokerState, PartitionData, TopicData};
use kafka_wire::{
    add_partitions_to_txn, allocate_producer_ids, alter_partition, controlled_shutdown, write_txn_markers,
};

use crate::broker::Broker;
use crate::controller::connect;
use crate::transactions::verification::by_topic;

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

/// `controller.socket.timeout.ms`: a controller that is silent for so long is not waited for any more.
pub(crate) fn timeout(broker: &Broker) -> Duration {
    Duration::from_millis(broker.config.positive("controller.socket.timeout.ms").max(1))
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

/// Writes the end of a transaction into partitions that another broker leads; one error each, in their order.
pub(crate) async fn write_txn_markers(
    broker: &Broker,
    leader: BrokerId,
    markers: &MarkersToWrite,
    partitions: &[TopicPartition],
) -> Vec<ErrorCode> {
    let topics = by_topic(partitions).into_iter();
    let marker = write_txn_markers::WritableTxnMarker {
        producer_id: markers.producer_id.0,
        producer_epoch: markers.producer_epoch.0,
        transaction_result: markers.committed,
        topics: topics
            .map(|(name, partition_indexes)| write_txn_markers::WritableTxnMarkerTopic { name, partition_indexes })
            .collect(),
        coordinator_epoch: markers.coordinator_epoch,
    };
    let request = write_txn_markers::Request { markers: vec![marker] };
    let version = write_txn_markers::COORDINATOR_VERSION;
    let called = connect::call_broker::<write_txn_markers::WriteTxnMarkers>(broker, leader, version, request).await;
    // Whoever cannot be reached may lead no longer: the markers are tried again.
    let Ok(response) = called else { return vec![ErrorCode::NotLeaderOrFollower; partitions.len()] };
    let mut errors = HashMap::new();
    for topic in response.markers.into_iter().flat_map(|marker| marker.topics) {
        for partition in topic.partitions {
            errors.insert((topic.name.clone(), partition.partition_index), partition.error_code);
        }
    }
    let error = |one: &TopicPartition| {
        let code = errors.get(&(one.topic.to_string(), one.partition)).copied();
        code.map_or(ErrorCode::UnknownTopicOrPartition, ErrorCode::from_code)
    };
    partitions.iter().map(error).collect()
}

/// Asks the coordinator of a transaction, another broker, whether partitions are part of it.
pub(crate) async fn verify_transaction(
    broker: &Broker,
    coordinator: BrokerId,
    asked: &AddPartitions,
) -> Vec<ErrorCode> {
    let topics = by_topic(&asked.partitions).into_iter();
    let transaction = add_partitions_to_txn::AddPartitionsToTxnTransaction {
        transactional_id: asked.transactional_id.clone(),
        producer_id: asked.producer_id.0,
        producer_epoch: asked.producer_epoch.0,
        verify_only: true,
        topics: topics
            .map(|(name, partitions)| add_partitions_to_txn::AddPartitionsToTxnTopic { name, partitions })
            .collect(),
    };
    let request = add_partitions_to_txn::Request { transactions: vec![transaction], ..Default::default() };
    let version = add_partitions_to_txn::BROKER_VERSION;
    let called =
        connect::call_broker::<add_partitions_to_txn::AddPartitionsToTxn>(broker, coordinator, version, request).await;
    let all = |error| vec![error; asked.partitions.len()];
    let response = match called {
        Ok(response) if response.error_code == 0 => response,
        Ok(response) => return all(ErrorCode::from_code(response.error_code)),
        Err(_) => return all(ErrorCode::NetworkException),
    };
    let mut errors = HashMap::new();
    for topic in response.results_by_transaction.into_iter().flat_map(|transaction| transaction.topic_results) {
        for partition in topic.results_by_partition {
            errors.insert((topic.name.clone(), partition.partition_index), partition.partition_error_code);
        }
    }
    let error = |one: &TopicPartition| {
        let code = errors.get(&(one.topic.to_string(), one.partition)).copied();
        code.map_or(ErrorCode::UnknownServerError, ErrorCode::from_code)
    };
    asked.partitions.iter().map(error).collect()
}
