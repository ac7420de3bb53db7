//! Transactions that something comes between: kills, fencing, silence. What is committed is there once, what is aborted
//! is seen by nobody who asks for committed records, and nothing stays open.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tests::{
    Apache, Broker, JvmPermit, Kind, RawBatch, RawKafka, Running, TempDir, Tools, ZooKeeper, batch_positions, full,
    wait_until,
};

const PATIENCE: Duration = Duration::from_mins(1);
/// What clients wait for an answer that needs the broker's coordinators.
const ANSWER: Duration = Duration::from_secs(30);

struct Site {
    broker: Broker,
    _zookeeper: ZooKeeper,
    dir: TempDir,
}

impl Site {
    fn new(name: &str, settings: &str) -> Site {
        let dir = TempDir::new(name);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let broker = Broker::start_for_old_records(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), settings);
        Site { broker, _zookeeper: zookeeper, dir }
    }

    fn create(&self, topic: &str) {
        let server = self.broker.address();
        let created = Tools(Kind::Ours)
            .run("kafka-topics", &format!("--create --topic {topic} --partitions 1 --bootstrap-server {server}"));
        assert_eq!(created.code, 0, "{}{}", created.stdout, created.stderr);
    }

    /// A producer that is ready to begin.
    fn producer(&self, id: &str, timeout_ms: u32) -> Result<BaseProducer, KafkaError> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.address())
            .set("transactional.id", id)
            .set("transaction.timeout.ms", timeout_ms.to_string())
            .set("reconnect.backoff.max.ms", "200")
            .create()?;
        producer.init_transactions(ANSWER)?;
        Ok(producer)
    }

    /// What a reader finds who stops at the end that it is told of.
    fn read(&self, topic: &str, isolation: &str) -> Vec<String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.address())
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer");
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, 0, Offset::Beginning).expect("a partition");
        consumer.assign(&assignment).expect("assigned");
        let (mut values, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            assert!(Instant::now() < deadline, "{} records and no end of {topic}", values.len());
            match consumer.poll(Duration::from_millis(500)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return values,
                Some(Err(error)) => panic!("{error}"),
                Some(Ok(message)) => {
                    values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
                }
            }
        }
    }

    fn committed(&self, topic: &str) -> Vec<String> {
        self.read(topic, "read_committed")
    }

    fn all(&self, topic: &str) -> Vec<String> {
        self.read(topic, "read_uncommitted")
    }

    /// The one partition of `__transaction_state` that has something in it.
    fn transaction_log(&self) -> PathBuf {
        let dirs =
            fs::read_dir(self.broker.data()).expect("can be listed").map(|entry| entry.expect("an entry").path());
        let mut logs = dirs
            .filter(|dir| {
                dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("__transaction_state-"))
            })
            .map(|dir| dir.join("00000000000000000000.log"))
            .filter(|log| fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0));
        logs.next().expect("somebody has begun a transaction")
    }
}

fn send(producer: &BaseProducer, topic: &str, values: &[&str]) {
    for value in values {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload(value);
        producer.send(record).expect("there is room for a few records");
    }
    producer.flush(ANSWER).expect("delivered");
}

fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    }
}

