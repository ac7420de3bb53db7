//! Directories that Apache's broker left, stopped, killed and torn, and with old message formats: ours starts on them and
//! tells what Apache's told, and the files it leaves read to the same listing by Apache's tool.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use tests::{Broker, Kind, RawKafka, RawZk, TempDir, Tools, ZooKeeper, repository};

use super::told::{self, NO_TIMESTAMP};

/// What the golden data's description names; and groups that nobody used since the day of the capture.
const BROKER: &str = "log.retention.ms=-1\nlog.cleaner.enable=false\nproducer.id.expiration.ms=2147483647\n\
                      offsets.retention.minutes=2147483647\noffsets.topic.num.partitions=3\n\
                      transaction.state.log.num.partitions=3\nlog.index.size.max.bytes=4096\n\
                      log.index.interval.bytes=256\n\
                      transaction.abort.timed.out.transaction.cleanup.interval.ms=2147483647\n";

#[test]
fn a_clean_directory() {
    serve("golden-clean", "clean", "expected", false);
}

#[test]
fn a_killed_and_torn_directory() {
    serve("golden-unclean", "unclean", "expected-after-recovery", true);
}

#[test]
fn a_directory_of_old_message_formats() {
    serve("golden-old", "old-message-formats", "expected", false);
}

fn serve(name: &str, set: &str, expected: &str, recovered: bool) {
    let golden = repository().join("tests/golden/log-dir").join(set);
    let expected = golden.join(expected);
    let dir = TempDir::new(name);
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    plant(&zookeeper, &golden.join("znodes.jsonl"));
    let mut broker = Broker::configured(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), BROKER);
    unpack(&golden.join("data.tar.gz"), &broker.data());
    let epochs_before = epoch_files(&broker.data());
    broker.run();

    records(broker.port(), &expected);
    offsets(broker.port(), &expected, recovered);
    groups(broker.port(), &expected);
    // The texts beside the old formats are of a tool that was interrupted.
    if set != "old-message-formats" {
        transactions(&broker.address(), &expected, recovered);
    }
    broker.stop();
    let log = fs::read_to_string(broker.log()).expect("the log");
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    for (partition, before) in epochs_before {
        let after = fs::read_to_string(broker.data().join(&partition).join("leader-epoch-checkpoint"));
        let after = epochs(&after.expect("there still"));
        assert!(after.starts_with(&before), "{partition}: epochs {before:?} became {after:?}");
    }
    listings(&broker.data(), &expected, recovered);
}

/// What Apache's tool showed of transactions, of which it left so many texts; but for how long ago that was.
fn transactions(server: &str, expected: &Path, recovered: bool) {
    let mut shown = 0;
    for entry in fs::read_dir(expected).expect("golden") {
        let path = entry.expect("golden").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.starts_with("transactions-") {
            continue;
        }
        if recovered && name == "transactions-describe-producers-mixed-0.txt" {
            // Producers that have been silent for years, found again by recovery: Apache had looked for such by then.
            continue;
        }
        let text = fs::read_to_string(&path).expect("golden");
        let mut lines = text.lines();
        let command = lines.next().expect("the command");
        let args = command.split_once("localhost:9092 ").expect("a server").1;
        let output = Tools(Kind::Ours).run("kafka-transactions", &format!("--bootstrap-server {server} {args}"));
        let rows = |lines: Vec<&str>| {
            let is_duration: Vec<bool> = lines.first().map_or(Vec::new(), |header| {
                header.split('\t').map(|cell| cell.trim() == "TransactionDurationMs").collect()
            });
            let cells = |line: &str| -> Vec<String> {
                let cells = line.split('\t').enumerate();
                cells
                    .filter(|(at, _)| !is_duration.get(*at).copied().unwrap_or(false))
                    .map(|(_, cell)| cell.trim().to_owned())
                    .collect()
            };
            let mut rows: Vec<Vec<String>> = lines.into_iter().map(cells).collect();
            rows.sort();
            rows
        };
        let wanted: Vec<&str> = lines.filter(|line| !line.starts_with('[')).collect();
        let printed: Vec<&str> = output.stdout.lines().chain(output.stderr.lines()).collect();
        assert_eq!(rows(printed), rows(wanted), "{name}");
        shown += 1;
    }
    assert_eq!(shown, if recovered { 8 } else { 9 });
}

