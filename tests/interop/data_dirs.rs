//! Data directories carried from ours to Apache and back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use tests::{Apache, Broker, JvmPermit, Kind, RawZk, TempDir, Tools, Tree, ZooKeeper, full, run_command, wait_until};

use Kind::{Apache as Theirs, Ours};

/// How the servers end before their data is carried on.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Stopped,
    Killed,
}

#[test]
fn ours_stopped_is_read_by_apache_and_back() {
    carry("ours-stopped", Ours, Theirs, End::Stopped);
}

#[test]
fn ours_killed_is_read_by_apache_and_back() {
    carry("ours-killed", Ours, Theirs, End::Killed);
}

#[test]
fn apache_stopped_is_read_by_ours_and_back() {
    carry("apache-stopped", Theirs, Ours, End::Stopped);
}

#[test]
fn apache_killed_is_read_by_ours_and_back() {
    carry("apache-killed", Theirs, Ours, End::Killed);
}

/// Small segments, many index entries, and a session that is soon over when the broker is killed.
const BROKER: &str = "log.segment.bytes=4000\nlog.index.interval.bytes=500\nzookeeper.session.timeout.ms=6000\n\
                      log.retention.ms=-1\nnum.partitions=3\noffsets.topic.num.partitions=3";
/// The size of an index that is written to, by default.
const INDEX_BYTES: u64 = 10 << 20;
/// A snapshot every hundred transactions or so.
const ZOOKEEPER: &str = "snapCount=100\npreAllocSize=64";

fn carry(name: &str, from: Kind, to: Kind, end: End) {
    let dir = TempDir::new(name);
    let mut zookeeper = ZooKeeper::start_with(from, &dir.join("zookeeper"), ZOOKEEPER);
    let mut broker = Broker::start_with(from, &dir.join("kafka"), &zookeeper.address(), BROKER);
    fill_tree(zookeeper.port(), "first");
    fill_topics(&broker, 0);
    let mut known = Known::read(&broker);
    assert!(known.records.len() >= 3 * 400, "{} records", known.records.len());
    for (round, kind) in [(1, to), (2, from)] {
        let tree = down(&mut zookeeper, &mut broker, end);
        if from == Ours && round == 1 {
            apache_tools_read(&zookeeper.data(), &broker.data());
        }
        zookeeper.restart_as(kind);
        let found = RawZk::connect(zookeeper.port()).and_then(|mut session| session.tree("/")).expect("it serves");
        same_tree(&tree, &found);
        await_expiry(&zookeeper);
        broker.restart_as(kind);
        let now = Known::read(&broker);
        known.same_in(&now, kind);
        fill_tree(zookeeper.port(), if round == 1 { "second" } else { "third" });
        fill_topics(&broker, round);
        known = Known::read(&broker);
        assert!(known.records.len() > now.records.len(), "nothing could be added");
    }
}

/// Ends both, the broker first; returns the tree between the two ends.
fn down(zookeeper: &mut ZooKeeper, broker: &mut Broker, end: End) -> Tree {
    match end {
        End::Stopped => broker.stop(),
        End::Killed => broker.kill(),
    }
    let tree = RawZk::connect(zookeeper.port()).and_then(|mut session| session.tree("/")).expect("it serves");
    match end {
        End::Stopped => zookeeper.stop(),
        End::Killed => zookeeper.kill(),
    }
    tree
}

/// A killed broker's registration lives as long as its session; Apache's broker does not start before.
fn await_expiry(zookeeper: &ZooKeeper) {
    let mut session = RawZk::connect(zookeeper.port()).expect("it serves");
    let gone = wait_until(Duration::from_mins(1), || session.children("/brokers/ids").expect("it serves").is_empty());
    assert!(gone, "the session of the killed broker does not run out");
}

fn same_tree(before: &Tree, after: &Tree) {
    for (path, node) in before {
        assert_eq!(after.get(path), Some(node), "{path} is not as it was");
    }
    let new: Vec<&String> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(new.is_empty(), "what is {new:?}?");
}

