//! The requests of the history, and how answers without an order are put into one.

use std::fmt;

use tests::{KafkaBody, KafkaReply, TIME, batch};

use super::History;

pub(crate) const DENY: i8 = 2;
pub(crate) const ALLOW: i8 = 3;

const TOPIC: i8 = 2;
pub(crate) const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
pub(crate) const TRANSACTIONAL_ID: i8 = 5;

const ALL: i8 = 2;
pub(crate) const READ: i8 = 3;
pub(crate) const WRITE: i8 = 4;
const CREATE: i8 = 5;
const DELETE: i8 = 6;
pub(crate) const ALTER: i8 = 7;
pub(crate) const DESCRIBE: i8 = 8;
pub(crate) const CLUSTER_ACTION: i8 = 9;
const DESCRIBE_CONFIGS: i8 = 10;
const ALTER_CONFIGS: i8 = 11;
const IDEMPOTENT_WRITE: i8 = 12;

/// A rule, as CreateAcls carries it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    resource: i8,
    name: &'static str,
    pattern: i8,
    principal: &'static str,
    host: &'static str,
    operation: i8,
    permission: i8,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { resource, name, pattern, operation, permission, .. } = self;
        write!(f, "{resource}:{name}:{pattern} {operation}:{permission}")
    }
}

pub(crate) const fn guest(resource: i8, name: &'static str, operation: i8) -> Rule {
    let principal = "User:ANONYMOUS";
    Rule { resource, name, pattern: 3, principal, host: "127.0.0.2", operation, permission: ALLOW }
}

/// On one topic, of the guest.
pub(crate) const fn by_name(name: &'static str, operation: i8, permission: i8) -> Rule {
    Rule { permission, ..guest(TOPIC, name, operation) }
}

pub(crate) const fn topic(operation: i8) -> Rule {
    guest(TOPIC, "t", operation)
}

pub(crate) const fn cluster(operation: i8) -> Rule {
    guest(CLUSTER, "kafka-cluster", operation)
}

/// What DeleteAcls and DescribeAcls carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) resource: i8,
    pub(crate) name: Option<&'static str>,
    pub(crate) pattern: i8,
    pub(crate) principal: Option<&'static str>,
    pub(crate) host: Option<&'static str>,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl Filter {
    pub(crate) const ANY: Filter =
        Filter { resource: 1, name: None, pattern: 1, principal: None, host: None, operation: 1, permission: 1 };

    fn write(&self, body: &mut KafkaBody) {
        body.i8(self.resource);
        let texts = [self.name, self.principal, self.host];
        for (place, text) in texts.into_iter().enumerate() {
            match text {
                Some(text) => body.text(text),
                None => body.no_text(),
            };
            if place == 0 {
                body.i8(self.pattern);
            }
        }
        body.i8(self.operation).i8(self.permission);
    }
}

pub(crate) fn create_acls(version: i16, rules: &[Rule]) -> KafkaBody {
    let mut body = KafkaBody::new(version >= 2);
    body.array(rules.len());
    for rule in rules {
        body.i8(rule.resource).text(rule.name);
        if version >= 1 {
            body.i8(rule.pattern);
        }
        body.text(rule.principal).text(rule.host).i8(rule.operation).i8(rule.permission).no_tags();
    }
    body.no_tags();
    body
}

pub(crate) fn delete_acls(filters: &[Filter]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(filters.len());
    for filter in filters {
        filter.write(&mut body);
    }
    body
}

pub(crate) fn describe_acls(filter: &Filter) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    filter.write(&mut body);
    body
}

fn entry(reply: &mut KafkaReply<'_>) -> String {
    let (principal, host) = (reply.text().unwrap_or_default(), reply.text().unwrap_or_default());
    format!("{principal}@{host} {:?}", reply.take(2))
}

/// The rules in an answer to DescribeAcls, sorted.
pub(crate) fn described(reply: &[u8]) -> String {
    let mut reply = KafkaReply::new(reply, false);
    reply.i32();
    let error = (reply.i16(), reply.text());
    let mut rules = Vec::new();
    for _ in 0..reply.array().unwrap_or_default() {
        let kind = reply.take(1)[0];
        let (name, pattern) = (reply.text().unwrap_or_default(), reply.take(1)[0]);
        for _ in 0..reply.array().unwrap_or_default() {
            rules.push(format!("{kind}:{name}:{pattern} {}", entry(&mut reply)));
        }
    }
    rules.sort();
    format!("{error:?} {}", rules.join("; "))
}

