//! Groups carried between the programs: what one broker has in `__consumer_offsets`, the other one loads and goes on with,
//! after a stop and after `kill -9`.
//!
//! In it: a generation with a static and a dynamic member, a group that everybody left, one that was deleted, commits
//! without a group, with a retention of their own, deleted again, and in transactions of every outcome.

use std::time::Duration;

use tests::{
    Broker, JvmPermit, KafkaBody, KafkaReply, KafkaWire, Kind, RawZk, TempDir, Tools, ZooKeeper, full, wait_until,
};

use Kind::{Apache, Ours};

const COMMIT: i16 = 8;
const FETCH_OFFSETS: i16 = 9;
const FIND_COORDINATOR: i16 = 10;
const JOIN: i16 = 11;
const HEARTBEAT: i16 = 12;
const LEAVE: i16 = 13;
const SYNC: i16 = 14;
const DESCRIBE: i16 = 15;
const LIST: i16 = 16;
const INIT: i16 = 22;
const ADD_OFFSETS: i16 = 25;
const END: i16 = 26;
const COMMIT_IN_TRANSACTION: i16 = 28;
const DELETE_GROUPS: i16 = 42;
const DELETE_OFFSETS: i16 = 47;

const TOPICS: [&str; 2] = ["orders", "bills"];
/// Longer than the test: nobody is lost meanwhile.
const SESSION_MS: i32 = 600_000;
const PATIENCE: Duration = Duration::from_mins(1);
/// Groups on every partition; a registration that is soon over when the broker is killed.
const SETTINGS: &str = "offsets.topic.num.partitions=3\ntransaction.state.log.num.partitions=3\n\
                        zookeeper.session.timeout.ms=6000";

#[test]
fn one_broker_goes_on_with_groups_that_the_other_one_left() {
    carry(Ours, Apache);
    if full() {
        carry(Apache, Ours);
    }
}

/// The first one is killed, the second one stopped.
fn carry(from: Kind, to: Kind) {
    let _permit = JvmPermit::take();
    let dir = TempDir::new("carried-groups");
    let zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start_with(from, &dir.join("kafka"), &zookeeper.address(), SETTINGS);
    for topic in TOPICS {
        let args = format!("--create --topic {topic} --partitions 3 --bootstrap-server {}", broker.address());
        assert_eq!(Tools(Ours).run("kafka-topics", &args).code, 0);
    }
    let mut client = Client::new(broker.port());
    let mut team = client.begin_team();
    let mut producers = client.fill(0);
    for (round, kind, killed) in [(1, to, true), (2, from, false)] {
        let before = client.settled();
        check_content(&before, round);
        if killed {
            broker.kill();
            await_expiry(&zookeeper);
        }
        broker.restart_as(kind);
        client = Client::new(broker.port());
        let mut after = Vec::new();
        // It has started before it has loaded its coordinators.
        let same = wait_until(PATIENCE, || {
            after = client.told();
            after == before
        });
        assert!(same, "under {kind:?}:\n{}\n--\n{}", before.join("\n"), after.join("\n"));
        // Everybody goes on where the other broker was left.
        client.goes_on(&mut team, round);
        for (id, producer, epoch) in std::mem::take(&mut producers) {
            client.end(&id, producer, epoch, true);
        }
        producers = client.fill(round);
    }
}

/// A killed broker's registration lives as long as its session; Apache's broker does not start before.
fn await_expiry(zookeeper: &ZooKeeper) {
    let mut session = RawZk::connect(zookeeper.port()).expect("it serves");
    let gone = wait_until(PATIENCE, || session.children("/brokers/ids").expect("it serves").is_empty());
    assert!(gone, "the session of the killed broker does not run out");
}

/// What has to be told for the comparison to mean something.
fn check_content(told: &[String], round: usize) {
    let count = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("group team: consumer Stable"), 1, "{told:?}");
    assert_eq!(count("member of team"), 2, "{told:?}");
    assert_eq!(
        count(" Empty"),
        3 * round,
        "a listed group each of those that left, of simple commits, of transactions"
    );
    assert_eq!((count("group deleted-"), count("Dead")), (3, 3), "{told:?}");
    assert_eq!(count("in a transaction"), 2 * round - 1, "{told:?}");
}

/// The members of a group in its present generation: their ids, the static one first.
struct Team {
    ids: [String; 2],
    generation: i32,
}

/// Of one topic, with words for the leader. Apache's broker gives up on a partition with a member whose subscription it
/// cannot read.
fn subscription(says: &str) -> Vec<u8> {
    let mut body = KafkaBody::new(false);
    body.i16(0).array(1).text(TOPICS[0]).data(says.as_bytes());
    body.bytes
}

