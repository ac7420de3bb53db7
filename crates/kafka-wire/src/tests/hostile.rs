//! Bytes that are not what they should be: an error each time, never a panic, never memory for a length alone.

use bytes::{Bytes, BytesMut};

use super::every::every_api;
use super::golden::{exchanges, read_request};
use super::{Generator, decode, encode, generate};
use crate::error::Problem;
use crate::schema::{Api, Message};
use crate::{Decoder, RequestHeader, decode_response_header};

/// Every prefix of a short message, some hundred of a long one.
fn no_prefix_is_a_message<M: Message>(bytes: &Bytes, version: i16) {
    for len in (0..bytes.len()).step_by(bytes.len() / 300 + 1) {
        let cut = decode::<M>(&bytes.slice(..len), version);
        assert!(cut.is_err(), "{} v{version}: {len} of {} bytes", M::SHAPE.name, bytes.len());
    }
}

fn cut_messages<M: Message>() {
    for version in M::SHAPE.first..=M::SHAPE.last {
        for seed in 0..4 {
            no_prefix_is_a_message::<M>(&encode(&generate::<M>(seed, version), version), version);
        }
    }
}

#[test]
fn no_message_cut_short_is_taken() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            cut_messages::<crate::$module::Request>();
            cut_messages::<crate::$module::Response>();
        )*};
    }
    every_api!(check);
}

fn cut_frames<A: Api>() {
    for exchange in exchanges(A::KEY) {
        for len in 0..exchange.request.len() {
            let mut decoder = Decoder::new(exchange.request.slice(..len));
            if let Ok(header) = RequestHeader::decode(&mut decoder) {
                assert!(A::Request::decode(&mut decoder, header.api_version).is_err(), "{} {len}", exchange.line);
            }
        }
        let Some(response) = &exchange.response else { continue };
        for len in 0..response.len() {
            let mut decoder = Decoder::new(response.slice(..len));
            if decode_response_header(&mut decoder, A::KEY, exchange.version).is_ok() {
                assert!(A::Response::decode(&mut decoder, exchange.version).is_err(), "{} {len}", exchange.line);
            }
        }
        read_request::<A>(&exchange);
    }
}

#[test]
fn no_recorded_frame_cut_short_is_taken() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {
            $(cut_frames::<crate::$module::$api>();)*
        };
    }
    every_api!(check);
}

/// Every position of a message overwritten by what lengths and varints are dangerous as.
fn overwritten<M: Message>() {
    let bombs: [&[u8]; 5] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0xff, 0xff, 0xff, 0xff, 0x07],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff; 10],
    ];
    for version in M::SHAPE.first..=M::SHAPE.last {
        let bytes = encode(&generate::<M>(3, version), version);
        for at in 0..bytes.len().min(300) {
            for bomb in bombs {
                let mut bad = BytesMut::from(&bytes[..]);
                let end = (at + bomb.len()).min(bad.len());
                bad[at..end].copy_from_slice(&bomb[..end - at]);
                // Whatever it is now, it must say so or read back.
                if let Ok(message) = decode::<M>(&bad.freeze(), version) {
                    assert!(decode::<M>(&encode(&message, version), version).is_ok());
                }
            }
        }
    }
}

#[test]
fn overwritten_lengths_do_no_harm() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            overwritten::<crate::$module::Request>();
            overwritten::<crate::$module::Response>();
        )*};
    }
    every_api!(check);
}

fn noise<M: Message>(random: &mut Generator) {
    for version in M::SHAPE.first..=M::SHAPE.last {
        for _ in 0..20 {
            let len = random.below(120) as usize;
            let bytes: Bytes = random.bytes(len);
            if let Ok(message) = decode::<M>(&bytes, version) {
                // NaN is the one value that does not read back as equal, so only that it reads is asked.
                assert!(decode::<M>(&encode(&message, version), version).is_ok());
            }
        }
    }
}

#[test]
fn noise_does_no_harm() {
    let mut random = Generator::new(7);
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            noise::<crate::$module::Request>(&mut random);
            noise::<crate::$module::Response>(&mut random);
        )*};
    }
    every_api!(check);
}

