//! `kill -9` of both servers under load, each time followed by `./restart.sh`.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tests::{Kind, Lab, RawZk, full, wait_until};

/// What a reader must find: per partition the values in the order of their offsets.
type Acknowledged = Arc<Mutex<Vec<(i32, i64, u64)>>>;

struct Recorder(Acknowledged);

impl ClientContext for Recorder {}

impl ProducerContext for Recorder {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, value: Box<u64>) {
        if let Ok(message) = result {
            self.0.lock().expect("nobody panicked").push((message.partition(), message.offset(), *value));
        }
    }
}

/// The log that the long tier restarts with, and the size of its records.
const HEAVY_BYTES: u64 = 4 << 30;
const HEAVY_RECORD: usize = 64 << 10;
/// What the long tier allows a restart, from the first server's start to a topic that is led.
const READY_MS: u64 = 1000;

#[test]
fn nothing_acknowledged_is_lost_when_both_are_killed() {
    let lab = Lab::new("kill-rounds");
    let first = lab.restart(&[]);
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    let heavy = if full() { fill(&lab) } else { 0 };
    let over = Arc::new(AtomicBool::new(false));
    let records = Acknowledged::default();
    let producer = std::thread::spawn({
        let (server, over, records) = (format!("localhost:{}", lab.broker_port()), over.clone(), records.clone());
        move || produce(&server, &over, &records)
    });
    let made = Arc::new(AtomicUsize::new(0));
    let znodes = std::thread::spawn({
        let (port, over, made) = (lab.zookeeper_port(), over.clone(), made.clone());
        move || create_znodes(port, &over, &made)
    });

    for round in 0..if full() { 20 } else { 4 } {
        std::thread::sleep(Duration::from_millis(1500));
        // On a slow disk that is not long enough for a load.
        let wanted = (round + 1) * 30;
        let loaded =
            || made.load(Ordering::Relaxed) > wanted && records.lock().expect("nobody panicked").len() > wanted * 10;
        assert!(wait_until(Duration::from_mins(3), loaded), "round {round}: the load is too thin");
        lab.kill_both();
        let restarted = lab.restart(&[]);
        assert_eq!(restarted.code, 0, "round {round}: {}{}", restarted.stdout, restarted.stderr);
        let ready = ready_after(&restarted.stdout);
        eprintln!("round {round}: ready after {ready} ms");
        assert!(!full() || ready < READY_MS, "round {round}: {}", restarted.stdout);
    }
    over.store(true, Ordering::Relaxed);
    producer.join().expect("the producer did not panic");
    let created = znodes.join().expect("the writer did not panic");

    let records = records.lock().expect("nobody panicked").clone();
    assert!(records.len() > 1000, "the load was too thin to show anything: {} records", records.len());
    assert!(created.len() > 100, "the load was too thin to show anything: {} znodes", created.len());
    check_records(&format!("localhost:{}", lab.broker_port()), &records);
    if full() {
        assert_eq!(heavy_records(&lab), heavy, "records of the large topic");
    }
    let there: BTreeSet<String> = RawZk::connect(lab.zookeeper_port())
        .and_then(|mut session| session.children("/acknowledged"))
        .expect("the tree can be read")
        .into_iter()
        .collect();
    let lost: Vec<&String> = created.iter().filter(|name| !there.contains(*name)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged znodes are lost: {lost:?}", lost.len(), created.len());
}

/// The number in `Ready after 123 ms: ..`.
fn ready_after(printed: &str) -> u64 {
    let line =
        printed.lines().find_map(|line| line.strip_prefix("Ready after ")).unwrap_or_else(|| panic!("{printed}"));
    line.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

/// Fills a topic of its own; the number of its records.
fn fill(lab: &Lab) -> i64 {
    let created = lab.run(
        Kind::Ours,
        "./kafka-topics.sh --create --topic heavy --partitions 4 --replication-factor 1 --bootstrap-server localhost:9092",
    );
    assert_eq!(created.code, 0, "{}{}", created.stdout, created.stderr);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", format!("localhost:{}", lab.broker_port()))
        .set("enable.idempotence", "true")
        .create()
        .expect("a producer");
    let record = vec![b'x'; HEAVY_RECORD];
    let count = HEAVY_BYTES.div_ceil(HEAVY_RECORD as u64);
    for number in 0..count {
        let mut next = BaseRecord::<(), [u8]>::to("heavy").partition((number % 4) as i32).payload(&record);
        while let Err((_, unsent)) = producer.send(next) {
            next = unsent;
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(Duration::from_mins(3)).expect("all is delivered");
    count as i64
}

fn heavy_records(lab: &Lab) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", format!("localhost:{}", lab.broker_port()))
        .create()
        .expect("a consumer");
    let ends = |p| consumer.fetch_watermarks("heavy", p, Duration::from_secs(30)).expect("the log's ends");
    (0..4).map(ends).map(|(start, end)| end - start).sum()
}

fn produce(server: &str, over: &AtomicBool, records: &Acknowledged) {
    let producer: BaseProducer<Recorder> = ClientConfig::new()
        .set("bootstrap.servers", server)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "2")
        .set("retry.backoff.ms", "20")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100")
        .create_with_context(Recorder(records.clone()))
        .expect("a producer");
    let mut value = 0u64;
    while !over.load(Ordering::Relaxed) {
        for _ in 0..20 {
            let text = value.to_string();
            let partition = (value % 4) as i32;
            let record = BaseRecord::with_opaque_to("test-topic", Box::new(value)).partition(partition).payload(&text);
            if producer.send::<(), _>(record).is_ok() {
                value += 1;
            }
        }
        producer.poll(Duration::from_millis(2));
    }
    producer.flush(Duration::from_mins(1)).expect("all is delivered once the broker is back");
}

/// Creates one znode after the other; returns the names of those that were acknowledged.
fn create_znodes(port: u16, over: &AtomicBool, made: &AtomicUsize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut next = 0u64;
    while !over.load(Ordering::Relaxed) {
        let Ok(mut session) = RawZk::connect(port) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let _ = session.create("/acknowledged", b"");
        while !over.load(Ordering::Relaxed) {
            let name = format!("n{next}");
            next += 1;
            match session.create(&format!("/acknowledged/{name}"), b"some data") {
                Ok(_) => {
                    acknowledged.push(name);
                    made.fetch_add(1, Ordering::Relaxed);
                }
                // Unknown outcome: it may be there or not.
                Err(_) => break,
            }
        }
    }
    acknowledged
}

fn check_records(server: &str, acknowledged: &[(i32, i64, u64)]) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", server)
        .set("group.id", "checker")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut ends = HashMap::new();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..4 {
        let (_, end) =
            consumer.fetch_watermarks("test-topic", partition, Duration::from_secs(30)).expect("the log's ends");
        ends.insert(partition, end);
        assignment.add_partition_offset("test-topic", partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assignment).expect("assigned");
    let mut read: HashMap<i32, Vec<(i64, u64)>> = HashMap::new();
    let total: i64 = ends.values().sum();
    let deadline = Instant::now() + Duration::from_mins(2);
    while (read.values().map(Vec::len).sum::<usize>() as i64) < total {
        assert!(Instant::now() < deadline, "not all of {total} records could be read");
        if let Some(message) = consumer.poll(Duration::from_millis(500)) {
            let message = message.expect("no error");
            let value = String::from_utf8_lossy(message.payload().unwrap_or_default()).parse().expect("a number");
            read.entry(message.partition()).or_default().push((message.offset(), value));
        }
    }
    for (partition, values) in &read {
        let rises = values.windows(2).all(|pair| pair[0].1 < pair[1].1);
        assert!(rises, "partition {partition}: records twice or out of order");
    }
    for (partition, offset, value) in acknowledged {
        let found = read.get(partition).and_then(|values| values.get(*offset as usize));
        assert_eq!(found, Some(&(*offset, *value)), "partition {partition}: acknowledged and not there");
    }
}
