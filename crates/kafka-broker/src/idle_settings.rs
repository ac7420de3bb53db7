//! Settings that Apache's broker has and that change nothing here, each with the reason. Whoever sets one to something
//! else than its default is told so once, at the start.

use kafka_metadata::BrokerConfig;
use properties::Setting;
use tracing::warn;

const KRAFT: &str = "it is for KRaft mode, and this broker works with ZooKeeper, as in Apache's";
const NEW_GROUPS: &str = "it is for groups of KRaft mode; this broker has the classic ones, as Apache's with ZooKeeper";
const TIERED: &str = "there is no tiered storage (remote.log.storage.system.enable is refused)";
const TLS: &str = "no listener has TLS (listeners with it are refused)";
const SASL: &str = "no listener has SASL (listeners with it are refused)";
const TOKENS: &str = "there are no delegation tokens (their secret key is refused)";
const REPLICATION: &str = "this broker follows no other one yet: nothing is replicated";
const PURGATORY: &str = "who does not wait any more leaves at once; there is nothing to purge";
const JMX: &str = "metrics are counted where they arise and read when http://127.0.0.1:9404/metrics is asked for; there is \
                   no JMX and no window of samples";

/// Bytes a second that throttled replicas fetch.
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";

/// A setting, or all that begin so where an asterisk stands at the end; and why it changes nothing.
const IDLE: &[(&str, &str)] = &[
    ("auto.include.jmx.reporter", JMX),
    ("background.threads", "a fixed number of threads syncs, recovers and deletes"),
    ("broker.heartbeat.interval.ms", KRAFT),
    ("broker.session.timeout.ms", KRAFT),
    ("connection.failed.authentication.delay.ms", SASL),
    ("connections.max.reauth.ms", SASL),
    ("controller.listener.names", KRAFT),
    ("controller.quorum.*", KRAFT),
    ("delegation.token.*", TOKENS),
    ("delete.records.purgatory.purge.interval.requests", PURGATORY),
    ("early.start.listeners", KRAFT),
    ("eligible.leader.replicas.enable", KRAFT),
    ("fetch.purgatory.purge.interval.requests", PURGATORY),
    ("group.consumer.*", NEW_GROUPS),
    ("group.coordinator.append.linger.ms", NEW_GROUPS),
    ("group.coordinator.new.enable", NEW_GROUPS),
    ("group.coordinator.threads", NEW_GROUPS),
    ("group.share.*", NEW_GROUPS),
    ("initial.broker.registration.timeout.ms", KRAFT),
    ("kafka.metrics.polling.interval.secs", JMX),
    ("log.cleaner.io.buffer.size", "the cleaner reads a mebibyte at a time, and a larger batch as a whole"),
    ("log.dir.failure.timeout.ms", KRAFT),
    ("max.request.partition.size.limit", KRAFT),
    ("metadata.*", KRAFT),
    ("metrics.num.samples", JMX),
    ("metrics.recording.level", JMX),
    ("metrics.sample.window.ms", JMX),
    ("offsets.commit.required.acks", "offsets are stored when all replicas in sync have them"),
    ("num.io.threads", "requests are served by the threads that read them (num.network.threads)"),
    ("num.recovery.threads.per.data.dir", "a fixed number of threads syncs, recovers and deletes"),
    ("num.replica.fetchers", REPLICATION),
    ("offsets.topic.compression.codec", "offsets are stored as they are"),
    ("offsets.load.buffer.size", "a coordinator loads a mebibyte at a time, so that others are served in between"),
    ("password.encoder.*", "settings that are passwords cannot be changed while the broker runs"),
    ("principal.builder.class", "without TLS and SASL everybody is User:ANONYMOUS"),
    (
        "producer.id.expiration.check.interval.ms",
        "producers are looked through when retention is checked (log.retention.check.interval.ms)",
    ),
    ("producer.purgatory.purge.interval.requests", PURGATORY),
    ("queued.max.requests", "requests do not queue: each is served by the thread that has read it, one per connection"),
    ("remote.*", TIERED),
    ("replica.fetch.*", REPLICATION),
    ("replica.socket.*", REPLICATION),
    ("sasl.*", SASL),
    ("server.max.startup.time.ms", KRAFT),
    ("socket.connection.setup.timeout.*", "connections to brokers and ZooKeeper have the limits of what they are for"),
    ("ssl.*", TLS),
    ("telemetry.max.bytes", KRAFT),
    (
        "transaction.state.log.load.buffer.size",
        "a coordinator loads a mebibyte at a time, so that others are served in between",
    ),
    ("unclean.leader.election.interval.ms", KRAFT),
    ("unstable.feature.versions.enable", KRAFT),
    ("zookeeper.max.in.flight.requests", "ZooKeeper's answers are awaited together, however many they are"),
    ("zookeeper.metadata.migration.min.batch.size", KRAFT),
];

/// Why a setting changes nothing; `None` if it does.
fn reason(name: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(begins) => name.starts_with(begins),
        None => name == pattern,
    };
    IDLE.iter().find(|(pattern, _)| fits(pattern)).map(|(_, reason)| *reason)
}