/// Enough transactions for several logs and snapshots: created, changed, deleted.
fn fill_tree(port: u16, name: &str) {
    let mut session = RawZk::connect(port).expect("a session");
    let parent = format!("/{name}");
    session.create(&parent, b"").expect("made");
    for number in 0..150 {
        let path = format!("{parent}/n{number}");
        session.create(&path, format!("data {number}").as_bytes()).expect("made");
        if number % 3 == 0 {
            session.set(&path, &vec![b'x'; number]).expect("set");
        }
        if number % 5 == 0 {
            session.delete(&path).expect("deleted");
        }
    }
}

/// Records with and without keys, headers, compression and idempotence; a group that has read some of them.
fn fill_topics(broker: &Broker, round: usize) {
    let server = broker.address();
    for codec in ["none", "snappy", "lz4"] {
        let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", &server)
            .set("enable.idempotence", (codec != "none").to_string())
            .set("compression.type", codec)
            .set("batch.num.messages", "37")
            .create()
            .expect("a producer");
        for number in 0..400 {
            let value = format!("{codec} {round} {number} {}", "v".repeat(number % 90));
            let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some(codec) });
            let mut record = BaseRecord::to("carried").partition(number as i32 % 3).payload(&value).headers(headers);
            let key = format!("k{}", number % 7);
            if number % 2 == 0 {
                record = record.key(&key);
            }
            producer.send(record).expect("queued");
        }
        producer.flush(Duration::from_secs(30)).expect("all delivered");
    }
    // librdkafka is built here without these two.
    for codec in ["gzip", "zstd"] {
        let lines: String = ["one", "two", "three"].map(|line| format!("{codec} {round} {line}\n")).concat();
        let args = format!("--bootstrap-server {server} --topic carried --compression-codec {codec}");
        let sent = Tools(Theirs).run_with_input("kafka-console-producer", &args, &lines);
        assert_eq!(sent.code, 0, "{}", sent.stderr);
    }
    let reader = consumer(&server);
    reader.subscribe(&["carried"]).expect("subscribed");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut read = 0;
    while read < 300 {
        assert!(Instant::now() < deadline, "the group gets nothing");
        if let Some(message) = reader.poll(Duration::from_millis(200)) {
            message.expect("no error");
            read += 1;
        }
    }
    reader.commit_consumer_state(CommitMode::Sync).expect("committed");
}

fn consumer(server: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", server)
        .set("group.id", "carriers")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer")
}

