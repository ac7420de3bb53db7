//! What Apache's broker refuses is refused in the same bytes: codes, texts, and every field beside them.
//!
//! The recordings are of a broker with the topics that the test makes, asked one question per connection. They hold
//! only answers without ids, times and addresses, so that nothing has to be masked.

use std::fs;
use std::time::Duration;

use tests::{Broker, Kind, TempDir, Tools, ZooKeeper, hex, repository, wait_until};

use crate::frames::{Answer, ask};

/// Topics that the questions are about, with what they need besides one partition.
const TOPICS: &[(&str, &str)] = &[
    ("t", ""),
    ("small", "--config max.message.bytes=200"),
    ("compacted", "--config cleanup.policy=compact"),
    ("with.dots", ""),
];

const PATIENCE: Duration = Duration::from_mins(1);

struct Refusal {
    name: String,
    request: Vec<u8>,
    response: Vec<u8>,
}

fn recordings() -> Vec<Refusal> {
    let path = repository().join("tests/golden/refusals/refusals.tsv");
    let text = fs::read_to_string(path).expect("the recordings");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().expect("name, request and response").to_owned();
            Refusal { name: field(), request: hex(&field()), response: hex(&field()) }
        })
        .collect()
}

/// The first group makes the topic of groups, and its coordinator has to have loaded.
fn wait_for_coordinator(port: u16) {
    // FindCoordinator v0 and OffsetFetch v2 for group "g", without partitions.
    let find = hex("000a000000000001ffff000167");
    let fetch = hex("0009000200000001ffff00016700000000");
    let is_ok = |request: &[u8], at: usize| match ask(port, request, PATIENCE) {
        Answer::Frame(frame) => frame.get(at..at + 2) == Some(&[0, 0]),
        _ => false,
    };
    assert!(wait_until(Duration::from_mins(1), || is_ok(&find, 4)), "nobody coordinates groups");
    assert!(wait_until(Duration::from_mins(1), || is_ok(&fetch, 8)), "the coordinator does not load");
}

#[test]
fn refusals_are_the_originals_to_the_byte() {
    let dir = TempDir::new("refusals");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let settings = "offsets.topic.num.partitions=1";
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), settings);
    for (topic, more) in TOPICS {
        let args = format!("--create --topic {topic} --partitions 1 {more} --bootstrap-server {}", broker.address());
        assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0, "{topic}");
    }
    wait_for_coordinator(broker.port());
    let recordings = recordings();
    assert!(recordings.len() > 200, "only {} recordings", recordings.len());
    let mut differ = Vec::new();
    for Refusal { name, request, response } in recordings {
        match ask(broker.port(), &request, PATIENCE) {
            Answer::Frame(frame) if frame == response => {}
            other => differ.push(format!("{name}: {other:?}\n  instead of {response:?}")),
        }
    }
    assert!(differ.is_empty(), "{} answers differ:\n{}", differ.len(), differ.join("\n"));
}
