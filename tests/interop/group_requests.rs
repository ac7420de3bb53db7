//! One history of raw group requests against Apache's broker and ours: joining in old and new ways, static members,
//! mistakes of every kind, commits, deletions. The answers are the same but for the ids that are made up at random.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tests::{
    Broker, JvmPermit, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, Tools, ZooKeeper, compare, wait_until,
};

const JOIN: (i16, i16) = (11, 9);
const HEARTBEAT: (i16, i16) = (12, 4);
const LEAVE: (i16, i16) = (13, 5);
const SYNC: (i16, i16) = (14, 5);
const COMMIT: (i16, i16) = (8, 8);

#[test]
fn groups_are_answered_as_apaches_broker_answers_them() {
    let _permit = JvmPermit::take();
    let ours = run(Kind::Ours);
    assert!(ours.len() > 90, "only {} answers", ours.len());
    compare(&ours, &run(Kind::Apache));
}

fn run(kind: Kind) -> Vec<String> {
    let dir = TempDir::new("group-requests");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    // One partition: whoever has seen the coordinator of one group has seen all.
    let settings = "group.max.size=3\noffset.metadata.max.bytes=10\noffsets.topic.num.partitions=1";
    let broker = Broker::start_with(kind, &dir.join("kafka"), &zookeeper.address(), settings);
    for topic in ["one", "two", "gone"] {
        let args = format!("--create --topic {topic} --partitions 2 --bootstrap-server {}", broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &args);
        assert_eq!(created.code, 0, "{topic}: {}", created.stdout);
    }
    let mut history = History { port: broker.port(), wires: BTreeMap::new(), ids: Vec::new(), lines: Vec::new() };
    history.await_coordinator();
    history.nobody();
    history.dynamic_members();
    history.protocols();
    history.static_members();
    history.full_groups();
    history.commits();
    history.deletions(&broker.address());
    history.old_versions();
    history.lists();
    history.lines
}

/// What a member says when it joins.
#[derive(Clone, Copy)]
struct Joining<'a> {
    group: &'a str,
    member: &'a str,
    instance: Option<&'a str>,
    session_ms: i32,
    kind: &'a str,
    protocols: &'a [(&'a str, &'a [u8])],
}

const RANGE: &[(&str, &[u8])] = &[("range", b"\0\0\0\0\0\x01\0\x03one\xff\xff\xff\xff")];

fn joining<'a>(group: &'a str, member: &'a str) -> Joining<'a> {
    Joining { group, member, instance: None, session_ms: 30_000, kind: "consumer", protocols: RANGE }
}

/// Type and protocol, as who syncs has to name them.
const RANGED: (Option<&str>, Option<&str>) = (Some("consumer"), Some("range"));

struct History {
    port: u16,
    /// One connection per speaker, for a reply may be waited for.
    wires: BTreeMap<&'static str, KafkaWire>,
    /// Random parts of ids, in the order in which they were first seen.
    ids: Vec<String>,
    lines: Vec<String>,
}

impl History {
    fn wire(&mut self, who: &'static str) -> &mut KafkaWire {
        let port = self.port;
        self.wires.entry(who).or_insert_with(|| KafkaWire::connect(port).expect("it accepts"))
    }

    /// Asks the coordinator of a group until there is one.
    fn await_coordinator(&mut self) {
        let up = wait_until(Duration::from_mins(1), || {
            let mut body = KafkaBody::new(false);
            body.text("g").i8(0);
            let found = self.wire("admin").ask(10, 1, &body).expect("an answer to FindCoordinator");
            let mut describe = KafkaBody::new(true);
            describe.array(1).text("g").i8(0).no_tags();
            let described = self.wire("admin").ask(15, 5, &describe).expect("an answer to DescribeGroups");
            found[4..6] == [0, 0] && described[5..7] == [0, 0]
        });
        assert!(up, "there is no coordinator");
    }

