//! Directories that ours wrote, opened by Apache's broker after a clean stop, after `kill -9`, and with torn tails: it
//! tells of them what ours tells.
//!
//! In them: every codec, plain and idempotent; records in transactions with markers of both kinds and one open; old
//! formats by old Produce versions; a compacted log; a deleted prefix; several segments; several leader epochs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::Value;
use tests::{
    Broker, Kind, RawBatch, RawKafka, RawZk, TempDir, Tools, ZooKeeper, batch_positions, full, hex, repository,
    wait_until,
};

use super::told::{Partition, Told, told};

const BROKER: &str = "log.retention.ms=-1\nproducer.id.expiration.ms=2147483647\nzookeeper.session.timeout.ms=6000\n\
                      log.retention.check.interval.ms=200\nlog.cleaner.backoff.ms=100\nlog.segment.delete.delay.ms=100\n\
                      log.initial.task.delay.ms=100\n";
/// The first record's time: in the past, as old logs are.
const START: i64 = 1_700_000_000_000;
const TOPICS: [(&str, &str); 8] = [
    ("codecs", "--config index.interval.bytes=200"),
    ("txn", "--config segment.bytes=600 --config index.interval.bytes=100"),
    ("open", ""),
    ("produce-old-formats", ""),
    ("compacted", "--config cleanup.policy=compact --config segment.bytes=1500 --config min.cleanable.dirty.ratio=0.5"),
    ("segmented", "--config segment.bytes=1024 --config index.interval.bytes=200 --config retention.bytes=5000"),
    ("started", "--config segment.bytes=1024"),
    ("epochs", ""),
];
/// Topics whose active segment is torn.
const TORN: [&str; 4] = ["codecs", "txn", "segmented", "epochs"];
/// Bytes that are cut off the end.
const CUTS: [u64; 8] = [1, 7, 40, 61, 78, 79, 120, 333];

#[test]
fn apache_tells_of_directories_that_ours_wrote_what_ours_tells() {
    let dir = TempDir::new("ours-to-apache");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), BROKER);
    fill(&mut broker, &zookeeper);
    let lab = Carrier { zookeeper, saved: dir.join("saved") };

    // A clean stop.
    let known = Carrier::tell(&broker);
    check_content(&known);
    broker.stop();
    lab.same_under_apache(&mut broker, &known, "stopped");

    // A kill.
    add(&broker, "killed");
    let known = Carrier::tell(&broker);
    broker.kill();
    lab.same_under_apache(&mut broker, &known, "killed");

    // Torn tails: what is left is for recovery to say; both have to say the same.
    let cuts: &[u64] = if full() { &CUTS } else { &CUTS[2..4] };
    for cut in cuts {
        add(&broker, &format!("cut {cut}"));
        let whole = Carrier::tell(&broker);
        broker.kill();
        for topic in TORN {
            tear(&broker.data().join(format!("{topic}-0")), *cut);
        }
        lab.save(&broker);
        lab.await_expiry();
        broker.run();
        let known = Carrier::tell(&broker);
        for topic in TORN {
            let partition = (topic.to_owned(), 0);
            assert!(known[&partition].ends.1 < whole[&partition].ends.1, "{topic}: {cut} bytes fewer changed nothing");
        }
        broker.stop();
        lab.restore(&broker);
        lab.same_under_apache(&mut broker, &known, &format!("{cut} bytes cut off"));
    }
}

/// What has to be in the data for the comparison to mean something.
fn check_content(known: &BTreeMap<Partition, Told>) {
    let of = |topic: &str| &known[&(topic.to_owned(), 0)];
    assert_eq!(of("txn").aborted.len(), 4, "{:?}", of("txn"));
    assert!(of("txn").committed.len() < of("txn").uncommitted.len());
    assert!(of("open").ends.2 < of("open").ends.1, "{:?}", of("open").ends);
    assert_eq!(of("codecs").uncommitted.len(), 5 * 2 * 40);
    assert_eq!(of("produce-old-formats").uncommitted.len(), 18);
    assert!(of("compacted").uncommitted.len() < 200, "not compacted");
    assert!(of("segmented").ends.0 > 0 && of("started").ends.0 == 7, "{:?}", of("started").ends);
    let mut epochs: Vec<i32> = of("epochs").epochs.iter().map(|(_, epoch)| *epoch).collect();
    epochs.dedup();
    assert!(epochs.len() >= 3, "{epochs:?}");
}

