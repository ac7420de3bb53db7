//! Raw requests for moves of partitions, and for what a ZooKeeper-mode broker announces and has nothing to say to: the
//! same bytes, and the same znodes afterwards. One broker is enough: it can be told to wait for one that is away.

use std::time::Duration;

use tests::{Asked, Broker, Fetch, JvmPermit, KafkaBody, Kind, RawZk, TempDir, Tools, ZooKeeper, compare, wait_until};

const ALTER: i16 = 45;
const LIST: i16 = 46;
const UPDATE_FEATURES: i16 = 57;
const GROUP_HEARTBEAT: i16 = 68;
const GROUP_DESCRIBE: i16 = 69;

const TOPIC: &str = "/brokers/topics/t";
const WISHES: &str = "/admin/reassign_partitions";

struct History {
    asked: Asked,
    zookeeper: RawZk,
}

impl History {
    fn alter(&mut self, topic: &str, partition: i32, replicas: Option<&[i32]>) {
        let mut body = KafkaBody::new(true);
        body.i32(30_000).array(1).text(topic).array(1).i32(partition);
        match replicas {
            None => {
                body.varint(0);
            }
            Some(replicas) => {
                body.array(replicas.len());
                for id in replicas {
                    body.i32(*id);
                }
            }
        }
        body.no_tags().no_tags().no_tags();
        self.asked.ask(&format!("move {topic}-{partition} to {replicas:?}"), ALTER, 0, &body);
        self.look();
    }

    fn list(&mut self, partitions: Option<&[(&str, i32)]>) {
        let mut body = KafkaBody::new(true);
        body.i32(30_000);
        match partitions {
            None => {
                body.varint(0);
            }
            Some(partitions) => {
                body.array(partitions.len());
                for (topic, partition) in partitions {
                    body.text(topic).array(1).i32(*partition).no_tags();
                }
            }
        }
        body.no_tags();
        self.asked.ask(&format!("list {partitions:?}"), LIST, 0, &body);
    }

    fn data(&mut self, path: &str) -> String {
        self.zookeeper.get(path).map_or("nothing".to_owned(), |(data, _)| String::from_utf8_lossy(&data).into_owned())
    }

    /// Who holds the topic and who leads it, without the topic's id.
    fn look(&mut self) {
        let topic = self.data(TOPIC);
        let (before, after) = topic.split_once("\"topic_id\":\"").expect("it has an id");
        let mut line = format!("{before}{} ", &after[22..]);
        for partition in 0..2 {
            line += &self.data(&format!("{TOPIC}/partitions/{partition}/state"));
        }
        line += &self.data(WISHES);
        self.asked.lines.push(line);
    }

    /// An old tool's wish: it is looked at when the topic's znode has shown that it was taken up, and nothing of it is left
    /// to do.
    fn wish(&mut self, partitions: &str, done: impl Fn(&mut History) -> bool) {
        let data = format!("{{\"version\":1,\"partitions\":[{partitions}]}}");
        assert!(self.zookeeper.create(WISHES, data.as_bytes()).expect("it can be written"), "{data}");
        assert!(wait_until(Duration::from_mins(1), || done(self)), "{partitions}: {}", self.data(TOPIC));
        self.asked.lines.push(format!("wished {partitions}"));
        // A controller answers when it is done with what it has begun.
        self.list(None);
        self.look();
    }
}

