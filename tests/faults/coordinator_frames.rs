//! Requests to the coordinators of groups and transactions, recorded of real clients and then spoiled: cut at any byte,
//! counts that cannot be, bits turned over. Whoever has a group or a transaction meanwhile notices nothing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tests::{Broker, Kind, TempDir, Tools, ZooKeeper, full, recorded_requests, wait_until};

/// Requests of groups and transactions, by their keys.
const KEYS: [i16; 19] = [8, 9, 10, 11, 12, 13, 14, 15, 16, 22, 24, 25, 26, 27, 28, 47, 61, 65, 66];

const ANSWER: Duration = Duration::from_mins(1);

/// Far above what the broker needs, far below what a count of 2^31 - 1 would take.
const MEMORY_KIB: u64 = 400_000;

/// The recorded requests of those keys.
fn recorded() -> Vec<Vec<u8>> {
    let wanted = recorded_requests().into_iter().filter(|recorded| KEYS.contains(&recorded.api));
    let mut requests: Vec<Vec<u8>> = wanted.map(|recorded| recorded.request).collect();
    requests.sort_by_key(|request| (request.len(), request.clone()));
    requests.dedup();
    requests
}

/// What becomes of a request behind its header's first eight bytes, which stay.
fn spoiled(request: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for at in 8..request.len() {
        all.push(request[..at].to_vec());
        for count in [-2_i32, i32::MAX] {
            let mut one = request.to_vec();
            if let Some(place) = one.get_mut(at..at + 4) {
                place.copy_from_slice(&count.to_be_bytes());
                all.push(one);
            }
        }
        for with in [0x00, 0x7f, 0xff] {
            let mut one = request.to_vec();
            one[at] ^= with;
            all.push(one);
        }
    }
    // A number that never ends.
    all.push([&request[..8], &[0xff; 40]].concat());
    all
}

/// Sends a frame on a connection of its own, says that nothing follows, and reads what comes until it is closed, or for
/// half a second: some requests are answered when others have come.
fn send(port: u16, payload: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it still accepts");
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout can be set");
    let _ = stream.write_all(&[&(payload.len() as u32).to_be_bytes()[..], payload].concat());
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn spoiled_requests_to_coordinators_hurt_nobody_else() {
    let dir = TempDir::new("coordinator-frames");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let created = Tools(Kind::Ours)
        .run("kafka-topics", &format!("--create --topic witness --bootstrap-server {}", broker.address()));
    assert_eq!(created.code, 0, "{}", created.stderr);

    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("transactional.id", "witness")
        .set("transaction.timeout.ms", "600000")
        .create()
        .expect("a producer");
    producer.init_transactions(ANSWER).expect("ready");
    producer.begin_transaction().expect("begun");
    producer.send(BaseRecord::<(), str>::to("witness").payload("seen")).expect("there is room");
    producer.flush(ANSWER).expect("delivered");
    let member: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("group.id", "witness")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    member.subscribe(&["witness"]).expect("subscribed");
    let joined = wait_until(ANSWER, || {
        let _ = member.poll(Duration::from_millis(100));
        member.assignment().is_ok_and(|assigned| assigned.count() == 1)
    });
    assert!(joined, "the witness has no partition");

    let requests = recorded();
    assert!(requests.len() > 100, "only {} requests", requests.len());
    let step = if full() { 5 } else { 97 };
    let before = broker.process().resident_kib();
    let mut sent = 0;
    for payload in requests.iter().flat_map(|request| spoiled(request)).step_by(step) {
        send(broker.port(), &payload);
        sent += 1;
        if sent % 500 == 0 {
            let _ = member.poll(Duration::ZERO);
        }
    }
    let after = broker.process().resident_kib();
    eprintln!("{sent} requests; {before} KiB before, {after} KiB after");
    assert!(after < MEMORY_KIB, "{after} KiB after {sent} requests");

    producer.commit_transaction(ANSWER).expect("the transaction is as it was");
    let mut value = None;
    wait_until(ANSWER, || {
        let next = member.poll(Duration::from_millis(100)).and_then(Result::ok);
        value = next.and_then(|message| message.payload().map(<[u8]>::to_vec));
        value.is_some()
    });
    assert_eq!(value.as_deref(), Some(&b"seen"[..]), "the member reads on");
    member.commit_consumer_state(CommitMode::Sync).expect("the member is as it was");
    let mut asked = TopicPartitionList::new();
    asked.add_partition("witness", 0);
    let committed = member.committed_offsets(asked, ANSWER).expect("an answer");
    assert_eq!(committed.elements()[0].offset().to_raw(), Some(1));
    let process = broker.process();
    assert!(process.ended().is_none() && !process.output().contains("panicked"), "{}", process.output());
}
