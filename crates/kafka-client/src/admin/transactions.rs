//! Transactions: listed, described, ended by force; and the producers that partitions remember.

use std::collections::BTreeMap;

use kafka_types::{BrokerId, ErrorCode, Offset, ProducerEpoch, ProducerId, TopicName, TopicPartition};
use kafka_wire::{describe_producers, describe_transactions, list_transactions, write_txn_markers};
use time_types::WallMillis;

use super::Admin;
use super::call::{Call, Target};
use crate::cluster::Topics;
use crate::error::Error;

/// Which transactions a list is to have; empty and `None`: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Of these producers.
    pub producer_ids: Vec<ProducerId>,
    /// Begun longer ago than so many ms.
    pub duration_ms: Option<i64>,
}

/// A transaction in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    /// The producer's lasting name.
    pub transactional_id: String,
    /// Who coordinates it.
    pub coordinator: BrokerId,
    /// The producer.
    pub producer_id: ProducerId,
    /// Such as `Ongoing`.
    pub state: String,
}

/// A transaction as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// Who coordinates it.
    pub coordinator: BrokerId,
    /// Such as `Ongoing`.
    pub state: String,
    /// The producer.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// How long a transaction of it may be open.
    pub timeout_ms: i64,
    /// When it began, if it has.
    pub started: Option<WallMillis>,
    /// What it has written to.
    pub partitions: Vec<TopicPartition>,
}

/// A producer that a partition remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerState {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: i32,
    /// Of the coordinator that wrote the last marker for it; `None` if there was none.
    pub coordinator_epoch: Option<i32>,
    /// Of its last record.
    pub last_sequence: i32,
    /// Of its last record.
    pub last_timestamp: WallMillis,
    /// Where its open transaction begins, if there is one.
    pub transaction_start: Option<Offset>,
}

/// A transaction to be aborted in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionToAbort {
    /// Where.
    pub partition: TopicPartition,
    /// Whose.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// As of which coordinator: an older one than the partition has seen is refused.
    pub coordinator_epoch: i32,
}

impl Admin {
    /// The transactions that the brokers coordinate, by broker and id.
    pub async fn list_transactions(&self, filter: &TransactionFilter) -> Result<Vec<TransactionListing>, Error> {
        let cluster = self.describe_cluster().await?;
        let mut listed = Vec::new();
        for broker in cluster.brokers {
            let call = self.call("listTransactions");
            listed.extend(call.until_settled(async |call| try_list(call, broker.id, filter).await).await?);
        }
        Ok(listed)
    }

    /// What the coordinator of an id knows of its transaction.
    pub async fn describe_transaction(&self, id: &str) -> Result<TransactionDescription, Error> {
        let call = self.call("describeTransactions");
        call.until_settled(async |call| {
            let attempt = try_describe(call, id).await;
            if let Err(error) = &attempt
                && (matches!(error, Error::Connection(_)) || is_moved(error))
            {
                call.forget_transaction_coordinator(id);
            }
            attempt
        })
        .await
    }

    /// The producers that a partition's leader remembers, or those that `broker` does.
    pub async fn describe_producers(
        &self,
        partition: &TopicPartition,
        broker: Option<BrokerId>,
    ) -> Result<Vec<ProducerState>, Error> {
        self.call("describeProducers(api=METADATA)")
            .until_settled(async |call| try_producers(self, call, partition, broker).await)
            .await
    }

    /// Writes an abort marker into one partition, whatever the coordinator thinks of the transaction.
    pub async fn abort_transaction(&self, transaction: &TransactionToAbort) -> Result<(), Error> {
        let call = self.call("abortTransaction(api=METADATA)");
        call.until_settled(async |call| try_abort(self, call, transaction).await).await
    }
}

fn is_moved(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable))
}

async fn try_list(
    call: &mut Call<'_>,
    broker: BrokerId,
    filter: &TransactionFilter,
) -> Result<Vec<TransactionListing>, Error> {
    let connection = call.connection(Target::Broker(broker)).await?;
    let request = list_transactions::Request {
        state_filters: Vec::new(),
        producer_id_filters: filter.producer_ids.iter().map(|id| id.0).collect(),
        duration_filter: filter.duration_ms.unwrap_or(-1),
    };
    let response = call.send::<list_transactions::ListTransactions>(&connection, &request).await?;
    Error::check(response.error_code)?;
    let listing = |one: list_transactions::TransactionState| TransactionListing {
        transactional_id: one.transactional_id,
        coordinator: broker,
        producer_id: ProducerId(one.producer_id),
        state: one.transaction_state,
    };
    Ok(response.transaction_states.into_iter().map(listing).collect())
}

