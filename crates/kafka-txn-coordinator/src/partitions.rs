//! AddPartitionsToTxn and AddOffsetsToTxn, and the question of leaders whether a partition was added (KIP-890).

use kafka_types::{ErrorCode, TopicPartition};
use time_types::WallMillis;

use crate::request::AddPartitions;
use crate::transaction::{Facts, State, Transaction};

/// The transaction with the new partitions; `None` if it has them all already.
pub(crate) fn decide(
    known: Option<&Transaction>,
    request: &AddPartitions,
    now: WallMillis,
) -> Result<Option<Facts>, ErrorCode> {
    let transaction = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
    // Before all else: what is pending decides who is fenced.
    if transaction.pending.is_some() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    let facts = check_producer(transaction, request)?;
    if facts.state == State::Ongoing && request.partitions.iter().all(|one| facts.partitions.contains(one)) {
        return Ok(None);
    }
    Ok(Some(facts.with_partitions(&request.partitions, now)))
}

/// Which of the partitions are part of the transaction. What is pending does not matter: whoever asks looks again when
/// it appends.
pub(crate) fn verify(known: Option<&Transaction>, request: AddPartitions) -> Vec<(TopicPartition, ErrorCode)> {
    let checked = known.ok_or(ErrorCode::InvalidProducerIdMapping).and_then(|one| check_producer(one, &request));
    let answer = |one: &TopicPartition| match checked {
        Err(error) => error,
        Ok(facts) if facts.partitions.contains(one) => ErrorCode::None,
        Ok(_) => ErrorCode::TransactionAbortable,
    };
    let answers: Vec<ErrorCode> = request.partitions.iter().map(answer).collect();
    request.partitions.into_iter().zip(answers).collect()
}

fn check_producer<'a>(transaction: &'a Transaction, request: &AddPartitions) -> Result<&'a Facts, ErrorCode> {
    let facts = &transaction.facts;
    if facts.producer_id != request.producer_id {
        Err(ErrorCode::InvalidProducerIdMapping)
    } else if facts.producer_epoch != request.producer_epoch {
        Err(ErrorCode::ProducerFenced)
    } else if facts.state.is_prepared() {
        Err(ErrorCode::ConcurrentTransactions)
    } else {
        Ok(facts)
    }
}
