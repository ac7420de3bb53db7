//! Records of the topics that brokers keep for themselves, as JSON: the three formatters that Apache has for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_record::Record;
use kafka_wire::records::Record as _;
use kafka_wire::records::groups::{GroupMetadataValue, Key, OffsetCommitValue};
use kafka_wire::records::transactions::{TransactionLogKey, TransactionLogValue};
use serde_json::{Value, json};

/// What is shown of an internal topic; records about other things are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Internal {
    /// Positions of groups.
    Offsets,
    /// Groups and their members.
    Groups,
    /// Transactions.
    Transactions,
}

impl Internal {
    /// The formatter of that name, without its package.
    pub(super) fn named(class: &str) -> Option<Internal> {
        Some(match class {
            "OffsetsMessageFormatter" => Internal::Offsets,
            "GroupMetadataMessageFormatter" => Internal::Groups,
            "TransactionLogMessageFormatter" => Internal::Transactions,
            _ => return None,
        })
    }

    /// The JSON text of a record, without an end of line, as Apache prints it; `None` if it is about something else.
    pub(super) fn text(self, record: &Record) -> Option<String> {
        let key = record.key.clone()?;
        let version = version(&key)?;
        let data = self.key(key)?;
        let value = record.value.as_ref().map_or(Value::Null, |value| self.value(value));
        Some(json!({ "key": { "version": version, "data": data }, "value": value }).to_string())
    }

    fn key(self, key: Bytes) -> Option<Value> {
        match self {
            Internal::Transactions => {
                let key = TransactionLogKey::from_bytes(key).ok()?;
                Some(json!({ "transactionalId": key.transactional_id }))
            }
            Internal::Offsets | Internal::Groups => match (self, Key::from_bytes(key).ok()?) {
                (Internal::Offsets, Key::Offset(key)) => {
                    Some(json!({ "group": key.group, "topic": key.topic, "partition": key.partition }))
                }
                (Internal::Groups, Key::Group(key)) => Some(json!({ "group": key.group })),
                _ => None,
            },
        }
    }

    /// A value of a version that nobody knows is told as such.
    fn value(self, value: &Bytes) -> Value {
        let version = version(value);
        let data = version.and_then(|version| match self {
            Internal::Offsets => OffsetCommitValue::from_bytes(value.clone()).ok().map(|value| offset(&value, version)),
            Internal::Groups => GroupMetadataValue::from_bytes(value.clone()).ok().map(|value| group(value, version)),
            Internal::Transactions => TransactionLogValue::from_bytes(value.clone()).ok().map(transaction),
        });
        json!({ "version": version, "data": data.unwrap_or_else(|| json!("unknown")) })
    }
}

fn version(bytes: &Bytes) -> Option<i16> {
    bytes.first_chunk().map(|version| i16::from_be_bytes(*version))
}

/// Fields that a version does not have are left out.
fn offset(value: &OffsetCommitValue, version: i16) -> Value {
    let mut data = json!({ "offset": value.offset });
    if version >= 3 {
        data["leaderEpoch"] = json!(value.leader_epoch);
    }
    data["metadata"] = json!(value.metadata);
    data["commitTimestamp"] = json!(value.commit_timestamp);
    if version == 1 {
        data["expireTimestamp"] = json!(value.expire_timestamp);
    }
    data
}

fn group(value: GroupMetadataValue, version: i16) -> Value {
    let member = |member: kafka_wire::records::groups::MemberMetadata| {
        let mut data = json!({ "memberId": member.member_id });
        if version >= 3 {
            data["groupInstanceId"] = json!(member.group_instance_id);
        }
        data["clientId"] = json!(member.client_id);
        data["clientHost"] = json!(member.client_host);
        if version >= 1 {
            data["rebalanceTimeout"] = json!(member.rebalance_timeout);
        }
        data["sessionTimeout"] = json!(member.session_timeout);
        data["subscription"] = json!(STANDARD.encode(&member.subscription));
        data["assignment"] = json!(STANDARD.encode(&member.assignment));
        data
    };
    let mut data = json!({
        "protocolType": value.protocol_type,
        "generation": value.generation,
        "protocol": value.protocol,
        "leader": value.leader,
    });
    if version >= 2 {
        data["currentStateTimestamp"] = json!(value.current_state_timestamp);
    }
    data["members"] = value.members.into_iter().map(member).collect();
    data
}

