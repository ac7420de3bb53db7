//! Quotas that really hold clients back: how long they have to wait stands in the answer, the broker does not listen to
//! them meanwhile, and over time they get what they may have.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tests::{Broker, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, Tools, ZooKeeper, batch, full};

const LIMIT: f64 = 200_000.0;
const RECORD: usize = 20_000;

struct Lab {
    _dir: TempDir,
    _zookeeper: ZooKeeper,
    broker: Broker,
}

fn lab(name: &str, settings: &str) -> Lab {
    let dir = TempDir::new(name);
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_for_old_records(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), settings);
    Lab { _dir: dir, _zookeeper: zookeeper, broker }
}

impl Lab {
    fn tool(&self, tool: &str, args: &str) {
        let output = Tools(Kind::Ours).run(tool, &format!("{args} --bootstrap-server {}", self.broker.address()));
        assert_eq!(output.code, 0, "{tool} {args}: {}{}", output.stdout, output.stderr);
    }

    fn wire(&self) -> KafkaWire {
        KafkaWire::connect(self.broker.port()).expect("it accepts")
    }
}

/// Produces one record; the throttle time of the answer.
fn produce(wire: &mut KafkaWire) -> i32 {
    let mut body = KafkaBody::new(false);
    let records = batch(&[&vec![b'x'; RECORD]], 1_700_000_000_000, (-1, -1, -1));
    body.no_text().i16(1).i32(10_000).array(1).text("t").array(1).i32(0).data(&records);
    let reply = wire.ask(0, 7, &body).expect("an answer to Produce");
    let mut reply = KafkaReply::new(&reply, false);
    assert_eq!(reply.array(), Some(1));
    reply.text();
    assert_eq!(reply.array(), Some(1));
    reply.i32();
    assert_eq!(reply.i16(), 0);
    reply.take(8 + 8 + 8);
    reply.i32()
}

/// Fetches from an offset; the throttle time of the answer, and the bytes of records in it.
fn fetch(wire: &mut KafkaWire, offset: i64) -> (i32, usize) {
    let mut body = KafkaBody::new(false);
    body.i32(-1).i32(0).i32(1).i32(25_000).i8(0).i32(0).i32(-1);
    body.array(1).text("t").array(1).i32(0).i64(offset).i64(-1).i32(25_000).array(0);
    let reply = wire.ask(1, 7, &body).expect("an answer to Fetch");
    let mut reply = KafkaReply::new(&reply, false);
    let throttle = reply.i32();
    assert_eq!(reply.i16(), 0);
    reply.i32();
    if reply.array() == Some(0) {
        return (throttle, 0);
    }
    reply.text();
    reply.array();
    reply.i32();
    assert_eq!(reply.i16(), 0);
    reply.take(8 + 8 + 8);
    for _ in 0..reply.array().unwrap_or_default() {
        reply.take(16);
    }
    (throttle, reply.data().map_or(0, <[u8]>::len))
}

/// Uses `step` until the burst that newcomers are allowed is over, then measures for a while; bytes a second.
fn measured(mut step: impl FnMut() -> (i32, usize)) -> f64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    while step().0 == 0 {
        assert!(Instant::now() < deadline, "never told to wait");
    }
    // The burst has to fall out of the windows.
    let burst_over = Instant::now() + Duration::from_secs(if full() { 12 } else { 4 });
    while Instant::now() < burst_over {
        step();
    }
    let (begun, mut bytes, mut throttled) = (Instant::now(), 0, 0);
    // What falls out of the windows may be used again at once, so that one look-back more or less is what a measurement
    // is off by: it has to last for many of them.
    let most = Duration::from_secs(if full() { 150 } else { 25 });
    while begun.elapsed() < most {
        let (throttle, used) = step();
        throttled += i32::from(throttle > 0);
        bytes += used;
    }
    assert!(throttled > 0, "not told to wait any more");
    bytes as f64 / begun.elapsed().as_secs_f64()
}

fn assert_near(measured: f64, what: &str) {
    assert!((measured / LIMIT - 1.0).abs() < 0.1, "{what}: {measured:.0} bytes a second, {LIMIT} are allowed");
}

#[test]
fn producers_and_consumers_get_what_they_may_have() {
    let lab = lab("quota-bytes", if full() { "" } else { "quota.window.num=3" });
    lab.tool("kafka-topics", "--create --topic t --partitions 1");
    let mut free = lab.wire();
    for _ in 0..20 {
        assert_eq!(produce(&mut free), 0, "nobody is limited");
    }
    let both = format!("producer_byte_rate={LIMIT:.0},consumer_byte_rate={LIMIT:.0}");
    lab.tool("kafka-configs", &format!("--alter --entity-type clients --entity-name tests --add-config {both}"));
    let (mut producer, mut consumer) = (lab.wire(), lab.wire());
    std::thread::scope(|scope| {
        let produced = scope.spawn(|| measured(|| (produce(&mut producer), RECORD)));
        let fetched = scope.spawn(|| measured(|| fetch(&mut consumer, 0)));
        assert_near(produced.join().expect("it ends"), "producer");
        assert_near(fetched.join().expect("it ends"), "consumer");
    });
    lab.tool(
        "kafka-configs",
        "--alter --entity-type clients --entity-name tests --delete-config producer_byte_rate,consumer_byte_rate",
    );
    let mut freed = lab.wire();
    assert!((0..20).all(|_| produce(&mut freed) == 0), "in force at once");
}

