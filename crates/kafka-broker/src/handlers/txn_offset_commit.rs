//! TxnOffsetCommit: how far a group has read, counting when the transaction commits.

use kafka_group_coordinator::{OffsetToCommit, Reply, Request, TxnOffsetCommit};
use kafka_security::Operation;
use kafka_txn_coordinator::AddPartitions;
use kafka_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, TopicPartition};
use kafka_wire::txn_offset_commit::{self as wire, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};

use super::Context;
use super::offsets_to_commit::{Sifted, told};
use super::twins::last_of_each;
use crate::replicas::transactions::Guard;
use crate::transactions::verification;

pub(crate) async fn handle(context: &Context, mut request: wire::Request) -> wire::Response {
    request.topics = last_of_each(request.topics);
    if !context.may_on_transaction(Operation::Write, &request.transactional_id) {
        return respond(&request, |_| ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return respond(&request, |_| ErrorCode::GroupAuthorizationFailed);
    }
    let mut sifted = Sifted::default();
    for topic in &request.topics {
        let offset = |partition: &wire::TxnOffsetCommitRequestPartition| OffsetToCommit {
            topic_partition: TopicPartition::new(topic.name.as_str(), partition.partition_index),
            offset: Offset(partition.committed_offset),
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.clone(),
        };
        sifted.add(context, &topic.name, topic.partitions.iter().map(offset));
    }
    let Sifted { offsets, refused: mut outcome } = sifted;
    if !offsets.is_empty() {
        let commit = TxnOffsetCommit {
            group_id: request.group_id.clone(),
            producer_id: ProducerId(request.producer_id),
            producer_epoch: ProducerEpoch(request.producer_epoch),
            generation: request.generation_id,
            member_id: request.member_id.clone(),
            group_instance_id: request.group_instance_id.clone(),
            offsets,
        };
        let asked: Vec<TopicPartition> = commit.offsets.iter().map(|one| one.topic_partition.clone()).collect();
        match store(context, &request.transactional_id, commit).await {
            Ok(stored) => outcome.extend(stored),
            Err(error) => outcome.extend(asked.into_iter().map(|partition| (partition, error))),
        }
    }
    let hides_loading = !wire::Version(context.version).expects_loading();
    respond(&request, |partition| match outcome.get(partition).copied().unwrap_or(ErrorCode::None) {
        // Producers before 2.3 may end over an error that they do not expect here.
        ErrorCode::CoordinatorLoadInProgress if hides_loading => ErrorCode::CoordinatorNotAvailable,
        error => error,
    })
}

async fn store(
    context: &Context,
    transactional_id: &str,
    commit: TxnOffsetCommit,
) -> Result<Vec<(TopicPartition, ErrorCode)>, ErrorCode> {
    let broker = &context.broker;
    let partition = broker.offsets_partition(&commit.group_id);
    let producer = (commit.producer_id, commit.producer_epoch);
    let guard = verify(context, transactional_id, &partition, producer).await?;
    let request = Request::TxnOffsetCommit(commit);
    let stored = match guard {
        None => broker.ask_group_at(&partition, request, |_| Ok(())).await,
        Some(guard) => {
            // Looked at where the records are appended: a marker may have come between.
            let target = partition.clone();
            let check = move |owned: &mut crate::replicas::Owned| owned.check_verification(&target, producer, guard);
            broker.ask_group_at(&partition, request, check).await
        }
    };
    match stored? {
        Reply::OffsetCommit(stored) => Ok(stored),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Is the group's partition part of the transaction? `None` if that needs no asking.
async fn verify(
    context: &Context,
    transactional_id: &str,
    partition: &TopicPartition,
    producer: (ProducerId, ProducerEpoch),
) -> Result<Option<Guard>, ErrorCode> {
    let broker = &context.broker;
    if !broker.config.verifies_transactions() {
        return Ok(None);
    }
    let (target, owner) = (partition.clone(), broker.shards.owner(partition));
    let begun = broker.shards.on(owner, move |owned| owned.begin_verification(&target, producer)).await;
    let begun = begun.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    let knows_abortable = wire::Version(context.version).knows_transaction_abortable();
    let Some(guard) = begun.map_err(|error| verification::told_to_group(error, knows_abortable))? else {
        return Ok(None);
    };
    let asked = AddPartitions {
        transactional_id: transactional_id.to_owned(),
        producer_id: producer.0,
        producer_epoch: producer.1,
        partitions: vec![partition.clone()],
    };
    match broker.verify_transaction(asked).await.first() {
        Some(ErrorCode::None) => Ok(Some(guard)),
        error => {
            let error = error.copied().unwrap_or(ErrorCode::UnknownServerError);
            Err(verification::told_to_group(error, knows_abortable))
        }
    }
}

fn respond(request: &wire::Request, error: impl Fn(&TopicPartition) -> ErrorCode) -> wire::Response {
    let asked = request.topics.iter();
    let asked = asked.map(|topic| {
        (topic.name.as_str(), topic.partitions.iter().map(|partition| partition.partition_index).collect())
    });
    let topics = told(asked, error).into_iter().map(|(name, outcomes)| TxnOffsetCommitResponseTopic {
        name,
        partitions: outcomes
            .into_iter()
            .map(|(partition_index, error)| TxnOffsetCommitResponsePartition {
                partition_index,
                error_code: error.code(),
            })
            .collect(),
    });
    wire::Response { throttle_time_ms: 0, topics: topics.collect() }
}
