//! Against `kafka-protocol` 0.15.1, which was generated from Kafka 3.9's own schemas: each codec reads what the other
//! writes, byte for byte.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use super::every::every_api;
use super::{decode, encode, generate};
use crate::schema::Message;

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
