//! What callers rely on beside the bytes: records are not copied, values that a version has no place for are refused,
//! defaults are the schema's, and the questions about versions answer as the schema says.

use bytes::Bytes;
use kafka_types::Uuid;

use super::{decode, encode};
use crate::error::EncodeError;
use crate::schema::Message as _;
use crate::{ApiKey, Encoder, Piece, Records, encode_response, fetch, join_group, metadata, produce};

fn produce_request(records: Bytes) -> produce::Request {
    let partition = produce::PartitionProduceData { index: 3, records: Some(records) };
    let topic = produce::TopicProduceData { name: "t".into(), partition_data: vec![partition] };
    produce::Request { acks: -1, timeout_ms: 100, topic_data: vec![topic], ..Default::default() }
}

#[test]
fn produced_records_are_slices_of_the_frame() {
    let frame = encode(&produce_request(Bytes::from(vec![7; 100_000])), 9);
    let request: produce::Request = decode(&frame, 9).unwrap();
    let records = request.topic_data[0].partition_data[0].records.as_ref().unwrap();
    assert!(frame.as_ptr_range().contains(&records.as_ptr()));
}

#[test]
fn produced_records_go_out_as_a_piece_of_their_own() {
    let records = Bytes::from(vec![7; 100_000]);
    let mut encoder = Encoder::new();
    produce_request(records.clone()).encode(&mut encoder, 9).unwrap();
    let pieces = encoder.finish();
    assert_eq!(pieces.len(), 3);
    let Piece::Bytes(shared) = &pieces[1] else { panic!("{pieces:?}") };
    assert_eq!(shared.as_ptr(), records.as_ptr());
}

fn fetch_response(records: &[Records]) -> fetch::Response {
    let partition = |records: &Records| fetch::PartitionData { records: Some(records.clone()), ..Default::default() };
    let topic = fetch::FetchableTopicResponse {
        topic: "t".into(),
        partitions: records.iter().map(partition).collect(),
        ..Default::default()
    };
    fetch::Response { responses: vec![topic], ..Default::default() }
}

#[test]
fn a_fetch_response_has_holes_where_files_go() {
    for version in [4, 12] {
        let filled: Vec<Records> = [1000, 0, 70].map(|len| Records::Bytes(vec![9; len].into())).into();
        let holes = [Records::Hole(1000), Records::Hole(0), Records::Hole(70)];
        let pieces = encode_response(ApiKey::Fetch, version, 5, &fetch_response(&holes)).unwrap();
        let sizes: Vec<usize> = pieces.iter().filter(|piece| matches!(piece, Piece::Hole(_))).map(Piece::len).collect();
        assert_eq!(sizes, [1000, 70]);
        let mut joined = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Bytes(bytes) => joined.extend_from_slice(bytes),
                Piece::Hole(len) => joined.resize(joined.len() + len, 9),
            }
        }
        assert_eq!(joined[..4], (joined.len() as i32 - 4).to_be_bytes());
        let body = Bytes::from(joined).slice(if version == 12 { 9 } else { 8 }..);
        assert_eq!(decode(&body, version), Ok(fetch_response(&filled)));
    }
}

#[test]
fn what_a_version_cannot_carry_is_refused() {
    let refused = |request: &dyn Fn(&mut join_group::Request), version| {
        let mut changed = join_group::Request::default();
        request(&mut changed);
        changed.encode(&mut Encoder::new(), version).unwrap_err()
    };
    assert_eq!(
        refused(&|request| request.group_instance_id = Some("i".into()), 4),
        EncodeError::NotCarried { field: "group_instance_id", version: 4 }
    );
    let long = "x".repeat(40_000);
    assert_eq!(
        refused(&|request| request.group_id.clone_from(&long), 4),
        EncodeError::TooLong { field: "group_id", len: 40_000 }
    );
    assert_eq!(refused(&|_| {}, 10), EncodeError::UnsupportedVersion { message: "JoinGroupRequest", version: 10 });
    // Ignorable: left out.
    let request = join_group::Request { reason: Some("why".into()), ..Default::default() };
    assert_eq!(decode(&encode(&request, 7), 7), Ok(join_group::Request::default()));
    let all = metadata::Request { topics: None, ..Default::default() };
    assert_eq!(all.encode(&mut Encoder::new(), 0).unwrap_err(), EncodeError::Null { field: "topics", version: 0 });
}

#[test]
fn defaults_are_the_schemas() {
    let request = fetch::Request::default();
    assert_eq!((request.replica_id, request.max_bytes, request.session_epoch), (-1, i32::MAX, -1));
    assert_eq!(request.cluster_id, None);
    assert!(metadata::Request::default().allow_auto_topic_creation);
    assert_eq!(crate::create_topics::CreatableTopicResult::default().error_message, Some(String::new()));
    assert_eq!(fetch::PartitionData::default().preferred_read_replica, -1);
    assert_eq!(fetch::PartitionData::default().diverging_epoch.epoch, -1);
}

