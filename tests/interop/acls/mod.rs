//! One history of raw requests against Apache's broker and ours, both with AclAuthorizer: what a client may not do, and
//! what it may once a rule allows it. The answers are the same.
//!
//! Everybody is `User:ANONYMOUS`, so rules tell clients apart by their hosts: 127.0.0.1 is the administrator, and the
//! brokers themselves; 127.0.0.2 is a guest, who may do what the history allows it.

mod requests;
mod transactions;

use std::net::Ipv4Addr;
use std::time::Duration;

use regex_lite::Regex;
use tests::{
    Broker, JvmPermit, KafkaBody, KafkaReply, KafkaWire, Kind, RawZk, TempDir, Tools, ZooKeeper, compare, full,
    wait_until,
};

use requests::{ALLOW, DENY, Rule, by_name};

const GUEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CLUSTER_ID: &str = "aclsaclsaclsaclsaclsac";
/// What the administrator may do before the first request: everything.
const EVERYTHING: &str = r#"{"acls":[{"principal":"User:ANONYMOUS","permissionType":"Allow","host":"127.0.0.1","operation":"All"}],"version":1}"#;

/// A broker with its two clients, and what was answered.
pub(crate) struct History {
    broker: Broker,
    zookeeper: ZooKeeper,
    admin: KafkaWire,
    guest: KafkaWire,
    lines: Vec<String>,
    /// What differs from run to run, and what stands for it.
    masks: Vec<(Vec<u8>, Vec<u8>)>,
    _dir: TempDir,
}

impl History {
    fn start(kind: Kind, settings: &str) -> History {
        let dir = TempDir::new("acls");
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let mut raw = RawZk::connect(zookeeper.port()).expect("it accepts");
        let id = format!("{{\"version\":\"1\",\"id\":\"{CLUSTER_ID}\"}}");
        raw.create("/cluster", b"").expect("created");
        raw.create("/cluster/id", id.as_bytes()).expect("created");
        raw.create("/kafka-acl", b"").expect("created");
        for (kind, name) in [("Cluster", "kafka-cluster"), ("Topic", "*"), ("Group", "*"), ("TransactionalId", "*")] {
            raw.create(&format!("/kafka-acl/{kind}"), b"").expect("created");
            raw.create(&format!("/kafka-acl/{kind}/{name}"), EVERYTHING.as_bytes()).expect("created");
        }
        let settings = format!("authorizer.class.name=kafka.security.authorizer.AclAuthorizer\n{settings}");
        let broker = Broker::start_for_old_records(kind, &dir.join("kafka"), &zookeeper.address(), &settings);
        let (admin, guest) = History::connect(&broker);
        let port = i32::from(broker.port()).to_be_bytes().to_vec();
        let masks = vec![(port, vec![b'P'; 4])];
        History { broker, zookeeper, admin, guest, lines: Vec::new(), masks, _dir: dir }
    }

    fn connect(broker: &Broker) -> (KafkaWire, KafkaWire) {
        let admin = KafkaWire::connect(broker.port()).expect("it accepts");
        (admin, KafkaWire::connect_from(GUEST, broker.port()).expect("it accepts"))
    }

