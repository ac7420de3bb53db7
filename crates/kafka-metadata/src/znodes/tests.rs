//! Every znode of the captured scenario: what Apache wrote is read, and written again as Apache wrote it.

#![expect(clippy::disallowed_methods, reason = "tests read captured files")]

use std::collections::{BTreeMap, BTreeSet};

use kafka_types::{BrokerId, TopicPartition};
use serde_json::Value;

use super::*;

struct Znode {
    path: String,
    data: Vec<u8>,
}

fn captured() -> Vec<Znode> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/znodes");
    let mut files: Vec<_> = std::fs::read_dir(dir).expect("captures").map(|file| file.expect("file").path()).collect();
    files.sort();
    let mut znodes = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in std::fs::read_to_string(file).expect("text").lines() {
            let json: Value = serde_json::from_str(line).expect("JSON");
            if let Some(text) = json["text"].as_str() {
                let path = json["path"].as_str().expect("path").to_owned();
                znodes.push(Znode { path, data: text.as_bytes().to_vec() });
            }
        }
    }
    znodes
}

/// What we write after reading `data`, with the family's name; `None` for families that are not ours yet.
fn rewrite(path: &str, data: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let ok = "captured data is legal";
    Some(match parts[..] {
        ["cluster", "id"] => ("cluster id", cluster::encode(&cluster::decode(data).expect(ok))),
        ["controller"] => {
            let json: Value = serde_json::from_slice(data).expect("JSON");
            let time = json["timestamp"].as_str().expect("text").parse().expect("number");
            ("controller", controller::encode(controller::decode(data).expect(ok), time_types::WallMillis(time)))
        }
        ["controller_epoch"] => ("epoch", controller::encode_epoch(controller::decode_epoch(data).expect(ok))),
        ["brokers", "ids", id] => {
            let id = brokers::id_of(id).expect("number");
            ("broker", brokers::BrokerRegistration::decode(id, data).expect(ok).encode())
        }
        ["brokers", "topics", _] => ("topic", topics::TopicAssignment::decode(data).expect(ok).encode()),
        ["brokers", "topics", _, "partitions", _, "state"] => {
            ("state", partition_state::PartitionState::decode(data).expect(ok).encode())
        }
        ["config", "changes", _] => ("notice", config::encode_change(&config::decode_change(data).expect(ok))),
        ["config", ..] => ("settings", config::encode(&config::decode(data).expect(ok))),
        ["feature"] => ("feature", feature::FeatureZnode::decode(data).expect(ok).encode()),
        ["latest_producer_id_block"] => {
            ("producer ids", producer_ids::ProducerIdBlock::decode(data).expect(ok).expect("a block").encode())
        }
        ["kafka-acl", ..] | ["kafka-acl-extended", "prefixed", ..] => {
            ("rules", acl::encode(&acl::decode(data).expect(ok)))
        }
        ["kafka-acl-changes" | "kafka-acl-extended-changes", _] => {
            ("rule notice", acl::AclChange::decode(data).expect(ok).encode())
        }
        _ => return None,
    })
}