struct Client {
    port: u16,
    wire: KafkaWire,
}

impl Client {
    fn new(port: u16) -> Client {
        Client { port, wire: KafkaWire::connect(port).expect("it accepts") }
    }

    /// Asks until the answer, whose error stands at that place or at its end, is not that a coordinator is on its way, or
    /// busy.
    fn ask(&mut self, (api, version): (i16, i16), body: &KafkaBody, error_at: Option<usize>) -> Vec<u8> {
        let mut answer = Vec::new();
        let answered = wait_until(PATIENCE, || {
            answer = self.wire.ask(api, version, body).expect("an answer");
            let error_at = error_at.unwrap_or(answer.len() - 2);
            let error = KafkaReply::new(&answer[error_at..], false).i16();
            let is_early = matches!(error, 14..=16 | 51);
            assert!(is_early || error == 0, "request {api}: error {error}");
            !is_early
        });
        assert!(answered, "request {api} is never served");
        answer
    }

    /// Commits offsets of both topics: partition, offset, leader epoch, what is noted beside it.
    fn commit(&mut self, group: &str, (generation, member): (i32, &str), offsets: &[(i32, i64, i32, &str)]) {
        let mut body = KafkaBody::new(false);
        body.text(group).i32(generation).text(member).array(TOPICS.len());
        for topic in TOPICS {
            body.text(topic).array(offsets.len());
            for (partition, offset, epoch, metadata) in offsets {
                body.i32(*partition).i64(*offset).i32(*epoch).text(metadata);
            }
        }
        self.ask((COMMIT, 6), &body, None);
    }

    /// Has the coordinators' topics made.
    fn find_coordinator(&mut self, name: &str, kind: i8) {
        let mut body = KafkaBody::new(false);
        body.text(name).i8(kind);
        self.ask((FIND_COORDINATOR, 1), &body, Some(4));
    }

    /// A group of two: one that is static, one that is not.
    fn begin_team(&mut self) -> Team {
        self.find_coordinator("team", 0);
        self.find_coordinator("open-0", 1);
        // When this is stored, there is a coordinator.
        self.commit("team", (-1, ""), &[(0, 1, -1, "")]);
        let mut other = Client::new(self.port);
        self.send_join("static", Some("chair"), "");
        let (static_id, _) = self.joined();
        // The second begins a generation anew, which the first has to hear of.
        other.send_join("dynamic", None, "");
        let rebalances = wait_until(PATIENCE, || self.beat(&static_id, 1, Some("chair")) == 27);
        assert!(rebalances, "nobody else joins");
        self.send_join("static", Some("chair"), &static_id);
        let (again, generation) = self.joined();
        let (dynamic_id, same) = other.joined();
        assert_eq!((again, generation), (static_id.clone(), same));
        let team = Team { ids: [static_id, dynamic_id], generation };
        other.send_sync(&team, 1, None);
        self.send_sync(&team, 0, Some("chair"));
        assert_eq!([self.synced(), other.synced()], [0, 0]);
        team
    }

    fn send_join(&mut self, says: &str, instance: Option<&str>, member: &str) {
        let mut body = KafkaBody::new(false);
        body.text("team").i32(SESSION_MS).i32(SESSION_MS).text(member);
        if let Some(instance) = instance {
            body.text(instance);
        }
        body.text("consumer").array(2).text("range").data(&subscription(says)).text("other").data(&[]);
        // Before version 4 members are taken without an id; from version 5 on they may be static.
        self.wire.send(JOIN, if instance.is_some() { 5 } else { 3 }, &body).expect("it is sent");
    }

    /// The member's id and the generation.
    fn joined(&mut self) -> (String, i32) {
        let answer = self.wire.receive(false).expect("an answer to JoinGroup");
        let mut answer = KafkaReply::new(&answer, false);
        answer.i32();
        assert_eq!(answer.i16(), 0, "the join is refused");
        let generation = answer.i32();
        assert_eq!(answer.text().as_deref(), Some("range"));
        answer.text();
        (answer.text().expect("an id"), generation)
    }

    fn send_sync(&mut self, team: &Team, who: usize, instance: Option<&str>) {
        let mut body = KafkaBody::new(false);
        body.text("team").i32(team.generation).text(&team.ids[who]);
        if let Some(instance) = instance {
            body.text(instance);
        }
        // Only the leader's words count.
        body.array(2).text(&team.ids[0]).data(b"its share").text(&team.ids[1]).data(b"the rest");
        self.wire.send(SYNC, if instance.is_some() { 3 } else { 1 }, &body).expect("it is sent");
    }