/// Timestamp, key, value, headers.
type Record = (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

/// What clients see of a broker's data.
struct Known {
    records: BTreeMap<(i32, i64), Record>,
    ends: Vec<(i64, i64)>,
    committed: Vec<Offset>,
}

impl Known {
    fn read(broker: &Broker) -> Known {
        let server = broker.address();
        let reader = consumer(&server);
        let patience = Duration::from_secs(30);
        // The news about the partitions comes a moment after the broker has started.
        let led = || (0..3).all(|partition| reader.fetch_watermarks("carried", partition, patience).is_ok());
        assert!(wait_until(Duration::from_mins(1), led), "the partitions have no leader");
        let ends: Vec<(i64, i64)> =
            (0..3).map(|p| reader.fetch_watermarks("carried", p, patience).expect("the log's ends")).collect();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range("carried", 0, 2);
        let committed = reader.committed_offsets(partitions, patience).expect("the group is known");
        let committed: Vec<Offset> = committed.elements().iter().map(TopicPartitionListElem::offset).collect();
        let mut from_start = TopicPartitionList::new();
        for partition in 0..3 {
            from_start.add_partition_offset("carried", partition, Offset::Beginning).expect("a partition");
        }
        reader.assign(&from_start).expect("assigned");
        let mut records = BTreeMap::new();
        let total: i64 = ends.iter().map(|(start, end)| end - start).sum();
        let deadline = Instant::now() + Duration::from_mins(1);
        while (records.len() as i64) < total {
            assert!(Instant::now() < deadline, "{} of {total} records could be read", records.len());
            let Some(message) = reader.poll(Duration::from_millis(500)) else { continue };
            let message = message.expect("no error");
            let headers = message.headers().map(|headers| {
                headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
            });
            let record = (
                message.timestamp().to_millis(),
                message.key().map(<[u8]>::to_vec),
                message.payload().map(<[u8]>::to_vec),
                headers.unwrap_or_default(),
            );
            records.insert((message.partition(), message.offset()), record);
        }
        Known { records, ends, committed }
    }

    fn same_in(&self, other: &Known, kind: Kind) {
        assert_eq!(self.ends, other.ends, "the ends of the logs under {kind:?}");
        assert_eq!(self.committed, other.committed, "the group's offsets under {kind:?}");
        for (at, record) in &self.records {
            assert_eq!(other.records.get(at), Some(record), "partition and offset {at:?} under {kind:?}");
        }
    }
}

/// Their formatters of logs, indexes, snapshots and transaction logs have nothing to complain about.
fn apache_tools_read(zookeeper: &Path, broker: &Path) {
    let mut files = Vec::new();
    for entry in fs::read_dir(broker).expect("the log directory").flatten() {
        if entry.path().is_dir() {
            files.extend(files_in(&entry.path(), &[".log", ".index", ".timeindex", ".snapshot"]));
        }
    }
    assert!(files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "log")).count() > 6);
    // An index that is still open has its full size, the rest zeros, which the tool takes for entries: of Apache's own
    // after a kill as well.
    files.retain(|file| fs::metadata(file).is_ok_and(|file| file.len() < INDEX_BYTES - 12));
    let joined: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let dump = format!("--print-data-log --deep-iteration --files {}", joined.join(","));
    let dumped = Tools(Theirs).run("kafka-dump-log", &dump);
    assert_eq!(dumped.code, 0, "{}{}", dumped.stdout, dumped.stderr);
    assert_eq!(dumped.stderr, "", "{}", dumped.stdout);
    for complaint in
        ["Mismatches in", "Non-consecutive", "isvalid: false", "timestamp mismatch", "unindexed", "Exception"]
    {
        assert!(!dumped.stdout.contains(complaint), "kafka-dump-log complains:\n{}", around(&dumped.stdout, complaint));
    }
    let records = dumped.stdout.matches("| offset: ").count();
    assert!(records >= 1200, "kafka-dump-log shows {records} records");

    let mut logs = files_in(zookeeper, &["log."]);
    let mut snapshots = files_in(zookeeper, &["snapshot."]);
    assert!(logs.len() > 1 && snapshots.len() > 1, "{logs:?} {snapshots:?}");
    if !full() {
        // A JVM for each takes its time: the newest two, which a kill concerns.
        for files in [&mut logs, &mut snapshots] {
            files.sort_by_key(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
            files.drain(..files.len() - 2);
        }
    }
    for log in &logs {
        let read = Tools(Theirs).run("zookeeper-txn-log", &log.display().to_string());
        assert_eq!(read.code, 0, "{}: {}{}", log.display(), read.stdout, read.stderr);
        assert!(!read.stdout.contains("CRC ERROR") && read.stdout.contains("EOF reached after"), "{}", read.stdout);
    }
    for snapshot in &snapshots {
        let _permit = JvmPermit::take();
        let mut format = Apache::get().command("zookeeper-snapshot");
        format.arg("-d").arg(snapshot);
        let read = run_command(format, "");
        assert_eq!(read.code, 0, "{}: {}{}", snapshot.display(), read.stdout, read.stderr);
        assert!(read.stdout.contains("ZNode Details"), "{}", read.stdout);
    }
}

fn around<'a>(text: &'a str, word: &str) -> &'a str {
    let at = text.find(word).unwrap_or_default();
    let start = text[..at].rfind("Dumping").unwrap_or_default();
    let end = text[at..].char_indices().nth(600).map_or(text.len(), |(len, _)| at + len);
    &text[start..end]
}

/// The files whose names begin or end with one of these.
fn files_in(dir: &Path, marks: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            marks.iter().any(|mark| name.starts_with(mark) || name.ends_with(mark))
        })
        .collect();
    files.sort();
    files
}
