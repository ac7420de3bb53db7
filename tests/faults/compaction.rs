//! A compacted topic shrinks while its broker is killed again and again, and the last value of each key stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::{Broker, Kind, TempDir, Tools, ZooKeeper, wait_until};

const ROUNDS: usize = 6;
const RECORDS: usize = 400;
const KEYS: usize = 20;

const BROKER: &str = "log.cleaner.backoff.ms=50\nlog.segment.delete.delay.ms=50\n";
const TOPIC: &str =
    "--config cleanup.policy=compact --config segment.bytes=20000 --config min.cleanable.dirty.ratio=0.01";

fn bytes_of_segments(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
    // A file that a swap has taken away meanwhile has no size.
    segments.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
}

fn write(tools: Tools, address: &str, round: usize, expected: &mut BTreeMap<String, String>) -> u64 {
    let mut input = String::new();
    for record in 0..RECORDS {
        let (key, value) = (format!("key-{}", record % KEYS), format!("{round}-{record}-{}", "x".repeat(80)));
        writeln!(input, "{key}:{value}").expect("a string takes all");
        expected.insert(key, value);
    }
    let args = format!(
        "--topic compacted --bootstrap-server {address} --property parse.key=true --property key.separator=: \
         --batch-size 4000"
    );
    let produced = tools.run_with_input("kafka-console-producer", &args, &input);
    assert_eq!(produced.code, 0, "{}", produced.stderr);
    input.len() as u64
}

fn read(tools: Tools, address: &str) -> Vec<(String, String)> {
    let args = format!(
        "--topic compacted --bootstrap-server {address} --partition 0 --offset earliest --timeout-ms 4000 \
         --property print.key=true --property key.separator=:"
    );
    let consumed = tools.run("kafka-console-consumer", &args);
    let lines = consumed.stdout.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn compaction_and_kills_leave_the_last_value_of_each_key() {
    let dir = TempDir::new("compaction");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), BROKER);
    let tools = Tools(Kind::Ours);
    let create = format!("--create --topic compacted --partitions 1 {TOPIC} --bootstrap-server {}", broker.address());
    assert_eq!(tools.run("kafka-topics", &create).code, 0);
    let partition = broker.data().join("compacted-0");

    let mut expected = BTreeMap::new();
    let mut written = 0;
    for round in 0..ROUNDS {
        written += write(tools, &broker.address(), round, &mut expected);
        if round % 2 == 1 {
            // Some rounds end in the middle of a compaction, others behind one.
            wait_until(Duration::from_secs(5), || bytes_of_segments(&partition) < written / 2);
        }
        broker.kill();
        broker.run();
    }
    let shrunk = wait_until(Duration::from_mins(1), || bytes_of_segments(&partition) < written / 3);
    assert!(shrunk, "{written} bytes were written, {} are left", bytes_of_segments(&partition));

    let records = read(tools, &broker.address());
    assert!(records.len() < ROUNDS * RECORDS, "nothing was compacted");
    let last: BTreeMap<String, String> = records.into_iter().collect();
    assert_eq!(last, expected);
    let checkpoint = broker.data().join("cleaner-offset-checkpoint");
    let names_it = || fs::read_to_string(&checkpoint).is_ok_and(|text| text.contains("compacted 0 "));
    assert!(wait_until(Duration::from_mins(1), names_it), "{} does not name the log", checkpoint.display());
    broker.stop();
    let log = fs::read_to_string(broker.log()).expect("the log");
    assert!(!log.contains("uncleanable") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_cleaner_rests_while_it_cleans_and_goes_on_when_it_may() {
    let dir = TempDir::new("compaction-throttled");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let settings = format!("{BROKER}log.cleaner.io.max.bytes.per.second=1\n");
    let mut broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), &settings);
    let tools = Tools(Kind::Ours);
    let create = format!("--create --topic compacted --partitions 1 {TOPIC} --bootstrap-server {}", broker.address());
    assert_eq!(tools.run("kafka-topics", &create).code, 0);
    let partition = broker.data().join("compacted-0");
    let mut expected = BTreeMap::new();
    write(tools, &broker.address(), 0, &mut expected);
    let written = bytes_of_segments(&partition);
    let begun = |broker: &Broker| {
        fs::read_to_string(broker.log()).expect("it logs").matches("Beginning cleaning of log compacted-0").count()
    };
    assert!(wait_until(Duration::from_mins(1), || begun(&broker) == 1), "it does not begin");
    // At a byte a second it is at it for hours, and keeps nobody from stopping.
    broker.stop();
    assert_eq!(bytes_of_segments(&partition), written);
    broker.run();
    assert!(wait_until(Duration::from_mins(1), || begun(&broker) == 2), "it does not begin anew");
    let limit = format!(
        "--alter --entity-type brokers --entity-name 0 --add-config log.cleaner.io.max.bytes.per.second=1000000000 \
         --bootstrap-server {}",
        broker.address()
    );
    assert_eq!(bytes_of_segments(&partition), written, "it is not through");
    assert_eq!(tools.run("kafka-configs", &limit).code, 0);
    assert!(wait_until(Duration::from_mins(1), || bytes_of_segments(&partition) < written), "it does not go on");
    let last: BTreeMap<String, String> = read(tools, &broker.address()).into_iter().collect();
    assert_eq!(last, expected);
}