    fn synced(&mut self) -> i16 {
        let answer = self.wire.receive(false).expect("an answer to SyncGroup");
        KafkaReply::new(&answer[4..], false).i16()
    }

    fn beat(&mut self, id: &str, generation: i32, instance: Option<&str>) -> i16 {
        let mut body = KafkaBody::new(false);
        body.text("team").i32(generation).text(id);
        if let Some(instance) = instance {
            body.text(instance);
        }
        let version = if instance.is_some() { 3 } else { 1 };
        let answer = self.wire.ask(HEARTBEAT, version, &body).expect("an answer to Heartbeat");
        KafkaReply::new(&answer[4..], false).i16()
    }

    /// The members are still in their generation, and commit.
    fn goes_on(&mut self, team: &mut Team, round: usize) {
        let beats =
            [self.beat(&team.ids[0], team.generation, Some("chair")), self.beat(&team.ids[1], team.generation, None)];
        assert_eq!(beats, [0, 0], "round {round}");
        let offsets = [(0, 100 + round as i64, 3, "by a member"), (2, 7, -1, "")];
        self.commit("team", (team.generation, &team.ids[1]), &offsets);
    }

    /// One more of everything; the producers whose transactions are open.
    fn fill(&mut self, round: usize) -> Vec<(String, i64, i16)> {
        let plain = format!("plain-{round}");
        self.commit(&plain, (-1, ""), &[(0, 1, -1, "noted"), (1, i64::MAX, 2, ""), (2, 0, 0, "deleted")]);
        self.commit(&plain, (-1, ""), &[(0, 5, 1, "noted anew")]);
        self.commit_for_a_day(&plain);
        let mut body = KafkaBody::new(false);
        body.text(&plain).array(1).text(TOPICS[0]).array(1).i32(2);
        self.ask((DELETE_OFFSETS, 0), &body, Some(0));
        self.left(&format!("left-{round}"));

        let deleted = format!("deleted-{round}");
        self.commit(&deleted, (-1, ""), &[(0, 1, -1, "")]);
        let mut body = KafkaBody::new(false);
        body.array(1).text(&deleted);
        let answer = self.wire.ask(DELETE_GROUPS, 1, &body).expect("an answer to DeleteGroups");
        assert_eq!(answer[answer.len() - 2..], [0, 0], "{deleted} stays");

        let group = format!("transactions-{round}");
        self.commit(&group, (-1, ""), &[(1, 2, -1, "hidden for as long")]);
        for (offset, commits) in [(10, true), (20, false)] {
            let (id, producer, epoch) = self.begin(&format!("ended-{round}"), &group, 0, offset);
            self.end(&id, producer, epoch, commits);
        }
        vec![self.begin(&format!("open-{round}"), &group, 1, 30)]
    }

    /// As clients before version 5 may ask: kept for a time of its own.
    fn commit_for_a_day(&mut self, group: &str) {
        let mut body = KafkaBody::new(false);
        body.text(group).i32(-1).text("").i64(24 * 3_600_000).array(1).text(TOPICS[1]).array(1);
        body.i32(0).i64(77).text("for a day");
        let answer = self.wire.ask(COMMIT, 2, &body).expect("an answer to OffsetCommit");
        assert_eq!(answer[answer.len() - 2..], [0, 0]);
    }

    /// A group whose only member came, committed and left.
    fn left(&mut self, group: &str) {
        let mut body = KafkaBody::new(false);
        body.text(group).i32(SESSION_MS).i32(SESSION_MS).text("").text("consumer").array(1);
        body.text("range").data(&subscription("leaves"));
        // Error, generation, protocol, leader, id.
        let answer = self.ask((JOIN, 3), &body, Some(4));
        let mut answer = KafkaReply::new(&answer[6..], false);
        let generation = answer.i32();
        answer.text();
        let id = answer.text().expect("it leads");
        let mut body = KafkaBody::new(false);
        body.text(group).i32(generation).text(&id).array(1).text(&id).data(b"all");
        self.ask((SYNC, 1), &body, Some(4));
        self.commit(group, (generation, &id), &[(1, 11, 4, "before it left")]);
        let mut body = KafkaBody::new(false);
        body.text(group).text(&id);
        self.ask((LEAVE, 1), &body, Some(4));
    }

