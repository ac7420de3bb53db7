//! Load on a broker by librdkafka, as a fast client in its default settings makes it.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

const PARTITIONS: i32 = 4;

/// Sends so many records of `size` bytes to a topic of four partitions, acks=all; returns the seconds until the last
/// one is acknowledged.
pub(crate) fn produce(server: &str, topic: &str, size: usize, records: usize) -> f64 {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", server)
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .expect("a producer");
    let value: Vec<u8> = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
    let begin = Instant::now();
    for number in 0..records {
        // A hundred in a row to each partition, as a sticky partitioner does.
        let partition = (number / 100) as i32 % PARTITIONS;
        let mut record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(&value);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => panic!("the producer refuses a record: {error}"),
            }
        }
        if number % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_mins(2)).expect("all records are delivered");
    begin.elapsed().as_secs_f64()
}

/// Reads so many records of all partitions from the beginning; returns the seconds from the first record on, so that
/// what a client does before it fetches is not counted.
pub(crate) fn consume(server: &str, topic: &str, records: usize) -> f64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", server)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        // With its default this client rests for a second whenever it has a hundred thousand records in its queue: the sooner
        // a broker answers, the longer it rests.
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assignment).expect("assigned");
    let mut begin = Instant::now();
    let mut read = 0;
    let mut bytes = 0;
    while read < records {
        let message = consumer.poll(Duration::from_secs(30)).expect("records come").expect("no error");
        if read == 0 {
            begin = Instant::now();
        }
        bytes += message.payload_len();
        read += 1;
    }
    assert!(bytes > 0, "the records are empty");
    begin.elapsed().as_secs_f64()
}