    fn create_topic(&mut self, name: &str) {
        let args = format!("--create --topic {name} --partitions 2 --bootstrap-server {}", self.broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &args);
        assert_eq!(created.code, 0, "{name}: {}", created.stdout);
        let described = Tools(Kind::Ours)
            .run("kafka-topics", &format!("--describe --topic {name} --bootstrap-server {}", self.broker.address()));
        let id = described.stdout.split("TopicId: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let id = id.unwrap_or_else(|| panic!("no id in {}", described.stdout));
        self.masks.push((uuid(id), format!("<id of {name:>8}>").into_bytes()));
    }

    /// The id of a topic as it stands on the wire.
    fn id_of(&self, name: &str) -> Vec<u8> {
        let wanted = format!("<id of {name:>8}>").into_bytes();
        let (id, _) = self.masks.iter().find(|(_, mask)| *mask == wanted).expect("a topic that was created");
        id.clone()
    }

    /// Has the guest ask; the answer is compared.
    fn guest(&mut self, what: &str, api: i16, version: i16, body: &KafkaBody) {
        let answer = self.guest.ask(api, version, body);
        let line = match answer {
            Ok(reply) => self.told(&reply),
            Err(error) => {
                self.guest = KafkaWire::connect_from(GUEST, self.broker.port()).expect("it accepts");
                format!("{:?}", error.kind())
            }
        };
        self.lines.push(format!("{what} (api {api} v{version}): {line}"));
    }

    /// Has the guest begin a fetch session, be forbidden what is in it, and go on.
    fn guest_in_session(&mut self, topics: &[&str]) {
        let begun = self.guest.ask(1, 11, &requests::fetch_in(-1, (0, 0), topics)).expect("an answer");
        let id = i32::from_be_bytes(begun[6..10].try_into().expect("four bytes"));
        self.masks.push((begun[6..10].to_vec(), b"<id>".to_vec()));
        let line = self.told(&begun);
        self.lines.push(format!("a session: {line}"));
        self.guest("the session goes on", 1, 11, &requests::fetch_in(-1, (id, 1), &[]));
        self.forbid();
        self.guest("the session, forbidden", 1, 11, &requests::fetch_in(-1, (id, 2), &[]));
        self.guest("the session, forbidden still", 1, 11, &requests::fetch_in(-1, (id, 3), &[]));
        self.allow(&[by_name("u", 3, ALLOW)]);
        self.guest("the session, allowed another", 1, 11, &requests::fetch_in(-1, (id, 4), &[]));
        self.forbid();
    }

    /// A reply with what differs from run to run masked, and the text of a whole request cut out.
    fn told(&self, reply: &[u8]) -> String {
        let mut reply = reply.to_vec();
        for (from, to) in &self.masks {
            let mut at = 0;
            while let Some(found) = reply[at..].windows(from.len()).position(|window| window == from) {
                at += found;
                reply.splice(at..at + from.len(), to.iter().copied());
                at += to.len();
            }
        }
        let text = reply.escape_ascii().to_string();
        // The length before it is cut as well: ports have four or five digits.
        let request = Regex::new(r"(\\x..|.)(\\x..|.)Request Request\(.*? is not authorized\.").expect("a pattern");
        request.replace_all(&text, "<request> is not authorized.").into_owned()
    }

    /// Adds rules, and asserts that each was added.
    fn allow(&mut self, rules: &[Rule]) {
        let body = requests::create_acls(1, rules);
        let reply = self.admin.ask(30, 1, &body).expect("an answer to CreateAcls");
        let mut reply = KafkaReply::new(&reply, false);
        reply.i32();
        for _ in 0..reply.array().unwrap_or_default() {
            assert_eq!((reply.i16(), reply.text().as_deref()), (0, Some("")), "{rules:?}");
        }
    }

    /// Asks as the administrator until all that comes late is there: topics, the coordinator, a block of producer ids.
    fn warm_up(&mut self, topic: &str) {
        let asked = [
            (2, 3, requests::list_offsets(topic), 4 + 4 + 2 + topic.len() + 4 + 4),
            (10, 1, requests::find_coordinator("g", 0), 4),
            (9, 3, requests::offset_fetch(None), 4 + 4),
            (22, 1, requests::init_producer_id(), 4),
        ];
        for (api, version, body, at) in asked {
            let is_there = wait_until(Duration::from_mins(1), || {
                let reply = self.admin.ask(api, version, &body).expect("an answer");
                reply.get(at..at + 2) == Some(&[0, 0])
            });
            assert!(is_there, "api {api} is not ready");
        }
    }

    /// Has the administrator begin a transactional producer, once the coordinator is there.
    fn make_transactional(&mut self, id: &str) {
        let mut find = KafkaBody::new(false);
        find.text(id).i8(1);
        let mut init = KafkaBody::new(false);
        init.text(id).i32(60_000);
        for (api, body) in [(10, find), (22, init)] {
            let is_there = wait_until(Duration::from_mins(1), || {
                let reply = self.admin.ask(api, 1, &body).expect("an answer");
                reply.get(4..6) == Some(&[0, 0])
            });
            assert!(is_there, "api {api} is not ready");
        }
    }

    /// Takes all rules of the guest away.
    fn forbid(&mut self) {
        let body = requests::delete_acls(&[requests::Filter { host: Some("127.0.0.2"), ..requests::Filter::ANY }]);
        self.admin.ask(31, 1, &body).expect("an answer to DeleteAcls");
    }

    /// The guest asks without rules, and then under each of these sets of rules alone.
    fn ladder(&mut self, what: &str, (api, version): (i16, i16), body: &KafkaBody, rules: &[&[Rule]]) {
        self.guest(&format!("{what}, forbidden"), api, version, body);
        for rules in rules {
            self.allow(rules);
            let names: Vec<String> = rules.iter().map(Rule::to_string).collect();
            self.guest(&format!("{what} under {}", names.join(", ")), api, version, body);
            self.forbid();
        }
    }
}

/// The rules in a znode, sorted.
fn stored(data: &[u8]) -> String {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(data) else {
        return String::from_utf8_lossy(data).into_owned();
    };
    let rules = json["acls"].as_array().into_iter().flatten();
    let mut rules: Vec<String> = rules.map(serde_json::Value::to_string).collect();
    rules.sort();
    format!("{} {}", json["version"], rules.join(" "))
}

/// From 22 characters of base64.
fn uuid(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |byte: u8| DIGITS.iter().position(|one| *one == byte).expect("base64") as u32;
    let bits: Vec<u32> = text.bytes().map(digit).collect();
    let mut bytes = Vec::new();
    for four in bits.chunks(4) {
        let value = four.iter().fold(0, |value, one| value << 6 | one) << (6 * (4 - four.len()));
        bytes.extend(&value.to_be_bytes()[1..]);
    }
    bytes.truncate(16);
    bytes
}

fn run(kind: Kind, settings: &str, history: fn(&mut History)) -> Vec<String> {
    let mut run = History::start(kind, settings);
    history(&mut run);
    run.lines
}

fn same(settings: &str, history: fn(&mut History), least: usize) {
    let _permit = JvmPermit::take();
    let ours = run(Kind::Ours, settings, history);
    assert!(ours.len() >= least, "only {} steps", ours.len());
    if full() || std::env::var_os("KAFKA_TESTS_TWICE").is_some() {
        compare(&ours, &run(Kind::Ours, settings, history));
    }
    compare(&ours, &run(Kind::Apache, settings, history));
}

#[test]
fn what_is_forbidden_and_what_is_allowed_is_answered_as_apaches_broker_answers_it() {
    same("", requests::whole_history, 250);
}

#[test]
fn rules_are_made_and_taken_away_as_in_apaches_broker() {
    same("", rules_history, 30);
}

#[test]
fn whatever_has_no_rule_is_open_where_the_broker_says_so() {
    same("allow.everyone.if.no.acl.found=true\n", open_history, 8);
}

fn open_history(history: &mut History) {
    history.create_topic("t");
    history.warm_up("t");
    history.guest("a producer id", 22, 1, &requests::init_producer_id());
    for rules in [&[][..], &[by_name("t", 3, DENY)], &[by_name("t", 3, ALLOW)], &[by_name("t", 4, DENY)]] {
        history.allow(rules);
        let names: Vec<String> = rules.iter().map(Rule::to_string).collect();
        // The administrator has rules on every topic, so none is without.
        history.guest(&format!("reading under {}", names.join(", ")), 1, 11, &requests::fetch(-1, "t"));
        history.guest(&format!("a producer id under {}", names.join(", ")), 22, 1, &requests::init_producer_id());
        history.forbid();
    }
    let nobody = requests::Filter { principal: Some("User:ANONYMOUS"), ..requests::Filter::ANY };
    // The last word of the administrator: without any rule everything is open.
    history.admin.ask(31, 1, &requests::delete_acls(&[nobody])).expect("an answer to DeleteAcls");
    history.guest("reading without rules", 1, 11, &requests::fetch(-1, "t"));
    history.guest("metadata without rules", 3, 8, &requests::metadata(8, Some(&["t"]), false));
}

fn rules_history(history: &mut History) {
    history.create_topic("t");
    for (what, rule) in requests::strange_rules() {
        let body = requests::create_acls(1, &[rule, by_name("t", 8, ALLOW)]);
        let answer = history.admin.ask(30, 1, &body);
        let line = answer.map_or_else(|error| format!("{:?}", error.kind()), |reply| history.told(&reply));
        history.lines.push(format!("{what}: {line}"));
        (history.admin, history.guest) = History::connect(&history.broker);
    }
    history.forbid();
    let filters = requests::filters();
    let rules = requests::many_rules();
    history.allow(&rules);
    for filter in &filters {
        let described = history.admin.ask(29, 1, &requests::describe_acls(filter)).expect("an answer");
        history.lines.push(format!("described {filter:?}: {}", requests::described(&described)));
    }
    for filters in filters.chunks(2) {
        let deleted = history.admin.ask(31, 1, &requests::delete_acls(filters)).expect("an answer");
        history.lines.push(format!("deleted {filters:?}: {}", requests::deleted(&deleted)));
        history.allow(&rules);
    }
    // What lies in ZooKeeper.
    let mut raw = RawZk::connect(history.zookeeper.port()).expect("it accepts");
    for root in ["/kafka-acl", "/kafka-acl-extended"] {
        for (path, (data, _)) in raw.tree(root).expect("a tree") {
            history.lines.push(format!("{path}: {}", stored(&data)));
        }
    }
    restart_and_be_told(history, &mut raw);
}

/// Rules that are there at a start, and rules that somebody else writes.
fn restart_and_be_told(history: &mut History, raw: &mut RawZk) {
    history.forbid();
    history.allow(&[by_name("t", 8, ALLOW)]);
    history.broker.stop();
    history.broker.run();
    (history.admin, history.guest) = History::connect(&history.broker);
    let body = requests::list_offsets("t");
    history.warm_up("t");
    history.guest("after a restart", 2, 3, &body);
    let rule = EVERYTHING.replace("127.0.0.1", "127.0.0.2").replace("Allow", "Deny");
    raw.create("/kafka-acl/Topic/t", b"").expect("created");
    raw.set("/kafka-acl/Topic/t", rule.as_bytes()).expect("set");
    raw.create("/kafka-acl-changes/acl_changes_0000009999", b"Topic:t").expect("created");
    let mut probe = KafkaWire::connect_from(GUEST, history.broker.port()).expect("it accepts");
    let told = wait_until(Duration::from_mins(1), || {
        let reply = probe.ask(2, 3, &body).expect("an answer");
        reply.get(19..21) == Some(&[0, 29])
    });
    assert!(told, "the rule of somebody else");
    history.guest("with a rule of somebody else", 2, 3, &body);
    // The version in memory is not the one in ZooKeeper.
    raw.set("/kafka-acl/Topic/t", rule.replace("Deny", "Allow").as_bytes()).expect("set");
    history.allow(&[by_name("t", 3, ALLOW)]);
    let deleted = history.admin.ask(31, 1, &requests::delete_acls(&[requests::Filter::ANY])).expect("an answer");
    history.lines.push(format!("all rules: {}", requests::deleted(&deleted)));
}