/// Tells of a setting that was changed while the broker runs, if it is such a one.
pub(crate) fn tell_changed(name: &str) {
    if let Some(reason) = reason(name) {
        warn!(target: "kafka.server.DynamicBrokerConfig", "{name} is set and has no effect: {reason}");
    }
}

/// Tells of a limit that is known at run time only and that limits nothing here, if it is another one than before.
pub(crate) fn tell_rates(before: Option<&BrokerConfig>, now: &BrokerConfig) {
    let rate = now.rate(FOLLOWER_RATE);
    if rate.is_some() && before.is_none_or(|before| before.rate(FOLLOWER_RATE) != rate) {
        warn!(target: "kafka.server.DynamicBrokerConfig", "{FOLLOWER_RATE} is set and has no effect: {REPLICATION}");
    }
}

/// Tells of each such setting that was set to something else than its default.
pub(crate) fn tell(config: &BrokerConfig) {
    for (setting, reason) in wished_in_vain(config) {
        warn!(target: "kafka.server.KafkaConfig", "{} is set and has no effect: {reason}", setting.name);
    }
}

fn wished_in_vain(config: &BrokerConfig) -> Vec<(&'static Setting, &'static str)> {
    let mut vain = Vec::new();
    for (setting, value) in config.values().iter() {
        let is_default = config.text(setting.name).is_none() || setting.default_value().is_ok_and(|own| own == *value);
        if let Some(reason) = reason(setting.name).filter(|_| !is_default) {
            vain.push((setting, reason));
        }
    }
    vain
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "reads the sources that it is about")]

    use std::fs;
    use std::path::Path;

    use super::*;

    fn config(more: &str) -> BrokerConfig {
        let text = format!("zookeeper.connect=localhost:2181\nbroker.id=0\n{more}");
        let properties = properties::Properties::parse("server.properties", text.as_bytes()).expect("legal");
        BrokerConfig::from_properties(&properties).expect("legal")
    }

    #[test]
    fn who_wishes_in_vain_is_told() {
        let names = |more: &str| -> Vec<&str> {
            wished_in_vain(&config(more)).into_iter().map(|(setting, _)| setting.name).collect()
        };
        assert!(names("").is_empty());
        assert!(names("queued.max.requests=500\nreplica.fetch.max.bytes=1048576").is_empty(), "the defaults");
        let mut told =
            names("queued.max.requests=501\nreplica.fetch.max.bytes=5\nnum.partitions=9\nfetch.max.bytes=1024");
        told.sort_unstable();
        assert_eq!(told, ["queued.max.requests", "replica.fetch.max.bytes"]);
    }

    /// Files that check and describe settings, and do nothing by them.
    const ONLY_CHECKED: [&str; 4] = ["idle_settings.rs", "check.rs", "describe.rs", "dynamic.rs"];

    /// The sources below a directory that act by settings; not their definitions.
    fn sources(dir: &Path, into: &mut String) {
        for entry in fs::read_dir(dir).expect("it is there") {
            let path = entry.expect("reads").path();
            let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
            let defines = path.ends_with("broker_config/settings") || name.contains("tests");
            if path.is_dir() && !defines {
                sources(&path, into);
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && !defines
                && !ONLY_CHECKED.contains(&name.as_str())
            {
                into.push_str(&fs::read_to_string(&path).expect("reads"));
            }
        }
    }

    /// What decides there whether the broker starts at all.
    const CHECKED: [&str; 3] =
        ["broker.id.generation.enable", "group.coordinator.rebalance.protocols", "process.roles"];

    #[test]
    fn every_setting_is_asked_for_or_stands_above() {
        /// What is put together of two parts in the code.
        const JOINED: [(&str, &str); 4] = [
            ("quota.window.", "{prefix}quota.window."),
            ("controller.quota.window.", "{prefix}quota.window."),
            ("transaction.state.log.", "{prefix}."),
            ("offsets.topic.", "{prefix}."),
        ];
        let mut text = String::new();
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        sources(&src, &mut text);
        sources(&src.join("../../kafka-metadata/src"), &mut text);
        let is_asked = |name: &str| {
            CHECKED.contains(&name)
                || text.contains(&format!("\"{name}\""))
                || JOINED.iter().any(|(begins, code)| {
                    name.strip_prefix(begins).is_some_and(|rest| text.contains(&format!("{code}{rest}\"")))
                })
        };
        let names: Vec<&str> = config("").values().iter().map(|(setting, _)| setting.name).collect();
        let silent: Vec<&&str> = names.iter().filter(|name| !is_asked(name) && reason(name).is_none()).collect();
        assert!(silent.is_empty(), "asked for by nobody, and nothing is said above: {silent:?}");
        for (pattern, _) in IDLE {
            let begins = pattern.trim_end_matches('*');
            assert!(names.iter().any(|name| name.starts_with(begins)), "there is no setting {pattern}");
            assert!(!is_asked(pattern), "{pattern} is asked for");
        }
    }
}
