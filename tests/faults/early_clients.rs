//! Clients that come while a broker starts: it may tell them to come again, and nothing that is not true.

use std::thread;
use std::time::Duration;

use tests::{Broker, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, ZooKeeper};

const NONE: i16 = 0;
const NOT_CONTROLLER: i16 = 41;

/// Asks for a topic as soon as the port is open; the errors of all tries but those that were told to come again.
fn create_at_once(port: u16, topic: &str) -> i16 {
    loop {
        let Ok(mut wire) = KafkaWire::connect(port) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let mut body = KafkaBody::new(true);
        body.array(1).text(topic).i32(2).i16(1).array(0).array(0).no_tags().i32(20_000).i8(0).no_tags();
        // Who is told nothing asks the next life.
        let Ok(reply) = wire.ask(19, 5, &body) else { continue };
        let mut reply = KafkaReply::new(&reply, true);
        reply.i32();
        assert_eq!(reply.array(), Some(1));
        assert_eq!(reply.text().as_deref(), Some(topic));
        match reply.i16() {
            NOT_CONTROLLER => thread::sleep(Duration::from_millis(1)),
            error => return error,
        }
    }
}

#[test]
fn whoever_asks_at_once_for_a_topic_gets_it() {
    let dir = TempDir::new("early-clients");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::configured(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "");
    let port = broker.port();
    for round in 0..5 {
        let clients: Vec<_> =
            (0..3).map(|client| thread::spawn(move || create_at_once(port, &format!("t{round}-{client}")))).collect();
        broker.run();
        for client in clients {
            assert_eq!(client.join().expect("it gets an answer"), NONE, "round {round}");
        }
        if round % 2 == 0 {
            broker.stop();
        } else {
            broker.kill();
        }
    }
}
