//! Keys and values as text: by the decoders that Apache ships, and of the two topics that brokers keep for themselves.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_record::RecordRef;
use kafka_wire::records::Record as _;
use kafka_wire::records::consumer_protocol::{Assignment, Subscription};
use kafka_wire::records::groups::{GroupMetadataValue, Key, MemberMetadata, OffsetCommitValue};
use kafka_wire::records::transactions::{TransactionLogKey, TransactionLogValue};
use serde_json::{Value, json};

use super::{Settings, Thrown};
use crate::output::Console;
use crate::transaction_state::{scala_order, state_name};
use crate::zk_files::java_text;

const PACKAGE: &str = "org.apache.kafka.tools.api.";
const OLD_PACKAGE: &str = "kafka.serializer.";
/// What Java prints of a record without a value in an internal topic.
const DELETE: &str = "<DELETE>";

/// A key and a value, as far as they are there.
type Parsed = (Option<String>, Option<String>);

/// What makes text of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parser {
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    Transactions,
    /// Any topic.
    Decoders {
        /// Of keys.
        key: Decoder,
        /// Of values.
        value: Decoder,
    },
}

/// A class that Apache ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    /// UTF-8.
    Text,
    /// The first eight bytes.
    Long,
    /// The first four bytes.
    Integer,
    /// Any bytes: Java prints where it keeps them, here they are printed as text.
    Bytes,
}

impl Decoder {
    fn named(class: &str, console: &mut Console) -> Result<Decoder, Thrown> {
        let name = match class.strip_prefix(OLD_PACKAGE) {
            Some(name @ ("StringDecoder" | "LongDecoder" | "IntegerDecoder" | "DefaultDecoder")) => {
                console.line(&format!("{class} is deprecated. Please use {PACKAGE}{name} instead"));
                Some(name)
            }
            _ => class.strip_prefix(PACKAGE),
        };
        Ok(match name {
            Some("StringDecoder") => Decoder::Text,
            Some("LongDecoder") => Decoder::Long,
            Some("IntegerDecoder") => Decoder::Integer,
            Some("DefaultDecoder") => Decoder::Bytes,
            _ => return Err(Thrown::new("java.lang.ClassNotFoundException", class)),
        })
    }

    fn text(self, bytes: &[u8]) -> Result<String, Thrown> {
        let short = || Thrown("java.nio.BufferUnderflowException".to_owned());
        Ok(match self {
            Decoder::Text | Decoder::Bytes => java_text(bytes),
            Decoder::Long => i64::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?).to_string(),
            Decoder::Integer => i32::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?).to_string(),
        })
    }
}

impl Parser {
    pub(super) fn of(settings: &Settings, console: &mut Console) -> Result<Parser, Thrown> {
        if settings.offsets {
            return Ok(Parser::Offsets);
        }
        if settings.transactions {
            return Ok(Parser::Transactions);
        }
        let value = Decoder::named(&settings.value_decoder, console)?;
        let key = Decoder::named(&settings.key_decoder, console)?;
        Ok(Parser::Decoders { key, value })
    }

    pub(super) fn parse(self, record: &RecordRef<'_>) -> Result<Parsed, Thrown> {
        match self {
            Parser::Offsets => offsets(record),
            Parser::Transactions => transaction(record),
            Parser::Decoders { key, value } => Ok((
                record.key.map(|bytes| key.text(bytes)).transpose()?,
                record.value.map(|bytes| value.text(bytes)).transpose()?,
            )),
        }
    }
}

fn missing_key(record: &RecordRef<'_>, decoder: &str) -> Thrown {
    let offset = record.offset;
    let message =
        format!("Failed to decode message at offset {offset} using {decoder} decoder (message had a missing key)");
    Thrown::new("java.lang.RuntimeException", message)
}

fn version(bytes: &[u8]) -> Option<i16> {
    bytes.first_chunk().map(|version| i16::from_be_bytes(*version))
}

/// What cannot be read is told in the place of the key.
fn offsets(record: &RecordRef<'_>) -> Result<Parsed, Thrown> {
    let Some(key) = record.key else { return Err(missing_key(record, "offset topic")) };
    let offset = record.offset;
    let damaged = |error: &dyn Display| Ok((Some(format!("Error at offset {offset}, skipping. {error}")), None));
    let tagged = |kind: &str, version: Option<i16>, data: &Value| {
        format!("{{\"{kind}\":\"{}\",\"data\":{data}}}", version.unwrap_or_default())
    };
    let (key_version, value) = (version(key), record.value.map(Bytes::copy_from_slice));
    let value_version = record.value.and_then(version);
    let (key, value) = match Key::from_bytes(Bytes::copy_from_slice(key)) {
        Err(error) => return damaged(&error),
        Ok(Key::Unknown(kind)) => {
            return Ok((Some(format!("Unknown record type {kind} at offset {offset}, skipping.")), None));
        }
        Ok(Key::Offset(key)) => (
            json!({ "group": key.group, "topic": key.topic, "partition": key.partition }),
            value
                .map(|bytes| OffsetCommitValue::from_bytes(bytes).map(|value| position(&value, value_version)))
                .transpose(),
        ),
        Ok(Key::Group(key)) => (
            json!({ "group": key.group }),
            value
                .map(|bytes| GroupMetadataValue::from_bytes(bytes).and_then(|value| group(value, value_version)))
                .transpose(),
        ),
    };
    match value {
        Ok(value) => {
            let payload = value.map_or(DELETE.to_owned(), |value| tagged("version", value_version, &value));
            Ok((Some(tagged("type", key_version, &key)), Some(payload)))
        }
        Err(error) => damaged(&error),
    }
}

