//! Replicas moved between the log directories of a broker: under load, cancelled, killed on the way, with what a crash
//! between the two renames leaves.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::{Broker, Kind, RawZk, Tools, full, wait_until};

use crate::broker_disk::{Recorder, TOPIC, TwoDirs, producer, send, values_in};

const LOG_DIR_NOT_FOUND: i16 = 57;
const REPLICA_NOT_AVAILABLE: i16 = 9;

/// One request on a connection of its own; the answer's body.
fn ask(broker: &Broker, key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).expect("the broker listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has time-outs");
    let mut frame = Vec::new();
    frame.extend((8 + 2 + body.len() as u32).to_be_bytes());
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(1i32.to_be_bytes());
    frame.extend((-1i16).to_be_bytes());
    frame.extend(body);
    stream.write_all(&frame).expect("the broker reads");
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut answer).expect("an answer");
    answer.split_off(4)
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// AlterReplicaLogDirs for one partition; the error.
fn alter(broker: &Broker, topic: &str, partition: i32, dir: &Path) -> i16 {
    let one = 1i32.to_be_bytes();
    let path = text(&dir.display().to_string());
    let body = [&one[..], &path, &one, &text(topic), &one, &partition.to_be_bytes()].concat();
    let answer = ask(broker, 34, 1, &body);
    // Throttle time, one topic, its name, one partition, its number; then the error.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    i16::from_be_bytes(answer[at..at + 2].try_into().expect("two bytes"))
}

/// A replica as DescribeLogDirs tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    dir: String,
    topic: String,
    partition: i32,
    size: i64,
    lag: i64,
    is_future: bool,
}

fn describe(broker: &Broker) -> Vec<Described> {
    let answer = ask(broker, 35, 1, &(-1i32).to_be_bytes());
    let mut at = 4;
    let mut take = |len: usize| {
        at += len;
        answer[at - len..at].to_vec()
    };
    let int = |bytes: Vec<u8>| i32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let long = |bytes: Vec<u8>| i64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    let short = |bytes: Vec<u8>| i16::from_be_bytes(bytes.try_into().expect("two bytes"));
    let mut found = Vec::new();
    for _ in 0..int(take(4)) {
        assert_eq!(short(take(2)), 0, "a directory is offline");
        let len = short(take(2)) as usize;
        let dir = String::from_utf8(take(len)).expect("a path");
        for _ in 0..int(take(4)) {
            let len = short(take(2)) as usize;
            let topic = String::from_utf8(take(len)).expect("a name");
            for _ in 0..int(take(4)) {
                found.push(Described {
                    dir: dir.clone(),
                    topic: topic.clone(),
                    partition: int(take(4)),
                    size: long(take(8)),
                    lag: long(take(8)),
                    is_future: take(1) == [1],
                });
            }
        }
    }
    found
}

fn where_is(broker: &Broker, partition: i32) -> Vec<Described> {
    describe(broker).into_iter().filter(|one| one.topic == TOPIC && one.partition == partition).collect()
}

/// The names in a directory that speak of a partition.
fn names(dir: &Path, partition: i32) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("is there").map(|entry| entry.expect("an entry").file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    let wanted = format!("{TOPIC}-{partition}");
    names.filter(|name| *name == wanted || name.starts_with(&format!("{wanted}."))).collect()
}

/// Sends the records `from` to `to`, several under way at once; all are acknowledged.
fn load(broker: &Broker, partition: i32, from: u64, to: u64) {
    let recorder = Recorder::default();
    let client = producer(broker, &recorder);
    send(&client, &recorder, partition, from..to);
}

fn assert_arrives(two: &TwoDirs, partition: i32, to: &Path) {
    let moved = || {
        let found = where_is(&two.broker, partition);
        found.len() == 1 && !found[0].is_future && Path::new(&found[0].dir) == to
    };
    assert!(wait_until(Duration::from_mins(1), moved), "{:?}\n{}", where_is(&two.broker, partition), two.output());
}