fn run(kind: Kind, story: fn(&mut History)) -> Vec<String> {
    let dir = TempDir::new("reassignments");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker =
        Broker::start_with(kind, &dir.join("kafka"), &zookeeper.address(), "auto.leader.rebalance.enable=false");
    let args = format!("--create --topic t --partitions 2 --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    let zookeeper = RawZk::connect(zookeeper.port()).expect("it serves");
    let mut history = History { asked: Asked::new(broker.port()), zookeeper };
    story(&mut history);
    history.asked.lines
}

#[test]
fn moves_are_begun_refused_and_cancelled_as_apaches_controller_does_it() {
    let _permit = JvmPermit::take();
    compare(&run(Kind::Ours, moves), &run(Kind::Apache, moves));
}

fn moves(history: &mut History) {
    history.list(None);
    history.list(Some(&[("t", 0), ("nope", 0)]));
    for replicas in [&[0][..], &[0, 0], &[0, -1], &[], &[0, 5, 6], &[5], &[-1, -1]] {
        history.alter("t", 0, Some(replicas));
    }
    for (topic, partition) in [("nope", 0), ("t", 7), ("t", -1), ("", 0)] {
        history.alter(topic, partition, Some(&[0]));
        history.alter(topic, partition, Some(&[5]));
        history.alter(topic, partition, None);
    }
    history.alter("t", 0, None);
    // Broker 5 does not live: what is wished for by znode waits for it.
    history
        .wish(r#"{"topic":"t","partition":0,"replicas":[0,5]},{"topic":"nope","partition":0,"replicas":[0]}"#, |h| {
            h.data(TOPIC).contains("\"adding_replicas\":{\"0\":[5]}") && !h.data(WISHES).contains("nope")
        });
    history.list(None);
    history.list(Some(&[("t", 1)]));
    history.list(Some(&[("t", 0), ("t", 1), ("nope", 0)]));
    history.list(Some(&[]));
    history.alter("t", 0, Some(&[5, 0]));
    history.list(None);
    history.alter("t", 0, None);
    history.list(None);
    history.alter("t", 0, None);
    // Only partition 1 is where it is to go at once.
    let both = r#"{"topic":"t","partition":0,"replicas":[6,0]},{"topic":"t","partition":1,"replicas":[0]}"#;
    history.wish(both, |h| {
        h.data(TOPIC).contains("\"adding_replicas\":{\"0\":[6]}") && !h.data(WISHES).contains("\"partition\":1")
    });
    history.alter("t", 0, Some(&[0]));
    history.list(None);
    history.asked.ask("more partitions", 37, 2, &{
        let mut body = KafkaBody::new(true);
        body.array(1).text("t").i32(3).varint(0).no_tags().i32(30_000).i8(0).no_tags();
        body
    });
    history.look();
}

#[test]
fn a_follower_that_catches_up_is_sent_no_more_than_it_may_have() {
    let _permit = JvmPermit::take();
    compare(&run(Kind::Ours, throttled), &run(Kind::Apache, throttled));
}

const CONFIG_ALTER: i16 = 44;

/// One more setting of a topic (2) or a broker (4), or one less.
fn set(history: &mut History, of: (i8, &str), name: &str, value: Option<&str>) {
    let mut body = KafkaBody::new(true);
    body.array(1).i8(of.0).text(of.1).array(1).text(name).i8(i8::from(value.is_none()));
    match value {
        Some(value) => body.text(value),
        None => body.varint(0),
    };
    body.no_tags().no_tags().i8(0).no_tags();
    history.asked.ask(&format!("{name}={value:?}"), CONFIG_ALTER, 1, &body);
}

/// What broker 5 is sent that is to take replicas over and has nothing yet.
fn follow(history: &mut History, what: &str, replica: i32) {
    let fetch = Fetch { replica, ..Fetch::new(11, &[("t", 0, 0), ("t", 1, 0)]) };
    history.asked.fetch(what, &fetch);
}

/// Asks until partition 0 is sent with records or without.
fn follow_until(history: &mut History, what: &str, with_records: bool) {
    let records = |line: &str| {
        let (_, after) = line.split_once(" 0: ").expect("partition 0 is answered");
        !after.split_once(';').expect("it ends").0.contains("records Some(0)")
    };
    let before = history.asked.lines.len();
    let seen = wait_until(Duration::from_mins(1), || {
        follow(history, what, 5);
        let line = history.asked.lines.last().is_some_and(|line| records(line) == with_records);
        if !line {
            history.asked.lines.truncate(before);
        }
        line
    });
    assert!(seen, "{what}");
}

