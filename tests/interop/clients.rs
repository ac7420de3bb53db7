//! kcat, kazoo, rskafka and rdkafka against our servers.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use tests::{Broker, Kind, Python, TempDir, ZooKeeper, ensure_program, repository, run_command};

struct Servers {
    broker: Broker,
    zookeeper: ZooKeeper,
    _dir: TempDir,
}

fn ours(name: &str) -> Servers {
    let dir = TempDir::new(name);
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_for_old_records(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "");
    Servers { broker, zookeeper, _dir: dir }
}

#[test]
fn kcat_lists_produces_and_consumes() {
    ensure_program("kcat", "kafkacat");
    let servers = ours("kcat");
    let server = servers.broker.address();
    let kcat = |args: &str, input: &str| {
        let mut command = Command::new("kcat");
        // Cargo puts the librdkafka of the rdkafka crate, built without zlib, before the system's.
        command.env_remove("LD_LIBRARY_PATH").args(["-b", &server]).args(args.split_whitespace());
        let output = run_command(command, input);
        assert_eq!(output.code, 0, "kcat {args}: {}", output.stderr);
        output.stdout
    };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let sent: Vec<String> = (0..500).map(|n| format!("key{n}:value {n} with {codec}")).collect();
        let lines = sent.join("\n") + "\n";
        let topic = format!("kcat-{codec}");
        kcat(&format!("-P -t {topic} -K: -z {codec}"), &lines);
        let mut read: Vec<String> =
            kcat(&format!("-C -t {topic} -K: -e -q -o beginning"), "").lines().map(str::to_owned).collect();
        let mut sent = sent;
        read.sort();
        sent.sort();
        assert_eq!(read, sent, "{codec}");
    }
    let listed = kcat("-L", "");
    assert!(
        listed.contains("1 brokers") && listed.contains("broker 0 at") && listed.contains("\"kcat-lz4\""),
        "{listed}"
    );
}

#[test]
fn kazoo_script_passes() {
    let dir = TempDir::new("kazoo");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let python = Python::with("kazoo", &["kazoo==2.10.0"]);
    let script = repository().join("tests/interop/python/kazoo_script.py");
    let output = python.run(&script, &[&zookeeper.address()]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(output.stdout.lines().count(), 6, "{}", output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn rskafka_produces_and_consumes() {
    use rskafka::client::ClientBuilder;
    use rskafka::client::partition::{Compression, OffsetAt, UnknownTopicHandling};
    use rskafka::record::Record;

    let servers = tokio::task::block_in_place(|| ours("rskafka"));
    let client = ClientBuilder::new(vec![servers.broker.address()]).build().await.expect("connects");
    let controller = client.controller_client().expect("there is one");
    controller.create_topic("rs", 2, 1, 10_000).await.expect("created");
    let partition = client.partition_client("rs", 1, UnknownTopicHandling::Retry).await.expect("it leads");
    let records: Vec<Record> = (0..100)
        .map(|n| Record {
            key: (n % 2 == 0).then(|| format!("k{n}").into_bytes()),
            value: Some(format!("v{n}").into_bytes()),
            headers: BTreeMap::from([("h".to_owned(), vec![n])]),
            timestamp: rskafka::chrono::DateTime::from_timestamp_millis(1_700_000_000_000).expect("a date"),
        })
        .collect();
    let offsets = partition.produce(records.clone(), Compression::NoCompression).await.expect("written");
    assert_eq!(offsets, (0..100).collect::<Vec<i64>>());
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.expect("known"), 100);
    let mut read = Vec::new();
    while read.len() < 100 {
        let (batch, high_watermark) =
            partition.fetch_records(read.len() as i64, 1..1_000_000, 5_000).await.expect("read");
        assert_eq!(high_watermark, 100);
        read.extend(batch.into_iter().map(|record| record.record));
    }
    assert_eq!(read, records);
    drop(servers.zookeeper);
}

#[test]
fn rdkafka_produces_and_consumes_in_a_group() {
    use rdkafka::config::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
    use rdkafka::message::Message as _;
    use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

    let servers = ours("rdkafka");
    let server = servers.broker.address();
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &server)
        .set("enable.idempotence", "true")
        .create()
        .expect("a producer");
    for n in 0..1000 {
        let (key, value) = (format!("k{}", n % 7), n.to_string());
        producer.send(BaseRecord::to("rd").key(&key).payload(&value)).expect("queued");
    }
    producer.flush(Duration::from_secs(30)).expect("all delivered");

    let read = |count: usize| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &server)
            .set("group.id", "readers")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        consumer.subscribe(&["rd"]).expect("subscribed");
        let mut values = Vec::new();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while values.len() < count && std::time::Instant::now() < deadline {
            if let Some(message) = consumer.poll(Duration::from_millis(200)) {
                let message = message.expect("no error");
                values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
            }
        }
        consumer.commit_consumer_state(CommitMode::Sync).expect("committed");
        values
    };
    let mut first = read(1000);
    first.sort_by_key(|value| value.parse::<i32>().unwrap_or(-1));
    assert_eq!(first, (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
    for n in 1000..1010 {
        producer.send(BaseRecord::<str, str>::to("rd").payload(&n.to_string())).expect("queued");
    }
    producer.flush(Duration::from_secs(30)).expect("all delivered");
    let mut second = read(10);
    second.sort();
    assert_eq!(second, (1000..1010).map(|n| n.to_string()).collect::<Vec<_>>());
}