/// The rules in an answer to DeleteAcls, sorted for each filter.
pub(crate) fn deleted(reply: &[u8]) -> String {
    let mut reply = KafkaReply::new(reply, false);
    reply.i32();
    let mut filters = Vec::new();
    for _ in 0..reply.array().unwrap_or_default() {
        let error = (reply.i16(), reply.text());
        let mut rules = Vec::new();
        for _ in 0..reply.array().unwrap_or_default() {
            let error = (reply.i16(), reply.text());
            let kind = reply.take(1)[0];
            let (name, pattern) = (reply.text().unwrap_or_default(), reply.take(1)[0]);
            rules.push(format!("{error:?} {kind}:{name}:{pattern} {}", entry(&mut reply)));
        }
        rules.sort();
        filters.push(format!("{error:?} [{}]", rules.join("; ")));
    }
    filters.join(" ")
}

/// Rules that are refused, or that are not what they look like.
pub(crate) fn strange_rules() -> Vec<(&'static str, Rule)> {
    let rule = topic(READ);
    vec![
        ("an unknown resource", Rule { resource: 0, ..rule }),
        ("any resource", Rule { resource: 1, ..rule }),
        ("a resource of the future", Rule { resource: 99, ..rule }),
        ("an unknown pattern", Rule { pattern: 0, ..rule }),
        ("any pattern", Rule { pattern: 1, ..rule }),
        ("a matching pattern", Rule { pattern: 2, ..rule }),
        ("a pattern of the future", Rule { pattern: 99, ..rule }),
        ("an unknown operation", Rule { operation: 0, ..rule }),
        ("any operation", Rule { operation: 1, ..rule }),
        ("an operation of the future", Rule { operation: 99, ..rule }),
        ("any permission", Rule { permission: 1, ..rule }),
        ("a permission of the future", Rule { permission: 99, ..rule }),
        ("no name", Rule { name: "", ..rule }),
        ("a slash", Rule { name: "a/b", ..rule }),
        ("another cluster", Rule { resource: CLUSTER, name: "other", ..rule }),
        ("no principal", Rule { principal: "", ..rule }),
        ("half a principal", Rule { principal: "a", ..rule }),
        ("a principal without name", Rule { principal: "User:", ..rule }),
        ("another type of principal", Rule { principal: "Group:g", ..rule }),
        ("no host", Rule { host: "", ..rule }),
        ("an operation that topics do not have", Rule { operation: CLUSTER_ACTION, ..rule }),
        ("a prefix of clusters", Rule { resource: CLUSTER, name: "kafka-cluster", pattern: 4, ..rule }),
        ("every topic by a prefix", Rule { name: "*", pattern: 4, ..rule }),
    ]
}

pub(crate) fn many_rules() -> Vec<Rule> {
    let of = |principal, host, rule: Rule| Rule { principal, host, ..rule };
    let prefix = |name, operation| Rule { pattern: 4, name, ..topic(operation) };
    vec![
        of("User:a", "*", topic(READ)),
        of("User:a", "10.0.0.1", topic(WRITE)),
        of("User:b", "10.0.0.1", topic(ALL)),
        of("User:b", "*", by_name("other", READ, DENY)),
        of("User:a", "*", by_name("*", DESCRIBE, ALLOW)),
        of("User:a", "*", prefix("t", ALTER)),
        of("User:b", "10.0.0.1", prefix("ot", DELETE)),
        of("User:b", "*", prefix("t", READ)),
        of("User:a", "*", guest(GROUP, "t", READ)),
        of("User:b", "10.0.0.1", guest(TRANSACTIONAL_ID, "t", WRITE)),
        of("User:a", "10.0.0.1", cluster(ALTER_CONFIGS)),
        of("User:a", "*", guest(7, "User:b", 13)),
        of("User:b", "*", guest(6, "token", DESCRIBE)),
    ]
}