fn assert_moved(two: &TwoDirs, partition: i32, to: &Path, from: &Path) {
    assert_arrives(two, partition, to);
    assert_eq!(names(to, partition), [format!("{TOPIC}-{partition}")]);
    let left = names(from, partition);
    assert!(left.iter().all(|name| name.ends_with("-delete")), "{left:?}");
}

const LIMIT: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// Limits all moves.
fn limit(two: &TwoDirs, bytes_per_second: u64) {
    let args = format!(
        "--alter --entity-type brokers --entity-name 0 --add-config {LIMIT}={bytes_per_second} --bootstrap-server {}",
        two.broker.address()
    );
    let set = Tools(Kind::Ours).run("kafka-configs", &args);
    assert_eq!(set.code, 0, "{}{}", set.stdout, set.stderr);
}

/// Limits all moves, while the broker is away.
fn limit_from_the_start(two: &TwoDirs, bytes_per_second: u64) {
    let mut session = RawZk::connect(two.zookeeper.port()).expect("a session");
    let data = format!("{{\"version\":1,\"config\":{{\"{LIMIT}\":\"{bytes_per_second}\"}}}}");
    session.set("/config/brokers/0", data.as_bytes()).expect("the server answers");
}

#[test]
fn a_replica_moves_while_it_is_written_to() {
    let mut two = TwoDirs::start("move-under-load");
    let (d0, d1) = (two.dir.join("d0"), two.dir.join("d1"));
    let partition = two.partition_in("d0");
    load(&two.broker, partition, 0, 500);
    assert_eq!(alter(&two.broker, TOPIC, partition, Path::new("/nowhere")), LOG_DIR_NOT_FOUND);
    assert_eq!(alter(&two.broker, TOPIC, partition, &d0), 0, "it is there already");
    assert!(names(&d1, partition).is_empty());
    assert_eq!(alter(&two.broker, TOPIC, partition, &d1), 0);
    load(&two.broker, partition, 500, 1500);
    assert_moved(&two, partition, &d1, &d0);
    load(&two.broker, partition, 1500, 1600);
    let expected: Vec<u64> = (0..1600).collect();
    assert_eq!(values_in(&two.broker, partition, expected.len()), expected);
    // And back, after a start, from what was moved.
    two.broker.stop();
    two.broker.run();
    assert_eq!(values_in(&two.broker, partition, expected.len()), expected);
    assert_eq!(alter(&two.broker, TOPIC, partition, &d0), 0);
    assert_moved(&two, partition, &d0, &d1);
    two.broker.kill();
    two.broker.run();
    assert_eq!(values_in(&two.broker, partition, expected.len()), expected);
}

#[test]
fn a_partition_that_is_not_there_yet_is_made_where_it_is_wanted() {
    let two = TwoDirs::start("move-before-it-is-made");
    for (topic, dir) in [("first", "d1"), ("second", "d1"), ("third", "d1")] {
        assert_eq!(alter(&two.broker, topic, 0, &two.dir.join(dir)), REPLICA_NOT_AVAILABLE);
        let to = format!("--bootstrap-server {}", two.broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &format!("--create --topic {topic} --partitions 1 {to}"));
        assert_eq!(created.code, 0, "{}{}", created.stdout, created.stderr);
        assert!(two.dir.join(dir).join(format!("{topic}-0")).is_dir(), "{topic}");
    }
}

