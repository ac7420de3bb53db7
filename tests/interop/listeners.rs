//! Listeners that come, go and move while a broker runs (KIP-226), on Apache's broker and ours: what is refused and in which
//! words, where clients get in, and what others are told.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Duration;

use tests::{
    Broker, JvmPermit, KafkaBody, KafkaReply, KafkaWire, Kind, RawZk, TempDir, ZooKeeper, closes, compare, free_port,
    wait_until,
};

const LISTENERS: &str = "listeners";
const PROTOCOLS: &str = "listener.security.protocol.map";
const PATIENCE: Duration = Duration::from_secs(30);

/// A setting and its value; `None` takes it back.
type Wish<'a> = (&'a str, Option<&'a str>);

struct Stage {
    /// Ends first.
    broker: Broker,
    zookeeper: ZooKeeper,
    /// The connection on which settings are changed, and no other.
    wire: Option<KafkaWire>,
    _dir: TempDir,
    /// What ports are called in the notes, the same for every broker.
    ports: Vec<(u16, &'static str)>,
    lines: Vec<String>,
}

impl Stage {
    fn new(kind: Kind) -> Stage {
        let dir = TempDir::new("listeners");
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let broker = Broker::start(kind, &dir.join("kafka"), &zookeeper.address());
        let ports =
            vec![(broker.port(), "FIRST"), (free_port(), "SECOND"), (free_port(), "THIRD"), (free_port(), "FOURTH")];
        Stage { broker, zookeeper, wire: None, _dir: dir, ports, lines: Vec::new() }
    }

    fn port(&self, name: &str) -> u16 {
        self.ports.iter().find(|(_, known)| *known == name).expect("a port of that name").0
    }

