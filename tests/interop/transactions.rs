//! Transactions carried between the programs: what ours has begun and decided, Apache's broker knows and ends, and back.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use tests::{Broker, JvmPermit, Kind, TempDir, Tools, ZooKeeper, wait_until};

const ANSWER: Duration = Duration::from_mins(1);

fn producer(broker: &Broker, id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "600000")
        .create()
        .expect("a producer");
    producer.init_transactions(ANSWER).expect("ready");
    producer
}

fn send(producer: &BaseProducer, value: &str) {
    producer.send(BaseRecord::<(), str>::to("t").partition(0).payload(value)).expect("there is room");
    producer.flush(ANSWER).expect("delivered");
}

/// Begins a transaction with one record, and ends it as wanted; `None` leaves it open.
fn write(broker: &Broker, id: &str, value: &str, committed: Option<bool>) {
    let producer = producer(broker, id);
    producer.begin_transaction().expect("begun");
    send(&producer, value);
    match committed {
        Some(true) => producer.commit_transaction(ANSWER).expect("committed"),
        Some(false) => producer.abort_transaction(ANSWER).expect("aborted"),
        // As a client that dies.
        None => std::mem::forget(producer),
    }
}

/// Id, producer and state of every transaction, sorted; once nothing is on its way any more.
fn listed(broker: &Broker) -> Vec<String> {
    let mut lines = Vec::new();
    let settled = wait_until(ANSWER, || {
        let listed =
            Tools(Kind::Ours).run("kafka-transactions", &format!("--bootstrap-server {} list", broker.address()));
        lines =
            listed.stdout.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        lines.sort();
        listed.code == 0 && !lines.iter().any(|line| line.contains("Prepare"))
    });
    assert!(settled, "{lines:?}");
    lines
}

fn committed(broker: &Broker) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("group.id", "reader")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("t", 0, Offset::Beginning).expect("a partition");
    consumer.assign(&assignment).expect("assigned");
    let mut values = Vec::new();
    loop {
        match consumer.poll(ANSWER).expect("an answer") {
            Err(KafkaError::PartitionEOF(_)) => return values,
            Err(error) => panic!("{error}"),
            Ok(message) => values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()),
        }
    }
}

#[test]
fn what_one_broker_has_begun_the_other_one_ends() {
    let _permit = JvmPermit::take();
    let dir = TempDir::new("carried-transactions");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let create = format!("--create --topic t --partitions 1 --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &create).code, 0);
    let mut expected = Vec::new();
    for (round, kind) in [Kind::Apache, Kind::Ours].into_iter().enumerate() {
        write(&broker, &format!("done-{round}"), &format!("committed-{round}"), Some(true));
        write(&broker, &format!("undone-{round}"), "aborted", Some(false));
        let idle = producer(&broker, &format!("idle-{round}"));
        write(&broker, &format!("open-{round}"), "never", None);
        drop(idle);
        expected.push(format!("committed-{round}"));
        let before = listed(&broker);
        assert_eq!(before.len(), 4 * (round + 1), "{before:?}");
        assert_eq!(committed(&broker), expected);

        broker.restart_as(kind);
        // It has started when its roles are still on their way to it.
        let mut after = Vec::new();
        let is_loaded = wait_until(ANSWER, || {
            after = listed(&broker);
            after == before
        });
        assert!(is_loaded, "round {round}: {before:?}, {after:?}");
        // The next one of that name, begun where the last one was left: that is aborted first, and this one counts.
        write(&broker, &format!("open-{round}"), &format!("reopened-{round}"), Some(true));
        expected.push(format!("reopened-{round}"));
        // And whoever went on in order goes on.
        write(&broker, &format!("done-{round}"), &format!("more-{round}"), Some(true));
        expected.push(format!("more-{round}"));
        assert_eq!(committed(&broker), expected);
    }
}
