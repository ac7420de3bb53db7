//! What comes while a broker starts. Clients: it may tell them to come again, and nothing that is not true. Its end: the
//! next life need not wait for what this one left in ZooKeeper.

use std::time::Duration;
use std::{fs, thread};

use tests::{Broker, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, ZooKeeper, full};

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

#[test]
fn nobody_waits_for_a_life_that_ended_while_it_began() {
    let dir = TempDir::new("early-ends");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::configured(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "");
    // Each sync takes its time, so that there is time between the steps of a start.
    let slowly =
        "strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=100000 timeout --signal";
    for signal in ["KILL", "TERM"] {
        for milliseconds in (20..660).step_by(if full() { 10 } else { 80 }) {
            let after = f64::from(milliseconds) / 1000.0;
            let words = format!("{slowly} {signal} {after:.3}");
            broker.run_under(&words.split(' ').collect::<Vec<_>>());
            broker.fail_to_run();
        }
    }
    broker.run_under(&[]);
    broker.run();
    broker.stop();
    let said = fs::read_to_string(broker.log()).expect("it prints");
    assert!(said.contains("Registered broker 0 at path"), "{said}");
    assert!(!said.contains("of an earlier run of this broker still owns"), "{said}");
}