#[test]
fn what_a_copier_moves_is_there_once_while_the_broker_is_killed() {
    let (records, kills) = if full() { (100_000, 10) } else { (10_000, 3) };
    let _permit = JvmPermit::take();
    let mut site = Site::new("copier", "");
    site.create("from");
    site.create("to");
    let input: Vec<String> = (0..records).map(|number| number.to_string()).collect();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", site.broker.address())
        .set("enable.idempotence", "true")
        .create()
        .expect("a producer");
    for value in &input {
        let mut next = BaseRecord::<(), str>::to("from").partition(0).payload(value);
        while let Err((_, unsent)) = producer.send(next) {
            next = unsent;
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(PATIENCE).expect("delivered");

    let mut command =
        Apache::get().java("org.apache.kafka.tools.TransactionalMessageCopier", "-Xmx256m", "tools.log4j");
    command.args(["--broker-list", &site.broker.address(), "--input-topic", "from", "--input-partition", "0"]);
    command.args(["--output-topic", "to", "--transactional-id", "copier", "--consumer-group", "copiers"]);
    command.args(["--transaction-size", "25", "--use-group-metadata", "--enable-random-aborts"]);
    command.args(["--max-messages", &records.to_string()]);
    let mut copier = Running::start(command, &site.dir.join("copier.out"));
    for kill in 1..=kills {
        let mark = records * kill / (kills + 1);
        let came = wait_until(Duration::from_mins(3), || progress(&copier.output()) >= mark);
        assert!(came, "{mark} records were not copied:\n{}", end_of(&copier.output()));
        site.broker.kill();
        site.broker.run();
    }
    let status = copier.wait(Duration::from_mins(5));
    assert!(status.success(), "{}", end_of(&copier.output()));

    let committed = site.committed("to");
    let first_wrong = committed.iter().zip(&input).position(|(found, wanted)| found != wanted);
    assert_eq!((committed.len(), first_wrong), (input.len(), None), "{}", end_of(&copier.output()));
    let all = site.all("to");
    assert!(all.len() > committed.len(), "nothing was aborted, so nothing was shown");
    // What was aborted and what was committed, each record as often as it was written.
    let mut seen = all.clone();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), input.len(), "a reader of everything must see each value");
}

