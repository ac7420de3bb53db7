//! Records of `__transaction_state` to and from state; their bytes are `kafka_wire::records::transactions`.

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_types::{ProducerEpoch, ProducerId, TopicName, TopicPartition};
use kafka_wire::records::Record as _;
use kafka_wire::records::transactions::{PartitionsSchema, TransactionLogKey, TransactionLogValue};
use time_types::WallMillis;

use crate::RecordError;
use crate::effect::KeyValue;
use crate::transaction::{Facts, NOT_STARTED, State};

/// One record, decoded.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) transactional_id: String,
    /// `None` forgets the id.
    pub(crate) facts: Option<Facts>,
}

/// As it goes into the log.
pub(crate) fn encode(transactional_id: &str, facts: Option<&Facts>) -> KeyValue {
    let key = TransactionLogKey { transactional_id: transactional_id.to_owned() };
    let fits = "texts that do not fit are refused with their request";
    KeyValue { key: key.to_bytes().expect(fits), value: facts.map(|facts| to_wire(facts).to_bytes().expect(fits)) }
}

/// Out of the log; `None` if the key is of a version that is not ours, which Kafka passes over.
pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordError> {
    let unreadable = |error: kafka_wire::DecodeError| RecordError(error.to_string());
    if matches!(key, [high, low, ..] if i16::from_be_bytes([*high, *low]) > 0) {
        return Ok(None);
    }
    let key = TransactionLogKey::from_bytes(Bytes::copy_from_slice(key)).map_err(unreadable)?;
    let value = value.map(|value| TransactionLogValue::from_bytes(Bytes::copy_from_slice(value)));
    let value = value.transpose().map_err(unreadable)?;
    // A newer form has room for longer names than the one that this transaction will be written in.
    if let Some(Err(error)) = value.as_ref().map(kafka_wire::records::Record::to_bytes) {
        return Err(RecordError(error.to_string()));
    }
    let facts = value.map(from_wire).transpose()?;
    Ok(Some(Record { transactional_id: key.transactional_id, facts }))
}

fn to_wire(facts: &Facts) -> TransactionLogValue {
    let mut topics: Vec<PartitionsSchema> = Vec::new();
    // They are sorted, so those of one topic follow each other.
    for one in &facts.partitions {
        match topics.last_mut() {
            Some(topic) if topic.topic == *one.topic => topic.partition_ids.push(one.partition),
            _ => topics.push(PartitionsSchema { topic: one.topic.to_string(), partition_ids: vec![one.partition] }),
        }
    }
    TransactionLogValue {
        producer_id: facts.producer_id.0,
        producer_epoch: facts.producer_epoch.0,
        transaction_timeout_ms: facts.timeout_ms,
        transaction_status: facts.state.code(),
        transaction_partitions: (facts.state != State::Empty).then_some(topics),
        transaction_last_update_timestamp_ms: facts.updated.0,
        transaction_start_timestamp_ms: if facts.state == State::Empty { NOT_STARTED.0 } else { facts.started.0 },
    }
}

fn from_wire(value: TransactionLogValue) -> Result<Facts, RecordError> {
    let state = State::from_code(value.transaction_status)
        .ok_or_else(|| RecordError(format!("Unknown transaction state id {}", value.transaction_status)))?;
    let mut partitions = BTreeSet::new();
    for topic in value.transaction_partitions.unwrap_or_default() {
        let name: TopicName = topic.topic.into();
        partitions.extend(topic.partition_ids.into_iter().map(|id| TopicPartition::new(name.clone(), id)));
    }
    Ok(Facts {
        producer_epoch: ProducerEpoch(value.producer_epoch),
        timeout_ms: value.transaction_timeout_ms,
        state,
        partitions,
        started: WallMillis(value.transaction_start_timestamp_ms),
        updated: WallMillis(value.transaction_last_update_timestamp_ms),
        ..Facts::new(ProducerId(value.producer_id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_reads_back_and_one_that_has_not_begun_has_no_list() {
        let partitions = [TopicPartition::new("a", 1), TopicPartition::new("a", 0), TopicPartition::new("b", 7)];
        let facts = Facts { timeout_ms: 5, ..Facts::new(ProducerId(9)) };
        let empty = encode("id", Some(&facts)).value.unwrap();
        assert_eq!(TransactionLogValue::from_bytes(empty).unwrap().transaction_partitions, None);
        let open = facts.with_partitions(&partitions, WallMillis(77));
        let record = encode("id", Some(&open));
        let wire = TransactionLogValue::from_bytes(record.value.clone().unwrap()).unwrap();
        assert_eq!(wire.transaction_start_timestamp_ms, 77);
        let come_again = Facts { state: State::Empty, ..open.clone() };
        let again = TransactionLogValue::from_bytes(encode("id", Some(&come_again)).value.unwrap()).unwrap();
        assert_eq!(again.transaction_start_timestamp_ms, NOT_STARTED.0, "whoever loads it knows of no transaction");
        let topics: Vec<_> = wire.transaction_partitions.unwrap().into_iter().map(|one| one.partition_ids).collect();
        assert_eq!(topics, [vec![0, 1], vec![7]]);
        let back = decode(&record.key, record.value.as_deref()).unwrap().unwrap();
        assert_eq!((back.transactional_id.as_str(), back.facts), ("id", Some(open)));
        let deleted = encode("id", None);
        assert_eq!(decode(&deleted.key, None).unwrap().unwrap().facts, None);
    }

    #[test]
    fn what_cannot_be_read_is_told_apart_from_what_is_not_ours() {
        let record = encode("id", Some(&Facts::new(ProducerId(9))));
        assert!(decode(&[0, 1, 0, 0], None).unwrap().is_none());
        assert!(decode(&[0], None).is_err());
        assert!(decode(&record.key, Some(&[0, 9, 1])).is_err());
        let mut dead = record.value.unwrap().to_vec();
        dead[16] = 6;
        assert!(decode(&record.key, Some(&dead)).is_err());
    }

    #[test]
    fn a_transaction_that_could_not_be_written_again_is_unreadable() {
        let key = encode("id", None).key;
        for (len, readable) in [(100, true), (40_000, false)] {
            let topic = PartitionsSchema { topic: "t".repeat(len), partition_ids: vec![0] };
            let value = TransactionLogValue {
                transaction_status: 1,
                transaction_partitions: Some(vec![topic]),
                ..TransactionLogValue::default()
            };
            let value = value.to_bytes_in(1).unwrap();
            assert_eq!(decode(&key, Some(&value)).is_ok(), readable, "{len}");
        }
    }
}