#[test]
fn questions_answer_by_version() {
    assert_eq!([1, 2, 3].map(|v| produce::Version(v).max_magic()), [0, 1, 2]);
    assert_eq!([1, 2, 3, 4].map(|v| fetch::Version(v).max_magic()), [0, 1, 1, 2]);
    assert_eq!([12, 13].map(|v| fetch::Version(v).uses_topic_ids()), [false, true]);
    assert_eq!([7, 8, 10, 11].map(|v| metadata::Version(v).allows_cluster_operations()), [false, true, true, false]);
    assert_eq!([3, 4].map(|v| join_group::Version(v).requires_member_id()), [false, true]);
    for (version, empty, null) in [(0, true, true), (1, false, true)] {
        let request = |topics| metadata::Request { topics, ..Default::default() };
        assert_eq!(metadata::Version(version).wants_all(&request(Some(vec![]))), empty);
        assert_eq!(metadata::Version(version).wants_all(&request(None)), null);
        let all = metadata::Request { topics: metadata::Version(version).all_topics(), ..Default::default() };
        assert!(metadata::Version(version).wants_all(&decode(&encode(&all, version), version).unwrap()));
    }
}

#[test]
fn a_follower_names_itself_where_the_version_has_it() {
    for version in [14, 15] {
        let mut request = fetch::Request::default();
        request.set_follower(fetch::Version(version), 5, 77);
        let read: fetch::Request = decode(&encode(&request, version), version).unwrap();
        assert_eq!(read.follower_id(), 5);
    }
    assert_eq!(fetch::Request::default().follower_id(), -1);
}

#[test]
fn the_controllers_requests_tell_the_same_in_every_version() {
    use crate::{leader_and_isr, stop_replica, update_metadata};

    for seed in 0..20 {
        for version in 0..=7 {
            let request: leader_and_isr::Request = super::generate(seed, version);
            let grouped: usize = request.topic_states.iter().map(|topic| topic.partition_states.len()).sum();
            assert_eq!(request.states().count(), grouped + request.ungrouped_partition_states.len());
        }
        for version in 0..=8 {
            let request: update_metadata::Request = super::generate(seed, version);
            let grouped: usize = request.topic_states.iter().map(|topic| topic.partition_states.len()).sum();
            assert_eq!(request.states().count(), grouped + request.ungrouped_partition_states.len());
        }
    }
    let by_version = [
        stop_replica::Request {
            delete_partitions: true,
            ungrouped_partitions: vec![stop_replica::StopReplicaPartitionV0 {
                topic_name: "t".into(),
                partition_index: 4,
            }],
            ..Default::default()
        },
        stop_replica::Request {
            delete_partitions: true,
            topics: vec![stop_replica::StopReplicaTopicV1 { name: "t".into(), partition_indexes: vec![4] }],
            ..Default::default()
        },
        stop_replica::Request {
            topic_states: vec![stop_replica::StopReplicaTopicState {
                topic_name: "t".into(),
                partition_states: vec![stop_replica::StopReplicaPartitionState {
                    partition_index: 4,
                    leader_epoch: -1,
                    delete_partition: true,
                }],
            }],
            ..Default::default()
        },
    ];
    for (request, version) in by_version.iter().zip([0, 1, 3]) {
        let read: stop_replica::Request = decode(&encode(request, version), version).unwrap();
        let replicas: Vec<_> = read.replicas().map(|r| (r.topic, r.partition, r.leader_epoch, r.delete)).collect();
        assert_eq!(replicas, [("t", 4, -1, true)]);
    }
}

#[test]
fn topics_are_asked_by_id_where_it_means_something() {
    let named = metadata::MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some("t".to_owned()) };
    let by_id = metadata::MetadataRequestTopic { topic_id: Uuid([7; 16]), name: None };
    for (version, topics, forbidden) in
        [(9, vec![named.clone()], false), (10, vec![named.clone(), by_id.clone()], true), (12, vec![by_id], false)]
    {
        let request = metadata::Request { topics: Some(topics), ..Default::default() };
        assert_eq!(metadata::Version(version).forbids_topic_ids(&request), forbidden, "version {version}");
    }
    let all = metadata::Request { topics: None, ..Default::default() };
    assert!(!metadata::Version(10).forbids_topic_ids(&all));
}

#[test]
fn a_session_goes_on_with_an_epoch_of_its_own() {
    let request = |session_id, session_epoch| fetch::Request { session_id, session_epoch, ..Default::default() };
    for (request, continues) in [
        (request(0, -1), false),
        (request(5, -1), false),
        (request(5, 0), false),
        (request(5, 1), true),
        (request(0, 1), true),
    ] {
        assert_eq!(fetch::Version(12).continues_session(&request), continues, "{request:?}");
        assert!(!fetch::Version(6).continues_session(&request));
    }
}