/// None of them chooses a rule of the administrator's.
pub(crate) fn filters() -> Vec<Filter> {
    let of_a = Filter { principal: Some("User:a"), ..Filter::ANY };
    let at = Filter { host: Some("10.0.0.1"), ..Filter::ANY };
    let of_b = Filter { principal: Some("User:b"), ..Filter::ANY };
    vec![
        of_a,
        at,
        Filter { resource: TOPIC, ..of_a },
        Filter { resource: TOPIC, name: Some("t"), ..of_b },
        Filter { resource: TOPIC, name: Some("t"), pattern: 2, ..of_a },
        Filter { resource: TOPIC, name: Some("t"), pattern: 3, ..of_a },
        Filter { resource: TOPIC, name: Some("other"), pattern: 2, ..of_b },
        Filter { resource: TOPIC, name: Some("t"), pattern: 4, ..Filter::ANY },
        Filter { name: Some("t"), pattern: 1, ..of_a },
        Filter { operation: READ, ..of_b },
        Filter { permission: DENY, ..of_b },
        Filter { permission: ALLOW, operation: ALL, ..at },
        Filter { resource: 99, ..of_a },
        Filter { resource: TOPIC, name: Some("nothing"), pattern: 3, ..of_a },
        Filter { name: Some(""), ..of_a },
        Filter { principal: Some("half"), ..Filter::ANY },
    ]
}

pub(crate) fn init_producer_id() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.no_text().i32(60_000);
    body
}

fn produce(topics: &[&str]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.no_text().i16(-1).i32(10_000).array(topics.len());
    for topic in topics {
        body.text(topic).array(1).i32(0).data(&batch(&[b"value"], TIME, (-1, -1, -1)));
    }
    body
}

/// Of a consumer (-1) or a follower.
pub(crate) fn fetch(replica: i32, topic: &str) -> KafkaBody {
    fetch_in(replica, (0, -1), &[topic])
}

pub(crate) fn fetch_in(replica: i32, (id, epoch): (i32, i32), topics: &[&str]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.i32(replica).i32(0).i32(1).i32(1 << 20).i8(0).i32(id).i32(epoch).array(topics.len());
    for topic in topics {
        body.text(topic).array(1).i32(0).i32(-1).i64(0).i64(-1).i32(1 << 20);
    }
    body.array(0).text("");
    body
}

fn fetch_by_id(id: &[u8]) -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.i32(-1).i32(0).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1).array(2);
    for id in [id, &[0x42; 16]] {
        body.raw(id).array(1).i32(0).i32(-1).i64(0).i32(-1).i64(-1).i32(1 << 20).no_tags().no_tags();
    }
    body.array(0).text("").no_tags();
    body
}

pub(crate) fn list_offsets(topic: &str) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.i32(-1).i8(0).array(2);
    for topic in [topic, "nope"] {
        body.text(topic).array(1).i32(0).i64(-1);
    }
    body
}

fn list_offsets_0() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.i32(-1).array(1).text("t").array(1).i32(0).i64(-1).i32(1);
    body
}

/// All topics, or these; with everything that is authorized from version 8 on.
pub(crate) fn metadata(version: i16, topics: Option<&[&str]>, may_create: bool) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    match topics {
        Some(topics) => {
            body.array(topics.len());
            for topic in topics {
                body.text(topic);
            }
        }
        None => {
            body.i32(if version == 0 { 0 } else { -1 });
        }
    }
    if version >= 4 {
        body.i8(may_create.into());
    }
    if version >= 8 {
        body.i8(1).i8(1);
    }
    body
}

fn metadata_by_ids(ids: &[&[u8]]) -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(ids.len());
    for id in ids {
        body.raw(id).no_text().no_tags();
    }
    body.i8(0).i8(1).no_tags();
    body
}

fn offset_commit(topics: &[&str]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("g").i32(-1).text("").i64(-1).array(topics.len());
    for topic in topics {
        body.text(topic).array(1).i32(0).i64(7).text("note");
    }
    body
}

pub(crate) fn offset_fetch(topics: Option<&[&str]>) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("g");
    match topics {
        Some(topics) => {
            body.array(topics.len());
            for topic in topics {
                body.text(topic).array(1).i32(0);
            }
        }
        None => {
            body.i32(-1);
        }
    }
    body
}

fn offset_fetch_groups() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(2);
    for group in ["g", "other"] {
        body.text(group).array(2);
        for topic in ["t", "u"] {
            body.text(topic).array(1).i32(0).no_tags();
        }
        body.no_tags();
    }
    body.i8(0).no_tags();
    body
}

pub(crate) fn find_coordinator(key: &str, kind: i8) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text(key).i8(kind);
    body
}

