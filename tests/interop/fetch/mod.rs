//! One history of raw requests against Apache's broker and ours: fetch sessions, limits and long polls, and what goes
//! with reading (epochs, deletion of records, producers). The answers are the same.

mod sessions;

use tests::{
    Asked, Broker, Fetch, JvmPermit, KafkaBody, Kind, TIME, TempDir, Tools, ZooKeeper, compare, full, message,
};

/// How long those may wait, in ms, that are answered at once: so long that a machine that stands still for a while is not
/// taken for an answer that waited.
const AT_ONCE: i32 = 20_000;

const SESSION_VERSIONS: [i16; 4] = [7, 12, 13, 17];

/// Topics of one version's history; each has three partitions.
const NAMES: [[&str; 2]; 4] = [["a7", "b7"], ["a12", "b12"], ["a13", "b13"], ["a17", "b17"]];

const SPECIAL: [(&str, &str); 6] = [
    ("limits", ""),
    ("zstd", "--config compression.type=zstd"),
    ("as-it-is", "--config message.downconversion.enable=false"),
    ("compacted", "--config cleanup.policy=compact"),
    ("rolls", "--config segment.bytes=200"),
    ("deleted", ""),
];

fn run(kind: Kind, history: fn(&mut Asked)) -> Vec<String> {
    run_with(kind, "", history)
}

fn run_with(kind: Kind, settings: &str, history: fn(&mut Asked)) -> Vec<String> {
    let dir = TempDir::new("fetch-history");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_for_old_records(kind, &dir.join("kafka"), &zookeeper.address(), settings);
    let mut topics: Vec<(&str, &str)> = NAMES.iter().flatten().map(|name| (*name, "")).collect();
    topics.extend(SPECIAL);
    for (topic, more) in topics {
        let args = format!("--create --topic {topic} --partitions 3 {more} --bootstrap-server {}", broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &args);
        assert_eq!(created.code, 0, "{topic}: {}", created.stdout);
    }
    let mut asked = Asked::new(broker.port());
    history(&mut asked);
    asked.lines
}

#[test]
fn fetches_are_answered_as_apaches_broker_answers_them() {
    let _permit = JvmPermit::take();
    let ours = run(Kind::Ours, whole_history);
    assert!(ours.len() > 150, "only {} steps", ours.len());
    if full() || std::env::var_os("KAFKA_TESTS_TWICE").is_some() {
        compare(&ours, &run(Kind::Ours, whole_history));
    }
    compare(&ours, &run(Kind::Apache, whole_history));
}

#[test]
fn slots_for_sessions_are_given_out_as_apaches_broker_gives_them() {
    if !full() {
        return;
    }
    let _permit = JvmPermit::take();
    // Two in each of eight parts; and with fewer than eight none at all.
    for settings in ["max.incremental.fetch.session.cache.slots=17", "max.incremental.fetch.session.cache.slots=7"] {
        compare(&run_with(Kind::Ours, settings, sessions_come), &run_with(Kind::Apache, settings, sessions_come));
    }
}