fn metadata(bytes: &[u8], version: i16) -> (Problem, String) {
    let error = decode::<crate::metadata::Request>(&Bytes::copy_from_slice(bytes), version).unwrap_err();
    (error.problem().clone(), error.place().to_owned())
}

#[test]
fn counts_are_held_against_the_bytes_that_are_there() {
    let place = |version: i16| format!("MetadataRequest v{version}: topics");
    let huge = [0x7f, 0xff, 0xff, 0xff, 0, 0];
    assert_eq!(metadata(&huge, 1), (Problem::CountTooLarge { count: 0x7fff_ffff, left: 2 }, place(1)));
    // Two elements of two bytes at least, three bytes left.
    assert_eq!(metadata(&[0, 0, 0, 2, 0, 0, 0], 1).0, Problem::CountTooLarge { count: 2, left: 3 });
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xfe], 1), (Problem::UnexpectedNull(-2), place(1)));
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xff], 0), (Problem::UnexpectedNull(-1), place(0)));
    let compact = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    assert_eq!(metadata(&compact, 9), (Problem::CountTooLarge { count: 0xffff_fffe, left: 2 }, place(9)));
    assert_eq!(metadata(&[0xff; 9], 9), (Problem::EndlessVarint, place(9)));
    assert_eq!(metadata(&[], 13), (Problem::UnsupportedVersion(13), "MetadataRequest v13".to_owned()));
}

#[test]
fn errors_name_the_place() {
    let protocol = crate::join_group::JoinGroupRequestProtocol { name: "range".into(), metadata: vec![1; 20].into() };
    let request = crate::join_group::Request { protocols: vec![protocol; 2], ..Default::default() };
    let bytes = encode(&request, 4);
    let error = decode::<crate::join_group::Request>(&bytes.slice(..bytes.len() - 5), 4).unwrap_err();
    let expected = "JoinGroupRequest v4: protocols[1].metadata: 20 bytes wanted where 15 are left";
    assert_eq!(error.to_string(), expected);
    assert_eq!(metadata(&[0, 0, 0, 1, 0, 1, 0xff], 1), (Problem::NotUtf8, "MetadataRequest v1: topics[0].name".into()));
}

#[test]
fn a_frame_of_tiny_strings_is_refused_before_it_fills_the_memory() {
    let names = vec!["a".to_owned(); 200_000];
    let request = crate::delete_topics::Request { topic_names: names, ..Default::default() };
    let bytes = encode(&request, 4);
    let error = decode::<crate::delete_topics::Request>(&bytes, 4).unwrap_err();
    assert_eq!(*error.problem(), Problem::OverBudget);

    // Names as they are in life pass.
    let names = (0..50_000).map(|n| format!("topic-{n}")).collect();
    let request = crate::delete_topics::Request { topic_names: names, ..Default::default() };
    assert_eq!(decode(&encode(&request, 4), 4), Ok(request));
}

#[test]
fn tagged_fields_must_be_used_up_and_unknown_ones_are_skipped() {
    // One empty list, three flags, then tagged fields.
    let with_tags = |tags: &[u8]| -> Bytes { [&[1, 1, 0, 0][..], tags].concat().into() };
    let read = |tags: &[u8]| decode::<crate::metadata::Request>(&with_tags(tags), 9);
    assert!(read(&[0]).is_ok());
    assert_eq!(read(&[2, 5, 3, 1, 2, 3, 9, 0]), read(&[0]));
    assert_eq!(*read(&[1, 5, 3, 1]).unwrap_err().problem(), Problem::Truncated { needed: 3, left: 1 });
    assert!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());

    // Tag 0 of a Fetch request is a string; here it ends one byte early.
    let request = crate::fetch::Request { cluster_id: Some("abc".to_owned()), ..Default::default() };
    let mut bytes = BytesMut::from(&encode(&request, 12)[..]);
    let size_at = bytes.len() - 5;
    assert_eq!(bytes[size_at], 4);
    bytes[size_at] = 5;
    bytes.extend_from_slice(&[0]);
    let error = decode::<crate::fetch::Request>(&bytes.freeze(), 12).unwrap_err();
    assert_eq!(*error.problem(), Problem::TagNotUsedUp(1));
}
