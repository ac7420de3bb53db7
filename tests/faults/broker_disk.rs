//! The broker and its disks: one of two directories that fails while it runs or at its start, no space, a sync that
//! fails, directories of others, many partitions, a stop under load.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};
use tests::{Broker, Kind, TempDir, Tools, ZooKeeper, ensure_program, full, wait_until};

pub(crate) const TOPIC: &str = "t";

/// Records that were acknowledged: partition and value.
type Acknowledged = Arc<Mutex<Vec<(i32, u64)>>>;

/// Writes down what is acknowledged, and the last refusal.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    acknowledged: Acknowledged,
    refused: Arc<Mutex<Option<RDKafkaErrorCode>>>,
}

impl ClientContext for Recorder {}

impl ProducerContext for Recorder {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, value: Box<u64>) {
        match result {
            Ok(message) => self.acknowledged.lock().expect("nobody panicked").push((message.partition(), *value)),
            Err((error, _)) => *self.refused.lock().expect("nobody panicked") = error.rdkafka_error_code(),
        }
    }
}

/// A producer that never tries again: what the broker says is what comes out.
pub(crate) fn producer(broker: &Broker, recorder: &Recorder) -> BaseProducer<Recorder> {
    producer_within(broker, recorder, Duration::from_secs(20))
}

fn producer_within(broker: &Broker, recorder: &Recorder, patience: Duration) -> BaseProducer<Recorder> {
    ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("retries", "0")
        .set("linger.ms", "0")
        .set("message.timeout.ms", patience.as_millis().to_string())
        .create_with_context(recorder.clone())
        .expect("a producer")
}

/// Sends one record and waits for what becomes of it; the refusal, if it was one.
pub(crate) fn send_one(
    producer: &BaseProducer<Recorder>,
    recorder: &Recorder,
    partition: i32,
    value: u64,
) -> Option<RDKafkaErrorCode> {
    *recorder.refused.lock().expect("nobody panicked") = None;
    let text = value.to_string();
    let record = BaseRecord::<[u8], [u8], Box<u64>>::with_opaque_to(TOPIC, Box::new(value));
    producer
        .send(record.partition(partition).payload(text.as_bytes()))
        .map_err(|(error, _)| error)
        .expect("there is room");
    producer.flush(Duration::from_secs(30)).expect("an answer comes");
    *recorder.refused.lock().expect("nobody panicked")
}

/// Sends records, several under way at once; all are acknowledged.
pub(crate) fn send(
    producer: &BaseProducer<Recorder>,
    recorder: &Recorder,
    partition: i32,
    values: std::ops::Range<u64>,
) {
    let before = recorder.acknowledged.lock().expect("nobody panicked").len();
    let count = (values.end - values.start) as usize;
    for value in values {
        let text = value.to_string();
        let record = BaseRecord::<[u8], [u8], Box<u64>>::with_opaque_to(TOPIC, Box::new(value));
        producer
            .send(record.partition(partition).payload(text.as_bytes()))
            .map_err(|(error, _)| error)
            .expect("there is room");
    }
    producer.flush(Duration::from_secs(30)).expect("an answer comes");
    let acknowledged = recorder.acknowledged.lock().expect("nobody panicked").len() - before;
    assert_eq!(acknowledged, count, "{:?}", recorder.refused.lock().expect("nobody panicked"));
}

/// Leaders by partition; `None`: nobody leads it.
fn leaders(broker: &Broker) -> Vec<Option<i32>> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", broker.address()).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(TOPIC), Duration::from_mins(1)).expect("the broker answers");
    let topic = metadata.topics().first().expect("what was asked for");
    let mut leaders: Vec<(i32, i32)> = topic.partitions().iter().map(|one| (one.id(), one.leader())).collect();
    leaders.sort_unstable();
    leaders.into_iter().map(|(_, leader)| Some(leader).filter(|leader| *leader >= 0)).collect()
}