fn find_coordinators(keys: &[&str], kind: i8) -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.i8(kind).array(keys.len());
    for key in keys {
        body.text(key);
    }
    body.no_tags();
    body
}

fn texts_and(texts: &[&str], more: &[u8]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    for text in texts {
        body.text(text);
    }
    body.raw(more);
    body
}

fn heartbeat() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("g").i32(1).text("member");
    body
}

fn sync_group() -> KafkaBody {
    let mut body = heartbeat();
    body.array(0);
    body
}

fn join_group() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("g").i32(10_000).i32(10_000).text("member").text("consumer").array(1).text("range").data(b"");
    body
}

fn describe_groups() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(2).text("g").text("other").i8(1);
    body
}

fn create_topics(version: i16, name: &str, validate_only: bool) -> KafkaBody {
    let mut body = KafkaBody::new(version >= 5);
    body.array(1).text(name).i32(1).i16(1).array(0).array(0).no_tags().i32(10_000).i8(validate_only.into()).no_tags();
    body
}

fn delete_topics(names: &[&str]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(names.len());
    for name in names {
        body.text(name);
    }
    body.i32(10_000);
    body
}

fn delete_by_ids(ids: &[&[u8]]) -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(ids.len());
    for id in ids {
        body.no_text().raw(id).no_tags();
    }
    body.i32(10_000).no_tags();
    body
}

fn delete_records() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(2);
    for topic in ["t", "nope"] {
        body.text(topic).array(1).i32(0).i64(1);
    }
    body.i32(10_000);
    body
}

fn leader_epochs() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(2);
    for topic in ["t", "u"] {
        body.text(topic).array(1).i32(0).i32(-1).i32(0);
    }
    body
}

fn describe_configs(resources: &[(i8, &str)]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(resources.len());
    for (kind, name) in resources {
        body.i8(*kind).text(name).array(1).text(if *kind == 2 { "retention.ms" } else { "log.retention.hours" });
    }
    body.i8(0);
    body
}

fn alter_log_dirs() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(1).text("/nowhere").array(1).text("t").array(2).i32(0).i32(7);
    body
}

fn alter_reassignments() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.i32(10_000).array(1).text("t").array(1).i32(0).array(1).i32(9).no_tags().no_tags().no_tags();
    body
}

fn list_reassignments() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.i32(10_000).array(1).text("t").array(2).i32(0).i32(7).no_tags().no_tags();
    body
}

fn update_features() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.i32(10_000).array(1).text("x").i16(1).i8(1).no_tags().i8(1).no_tags();
    body
}

fn describe_log_dirs() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(1).text("nope").array(1).i32(0).no_tags().no_tags();
    body
}

fn create_partitions(name: &str) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(2);
    for (name, count) in [(name, 3), ("nope", 2)] {
        body.text(name).i32(count).i32(-1);
    }
    body.i32(10_000).i8(1);
    body
}

fn describe_cluster() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.i8(1).no_tags();
    body
}

fn describe_producers() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(2);
    for topic in ["t", "nope"] {
        body.text(topic).array(1).i32(0).no_tags();
    }
    body.no_tags();
    body
}

fn alter_configs(api: i16, resources: &[(i8, &str)]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(resources.len());
    for (kind, name) in resources {
        body.i8(*kind).text(name).array(1);
        body.text(if *kind == 2 { "retention.ms" } else { "log.cleaner.threads" });
        if api == 44 {
            body.i8(0);
        }
        body.text("1");
    }
    body.i8(1);
    body
}

fn elect_leaders() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.i8(0).array(1).text("t").array(1).i32(0).i32(10_000);
    body
}

fn describe_quotas() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(1).text("user").i8(0).text("nobody").i8(0);
    body
}

fn alter_quotas() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.array(2);
    for user in ["a", "b"] {
        body.array(1).text("user").text(user).array(1).text("producer_byte_rate").raw(&1000f64.to_be_bytes()).i8(0);
    }
    body.i8(1);
    body
}

fn describe_scram() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(1).text("nobody").no_tags().no_tags();
    body
}

fn alter_scram() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(1).text("nobody").i8(1).no_tags().array(0).no_tags();
    body
}

fn offset_delete() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("g").array(2);
    for topic in ["t", "u"] {
        body.text(topic).array(1).i32(0);
    }
    body
}

