//! Records of the topics that brokers keep for themselves in the form that tools printed before they printed JSON: many texts still name these
//! formatters, and Apache's tools keep them until 4.0.

use std::fmt::Write as _;

use kafka_record::Record;
use kafka_wire::records::Record as _;
use kafka_wire::records::groups::{GroupMetadataValue, Key, MemberMetadata, OffsetCommitValue};
use kafka_wire::records::transactions::{TransactionLogKey, TransactionLogValue};

use crate::transaction_state::{scala_order, state_name};

/// What is shown; records about other things are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Former {
    /// Positions of groups.
    Offsets,
    /// Groups and their members.
    Groups,
    /// Transactions.
    Transactions,
}

/// What a record without a value shows.
const TOMBSTONE: &str = "NULL";

impl Former {
    /// The formatter of that class, and the one that replaces it.
    pub(super) fn named(class: &str) -> Option<(Former, &'static str)> {
        let (manager, name) = class.strip_prefix("kafka.coordinator.")?.split_once('$')?;
        Some(match (manager, name) {
            ("group.GroupMetadataManager", "OffsetsMessageFormatter") => (Former::Offsets, "OffsetsMessageFormatter"),
            ("group.GroupMetadataManager", "GroupMetadataMessageFormatter") => {
                (Former::Groups, "GroupMetadataMessageFormatter")
            }
            ("transaction.TransactionLog", "TransactionLogMessageFormatter") => {
                (Former::Transactions, "TransactionLogMessageFormatter")
            }
            _ => return None,
        })
    }

    /// The line of a record, ended; `None` if it is about something else.
    pub(super) fn line(self, record: &Record) -> Option<String> {
        if self == Former::Transactions {
            return transaction(record);
        }
        let key = Key::from_bytes(record.key.clone()?).ok()?;
        let value = record.value.as_ref();
        match (self, key) {
            (Former::Offsets, Key::Offset(key)) => {
                let shown = match value {
                    None => TOMBSTONE.to_owned(),
                    Some(value) => offset(&OffsetCommitValue::from_bytes(value.clone()).ok()?),
                };
                Some(format!("[{},{},{}]::{shown}\n", key.group, key.topic, key.partition))
            }
            (Former::Groups, Key::Group(key)) => {
                let shown = match value {
                    None => TOMBSTONE.to_owned(),
                    Some(value) => group(&key.group, &GroupMetadataValue::from_bytes(value.clone()).ok()?),
                };
                Some(format!("{}::{shown}\n", key.group))
            }
            _ => None,
        }
    }
}

fn offset(value: &OffsetCommitValue) -> String {
    let epoch = match value.leader_epoch {
        ..0 => "Optional.empty".to_owned(),
        epoch => format!("Optional[{epoch}]"),
    };
    let expires = match value.expire_timestamp {
        -1 => "None".to_owned(),
        expires => format!("Some({expires})"),
    };
    format!(
        "OffsetAndMetadata(offset={}, leaderEpoch={epoch}, metadata={}, commitTimestamp={}, expireTimestamp={expires})",
        value.offset, value.metadata, value.commit_timestamp
    )
}

fn transaction(record: &Record) -> Option<String> {
    let key = record.key.clone()?;
    let version = i16::from_be_bytes(*key.first_chunk()?);
    if version != 0 {
        return Some(format!("unknown::version={version}\n"));
    }
    let id = TransactionLogKey::from_bytes(key).ok()?.transactional_id;
    let Some(value) = &record.value else { return Some(format!("{id}::{TOMBSTONE}\n")) };
    let value = TransactionLogValue::from_bytes(value.clone()).ok()?;
    let state = state_name(value.transaction_status)?;
    let partitions = if state == "Empty" { Vec::new() } else { value.transaction_partitions.unwrap_or_default() };
    Some(format!(
        "{id}::TransactionMetadata(transactionalId={id}, producerId={}, producerEpoch={}, txnTimeoutMs={}, \
         state={state}, pendingState=None, topicPartitions=HashSet({}), txnStartTimestamp={}, \
         txnLastUpdateTimestamp={})\n",
        value.producer_id,
        value.producer_epoch,
        value.transaction_timeout_ms,
        scala_order(partitions).join(", "),
        value.transaction_start_timestamp_ms,
        value.transaction_last_update_timestamp_ms,
    ))
}

fn group(id: &str, value: &GroupMetadataValue) -> String {
    let state = if value.members.is_empty() { "Empty" } else { "Stable" };
    let protocol = value.protocol.as_deref().unwrap_or("null");
    let members: Vec<String> = value.members.iter().map(|one| member(one, protocol)).collect();
    format!(
        "GroupMetadata(groupId={id}, generation={}, protocolType=Some({}), currentState={state}, members=HashMap({}))",
        value.generation,
        value.protocol_type,
        members.join(", ")
    )
}