pub(crate) fn values_in(broker: &Broker, partition: i32, count: usize) -> Vec<u64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("group.id", "check")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("an offset");
    consumer.assign(&assignment).expect("is assigned");
    let (mut values, deadline) = (Vec::new(), Instant::now() + Duration::from_mins(1));
    while values.len() < count {
        assert!(Instant::now() < deadline, "partition {partition}: {} of {count} records came", values.len());
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let text = String::from_utf8_lossy(message.payload().expect("a value")).into_owned();
            values.push(text.parse().expect("a number"));
        }
    }
    values
}

/// Everything acknowledged is there, in order, and read to the end nothing else is, but records of unknown outcome.
fn assert_all_there(broker: &Broker, acknowledged: &Acknowledged) {
    let acknowledged = acknowledged.lock().expect("nobody panicked").clone();
    for partition in 0..2 {
        let expected: Vec<u64> =
            acknowledged.iter().filter(|(at, _)| *at == partition).map(|(_, value)| *value).collect();
        let found = values_in(broker, partition, expected.len());
        assert_eq!(found, expected, "partition {partition}");
    }
}

fn create(broker: &Broker, partitions: usize) {
    let to = format!("--bootstrap-server {}", broker.address());
    let created =
        Tools(Kind::Ours).run("kafka-topics", &format!("--create --topic {TOPIC} --partitions {partitions} {to}"));
    assert_eq!(created.code, 0, "{}{}", created.stdout, created.stderr);
}

/// A broker with two directories, and a topic with a partition in each.
pub(crate) struct TwoDirs {
    pub(crate) dir: TempDir,
    pub(crate) zookeeper: ZooKeeper,
    pub(crate) broker: Broker,
}

impl TwoDirs {
    pub(crate) fn start(name: &str) -> TwoDirs {
        let dir = TempDir::new(name);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let dirs = format!("log.dirs={},{}", dir.join("d0").display(), dir.join("d1").display());
        let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), &dirs);
        create(&broker, 2);
        TwoDirs { dir, zookeeper, broker }
    }

    /// The partition whose log lies in a directory.
    pub(crate) fn partition_in(&self, dir: &str) -> i32 {
        let there = |partition: &i32| self.dir.join(dir).join(format!("{TOPIC}-{partition}")).is_dir();
        let found: Vec<i32> = (0..2).filter(there).collect();
        assert_eq!(found.len(), 1, "new partitions go where the fewest are");
        found[0]
    }

    fn log_of(&self, dir: &str, partition: i32) -> PathBuf {
        self.dir.join(dir).join(format!("{TOPIC}-{partition}/00000000000000000000.log"))
    }

    /// From the next start on calls of this kind on a file fail.
    fn fail_calls(&mut self, file: &Path, calls: &str, inject: &str) -> PathBuf {
        let trace = self.dir.join("trace");
        let words = [
            "strace".to_owned(),
            "-f".to_owned(),
            "-qq".to_owned(),
            "-o".to_owned(),
            trace.display().to_string(),
            "-P".to_owned(),
            file.display().to_string(),
            "-e".to_owned(),
            format!("trace={calls}"),
            "-e".to_owned(),
            format!("inject={calls}:{inject}"),
        ];
        self.broker.run_under(&words.iter().map(String::as_str).collect::<Vec<_>>());
        trace
    }

    /// Stops the broker under strace, which keeps signals to itself.
    fn stop_traced(&mut self) {
        let strace = self.broker.process().id();
        let children = fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).expect("strace runs");
        let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the broker runs");
        let pid = rustix::process::Pid::from_raw(pid).expect("no process has the number 0");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.broker.process().wait(Duration::from_mins(1));
        self.broker.stop();
        self.broker.run_under(&[]);
    }

    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.broker.log()).expect("the log")
    }

    /// The directory `d1` has failed: its partition is offline and refused, the other one is served.
    fn assert_one_failed(&mut self, good: i32, bad: i32) {
        let gone = || leaders(&self.broker)[bad as usize].is_none();
        assert!(wait_until(Duration::from_mins(1), gone), "the controller did not hear of it:\n{}", self.output());
        assert_eq!(leaders(&self.broker)[good as usize], Some(0));
        let dir = self.dir.join("d1").display().to_string();
        for text in [
            format!("Stopping serving replicas in dir {dir}"),
            format!("Stopping serving logs in dir {dir}"),
            format!("Stopped serving replicas in dir {dir}"),
        ] {
            let told = wait_until(Duration::from_mins(1), || self.output().contains(&text));
            assert!(told, "{text}:\n{}", self.output());
        }
        let output = self.output();
        assert_eq!(
            output
                .matches(&format!("in dir {dir} (org.apache.kafka.storage.internals.log.LogDirFailureChannel)"))
                .count(),
            1,
            "told once:\n{output}"
        );
        assert_eq!(self.broker.process().ended(), None, "the other directory is served");
    }
}

