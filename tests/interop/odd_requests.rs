//! Requests that no client sends: a partition named twice, sizes below zero. Apache's broker and ours answer the same,
//! to the byte, and what is stored afterwards is the same.

use tests::{
    Asked, Broker, Fetch, JvmPermit, KafkaBody, Kind, TIME, TempDir, Tools, ZooKeeper, batch, compare, message,
};

fn run(kind: Kind) -> Vec<String> {
    let dir = TempDir::new("odd-requests");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_for_old_records(kind, &dir.join("kafka"), &zookeeper.address(), "");
    for topic in ["t", "u"] {
        let args = format!("--create --topic {topic} --partitions 2 --bootstrap-server {}", broker.address());
        assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    }
    let mut asked = Asked::new(broker.port());
    negative_sizes(&mut asked);
    twice_in_data(&mut asked);
    twice_in_offsets(&mut asked);
    twice_elsewhere(&mut asked);
    asked.lines
}

#[test]
fn odd_requests_are_answered_as_apaches_broker_answers_them() {
    let _permit = JvmPermit::take();
    compare(&run(Kind::Ours), &run(Kind::Apache));
}

fn negative_sizes(asked: &mut Asked) {
    asked.produce("t", 0, &["one", "two"]);
    asked.produce("t", 0, &["three"]);
    for version in [1, 3, 4, 11, 12, 17] {
        for (max_bytes, partition_bytes) in [(1 << 20, -1), (1 << 20, i32::MIN), (-1, 1 << 20), (-7, -3), (1 << 20, 0)]
        {
            for offset in [0, 1, 3, 4] {
                // Partition 1 is empty, so that there is nothing to read in it.
                let at = [("t", 0, offset), ("t", 1, 0), ("t", 0, 2)];
                let at = if offset == 1 { &at[..] } else { &at[..2] };
                let fetch = Fetch { max_bytes, partition_bytes, ..Fetch::new(version, at) };
                asked.fetch(&format!("at most {max_bytes}, {partition_bytes} each, from {offset}"), &fetch);
            }
        }
    }
    // Where no bytes at all are allowed the first partition fails, and the others find nothing left.
    asked.produce("t", 1, &["four"]);
    for version in [3, 11, 17] {
        let at = [("t", 1, 0), ("t", 0, 0), ("t", 1, 9)];
        for at in [&at[..2], &at[1..], &[("nope", 0, 0), at[1], at[0]]] {
            let fetch = Fetch { max_bytes: -1, ..Fetch::new(version, at) };
            asked.fetch("fewer than none, of several", &fetch);
        }
    }
    let negative = Fetch { partition_bytes: -1, ..Fetch::new(12, &[("t", 0, 0)]) };
    asked.fetch("negative, and waits", &negative.clone().wait(20_000, 1));
    let id = asked.fetch("negative in a session", &negative.session(0, 0));
    asked.fetch("and again", &Fetch::new(12, &[]).session(id, 1));
}

/// Calls back for each way to name a partition twice: in one topic, and in the topic twice.
fn in_both_ways(name: &str, flexible: bool, body: &mut KafkaBody, mut partition: impl FnMut(&mut KafkaBody, usize)) {
    if flexible {
        body.array(1).text(name).array(2);
        partition(body, 0);
        partition(body, 1);
        body.no_tags();
    } else {
        body.array(2);
        for at in 0..2 {
            body.text(name).array(1);
            partition(body, at);
        }
    }
}

fn twice_in_data(asked: &mut Asked) {
    for (version, flexible) in [(3, false), (7, false), (9, true), (11, true)] {
        let mut body = KafkaBody::new(flexible);
        body.no_text().i16(-1).i32(10_000);
        in_both_ways("u", flexible, &mut body, |body, at| {
            let value: &[u8] = if at == 0 { b"first" } else { b"second" };
            body.i32(0).data(&batch(&[value], TIME, (-1, -1, -1))).no_tags();
        });
        body.no_tags();
        asked.ask("produce twice", 0, version, &body);
        asked.fetch("what was produced", &Fetch::new(11, &[("u", 0, 0)]));
    }
    let mut body = KafkaBody::new(false);
    body.i16(1).i32(10_000);
    in_both_ways("u", false, &mut body, |body, at| {
        body.i32(1).data(&message(0, 0, TIME, if at == 0 { b"old" } else { b"older" }));
    });
    asked.ask("produce twice in an old format", 0, 0, &body);
    for (version, flexible) in [(1, false), (5, false), (6, true), (9, true)] {
        let mut body = KafkaBody::new(flexible);
        body.i32(-1);
        if version >= 2 {
            body.i8(0);
        }
        in_both_ways("t", flexible, &mut body, |body, at| {
            body.i32(0);
            if version >= 4 {
                body.i32(-1);
            }
            body.i64(-1 - at as i64).no_tags();
        });
        body.no_tags();
        asked.ask("offsets twice", 2, version, &body);
    }
    for (version, flexible) in [(2, false), (3, false), (4, true)] {
        let mut body = KafkaBody::new(flexible);
        if version >= 3 {
            body.i32(-1);
        }
        in_both_ways("t", flexible, &mut body, |body, at| {
            body.i32(0).i32(-1).i32(at as i32).no_tags();
        });
        body.no_tags();
        asked.ask("epochs twice", 23, version, &body);
    }
    for (version, flexible) in [(1, false), (2, true)] {
        let mut body = KafkaBody::new(flexible);
        in_both_ways("t", flexible, &mut body, |body, at| {
            body.i32(0).i64(1 + at as i64).no_tags();
        });
        body.i32(10_000).no_tags();
        asked.ask("deletion twice", 21, version, &body);
    }
}