async fn try_describe(call: &mut Call<'_>, id: &str) -> Result<TransactionDescription, Error> {
    let (coordinator, connection) = call.transaction_coordinator(id).await?;
    let request = describe_transactions::Request { transactional_ids: vec![id.to_owned()] };
    let response = call.send::<describe_transactions::DescribeTransactions>(&connection, &request).await?;
    let described = response.transaction_states.into_iter().find(|one| one.transactional_id == id);
    let described = described
        .ok_or_else(|| Error::Broker { code: ErrorCode::UnknownServerError, message: Some(nothing_about(&id)) })?;
    match ErrorCode::from_code(described.error_code) {
        ErrorCode::None => {}
        code @ ErrorCode::TransactionalIdNotFound => {
            let message = format!(
                "DescribeTransactions request for transactionalId `{id}` failed because the ID could not be found"
            );
            return Err(Error::Broker { code, message: Some(message) });
        }
        code => return Err(Error::Broker { code, message: None }),
    }
    let partitions = described.topics.iter().flat_map(|topic| {
        let name: TopicName = topic.topic.as_str().into();
        topic.partitions.iter().map(move |index| TopicPartition::new(name.clone(), *index))
    });
    Ok(TransactionDescription {
        coordinator,
        producer_id: ProducerId(described.producer_id),
        producer_epoch: ProducerEpoch(described.producer_epoch),
        timeout_ms: i64::from(described.transaction_timeout_ms),
        started: (described.transaction_start_time_ms >= 0).then_some(WallMillis(described.transaction_start_time_ms)),
        partitions: partitions.collect(),
        state: described.transaction_state,
    })
}

fn nothing_about(what: &dyn std::fmt::Display) -> String {
    format!("The answer says nothing of {what}")
}

/// Whoever leads a partition, as the cluster says now; retriable while nobody does.
async fn leader_of(admin: &Admin, call: &mut Call<'_>, partition: &TopicPartition) -> Result<BrokerId, Error> {
    call.connection(Target::Any).await?;
    let metadata = admin.cluster.refresh(Topics::Named(std::slice::from_ref(&partition.topic)), false).await?;
    let unknown = Error::Broker { code: ErrorCode::UnknownTopicOrPartition, message: None };
    metadata.leader(partition).map(|(node, _)| node.id).ok_or(unknown)
}

async fn try_producers(
    admin: &Admin,
    call: &mut Call<'_>,
    partition: &TopicPartition,
    broker: Option<BrokerId>,
) -> Result<Vec<ProducerState>, Error> {
    let broker = match broker {
        Some(broker) => broker,
        None => leader_of(admin, call, partition).await?,
    };
    let connection = call.connection(Target::Broker(broker)).await?;
    let topic = describe_producers::TopicRequest {
        name: partition.topic.to_string(),
        partition_indexes: vec![partition.partition],
    };
    let request = describe_producers::Request { topics: vec![topic] };
    let response = call.send::<describe_producers::DescribeProducers>(&connection, &request).await?;
    let mut answers = response.topics.into_iter().flat_map(|topic| topic.partitions);
    let answer = answers.find(|one| one.partition_index == partition.partition);
    let answer = answer.ok_or_else(|| Error::Broker {
        code: ErrorCode::UnknownServerError,
        message: Some(nothing_about(partition)),
    })?;
    match ErrorCode::from_code(answer.error_code) {
        ErrorCode::None => {}
        code => return Err(Error::Broker { code, message: answer.error_message }),
    }
    let state = |one: describe_producers::ProducerState| ProducerState {
        producer_id: ProducerId(one.producer_id),
        producer_epoch: one.producer_epoch,
        coordinator_epoch: (one.coordinator_epoch >= 0).then_some(one.coordinator_epoch),
        last_sequence: one.last_sequence,
        last_timestamp: WallMillis(one.last_timestamp),
        transaction_start: (one.current_txn_start_offset >= 0).then_some(Offset(one.current_txn_start_offset)),
    };
    Ok(answer.active_producers.into_iter().map(state).collect())
}

async fn try_abort(admin: &Admin, call: &mut Call<'_>, transaction: &TransactionToAbort) -> Result<(), Error> {
    let leader = leader_of(admin, call, &transaction.partition).await?;
    let connection = call.connection(Target::Broker(leader)).await?;
    let topic = write_txn_markers::WritableTxnMarkerTopic {
        name: transaction.partition.topic.to_string(),
        partition_indexes: vec![transaction.partition.partition],
    };
    let marker = write_txn_markers::WritableTxnMarker {
        producer_id: transaction.producer_id.0,
        producer_epoch: transaction.producer_epoch.0,
        transaction_result: false,
        topics: vec![topic],
        coordinator_epoch: transaction.coordinator_epoch,
    };
    let request = write_txn_markers::Request { markers: vec![marker] };
    let response = call.send::<write_txn_markers::WriteTxnMarkers>(&connection, &request).await?;
    let topics = response.markers.into_iter().flat_map(|marker| marker.topics);
    let codes: BTreeMap<i32, i16> = topics
        .flat_map(|topic| topic.partitions)
        .map(|partition| (partition.partition_index, partition.error_code))
        .collect();
    let code = codes.get(&transaction.partition.partition).copied();
    Error::check(code.unwrap_or(ErrorCode::UnknownServerError.code()))
}