#[test]
fn a_full_disk_takes_its_directory_offline_and_nothing_else() {
    ensure_program("strace", "strace");
    let mut two = TwoDirs::start("disk-full");
    let (good, bad) = (two.partition_in("d0"), two.partition_in("d1"));
    let recorder = Recorder::default();
    let before = producer(&two.broker, &recorder);
    for value in 0..10 {
        assert_eq!(send_one(&before, &recorder, (value % 2) as i32, value), None);
    }
    drop(before);
    two.broker.stop();
    let log = two.log_of("d1", bad);
    two.fail_calls(&log, "pwritev,pwrite64", "error=ENOSPC:when=3+");
    two.broker.run();
    let later = producer(&two.broker, &recorder);
    let refusal = (10..20).find_map(|value| send_one(&later, &recorder, bad, value));
    assert_eq!(refusal, Some(RDKafkaErrorCode::KafkaStorageError), "{}", two.output());
    for value in 20..30 {
        assert_eq!(send_one(&later, &recorder, good, value), None);
    }
    drop(later);
    two.assert_one_failed(good, bad);

    two.stop_traced();
    two.broker.run();
    assert!(wait_until(Duration::from_mins(1), || leaders(&two.broker) == [Some(0), Some(0)]));
    assert_all_there(&two.broker, &recorder.acknowledged);
}