/// The tree that the golden directory belongs to, without what went with sessions.
fn plant(zookeeper: &ZooKeeper, znodes: &Path) {
    let mut session = RawZk::connect(zookeeper.port()).expect("it serves");
    for line in fs::read_to_string(znodes).expect("golden").lines() {
        let node: Value = serde_json::from_str(line).expect("JSON");
        let path = node["path"].as_str().expect("a path");
        if node["ephemeral"] == true || path == "/" || path.starts_with("/zookeeper") {
            continue;
        }
        let data = node["text"].as_str().unwrap_or_default();
        assert!(node["hex"].is_null(), "{path} is no text");
        session.create(path, data.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

fn unpack(packed: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the test's directory can be written");
    let unpacked = Command::new("tar").arg("xzf").arg(packed).arg("-C").arg(to).arg("--strip-components=1").status();
    assert!(unpacked.expect("tar is there").success());
}

fn epochs(text: &str) -> Vec<String> {
    text.lines().skip(2).map(str::to_owned).collect()
}

fn epoch_files(data: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(data).expect("unpacked").flatten() {
        if let Ok(text) = fs::read_to_string(entry.path().join("leader-epoch-checkpoint")) {
            found.insert(entry.file_name().to_string_lossy().into_owned(), epochs(&text));
        }
    }
    assert!(found.len() > 3, "{found:?}");
    found
}

/// Golden files of this kind: what stands between prefix and suffix, and the text.
fn texts(expected: &Path, prefix: &str, suffix: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(expected).expect("golden").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(middle) = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix)) {
            found.insert(middle.to_owned(), fs::read_to_string(entry.path()).expect("text"));
        }
    }
    assert!(!found.is_empty(), "{prefix}*{suffix} in {}", expected.display());
    found
}

fn split(partition: &str) -> (&str, i32) {
    let (topic, number) = partition.rsplit_once('-').expect("topic-partition");
    (topic, number.parse().expect("a number"))
}

/// Every record of every partition, with both isolations.
fn records(port: u16, expected: &Path) {
    let of_isolation = |isolation| texts(expected, "consume-", &format!("-{isolation}.txt"));
    // librdkafka reads formats 0 and 1 no more.
    let is_old = |topic: &str| topic == "changed" || topic.starts_with("format-");
    for isolation in ["read_committed", "read_uncommitted"] {
        let texts = of_isolation(isolation);
        let partitions = texts.keys().map(|partition| split(partition));
        let partitions: Vec<_> = partitions.map(|(topic, number)| (topic.to_owned(), number)).collect();
        for partition in &partitions {
            told::await_leader(port, partition);
        }
        // One consumer for all: librdkafka takes half a second to find the coordinator of a group.
        let young: Vec<_> = partitions.into_iter().filter(|(topic, _)| !is_old(topic)).collect();
        let mut told = told::consume_all(port, &young, isolation);
        for (partition, text) in texts {
            let (topic, number) = split(&partition);
            // One capture came out empty; without transactions both isolations see the same.
            let other = || of_isolation("read_committed").remove(&partition).unwrap_or_default();
            let text = if text.is_empty() { other() } else { text };
            let theirs: Vec<String> =
                text.lines().map(|line| line.replacen("CreateTime:-1\t", &format!("{NO_TIMESTAMP}\t"), 1)).collect();
            let ours = if is_old(topic) {
                apache_consumes(port, topic, number, isolation, theirs.len())
            } else {
                told.remove(&(topic.to_owned(), number)).unwrap_or_default()
            };
            assert_eq!(ours, theirs, "{partition}, {isolation}");
        }
    }
}

/// The console consumer that made the golden texts.
fn apache_consumes(port: u16, topic: &str, partition: i32, isolation: &str, count: usize) -> Vec<String> {
    let printed =
        ["timestamp", "partition", "offset", "headers", "key"].map(|what| format!("--property print.{what}=true"));
    let args = format!(
        "--bootstrap-server 127.0.0.1:{port} --topic {topic} --partition {partition} --offset earliest --max-messages \
         {count} --timeout-ms 20000 --isolation-level {isolation} --property null.literal=<null> {}",
        printed.join(" ")
    );
    let consumed = Tools(Kind::Apache).run("kafka-console-consumer", &args);
    consumed.stdout.lines().map(str::to_owned).collect()
}

/// Where logs begin and end, and where a time is.
fn offsets(port: u16, expected: &Path, recovered: bool) {
    let queries = [("latest", -1), ("earliest", -2), ("max-timestamp", -3), ("by-timestamp", 1_700_000_020_000)];
    let mut kafka = RawKafka::connect(port).expect("it accepts");
    let mut compared = 0;
    for (file, timestamp) in queries {
        let text = fs::read_to_string(expected.join(format!("offsets-{file}.txt"))).expect("golden");
        let printed = text.lines().take_while(|line| *line != "[stderr]");
        for line in printed.filter(|line| !line.starts_with(['$', '['])) {
            let mut parts = line.rsplitn(3, ':');
            let offset = parts.next().unwrap_or_default();
            let number = parts.next().and_then(|number| number.parse().ok()).expect("topic:partition:offset");
            let topic = parts.next().expect("topic:partition:offset");
            // The tools that were run before this text was made committed offsets and ended transactions.
            if topic.starts_with("__") && recovered {
                continue;
            }
            let (error, _, found, _) = kafka.list_offsets(topic, number, timestamp, false).expect("an answer");
            let wanted = if offset.is_empty() { -1 } else { offset.parse().expect("a number") };
            assert_eq!((error, found), (0, wanted), "{file}: {line}");
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared} offsets");
}

/// What groups have committed.
fn groups(port: u16, expected: &Path) {
    let text = fs::read_to_string(expected.join("groups-describe-offsets.txt")).expect("golden");
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [group, topic, partition, current, ..] = words[..] else { continue };
        let (Ok(partition), Ok(current)) = (partition.parse(), current.parse()) else { continue };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{port}"))
            .set("group.id", group)
            .create()
            .expect("a consumer");
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let found = consumer.committed_offsets(asked, Duration::from_secs(20)).expect("the coordinator answers");
        assert_eq!(found.elements()[0].offset(), Offset::Offset(current), "{line}");
    }
}