fn transaction(value: TransactionLogValue) -> Value {
    let partitions = value.transaction_partitions.map(|topics| {
        let topic = |topic: kafka_wire::records::transactions::PartitionsSchema| {
            json!({ "topic": topic.topic, "partitionIds": topic.partition_ids })
        };
        topics.into_iter().map(topic).collect::<Vec<_>>()
    });
    json!({
        "producerId": value.producer_id,
        "producerEpoch": value.producer_epoch,
        "transactionTimeoutMs": value.transaction_timeout_ms,
        "transactionStatus": value.transaction_status,
        "transactionPartitions": partitions,
        "transactionLastUpdateTimestampMs": value.transaction_last_update_timestamp_ms,
        "transactionStartTimestampMs": value.transaction_start_timestamp_ms,
    })
}

#[cfg(test)]
mod tests {
    use kafka_wire::records::groups::{GroupMetadataKey, MemberMetadata, OffsetCommitKey};
    use kafka_wire::records::transactions::PartitionsSchema;

    use super::*;

    fn record(key: Bytes, value: Option<Bytes>) -> Record {
        Record { key: Some(key), value, ..Record::default() }
    }

    fn offset_key() -> Bytes {
        OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 0 }.to_bytes().unwrap()
    }

    #[test]
    fn positions_read_as_apache_prints_them() {
        let value = OffsetCommitValue { offset: 3, commit_timestamp: 5, ..OffsetCommitValue::default() };
        let text = |value| Internal::Offsets.text(&record(offset_key(), value)).unwrap();
        let key = r#"{"key":{"version":1,"data":{"group":"g","topic":"t","partition":0}},"value":"#;
        assert_eq!(
            text(Some(value.to_bytes().unwrap())),
            format!(
                r#"{key}{{"version":3,"data":{{"offset":3,"leaderEpoch":-1,"metadata":"","commitTimestamp":5}}}}}}"#
            )
        );
        assert_eq!(
            text(Some(value.to_bytes_in(1).unwrap())),
            format!(
                r#"{key}{{"version":1,"data":{{"offset":3,"metadata":"","commitTimestamp":5,"expireTimestamp":-1}}}}}}"#
            )
        );
        assert_eq!(text(None), format!("{key}null}}"));
        assert_eq!(text(Some(Bytes::from_static(&[0, 9]))), format!(r#"{key}{{"version":9,"data":"unknown"}}}}"#));
        assert_eq!(Internal::Groups.text(&record(offset_key(), None)), None);
        assert_eq!(Internal::Offsets.text(&Record::default()), None);
    }

    #[test]
    fn groups_read_as_apache_prints_them() {
        let key = GroupMetadataKey { group: "g".into() }.to_bytes().unwrap();
        let member = MemberMetadata {
            member_id: "m".into(),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout: 300_000,
            session_timeout: 45_000,
            subscription: Bytes::from_static(&[0, 3]),
            ..MemberMetadata::default()
        };
        let value = GroupMetadataValue {
            protocol_type: "consumer".into(),
            generation: 1,
            protocol: Some("range".into()),
            leader: Some("m".into()),
            current_state_timestamp: 7,
            members: vec![member],
        };
        assert_eq!(
            Internal::Groups.text(&record(key, Some(value.to_bytes().unwrap()))).unwrap(),
            concat!(
                r#"{"key":{"version":2,"data":{"group":"g"}},"value":{"version":3,"data":{"protocolType":"consumer","#,
                r#""generation":1,"protocol":"range","leader":"m","currentStateTimestamp":7,"members":[{"memberId":"m","#,
                r#""groupInstanceId":null,"clientId":"c","clientHost":"/127.0.0.1","rebalanceTimeout":300000,"#,
                r#""sessionTimeout":45000,"subscription":"AAM=","assignment":""}]}}}"#
            )
        );
    }

    #[test]
    fn transactions_read_as_apache_prints_them() {
        let key = TransactionLogKey { transactional_id: "tx".into() }.to_bytes().unwrap();
        let value = TransactionLogValue {
            producer_id: 1000,
            producer_epoch: 0,
            transaction_timeout_ms: 60_000,
            transaction_status: 1,
            transaction_partitions: Some(vec![PartitionsSchema { topic: "txn".into(), partition_ids: vec![0, 1] }]),
            transaction_last_update_timestamp_ms: 9,
            transaction_start_timestamp_ms: 8,
        };
        assert_eq!(
            Internal::Transactions.text(&record(key, Some(value.to_bytes().unwrap()))).unwrap(),
            concat!(
                r#"{"key":{"version":0,"data":{"transactionalId":"tx"}},"value":{"version":0,"data":{"producerId":1000,"#,
                r#""producerEpoch":0,"transactionTimeoutMs":60000,"transactionStatus":1,"transactionPartitions":"#,
                r#"[{"topic":"txn","partitionIds":[0,1]}],"transactionLastUpdateTimestampMs":9,"#,
                r#""transactionStartTimestampMs":8}}}"#
            )
        );
    }
}