#[test]
fn a_sync_that_failed_is_not_tried_again() {
    ensure_program("strace", "strace");
    let mut two = TwoDirs::start("sync-fails-broker");
    let (good, bad) = (two.partition_in("d0"), two.partition_in("d1"));
    two.broker.stop();
    let log = two.log_of("d1", bad);
    let trace = two.fail_calls(&log, "fdatasync,fsync", "error=EIO");
    two.broker.run();
    let recorder = Recorder::default();
    let client = producer(&two.broker, &recorder);
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut value = 0;
    while send_one(&client, &recorder, bad, value).is_none() {
        assert!(Instant::now() < deadline, "the sync never failed:\n{}", two.output());
        value += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let refused = *recorder.refused.lock().expect("nobody panicked");
    assert!(
        matches!(refused, Some(RDKafkaErrorCode::KafkaStorageError | RDKafkaErrorCode::NotLeaderForPartition)),
        "{refused:?}"
    );
    assert_eq!(send_one(&client, &recorder, good, 1000), None);
    drop(client);
    two.assert_one_failed(good, bad);
    two.stop_traced();
    let failed = fs::read_to_string(&trace).expect("the trace").matches("EIO").count();
    assert_eq!(failed, 1, "a failed sync says nothing of what is on the disk, and neither does a second one");
}

#[test]
fn a_directory_that_is_gone_at_the_start_leaves_the_other_one_serving() {
    let mut two = TwoDirs::start("dir-gone");
    let (good, bad) = (two.partition_in("d0"), two.partition_in("d1"));
    let recorder = Recorder::default();
    let client = producer(&two.broker, &recorder);
    for value in 0..10 {
        assert_eq!(send_one(&client, &recorder, (value % 2) as i32, value), None);
    }
    drop(client);
    two.broker.stop();
    let (d1, away) = (two.dir.join("d1"), two.dir.join("away"));
    fs::rename(&d1, &away).expect("the test's directory can be written");
    fs::write(&d1, "no directory").expect("the test's directory can be written");
    two.broker.run();
    assert!(two.output().contains("Failed to create or validate data directory"), "{}", two.output());
    let served = || leaders(&two.broker)[good as usize] == Some(0) && leaders(&two.broker)[bad as usize].is_none();
    assert!(wait_until(Duration::from_mins(1), served), "{:?}:\n{}", leaders(&two.broker), two.output());
    assert!(
        !two.dir.join("d0").join(format!("{TOPIC}-{bad}")).exists(),
        "an empty log in its place would lose records"
    );
    let client = producer(&two.broker, &recorder);
    assert_eq!(send_one(&client, &recorder, good, 10), None);
    drop(client);

    two.broker.stop();
    fs::remove_file(&d1).expect("it was made above");
    fs::rename(&away, &d1).expect("the test's directory can be written");
    two.broker.run();
    assert!(wait_until(Duration::from_mins(1), || leaders(&two.broker) == [Some(0), Some(0)]), "{}", two.output());
    assert_all_there(&two.broker, &recorder.acknowledged);
}

#[test]
fn a_directory_of_another_cluster_or_broker_is_refused() {
    let dir = TempDir::new("foreign-dir");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    broker.stop();
    let meta = broker.data().join("meta.properties");
    let own = fs::read_to_string(&meta).expect("the broker wrote it");
    let changed = |key: &str, value: &str| {
        let line = |line: &str| if line.starts_with(key) { format!("{key}={value}\n") } else { format!("{line}\n") };
        own.lines().map(line).collect::<String>()
    };
    for (key, value, reason) in [
        ("cluster.id", "YprXeFJVQIeorgJIOYtWQg", "but read YprXeFJVQIeorgJIOYtWQg"),
        ("broker.id", "7", "Stored node id 7 doesn't match previous node id 0"),
    ] {
        fs::write(&meta, changed(key, value)).expect("the test's directory can be written");
        let (code, output) = broker.fail_to_run();
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains(reason), "{output}");
        assert_eq!(fs::read_to_string(&meta).expect("is there"), changed(key, value), "what it says is not touched");
    }
    fs::write(&meta, own).expect("the test's directory can be written");
    broker.run();
}

#[test]
fn a_data_directory_has_one_broker() {
    let dir = TempDir::new("two-brokers");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let first = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let settings = format!("broker.id=1\nlog.dirs={}", first.data().display());
    let mut second = Broker::configured(Kind::Ours, &dir.join("second"), &zookeeper.address(), &settings);
    let (code, output) = second.fail_to_run();
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("Failed to acquire lock on file .lock in"), "{output}");
    create(&first, 2);
    let recorder = Recorder::default();
    assert_eq!(send_one(&producer(&first, &recorder), &recorder, 1, 5), None, "the first one goes on");
}