    /// Waits until a join that nobody has answered yet has arrived.
    fn await_rebalance(&mut self, group: &str) {
        let mut body = KafkaBody::new(true);
        body.array(1).text(group).i8(0).no_tags();
        let begun = wait_until(Duration::from_mins(1), || {
            let reply = self.wire("admin").ask(15, 5, &body).expect("an answer to DescribeGroups");
            reply.windows(18).any(|word| word == b"PreparingRebalance")
        });
        assert!(begun, "{group} does not rebalance");
    }

    fn send(&mut self, who: &'static str, (api, version): (i16, i16), body: &KafkaBody) {
        self.wire(who).send(api, version, body).expect("it is sent");
    }

    fn told(&mut self, who: &'static str, what: &str) -> Vec<u8> {
        let reply = self.wire(who).receive(true).expect("an answer");
        self.note(who, what, &reply);
        reply
    }

    fn ask(&mut self, who: &'static str, what: &str, call: (i16, i16), body: &KafkaBody) -> Vec<u8> {
        self.send(who, call, body);
        self.told(who, what)
    }

    /// Bytes as text, with the numbers of random ids for the ids.
    fn note(&mut self, who: &str, what: &str, reply: &[u8]) {
        let text: String = reply.iter().map(|byte| char::from(*byte)).collect();
        let mut line = format!("{who} {what}: ");
        let mut rest = text.as_str();
        while let Some(next) = rest.chars().next() {
            if let Some(id) = uuid_at(rest) {
                let number = self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
                    self.ids.push(id.to_owned());
                    self.ids.len() - 1
                });
                let _ = write!(line, "{{{number}}}");
                rest = &rest[id.len()..];
                continue;
            }
            let _ =
                if next.is_ascii_graphic() { write!(line, "{next}") } else { write!(line, "\\{:02x}", next as u32) };
            rest = &rest[next.len_utf8()..];
        }
        self.lines.push(line);
    }

    /// Sends a join.
    fn joins(&mut self, who: &'static str, joining: Joining<'_>) {
        let mut body = KafkaBody::new(true);
        body.text(joining.group).i32(joining.session_ms).i32(5_000).text(joining.member);
        match joining.instance {
            Some(instance) => body.text(instance),
            None => body.no_text(),
        };
        body.text(joining.kind).array(joining.protocols.len());
        for (name, metadata) in joining.protocols {
            body.text(name).data(metadata).no_tags();
        }
        body.no_text().no_tags();
        self.send(who, JOIN, &body);
    }

    /// The answer to a join: error, generation, member id; members are noted in their order of arrival.
    fn joined(&mut self, who: &'static str, what: &str) -> Joined {
        let reply = self.wire(who).receive(true).expect("an answer to JoinGroup");
        let mut read = KafkaReply::new(&reply, true);
        read.i32();
        let (error, generation) = (read.i16(), read.i32());
        let (kind, protocol) = (read.text(), read.text());
        let leader = read.text().unwrap_or_default();
        let skips = read.take(1)[0];
        let id = read.text().unwrap_or_default();
        let mut members = Vec::new();
        for _ in 0..read.array().unwrap_or_default() {
            let (member, instance) = (read.text().unwrap_or_default(), read.text());
            members.push(format!("{member} {instance:?} {:?}", read.data()));
            read.tags();
        }
        // Apache's are in the order of a hash table of random ids.
        members.sort_by_key(|member| self.ids.iter().position(|id| member.contains(id.as_str())));
        let text = format!(
            "error {error} generation {generation} {kind:?} {protocol:?} leader {leader} skips {skips} id {id} {members:?}"
        );
        self.note(who, what, text.as_bytes());
        Joined { id, generation }
    }

    fn join(&mut self, who: &'static str, what: &str, request: Joining<'_>) -> Joined {
        self.joins(who, request);
        self.joined(who, what)
    }

    /// A new member without an id; comes back with the one that it is given.
    fn join_new(&mut self, who: &'static str, what: &str, group: &str) -> Joined {
        let given = self.join(who, what, joining(group, ""));
        self.joins(who, joining(group, &given.id));
        given
    }

    fn sync(&mut self, who: &'static str, group: &str, member: &Joined, shares: &[(&str, &[u8])]) {
        self.sync_as(who, group, (member, None), (Some("consumer"), Some("range")), shares);
    }

    fn sync_as(
        &mut self,
        who: &'static str,
        group: &str,
        (member, instance): (&Joined, Option<&str>),
        (kind, protocol): (Option<&str>, Option<&str>),
        shares: &[(&str, &[u8])],
    ) {
        let mut body = KafkaBody::new(true);
        body.text(group).i32(member.generation).text(&member.id);
        for text in [instance, kind, protocol] {
            match text {
                Some(text) => body.text(text),
                None => body.no_text(),
            };
        }
        body.array(shares.len());
        for (id, share) in shares {
            body.text(id).data(share).no_tags();
        }
        body.no_tags();
        self.send(who, SYNC, &body);
    }

    fn beat(&mut self, who: &'static str, what: &str, group: &str, member: &Joined, instance: Option<&str>) {
        let mut body = KafkaBody::new(true);
        body.text(group).i32(member.generation).text(&member.id);
        match instance {
            Some(instance) => body.text(instance),
            None => body.no_text(),
        };
        body.no_tags();
        self.ask(who, what, HEARTBEAT, &body);
    }

    fn leave(&mut self, who: &'static str, what: &str, group: &str, members: &[(&str, Option<&str>)]) {
        let mut body = KafkaBody::new(true);
        body.text(group).array(members.len());
        for (member, instance) in members {
            body.text(member);
            match instance {
                Some(instance) => body.text(instance),
                None => body.no_text(),
            };
            body.no_text().no_tags();
        }
        body.no_tags();
        self.ask(who, what, LEAVE, &body);
    }

    fn commit(&mut self, what: &str, group: &str, member: &Joined, instance: Option<&str>, topics: &[(&str, &str)]) {
        let mut body = KafkaBody::new(true);
        body.text(group).i32(member.generation).text(&member.id);
        match instance {
            Some(instance) => body.text(instance),
            None => body.no_text(),
        };
        body.array(topics.len());
        for (topic, metadata) in topics {
            body.text(topic).array(1).i32(0).i64(42).i32(-1).text(metadata).no_tags().no_tags();
        }
        body.no_tags();
        self.ask("admin", what, COMMIT, &body);
    }

    /// What is committed, of one topic or of all.
    fn fetch_offsets(&mut self, what: &str, group: &str, topic: Option<&str>) {
        let mut body = KafkaBody::new(true);
        body.array(1).text(group);
        match topic {
            Some(topic) => body.array(1).text(topic).array(2).i32(0).i32(7).no_tags(),
            None => body.varint(0),
        };
        body.no_tags().i8(1).no_tags();
        self.ask("admin", what, (9, 8), &body);
    }

    fn describe(&mut self, what: &str, groups: &[&str]) {
        let mut body = KafkaBody::new(true);
        body.array(groups.len());
        for group in groups {
            body.text(group);
        }
        body.i8(1).no_tags();
        self.ask("admin", what, (15, 5), &body);
    }

    fn delete_groups(&mut self, what: &str, groups: &[&str]) {
        for group in groups {
            let mut body = KafkaBody::new(true);
            body.array(1).text(group).no_tags();
            self.ask("admin", &format!("{what} {group:?}"), (42, 2), &body);
        }
    }

    fn delete_offsets(&mut self, what: &str, group: &str, topics: &[(&str, i32)]) {
        let mut body = KafkaBody::new(false);
        body.text(group).array(topics.len());
        for (topic, partition) in topics {
            body.text(topic).array(1).i32(*partition);
        }
        self.wire("admin").send(47, 0, &body).expect("it is sent");
        let reply = self.wire("admin").receive(false).expect("an answer");
        self.note("admin", what, &reply);
    }

    fn nobody(&mut self) {
        let nobody = Joined { id: "nobody".to_owned(), generation: 1 };
        self.describe("describes what is not there", &["none", ""]);
        self.beat("a", "beats", "none", &nobody, None);
        self.beat("a", "beats in no group", "", &nobody, None);
        self.sync("a", "none", &nobody, &[]);
        self.told("a", "syncs");
        self.leave("a", "leaves", "none", &[("nobody", None), ("", Some("x"))]);
        self.leave("a", "leaves no group", "", &[("nobody", None)]);
        self.join("a", "joins as a stranger", joining("none", "nobody"));
        self.join("a", "joins no group", joining("", ""));
        self.join("a", "joins with a short session", Joining { session_ms: 5_999, ..joining("blank", "") });
        self.join("a", "joins with a long session", Joining { session_ms: 1_800_001, ..joining("blank", "") });
        self.join("a", "joins without protocols", Joining { protocols: &[], ..joining("blank", "") });
        self.join("a", "joins without a type", Joining { kind: "", ..joining("blank", "") });
        self.commit("commits out of a generation", "none", &nobody, None, &[("one", "")]);
        self.delete_groups("deletes", &["none", ""]);
        self.delete_offsets("deletes offsets", "none", &[("one", 0)]);
        self.delete_offsets("deletes offsets of no group", "", &[("one", 0)]);
        self.fetch_offsets("fetches offsets", "none", Some("one"));
        self.fetch_offsets("fetches all offsets", "none", None);
        self.describe("nothing is left of all this", &["none"]);
    }

    fn dynamic_members(&mut self) {
        self.join_new("a", "is given an id", "dynamic");
        let a = self.joined("a", "joins with it");
        self.describe("describes who does not sync", &["dynamic"]);
        self.beat("a", "beats before it syncs", "dynamic", &a, None);
        self.commit("commits before it syncs", "dynamic", &a, None, &[("one", "")]);
        self.sync("a", "dynamic", &a, &[(&a.id, b"\0\0all")]);
        self.told("a", "syncs");
        self.sync("a", "dynamic", &a, &[]);
        self.told("a", "syncs again");
        self.describe("describes a stable group", &["dynamic"]);
        let old = Joined { generation: a.generation - 1, ..a.clone() };
        let nobody = Joined { id: "nobody".to_owned(), ..a.clone() };
        self.beat("a", "beats", "dynamic", &a, None);
        self.beat("a", "beats out of the past", "dynamic", &old, None);
        self.beat("a", "beats as another", "dynamic", &nobody, None);
        self.beat("a", "beats with an instance", "dynamic", &a, Some("x"));
        self.sync("a", "dynamic", &old, &[]);
        self.told("a", "syncs out of the past");
        self.sync_as("a", "dynamic", (&a, None), (Some("connect"), Some("range")), &[]);
        self.told("a", "syncs in another type");
        self.sync_as("a", "dynamic", (&a, None), (Some("consumer"), Some("sticky")), &[]);
        self.told("a", "syncs in another protocol");
        self.sync_as("a", "dynamic", (&a, None), (None, None), &[]);
        self.told("a", "syncs in any protocol");
        self.sync_as("a", "dynamic", (&a, None), (Some("consumer"), None), &[]);
        self.told("a", "syncs in any protocol of its type");
        self.commit("commits", "dynamic", &a, None, &[("nope", ""), ("one", "text"), ("two", "01234567890")]);
        self.commit("commits out of the past", "dynamic", &old, None, &[("one", "")]);
        self.commit("commits as another", "dynamic", &nobody, None, &[("one", "")]);
        self.commit("commits as nobody", "dynamic", &simple(), None, &[("one", "")]);
        self.commit("commits with an instance", "dynamic", &a, Some("x"), &[("one", "")]);
        self.join_new("b", "is given an id", "dynamic");
        self.await_rebalance("dynamic");
        self.beat("a", "beats while another joins", "dynamic", &a, None);
        self.sync("a", "dynamic", &a, &[]);
        self.told("a", "syncs while another joins");
        self.commit("commits while another joins", "dynamic", &a, None, &[("one", "")]);
        self.describe("describes a group that prepares", &["none"]);
        self.joins("a", joining("dynamic", &a.id));
        let (a, b) = (self.joined("a", "joins again"), self.joined("b", "joins"));
        self.sync("b", "dynamic", &b, &[]);
        self.sync("a", "dynamic", &a, &[(&a.id, b"A"), (&b.id, b"B"), ("nobody", b"C")]);
        self.told("a", "syncs");
        self.told("b", "syncs");
        self.join("b", "joins again as it was", joining("dynamic", &b.id));
        let more: &[(&str, &[u8])] = &[("range", RANGE[0].1), ("sticky", b"")];
        self.joins("b", Joining { protocols: more, ..joining("dynamic", &b.id) });
        self.await_rebalance("dynamic");
        self.joins("a", joining("dynamic", &a.id));
        let (a, b) = (self.joined("a", "joins once more"), self.joined("b", "joins with more protocols"));
        self.join("b", "joins again before the sync", Joining { protocols: more, ..joining("dynamic", &b.id) });
        self.leave("b", "leaves before the sync", "dynamic", &[(&b.id, None), (&b.id, None), ("nobody", None)]);
        self.beat("a", "beats", "dynamic", &a, None);
        let a = self.join("a", "joins alone", joining("dynamic", &a.id));
        self.sync("a", "dynamic", &a, &[(&a.id, b"A")]);
        self.told("a", "syncs");
        self.delete_groups("deletes", &["dynamic"]);
        self.delete_offsets("deletes offsets that are read", "dynamic", &[("one", 0), ("two", 0), ("nope", 0)]);
        self.leave("a", "leaves", "dynamic", &[(&a.id, None)]);
        self.beat("a", "beats after the end", "dynamic", &a, None);
        self.describe("describes an empty group", &["dynamic"]);
        self.commit("commits after the end", "dynamic", &a, None, &[("one", "")]);
        self.commit("commits as nobody", "dynamic", &simple(), None, &[("one", "simple")]);
        self.fetch_offsets("fetches offsets", "dynamic", Some("one"));
        self.fetch_offsets("fetches all offsets", "dynamic", None);
        let gone = self.join("a", "is given an id", joining("dynamic", ""));
        self.leave("a", "leaves before it joins", "dynamic", &[(&gone.id, None)]);
        self.join("a", "joins with an id that it gave up", joining("dynamic", &gone.id));
    }

    fn protocols(&mut self) {
        let two: &[(&str, &[u8])] = &[("sticky", b"s"), ("range", b"r")];
        let given = self.join("a", "is given an id", joining("protocols", ""));
        let a = self.join("a", "joins", Joining { protocols: two, ..joining("protocols", &given.id) });
        self.sync_as("a", "protocols", (&a, None), (Some("consumer"), Some("sticky")), &[(&a.id, b"x")]);
        self.told("a", "syncs");
        self.join("b", "joins with another type", Joining { kind: "connect", ..joining("protocols", "") });
        self.join(
            "b",
            "joins with another protocol",
            Joining { protocols: &[("other", b"")], ..joining("protocols", "") },
        );
        let given = self.join("b", "is given an id", joining("protocols", ""));
        self.joins("b", joining("protocols", &given.id));
        self.await_rebalance("protocols");
        self.joins("a", Joining { protocols: two, ..joining("protocols", &a.id) });
        let (a, b) = (self.joined("a", "joins again"), self.joined("b", "joins with one of its protocols"));
        self.join(
            "a",
            "joins with none of them",
            Joining { protocols: &[("other", b"")], ..joining("protocols", &a.id) },
        );
        self.leave("a", "both leave", "protocols", &[(&a.id, None), (&b.id, None)]);
        self.delete_groups("deletes", &["protocols"]);
    }

    fn static_members(&mut self) {
        let named = |member| Joining { instance: Some("first"), ..joining("static", member) };
        let a = self.join("a", "joins with a name", named(""));
        self.sync_as("a", "static", (&a, Some("first")), RANGED, &[(&a.id, b"\0\0all")]);
        self.told("a", "syncs");
        self.commit("commits", "static", &a, Some("first"), &[("one", "")]);
        self.beat("a", "beats", "static", &a, Some("first"));
        self.beat("a", "beats with another name", "static", &a, Some("second"));
        self.beat("a", "beats without its name", "static", &a, None);
        let again = self.join("b", "takes its place", named(""));
        self.describe("describes who took the place", &["static"]);
        self.beat("a", "beats, replaced", "static", &a, Some("first"));
        self.beat("a", "beats without its name, replaced", "static", &a, None);
        self.sync_as("a", "static", (&a, Some("first")), RANGED, &[]);
        self.told("a", "syncs, replaced");
        self.commit("commits, replaced", "static", &a, Some("first"), &[("one", "")]);
        self.join("a", "joins with its old id", named(&a.id));
        self.leave("a", "leaves, replaced", "static", &[(&a.id, Some("first"))]);
        self.beat("b", "beats", "static", &again, Some("first"));
        self.sync_as("b", "static", (&again, Some("first")), RANGED, &[]);
        self.told("b", "syncs without joining");
        self.fetch_offsets("fetches offsets", "static", Some("one"));
        let second = |member| Joining { instance: Some("second"), ..joining("static", member) };
        self.joins("c", second(""));
        self.await_rebalance("static");
        self.joins("b", named(&again.id));
        let (b, c) = (self.joined("b", "joins again"), self.joined("c", "joins with another name"));
        self.sync_as("c", "static", (&c, Some("second")), RANGED, &[]);
        self.sync_as("b", "static", (&b, Some("first")), RANGED, &[(&b.id, b"B"), (&c.id, b"C")]);
        self.told("b", "syncs");
        self.told("c", "syncs");
        let follower = self.join("d", "takes a follower's place", second(""));
        self.sync_as("d", "static", (&follower, Some("second")), RANGED, &[]);
        self.told("d", "syncs");
        let changed = Joining { protocols: &[("range", b"changed")], ..second("") };
        let follower = self.join("d", "takes a follower's place with other words", changed);
        self.beat("b", "beats", "static", &b, Some("first"));
        self.leave("admin", "removes by names", "static", &[("", Some("first")), ("", Some("third")), ("", None)]);
        self.leave(
            "admin",
            "removes by id and name",
            "static",
            &[(&follower.id, Some("second")), (&c.id, Some("second"))],
        );
        self.describe("describes an empty group", &["static"]);
        self.delete_groups("deletes", &["static"]);
        self.describe("describes a deleted group", &["static"]);
    }

    /// At most three members are taken.
    fn full_groups(&mut self) {
        let named = |instance| Joining { instance: Some(instance), ..joining("full", "") };
        let a = self.join("a", "joins", named("a"));
        self.sync_as("a", "full", (&a, Some("a")), RANGED, &[]);
        self.told("a", "syncs");
        for (who, name) in [("b", "b"), ("c", "c")] {
            self.joins(who, named(name));
        }
        self.joins("a", Joining { member: &a.id, ..named("a") });
        // How many generations it takes is a matter of time.
        for who in ["a", "b", "c"] {
            self.wire(who).receive(true).expect("an answer to JoinGroup");
        }
        self.join("d", "finds no room", named("d"));
        self.leave("admin", "removes all", "full", &[("", Some("a")), ("", Some("b")), ("", Some("c"))]);
        self.delete_groups("deletes", &["full"]);
    }

    fn commits(&mut self) {
        self.commit("commits as nobody", "simple", &simple(), None, &[("one", "0123456789"), ("two", "")]);
        self.commit("commits too long a text", "simple", &simple(), None, &[("one", "0123456789a")]);
        self.commit("commits to a topic that is not there", "simple", &simple(), None, &[("nope", "")]);
        self.commit("commits nothing", "simple", &simple(), None, &[]);
        self.commit("commits for the group without a name", "", &simple(), None, &[("one", "")]);
        let member = Joined { id: "nobody".to_owned(), generation: -1 };
        self.commit("commits with an id", "simple", &member, None, &[("one", "")]);
        self.fetch_offsets("fetches offsets", "simple", Some("one"));
        self.fetch_offsets("fetches all offsets", "simple", None);
        self.fetch_offsets("fetches offsets of no topic", "simple", Some("nope"));
        self.fetch_offsets("fetches offsets of the group without a name", "", Some("one"));
        self.describe("describes them", &["simple"]);
        self.describe("describes the group without a name", &[""]);
        self.delete_groups("deletes the group without a name", &[""]);
    }

    fn deletions(&mut self, server: &str) {
        self.commit("commits", "simple", &simple(), None, &[("gone", "")]);
        self.delete_offsets("deletes offsets", "simple", &[("two", 0), ("one", 1), ("nope", 0), ("one", 9)]);
        self.fetch_offsets("fetches all offsets", "simple", None);
        let deleted =
            Tools(Kind::Ours).run("kafka-topics", &format!("--delete --topic gone --bootstrap-server {server}"));
        assert_eq!(deleted.code, 0, "{}", deleted.stdout);
        let mut body = KafkaBody::new(true);
        body.array(1).text("simple").varint(0).no_tags().i8(0).no_tags();
        let forgotten = wait_until(Duration::from_mins(1), || {
            let reply = self.wire("admin").ask(9, 8, &body).expect("an answer to OffsetFetch");
            !reply.windows(4).any(|word| word == b"gone")
        });
        assert!(forgotten, "offsets outlive their topic");
        self.commit("commits for a topic that is gone", "simple", &simple(), None, &[("gone", "")]);
        self.fetch_offsets("fetches all offsets", "simple", None);
        self.delete_offsets("deletes the last offset", "simple", &[("one", 0)]);
        self.delete_groups("deletes", &["simple"]);
        // Deleting the last offset of a group that had members ends it.
        self.delete_offsets("deletes the last offset", "dynamic", &[("one", 0)]);
        self.describe("describes what is left", &["dynamic"]);
        self.delete_groups("deletes", &["dynamic"]);
        self.commit("commits", "again", &simple(), None, &[("one", "")]);
        self.delete_groups("deletes", &["again", "again"]);
        self.fetch_offsets("fetches all offsets", "again", None);
    }

    fn old_versions(&mut self) {
        for version in [0, 1, 3, 5] {
            let group = format!("old-{version}");
            let mut body = KafkaBody::new(false);
            body.text(&group).i32(10_000);
            if version >= 1 {
                body.i32(10_000);
            }
            body.text("");
            if version >= 5 {
                body.text("named");
            }
            body.text("consumer").array(1).text("range").data(b"x");
            let reply = self.wire("old").ask(11, version, &body).expect("an answer to JoinGroup");
            self.note("old", &format!("joins v{version}"), &reply);
            let mut body = KafkaBody::new(false);
            body.text(&group).text("nobody");
            let reply = self.wire("old").ask(13, 1, &body).expect("an answer to LeaveGroup");
            self.note("old", "leaves as another", &reply);
        }
        let mut body = KafkaBody::new(false);
        body.text("old-1").array(1).text("nope").array(2).i32(0).i32(1);
        for version in [1, 2, 5] {
            let reply = self.wire("old").ask(9, version, &body).expect("an answer to OffsetFetch");
            self.note("old", &format!("fetches offsets v{version}"), &reply);
        }
    }

    fn lists(&mut self) {
        self.commit("commits", "kept", &simple(), None, &[("one", "")]);
        let filters: [(&[&str], &[&str]); 9] = [
            (&["Empty"], &[]),
            (&["empty"], &[]),
            (&["Dead"], &[]),
            (&["Nonsense"], &[]),
            (&["Empty"], &["classic"]),
            (&["Empty"], &["Classic"]),
            (&["Empty"], &["consumer"]),
            (&["Empty"], &["nonsense", "classic"]),
            (&["Nonsense", "Empty"], &["nonsense"]),
        ];
        for (states, types) in filters {
            let mut body = KafkaBody::new(true);
            for filter in [states, types] {
                body.array(filter.len());
                for one in filter {
                    body.text(one);
                }
            }
            body.no_tags();
            self.ask("admin", &format!("lists {states:?} {types:?}"), (16, 5), &body);
        }
        let mut body = KafkaBody::new(true);
        body.array(1).text("empty").no_tags();
        self.ask("admin", "lists v4", (16, 4), &body);
    }
}

#[derive(Clone)]
struct Joined {
    id: String,
    generation: i32,
}

/// Who commits without being a member.
fn simple() -> Joined {
    Joined { id: String::new(), generation: -1 }
}

/// The UUID at the beginning of a text.
fn uuid_at(text: &str) -> Option<&str> {
    let id = text.get(..36)?;
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    id.bytes().enumerate().all(fits).then_some(id)
}