/// What brokers ask of each other.
fn between_brokers(history: &mut History) {
    let mut body = KafkaBody::new(false);
    body.i32(0).i32(1).i64(-1).array(1).text("t").array(1);
    body.i32(0).i32(1).i32(0).i32(0).array(1).i32(0).i32(0).array(1).i32(0).i8(0).array(0);
    history.guest("leaders", 4, 2, &body);
    let mut body = KafkaBody::new(false);
    body.i32(0).i32(1).i64(-1).i8(0).array(1).text("t").array(2).i32(0).i32(1);
    history.guest("stop replicas", 5, 1, &body);
    let mut body = KafkaBody::new(false);
    body.i32(0).i32(1).i64(-1).array(0).array(0);
    history.guest("metadata of the controller", 6, 5, &body);
    let mut body = KafkaBody::new(false);
    body.i32(0).i64(-1);
    history.guest("shutdown", 7, 2, &body);
    let mut body = KafkaBody::new(true);
    body.i32(0).i64(-1).array(0).no_tags();
    history.guest("another ISR", 56, 2, &body);
    let mut body = KafkaBody::new(true);
    body.i32(0).i64(-1).no_tags();
    history.guest("a block of ids", 67, 0, &body);
}

pub(crate) fn whole_history(history: &mut History) {
    for topic in ["t", "u", "doomed"] {
        history.create_topic(topic);
    }
    history.warm_up("t");
    between_brokers(history);
    records(history);
    names(history);
    groups(history);
    super::transactions::history(history);
    removal_of_groups(history);
    topics(history);
    settings(history);
    cluster_wide(history);
}

fn records(history: &mut History) {
    let t = &[topic(WRITE)];
    let prefix = Rule { pattern: 4, name: "", ..topic(WRITE) };
    let sets: &[&[Rule]] = &[
        t,
        &[by_name("*", WRITE, ALLOW)],
        &[Rule { pattern: 4, name: "t", ..topic(ALL) }],
        &[topic(ALL), by_name("*", WRITE, DENY)],
        &[topic(READ), topic(ALTER)],
    ];
    history.ladder("produce", (0, 7), &produce(&["t", "u"]), sets);
    let answer = history.admin.ask(30, 1, &create_acls(1, &[prefix])).expect("an answer");
    let line = history.told(&answer);
    history.lines.push(format!("an empty prefix: {line}"));
    history.ladder("fetch", (1, 11), &fetch_in(-1, (0, -1), &["t", "u", "nope"]), &[&[topic(READ)], &[topic(WRITE)]]);
    history.ladder("fetch of a follower", (1, 11), &fetch(0, "t"), &[&[topic(READ)]]);
    let by_id = fetch_by_id(&history.id_of("t"));
    history.ladder("fetch by id", (1, 13), &by_id, &[&[topic(READ)]]);
    history.ladder("ends", (2, 3), &list_offsets("t"), &[&[topic(DESCRIBE)], &[topic(WRITE)], &[topic(CREATE)]]);
    history.ladder("ends", (2, 0), &list_offsets_0(), &[&[topic(READ)]]);
    let epochs: &[&[Rule]] = &[&[topic(DESCRIBE)], &[cluster(CLUSTER_ACTION)]];
    history.ladder("epochs", (23, 2), &leader_epochs(), epochs);
    history.ladder("delete records", (21, 1), &delete_records(), &[&[topic(READ)], &[topic(DELETE)]]);
    history.ladder("producers", (61, 0), &describe_producers(), &[&[topic(DESCRIBE)], &[topic(READ)]]);
    let ids: &[&[Rule]] = &[
        &[topic(WRITE)],
        &[cluster(IDEMPOTENT_WRITE)],
        &[topic(READ)],
        &[topic(WRITE), by_name("t", WRITE, DENY)],
        &[topic(WRITE), by_name("*", ALL, DENY)],
    ];
    history.ladder("a producer id", (22, 1), &init_producer_id(), ids);
    let mut body = KafkaBody::new(false);
    body.text("tx").i32(60_000);
    history.guest("a transactional producer", 22, 1, &body);
    // A session goes on; what it tells changes with the rules.
    history.allow(&[topic(READ)]);
    history.guest_in_session(&["t", "u"]);
    history.forbid();
}

