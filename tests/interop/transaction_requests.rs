//! One history of raw transaction requests against Apache's broker and ours, in every version: producers that come
//! again, partitions and offsets, ends, markers, mistakes of every kind. The answers are the same but for times.

use std::fmt::Write as _;
use std::time::Duration;

use tests::{
    Broker, JvmPermit, KafkaBody, KafkaReply, KafkaWire, Kind, RawKafka, TempDir, Tools, ZooKeeper, compare, full,
    transactional_batch, wait_until,
};

const PRODUCE: i16 = 0;
const INIT: i16 = 22;
const ADD_PARTITIONS: i16 = 24;
const ADD_OFFSETS: i16 = 25;
const END: i16 = 26;
const MARKERS: i16 = 27;
const COMMIT_OFFSETS: i16 = 28;
const PRODUCERS: i16 = 61;
const DESCRIBE: i16 = 65;
const LIST: i16 = 66;

/// Every id of the history: its coordinator is to be there before the first request.
const IDS: [&str; 7] = ["a", "b", "c", "d", "e", "none", "timed"];

/// In the past, so that it is told apart from the times of brokers.
const WRITTEN: i64 = 1_000_000;

#[test]
fn transactions_are_answered_as_apaches_broker_answers_them() {
    let ours = run(Kind::Ours);
    assert!(ours.len() > 250, "only {} answers", ours.len());
    let _permit = JvmPermit::take();
    compare(&ours, &run(Kind::Apache));
}

/// A transaction with records in an epoch that no coordinator has given out: the answers to those, and to what its own
/// producer does next; its state after a commit that was acknowledged; and how far committed readers, and others, get.
fn strange_epoch(kind: Kind) -> (Vec<String>, (i16, String), [i64; 2]) {
    let dir = TempDir::new("transaction-epochs");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(kind, &dir.join("kafka"), &zookeeper.address());
    let args = format!("--create --topic one --partitions 2 --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    let mut history = History { port: broker.port(), wire: None, lines: Vec::new() };
    history.await_coordinators();
    history.await_ids();
    let (id, producer, epoch) = history.first("e");
    let (who, next) = ((id, producer, epoch), (id, producer, epoch + 1));
    history.add("adds", 3, who, &[("one", &[0])]);
    history.write("writes", who, 0, 0);
    history.write("writes as nobody", (id, producer + 1000, 0), 0, 0);
    history.write("writes as nobody of an epoch", (id, producer + 1000, 7), 0, 0);
    history.write("writes in an epoch to come", next, 0, 0);
    history.write("goes on", who, 1, 0);
    history.end("ends", 3, who, true);
    // That of Apache's is not to be waited for.
    let patience = Duration::from_secs(if kind == Kind::Ours { 30 } else { 5 });
    wait_until(patience, || !history.describe_quietly(id).1.starts_with("Prepare"));
    let state = history.describe_quietly(id);
    let mut log = RawKafka::connect(broker.port()).expect("it accepts");
    let ends = [true, false].map(|committed| log.list_offsets("one", 0, -1, committed).expect("an answer").2);
    (history.lines, state, ends)
}

/// Which of the last three went well: of who writes in an epoch to come, of who goes on, and of the commit.
fn went_well(lines: &[String]) -> Vec<bool> {
    // A refused partition has no offset.
    let produced = lines[5..7].iter().map(|line| !line.contains("\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff"));
    produced.chain([lines[7].ends_with(": \\00\\00\\00\\00\\00\\00\\00")]).collect()
}

#[test]
fn an_epoch_that_nobody_gave_out_spoils_no_transaction() {
    let (ours, state, ends) = strange_epoch(Kind::Ours);
    assert_eq!(went_well(&ours), [false, true, true], "{ours:#?}");
    assert_eq!((state, ends), ((0, "CompleteCommit".to_owned()), [3, 3]));
    if full() {
        let _permit = JvmPermit::take();
        let (theirs, state, ends) = strange_epoch(Kind::Apache);
        compare(&ours[..5], &theirs[..5]);
        // Apache's lets the records in and with them its producer out: what was acknowledged as committed is not to be
        // read, and the id can do nothing any more. That is not followed.
        assert_eq!(went_well(&theirs), [true, false, true], "{theirs:#?}");
        assert_eq!((state, ends), ((0, "PrepareCommit".to_owned()), [0, 2]));
    }
}

fn run(kind: Kind) -> Vec<String> {
    let dir = TempDir::new("transaction-requests");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_with(kind, &dir.join("kafka"), &zookeeper.address(), "offset.metadata.max.bytes=10");
    for topic in ["one", "two"] {
        let args = format!("--create --topic {topic} --partitions 2 --bootstrap-server {}", broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &args);
        assert_eq!(created.code, 0, "{topic}: {}", created.stdout);
    }
    let mut history = History { port: broker.port(), wire: None, lines: Vec::new() };
    history.await_coordinators();
    history.producers();
    history.partitions();
    history.batched_partitions();
    history.records();
    history.offsets();
    history.ends();
    history.markers();
    history.lists();
    if kind == Kind::Ours {
        history.nothing_batched();
    }
    history.lines
}

/// Who writes: transactional id, producer id, epoch.
type Who<'a> = (&'a str, i64, i16);

