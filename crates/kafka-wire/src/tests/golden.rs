//! Against frames that real programs and real brokers sent each other (`tests/golden/frames`): every one decodes, and
//! encodes to the same bytes again.

use std::collections::BTreeMap;

use super::every::every_api;
use super::{decode, encode, json_lines};
use crate::records::Record;
use crate::records::consumer_protocol::{Assignment, Subscription};
use crate::records::groups::{GroupMetadataValue, Key, OffsetCommitValue};
use crate::records::markers::EndTransactionMarker;
use crate::records::transactions::{TransactionLogKey, TransactionLogValue};
use crate::schema::{Api, Message};
use crate::{ApiKey, Decoder, Encoder, Piece, RequestHeader, decode_response_header, encode_request, encode_response};
use bytes::Bytes;

pub(super) struct Exchange {
    pub(super) line: String,
    pub(super) version: i16,
    pub(super) request: Bytes,
    pub(super) response: Option<Bytes>,
}

fn hex(text: &str) -> Bytes {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The recorded exchanges of an API; none when nobody used it.
pub(super) fn exchanges(key: ApiKey) -> Vec<Exchange> {
    json_lines(&format!("frames/{:02}-{}.jsonl", key.code(), key.name()))
        .iter()
        .enumerate()
        .map(|(index, exchange)| Exchange {
            line: format!("{} line {}", key.name(), index + 1),
            version: exchange["version"].as_i64().unwrap() as i16,
            request: hex(exchange["request"].as_str().unwrap()),
            response: exchange["response"].as_str().map(hex),
        })
        .collect()
}

/// A frame's bytes without its length.
fn frame(pieces: Vec<Piece>) -> Bytes {
    let mut encoder = Encoder::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => encoder.slice(&bytes),
            Piece::Hole(len) => panic!("hole of {len}"),
        }
    }
    let whole = encoder.into_bytes();
    assert_eq!(whole[..4], i32::try_from(whole.len() - 4).unwrap().to_be_bytes());
    whole.slice(4..)
}

pub(super) fn read_request<A: Api>(exchange: &Exchange) -> (RequestHeader, A::Request) {
    let mut decoder = Decoder::new(exchange.request.clone());
    let header = RequestHeader::decode(&mut decoder).unwrap();
    let body = A::Request::decode(&mut decoder, header.api_version).unwrap();
    decoder.finish().unwrap();
    (header, body)
}

/// Checks all exchanges of an API and counts them.
fn same_bytes<A: Api>(seen: &mut BTreeMap<&'static str, usize>) {
    for exchange in exchanges(A::KEY) {
        let (line, version) = (&exchange.line, exchange.version);
        let (header, body) = read_request::<A>(&exchange);
        assert_eq!((header.api_key, header.api_version), (A::KEY, version), "{line}");
        assert_eq!(frame(encode_request(&header, &body).unwrap()), exchange.request, "{line}: {body:?}");
        *seen.entry("requests").or_default() += 1;

        let Some(response) = &exchange.response else { continue };
        let mut decoder = Decoder::new(response.clone());
        let correlation_id = decode_response_header(&mut decoder, A::KEY, version).unwrap();
        assert_eq!(correlation_id, header.correlation_id, "{line}");
        let body = A::Response::decode(&mut decoder, version).unwrap_or_else(|error| panic!("{line}: {error}"));
        decoder.finish().unwrap();
        let again = frame(encode_response(A::KEY, version, correlation_id, &body).unwrap());
        assert_eq!(again, *response, "{line}: {body:?}");
        *seen.entry("responses").or_default() += 1;
    }
}

#[test]
fn recorded_frames_come_out_as_they_went_in() {
    let mut seen = BTreeMap::new();
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {
            $(same_bytes::<crate::$module::$api>(&mut seen);)*
        };
    }
    every_api!(check);
    assert_eq!(seen, BTreeMap::from([("requests", 307), ("responses", 295)]));
}