fn twice_in_offsets(asked: &mut Asked) {
    for (version, flexible) in [(7, false), (8, true)] {
        let mut body = KafkaBody::new(flexible);
        body.text("g").i32(-1).text("").no_text();
        in_both_ways("t", flexible, &mut body, |body, at| {
            body.i32(1).i64(5 + at as i64).i32(-1).text(if at == 0 { "first" } else { "second" }).no_tags();
        });
        body.no_tags();
        asked.ask("commit twice", 8, version, &body);
        let mut body = KafkaBody::new(false);
        body.text("g");
        in_both_ways("t", false, &mut body, |body, _| {
            body.i32(1);
        });
        asked.ask("committed, asked twice", 9, 5, &body);
        let mut body = KafkaBody::new(true);
        body.text("g").array(1).text("t").array(3).i32(1).i32(0).i32(1).no_tags().i8(0).no_tags();
        asked.ask("committed, asked twice", 9, 7, &body);
    }
    let mut body = KafkaBody::new(false);
    body.text("g");
    in_both_ways("t", false, &mut body, |body, _| {
        body.i32(1);
    });
    asked.ask("removal twice", 47, 0, &body);
    asked.ask("removal twice, again", 47, 0, &body);
    let mut body = KafkaBody::new(true);
    body.array(1).text("t").array(3).i32(0).i32(1).i32(0).no_tags().no_tags();
    asked.ask("producers twice", 61, 0, &body);
    let mut body = KafkaBody::new(true);
    body.text("x").i64(5).i16(0).array(1).text("t").array(3).i32(0).i32(1).i32(0).no_tags().no_tags();
    asked.ask("into a transaction twice", 24, 3, &body);
}

fn twice_elsewhere(asked: &mut Asked) {
    let mut body = KafkaBody::new(false);
    body.array(2).text("t").array(1).i32(0).text("t").array(1).i32(0);
    let mut elect = KafkaBody::new(false);
    elect.i8(0).raw(&body.bytes).i32(10_000);
    asked.ask("leaders twice", 43, 1, &elect);
    let mut body = KafkaBody::new(true);
    body.i32(10_000).array(1).text("t").array(2);
    body.i32(0).array(1).i32(9).no_tags().i32(0).array(1).i32(0).no_tags().no_tags().no_tags();
    asked.ask("moved twice", 45, 0, &body);
    let mut body = KafkaBody::new(false);
    body.array(2).text("/no/such").array(1).text("t").array(2).i32(0).i32(0);
    body.text("/nor/this").array(1).text("t").array(1).i32(0);
    asked.ask("between directories twice", 34, 1, &body);
    let mut body = KafkaBody::new(false);
    body.array(2).text("g").text("g").i8(0);
    asked.ask("group twice", 15, 3, &body);
    let mut body = KafkaBody::new(false);
    body.array(2);
    for _ in 0..2 {
        body.i8(2).text("t").array(1).text("retention.ms");
    }
    body.i8(0);
    asked.ask("settings twice", 32, 1, &body);
    let mut body = KafkaBody::new(false);
    body.array(2);
    for value in ["1000", "2000"] {
        body.i8(2).text("u").array(1).text("retention.ms").i8(0).text(value);
    }
    body.i8(0);
    asked.ask("settings changed twice", 44, 0, &body);
    let mut body = KafkaBody::new(false);
    body.array(2);
    for count in [3, 4] {
        body.text("u").i32(count).i32(-1);
    }
    body.i32(10_000).i8(0);
    asked.ask("grown twice", 37, 1, &body);
    let mut body = KafkaBody::new(false);
    body.array(2).text("u").text("u").i32(10_000);
    asked.ask("deleted twice", 20, 3, &body);
}
