//! AddPartitionsToTxn: producers say what a transaction is going to write to, and leaders ask whether they did.

use std::collections::{HashMap, HashSet};

use kafka_metadata::{MetadataImage, topic_name};
use kafka_security::Operation;
use kafka_txn_coordinator::{AddPartitions, Reply, Request};
use kafka_types::{ErrorCode, ProducerEpoch, ProducerId, TopicName, TopicPartition};
use kafka_wire::add_partitions_to_txn::{
    self as wire, AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};

use super::{Context, error_codes};
use crate::java_hash;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if wire::Version(context.version).is_batched() {
        // Of brokers only.
        if !context.may_on_cluster(Operation::ClusterAction) {
            let error_code = ErrorCode::ClusterAuthorizationFailed.code();
            return wire::Response { error_code, ..Default::default() };
        }
        // A batch of nothing has an answer of nothing. Apache's broker sends its answer with the last transaction that it
        // has dealt with, so never if there is none: the connection hears nothing more until it has been idle for too long.
        let mut results_by_transaction = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let transactional_id = transaction.transactional_id.clone();
            let topic_results = answer(context, transaction).await;
            results_by_transaction.push(AddPartitionsToTxnResult { transactional_id, topic_results });
        }
        return wire::Response { results_by_transaction, ..Default::default() };
    }
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: request.v3_and_below_transactional_id,
        producer_id: request.v3_and_below_producer_id,
        producer_epoch: request.v3_and_below_producer_epoch,
        verify_only: false,
        topics: request.v3_and_below_topics,
    };
    if !context.may_on_transaction(Operation::Write, &transaction.transactional_id) {
        let refused = results(&transaction.topics, |_, _| ErrorCode::TransactionalIdAuthorizationFailed);
        return wire::Response { results_by_topic_v3_and_below: refused, ..Default::default() };
    }
    let results = answer(context, transaction).await;
    wire::Response { results_by_topic_v3_and_below: results, ..Default::default() }
}

/// Adds all partitions of a transaction, or none of them.
async fn answer(context: &Context, transaction: AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = transaction.topics;
    let image = context.broker.metadata.image();
    let of_client = !wire::Version(context.version).is_batched();
    let forbidden: HashSet<String> = topics
        .iter()
        .map(|topic| topic.name.as_str())
        .filter(|name| of_client && (topic_name::is_internal(name) || !context.may_on_topic(Operation::Write, name)))
        .map(str::to_owned)
        .collect();
    let refusal = |topic: &str, index: i32| {
        if forbidden.contains(topic) {
            Some(ErrorCode::TopicAuthorizationFailed)
        } else {
            (!is_known(&image, topic, index)).then_some(ErrorCode::UnknownTopicOrPartition)
        }
    };
    let partitions: Vec<_> = topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| TopicPartition::new(topic.name.as_str(), *index)))
        .collect();
    if partitions.iter().any(|one| refusal(&one.topic, one.partition).is_some()) {
        return refused(partitions, |one| {
            refusal(&one.topic, one.partition).unwrap_or(ErrorCode::OperationNotAttempted)
        });
    }
    let asked = AddPartitions {
        transactional_id: transaction.transactional_id.clone(),
        producer_id: ProducerId(transaction.producer_id),
        producer_epoch: ProducerEpoch(transaction.producer_epoch),
        partitions,
    };
    let request =
        if transaction.verify_only { Request::VerifyPartitions(asked) } else { Request::AddPartitions(asked) };
    let told = |error| error_codes::fenced(error, wire::Version(context.version).knows_producer_fenced());
    match context.broker.ask_transactions(&transaction.transactional_id, request).await {
        Ok(Reply::AddPartitions(error)) => results(&topics, |_, _| told(error)),
        Ok(Reply::VerifyPartitions(answers)) => {
            let mut answers = answers.into_iter();
            // In the order of the question.
            results(&topics, |_, _| told(answers.next().map_or(ErrorCode::UnknownServerError, |(_, error)| error)))
        }
        Ok(_) => results(&topics, |_, _| ErrorCode::UnknownServerError),
        Err(error) => results(&topics, |_, _| error),
    }
}

/// Each partition once, in the order of Apache's tables: partitions by one, their topics by another.
fn refused(
    mut partitions: Vec<TopicPartition>,
    error: impl Fn(&TopicPartition) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut seen = HashSet::new();
    partitions.retain(|one| seen.insert(one.clone()));
    java_hash::order_partitions(&mut partitions, |one| one);
    let mut topics: Vec<AddPartitionsToTxnTopicResult> = Vec::new();
    let mut places: HashMap<TopicName, usize> = HashMap::new();
    for one in partitions {
        let place = *places.entry(one.topic.clone()).or_insert_with(|| {
            topics.push(AddPartitionsToTxnTopicResult { name: one.topic.to_string(), ..Default::default() });
            topics.len() - 1
        });
        topics[place].results_by_partition.push(AddPartitionsToTxnPartitionResult {
            partition_index: one.partition,
            partition_error_code: error(&one).code(),
        });
    }
    java_hash::order_texts(&mut topics, |topic| &topic.name);
    topics
}

fn is_known(image: &MetadataImage, topic: &str, index: i32) -> bool {
    image.partition(topic, index).is_some()
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    mut error: impl FnMut(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let result = |topic: &AddPartitionsToTxnTopic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|index| AddPartitionsToTxnPartitionResult {
                partition_index: *index,
                partition_error_code: error(&topic.name, *index).code(),
            })
            .collect(),
    };
    topics.iter().map(result).collect()
}