fn member(member: &MemberMetadata, protocol: &str) -> String {
    // The form before rebalance timeouts had one time for both.
    let rebalance = if member.rebalance_timeout < 0 { member.session_timeout } else { member.rebalance_timeout };
    let mut text = format!("{0} -> MemberMetadata(memberId={0}, ", member.member_id);
    let _ = match &member.group_instance_id {
        Some(instance) => write!(text, "groupInstanceId=Some({instance}), "),
        None => write!(text, "groupInstanceId=None, "),
    };
    let _ = write!(
        text,
        "clientId={}, clientHost={}, sessionTimeoutMs={}, rebalanceTimeoutMs={rebalance}, supportedProtocols=List({protocol}))",
        member.client_id, member.client_host, member.session_timeout
    );
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_wire::records::groups::{GroupMetadataKey, OffsetCommitKey};

    use super::*;

    fn record(key: Bytes, value: Option<Bytes>) -> Record {
        Record { key: Some(key), value, ..Record::default() }
    }

    #[test]
    fn positions_read_as_they_did() {
        let key = OffsetCommitKey { group: "g1".into(), topic: "t".into(), partition: 0 }.to_bytes().unwrap();
        let line = |value: Option<OffsetCommitValue>| {
            Former::Offsets.line(&record(key.clone(), value.map(|value| value.to_bytes().unwrap()))).unwrap()
        };
        let value = OffsetCommitValue { offset: 3, commit_timestamp: 5, ..OffsetCommitValue::default() };
        assert_eq!(
            line(Some(value.clone())),
            "[g1,t,0]::OffsetAndMetadata(offset=3, leaderEpoch=Optional.empty, metadata=, commitTimestamp=5, \
             expireTimestamp=None)\n"
        );
        let known = OffsetCommitValue { leader_epoch: 0, metadata: "m".into(), ..value };
        assert!(line(Some(known)).contains("leaderEpoch=Optional[0], metadata=m, "));
        assert_eq!(line(None), "[g1,t,0]::NULL\n");
        assert_eq!(Former::Groups.line(&record(key.clone(), None)), None);
        assert_eq!(Former::Offsets.line(&Record::default()), None);
    }

    /// As the formatter of 3.9.1 prints them.
    #[test]
    fn transactions_read_as_they_did() {
        use kafka_wire::records::transactions::PartitionsSchema;
        let key = TransactionLogKey { transactional_id: "tx".into() }.to_bytes().unwrap();
        let mut value = TransactionLogValue {
            producer_id: 1000,
            producer_epoch: 2,
            transaction_timeout_ms: 60_000,
            transaction_status: 1,
            transaction_partitions: Some(vec![PartitionsSchema { topic: "txn".into(), partition_ids: vec![0, 1] }]),
            transaction_last_update_timestamp_ms: 7,
            transaction_start_timestamp_ms: 5,
        };
        let line = |value: Option<&TransactionLogValue>| {
            Former::Transactions.line(&record(key.clone(), value.map(|value| value.to_bytes().unwrap()))).unwrap()
        };
        assert_eq!(
            line(Some(&value)),
            "tx::TransactionMetadata(transactionalId=tx, producerId=1000, producerEpoch=2, txnTimeoutMs=60000, \
             state=Ongoing, pendingState=None, topicPartitions=HashSet(txn-0, txn-1), txnStartTimestamp=5, \
             txnLastUpdateTimestamp=7)\n"
        );
        value.transaction_status = 0;
        assert!(line(Some(&value)).contains("state=Empty, pendingState=None, topicPartitions=HashSet(), "));
        assert_eq!(line(None), "tx::NULL\n");
        let unknown = record(Bytes::from_static(&[0, 9, 0, 1, b'x']), None);
        assert_eq!(Former::Transactions.line(&unknown).unwrap(), "unknown::version=9\n");
        assert_eq!(Former::Transactions.line(&Record::default()), None);
    }

    #[test]
    fn groups_read_as_they_did() {
        let key = GroupMetadataKey { group: "g1".into() }.to_bytes().unwrap();
        let member = MemberMetadata {
            member_id: "m".into(),
            client_id: "console-consumer".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout: 300_000,
            session_timeout: 45_000,
            ..MemberMetadata::default()
        };
        let mut value = GroupMetadataValue {
            protocol_type: "consumer".into(),
            generation: 1,
            protocol: Some("range".into()),
            leader: Some("m".into()),
            members: vec![member],
            ..GroupMetadataValue::default()
        };
        let line = |value: &GroupMetadataValue| {
            Former::Groups.line(&record(key.clone(), Some(value.to_bytes().unwrap()))).unwrap()
        };
        assert_eq!(
            line(&value),
            "g1::GroupMetadata(groupId=g1, generation=1, protocolType=Some(consumer), currentState=Stable, \
             members=HashMap(m -> MemberMetadata(memberId=m, groupInstanceId=None, clientId=console-consumer, \
             clientHost=/127.0.0.1, sessionTimeoutMs=45000, rebalanceTimeoutMs=300000, \
             supportedProtocols=List(range))))\n"
        );
        value.members.clear();
        assert!(line(&value).ends_with("currentState=Empty, members=HashMap())\n"));
        assert_eq!(Former::named("kafka.coordinator.group.GroupMetadataManager$Other"), None);
    }
}