struct Carrier {
    zookeeper: ZooKeeper,
    saved: PathBuf,
}

impl Carrier {
    fn tell(broker: &Broker) -> BTreeMap<Partition, Told> {
        let partitions: Vec<Partition> = TOPICS.iter().map(|(topic, _)| ((*topic).to_owned(), 0)).collect();
        told(broker.port(), &partitions, &[START - 1, START, START + 17, START + 500, i64::MAX / 2])
    }

    /// Puts the data aside.
    fn save(&self, broker: &Broker) {
        let _ = fs::remove_dir_all(&self.saved);
        copy_dir(&broker.data(), &self.saved);
    }

    /// Puts it back.
    fn restore(&self, broker: &Broker) {
        fs::remove_dir_all(broker.data()).expect("was there");
        copy_dir(&self.saved, &broker.data());
    }

    /// A killed broker's registration lives as long as its session; Apache's broker does not start before.
    fn await_expiry(&self) {
        let mut session = RawZk::connect(self.zookeeper.port()).expect("it serves");
        let gone =
            wait_until(Duration::from_mins(1), || session.children("/brokers/ids").expect("it serves").is_empty());
        assert!(gone, "the session of the killed broker does not run out");
    }

    /// Starts Apache's on the data, compares, and puts ours back to work on what it was before.
    fn same_under_apache(&self, broker: &mut Broker, known: &BTreeMap<Partition, Told>, what: &str) {
        self.await_expiry();
        self.save(broker);
        broker.restart_as(Kind::Apache);
        let theirs = Carrier::tell(broker);
        for (partition, ours) in known {
            let (mut theirs, mut ours) = (theirs[partition].clone(), ours.clone());
            if partition.0 == "compacted" {
                // Apache's looks for a time in the first segment that is young enough: one that compaction has emptied
                // counts by the age of its file, and then nothing is found.
                theirs.by_time.retain(|(time, ..)| *time < 0);
                ours.by_time.retain(|(time, ..)| *time < 0);
            }
            assert_eq!(theirs.uncommitted, ours.uncommitted, "{what}, {partition:?}: records");
            assert_eq!(theirs.committed, ours.committed, "{what}, {partition:?}: committed records");
            assert_eq!(theirs, ours, "{what}, {partition:?}");
        }
        broker.stop();
        self.restore(broker);
        broker.restart_as(Kind::Ours);
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the test's directory can be written");
    for entry in fs::read_dir(from).expect("is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            // A file that compaction or deletion has taken away meanwhile needs no copy.
            let _ = fs::copy(entry.path(), target);
        }
    }
}

/// The segment with the largest name.
fn active_segment(partition: &Path) -> PathBuf {
    let entries = fs::read_dir(partition).expect("the partition's directory").flatten();
    let logs = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.max().expect("a segment")
}

/// Cuts the end of the active segment off; one that is empty is removed first.
fn tear(partition: &Path, cut: u64) {
    loop {
        let path = active_segment(partition);
        let len = fs::metadata(&path).expect("is there").len();
        if len > 0 {
            let file = File::options().write(true).open(&path).expect("opens");
            file.set_len(len.saturating_sub(cut)).expect("cut");
            return;
        }
        fs::remove_file(path).expect("removed");
    }
}