/// What Apache's tool prints of every file, by partition and file.
fn listings(data: &Path, expected: &Path, recovered: bool) {
    let all = texts(expected, "dump-", ".txt");
    let kinds =
        [("__consumer_offsets", "--offsets-decoder"), ("__transaction_state", "--transaction-log-decoder"), ("", "")];
    for (index, (prefix, decoder)) in kinds.into_iter().enumerate() {
        let of_kind = |partition: &str| {
            kinds.iter().position(|(prefix, _)| partition.starts_with(prefix)).is_some_and(|found| found == index)
        };
        // A broker that was killed goes on with groups and transactions by the clock of its day.
        if recovered && !prefix.is_empty() {
            continue;
        }
        let mut theirs = BTreeMap::new();
        for (partition, text) in all.iter().filter(|(partition, _)| of_kind(partition)) {
            for (file, lines) in sections(text) {
                theirs.insert(format!("{partition}/{file}"), lines);
            }
        }
        let files: Vec<PathBuf> = theirs.keys().map(|file| data.join(file)).filter(|file| file.exists()).collect();
        let joined: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let args = format!("--print-data-log --deep-iteration {decoder} --files {}", joined.join(","));
        let dumped = Tools(Kind::Apache).run("kafka-dump-log", &args);
        assert_eq!(dumped.code, 0, "{}{}", dumped.stdout, dumped.stderr);
        let printed = dumped.stdout.replace(&format!("{}/", data.display()), "data/");
        let ours = printed.split("Dumping ").skip(1).map(|section| {
            let (path, rest) = section.split_once('\n').expect("lines");
            (path.trim_start_matches("data/").to_owned(), rest.lines().map(str::to_owned).collect::<Vec<_>>())
        });
        let mut ours: BTreeMap<String, Vec<String>> = ours.collect();
        for (file, theirs) in theirs {
            let snapshot = file.ends_with(".snapshot");
            let Some(ours) = ours.remove(&file) else {
                // Recovery leaves snapshots where it was at the moment, and one at the end.
                let end = all_ends(&file, &files);
                assert!(recovered && snapshot && !end, "{file} is gone");
                continue;
            };
            let (ours, theirs) = if snapshot { common_producers(&ours, &theirs) } else { (ours, theirs) };
            assert_eq!(ours, theirs, "{file}");
        }
    }
}

/// Is it the last of its partition's snapshots?
fn all_ends(file: &str, files: &[PathBuf]) -> bool {
    let (partition, _) = file.split_once('/').expect("partition/file");
    !files.iter().any(|other| {
        let other = other.display().to_string();
        other.ends_with(".snapshot") && other.contains(&format!("/{partition}/"))
    })
}

/// The lines below each `Dumping` of a golden text.
fn sections(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        // What the tool says on the other stream is on another occasion.
        if line.starts_with("$ ") || line == "[stderr]" {
            current = None;
        } else if let Some(path) = line.strip_prefix("Dumping ") {
            let file = path.rsplit('/').next().expect("a name").to_owned();
            current = Some(file.clone());
            found.insert(file, Vec::new());
        } else if let Some(file) = &current
            && !line.is_empty()
        {
            found.get_mut(file).expect("was put there").push(line.to_owned());
        }
    }
    found
}

/// Apache's order is that of a hash map; and on the day of the capture it forgot, where it came to read a snapshot, who
/// was last heard of in November 2023.
fn common_producers(ours: &[String], theirs: &[String]) -> (Vec<String>, Vec<String>) {
    let old = |line: &String| line.contains("lastTimestamp: 17000") && !line.contains("OptionalLong[");
    let sorted = |lines: &[String], others: &[String]| {
        let mut kept: Vec<String> = lines.iter().filter(|line| !old(line) || others.contains(line)).cloned().collect();
        kept.sort();
        kept
    };
    (sorted(ours, theirs), sorted(theirs, ours))
}
