//! Asks the coordinator of a transaction whether partitions are part of it, before the first records of a producer go
//! into them (KIP-890, part 1): so what a producer sent long ago can begin no transaction that nobody will end.

use std::sync::Arc;

use kafka_txn_coordinator::{AddPartitions, Reply, Request};
use kafka_types::{ErrorCode, TopicPartition};

use crate::broker::Broker;
use crate::coordinators::{TRANSACTION_TOPIC, partition_for};
use crate::peers;

impl Broker {
    /// One error per partition, in their order, as the coordinator says it or as why it cannot be asked.
    pub(crate) async fn verify_transaction(self: &Arc<Self>, asked: AddPartitions) -> Vec<ErrorCode> {
        let image = self.metadata.image();
        let all = |error: ErrorCode| vec![error; asked.partitions.len()];
        let Some(topic) = image.topic(TRANSACTION_TOPIC) else { return all(ErrorCode::CoordinatorNotAvailable) };
        let index = partition_for(&asked.transactional_id, topic.partitions.len() as i32);
        let listener = &self.config.broker().inter_broker_listener;
        match image.leader(TRANSACTION_TOPIC, index, listener) {
            None => all(ErrorCode::CoordinatorNotAvailable),
            Some((leader, _)) if leader != self.id => peers::verify_transaction(self, leader, &asked).await,
            Some(_) => {
                let id = asked.transactional_id.clone();
                let partitions = asked.partitions.clone();
                match self.ask_transactions(&id, Request::VerifyPartitions(asked)).await {
                    Ok(Reply::VerifyPartitions(answers)) => answers.into_iter().map(|(_, error)| error).collect(),
                    Ok(_) => vec![ErrorCode::UnknownServerError; partitions.len()],
                    Err(error) => vec![error; partitions.len()],
                }
            }
        }
    }
}

/// What a refused verification is to a client: an old one is told the nearest thing that it knows.
pub(crate) fn told(error: ErrorCode, knows_abortable: bool) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if !knows_abortable => ErrorCode::InvalidTxnState,
        other => other,
    }
}

/// The same to a producer, with the text that goes with it. What passes by itself is as if replicas were missing: the
/// producer tries again.
pub(crate) fn told_to_producer(error: ErrorCode, knows_abortable: bool) -> (ErrorCode, Option<String>) {
    match told(error, knows_abortable) {
        ErrorCode::InvalidTxnState => {
            (ErrorCode::InvalidTxnState, Some("Partition was not added to the transaction".to_owned()))
        }
        error @ (ErrorCode::ConcurrentTransactions
        | ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator) => {
            let reason = error.name();
            let text =
                format!("Unable to verify the partition has been added to the transaction. Underlying error: {reason}");
            (ErrorCode::NotEnoughReplicas, Some(text))
        }
        other => (other, None),
    }
}

/// The same to a group that commits offsets in a transaction.
pub(crate) fn told_to_group(error: ErrorCode, knows_abortable: bool) -> ErrorCode {
    match told(error, knows_abortable) {
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        other => other,
    }
}

/// The partitions of a request, grouped by topic as the protocol wants them.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> Vec<(String, Vec<i32>)> {
    let mut topics: Vec<(String, Vec<i32>)> = Vec::new();
    for one in partitions {
        match topics.iter_mut().find(|(topic, _)| **topic == *one.topic) {
            Some((_, indexes)) => indexes.push(one.partition),
            None => topics.push((one.topic.to_string(), vec![one.partition])),
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_words_that_the_client_knows() {
        let abortable = ErrorCode::TransactionAbortable;
        assert_eq!(told_to_producer(abortable, true), (abortable, None));
        assert_eq!(told_to_producer(abortable, false).0, ErrorCode::InvalidTxnState);
        assert_eq!(told_to_producer(ErrorCode::ProducerFenced, true).0, ErrorCode::InvalidProducerEpoch);
        assert_eq!(told_to_producer(ErrorCode::ConcurrentTransactions, true).0, ErrorCode::NotEnoughReplicas);
        assert_eq!(told_to_producer(ErrorCode::InvalidProducerIdMapping, true).0, ErrorCode::InvalidProducerIdMapping);
        assert_eq!(told_to_group(abortable, false), ErrorCode::InvalidTxnState);
        assert_eq!(told_to_group(ErrorCode::NotCoordinator, false), ErrorCode::NotCoordinator);
    }

    #[test]
    fn partitions_of_one_topic_come_together() {
        let partitions = [("a", 1), ("b", 0), ("a", 0)].map(|(topic, index)| TopicPartition::new(topic, index));
        assert_eq!(by_topic(&partitions), [("a".to_owned(), vec![1, 0]), ("b".to_owned(), vec![0])]);
    }
}