#[test]
fn a_client_that_has_to_wait_is_not_listened_to() {
    let lab = lab("quota-muted", "");
    lab.tool("kafka-topics", "--create --topic t --partitions 1");
    lab.tool("kafka-configs", "--alter --entity-type users --entity-default --add-config producer_byte_rate=2000");
    let mut wire = lab.wire();
    // Counted from before the question: how long the answer takes to be read is no matter of the broker's.
    let (asked, throttle) = loop {
        let asked = Instant::now();
        match produce(&mut wire) {
            0 => {}
            throttle => break (asked, throttle),
        }
    };
    assert_eq!(fetch(&mut wire, 0).0, 0, "fetching is not limited");
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_millis(throttle as u64 * 9 / 10), "{waited:?} of {throttle} ms");
    assert!(waited < Duration::from_millis(throttle as u64) + Duration::from_secs(10), "{waited:?} of {throttle} ms");
}

#[test]
fn time_of_requests_is_limited() {
    let lab = lab("quota-time", "");
    lab.tool("kafka-topics", "--create --topic t --partitions 1");
    lab.tool("kafka-configs", "--alter --entity-type clients --entity-default --add-config request_percentage=0.001");
    let mut wire = lab.wire();
    let throttled = (0..2000).map(|_| produce(&mut wire)).find(|throttle| *throttle > 0);
    assert!(throttled.is_some_and(|throttle| throttle <= 10_000), "{throttled:?}");
}

/// CreateTopics of one topic; the throttle time and the error code.
fn create(wire: &mut KafkaWire, version: i16, topic: &str, partitions: i32) -> (i32, i16) {
    let flexible = version >= 5;
    let mut body = KafkaBody::new(flexible);
    body.array(1).text(topic).i32(partitions).i16(1).array(0).array(0).no_tags().i32(10_000).i8(0).no_tags();
    let reply = wire.ask(19, version, &body).expect("an answer to CreateTopics");
    let mut reply = KafkaReply::new(&reply, flexible);
    let throttle = reply.i32();
    assert_eq!(reply.array(), Some(1));
    reply.text();
    if version >= 7 {
        reply.take(16);
    }
    (throttle, reply.i16())
}

#[test]
fn changes_of_topics_are_limited() {
    let lab = lab("quota-mutations", "");
    lab.tool(
        "kafka-configs",
        "--alter --entity-type clients --entity-name tests --add-config controller_mutation_rate=0.5",
    );
    let mut wire = lab.wire();
    assert_eq!(create(&mut wire, 7, "a", 7), (0, 0), "five and a half are there, and a debt is allowed");
    // The debt is paid off after three seconds, and by then the first ones are made on a slow disk, too.
    let (throttle, code) = create(&mut wire, 7, "b", 1);
    assert!(code == 89 && throttle > 0 && throttle <= 3000, "THROTTLING_QUOTA_EXCEEDED: {code}, {throttle} ms");
    // The connection was not listened to for as long as it takes.
    assert_eq!(create(&mut wire, 7, "b", 3).1, 0);
    let (throttle, code) = create(&mut wire, 4, "c", 1);
    assert!(code == 0 && throttle > 0, "an old client is served and waits: {code}, {throttle} ms");
}

#[test]
fn connections_of_an_address_are_limited() {
    let lab = lab("quota-connections", "");
    lab.tool(
        "kafka-configs",
        "--alter --entity-type ips --entity-name 127.0.0.7 --add-config connection_creation_rate=1",
    );
    let served = |address: Ipv4Addr| {
        let mut wire = KafkaWire::connect_from(address, lab.broker.port()).expect("the system accepts it");
        let mut body = KafkaBody::new(false);
        body.array(0);
        wire.ask(3, 1, &body).is_ok()
    };
    let limited = Ipv4Addr::new(127, 0, 0, 7);
    let begun = Instant::now();
    let first = (0..30).take_while(|_| served(limited)).count();
    // One more for each second that it takes.
    let most = 13 + begun.elapsed().as_secs() as usize;
    assert!((8..=most).contains(&first), "{first} connections at once");
    assert!((0..30).all(|_| served(Ipv4Addr::new(127, 0, 0, 8))), "another address");
}

/// Connects so often, each time until it is served; how long that took.
fn connections(lab: &Lab, count: usize) -> Duration {
    let begun = Instant::now();
    for _ in 0..count {
        lab.wire().ask(18, 0, &KafkaBody::new(false)).expect("it is served");
    }
    begun.elapsed()
}

#[test]
fn connections_come_to_the_broker_and_to_a_listener_as_fast_as_they_may() {
    let lab = lab("connection-rate", "quota.window.num=2");
    // Two windows' worth may come at once, and one more while the second one is filled.
    let (rate, count) = (10, 45);
    let least = Duration::from_secs((count / rate - 3) as u64);
    for name in ["max.connection.creation.rate", "listener.name.plaintext.max.connection.creation.rate"] {
        lab.tool("kafka-configs", &format!("--alter --entity-type brokers --entity-name 0 --add-config {name}={rate}"));
        let took = connections(&lab, count);
        assert!(took >= least, "{name}: {took:?} for {count}, {rate} a second are allowed");
        lab.tool("kafka-configs", &format!("--alter --entity-type brokers --entity-name 0 --delete-config {name}"));
    }
    assert!(connections(&lab, 200) < Duration::from_secs(30), "nobody is limited any more");
}