/// Topics with partitions of each.
type Topics<'a> = &'a [(&'a str, &'a [i32])];

struct History {
    port: u16,
    wire: Option<KafkaWire>,
    lines: Vec<String>,
}

impl History {
    /// The answer, noted; `None` when the broker closes the connection instead.
    fn ask(&mut self, what: &str, (api, version): (i16, i16), body: &KafkaBody) -> Option<Vec<u8>> {
        let reply = self.ask_quietly((api, version), body);
        let mut line = format!("{what} (api {api} v{version}): ");
        for byte in reply.as_deref().unwrap_or(b"closed") {
            let _ = if byte.is_ascii_graphic() {
                write!(line, "{}", char::from(*byte))
            } else {
                write!(line, "\\{byte:02x}")
            };
        }
        self.lines.push(line);
        reply
    }

    fn ask_quietly(&mut self, (api, version): (i16, i16), body: &KafkaBody) -> Option<Vec<u8>> {
        let port = self.port;
        let wire = self.wire.get_or_insert_with(|| KafkaWire::connect(port).expect("it accepts"));
        let reply = wire.ask(api, version, body).ok();
        if reply.is_none() {
            self.wire = None;
        }
        reply
    }

    fn await_coordinators(&mut self) {
        let mut find = KafkaBody::new(true);
        find.i8(1).array(IDS.len());
        for id in IDS {
            find.text(id);
        }
        find.no_tags();
        let mut group = KafkaBody::new(true);
        group.i8(0).array(1).text("g").no_tags();
        let mut groups = KafkaBody::new(true);
        groups.array(1).text("g").i8(0).no_tags();
        let up = wait_until(Duration::from_mins(1), || {
            self.ask_quietly((10, 4), &group);
            self.ask_quietly((10, 4), &find);
            let described = self.ask_quietly((15, 5), &groups).expect("an answer to DescribeGroups");
            let errors = IDS.map(|id| self.describe_quietly(id).0);
            described[5..7] == [0, 0] && errors.iter().all(|error| *error == 105)
        });
        assert!(up, "there is no coordinator");
    }

    fn init(&mut self, what: &str, version: i16, id: Option<&str>, timeout: i32, expected: (i64, i16)) -> (i64, i16) {
        let mut body = KafkaBody::new(version >= 2);
        match id {
            Some(id) => body.text(id),
            None => body.no_text(),
        };
        body.i32(timeout);
        if version >= 3 {
            body.i64(expected.0).i16(expected.1);
        }
        body.no_tags();
        let reply = self.ask(what, (INIT, version), &body).expect("an answer to InitProducerId");
        let mut read = KafkaReply::new(&reply, version >= 2);
        read.i32();
        read.i16();
        (read.i64(), read.i16())
    }