fn names(history: &mut History) {
    let describe: &[&[Rule]] = &[&[topic(DESCRIBE)], &[topic(READ), by_name("nope", DESCRIBE, ALLOW)], &[topic(ALL)]];
    for version in [0, 1, 8] {
        let asked = metadata(version, Some(&["t", "u", "nope"]), false);
        history.ladder("metadata", (3, version), &asked, if version == 0 { &[] } else { describe });
        history.ladder("all metadata", (3, version), &metadata(version, None, true), &[&[topic(DESCRIBE)]]);
    }
    let operations: &[&[Rule]] = &[&[topic(WRITE), topic(DESCRIBE_CONFIGS)], &[topic(ALL), by_name("t", READ, DENY)]];
    history.ladder("operations", (3, 8), &metadata(8, Some(&["t"]), false), operations);
    let of_cluster: &[&[Rule]] = &[&[cluster(DESCRIBE)], &[cluster(ALTER)], &[cluster(CREATE)], &[cluster(ALL)]];
    history.ladder("the cluster", (3, 8), &metadata(8, Some(&[]), false), of_cluster);
    history.ladder("the cluster", (60, 0), &describe_cluster(), of_cluster);
    let (t, u) = (history.id_of("t"), history.id_of("u"));
    let by_ids = metadata_by_ids(&[&t, &u, &[0x42; 16]]);
    history.ladder("metadata by ids", (3, 12), &by_ids, &[&[topic(DESCRIBE)]]);
    let made = metadata(8, Some(&["made"]), true);
    history.ladder("on the way", (3, 8), &made, &[&[by_name("made", DESCRIBE, ALLOW)]]);
}

fn groups(history: &mut History) {
    let g = |operation| guest(GROUP, "g", operation);
    history.ladder("coordinator", (10, 1), &find_coordinator("g", 0), &[&[g(DESCRIBE)], &[g(READ)]]);
    history.guest("coordinator of a transaction", 10, 1, &find_coordinator("tx", 1));
    history.guest("coordinator of a share group", 10, 5, &find_coordinators(&["s:a:1"], 2));
    history.ladder("coordinators", (10, 4), &find_coordinators(&["g", "h"], 0), &[&[g(DESCRIBE)]]);
    history.guest("coordinators of transactions", 10, 4, &find_coordinators(&["g", "h"], 1));
    history.ladder(
        "commit",
        (8, 2),
        &offset_commit(&["t", "u", "nope"]),
        &[&[g(READ)], &[topic(READ)], &[g(READ), topic(READ)], &[g(DESCRIBE), topic(READ)]],
    );
    let both: &[&[Rule]] = &[&[g(DESCRIBE)], &[g(READ), topic(DESCRIBE)], &[topic(READ)]];
    for version in [0, 1, 3] {
        let asked = offset_fetch(Some(&["t", "u"]));
        history.ladder("offsets", (9, version), &asked, both);
    }
    history.ladder("all offsets", (9, 3), &offset_fetch(None), both);
    history.ladder("offsets of groups", (9, 8), &offset_fetch_groups(), both);
    history.guest("join", 11, 2, &join_group());
    let read: &[&[Rule]] = &[&[g(READ)], &[g(DESCRIBE)]];
    history.ladder("heartbeat", (12, 0), &heartbeat(), read);
    history.ladder("leave", (13, 0), &texts_and(&["g", "member"], &[]), read);
    history.ladder("sync", (14, 0), &sync_group(), read);
    let described: &[&[Rule]] = &[&[g(DESCRIBE)], &[g(READ)], &[g(ALL)], &[cluster(DESCRIBE)]];
    history.ladder("groups", (15, 3), &describe_groups(), described);
    history.ladder("list of groups", (16, 0), &KafkaBody::new(false), described);
}

fn removal_of_groups(history: &mut History) {
    let g = |operation| guest(GROUP, "g", operation);
    let sets: &[&[Rule]] = &[&[g(READ), topic(READ)], &[g(DELETE)], &[g(DELETE), topic(READ)]];
    history.ladder("delete offsets", (47, 0), &offset_delete(), sets);
    let mut body = KafkaBody::new(false);
    body.array(2).text("h").text("g");
    history.ladder("delete groups", (42, 0), &body, &[&[g(READ)], &[g(DELETE)]]);
}