#[test]
fn a_stop_under_full_load_is_clean() {
    let dir = TempDir::new("broker-stop-under-load");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    create(&broker, 2);
    let acknowledged = Acknowledged::default();
    for round in 0..if full() { 10 } else { 2 } {
        let recorder = Recorder { acknowledged: acknowledged.clone(), ..Recorder::default() };
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let client = producer(&broker, &recorder);
            let over = &over;
            scope.spawn(move || {
                let mut value = round * 1_000_000_000;
                while !over.load(Ordering::Relaxed) {
                    let (partition, text) = ((value % 2) as i32, value.to_string());
                    let record = BaseRecord::<[u8], [u8], Box<u64>>::with_opaque_to(TOPIC, Box::new(value));
                    match client.send(record.partition(partition).payload(text.as_bytes())) {
                        Ok(()) => value += 1,
                        Err(_) => {
                            client.poll(Duration::from_millis(1));
                        }
                    }
                }
                client.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
                client.poll(Duration::from_millis(100));
            });
            let before = acknowledged.lock().expect("nobody panicked").len();
            let enough = || acknowledged.lock().expect("nobody panicked").len() > before + 20_000;
            assert!(wait_until(Duration::from_mins(1), enough), "the load is too thin");
            let begin = Instant::now();
            broker.stop();
            assert!(begin.elapsed() < Duration::from_secs(30), "the stop took {:?}", begin.elapsed());
            over.store(true, Ordering::Relaxed);
        });
        let already = fs::read_to_string(broker.log()).expect("the log").len();
        broker.run();
        let output = fs::read_to_string(broker.log()).expect("the log")[already..].to_owned();
        assert!(output.contains("since clean shutdown file was found"), "{output}");
        assert!(!output.contains("Recovering unflushed segment"), "{output}");
    }
    let acknowledged = acknowledged.lock().expect("nobody panicked").clone();
    for partition in 0..2 {
        let expected: Vec<u64> =
            acknowledged.iter().filter(|(at, _)| *at == partition).map(|(_, value)| *value).collect();
        // Between them may stand what was written and not acknowledged when the broker stopped.
        let mut found = values_in(&broker, partition, expected.len()).into_iter();
        let missing = expected.iter().find(|value| !found.any(|found| found == **value));
        assert!(missing.is_none() || found.len() == 0, "{missing:?} is lost in partition {partition}");
    }
}

#[test]
fn many_partitions_cost_neither_descriptors_nor_time() {
    let count = if full() { 10_000 } else { 1_000 };
    let dir = TempDir::new("many-partitions");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    create(&broker, count);
    let all_led = |broker: &Broker| leaders(broker).iter().flatten().count() == count;
    assert!(wait_until(Duration::from_mins(1), || all_led(&broker)));
    let open = |broker: &mut Broker| broker.process().descriptors();
    assert!(open(&mut broker) < 100, "{} descriptors are open after a topic was made", open(&mut broker));
    send_to_all(&broker, count);
    // Stopped in order, killed, and with fewer descriptors than partitions.
    for stop in [Broker::stop as fn(&mut Broker), Broker::kill] {
        stop(&mut broker);
        broker.run_under(&["prlimit", "--nofile=500"]);
        let begin = Instant::now();
        broker.run();
        let took = begin.elapsed();
        eprintln!("{count} partitions: started after {took:?}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(wait_until(Duration::from_mins(1), || all_led(&broker)), "not all are led again");
        assert!(open(&mut broker) < 100, "{} descriptors are open after a start", open(&mut broker));
        for partition in [0, count / 2, count - 1] {
            assert_eq!(values_in(&broker, partition as i32, 1), [partition as u64]);
        }
    }
    // Not more than Apache's broker has open all the time: that of the active segment, until it is synced.
    broker.stop();
    broker.run_under(&["prlimit", &format!("--nofile={}", count + 500)]);
    broker.run();
    assert!(wait_until(Duration::from_mins(1), || all_led(&broker)), "not all are led again");
    send_to_all(&broker, count);
    let refused = broker.process().output().matches("Too many open files").count();
    assert_eq!(refused, 0, "descriptors were wanting");
    assert_eq!(values_in(&broker, 0, 2), [0, 0]);
}

/// Sends a record to each partition, its number: all at once, and all are acknowledged.
fn send_to_all(broker: &Broker, count: usize) {
    let recorder = Recorder::default();
    // The first record of each partition waits for its directory to be durable: some syncs, ten thousand times.
    let client = producer_within(broker, &recorder, Duration::from_mins(2));
    for partition in 0..count {
        let text = partition.to_string();
        let record = BaseRecord::<[u8], [u8], Box<u64>>::with_opaque_to(TOPIC, Box::new(partition as u64));
        let sent = client.send(record.partition(partition as i32).payload(text.as_bytes()));
        sent.map_err(|(error, _)| error).expect("there is room");
    }
    client.flush(Duration::from_mins(2)).expect("answers come");
    let acknowledged = recorder.acknowledged.lock().expect("nobody panicked").len();
    assert_eq!(acknowledged, count, "{:?}", recorder.refused.lock().expect("nobody panicked"));
}