fn fill(broker: &mut Broker, zookeeper: &ZooKeeper) {
    let to = format!("--bootstrap-server {}", broker.address());
    for (topic, options) in TOPICS {
        let created =
            Tools(Kind::Ours).run("kafka-topics", &format!("--create --topic {topic} --partitions 1 {options} {to}"));
        assert_eq!(created.code, 0, "{topic}: {}{}", created.stdout, created.stderr);
    }
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for idempotent in [false, true] {
            produce(broker, codec, idempotent);
        }
    }
    old_formats(broker);
    compact(broker);
    let mut kafka = RawKafka::connect(broker.port()).expect("it accepts");
    for (number, topic) in (0..120).flat_map(|number| [(number, "segmented"), (number, "started")]) {
        let batch = RawBatch::of(START + number * 10, &["one", "two", "three", &"v".repeat(100)]);
        let limit = if topic == "started" { 10 } else { 120 };
        if number < limit {
            assert_eq!(kafka.produce(topic, 0, &batch.bytes()).expect("an answer").0, 0);
        }
    }
    let segmented = broker.data().join("segmented-0");
    let shrunk = wait_until(Duration::from_mins(1), || !segmented.join("00000000000000000000.log").exists());
    assert!(shrunk, "retention takes nothing away");
    for round in 0..3 {
        for number in 0..4 {
            let batch = RawBatch::of(START + round * 100 + number, &["of", "an", "epoch"]);
            let mut kafka = RawKafka::connect(broker.port()).expect("it accepts");
            let appended = wait_until(Duration::from_mins(1), || {
                kafka.produce("epochs", 0, &batch.bytes()).expect("an answer").0 == 0
            });
            assert!(appended, "round {round}: nobody leads");
        }
        broker.stop();
        lose_leader(zookeeper, "epochs");
        broker.run();
    }
    transactions(broker);
}

/// What another controller notes when the only replica is gone: the next leader has a new epoch.
fn lose_leader(zookeeper: &ZooKeeper, topic: &str) {
    let path = format!("/brokers/topics/{topic}/partitions/0/state");
    let mut session = RawZk::connect(zookeeper.port()).expect("it serves");
    let (data, _) = session.get(&path).expect("is there");
    let mut state: Value = serde_json::from_slice(&data).expect("JSON");
    state["leader"] = Value::from(-1);
    state["leader_epoch"] = Value::from(state["leader_epoch"].as_i64().expect("a number") + 1);
    session.set(&path, state.to_string().as_bytes()).expect("set");
}

/// 40 records with keys, nulls and headers.
fn produce(broker: &Broker, codec: &str, idempotent: bool) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("enable.idempotence", idempotent.to_string())
        .set("compression.type", codec)
        .set("batch.num.messages", "13")
        .create()
        .expect("a producer");
    for number in 0..40i64 {
        let value = format!("{codec} {idempotent} {number} {}", "abcdefgh".repeat(number as usize % 20));
        let key = format!("k{}", number % 7);
        let headers = || {
            let first = OwnedHeaders::new().insert(Header { key: "h", value: Some(codec) });
            first.insert(Header { key: "h", value: None::<&str> })
        };
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to("codecs").partition(0).timestamp(START + number * 5);
        if number % 5 != 0 {
            record = record.payload(&value);
        }
        if number % 2 == 0 {
            record = record.key(&key);
        }
        if number % 3 == 0 {
            record = record.headers(headers());
        }
        producer.send(record).map_err(|(error, _)| error).expect("queued");
    }
    producer.flush(Duration::from_secs(30)).expect("all delivered");
}

/// The requests by which Apache's broker was sent its old formats, as they are.
fn old_formats(broker: &Broker) {
    let recorded = repository().join("tests/golden/log-dir/clean/expected/produce-old-formats-requests.jsonl");
    let mut kafka = RawKafka::connect(broker.port()).expect("it accepts");
    for line in fs::read_to_string(recorded).expect("golden").lines() {
        let exchange: Value = serde_json::from_str(line).expect("JSON");
        let frame = |name: &str| hex(exchange[name].as_str().expect("hexadecimal"));
        let answer = kafka.exchange(&frame("request")).expect("an answer");
        assert_eq!(answer, frame("response"), "{}", exchange["what"]);
    }
}