    /// Changes this broker's settings, and notes the answer. Names of ports stand for ports.
    fn alter(&mut self, wishes: &[Wish<'_>]) -> i16 {
        let mut body = KafkaBody::new(true);
        body.array(1).i8(4).text("0").array(wishes.len());
        for (name, value) in wishes {
            body.text(name).i8(i8::from(value.is_none()));
            match value {
                Some(value) => {
                    let with_ports = |text: String, (port, name): &(u16, &str)| {
                        text.replace(&format!(":{name}"), &format!(":{port}"))
                    };
                    body.text(&self.ports.iter().fold((*value).to_owned(), with_ports))
                }
                None => body.no_text(),
            };
            body.no_tags();
        }
        body.no_tags().i8(0).no_tags();
        let port = self.broker.port();
        let wire = self.wire.get_or_insert_with(|| KafkaWire::connect(port).expect("it accepts"));
        let reply = wire.ask(44, 1, &body).expect("an answer to IncrementalAlterConfigs");
        let mut read = KafkaReply::new(&reply, true);
        read.i32();
        assert_eq!(read.array(), Some(1));
        let (code, message) = (read.i16(), read.text());
        self.note(&format!("{wishes:?}: {code} {message:?}"));
        code
    }

    fn note(&mut self, line: &str) {
        let without_ports = |text: String, (port, name): &(u16, &str)| text.replace(&port.to_string(), name);
        self.lines.push(self.ports.iter().fold(line.to_owned(), without_ports));
    }

    /// What is told of the broker in ZooKeeper, but for the time.
    fn registered(&self) -> String {
        let mut session = RawZk::connect(self.zookeeper.port()).expect("it serves");
        let (data, _) = session.get("/brokers/ids/0").expect("it is registered");
        let json: serde_json::Value = serde_json::from_slice(&data).expect("JSON");
        let protocols: BTreeMap<_, _> =
            json["listener_security_protocol_map"].as_object().into_iter().flatten().collect();
        format!("{} {protocols:?} {} {}", json["endpoints"], json["host"], json["port"])
    }

    /// Waits until others are told of so many listeners, and notes what they are told.
    fn await_registered(&mut self, listeners: usize) {
        let told = wait_until(PATIENCE, || self.registered().matches("://").count() == listeners);
        let registered = self.registered();
        assert!(told, "{listeners} listeners are not told of: {registered}");
        self.note(&registered);
    }

    /// A client that has been answered at this port; notes how brokers are named there.
    fn client(&mut self, port: &str) -> KafkaWire {
        let number = self.port(port);
        let mut client = None;
        assert!(wait_until(PATIENCE, || {
            client = KafkaWire::connect(number).ok();
            client.as_mut().is_some_and(|client| brokers(client).is_some_and(|brokers| !brokers.is_empty()))
        }));
        let mut client = client.expect("it has been answered");
        let brokers = brokers(&mut client);
        self.note(&format!("at :{number} brokers are {brokers:?}"));
        client
    }

    fn await_closed(&self, port: &str) {
        let closed = wait_until(PATIENCE, || !self.is_open(port));
        assert!(closed, "{port} is open");
    }

    fn is_open(&self, port: &str) -> bool {
        TcpStream::connect(("127.0.0.1", self.port(port))).is_ok()
    }

    /// Waits until others are told of an address, and `client` of that of its own listener, and notes what they are told,
    /// which ports are open, and what this broker says of its setting.
    fn await_moved(&mut self, client: &mut KafkaWire, port: &str, own: &str) {
        let address = format!("://127.0.0.1:{}", self.port(port));
        assert!(wait_until(PATIENCE, || self.registered().contains(&address)), "{}", self.registered());
        let registered = self.registered();
        let open: Vec<_> =
            ["FIRST", "SECOND", "THIRD", "FOURTH"].into_iter().filter(|port| self.is_open(port)).collect();
        self.note(&format!("{registered}; open: {open:?}"));
        let own = format!("127.0.0.1:{}", self.port(own));
        assert!(wait_until(PATIENCE, || brokers(client).is_some_and(|brokers| brokers == [own.as_str()])), "{own}");
        let mut body = KafkaBody::new(true);
        body.array(1).i8(4).text("0").array(1).text(LISTENERS).no_tags().i8(1).i8(0).no_tags();
        let described = client.ask(32, 4, &body).expect("an answer to DescribeConfigs");
        self.note(&String::from_utf8_lossy(&described));
    }
}

/// The addresses of brokers, as they are told on a connection.
fn brokers(client: &mut KafkaWire) -> Option<Vec<String>> {
    let mut body = KafkaBody::new(true);
    body.i8(0).no_tags();
    let reply = client.ask(60, 0, &body).ok()?;
    let mut read = KafkaReply::new(&reply, true);
    read.take(4 + 2);
    (0..2).for_each(|_| drop(read.text()));
    read.i32();
    let count = read.array()?;
    let mut found = Vec::new();
    for _ in 0..count {
        read.i32();
        found.push(format!("{}:{}", read.text()?, read.i32()));
        read.text();
        read.tags();
    }
    Some(found)
}

const FIRST: &str = "PLAINTEXT://127.0.0.1:FIRST";
const BOTH: &str = "PLAINTEXT://127.0.0.1:FIRST,OTHER://127.0.0.1:SECOND";
const MAP: &str = "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT,NEW:PLAINTEXT";

fn history(kind: Kind) -> Vec<String> {
    let mut stage = Stage::new(kind);
    for wishes in [
        &[(LISTENERS, Some(BOTH))][..],
        &[(LISTENERS, Some("OTHER://127.0.0.1:SECOND")), (PROTOCOLS, Some(MAP))],
        &[(LISTENERS, Some("PLAINTEXT://127.0.0.1:FIRST,PLAINTEXT://127.0.0.1:SECOND"))],
        &[(LISTENERS, Some("PLAINTEXT://127.0.0.1:FIRST,OTHER://127.0.0.1:FIRST")), (PROTOCOLS, Some(MAP))],
        &[(LISTENERS, Some("nonsense"))],
        &[(LISTENERS, Some(""))],
        &[(PROTOCOLS, Some("PLAINTEXT:NOTHING"))],
        &[(PROTOCOLS, Some("PLAINTEXT:SSL"))],
        &[(PROTOCOLS, Some("OTHER:PLAINTEXT"))],
        &[("advertised.listeners", Some("OTHER://127.0.0.1:SECOND"))],
        &[("advertised.listeners", Some(BOTH)), (PROTOCOLS, Some(MAP))],
    ] {
        assert_ne!(stage.alter(wishes), 0, "{wishes:?}");
    }
    stage.await_registered(1);

    assert_eq!(stage.alter(&[(LISTENERS, Some(BOTH)), (PROTOCOLS, Some(MAP))]), 0);
    stage.await_registered(2);
    let mut client = stage.client("SECOND");
    stage.client("FIRST");
    stage.alter(&[(PROTOCOLS, Some("PLAINTEXT:PLAINTEXT,OTHER:SSL"))]);
    // Open, and told to nobody.
    stage.alter(&[("advertised.listeners", Some(FIRST))]);
    stage.await_registered(1);
    assert!(brokers(&mut client).is_some(), "its client stays");
    stage.alter(&[("advertised.listeners", None)]);
    stage.await_registered(2);

    // Another one takes its place, at another port and then at its own.
    let new = "PLAINTEXT://127.0.0.1:FIRST,NEW://127.0.0.1:THIRD";
    assert_eq!(stage.alter(&[(LISTENERS, Some(new))]), 0);
    stage.await_closed("SECOND");
    assert!(wait_until(PATIENCE, || brokers(&mut client).is_none()), "its client stays");
    stage.client("THIRD");
    stage.await_registered(2);
    assert_eq!(stage.alter(&[(LISTENERS, Some("PLAINTEXT://127.0.0.1:FIRST,OTHER://127.0.0.1:THIRD"))]), 0);
    assert!(wait_until(PATIENCE, || stage.registered().contains("OTHER")));
    stage.client("THIRD");

    // As the file has it.
    assert_eq!(stage.alter(&[(LISTENERS, None), (PROTOCOLS, None)]), 0);
    stage.await_closed("THIRD");
    stage.await_registered(1);
    stage.client("FIRST");
    stage.lines
}

#[test]
fn listeners_come_and_go_as_on_apaches_broker() {
    let ours = history(Kind::Ours);
    let _permit = JvmPermit::take();
    compare(&ours, &history(Kind::Apache));
}

/// Listeners that stay get other addresses: they are told to others at once, and opened at the next start.
fn moved(kind: Kind) -> Vec<String> {
    let mut stage = Stage::new(kind);
    assert_eq!(stage.alter(&[(LISTENERS, Some(BOTH)), (PROTOCOLS, Some(MAP))]), 0);
    let mut client = stage.client("SECOND");
    assert_eq!(stage.alter(&[(LISTENERS, Some("PLAINTEXT://127.0.0.1:FIRST,OTHER://127.0.0.1:THIRD"))]), 0);
    stage.await_moved(&mut client, "THIRD", "THIRD");
    // Where what others are told of is open already, which is not the same listener.
    stage.alter(&[(LISTENERS, Some("PLAINTEXT://127.0.0.1:SECOND,OTHER://127.0.0.1:THIRD"))]);
    stage.await_moved(&mut client, "SECOND", "THIRD");
    // That of brokers.
    assert_eq!(stage.alter(&[(LISTENERS, Some("PLAINTEXT://127.0.0.1:FOURTH,OTHER://127.0.0.1:THIRD"))]), 0);
    stage.await_moved(&mut client, "FOURTH", "THIRD");
    let mut topic = KafkaBody::new(true);
    topic.array(1).text("t").i32(1).i16(1).array(0).array(0).no_tags().i32(30_000).i8(0).no_tags();
    let created = client.ask(19, 5, &topic).expect("the controller still reaches its broker");
    stage.note(&format!("{:?}", &created[..11]));
    stage.broker.stop();
    stage.broker.run();
    let mut client = stage.client("FOURTH");
    stage.client("THIRD");
    stage.await_moved(&mut client, "FOURTH", "FOURTH");
    stage.lines
}

#[test]
fn a_listener_moves_with_the_next_start_as_on_apaches_broker() {
    let ours = moved(Kind::Ours);
    assert!(ours.last().is_some_and(|line| line.contains("FOURTH")), "{ours:?}");
    let _permit = JvmPermit::take();
    compare(&ours, &moved(Kind::Apache));
}

#[test]
fn a_listener_has_its_limits_is_closed_by_who_came_over_it_and_stays_over_a_restart() {
    let mut stage = Stage::new(Kind::Ours);
    let limit = ("listener.name.other.max.connections", Some("1"));
    assert_eq!(stage.alter(&[(LISTENERS, Some(BOTH)), (PROTOCOLS, Some(MAP)), limit]), 0);
    let first = stage.client("SECOND");
    let second = stage.port("SECOND");
    let mut waiting = TcpStream::connect(("127.0.0.1", second)).expect("the system accepts");
    assert!(!closes(&mut waiting, Duration::from_millis(100)), "it waits until there is room");
    drop(first);
    drop(waiting);
    stage.broker.stop();
    stage.broker.run();
    stage.await_registered(2);
    let mut client = stage.client("SECOND");
    // Over the listener itself: the answer still comes.
    let mut body = KafkaBody::new(true);
    body.array(1).i8(4).text("0").array(1).text(LISTENERS).i8(1).no_text().no_tags().no_tags().i8(0).no_tags();
    let reply = client.ask(44, 1, &body).expect("an answer");
    let mut read = KafkaReply::new(&reply, true);
    assert_eq!((read.i32(), read.array(), read.i16()), (0, Some(1), 0));
    assert!(wait_until(PATIENCE, || brokers(&mut client).is_none()));
    stage.await_closed("SECOND");
    stage.await_registered(1);
}

/// Lowers the limit below what there is, and notes which clients stay: those of the brokers' own listener.
fn lower(kind: Kind) -> Vec<String> {
    let mut stage = Stage::new(kind);
    assert_eq!(stage.alter(&[(LISTENERS, Some(BOTH)), (PROTOCOLS, Some(MAP))]), 0);
    let mut clients = [stage.client("SECOND"), stage.client("FIRST"), stage.client("SECOND")];
    assert_eq!(stage.alter(&[("max.connections", Some("1"))]), 0);
    let others_end = wait_until(PATIENCE, || [0, 2].into_iter().all(|at| brokers(&mut clients[at]).is_none()));
    let stays = brokers(&mut clients[1]).is_some();
    stage.note(&format!("the others end: {others_end}; that of brokers stays: {stays}"));
    stage.lines
}

#[test]
fn whoever_is_above_a_limit_goes_but_for_brokers() {
    let ours = lower(Kind::Ours);
    assert!(ours.last().is_some_and(|line| line.ends_with("end: true; that of brokers stays: true")), "{ours:?}");
    let _permit = JvmPermit::take();
    compare(&ours, &lower(Kind::Apache));
}

#[test]
fn a_broker_gets_in_and_the_client_that_was_silent_for_longest_goes() {
    let mut stage = Stage::new(Kind::Ours);
    assert_eq!(stage.alter(&[(LISTENERS, Some(BOTH)), (PROTOCOLS, Some(MAP))]), 0);
    let mut clients: Vec<KafkaWire> = (0..3).map(|_| stage.client("SECOND")).collect();
    // How many connections brokers have among themselves is their own affair.
    let mut ask =
        |order: &[usize]| -> Vec<bool> { order.iter().map(|at| brokers(&mut clients[*at]).is_some()).collect() };
    assert_eq!(ask(&[1, 2, 0]), [true; 3]);
    let fits = (3..10).rev().find(|limit| {
        let limit = limit.to_string();
        assert_eq!(stage.alter(&[("max.connections", Some(limit.as_str()))]), 0);
        ask(&[1, 2, 0]) != [true; 3]
    });
    assert!(fits.is_some_and(|limit| limit > 3), "there is no room for those who are there: {fits:?}");
    assert_eq!(ask(&[1, 2, 0]), [false, true, true]);
    let _broker = stage.client("FIRST");
    assert_eq!(ask(&[2, 0]), [false, true]);
}

#[test]
fn a_listener_whose_port_is_taken_is_told_to_nobody_until_it_is_free() {
    let mut stage = Stage::new(Kind::Ours);
    let taken = std::net::TcpListener::bind(("127.0.0.1", stage.port("SECOND"))).expect("it is free");
    let three = "OTHER://127.0.0.1:SECOND,PLAINTEXT://127.0.0.1:FIRST,NEW://127.0.0.1:THIRD";
    assert_eq!(stage.alter(&[(LISTENERS, Some(three)), (PROTOCOLS, Some(MAP))]), 0);
    stage.await_registered(2);
    assert!(!stage.registered().contains("OTHER"), "{}", stage.registered());
    stage.client("THIRD");
    drop(taken);
    assert_eq!(stage.alter(&[("log.retention.ms", Some("77000000"))]), 0);
    stage.await_registered(3);
    stage.client("SECOND");
}
