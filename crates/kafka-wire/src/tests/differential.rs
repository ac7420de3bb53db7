//! Against `kafka-protocol` 0.15.1, which was generated from Kafka 3.9's own schemas: each codec reads what the other
//! writes, byte for byte.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use super::every::every_api;
use super::{Generator, decode, encode, generate};
use crate::schema::Message;
use crate::{EncodeError, Encoder};

const SEEDS: u64 = 25;

fn agree<Ours: Message, Theirs: Decodable + Encodable>() {
    let name = Ours::SHAPE.name;
    for version in Ours::SHAPE.first..=Ours::SHAPE.last {
        for seed in 0..SEEDS {
            let message: Ours = generate(seed, version);
            let bytes = encode(&message, version);
            let context = || format!("{name} v{version}, seed {seed}, {message:?}");
            let mut left = bytes.clone();
            let read = Theirs::decode(&mut left, version).unwrap_or_else(|error| panic!("{error}: {}", context()));
            assert!(left.is_empty(), "{} bytes left: {}", left.len(), context());
            let mut written = BytesMut::new();
            read.encode(&mut written, version).unwrap_or_else(|error| panic!("{error}: {}", context()));
            let written: Bytes = written.freeze();
            assert_eq!(written, bytes, "{}", context());
            assert_eq!(decode::<Ours>(&written, version).as_ref(), Ok(&message), "{}", context());
        }
    }
}

fn written<M: Message>(message: &M, version: i16) -> Option<Bytes> {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).ok().map(|()| encoder.into_bytes())
}

/// Where the second codec writes what Java's refuses (as ours does): a null in a version without one, and tagged
/// structs in a version without them.
const MORE_LENIENT: &[(&str, &str)] = &[
    ("DeleteTopicsResponse", "name"),
    ("FetchRequest", "replica_state"),
    ("FetchResponse", "diverging_epoch"),
    ("FetchResponse", "snapshot_id"),
    ("JoinGroupResponse", "protocol_name"),
    ("MetadataRequest", "name"),
    ("ProduceResponse", "current_leader"),
];

/// A message of one version written in each other one: both leave the same fields out, or both refuse.
fn agree_across_versions<Ours: Message, Theirs: Decodable + Encodable>() {
    for from in Ours::SHAPE.first..=Ours::SHAPE.last {
        for seed in 0..6 {
            let message: Ours = generate(seed, from);
            let read = Theirs::decode(&mut encode(&message, from), from).unwrap();
            for to in Ours::SHAPE.first..=Ours::SHAPE.last {
                let mut theirs = BytesMut::new();
                let theirs = read.encode(&mut theirs, to).ok().map(|()| theirs.freeze());
                let context = || format!("{} from v{from} to v{to}, seed {seed}, {message:?}", Ours::SHAPE.name);
                match message.encode(&mut Encoder::new(), to) {
                    Err(EncodeError::Null { field, .. } | EncodeError::NotCarried { field, .. })
                        if MORE_LENIENT.contains(&(Ours::SHAPE.name, field)) => {}
                    _ => assert_eq!(written(&message, to), theirs, "{}", context()),
                }
            }
        }
    }
}

/// Fields start with the same values.
fn agree_on_defaults<Ours: Message, Theirs: Default + Encodable>() {
    for version in Ours::SHAPE.first..=Ours::SHAPE.last {
        let mut theirs = BytesMut::new();
        let theirs = Theirs::default().encode(&mut theirs, version).ok().map(|()| theirs.freeze());
        assert_eq!(written(&Ours::default(), version), theirs, "{} v{version}", Ours::SHAPE.name);
    }
}

/// Fields of versions to come, in structs at every depth: skipped by ours, kept by the other, misread by neither.
fn agree_on_unknown_tags<Ours: Message, Theirs: Decodable + Encodable>() -> usize {
    let mut compared = 0;
    for version in Ours::SHAPE.first.max(Ours::SHAPE.flexible)..=Ours::SHAPE.last {
        for seed in 0..10 {
            let message: Ours = generate(seed, version);
            let mut encoder = Encoder::new();
            encoder.unknown_tags = Some(Generator::new(seed));
            message.encode(&mut encoder, version).unwrap();
            let bytes = encoder.into_bytes();
            let context = || format!("{} v{version}, seed {seed}, {message:?}", Ours::SHAPE.name);
            assert_eq!(decode::<Ours>(&bytes, version).as_ref(), Ok(&message), "{}", context());
            let mut left = bytes.clone();
            let read = Theirs::decode(&mut left, version).unwrap_or_else(|error| panic!("{error}: {}", context()));
            let mut written = BytesMut::new();
            read.encode(&mut written, version).unwrap_or_else(|error| panic!("{error}: {}", context()));
            assert_eq!(written.freeze(), bytes, "{}", context());
            compared += 1;
        }
    }
    compared
}

/// Both know the same versions.
fn agree_on_versions<Ours: Message, Theirs: kafka_protocol::protocol::Message>() {
    let theirs = (Theirs::VERSIONS.min, Theirs::VERSIONS.max);
    assert_eq!((Ours::SHAPE.first, Ours::SHAPE.last), theirs, "{}", Ours::SHAPE.name);
}

#[test]
fn both_codecs_know_the_same_versions() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            agree_on_versions::<crate::$module::Request, theirs::$request>();
            agree_on_versions::<crate::$module::Response, theirs::$response>();
        )*};
    }
    every_api!(check);
}

#[test]
fn both_codecs_pass_over_unknown_tagged_fields() {
    let mut compared = 0;
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            compared += agree_on_unknown_tags::<crate::$module::Request, theirs::$request>();
            compared += agree_on_unknown_tags::<crate::$module::Response, theirs::$response>();
        )*};
    }
    every_api!(check);
    assert!(compared > 2000, "{compared} messages");
}

#[test]
fn both_codecs_have_the_same_defaults() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            agree_on_defaults::<crate::$module::Request, theirs::$request>();
            agree_on_defaults::<crate::$module::Response, theirs::$response>();
        )*};
    }
    every_api!(check);
}

#[test]
fn both_codecs_refuse_and_leave_out_the_same_fields() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            agree_across_versions::<crate::$module::Request, theirs::$request>();
            agree_across_versions::<crate::$module::Response, theirs::$response>();
        )*};
    }
    every_api!(check);
}

#[test]
fn both_codecs_write_the_same_requests() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            agree::<crate::$module::Request, theirs::$request>();
        )*};
    }
    every_api!(check);
}

#[test]
fn both_codecs_write_the_same_responses() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            agree::<crate::$module::Response, theirs::$response>();
        )*};
    }
    every_api!(check);
}
