//! Our own producer and consumer, records in and out of one topic of four partitions, in full batches.
//!
//! They share the processors with the broker: what is counted is what a program gets that sends or reads that way, from
//! its first record to the last one that is acknowledged or read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kafka_client::consumer::{Consumer, ConsumerConfig};
use kafka_client::producer::{Delivered, DeliveryListener, ProducerConfig};
use kafka_client::{Producer, ProducerRecord};
use kafka_types::TopicPartition;
use tests::{Kind, TempDir};

use crate::bare_kafka::BareClient;
use crate::proc::{cpu_seconds, thread_cpu_seconds};
use crate::servers::Server;
use crate::table::{Goal, Who};
use crate::{Options, Part, Tables, settle};

const TOPIC: &str = "own-clients";
const PARTITIONS: i32 = 4;
/// Bytes of a value.
const RECORD: usize = 100;
/// Millions of records a second that are wanted.
const WANTED: f64 = 5.0;
/// What was sent is read so often: once is over too soon.
const READINGS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything, on one pair of servers.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Clients) {
        return;
    }
    let dir = TempDir::new("bench-clients");
    settle();
    let zookeeper = Server::zookeeper(kind, dir.path());
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    let mut first = BareClient::connect(broker.port).expect("the broker serves");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("the system has room for its threads");
    let records = if options.quick { 10_000_000 } else { 30_000_000 };
    let table = &mut tables.records;
    let who = Who::from(kind);
    for (topic, count) in [("own-clients-warm", records / 4), (TOPIC, records)] {
        let counts = topic == TOPIC;
        first.create_topic(topic, PARTITIONS).expect("the topic is new");
        settle();
        let cpu = cpu_seconds(broker.pid());
        let (seconds, own) = runtime.block_on(produce(&broker.address(), topic, count));
        let cpu = cpu_seconds(broker.pid()) - cpu;
        if counts {
            let rate = count as f64 / seconds / 1e6;
            table.add(who, "our producer, 100 B: million records per s", Goal::Above(WANTED), rate);
            table.add(who, "our producer, 100 B: broker's CPU s per million", Goal::None, cpu * 1e6 / count as f64);
            table.add(
                who,
                "our producer, 100 B: ns of the posting thread for a record",
                Goal::None,
                own * 1e9 / count as f64,
            );
        }
        let readings = if counts { READINGS } else { 1 };
        let cpu = cpu_seconds(broker.pid());
        let (mut seconds, mut own) = (0.0, 0.0);
        for _ in 0..readings {
            let read = runtime.block_on(consume(&broker.address(), topic, count));
            (seconds, own) = (seconds + read.0, own + read.1);
        }
        let cpu = cpu_seconds(broker.pid()) - cpu;
        if counts {
            let count = (count * readings) as f64;
            let rate = count / seconds / 1e6;
            table.add(who, "our consumer, 100 B: million records per s", Goal::Above(WANTED), rate);
            table.add(who, "our consumer, 100 B: broker's CPU s per million", Goal::None, cpu * 1e6 / count);
            table.add(who, "our consumer, 100 B: ns of the polling thread for a record", Goal::None, own * 1e9 / count);
        }
    }
    broker.stop();
    zookeeper.stop();
}

/// Counts what is acknowledged.
#[derive(Default)]
struct Acknowledged {
    records: AtomicUsize,
}

impl DeliveryListener for Acknowledged {
    fn on_delivered(&self, delivered: &Delivered<'_>) {
        if delivered.is_written() {
            self.records.fetch_add(delivered.len(), Ordering::Relaxed);
        }
    }
}

/// Sends so many records with acks=all and full batches; seconds until the last one is acknowledged, and processor
/// seconds of the thread that posts them.
async fn produce(server: &str, topic: &str, count: usize) -> (f64, f64) {
    let settings =
        [("bootstrap.servers", server), ("batch.size", "65536"), ("linger.ms", "5"), ("buffer.memory", "67108864")];
    let config = ProducerConfig::parse(settings).expect("these settings are right");
    let acknowledged = Arc::new(Acknowledged::default());
    let listener: Arc<dyn DeliveryListener> = Arc::clone(&acknowledged) as _;
    let producer = Producer::with_listener(config, Some(listener)).await.expect("a producer");
    let value: Vec<u8> = (0..RECORD).map(|at| b'a' + (at % 26) as u8).collect();
    let record = ProducerRecord { topic: topic.to_owned(), value: Some(value.into()), ..ProducerRecord::default() };
    let (begin, own) = (Instant::now(), thread_cpu_seconds());
    for number in 0..count {
        producer.post(&record, number as u64).await.expect("the producer takes records");
    }
    let own = thread_cpu_seconds() - own;
    producer.flush().await;
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(acknowledged.records.load(Ordering::Relaxed), count, "not all records are acknowledged");
    producer.close(PATIENCE).await;
    (seconds, own)
}

/// Reads so many records of all partitions from the beginning; seconds from the first one on, and processor seconds of
/// the thread that polls.
async fn consume(server: &str, topic: &str, count: usize) -> (f64, f64) {
    let settings = [("bootstrap.servers", server), ("auto.offset.reset", "earliest"), ("max.poll.records", "10000")];
    let config = ConsumerConfig::parse(settings).expect("these settings are right");
    let mut consumer = Consumer::new(config).await.expect("a consumer");
    let partitions = (0..PARTITIONS).map(|partition| TopicPartition::new(topic, partition));
    consumer.assign(partitions).expect("nothing is subscribed");
    let (mut begin, mut own) = (Instant::now(), thread_cpu_seconds());
    let (mut read, mut bytes) = (0, 0);
    while read < count {
        let records = consumer.poll(PATIENCE).await.expect("the broker serves");
        assert!(!records.is_empty(), "{read} of {count} records after {PATIENCE:?} of silence");
        if read == 0 {
            (begin, own) = (Instant::now(), thread_cpu_seconds());
        }
        for (_, record) in records.iter() {
            bytes += record.record.value.as_deref().map_or(0, <[u8]>::len);
        }
        read += records.len();
    }
    assert_eq!(bytes, read * RECORD, "values of another length");
    (begin.elapsed().as_secs_f64(), thread_cpu_seconds() - own)
}