/// Clients until there is no room for another, then a follower, for whom a client has to go.
fn sessions_come(asked: &mut Asked) {
    let begin = |partitions: &[(&'static str, i32, i64)]| Fetch::new(12, partitions).session(0, 0);
    // Of two in a part the smaller one goes.
    let partitions = [("a7", 0, 0), ("a7", 1, 0)];
    let size = |client: i32| if client < 8 { 2 } else { 1 };
    let begun: Vec<i32> = (0..20).map(|client| asked.fetch("a client", &begin(&partitions[..size(client)]))).collect();
    asked.fetch("a follower", &Fetch { replica: 0, ..begin(&[("a7", 0, 0)]) });
    for id in begun {
        asked.fetch("goes on", &Fetch::new(12, &[]).session(id, 1));
    }
}

fn whole_history(asked: &mut Asked) {
    for (version, names) in SESSION_VERSIONS.into_iter().zip(NAMES) {
        begin_and_go_on(asked, version, names);
        rotate(asked, version, names);
        refuse(asked, version, names);
        forget(asked, version, names);
    }
    cross_versions(asked);
    limits(asked);
    long_polls(asked);
    old_formats(asked);
    epochs(asked);
    deletions(asked);
    producers(asked);
}

fn begin_and_go_on(asked: &mut Asked, version: i16, [a, b]: [&'static str; 2]) {
    asked.produce(a, 0, &["one", "two", "three"]);
    let all = [(a, 0, 0), (a, 1, 0), (b, 0, 0)];
    let id = asked.fetch("alone", &Fetch::new(version, &all));
    assert_eq!(id, 0);
    let id = asked.fetch("begins", &Fetch::new(version, &all).session(0, 0));
    asked.fetch("the same again", &Fetch::new(version, &[]).session(id, 1));
    asked.fetch("nothing new", &Fetch::new(version, &[(a, 0, 3)]).session(id, 2));
    asked.fetch("still nothing", &Fetch::new(version, &[]).session(id, 3).wait(300, 1));
    asked.produce(b, 0, &["four"]);
    asked.fetch("another partition", &Fetch::new(version, &[]).session(id, 4));
    asked.reconnect();
    asked.fetch("on another connection", &Fetch::new(version, &[(b, 0, 1)]).session(id, 5));
    asked.fetch("out of range", &Fetch::new(version, &[(a, 1, 77)]).session(id, 6).wait(AT_ONCE, 1));
    asked.fetch("out of range, told again", &Fetch::new(version, &[]).session(id, 7).wait(AT_ONCE, 1));
    asked.fetch("in range again", &Fetch::new(version, &[(a, 1, 0)]).session(id, 8));
    asked.fetch("nothing after that", &Fetch::new(version, &[]).session(id, 9));
    asked.fetch("more partitions", &Fetch::new(version, &[(a, 2, 0), (b, 1, 0)]).session(id, 10));
    asked.fetch("read committed", &Fetch { isolation: 1, ..Fetch::new(version, &[]).session(id, 11) });
    asked.fetch("no such partition", &Fetch::new(version, &[(a, 9, 0)]).session(id, 12));
    asked.fetch("no such partition, told again", &Fetch::new(version, &[]).session(id, 13));
    asked.fetch("no such partition does not end a wait", &Fetch::new(version, &[]).session(id, 14).wait(300, 1));
    asked.fetch("no such topic", &Fetch::new(version, &[("nope", 0, 0), (a, 0, 0)]).session(id, 15));
    asked.fetch("no such topic, told again", &Fetch::new(version, &[]).session(id, 16));
    delete(asked, 2, b, 0, 1);
    asked.fetch("a log start that moved", &Fetch::new(version, &[(a, 0, 3)]).session(id, 17));
    asked.fetch("and is told once", &Fetch::new(version, &[]).session(id, 18));
    asked.fetch("closes", &Fetch::new(version, &[(a, 0, 0)]).session(id, -1));
    asked.fetch("after the end", &Fetch::new(version, &[]).session(id, 19));
}

fn rotate(asked: &mut Asked, version: i16, [a, _]: [&'static str; 2]) {
    for partition in 0..3 {
        asked.produce(a, partition, &["0123456789012345678901234567890123456789"]);
    }
    let small = |fetch: Fetch| Fetch { max_bytes: 120, ..fetch };
    let all = [(a, 0, 3), (a, 1, 0), (a, 2, 0)];
    let id = asked.fetch("one fits", &small(Fetch::new(version, &all).session(0, 0)));
    for epoch in 1..7 {
        asked.fetch("the next one fits", &small(Fetch::new(version, &[]).session(id, epoch)));
    }
    let twice = [(a, 1, 9), (a, 0, 3), (a, 1, 0)];
    asked.fetch("named twice", &Fetch::new(version, &twice));
    let parts = [(a, 0, 3), ("nope", 0, 0), (a, 1, 0)];
    asked.fetch("unknown ones come last", &Fetch::new(version, &parts));
    asked.fetch("only unknown ones do not wait", &Fetch::new(version, &[("nope", 0, 0)]).wait(AT_ONCE, 1));
    asked.fetch("nothing asked", &Fetch::new(version, &[]).wait(AT_ONCE, 1));
}

fn refuse(asked: &mut Asked, version: i16, [a, _]: [&'static str; 2]) {
    let all = [(a, 0, 4), (a, 1, 1)];
    let id = asked.fetch("begins", &Fetch::new(version, &all).session(0, 0));
    for epoch in [2, 7, -2, i32::MAX] {
        asked.fetch("another epoch", &Fetch::new(version, &[]).session(id, epoch));
    }
    asked.fetch("the right epoch", &Fetch::new(version, &[]).session(id, 1));
    asked.fetch("the same epoch again", &Fetch::new(version, &[]).session(id, 1));
    asked.fetch("no such session", &Fetch::new(version, &all).session(0x7fff_fff0, 1));
    asked.fetch("no session, yet an epoch", &Fetch::new(version, &all).session(0, 5));
    asked.fetch("a new one instead", &Fetch::new(version, &all).session(id, 0));
    asked.fetch("the old one is closed", &Fetch::new(version, &[]).session(id, 2));
    let empty = asked.fetch("begins with nothing", &Fetch::new(version, &[]).session(0, 0));
    asked.fetch("and goes on with nothing", &Fetch::new(version, &[]).session(empty, 1));
    asked.fetch("so it is gone", &Fetch::new(version, &[]).session(empty, 2));
}

fn forget(asked: &mut Asked, version: i16, [a, b]: [&'static str; 2]) {
    let all = [(a, 0, 0), (a, 1, 0), (b, 0, 1)];
    let id = asked.fetch("begins", &Fetch::new(version, &all).session(0, 0));
    asked.fetch("forgets one", &Fetch::new(version, &[]).session(id, 1).forget(&[(a, 0)]));
    asked.fetch("forgets what is not there", &Fetch::new(version, &[]).session(id, 2).forget(&[(b, 2), ("nope", 0)]));
    asked.fetch("asks for it again", &Fetch::new(version, &[(a, 0, 3)]).session(id, 3));
    asked.fetch("asks and forgets at once", &Fetch::new(version, &[(a, 2, 0)]).session(id, 4).forget(&[(a, 2)]));
    asked.fetch("what is left", &Fetch::new(version, &[]).session(id, 5));
    let rest = [(a, 0), (a, 1), (b, 0)];
    asked.fetch("forgets all", &Fetch::new(version, &[]).session(id, 6).forget(&rest));
    asked.fetch("so it is gone", &Fetch::new(version, &[]).session(id, 7));
    let id = asked.fetch("begins", &Fetch::new(version, &[(a, 0, 3)]).session(0, 0));
    asked.fetch("forgets all but what it asks", &Fetch::new(version, &[(a, 0, 0)]).session(id, 1).forget(&[(a, 0)]));
}

/// A session goes on in the naming in which it began.
fn cross_versions(asked: &mut Asked) {
    let id = asked.fetch("by name", &Fetch::new(12, &[("a12", 0, 4)]).session(0, 0));
    asked.fetch("by id in a session by name", &Fetch::new(13, &[]).session(id, 1));
    asked.fetch("by id, another epoch", &Fetch::new(13, &[]).session(id, 9));
    asked.fetch("still by name", &Fetch::new(7, &[]).session(id, 1));
    let id = asked.fetch("by id", &Fetch::new(13, &[("a12", 0, 4)]).session(0, 0));
    asked.fetch("by name in a session by id", &Fetch::new(12, &[]).session(id, 1));
    asked.fetch("still by id", &Fetch::new(17, &[]).session(id, 1));
}

fn limits(asked: &mut Asked) {
    let text = "x".repeat(500);
    for partition in 0..3 {
        for _ in 0..3 {
            asked.produce("limits", partition, &[&text]);
        }
    }
    let all = [("limits", 0, 0), ("limits", 1, 0), ("limits", 2, 0)];
    for version in [0, 1, 2, 3, 4, 7, 11, 12, 16, 17] {
        for (max_bytes, partition_bytes) in
            [(1 << 20, 100), (1 << 20, 700), (100, 1 << 20), (700, 1 << 20), (1300, 700), (0, 0), (1, 1 << 20)]
        {
            let fetch = Fetch { max_bytes, partition_bytes, ..Fetch::new(version, &all) };
            asked.fetch(&format!("at most {max_bytes}, {partition_bytes} each"), &fetch);
        }
    }
}

fn long_polls(asked: &mut Asked) {
    let at = |offset| [("limits", 0, offset), ("limits", 1, 3)];
    for version in [2, 4, 12, 17] {
        asked.fetch("enough is there", &Fetch::new(version, &at(0)).wait(AT_ONCE, 1500));
        asked.fetch("not enough is there", &Fetch::new(version, &at(0)).wait(400, 5000));
        // Version 2 knows no such limit, and waits.
        let wait = if version > 2 { AT_ONCE } else { 400 };
        asked.fetch("no more than allowed", &Fetch { max_bytes: 1000, ..Fetch::new(version, &at(0)).wait(wait, 5000) });
        let each = Fetch { partition_bytes: 600, ..Fetch::new(version, &at(0)).wait(400, 1000) };
        asked.fetch("enough is there, not for one partition", &each);
        asked.fetch("nothing is there", &Fetch::new(version, &at(3)).wait(400, 1));
        asked.fetch("nothing is wanted", &Fetch::new(version, &at(3)).wait(AT_ONCE, 0));
        asked.fetch("out of range", &Fetch::new(version, &at(4)).wait(AT_ONCE, 1));
        asked.fetch("below the range", &Fetch::new(version, &at(-1)).wait(AT_ONCE, 1));
    }
    for offset in 0..6 {
        asked.produce("rolls", 0, &[&format!("{offset}{}", "y".repeat(100))]);
    }
    for (offset, wait) in [(0, AT_ONCE), (4, AT_ONCE), (5, 400), (6, 400)] {
        let fetch = Fetch::new(12, &[("rolls", 0, offset)]).wait(wait, 100_000);
        asked.fetch("only the last segment is worth waiting for", &fetch);
    }
}

fn old_formats(asked: &mut Asked) {
    for (topic, version, magic) in [("limits", 1, 0), ("limits", 2, 1)] {
        let code = asked.produce_raw(version, topic, 2, &message(magic, 0, TIME, b"old"));
        asked.lines.push(format!("produce v{version} of format {magic}: {code}"));
    }
    for topic in ["zstd", "as-it-is"] {
        asked.produce(topic, 0, &["first"]);
        for version in [0, 1, 2, 3, 4, 9, 10, 12] {
            for (partition, offset) in [(0, 0), (0, 1), (0, 7), (1, 0)] {
                if topic == "zstd" && version >= 10 && (partition, offset) == (0, 0) {
                    // How small the records have become depends on who compressed them.
                    continue;
                }
                asked.fetch(topic, &Fetch::new(version, &[(topic, partition, offset)]));
            }
        }
    }
    for version in 0..5 {
        asked.fetch("converted", &Fetch::new(version, &[("limits", 2, 3), ("limits", 2, 4)]));
    }
}

fn epochs(asked: &mut Asked) {
    for epoch in [-1, 0, 1, 5] {
        for version in [9, 12, 16, 17] {
            let fetch = Fetch { current_epoch: epoch, ..Fetch::new(version, &[("limits", 0, 3)]) };
            asked.fetch(&format!("in epoch {epoch}"), &fetch);
        }
        for last in [0, 3] {
            let fetch = Fetch { last_fetched_epoch: last, ..Fetch::new(12, &[("limits", 0, 3)]) };
            asked.fetch(&format!("after a record of epoch {last}"), &fetch);
        }
        for version in 0..5 {
            for asked_epoch in [-1, 0, 4] {
                let mut body = KafkaBody::new(version >= 4);
                if version >= 3 {
                    body.i32(-1);
                }
                body.array(2);
                for (topic, partitions) in [("limits", [0, 9]), ("nope", [0, 1])] {
                    body.text(topic).array(2);
                    for partition in partitions {
                        body.i32(partition);
                        if version >= 2 {
                            body.i32(epoch);
                        }
                        body.i32(asked_epoch).no_tags();
                    }
                    body.no_tags();
                }
                body.no_tags();
                asked.ask(&format!("end of epoch {asked_epoch} in epoch {epoch}"), 23, version, &body);
            }
        }
    }
}

fn delete(asked: &mut Asked, version: i16, topic: &str, partition: i32, offset: i64) {
    let mut body = KafkaBody::new(version >= 2);
    body.array(1).text(topic).array(1).i32(partition).i64(offset).no_tags().no_tags().i32(10_000).no_tags();
    asked.ask(&format!("delete {topic}-{partition} below {offset}"), 21, version, &body);
}

fn deletions(asked: &mut Asked) {
    for _ in 0..5 {
        asked.produce("deleted", 0, &["v"]);
    }
    for version in 0..3 {
        for offset in [i64::from(version), 0, 6, -2, i64::MIN, i64::MAX] {
            delete(asked, version, "deleted", 0, offset);
        }
        for (topic, partition) in [("deleted", 9), ("nope", 0), ("compacted", 0), ("__consumer_offsets", 0), ("", 0)] {
            delete(asked, version, topic, partition, 0);
        }
        asked.fetch("what is left", &Fetch::new(12, &[("deleted", 0, 0), ("deleted", 0, 2)]));
    }
    delete(asked, 2, "deleted", 0, -1);
    delete(asked, 2, "deleted", 1, -1);
    for offset in [4, 5] {
        asked.fetch("nothing is left", &Fetch::new(12, &[("deleted", 0, offset)]));
    }
    for timeout in [1000, -1] {
        let mut body = KafkaBody::new(true);
        body.array(0).i32(timeout).no_tags();
        asked.ask("delete nothing", 21, 2, &body);
    }
}

fn producers(asked: &mut Asked) {
    asked.produce_as("deleted", 2, &[b"p", b"q"], (4000, 3, 0));
    let describe = |asked: &mut Asked, topic: &str, partitions: &[i32]| {
        let mut body = KafkaBody::new(true);
        body.array(1).text(topic).array(partitions.len());
        for partition in partitions {
            body.i32(*partition);
        }
        body.no_tags().no_tags();
        asked.ask(&format!("producers of {topic}"), 61, 0, &body);
    };
    describe(asked, "deleted", &[2, 0, 9]);
    for topic in ["nope", "", "..", "not!", "__consumer_offsets"] {
        describe(asked, topic, &[0, 1]);
    }
    asked.produce_as("deleted", 2, &[b"r"], (4000, 3, 2));
    describe(asked, "deleted", &[2]);
}