#[test]
fn captured_znodes_are_read_and_written_again() {
    let mut seen = BTreeSet::new();
    for znode in captured() {
        let Some((family, ours)) = rewrite(&znode.path, &znode.data) else {
            assert!(
                znode.path == "/"
                    || znode.path.starts_with("/delegation_token")
                    || znode.path.starts_with("/zookeeper"),
                "{}",
                znode.path
            );
            continue;
        };
        seen.insert(family);
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).expect("text");
        if family == "settings" {
            // The order of settings is Java's hash order: only what they say counts.
            let json = |data: &[u8]| serde_json::from_slice::<Value>(data).expect("JSON");
            assert_eq!(json(&ours), json(&znode.data), "{}", znode.path);
        } else {
            assert_eq!(text(&ours), text(&znode.data), "{}", znode.path);
        }
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[test]
fn old_versions_of_registrations_and_assignments_are_read() {
    let id = BrokerId(7);
    let one = br#"{"jmx_port":9999,"timestamp":"123","host":"h","version":1,"port":9092}"#;
    let registration = brokers::BrokerRegistration::decode(id, one).expect("version 1");
    assert_eq!(registration.endpoints[0].connection_string(), "PLAINTEXT://h:9092");
    let three = br#"{"version":3,"host":null,"port":-1,"jmx_port":-1,"timestamp":"1","endpoints":["SSL://[::1]:9093"],"rack":"r"}"#;
    let registration = brokers::BrokerRegistration::decode(id, three).expect("version 3");
    assert_eq!(registration.endpoints[0].host, "::1");
    assert_eq!(registration.rack.as_deref(), Some("r"));
    assert!(registration.encode().starts_with(br#"{"features":{},"listener_security_protocol_map":{"SSL":"SSL"},"endpoints":["SSL://[::1]:9093"],"jmx_port":-1,"port":-1,"host":null,"#));

    let topic = topics::TopicAssignment::decode(br#"{"version":1,"partitions":{"0":[1,2],"10":[2],"2":[1]}}"#)
        .expect("version 1");
    assert_eq!(topic.id, None);
    assert_eq!(topic.partitions.keys().copied().collect::<Vec<_>>(), [0, 2, 10]);
    assert_eq!(topic.partitions[&0].replicas, [BrokerId(1), BrokerId(2)]);
    assert!(topics::TopicAssignment::decode(br#"{"version":4,"partitions":{}}"#).is_err());
}

#[test]
fn a_move_knows_where_it_comes_from_and_goes_to() {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let moving = topics::ReplicaAssignment { replicas: ids(&[1, 2, 0]), adding: ids(&[2]), removing: ids(&[0]) };
    assert!(moving.is_reassigning());
    assert_eq!(moving.target(), ids(&[1, 2]));
    assert_eq!(moving.origin(), ids(&[1, 0]));
}

#[test]
fn admin_wishes_and_notices() {
    let partition = TopicPartition::new("t", 3);
    let moves = BTreeMap::from([(partition.clone(), vec![BrokerId(1)])]);
    let data = admin::encode_reassignment(&moves);
    assert_eq!(data, br#"{"version":1,"partitions":[{"topic":"t","partition":3,"replicas":[1]}]}"#);
    assert_eq!(admin::decode_reassignment(&data), Ok(moves));
    let data = admin::encode_preferred_election(std::slice::from_ref(&partition));
    assert_eq!(admin::decode_preferred_election(&data), Ok(vec![partition.clone()]));
    let data = notifications::encode_isr_change(std::slice::from_ref(&partition));
    assert_eq!(notifications::decode_isr_change(&data), Ok(vec![partition]));
    let data = notifications::encode_log_dir_failure(BrokerId(2));
    assert_eq!(data, br#"{"version":1,"broker":2,"event":1}"#);
    assert_eq!(notifications::decode_log_dir_failure(&data), Ok(BrokerId(2)));
    assert_eq!(
        config::decode_change(br#"{"version":1,"entity_type":"topics","entity_name":"t"}"#),
        Ok("topics/t".into())
    );
}

#[test]
fn names_in_paths() {
    assert_eq!(config::sanitize("CN=x,O=y/z"), "CN%3Dx%2CO%3Dy%2Fz");
    assert_eq!(config::sanitize("a *+~é"), "a%20%2A%2B%7E%C3%A9");
    for name in ["", "plain", "CN=x,O=y/z", "a *+~é", "100%"] {
        assert_eq!(config::desanitize(&config::sanitize(name)).as_deref(), Some(name));
    }
    assert_eq!(config::desanitize("%4"), None);
    assert_eq!(child_name("/config/changes/config_change_0000000001"), "config_change_0000000001");
}

#[test]
fn producer_ids_come_in_blocks_of_1000() {
    let first = producer_ids::ProducerIdBlock::after(None, BrokerId(1)).expect("the first");
    assert_eq!((first.first, first.last), (0, 999));
    let second = producer_ids::ProducerIdBlock::after(Some(first), BrokerId(2)).expect("the second");
    assert_eq!(second.encode(), br#"{"version":1,"broker":2,"block_start":"1000","block_end":"1999"}"#);
    let last = producer_ids::ProducerIdBlock { broker: BrokerId(1), first: i64::MAX - 999, last: i64::MAX };
    assert_eq!(producer_ids::ProducerIdBlock::after(Some(last), BrokerId(1)), None);
    assert_eq!(producer_ids::ProducerIdBlock::decode(b""), Ok(None));
}

#[test]
fn broken_data_is_an_error_that_says_what() {
    for data in [&b""[..], b"{", b"[]", b"\xff", b"{\"version\":1}"] {
        assert!(topics::TopicAssignment::decode(data).is_err());
        assert!(partition_state::PartitionState::decode(data).is_err());
        assert!(brokers::BrokerRegistration::decode(BrokerId(0), data).is_err());
        assert!(controller::decode(data).is_err());
    }
    let error = controller::decode_epoch(b"x").expect_err("no number").to_string();
    assert_eq!(error, "cannot read the controller epoch in /controller_epoch: invalid digit found in string");
}

mod any_bytes {
    use proptest::prelude::*;

    use super::super::*;

    /// Reads `data` as every family; whatever comes of it, nothing may panic.
    fn read_all(data: &[u8]) {
        let _ = acl::decode(data);
        let _ = acl::AclChange::decode(data);
        let _ = admin::decode_preferred_election(data);
        let _ = admin::decode_reassignment(data);
        let _ = brokers::BrokerRegistration::decode(BrokerId(1), data).map(|broker| broker.encode());
        let _ = cluster::decode(data);
        let _ = config::decode(data);
        let _ = config::decode_change(data);
        let _ = controller::decode(data);
        let _ = controller::decode_epoch(data);
        let _ = feature::FeatureZnode::decode(data);
        let _ = notifications::decode_isr_change(data);
        let _ = notifications::decode_log_dir_failure(data);
        let _ = partition_state::PartitionState::decode(data);
        let _ = producer_ids::ProducerIdBlock::decode(data)
            .map(|block| producer_ids::ProducerIdBlock::after(block, BrokerId(1)));
        let _ = topics::TopicAssignment::decode(data).map(|topic| topic.encode());
    }

    proptest! {
        #[test]
        fn never_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            read_all(&data);
        }

        #[test]
        fn assignments_read_back(replicas in proptest::collection::btree_map(0..500_i32, proptest::collection::vec(0..9_i32, 1..4), 1..20)) {
            let ids = |ids: Vec<i32>| ids.into_iter().map(BrokerId).collect();
            let partitions = replicas.into_iter().map(|(partition, list)| (partition, topics::ReplicaAssignment::of(ids(list)))).collect();
            let topic = topics::TopicAssignment { id: Some(kafka_types::Uuid([7; 16])), partitions };
            prop_assert_eq!(topics::TopicAssignment::decode(&topic.encode()), Ok(topic));
        }

        #[test]
        fn names_in_paths_read_back(name in ".*") {
            prop_assert_eq!(config::desanitize(&config::sanitize(&name)), Some(name));
        }
    }

    #[test]
    fn captured_ones_with_a_changed_byte_do_not_panic_either() {
        let captured = super::captured();
        let strategy = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>());
        let outcome = proptest::test_runner::TestRunner::default().run(&strategy, |(pick, at, byte)| {
            let mut data = captured[pick.index(captured.len())].data.clone();
            if !data.is_empty() {
                let at = at.index(data.len());
                data[at] = byte;
            }
            read_all(&data);
            Ok(())
        });
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}