/// What changes settings of topics, brokers, users.
fn settings(history: &mut History) {
    let resources = [(2, "t"), (4, "0"), (4, ""), (4, "7"), (2, "u"), (2, "nope"), (8, "0")];
    let sets: &[&[Rule]] = &[&[topic(ALTER_CONFIGS)], &[topic(ALTER)], &[cluster(ALTER)]];
    history.ladder("change settings", (33, 1), &alter_configs(33, &resources[..6]), sets);
    history.ladder("change settings", (44, 0), &alter_configs(44, &resources), sets);
    let of_cluster: &[&[Rule]] =
        &[&[cluster(ALTER)], &[cluster(ALTER_CONFIGS)], &[cluster(DESCRIBE_CONFIGS)], &[cluster(DESCRIBE)]];
    history.ladder("change settings of brokers", (44, 0), &alter_configs(44, &resources[1..4]), of_cluster);
    history.ladder("leaders", (43, 1), &elect_leaders(), of_cluster);
    history.ladder("quotas", (48, 0), &describe_quotas(), of_cluster);
    history.ladder("change quotas", (49, 0), &alter_quotas(), of_cluster);
    history.ladder("credentials", (50, 0), &describe_scram(), of_cluster);
    history.ladder("change credentials", (51, 0), &alter_scram(), of_cluster);
}

fn topics(history: &mut History) {
    let new = |operation| by_name("new", operation, ALLOW);
    let sets: &[&[Rule]] = &[
        &[new(CREATE)],
        &[new(CREATE), new(DESCRIBE_CONFIGS)],
        &[cluster(CREATE)],
        &[new(ALTER)],
        &[cluster(CREATE), by_name("new", CREATE, DENY)],
    ];
    history.ladder("create", (19, 4), &create_topics(4, "new", true), sets);
    history.ladder("create", (19, 5), &create_topics(5, "new", true), &[&[new(CREATE)]]);
    let doomed = |operation| by_name("doomed", operation, ALLOW);
    let id = history.id_of("doomed");
    let by_ids = delete_by_ids(&[&id, &[0x42; 16]]);
    history.ladder("delete by id", (20, 6), &by_ids, &[&[doomed(DESCRIBE)], &[doomed(READ)]]);
    let nope: &[&[Rule]] = &[&[by_name("nope", DELETE, ALLOW)], &[doomed(DELETE)]];
    history.ladder("delete", (20, 3), &delete_topics(&["doomed", "nope"]), nope);
    history.ladder("more partitions", (37, 1), &create_partitions("t"), &[&[topic(CREATE)], &[topic(ALTER)]]);
    let configs = describe_configs(&[(2, "t"), (4, "0"), (2, "u"), (2, "nope"), (8, "0")]);
    let sets: &[&[Rule]] = &[&[topic(DESCRIBE_CONFIGS)], &[topic(ALTER_CONFIGS)], &[topic(DESCRIBE)]];
    history.ladder("settings", (32, 2), &configs, sets);
    let of_brokers = describe_configs(&[(4, "0"), (4, "7")]);
    history.ladder("settings of brokers", (32, 2), &of_brokers, &[&[cluster(DESCRIBE_CONFIGS)], &[cluster(DESCRIBE)]]);
}

fn cluster_wide(history: &mut History) {
    history.ladder("move", (34, 1), &alter_log_dirs(), &[&[cluster(ALTER)], &[cluster(DESCRIBE)]]);
    let moves = alter_reassignments();
    history.ladder("move to brokers", (45, 0), &moves, &[&[cluster(DESCRIBE)], &[cluster(ALTER)]]);
    let moves = list_reassignments();
    history.ladder("what moves", (46, 0), &moves, &[&[cluster(ALTER_CONFIGS)], &[cluster(DESCRIBE)]]);
    history.ladder("features", (57, 1), &update_features(), &[&[cluster(DESCRIBE)], &[cluster(ALTER)]]);
    history.guest("log directories", 35, 2, &describe_log_dirs());
    history.guest("log directories", 35, 3, &describe_log_dirs());
    let rules = create_acls(1, &[topic(READ)]);
    history.ladder("create rules", (30, 1), &rules, &[&[cluster(ALTER)], &[cluster(DESCRIBE)]]);
    let none = delete_acls(&[Filter { principal: Some("User:nobody"), ..Filter::ANY }; 2]);
    history.ladder("delete rules", (31, 1), &none, &[&[cluster(ALTER)], &[cluster(CREATE)]]);
    let none = describe_acls(&Filter { principal: Some("User:nobody"), ..Filter::ANY });
    history.ladder("describe rules", (29, 1), &none, &[&[cluster(ALTER)], &[cluster(DESCRIBE)]]);
}