/// Fields that a version does not have are left out.
fn position(value: &OffsetCommitValue, version: Option<i16>) -> Value {
    let version = version.unwrap_or_default();
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

fn group(value: GroupMetadataValue, version: Option<i16>) -> Result<Value, kafka_wire::DecodeError> {
    let version = version.unwrap_or_default();
    let consumers = value.protocol_type == "consumer";
    let members: Result<Vec<Value>, _> = value.members.into_iter().map(|one| member(one, version, consumers)).collect();
    let mut data = json!({
        "protocolType": value.protocol_type,
        "generation": value.generation,
        "protocol": value.protocol,
        "leader": value.leader,
    });
    if version >= 2 {
        data["currentStateTimestamp"] = json!(value.current_state_timestamp);
    }
    data["members"] = Value::Array(members?);
    Ok(data)
}

/// What consumers tell each other is taken apart; of other members it is base64.
fn member(member: MemberMetadata, group: i16, consumer: bool) -> Result<Value, kafka_wire::DecodeError> {
    let mut data = json!({ "memberId": member.member_id });
    if group >= 3 {
        data["groupInstanceId"] = json!(member.group_instance_id);
    }
    data["clientId"] = json!(member.client_id);
    data["clientHost"] = json!(member.client_host);
    if group >= 1 {
        data["rebalanceTimeout"] = json!(member.rebalance_timeout);
    }
    data["sessionTimeout"] = json!(member.session_timeout);
    let (subscription, assignment) = if consumer {
        let version = version(&member.subscription).unwrap_or_default();
        (
            subscription(Subscription::from_bytes(member.subscription)?, version),
            assignment(Assignment::from_bytes(member.assignment)?),
        )
    } else {
        (json!(STANDARD.encode(&member.subscription)), json!(STANDARD.encode(&member.assignment)))
    };
    data["subscription"] = subscription;
    data["assignment"] = assignment;
    Ok(data)
}

fn subscription(value: Subscription, version: i16) -> Value {
    let mut data = json!({ "topics": value.topics, "userData": value.user_data.map(|bytes| STANDARD.encode(bytes)) });
    if version >= 1 {
        let owned = value.owned_partitions.into_iter();
        data["ownedPartitions"] =
            owned.map(|one| json!({ "topic": one.topic, "partitions": one.partitions })).collect();
    }
    if version >= 2 {
        data["generationId"] = json!(value.generation_id);
    }
    if version >= 3 {
        data["rackId"] = json!(value.rack_id);
    }
    data
}

fn assignment(value: Assignment) -> Value {
    let partitions = value.assigned_partitions.into_iter();
    let partitions: Value = partitions.map(|one| json!({ "topic": one.topic, "partitions": one.partitions })).collect();
    json!({ "assignedPartitions": partitions, "userData": value.user_data.map(|bytes| STANDARD.encode(bytes)) })
}

fn transaction(record: &RecordRef<'_>) -> Result<Parsed, Thrown> {
    let Some(key) = record.key else { return Err(Thrown("java.lang.NullPointerException".to_owned())) };
    match version(key) {
        Some(0) => {}
        Some(version) => return Ok((Some(format!("unknown::version={version}")), None)),
        None => return Err(Thrown("java.nio.BufferUnderflowException".to_owned())),
    }
    let unreadable = |error: &dyn Display| Thrown::new("java.lang.RuntimeException", error);
    let key = TransactionLogKey::from_bytes(Bytes::copy_from_slice(key)).map_err(|error| unreadable(&error))?;
    let payload = match record.value {
        None => DELETE.to_owned(),
        Some(value) => match version(value) {
            Some(0..=1) => {
                let value = Bytes::copy_from_slice(value);
                transaction_text(TransactionLogValue::from_bytes(value).map_err(|error| unreadable(&error))?)?
            }
            version => {
                let version = version.unwrap_or_default();
                let message = format!("Unknown version {version} from the transaction log message value");
                return Err(Thrown::new("java.lang.IllegalStateException", message));
            }
        },
    };
    Ok((Some(format!("transaction_metadata::transactionalId={}", key.transactional_id)), Some(payload)))
}

fn transaction_text(value: TransactionLogValue) -> Result<String, Thrown> {
    let status = value.transaction_status;
    let Some(state) = state_name(status) else {
        let message = format!("Unknown transaction state id {status} from the transaction status message");
        return Err(Thrown::new("java.lang.IllegalStateException", message));
    };
    let partitions = if state == "Empty" { Vec::new() } else { value.transaction_partitions.unwrap_or_default() };
    Ok(format!(
        "producerId:{},producerEpoch:{},state={state},partitions=[{}],txnLastUpdateTimestamp={},txnTimeoutMs={}",
        value.producer_id,
        value.producer_epoch,
        scala_order(partitions).join(","),
        value.transaction_last_update_timestamp_ms,
        value.transaction_timeout_ms,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in the time of a record: Rust makes two characters of the beginning of a surrogate.
    #[test]
    fn what_is_no_text_is_shown_as_java_shows_it() {
        let text = |bytes| Decoder::Text.text(bytes).ok();
        assert_eq!(text(b"\xa2\x1e\xed\xbd\t").as_deref(), Some("\u{fffd}\u{1e}\u{fffd}\t"));
    }
}