    fn first(&mut self, id: &'static str) -> Who<'static> {
        let (producer, epoch) = self.init("comes", 4, Some(id), 60_000, (-1, -1));
        (id, producer, epoch)
    }

    fn add(&mut self, what: &str, version: i16, who: Who<'_>, topics: Topics<'_>) {
        let mut body = KafkaBody::new(version >= 3);
        body.text(who.0).i64(who.1).i16(who.2);
        in_topics(&mut body, topics);
        body.no_tags();
        self.ask(what, (ADD_PARTITIONS, version), &body);
    }

    fn add_batched(&mut self, what: &str, version: i16, all: &[(Who<'_>, bool, Topics<'_>)]) {
        let mut body = KafkaBody::new(true);
        body.array(all.len());
        for (who, verify, topics) in all {
            body.text(who.0).i64(who.1).i16(who.2).i8(i8::from(*verify));
            in_topics(&mut body, topics);
            body.no_tags();
        }
        body.no_tags();
        let reply = self.ask_quietly((ADD_PARTITIONS, version), &body);
        let answer = reply.map_or_else(|| "closed".to_owned(), |reply| batched_results(&reply));
        self.lines.push(format!("{what} (api {ADD_PARTITIONS} v{version}): {answer}"));
    }

    fn add_offsets(&mut self, what: &str, version: i16, who: Who<'_>, group: &str) {
        let mut body = KafkaBody::new(version >= 3);
        body.text(who.0).i64(who.1).i16(who.2).text(group).no_tags();
        self.ask(what, (ADD_OFFSETS, version), &body);
    }

    fn commit_offsets(
        &mut self,
        what: &str,
        version: i16,
        who: Who<'_>,
        (group, member, generation): (&str, &str, i32),
        (topic, metadata): (&str, &str),
    ) {
        let mut body = KafkaBody::new(version >= 3);
        body.text(who.0).text(group).i64(who.1).i16(who.2);
        if version >= 3 {
            body.i32(generation).text(member).no_text();
        }
        body.array(1).text(topic).array(1).i32(0).i64(42);
        if version >= 2 {
            body.i32(-1);
        }
        body.text(metadata).no_tags().no_tags().no_tags();
        self.ask(what, (COMMIT_OFFSETS, version), &body);
    }

    fn end(&mut self, what: &str, version: i16, who: Who<'_>, committed: bool) {
        let mut body = KafkaBody::new(version >= 3);
        body.text(who.0).i64(who.1).i16(who.2).i8(i8::from(committed)).no_tags();
        self.ask(what, (END, version), &body);
    }

    /// Error and state of an id.
    fn describe_quietly(&mut self, id: &str) -> (i16, String) {
        let mut body = KafkaBody::new(true);
        body.array(1).text(id).no_tags();
        let reply = self.ask_quietly((DESCRIBE, 0), &body).expect("an answer to DescribeTransactions");
        let mut read = KafkaReply::new(&reply, true);
        read.i32();
        read.array();
        let error = read.i16();
        read.text();
        (error, read.text().unwrap_or_default())
    }

    /// Notes everything of an id but when it began, once nothing is on its way.
    fn describe(&mut self, id: &str) {
        let settled = wait_until(Duration::from_mins(1), || !self.describe_quietly(id).1.starts_with("Prepare"));
        assert!(settled, "{id} does not come to its end");
        let mut body = KafkaBody::new(true);
        body.array(1).text(id).no_tags();
        let reply = self.ask_quietly((DESCRIBE, 0), &body).expect("an answer to DescribeTransactions");
        let mut read = KafkaReply::new(&reply, true);
        let (throttle, states) = (read.i32(), read.array());
        let (error, id, state, timeout) = (read.i16(), read.text(), read.text(), read.i32());
        let began = read.i64();
        let began = if began > WRITTEN { "once".to_owned() } else { began.to_string() };
        let (producer, epoch) = (read.i64(), read.i16());
        let mut topics = Vec::new();
        for _ in 0..read.array().unwrap_or_default() {
            let topic = read.text().unwrap_or_default();
            let mut partitions = (0..read.array().unwrap_or_default()).map(|_| read.i32()).collect::<Vec<_>>();
            partitions.sort_unstable();
            read.tags();
            topics.push((topic, partitions));
        }
        topics.sort();
        self.lines.push(format!(
            "described: {throttle} {states:?} error {error} {id:?} {state:?} {timeout} ms since {began}, \
             {producer} {epoch} {topics:?}"
        ));
    }

    /// Notes who writes to a partition, but for when a broker wrote.
    fn describe_producers(&mut self, topic: &str, partition: i32) {
        let mut body = KafkaBody::new(true);
        in_topics(&mut body, &[(topic, &[partition])]);
        body.no_tags();
        let reply = self.ask_quietly((PRODUCERS, 0), &body).expect("an answer to DescribeProducers");
        let mut read = KafkaReply::new(&reply, true);
        read.i32();
        read.array();
        let mut line = format!("producers of {:?}: ", read.text());
        read.array();
        let _ = write!(line, "{} error {} {:?}", read.i32(), read.i16(), read.text());
        let mut producers = Vec::new();
        for _ in 0..read.array().unwrap_or_default() {
            let (id, epoch, sequence, time) = (read.i64(), read.i32(), read.i32(), read.i64());
            let time = if time > WRITTEN { "once".to_owned() } else { time.to_string() };
            let (coordinator, begun) = (read.i32(), read.i64());
            read.tags();
            producers.push(format!("{id} {epoch} {sequence} {time} {coordinator} {begun}"));
        }
        producers.sort();
        self.lines.push(format!("{line} {producers:?}"));
    }

    fn list(&mut self, what: &str, version: i16, states: &[&str], producers: &[i64], duration: i64) {
        let mut body = KafkaBody::new(true);
        body.array(states.len());
        for state in states {
            body.text(state);
        }
        body.array(producers.len());
        for producer in producers {
            body.i64(*producer);
        }
        if version >= 1 {
            body.i64(duration);
        }
        body.no_tags();
        let reply = self.ask_quietly((LIST, version), &body).expect("an answer to ListTransactions");
        let mut read = KafkaReply::new(&reply, true);
        let (throttle, error) = (read.i32(), read.i16());
        let mut unknown = (0..read.array().unwrap_or_default()).map(|_| read.text()).collect::<Vec<_>>();
        unknown.sort();
        let mut listed = Vec::new();
        for _ in 0..read.array().unwrap_or_default() {
            listed.push((read.text(), read.i64(), read.text()));
            read.tags();
        }
        listed.sort();
        self.lines.push(format!("{what} v{version}: {throttle} {error} {unknown:?} {listed:?}"));
    }

    fn write(&mut self, what: &str, who: Who<'_>, sequence: i32, partition: i32) {
        let batch = transactional_batch(&[b"v"], WRITTEN, (who.1, who.2, sequence));
        let mut body = KafkaBody::new(true);
        body.text(who.0).i16(-1).i32(10_000).array(1).text("one").array(1).i32(partition).data(&batch);
        body.no_tags().no_tags().no_tags();
        self.ask(what, (PRODUCE, 9), &body);
    }

    fn mark(&mut self, what: &str, version: i16, who: (i64, i16, bool), coordinator: i32, topic: (&str, i32)) {
        let mut body = KafkaBody::new(version >= 1);
        body.array(1).i64(who.0).i16(who.1).i8(i8::from(who.2));
        in_topics(&mut body, &[(topic.0, &[topic.1])]);
        body.i32(coordinator).no_tags().no_tags();
        self.ask(what, (MARKERS, version), &body);
    }

    /// Apache's has no ids yet when it is asked for the first time.
    fn await_ids(&mut self) {
        let mut body = KafkaBody::new(true);
        body.no_text().i32(60_000).no_tags();
        let has_ids = wait_until(Duration::from_mins(1), || {
            self.ask_quietly((INIT, 2), &body).expect("an answer to InitProducerId")[4..6] == [0, 0]
        });
        assert!(has_ids, "there are no producer ids");
    }

    fn producers(&mut self) {
        self.await_ids();
        for version in 0..=5 {
            self.init("an idempotent producer", version, None, 60_000, (-1, -1));
            self.init("without an id", version, Some(""), 60_000, (-1, -1));
        }
        self.init("an idempotent producer without time", 4, None, -1, (-1, -1));
        self.init("an idempotent producer again", 4, None, 60_000, (0, 0));
        for timeout in [0, -1, i32::MIN, 900_001, i32::MAX] {
            self.init(&format!("a timeout of {timeout}"), 4, Some("b"), timeout, (-1, -1));
        }
        self.init("an id and no epoch", 4, Some("b"), 60_000, (5, -1));
        self.init("an epoch and no id", 4, Some("b"), 60_000, (-1, 5));
        self.init("a stranger with an id", 4, Some("b"), 60_000, (5, 0));
        for version in 0..=5 {
            self.init("comes again", version, Some("a"), 60_000, (-1, -1));
        }
        let (producer, epoch) = self.init("comes again", 3, Some("a"), 50_000, (-1, -1));
        self.describe("a");
        for version in 3..=5 {
            self.init("raises an old epoch", version, Some("a"), 60_000, (producer, epoch - 3));
            self.init("raises an epoch to come", version, Some("a"), 60_000, (producer, epoch + 3));
            self.init("raises another's epoch", version, Some("a"), 60_000, (producer + 1, epoch));
        }
        self.init("raises its epoch", 3, Some("a"), 60_000, (producer, epoch));
        self.init("raises its epoch in a retry", 3, Some("a"), 60_000, (producer, epoch));
        self.describe("a");
    }

    fn partitions(&mut self) {
        let (id, producer, epoch) = self.first("c");
        for version in 0..=3 {
            self.add("adds as a stranger", version, ("none", producer, epoch), &[("one", &[0])]);
            self.add("adds without an id", version, ("", producer, epoch), &[("one", &[0])]);
            self.add("adds as another", version, (id, producer + 1, epoch), &[("one", &[0])]);
            self.add("adds to what is to come", version, (id, producer, epoch + 1), &[("one", &[0])]);
            self.add("adds what is not there", version, (id, producer, epoch), &[("one", &[7, 0])]);
            self.add("adds nothing", version, (id, producer, epoch), &[]);
            self.refuse_some(version, (id, producer, epoch));
        }
        self.describe(id);
        self.add("adds an unknown topic", 3, (id, producer, epoch), &[("nope", &[0])]);
        self.add("adds a bad partition", 3, (id, producer, epoch), &[("one", &[-1])]);
        for version in 0..=3 {
            self.add("adds", version, (id, producer, epoch), &[("one", &[0]), ("two", &[1])]);
        }
        self.describe(id);
        let (_, next) = self.init("comes in the middle", 4, Some(id), 60_000, (-1, -1));
        assert_eq!(next, -1, "its predecessor's transaction has to end first");
        self.describe(id);
        self.add("adds when it is fenced", 1, (id, producer, epoch), &[("one", &[0])]);
        self.add("adds when it is fenced", 3, (id, producer, epoch), &[("one", &[0])]);
        let again = self.first(id);
        // When the last transaction began is still known.
        self.describe(id);
        self.end("ends what has not begun", 3, again, true);
    }

    /// What could be added stands among what cannot, in an order that only a table of hashes knows.
    fn refuse_some(&mut self, version: i16, who: Who<'_>) {
        let asked: [(&str, Topics<'_>); 5] = [
            ("two", &[("two", &[1, 0]), ("one", &[5])]),
            ("some", &[("one", &[7, 0, 1]), ("two", &[0, 1]), ("nope", &[0]), ("other", &[2, 1])]),
            ("one twice", &[("one", &[1, 9, 9, 0]), ("two", &[0])]),
            ("internal ones", &[("__consumer_offsets", &[3, 1]), ("one", &[0, 1]), ("__transaction_state", &[0])]),
            (
                "many",
                &[("two", &[3, 14, 15, 9, 2, 6, 5, 35, 8, 97, 93, 23, 84, 62, 64]), ("one", &[1, 0]), ("x", &[0])],
            ),
        ];
        for (what, topics) in asked {
            self.add(&format!("adds what is not there among others: {what}"), version, who, topics);
        }
    }

    /// Apache's broker, asked, is silent after a batch of nothing, and does not close either: that is not to be waited for.
    fn nothing_batched(&mut self) {
        for version in 4..=5 {
            self.add_batched("batched: nothing", version, &[]);
            let line = self.lines.pop().expect("it is noted");
            assert_eq!(line, format!("batched: nothing (api {ADD_PARTITIONS} v{version}): 0 error 0"));
        }
    }

    fn batched_partitions(&mut self) {
        let (id, producer, epoch) = self.first("d");
        let (who, one): (Who<'_>, Topics<'_>) = ((id, producer, epoch), &[("one", &[0])]);
        for version in 4..=5 {
            self.add_batched("batched: a stranger", version, &[(("none", producer, epoch), false, one)]);
            self.add_batched("batched: without an id", version, &[(("", producer, epoch), false, one)]);
            self.add_batched("batched: old", version, &[((id, producer, epoch - 1), false, one)]);
            self.add_batched("batched: another", version, &[((id, producer + 1, epoch), false, one)]);
            self.add_batched("batched: not there", version, &[(who, false, &[("one", &[0, 9])])]);
            self.add_batched("batched: verified before", version, &[(who, true, &[("two", &[0])])]);
            self.add_batched("batched: a stranger is verified", version, &[(("none", producer, epoch), true, one)]);
        }
        self.add_batched("batched: added", 4, &[(who, false, one)]);
        for version in 4..=5 {
            self.add_batched("batched: verified", version, &[(who, true, one)]);
            self.add_batched("batched: verified in part", version, &[(who, true, &[("one", &[0, 1])])]);
            self.add_batched("batched: verified, old", version, &[((id, producer, epoch - 1), true, one)]);
        }
        self.describe(id);
        self.end("batched: ends", 4, who, false);
        self.describe(id);
        for version in 4..=5 {
            self.add_batched("batched: verified afterwards", version, &[(who, true, one)]);
        }
    }

    fn records(&mut self) {
        self.first("e");
        let (id, producer, epoch) = self.first("e");
        let who = (id, producer, epoch);
        self.write("writes where nothing was added", who, 0, 0);
        self.write("writes from the middle where nothing was added", who, 6, 1);
        self.describe_producers("one", 0);
        self.add("adds", 3, who, &[("one", &[0, 1])]);
        self.write("writes", who, 0, 0);
        self.write("writes again", who, 0, 0);
        self.write("leaves out", who, 5, 0);
        self.write("leaves out what was refused before", who, 7, 1);
        self.write("writes elsewhere", who, 0, 1);
        self.write("writes there what was left out before", who, 7, 1);
        for (topic, partition) in [("one", 0), ("one", 1), ("two", 0), ("one", 7), ("one", -1), ("nope", 0), ("", 0)] {
            self.describe_producers(topic, partition);
        }
        self.end("ends with records", 3, who, true);
        self.describe(id);
        self.describe_producers("one", 0);
        self.write("writes after the end", who, 1, 0);
        self.write("writes as a predecessor", (id, producer, epoch - 1), 1, 0);
        self.mark("marks for another coordinator of old", 1, (producer, epoch, true), -1, ("one", 0));
        self.mark("marks an old epoch", 1, (producer, epoch - 1, true), 9, ("one", 0));
        self.mark("marks what has ended", 1, (producer, epoch, false), 9, ("one", 0));
        self.mark("marks for a coordinator that is gone", 1, (producer, epoch, false), 3, ("one", 0));
        self.describe_producers("one", 0);
    }

    fn offsets(&mut self) {
        let (id, producer, epoch) = self.first("b");
        let who = (id, producer, epoch);
        for version in 0..=4 {
            self.add_offsets("adds offsets as a stranger", version, ("none", producer, epoch), "g");
            self.add_offsets("adds offsets without an id", version, ("", producer, epoch), "g");
            self.add_offsets("adds offsets as another", version, (id, producer + 1, epoch), "g");
            self.add_offsets("adds offsets as one to come", version, (id, producer, epoch + 1), "g");
            self.add_offsets("adds offsets of no group", version, who, "");
        }
        for version in 0..=4 {
            self.add_offsets("adds offsets", version, who, "g");
            self.commit_offsets("commits", version, who, ("g", "", -1), ("one", "m"));
            self.commit_offsets("commits of an unknown topic", version, who, ("g", "", -1), ("nope", "m"));
            self.commit_offsets("commits with much to say", version, who, ("g", "", -1), ("one", "12345678901"));
            self.commit_offsets("commits of no group", version, who, ("", "", -1), ("one", "m"));
            self.commit_offsets("commits without an id", version, ("", producer, epoch), ("g", "", -1), ("one", "m"));
        }
        for version in 3..=4 {
            self.commit_offsets("commits as a member", version, who, ("g", "nobody", 1), ("one", "m"));
            self.commit_offsets("commits in a generation", version, who, ("g", "", 1), ("one", "m"));
            self.commit_offsets("commits out of it", version, who, ("g", "nobody", -1), ("one", "m"));
            self.commit_offsets("commits elsewhere", version, who, ("h", "nobody", 1), ("one", "m"));
        }
        self.describe(id);
        self.end("ends with offsets", 2, who, true);
        self.describe(id);
    }

    fn ends(&mut self) {
        let (id, producer, epoch) = self.first("d");
        let who = (id, producer, epoch);
        for version in 0..=4 {
            self.end("ends as a stranger", version, ("none", producer, epoch), true);
            self.end("ends without an id", version, ("", producer, epoch), true);
            self.end("ends as another", version, (id, producer + 1, epoch), true);
            self.end("ends as a predecessor", version, (id, producer, epoch - 1), false);
            self.end("ends what is empty", version, who, true);
            self.end("aborts what is empty", version, who, false);
        }
        for (version, committed) in [(0, true), (1, false), (2, true), (3, false), (4, true)] {
            self.add("adds", 3, who, &[("two", &[0])]);
            self.end("ends", version, who, committed);
            self.describe(id);
            self.end("ends again", version, who, committed);
            self.end("ends otherwise", version, who, !committed);
        }
        self.describe_producers("two", 0);
    }

    fn markers(&mut self) {
        for version in 0..=1 {
            self.mark("marks what nobody has", version, (9_000, 0, true), 0, ("nope", 0));
            self.mark("marks a partition that is not there", version, (9_000, 0, true), 0, ("one", 9));
            self.mark("marks for a stranger", version, (9_000 + i64::from(version), 2, true), 4, ("one", 1));
            self.mark("marks for nobody", version, (-1, 0, false), 0, ("one", 1));
            self.mark("marks for no epoch", version, (9_000, -1, false), 5, ("one", 1));
            self.mark("marks for nobody what is not there", version, (-1, -1, false), 0, ("nope", 1));
        }
        self.mark("marks for a stranger of before", 1, (9_000, 1, true), 4, ("one", 1));
        self.mark("marks by a coordinator of before", 1, (9_000, 3, false), 2, ("one", 1));
        let mut nothing = KafkaBody::new(true);
        nothing.array(0).no_tags();
        self.ask("marks nothing", (MARKERS, 1), &nothing);
        self.describe_producers("one", 1);
    }

    fn lists(&mut self) {
        let who = self.first("timed");
        self.add("adds", 3, who, &[("one", &[1])]);
        for version in 0..=1 {
            self.list("all", version, &[], &[], -1);
            self.list("those that are open", version, &["Ongoing"], &[], -1);
            self.list("those that have ended, and a mistake", version, &["CompleteCommit", "Nonsense"], &[], -1);
            self.list("only mistakes", version, &["Nonsense", "ongoing", ""], &[], -1);
            self.list("those of a producer", version, &[], &[who.1], -1);
            self.list("those of a producer, otherwise", version, &["Empty"], &[who.1], -1);
            self.list("those of nobody", version, &[], &[-1, 9_000], -1);
            self.list("dead ones", version, &["Dead", "PrepareEpochFence"], &[], -1);
        }
        self.list("those that are open for long", 1, &["Ongoing"], &[], 3_600_000);
        self.list("those that came again long after, or have never begun", 1, &["Empty"], &[], 3_600_000);
        // A transaction of this very millisecond is not older than 0 ms.
        std::thread::sleep(Duration::from_millis(2));
        self.list("those that are open for a while", 1, &["Ongoing"], &[], 0);
        for id in ["", "none", "timed"] {
            self.describe(id);
        }
    }
}

/// What is said of each transaction. Apache's broker lists the partitions of a topic in any order.
fn batched_results(reply: &[u8]) -> String {
    let mut read = KafkaReply::new(reply, true);
    let mut text = format!("{} error {}", read.i32(), read.i16());
    for _ in 0..read.array().unwrap_or_default() {
        let _ = write!(text, ", {:?}:", read.text());
        for _ in 0..read.array().unwrap_or_default() {
            let topic = read.text();
            let mut partitions = Vec::new();
            for _ in 0..read.array().unwrap_or_default() {
                partitions.push((read.i32(), read.i16()));
                read.tags();
            }
            read.tags();
            partitions.sort_unstable();
            let _ = write!(text, " {topic:?} {partitions:?}");
        }
        read.tags();
    }
    read.tags();
    assert!(read.is_empty(), "more than an answer: {reply:?}");
    text
}

fn in_topics(body: &mut KafkaBody, topics: Topics<'_>) {
    body.array(topics.len());
    for (topic, partitions) in topics {
        body.text(topic).array(partitions.len());
        for partition in *partitions {
            body.i32(*partition);
        }
        body.no_tags();
    }
}
