//! The consumer's settings: Apache's names, defaults and errors.

use std::sync::atomic::{AtomicU32, Ordering};

use properties::{Check, Definitions, Kind, Setting};

use super::assignors::Assignor;
use super::fetcher::FetchConfig;
use super::positions::OffsetReset;
use crate::config::common::COMMON;
use crate::config::{CommonConfig, Texts, no_classes, parse};
use crate::error::Error;

/// Everything that may be set, with its default.
pub static DEFINITIONS: Definitions = Definitions::grouped(&[COMMON, GROUP, FETCH, OTHERS]);

const GROUP: &[Setting] = &[
    Setting::optional("group.id", Kind::String, "the group to be a member of"),
    Setting::optional("group.instance.id", Kind::String, "name of a static member").check(Check::NotEmpty),
    Setting::new("group.protocol", Kind::String, "classic", "how members are managed")
        .check(Check::Custom(only_classic)),
    Setting::new("session.timeout.ms", Kind::Int, "45000", "without a heartbeat for so long a member is out")
        .check(Check::at_least(0)),
    Setting::new("heartbeat.interval.ms", Kind::Int, "3000", "time between heartbeats").check(Check::at_least(0)),
    Setting::new("max.poll.interval.ms", Kind::Int, "300000", "without a poll for so long a member leaves")
        .check(Check::at_least(1)),
    Setting::new(
        "partition.assignment.strategy",
        Kind::List,
        "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        "assignors, best first",
    ),
    Setting::new("enable.auto.commit", Kind::Boolean, "true", "commit positions now and then"),
    Setting::new("auto.commit.interval.ms", Kind::Int, "5000", "time between automatic commits")
        .check(Check::at_least(0)),
    Setting::new("auto.offset.reset", Kind::String, "latest", "where to start without a committed offset")
        .check(Check::OneOf(&["latest", "earliest", "none"])),
    Setting::new("allow.auto.create.topics", Kind::Boolean, "true", "may subscribing create a topic?"),
    Setting::new("exclude.internal.topics", Kind::Boolean, "true", "do patterns leave out internal topics?"),
    Setting::new("client.rack", Kind::String, "", "where the consumer is"),
];

const FETCH: &[Setting] = &[
    Setting::new("fetch.min.bytes", Kind::Int, "1", "wait for so much").check(Check::at_least(0)),
    Setting::new("fetch.max.bytes", Kind::Int, "52428800", "at most so much per answer").check(Check::at_least(0)),
    Setting::new("fetch.max.wait.ms", Kind::Int, "500", "wait at most so long").check(Check::at_least(0)),
    Setting::new("max.partition.fetch.bytes", Kind::Int, "1048576", "at most so much per partition")
        .check(Check::at_least(0)),
    Setting::new("max.poll.records", Kind::Int, "500", "at most so many records per poll").check(Check::at_least(1)),
    Setting::new("check.crcs", Kind::Boolean, "true", "check what is read"),
    Setting::new("isolation.level", Kind::String, "read_uncommitted", "are open and aborted transactions read?")
        .check(Check::OneOf(&["read_committed", "read_uncommitted"])),
];

const OTHERS: &[Setting] = &[
    Setting::new("default.api.timeout.ms", Kind::Int, "60000", "How long a call may take.").check(Check::at_least(0)),
    Setting::new("receive.buffer.bytes", Kind::Int, "65536", "The kernel sizes the buffers of sockets; checked only.")
        .check(Check::at_least(-1)),
    Setting::new("connections.max.idle.ms", Kind::Long, "540000", "The broker closes idle connections; checked only."),
    Setting::optional("key.deserializer", Kind::Class, "Records are bytes here; read by those who print them."),
    Setting::optional("value.deserializer", Kind::Class, "Records are bytes here; read by those who print them."),
    Setting::new("interceptor.classes", Kind::List, "", "Java classes, which cannot be loaded: must be empty."),
];

fn only_classic(value: &properties::Value) -> Result<(), String> {
    match value.text().as_deref() {
        Some(text) if text.eq_ignore_ascii_case("classic") => Ok(()),
        Some(text) if text.eq_ignore_ascii_case("consumer") => {
            Err("the protocol of KIP-848 needs a KRaft cluster; this client speaks the classic one".to_owned())
        }
        _ => Err("String must be one of (case insensitive): CLASSIC, CONSUMER".to_owned()),
    }
}

/// A consumer's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// What all clients have.
    pub common: CommonConfig,
    /// `group.id`; without one there is neither subscription nor commit.
    pub group_id: Option<String>,
    /// `group.instance.id`
    pub group_instance_id: Option<String>,
    /// `session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval_ms: u64,
    /// `max.poll.interval.ms`
    pub max_poll_interval_ms: i32,
    /// `partition.assignment.strategy`, best first.
    pub assignors: Vec<Assignor>,
    /// `auto.commit.interval.ms` if `enable.auto.commit`
    pub auto_commit_interval_ms: Option<u64>,
    /// `auto.offset.reset`
    pub auto_offset_reset: OffsetReset,
    /// `allow.auto.create.topics`
    pub allow_auto_create_topics: bool,
    /// `exclude.internal.topics`
    pub exclude_internal_topics: bool,
    /// All that concerns fetches.
    pub fetch: FetchConfig,
    /// `default.api.timeout.ms`
    pub default_api_timeout_ms: u64,
}

