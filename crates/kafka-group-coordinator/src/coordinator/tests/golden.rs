//! `__consumer_offsets` as Apache's broker wrote it, read from its own data directories: the groups must be those that
//! Apache's tools showed (`groups-list.txt`, `groups-describe-*.txt`).

use std::collections::BTreeMap;
use std::io::Read as _;

use kafka_record::control::ControlType;

use super::*;

const LOG_DIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/log-dir");

/// The log files of the offsets topic in a `data.tar.gz`, by partition.
fn offsets_logs(directory: &str) -> BTreeMap<String, Bytes> {
    #[expect(clippy::disallowed_methods, reason = "golden data of a test")]
    let packed = std::fs::read(format!("{LOG_DIRS}/{directory}/data.tar.gz")).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
    let mut logs = BTreeMap::new();
    let mut at = 0;
    // A header block of 512 bytes (name at 0, size in octal at 124), then the contents in whole blocks.
    while tar[at] != 0 {
        let text = |from: usize, len: usize| {
            let field = &tar[at + from..at + from + len];
            String::from_utf8(field.iter().copied().take_while(|byte| *byte != 0 && *byte != b' ').collect()).unwrap()
        };
        let (name, size) = (text(0, 100), usize::from_str_radix(&text(124, 12), 8).unwrap());
        if name.contains("__consumer_offsets") && name.strip_suffix(".log").is_some() {
            logs.insert(name, Bytes::copy_from_slice(&tar[at + 512..at + 512 + size]));
        }
        at += 512 + size.next_multiple_of(512);
    }
    logs
}

/// A coordinator per partition, as a broker loads them.
fn loaded(directory: &str) -> Vec<Coordinator> {
    let load = |log: Bytes| {
        let mut coordinator = Coordinator::new(Config::default());
        for batch in kafka_record::batches(&log) {
            let Ok(kafka_record::Batch::V2(batch)) = batch else { panic!("{batch:?}") };
            let producer = batch.header().producer_id;
            for record in batch.shared_records(&log, 1 << 20).unwrap() {
                let record = record.unwrap();
                let key = record.key.unwrap();
                if batch.is_control() {
                    let committed = ControlType::from_key(&key).unwrap() == ControlType::Commit;
                    coordinator.replay_marker(producer, committed);
                    continue;
                }
                let producer_id = batch.is_transactional().then_some(producer);
                let value = record.value.as_deref();
                coordinator.replay(Replayed { offset: record.offset, producer_id, key: &key, value }).unwrap();
            }
        }
        let mut effects = Vec::new();
        coordinator.on_loaded(Now { tick: Tick(5), wall: WallMillis(1_795_334_900_000) }, &mut effects);
        assert_eq!(effects, []);
        coordinator
    };
    offsets_logs(directory).into_values().map(load).collect()
}

fn ask(coordinator: &mut Coordinator, request: Request) -> Reply {
    let mut effects = Vec::new();
    coordinator.handle(Now::default(), Event::Request { token: ReplyToken(1), request }, &mut effects);
    match effects.pop() {
        Some(Effect::Reply { reply, .. }) => reply,
        other => panic!("{other:?}"),
    }
}

/// What the coordinators tell about all groups, in the words of the tools.
fn told(coordinators: &mut [Coordinator]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut states, mut members, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for coordinator in coordinators {
        let Reply::List(list) = ask(coordinator, Request::List { states: Vec::new() }) else { panic!() };
        for group in list.groups {
            let group_id = group.group_id;
            let Reply::Describe(described) = ask(coordinator, Request::Describe { group_id: group_id.clone() }) else {
                panic!()
            };
            let GroupDescription { protocol, state, .. } = &described;
            states.push(format!("{group_id} {protocol} {state} {}", described.members.len()));
            for member in &described.members {
                let instance = member.group_instance_id.as_deref().unwrap_or("-");
                let (id, host, client) = (&member.member_id, &member.client_host, &member.client_id);
                members.push(format!("{group_id} {id} {instance} {host} {client}"));
            }
            let fetch = OffsetFetch { group_id: group_id.clone(), partitions: None, require_stable: true };
            let Reply::OffsetFetch(fetched) = ask(coordinator, Request::OffsetFetch(fetch)) else { panic!() };
            for one in fetched.offsets {
                let TopicPartition { topic, partition } = one.topic_partition;
                offsets.push(format!("{group_id} {topic} {partition} {}", one.offset));
            }
        }
    }
    (sorted(states), sorted(members), sorted(offsets))
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// Rows of a table of the tool: those with at least `columns` words, without its headings and messages.
fn rows(file: &str, take: impl Fn(&[&str]) -> Option<String>) -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "golden data of a test")]
    let text = std::fs::read_to_string(format!("{LOG_DIRS}/{file}")).unwrap();
    let is_row = |line: &&str| line.starts_with("g-");
    sorted(text.lines().filter(is_row).filter_map(|line| take(&line.split_whitespace().collect::<Vec<_>>())).collect())
}

fn compare(directory: &str, expected: &str) {
    let (states, members, offsets) = told(&mut loaded(directory));
    let file = |name: &str| format!("{directory}/{expected}/groups-describe-{name}.txt");
    // GROUP COORDINATOR (ID) [ASSIGNMENT-STRATEGY] STATE #MEMBERS
    let expected_states = rows(&file("state"), |words| match words {
        [group, _, _, protocol, state, count] => Some(format!("{group} {protocol} {state} {count}")),
        [group, _, _, state, count] => Some(format!("{group}  {state} {count}")),
        other => panic!("{other:?}"),
    });
    assert_eq!(states, expected_states);
    // GROUP CONSUMER-ID GROUP-INSTANCE-ID HOST CLIENT-ID ..
    let expected_members = rows(&file("members"), |words| Some(words[..5].join(" ")));
    assert_eq!(members, expected_members);
    let expected_offsets = rows(&file("offsets"), |words| Some(words[..4].join(" ")));
    assert_eq!(offsets, expected_offsets);
    assert!(!offsets.is_empty());
}

#[test]
fn groups_of_a_clean_directory_are_those_that_apache_shows() {
    compare("clean", "expected");
}

#[test]
fn groups_of_a_killed_broker_are_those_that_apache_recovers() {
    compare("unclean", "expected-after-recovery");
}

#[test]
fn what_apache_wrote_is_what_we_write() {
    let mut compared = 0;
    for directory in ["clean", "unclean", "old-message-formats"] {
        for log in offsets_logs(directory).into_values() {
            for batch in kafka_record::batches(&log) {
                let Ok(kafka_record::Batch::V2(batch)) = batch else { continue };
                if batch.is_control() {
                    continue;
                }
                for record in batch.shared_records(&log, 1 << 20).unwrap() {
                    let record = record.unwrap();
                    let (key, value) = (record.key.unwrap(), record.value);
                    // Brokers of old protocol versions wrote old versions of values.
                    let is_current = value.as_ref().is_none_or(|value| value[..2] == [0, 3]);
                    let decoded = Record::decode(&key, value.as_deref()).unwrap().unwrap();
                    if is_current {
                        assert_eq!(decoded.encode(), KeyValue { key, value });
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 20, "{compared}");
}