/// Keys again and again, some deleted, until compaction has come by.
fn compact(broker: &Broker) {
    let mut kafka = RawKafka::connect(broker.port()).expect("it accepts");
    for number in 0..300i64 {
        let mut batch = RawBatch::of(START + number, &[&format!("value {number} {}", "y".repeat(40))]);
        batch.records[0].0 = Some(format!("key-{}", number % 7).into_bytes());
        if number % 31 == 0 {
            batch.records[0] = (Some(format!("gone-{number}").into_bytes()), None);
        }
        assert_eq!(kafka.produce("compacted", 0, &batch.bytes()).expect("an answer").0, 0);
    }
    let checkpoint = broker.data().join("cleaner-offset-checkpoint");
    let done = || {
        let text = fs::read_to_string(&checkpoint).unwrap_or_default();
        let clean_to = text.lines().find_map(|line| line.strip_prefix("compacted 0 ")?.parse::<i64>().ok());
        clean_to.is_some_and(|offset| offset > 280)
    };
    assert!(wait_until(Duration::from_mins(1), done), "{} names no compaction", checkpoint.display());
}

/// Transactions as their coordinator would have them written, appended by hand while the broker is down, and a log start
/// in the middle of a segment as DeleteRecords leaves it. The broker finds both by recovery.
fn transactions(broker: &mut Broker) {
    broker.stop();
    let data = broker.data();
    let mut at = START;
    let mut batches = Vec::new();
    for round in 0..8i32 {
        for (producer, commit) in [(900_001, true), (900_002, round % 2 == 0)] {
            at += 10;
            let mut batch = RawBatch::of(at, &["in", "a", "transaction"]);
            batch.producer = (producer, 0, round * 3);
            batch.transactional = true;
            batches.push((batch, producer, commit));
        }
    }
    let mut next = 0;
    let mut segment = File::options().append(true).open(active_segment(&data.join("txn-0"))).expect("opens");
    let append = |batch: &mut RawBatch, next: &mut i64, to: &mut File| {
        batch.base = *next;
        batch.leader_epoch = 0;
        *next += batch.records.len() as i64;
        std::io::Write::write_all(to, &batch.bytes()).expect("written");
    };
    // Both transactions of a round overlap.
    for pair in batches.chunks_mut(2) {
        for (batch, ..) in pair.iter_mut() {
            append(batch, &mut next, &mut segment);
        }
        for (_, producer, commit) in pair.iter() {
            append(&mut RawBatch::marker(at, (*producer, 0), *commit), &mut next, &mut segment);
        }
    }
    let mut segment = File::options().append(true).open(active_segment(&data.join("open-0"))).expect("opens");
    let mut next = 0;
    for (transactional, value) in [(false, "before"), (true, "open"), (false, "after")] {
        let mut batch = RawBatch::of(START, &[value]);
        batch.transactional = transactional;
        batch.producer = if transactional { (900_003, 0, 0) } else { (-1, -1, -1) };
        append(&mut batch, &mut next, &mut segment);
    }
    fs::write(data.join("log-start-offset-checkpoint"), "0\n1\nstarted 0 7\n").expect("written");
    for file in [".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
        fs::remove_file(data.join(file)).expect("a clean stop leaves it");
    }
    broker.run();
}

/// A little more everywhere, so that there is a tail to lose.
fn add(broker: &Broker, what: &str) {
    let mut kafka = RawKafka::connect(broker.port()).expect("it accepts");
    for topic in TORN {
        for number in 0..3 {
            let batch = RawBatch::of(START + 2000 + number, &[what, "and", "more"]);
            let appended = wait_until(Duration::from_mins(1), || {
                kafka.produce(topic, 0, &batch.bytes()).expect("an answer").0 == 0
            });
            assert!(appended, "{topic}: nobody leads");
        }
    }
    for topic in TORN {
        assert!(
            !batch_positions(&fs::read(active_segment(&broker.data().join(format!("{topic}-0")))).expect("is there"))
                .is_empty()
        );
    }
}