/// How far the copier says that it is.
fn progress(output: &str) -> usize {
    let last = output.rsplit("\"totalProcessed\":").next().filter(|_| output.contains("totalProcessed"));
    let digits = last.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn end_of(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

#[test]
fn of_two_producers_of_one_name_the_older_is_fenced() {
    let site = Site::new("fenced", "");
    site.create("t");
    let first = site.producer("twice", 60_000).expect("ready");
    first.begin_transaction().expect("begun");
    send(&first, "t", &["lost"]);
    let second = site.producer("twice", 60_000).expect("ready, when the transaction of the first is aborted");
    let fenced = first.commit_transaction(ANSWER).expect_err("it is fenced");
    let code = code_of(&fenced);
    assert!(
        matches!(
            code,
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::InvalidProducerEpoch | RDKafkaErrorCode::ProducerFenced)
        ),
        "{fenced:?}"
    );
    second.begin_transaction().expect("begun");
    send(&second, "t", &["kept"]);
    second.commit_transaction(ANSWER).expect("committed");
    assert_eq!(site.committed("t"), ["kept"]);
    assert_eq!(site.all("t"), ["lost", "kept"]);
}

#[test]
fn a_transaction_whose_producer_is_gone_is_aborted_in_time() {
    let site = Site::new("gone", "transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n");
    site.create("t");
    let gone = site.producer("gone", 8_000).expect("ready");
    gone.begin_transaction().expect("begun");
    send(&gone, "t", &["never"]);
    let other = site.producer("other", 60_000).expect("ready");
    other.begin_transaction().expect("begun");
    send(&other, "t", &["later"]);
    other.commit_transaction(ANSWER).expect("committed");
    // Committed, and yet behind a transaction of which nobody knows how it will end.
    assert_eq!(site.committed("t"), Vec::<String>::new());
    assert_eq!(site.all("t"), ["never", "later"]);
    std::mem::forget(gone);
    assert!(wait_until(PATIENCE, || site.committed("t") == ["later"]), "it is still open");
    assert_eq!(site.all("t"), ["never", "later"]);
}

#[test]
fn what_was_decided_before_a_kill_is_carried_out_after_it() {
    for (status, wanted) in [(2, vec!["in doubt"]), (3, vec![])] {
        let mut site = Site::new("decided", "");
        site.create("t");
        let producer = site.producer("decided", 600_000).expect("ready");
        producer.begin_transaction().expect("begun");
        send(&producer, "t", &["in doubt"]);
        site.broker.kill();
        std::mem::forget(producer);
        decide(&site.transaction_log(), "decided", status);
        site.broker.run();
        let done = wait_until(PATIENCE, || site.committed("t") == wanted && site.is_closed("t"));
        assert!(done, "status {status}: {:?}", site.committed("t"));
        assert_eq!(site.all("t"), ["in doubt"]);
        // And that is the end of it: the next one of this name may begin.
        let next = site.producer("decided", 60_000).expect("ready");
        next.begin_transaction().expect("begun");
        send(&next, "t", &["next"]);
        next.commit_transaction(ANSWER).expect("committed");
        assert_eq!(site.committed("t"), [&wanted[..], &["next"]].concat());
    }
}

impl Site {
    /// Can everything be read by whoever asks for committed records? By the ends that both kinds of readers are told.
    fn is_closed(&self, topic: &str) -> bool {
        let segment = fs::read(self.broker.data().join(format!("{topic}-0/00000000000000000000.log"))).expect("a log");
        // Bit 5 of the attributes of the last batch: a marker.
        batch_positions(&segment).last().is_some_and(|(at, _)| segment[at + 22] & 0b10_0000 != 0)
    }
}

/// Appends by hand what a coordinator writes when it has decided: the last record of the log in another state.
fn decide(log: &std::path::Path, id: &str, status: u8) {
    let segment = fs::read(log).expect("a log");
    let (at, offset) = *batch_positions(&segment).last().expect("a batch");
    let last = &segment[at..];
    let name = last.windows(id.len()).position(|window| window == id.as_bytes()).expect("the key");
    // Two bytes of version and two of length before the name; behind it the length of the value and the value, which
    // begins with its version, ends with two times, and is followed by the number of headers.
    let key = last[name - 4..name + id.len()].to_vec();
    let after_key = name + id.len();
    let length_bytes = 1 + usize::from(last[after_key] & 0x80 != 0);
    let mut value = last[after_key + length_bytes..last.len() - 1].to_vec();
    assert_eq!(value[16], 1, "the transaction is open");
    value[16] = status;
    let mut batch = RawBatch::of(1_700_000_000_000, &[]);
    (batch.base, batch.leader_epoch, batch.records) = (offset + 1, 0, vec![(Some(key), Some(value))]);
    let file = OpenOptions::new().write(true).open(log).expect("opens");
    file.write_all_at(&batch.bytes(), segment.len() as u64).expect("written");
}

#[test]
fn a_batch_that_is_sent_again_after_a_restart_is_known() {
    let mut site = Site::new("again", "");
    site.create("t");
    // Producers are remembered for a day after their last record.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let mut batch = RawBatch::of(now as i64, &["a", "b"]);
    let produce = |site: &Site, batch: &RawBatch| {
        let mut connection = RawKafka::connect(site.broker.port()).expect("connects");
        let mut answer = (-1, -1);
        // It has started before it knows its topics and what it leads.
        let leads = wait_until(PATIENCE, || {
            answer = connection.produce("t", 0, &batch.bytes()).expect("answers");
            !matches!(answer.0, 3 | 6)
        });
        assert!(leads, "{answer:?}");
        answer
    };
    batch.producer = (900_000, 0, 0);
    assert_eq!(produce(&site, &batch), (0, 0));
    for stop in [Broker::stop, Broker::kill] {
        stop(&mut site.broker);
        site.broker.run();
        assert_eq!(produce(&site, &batch), (0, 0), "the old offset, and nothing written");
        batch.producer.2 = 7;
        let out_of_order = 45;
        assert_eq!(produce(&site, &batch).0, out_of_order);
        batch.producer.2 = 0;
    }
    batch.producer.2 = 2;
    assert_eq!(produce(&site, &batch), (0, 2));
    assert_eq!(site.all("t"), ["a", "b", "a", "b"]);
}