fn throttled(history: &mut History) {
    let both = r#"{"topic":"t","partition":0,"replicas":[0,5]},{"topic":"t","partition":1,"replicas":[0,5]}"#;
    let data = format!("{{\"version\":1,\"partitions\":[{both}]}}");
    assert!(history.zookeeper.create(WISHES, data.as_bytes()).expect("it can be written"));
    let adding = |history: &mut History| history.data(TOPIC).matches("[5]").count();
    assert!(wait_until(Duration::from_mins(1), || adding(history) == 2), "{}", history.data(TOPIC));
    let large = "x".repeat(100_000);
    for partition in 0..2 {
        history.asked.produce("t", partition, &[&large]);
    }
    follow_until(history, "free", true);
    set(history, (2, "t"), "leader.replication.throttled.replicas", Some("0:0,1:5"));
    follow(history, "nothing is limited", 5);
    // What falls out of the windows in eleven seconds: nothing here takes so long.
    set(history, (4, "0"), "leader.replication.throttled.rate", Some("100"));
    follow_until(history, "limited", false);
    history.asked.fetch("a consumer", &Fetch::new(11, &[("t", 0, 0), ("t", 1, 0)]));
    history.asked.fetch("a follower waits", &Fetch { replica: 5, ..Fetch::new(11, &[("t", 0, 0)]).wait(300, 1) });
    set(history, (2, "t"), "leader.replication.throttled.replicas", Some("1:0"));
    follow_until(history, "the other one", true);
    set(history, (2, "t"), "leader.replication.throttled.replicas", Some("*"));
    follow_until(history, "both", false);
    set(history, (4, "0"), "leader.replication.throttled.rate", None);
    follow_until(history, "free again", true);
}

#[test]
fn what_is_announced_and_has_no_use_is_answered_as_apaches_broker_answers_it() {
    let _permit = JvmPermit::take();
    compare(&run(Kind::Ours, announced), &run(Kind::Apache, announced));
}

fn announced(history: &mut History) {
    let asked = &mut history.asked;
    for (feature, level, kind) in [
        ("metadata.version", 7, 1),
        ("x", 0, 1),
        ("x", 0, 2),
        ("x", 0, 3),
        ("x", -3, 2),
        ("x", -3, 1),
        ("x", 4, 2),
        ("x", 4, 0),
        ("x", 0, 9),
        ("", 1, 1),
        ("", 0, 2),
    ] {
        let mut body = KafkaBody::new(true);
        body.i32(1000).array(1).text(feature).i16(level).i8(kind).no_tags().i8(0).no_tags();
        asked.ask(&format!("feature {feature} {level} {kind}"), UPDATE_FEATURES, 1, &body);
        let mut body = KafkaBody::new(true);
        body.i32(1000).array(1).text(feature).i16(level).i8(i8::from(kind > 1)).no_tags().no_tags();
        asked.ask(&format!("feature {feature} {level} {kind}"), UPDATE_FEATURES, 0, &body);
    }
    let mut nothing = KafkaBody::new(true);
    nothing.i32(1000).array(0).i8(1).no_tags();
    asked.ask("no features", UPDATE_FEATURES, 1, &nothing);
    let mut body = KafkaBody::new(true);
    body.text("g").text("m").i32(0).varint(0).varint(0).i32(1000).varint(0).varint(0).varint(0).no_tags();
    asked.ask("heartbeat", GROUP_HEARTBEAT, 0, &body);
    for groups in [&[][..], &["g"], &["g", "h", "g"]] {
        let mut body = KafkaBody::new(true);
        body.array(groups.len());
        for group in groups {
            body.text(group);
        }
        body.i8(1).no_tags();
        asked.ask(&format!("describe {groups:?}"), GROUP_DESCRIBE, 0, &body);
    }
}