impl ConsumerConfig {
    /// From texts by name; the last of a name counts. What is no setting of a consumer is passed over, as in Java.
    pub fn parse<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<ConsumerConfig, Error> {
        let texts: Texts<'t> = texts.into_iter().collect();
        let values = parse(&DEFINITIONS, &texts)?;
        no_classes(&values, "interceptor.classes")?;
        let number = |name: &str| u64::try_from(values.int(name)).unwrap_or(0);
        let group_id = values.optional_string("group.id");
        let asked_to_commit = texts.contains_key("enable.auto.commit") && values.boolean("enable.auto.commit");
        if group_id.is_none() && asked_to_commit {
            let text = "enable.auto.commit cannot be set to true when default group id (null) is used.";
            return Err(Error::Config(text.to_owned()));
        }
        let commits = group_id.is_some() && values.boolean("enable.auto.commit");
        let rack_id = values.string("client.rack");
        if number("heartbeat.interval.ms") >= number("session.timeout.ms") {
            return Err(Error::Usage("Heartbeat must be set lower than the session timeout".to_owned()));
        }
        let group_instance_id = values.optional_string("group.instance.id");
        let client_id = client_id(values.string("client.id"), group_id.as_deref(), group_instance_id.as_deref());
        Ok(ConsumerConfig {
            common: CommonConfig::of(&values, client_id)?,
            group_id,
            group_instance_id,
            session_timeout_ms: values.int("session.timeout.ms"),
            heartbeat_interval_ms: number("heartbeat.interval.ms").max(1),
            max_poll_interval_ms: values.int("max.poll.interval.ms"),
            assignors: assignors(&values.list("partition.assignment.strategy"))?,
            auto_commit_interval_ms: commits.then(|| number("auto.commit.interval.ms")),
            auto_offset_reset: match &*values.string("auto.offset.reset") {
                "earliest" => OffsetReset::Earliest,
                "none" => OffsetReset::None,
                _ => OffsetReset::Latest,
            },
            allow_auto_create_topics: values.boolean("allow.auto.create.topics"),
            exclude_internal_topics: values.boolean("exclude.internal.topics"),
            fetch: FetchConfig {
                min_bytes: values.int("fetch.min.bytes"),
                max_bytes: values.int("fetch.max.bytes"),
                max_wait_ms: values.int("fetch.max.wait.ms"),
                max_partition_bytes: values.int("max.partition.fetch.bytes"),
                max_poll_records: number("max.poll.records") as usize,
                reads_committed: values.string("isolation.level") == "read_committed",
                checks_crcs: values.boolean("check.crcs"),
                rack_id,
            },
            default_api_timeout_ms: number("default.api.timeout.ms"),
        })
    }
}

impl ConsumerConfig {
    /// The pause before a retry, in milliseconds; at least 1, so that nothing spins.
    pub(crate) fn retry_backoff_ms(&self) -> u64 {
        self.common.retry.backoff_ms.max(1)
    }
}

/// The given name, or one made up as Java does: `consumer-GROUP-1`, with the name of a static member as its number.
fn client_id(given: String, group_id: Option<&str>, instance: Option<&str>) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    if !given.is_empty() {
        return given;
    }
    let number = || (LAST.fetch_add(1, Ordering::Relaxed) + 1).to_string();
    let which = instance.map_or_else(number, str::to_owned);
    format!("consumer-{}-{which}", group_id.unwrap_or("null"))
}

fn assignors(classes: &[String]) -> Result<Vec<Assignor>, Error> {
    let known = |class: &String| {
        Assignor::from_class(class).ok_or_else(|| {
            Error::Config(format!(
                "Invalid value {class} for configuration partition.assignment.strategy: Class {class} could not be \
                 found. (This client has RangeAssignor, RoundRobinAssignor, StickyAssignor and CooperativeStickyAssignor.)"
            ))
        })
    };
    let assignors = classes.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    if assignors.is_empty() {
        let text = "Must choose at least one assignor for configuration partition.assignment.strategy";
        return Err(Error::Config(text.to_owned()));
    }
    Ok(assignors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str, value: &str) -> String {
        ConsumerConfig::parse([("bootstrap.servers", "a:1"), ("group.id", "g"), (name, value)]).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_apaches() {
        let config = ConsumerConfig::parse([("bootstrap.servers", "a:1,b:2"), ("group.id", "g")]).unwrap();
        assert_eq!(config.common.bootstrap_servers, ["a:1", "b:2"]);
        assert!(config.common.client_id.starts_with("consumer-g-"));
        assert_eq!((config.session_timeout_ms, config.heartbeat_interval_ms), (45_000, 3_000));
        assert_eq!(config.assignors, [Assignor::Range, Assignor::CooperativeSticky]);
        assert_eq!(config.auto_commit_interval_ms, Some(5_000));
        assert_eq!(config.fetch, FetchConfig::default());
        assert_eq!(config.auto_offset_reset, OffsetReset::Latest);
    }

    #[test]
    fn without_a_group_there_are_no_commits() {
        let servers = ("bootstrap.servers", "a:1");
        assert_eq!(ConsumerConfig::parse([servers]).unwrap().auto_commit_interval_ms, None);
        let error = ConsumerConfig::parse([servers, ("enable.auto.commit", "true")]).unwrap_err();
        assert_eq!(error.to_string(), "enable.auto.commit cannot be set to true when default group id (null) is used.");
    }

    #[test]
    fn bad_values_have_apaches_errors() {
        assert_eq!(
            error("isolation.level", "dirty"),
            "Invalid value dirty for configuration isolation.level: String must be one of: read_committed, \
             read_uncommitted"
        );
        assert_eq!(
            error("max.poll.records", "0"),
            "Invalid value 0 for configuration max.poll.records: Value must be at least 1"
        );
        assert!(error("security.protocol", "SSL").contains("PLAINTEXT only"));
        assert!(error("group.protocol", "consumer").contains("KRaft"));
        assert!(error("partition.assignment.strategy", "com.example.Mine").contains("could not be found"));
        assert_eq!(error("heartbeat.interval.ms", "45000"), "Heartbeat must be set lower than the session timeout");
    }
}