#[test]
fn a_move_goes_on_after_a_kill_and_can_be_given_up() {
    let mut two = TwoDirs::start("move-killed");
    let (d0, d1) = (two.dir.join("d0"), two.dir.join("d1"));
    let partition = two.partition_in("d0");
    load(&two.broker, partition, 0, 2_000);
    limit(&two, 1_000);
    assert_eq!(alter(&two.broker, TOPIC, partition, &d1), 0);
    let on_its_way = |two: &TwoDirs| {
        let found = where_is(&two.broker, partition);
        found.len() == 2 && found.iter().any(|one| one.is_future && Path::new(&one.dir) == d1)
    };
    assert!(wait_until(Duration::from_mins(1), || on_its_way(&two)), "{:?}", where_is(&two.broker, partition));
    // The second request takes the first one back.
    assert_eq!(alter(&two.broker, TOPIC, partition, &d0), 0);
    assert_eq!(where_is(&two.broker, partition).len(), 1);
    assert!(names(&d1, partition).iter().all(|name| name.ends_with("-delete")), "{:?}", names(&d1, partition));

    assert_eq!(alter(&two.broker, TOPIC, partition, &d1), 0);
    load(&two.broker, partition, 2_000, 2_100);
    assert!(wait_until(Duration::from_mins(1), || on_its_way(&two)), "{:?}", where_is(&two.broker, partition));
    two.broker.kill();
    assert!(names(&d1, partition).iter().any(|name| name.ends_with("-future")));
    limit_from_the_start(&two, 100_000_000);
    two.broker.run();
    assert_moved(&two, partition, &d1, &d0);
    let all: Vec<u64> = (0..2_100).collect();
    assert_eq!(values_in(&two.broker, partition, all.len()), all);
}

#[test]
fn a_move_is_as_slow_as_it_has_to_be_and_as_fast_as_it_may_be_at_once() {
    let two = TwoDirs::start("move-throttled");
    let (d0, d1) = (two.dir.join("d0"), two.dir.join("d1"));
    let partition = two.partition_in("d0");
    // A batch is copied whole, so it takes many.
    for from in (0..3_000).step_by(100) {
        load(&two.broker, partition, from, from + 100);
    }
    // At a byte a second it would take days.
    limit(&two, 1);
    assert_eq!(alter(&two.broker, TOPIC, partition, &d1), 0);
    let copied = || where_is(&two.broker, partition).iter().find(|one| one.is_future).map(|one| one.size);
    assert!(wait_until(Duration::from_mins(1), || copied() > Some(0)), "{:?}", where_is(&two.broker, partition));
    limit(&two, 1 << 30);
    assert_arrives(&two, partition, &d1);
    if full() {
        takes_its_time(&two, partition, &d0);
    }
    let all: Vec<u64> = (0..3_000).collect();
    assert_eq!(values_in(&two.broker, partition, all.len()), all);
}

fn takes_its_time(two: &TwoDirs, partition: i32, to: &Path) {
    let size = where_is(&two.broker, partition)[0].size as u64;
    let seconds = 3;
    limit(two, size / seconds);
    let begun = Instant::now();
    assert_eq!(alter(&two.broker, TOPIC, partition, to), 0);
    assert_arrives(two, partition, to);
    // Of what is too much for a second, one step of it comes at once.
    assert!(begun.elapsed() >= Duration::from_secs(seconds - 2), "{:?} for {size} bytes", begun.elapsed());
}

#[test]
fn of_two_logs_that_a_crash_left_the_one_with_all_records_stays() {
    let mut two = TwoDirs::start("move-crashed");
    let (d0, d1) = (two.dir.join("d0"), two.dir.join("d1"));
    let partition = two.partition_in("d0");
    let name = format!("{TOPIC}-{partition}");
    load(&two.broker, partition, 0, 10);
    two.broker.stop();
    fs::create_dir(d1.join(&name)).expect("the test's directory can be written");
    for file in fs::read_dir(d0.join(&name)).expect("is there") {
        let file = file.expect("an entry");
        fs::copy(file.path(), d1.join(&name).join(file.file_name())).expect("the test's directory can be written");
    }
    // Without its marker a directory's logs are looked at, whatever the checkpoints say of them.
    fs::remove_file(d1.join(".kafka_cleanshutdown")).expect("it was stopped in order");
    two.broker.run();
    assert!(two.output().contains("Duplicate log directories for"), "{}", two.output());
    load(&two.broker, partition, 10, 20);
    let expected: Vec<u64> = (0..20).collect();
    assert_eq!(values_in(&two.broker, partition, expected.len()), expected);
    let there = [&d0, &d1].map(|dir| names(dir, partition).contains(&name));
    assert_eq!(there.iter().filter(|there| **there).count(), 1, "{there:?}");
}