    /// A transaction with an offset in it.
    fn begin(&mut self, id: &str, group: &str, partition: i32, offset: i64) -> (String, i64, i16) {
        let mut body = KafkaBody::new(false);
        body.text(id);
        body.i32(SESSION_MS);
        let answer = self.ask((INIT, 1), &body, Some(4));
        let mut answer = KafkaReply::new(&answer[6..], false);
        let (producer, epoch) = (answer.i64(), answer.i16());
        let mut body = KafkaBody::new(false);
        body.text(id).i64(producer).i16(epoch).text(group);
        self.ask((ADD_OFFSETS, 1), &body, Some(4));
        let mut body = KafkaBody::new(false);
        body.text(id).text(group).i64(producer).i16(epoch).array(1).text(TOPICS[0]).array(1);
        body.i32(partition).i64(offset).i32(1).text("in a transaction");
        self.ask((COMMIT_IN_TRANSACTION, 2), &body, None);
        (id.to_owned(), producer, epoch)
    }

    fn end(&mut self, id: &str, producer: i64, epoch: i16, commits: bool) {
        let mut body = KafkaBody::new(false);
        body.text(id).i64(producer).i16(epoch).i8(i8::from(commits));
        self.ask((END, 1), &body, Some(4));
    }

    /// The same once no transaction is on its way any more but the one that stays open: its offset hides the one before it.
    fn settled(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        let is_settled = wait_until(PATIENCE, || {
            told = self.told();
            told.iter().filter(|line| line.contains("error 88")).count() == 1
        });
        assert!(is_settled, "{told:?}");
        told
    }

    /// All groups with their members and offsets, a line each, sorted.
    fn told(&mut self) -> Vec<String> {
        let mut body = KafkaBody::new(true);
        body.array(0).no_tags();
        let answer = self.wire.ask(LIST, 4, &body).expect("an answer to ListGroups");
        let mut answer = KafkaReply::new(&answer, true);
        answer.i32();
        let mut lines = vec![format!("listed with error {}", answer.i16())];
        let mut names: Vec<String> = (0..3).map(|round| format!("deleted-{round}")).collect();
        for _ in 0..answer.array().unwrap_or_default() {
            let (name, kind, state) = (answer.text(), answer.text(), answer.text());
            answer.tags();
            lines.push(format!("listed: {name:?} {kind:?} {state:?}"));
            names.extend(name);
        }
        for name in names {
            lines.extend(self.described(&name));
            lines.extend(self.offsets(&name));
        }
        lines.sort();
        lines
    }

    fn described(&mut self, group: &str) -> Vec<String> {
        let mut body = KafkaBody::new(false);
        body.array(1).text(group).i8(0);
        let answer = self.wire.ask(DESCRIBE, 4, &body).expect("an answer to DescribeGroups");
        let mut answer = KafkaReply::new(&answer, false);
        answer.i32();
        answer.array();
        let error = answer.i16();
        let [name, state, kind, protocol] = [(); 4].map(|()| answer.text().unwrap_or_default());
        let mut lines = vec![format!("group {name}: {kind} {state} {protocol} error {error}")];
        for _ in 0..answer.array().unwrap_or_default() {
            let [id, instance, client, host] = [(); 4].map(|()| answer.text());
            let [metadata, assignment] =
                [(); 2].map(|()| String::from_utf8_lossy(answer.data().unwrap_or_default()).into_owned());
            let who = format!("{id:?} {instance:?} {client:?} {host:?}");
            lines.push(format!("member of {name}: {who} {metadata:?} {assignment:?}"));
        }
        lines
    }

    fn offsets(&mut self, group: &str) -> Vec<String> {
        let mut body = KafkaBody::new(true);
        // All partitions, and only what no open transaction may change.
        body.text(group).varint(0).i8(1).no_tags();
        let answer = self.wire.ask(FETCH_OFFSETS, 7, &body).expect("an answer to OffsetFetch");
        let mut answer = KafkaReply::new(&answer, true);
        answer.i32();
        let mut lines = Vec::new();
        for _ in 0..answer.array().unwrap_or_default() {
            let topic = answer.text().unwrap_or_default();
            for _ in 0..answer.array().unwrap_or_default() {
                let (partition, offset, epoch) = (answer.i32(), answer.i64(), answer.i32());
                let (metadata, error) = (answer.text(), answer.i16());
                answer.tags();
                lines.push(format!("{group} at {topic}-{partition}: {offset} {epoch} {metadata:?} error {error}"));
            }
            answer.tags();
        }
        lines.push(format!("offsets of {group}: error {}", answer.i16()));
        lines
    }
}