fn record_comes_back<R: Record>(bytes: &Bytes, versions: &mut Vec<i16>) {
    if bytes.is_empty() {
        return;
    }
    let version = i16::from_be_bytes([bytes[0], bytes[1]]);
    let record = R::from_bytes(bytes.clone()).unwrap();
    assert_eq!(record.to_bytes_in(version).unwrap(), *bytes, "{record:?}");
    versions.push(version);
}

#[test]
fn subscriptions_and_assignments_of_real_consumers_come_back() {
    let mut versions = Vec::new();
    for exchange in exchanges(ApiKey::JoinGroup) {
        let (_, request) = read_request::<crate::join_group::JoinGroup>(&exchange);
        for protocol in request.protocols {
            // kafka-python's sticky assignor and Connect keep their own things elsewhere.
            if request.protocol_type == "consumer" {
                record_comes_back::<Subscription>(&protocol.metadata, &mut versions);
            }
        }
    }
    for exchange in exchanges(ApiKey::SyncGroup) {
        let (_, request) = read_request::<crate::sync_group::SyncGroup>(&exchange);
        for assignment in request.assignments {
            record_comes_back::<Assignment>(&assignment.assignment, &mut versions);
        }
    }
    versions.sort_unstable();
    versions.dedup();
    assert!(versions.contains(&0) && versions.contains(&3), "{versions:?}");
}

/// Keys and values from `__consumer_offsets` and `__transaction_state` of a real broker's log directory.
#[test]
fn records_of_the_internal_topics_come_back() {
    let records = json_lines("records/internal-topics.jsonl");
    assert_eq!(records.len(), 49);
    for record in records {
        let key = hex(record["key"].as_str().unwrap());
        let value = record["value"].as_str().map(hex);
        let is_control = record["control"].as_bool().unwrap();
        if is_control {
            let value = value.unwrap();
            let marker = EndTransactionMarker::from_key_and_value(&key, &value).unwrap().unwrap();
            assert_eq!((&marker.key()[..], &marker.value()[..]), (&key[..], &value[..]));
            continue;
        }
        if record["topic"] == "__transaction_state" {
            assert_eq!(TransactionLogKey::from_bytes(key.clone()).unwrap().to_bytes().unwrap(), key);
            let value = value.unwrap();
            assert_eq!(TransactionLogValue::from_bytes(value.clone()).unwrap().to_bytes().unwrap(), value);
            continue;
        }
        let read = Key::from_bytes(key.clone()).unwrap();
        assert_eq!(read.to_bytes().unwrap(), key);
        let Some(value) = value else { continue };
        let again = match read {
            Key::Offset(_) => OffsetCommitValue::from_bytes(value.clone()).unwrap().to_bytes(),
            Key::Group(_) => GroupMetadataValue::from_bytes(value.clone()).unwrap().to_bytes(),
            Key::Unknown(version) => panic!("key of version {version}"),
        };
        assert_eq!(again.unwrap(), value);
    }
}

#[test]
fn a_broker_that_does_not_know_our_api_versions_is_understood() {
    let old = crate::api_versions::Response {
        error_code: kafka_types::ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![crate::api_versions::ApiVersion::served(ApiKey::ApiVersions)],
        ..Default::default()
    };
    let bytes = encode(&old, crate::api_versions::FALLBACK_VERSION);
    let read = crate::api_versions::decode_response(&mut Decoder::new(bytes), 4).unwrap();
    assert_eq!(read, old);

    let new = crate::api_versions::Response {
        api_keys: crate::api_versions::Response::served(),
        finalized_features_epoch: 3,
        ..Default::default()
    };
    let bytes = encode(&new, 4);
    assert_eq!(decode::<crate::api_versions::Response>(&bytes, 4), Ok(new.clone()));
    assert_eq!(crate::api_versions::decode_response(&mut Decoder::new(bytes), 4), Ok(new));
}
