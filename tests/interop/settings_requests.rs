//! Raw requests about settings, quotas, credentials and elections against Apache's broker and ours: the same answers, to
//! the byte.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tests::{Asked, Broker, JvmPermit, KafkaBody, Kind, TempDir, Tools, ZooKeeper, compare, wait_until};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;

const DESCRIBE: i16 = 32;
const ALTER: i16 = 33;
const ELECT: i16 = 43;
const INCREMENTAL: i16 = 44;
const DESCRIBE_QUOTAS: i16 = 48;
const ALTER_QUOTAS: i16 = 49;
const DESCRIBE_SCRAM: i16 = 50;
const ALTER_SCRAM: i16 = 51;

/// A setting: name, operation, value.
type Op<'a> = (&'a str, i8, Option<&'a str>);

fn optional<'b>(body: &'b mut KafkaBody, text: Option<&str>) -> &'b mut KafkaBody {
    match text {
        Some(text) => body.text(text),
        None => body.no_text(),
    }
}

fn incremental(asked: &mut Followed, kind: i8, name: &str, ops: &[Op<'_>]) {
    let mut body = KafkaBody::new(true);
    body.array(1).i8(kind).text(name).array(ops.len());
    for (setting, operation, value) in ops {
        body.text(setting).i8(*operation);
        optional(&mut body, *value).no_tags();
    }
    body.no_tags().i8(0).no_tags();
    asked.ask(&format!("incremental {kind} {name} {ops:?}"), INCREMENTAL, 1, &body);
    asked.settle();
}

fn replace(asked: &mut Followed, kind: i8, name: &str, settings: &[(&str, Option<&str>)]) {
    let mut body = KafkaBody::new(true);
    body.array(1).i8(kind).text(name).array(settings.len());
    for (setting, value) in settings {
        body.text(setting);
        optional(&mut body, *value).no_tags();
    }
    body.no_tags().i8(0).no_tags();
    asked.ask(&format!("replace {kind} {name} {settings:?}"), ALTER, 2, &body);
    asked.settle();
}

fn describe(asked: &mut Followed, kind: i8, name: &str, setting: &str) {
    let mut body = KafkaBody::new(true);
    body.array(1).i8(kind).text(name).array(1).text(setting).no_tags().i8(1).i8(0).no_tags();
    asked.ask(&format!("describe {kind} {name} {setting}"), DESCRIBE, 4, &body);
}

fn run(kind: Kind, history: fn(&mut Followed)) -> Vec<String> {
    let dir = TempDir::new("settings-history");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(kind, &dir.join("kafka"), &zookeeper.address());
    for topic in ["t", MARK] {
        let args = format!("--create --topic {topic} --partitions 2 --bootstrap-server {}", broker.address());
        assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    }
    let log = (kind == Kind::Apache).then(|| File::open(broker.log()).expect("it logs"));
    let mut asked = Followed { asked: Asked::new(broker.port()), log, marks: 0 };
    history(&mut asked);
    asked.asked.lines
}

/// A topic that only marks the place in the order of changes.
const MARK: &str = "mark";

/// A history of which each request follows upon what the one before it has changed.
struct Followed {
    asked: Asked,
    /// Where Apache's broker says which change it follows.
    log: Option<File>,
    marks: u32,
}

impl Followed {
    /// Waits until the broker has followed what it was asked to change. Ours has done so when it answers; Apache's follows
    /// its own notices, one after the other: when it says that it is at one that comes later, it has done the others.
    fn settle(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        log.seek(SeekFrom::End(0)).expect("a file has an end");
        self.marks += 1;
        let mut body = KafkaBody::new(true);
        let value = (1_000_000_000 + self.marks).to_string();
        body.array(1).i8(TOPIC).text(MARK).array(1).text("retention.ms").i8(0).text(&value).no_tags();
        body.no_tags().i8(0).no_tags();
        self.asked.aside(INCREMENTAL, 1, &body);
        let mut said = Vec::new();
        let followed = wait_until(Duration::from_mins(1), || {
            log.read_to_end(&mut said).expect("it can be read");
            let said = String::from_utf8_lossy(&said);
            said.lines().any(|line| line.contains("entityPath: topics/mark ") && line.contains(&value))
        });
        assert!(followed, "it does not follow change {}: {}", self.marks, String::from_utf8_lossy(&said));
        self.log = Some(log);
    }
}

impl Deref for Followed {
    type Target = Asked;

    fn deref(&self) -> &Asked {
        &self.asked
    }
}

impl DerefMut for Followed {
    fn deref_mut(&mut self) -> &mut Asked {
        &mut self.asked
    }
}

#[test]
fn settings_are_changed_and_refused_as_apaches_broker_does_it() {
    let _permit = JvmPermit::take();
    compare(&run(Kind::Ours, settings), &run(Kind::Apache, settings));
}

#[test]
fn quotas_credentials_and_elections_are_answered_as_apaches_broker_answers() {
    let _permit = JvmPermit::take();
    compare(&run(Kind::Ours, others), &run(Kind::Apache, others));
}

fn settings(asked: &mut Followed) {
    topics(asked);
    brokers(asked);
    limits_of_connections(asked);
    loggers(asked);
    for kind in [0, 1, 16, 32, 77] {
        incremental(asked, kind, "m", &[("a", 0, Some("1"))]);
        replace(asked, kind, "m", &[("a", Some("1"))]);
        describe(asked, kind, "m", "a");
    }
}

fn topics(asked: &mut Followed) {
    for (name, operation, value) in [
        ("retention.ms", 2, Some("5")),
        ("retention.ms", 3, Some("5")),
        ("retention.ms", 9, Some("5")),
        ("retention.ms", 0, None),
        ("retention.ms", 0, Some("abc")),
        ("retention.ms", 0, Some("-2")),
        ("nope", 0, Some("5")),
        ("nope", 1, None),
        ("nope", 2, Some("5")),
        ("remote.storage.enable", 0, Some("true")),
        ("cleanup.policy", 2, Some("compact")),
        ("cleanup.policy", 2, Some("compact,delete")),
        ("cleanup.policy", 3, Some("delete")),
        ("cleanup.policy", 3, Some("compact")),
        ("cleanup.policy", 1, Some("x")),
        ("retention.ms", 0, Some("77")),
    ] {
        incremental(asked, TOPIC, "t", &[(name, operation, value)]);
        describe(asked, TOPIC, "t", name);
    }
    incremental(asked, TOPIC, "t", &[("retention.ms", 0, Some("5")), ("retention.ms", 1, None)]);
    let lags = [("min.compaction.lag.ms", 0, Some("10")), ("max.compaction.lag.ms", 0, Some("5"))];
    incremental(asked, TOPIC, "t", &lags);
    for name in ["", "nope", "a/b"] {
        incremental(asked, TOPIC, name, &[("retention.ms", 0, Some("5"))]);
        replace(asked, TOPIC, name, &[("retention.ms", Some("5"))]);
        describe(asked, TOPIC, name, "retention.ms");
    }
    replace(asked, TOPIC, "t", &[("retention.ms", Some("5")), ("retention.ms", Some("6"))]);
    replace(asked, TOPIC, "t", &[("retention.ms", None), ("segment.ms", None)]);
    replace(asked, TOPIC, "t", &[("nope", Some("5"))]);
    replace(asked, TOPIC, "t", &[("flush.ms", Some("7"))]);
    describe(asked, TOPIC, "t", "retention.ms");
    describe(asked, TOPIC, "t", "flush.ms");
    replace(asked, TOPIC, "t", &[]);
    describe(asked, TOPIC, "t", "flush.ms");
}

fn brokers(asked: &mut Followed) {
    for (name, value) in [
        ("log.cleaner.threads", "abc"),
        ("log.cleaner.threads", "0"),
        ("log.cleaner.threads", "5"),
        ("log.cleaner.threads", "2"),
        ("num.io.threads", "17"),
        ("num.io.threads", "3"),
        ("num.io.threads", "0"),
        ("num.io.threads", "9"),
        ("background.threads", "500"),
        ("num.network.threads", "17"),
        ("broker.id", "3"),
        ("ssl.keystore.location", "x"),
        ("listener.name.plaintext.num.network.threads", "x"),
        ("leader.replication.throttled.rate", "-1"),
        ("leader.replication.throttled.rate", "100"),
        ("log.retention.ms", "-5"),
        ("log.retention.ms", "7000000"),
        ("log.roll.ms", "0"),
        ("message.max.bytes", "-5"),
        ("message.max.bytes", "5000"),
        ("log.cleaner.dedupe.buffer.size", "5"),
        ("log.message.format.version", "2.8"),
        ("min.insync.replicas", "0"),
        ("producer.id.expiration.ms", "0"),
        ("unclean.leader.election.enable", "maybe"),
        ("max.connections", "-1"),
        ("max.connections.per.ip.overrides", "h"),
        ("made.up", "7"),
    ] {
        incremental(asked, BROKER, "0", &[(name, 0, Some(value))]);
        describe(asked, BROKER, "0", name);
        incremental(asked, BROKER, "0", &[(name, 1, None)]);
    }
    for operation in [2, 3, 1] {
        incremental(asked, BROKER, "0", &[("log.cleanup.policy", operation, Some("compact"))]);
        describe(asked, BROKER, "0", "log.cleanup.policy");
    }
    incremental(asked, BROKER, "0", &[("made.up", 2, Some("9"))]);
    incremental(asked, BROKER, "0", &[("log.segment.bytes", 2, Some("9"))]);
    incremental(asked, BROKER, "0", &[("broker.id", 0, Some("3")), ("zookeeper.connect", 0, Some("x"))]);
    for name in ["x", "1"] {
        incremental(asked, BROKER, name, &[("log.cleaner.threads", 0, Some("1"))]);
        replace(asked, BROKER, name, &[("log.cleaner.threads", Some("1"))]);
        describe(asked, BROKER, name, "log.cleaner.threads");
    }
    incremental(asked, BROKER, "", &[("advertised.listeners", 0, Some("PLAINTEXT://h:1"))]);
    replace(asked, BROKER, "", &[("log.retention.ms", Some("7000000"))]);
    for name in ["", "0"] {
        describe(asked, BROKER, name, "log.retention.ms");
    }
    replace(asked, BROKER, "0", &[("log.flush.interval.ms", Some("7000"))]);
    describe(asked, BROKER, "0", "log.flush.interval.ms");
    replace(asked, BROKER, "0", &[]);
    replace(asked, BROKER, "", &[]);
    describe(asked, BROKER, "0", "log.retention.ms");
}

/// Of all connections, and of those to one listener.
fn limits_of_connections(asked: &mut Followed) {
    for (name, value) in [
        ("max.connections", "0"),
        ("max.connections", "200"),
        ("max.connection.creation.rate", "0"),
        ("max.connection.creation.rate", "1000"),
        ("listener.name.plaintext.max.connections", "0"),
        ("listener.name.plaintext.max.connections", "x"),
        ("listener.name.plaintext.max.connections", "150"),
        ("listener.name.nope.max.connections", "0"),
        ("listener.name.plaintext.max.connection.creation.rate", "0"),
        ("listener.name.plaintext.max.connection.creation.rate", "500"),
    ] {
        incremental(asked, BROKER, "0", &[(name, 0, Some(value))]);
        describe(asked, BROKER, "0", name);
        incremental(asked, BROKER, "0", &[(name, 1, None)]);
    }
    for (name, value) in [
        ("listener.name.plaintext.max.connections", "0"),
        ("listener.name.plaintext.max.connections", "150"),
        ("max.connection.creation.rate", "700"),
    ] {
        incremental(asked, BROKER, "", &[(name, 0, Some(value))]);
        describe(asked, BROKER, "0", name);
        incremental(asked, BROKER, "", &[(name, 1, None)]);
    }
}

fn loggers(asked: &mut Followed) {
    for (name, operation, value) in [
        ("kafka.server.KafkaApis", 0, Some("debug")),
        ("kafka.server.KafkaApis", 0, Some("DEBUG")),
        ("kafka.server.KafkaApis", 1, None),
        ("root", 1, None),
        ("root", 2, Some("INFO")),
        ("root", 3, Some("INFO")),
        ("root", 7, Some("INFO")),
        ("root", 0, Some("")),
        ("x.y", 0, Some("INFO")),
    ] {
        incremental(asked, LOGGER, "0", &[(name, operation, value)]);
        describe(asked, LOGGER, "0", name);
    }
    replace(asked, LOGGER, "0", &[("root", Some("INFO"))]);
    for name in ["", "1", "x"] {
        describe(asked, LOGGER, name, "root");
    }
}

/// Types with names.
type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn alter_quota(asked: &mut Followed, entity: Entity<'_>, key: &str, value: f64, remove: bool) {
    let mut body = KafkaBody::new(true);
    body.array(1).array(entity.len());
    for (kind, name) in entity {
        body.text(kind);
        optional(&mut body, *name).no_tags();
    }
    body.array(1).text(key).raw(&value.to_be_bytes()).i8(i8::from(remove)).no_tags().no_tags().i8(0).no_tags();
    asked.ask(&format!("quota {entity:?} {key}={value} {remove}"), ALTER_QUOTAS, 1, &body);
}

fn find_quotas(asked: &mut Followed, parts: &[(&str, i8, Option<&str>)], strict: bool) {
    let mut body = KafkaBody::new(true);
    body.array(parts.len());
    for (kind, match_type, name) in parts {
        body.text(kind).i8(*match_type);
        optional(&mut body, *name).no_tags();
    }
    body.i8(i8::from(strict)).no_tags();
    asked.ask(&format!("quotas {parts:?} {strict}"), DESCRIBE_QUOTAS, 1, &body);
}

fn others(asked: &mut Followed) {
    quotas(asked);
    credentials(asked);
    for (election, partitions) in [(0, &[0, 0][..]), (1, &[1]), (0, &[9]), (2, &[0])] {
        let mut body = KafkaBody::new(true);
        body.i8(election).array(1).text("t").array(partitions.len());
        for partition in partitions {
            body.i32(*partition);
        }
        body.no_tags().i32(10_000).no_tags();
        asked.ask(&format!("elect {election} {partitions:?}"), ELECT, 2, &body);
    }
}

fn quotas(asked: &mut Followed) {
    let alice: Entity<'_> = &[("user", Some("alice"))];
    let (produce, connect) = ("producer_byte_rate", "connection_creation_rate");
    find_quotas(asked, &[], false);
    for (entity, key, value) in [
        (alice, produce, 1e9),
        (&[("user", Some("alice")), ("client-id", Some("app"))], produce, 2e9),
        (&[("user", None), ("client-id", Some("app"))], produce, 25e8),
        (&[("user", None)], "request_percentage", 2500.5),
        (&[("client-id", Some("a b/c*"))], "controller_mutation_rate", 11e5),
        (&[("ip", Some("10.0.0.9"))], connect, 11.0),
        (&[("ip", None)], connect, 15e5),
        (&[("ip", Some("1.2.3.4"))], connect, 11.5),
        (&[("ip", Some("1.2.3.4"))], produce, 11.0),
        (&[("ip", Some("1.2.3.4")), ("user", Some("u"))], connect, 11.0),
        (alice, connect, 11.0),
        (alice, "nope", 11.0),
        (alice, produce, 11.5),
        (alice, produce, -1.0),
        (alice, produce, f64::NAN),
        (alice, produce, f64::INFINITY),
        (alice, produce, 1e30),
        (alice, produce, 11.000_000_000_1),
        (&[], produce, 5.0),
        (&[("foo", Some("u"))], produce, 5.0),
        (&[("user", Some(""))], produce, 5.0),
        (&[("client-id", Some(""))], produce, 5.0),
    ] {
        alter_quota(asked, entity, key, value, false);
    }
    alter_quota(asked, &[("user", Some("never"))], produce, 0.0, true);
    for (parts, strict) in [
        (&[("user", 0, Some("alice"))][..], true),
        (&[("user", 1, None)], true),
        (&[("client-id", 0, Some("a b/c*"))], false),
        (&[("user", 0, Some("alice")), ("client-id", 2, None)], false),
        (&[("ip", 1, None)], false),
        (&[("ip", 0, Some("10.0.0.9"))], false),
        (&[("ip", 2, None), ("user", 2, None)], false),
        (&[("user", 2, None), ("user", 2, None)], false),
        (&[("foo", 2, None)], false),
        (&[("", 2, None)], false),
        (&[("user", 7, None)], false),
        (&[("user", 0, None)], false),
        (&[("user", 0, Some("nobody"))], false),
    ] {
        find_quotas(asked, parts, strict);
    }
    alter_quota(asked, alice, produce, 0.0, true);
    find_quotas(asked, &[("user", 0, Some("alice"))], true);
}

fn credentials(asked: &mut Followed) {
    let alter = |asked: &mut Followed, deleted: &[(&str, i8)], set: &[(&str, i8, i32, &[u8])]| {
        let mut body = KafkaBody::new(true);
        body.array(deleted.len());
        for (user, mechanism) in deleted {
            body.text(user).i8(*mechanism).no_tags();
        }
        body.array(set.len());
        for (user, mechanism, iterations, salt) in set {
            body.text(user).i8(*mechanism).i32(*iterations).data(salt).data(&[b'x'; 32]).no_tags();
        }
        body.no_tags();
        asked.ask(&format!("scram {deleted:?} {set:?}"), ALTER_SCRAM, 0, &body);
        asked.settle();
    };
    let describe = |asked: &mut Followed, users: &[&str]| {
        let mut body = KafkaBody::new(true);
        body.array(users.len());
        for user in users {
            body.text(user).no_tags();
        }
        body.no_tags();
        asked.ask(&format!("scram of {users:?}"), DESCRIBE_SCRAM, 0, &body);
    };
    let salt: &[u8] = b"0123456789abcdef";
    describe(asked, &[]);
    for (mechanism, iterations) in [(1, 4096), (2, 8192), (1, 4095), (1, 16_385), (1, 16_384), (0, 4096), (3, 4096)] {
        alter(asked, &[], &[("bob", mechanism, iterations, salt)]);
    }
    for users in [&[][..], &["bob"], &["nobody"], &["bob", "bob"], &[""]] {
        describe(asked, users);
    }
    alter(asked, &[], &[("", 1, 4096, salt)]);
    alter(asked, &[("", 1)], &[]);
    alter(asked, &[("bob", 3)], &[]);
    alter(asked, &[("nobody", 1)], &[]);
    alter(asked, &[("bob", 1)], &[("bob", 1, 4096, salt)]);
    alter(asked, &[], &[("bob", 1, 4096, salt), ("bob", 1, 5000, salt)]);
    alter(asked, &[("bob", 1)], &[("bob", 2, 5000, salt)]);
    describe(asked, &[]);
    alter(asked, &[("bob", 1)], &[]);
    alter(asked, &[("bob", 2)], &[]);
    alter(asked, &[], &[("em", 1, 5000, b"")]);
    describe(asked, &[]);
}
