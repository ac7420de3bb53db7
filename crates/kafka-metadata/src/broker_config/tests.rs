//! Answers of Apache's broker 3.9.1 to settings, good and bad (`kafka.server.KafkaConfig.fromProps`).

use std::collections::BTreeMap;

use properties::{Origin, Properties};

use super::*;

fn config(pairs: &[(&str, &str)]) -> Result<BrokerConfig, ConfigError> {
    let mut properties = Properties::new();
    properties.set("zookeeper.connect", "localhost:2181", Origin::Program);
    for (name, value) in pairs {
        properties.set(*name, *value, Origin::Program);
    }
    BrokerConfig::from_properties(&properties)
}

/// The exception's short name and its message, or `OK`.
fn answer(pairs: &[(&str, &str)]) -> String {
    match config(pairs) {
        Ok(_) => "OK".to_owned(),
        Err(error) => format!("{}: {}", error.class.rsplit('.').next().unwrap_or_default(), error.message),
    }
}

fn text_map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn one_setting_alone() {
    let required = "IllegalArgumentException: requirement failed:";
    let config = "ConfigException:";
    for (name, value, expected) in [
        ("broker.id", "abc", format!("{config} Invalid value abc for configuration broker.id: Not a number of type INT")),
        ("broker.id", "", format!("{config} Invalid value  for configuration broker.id: Not a number of type INT")),
        ("broker.id", "-5", format!("{required} broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id")),
        ("broker.id", "5000", format!("{required} broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id")),
        ("broker.id.generation.enable", "false", format!("{required} broker.id must be greater than or equal to 0")),
        ("num.partitions", "-1", format!("{config} Invalid value -1 for configuration num.partitions: Value must be at least 1")),
        ("num.network.threads", "0", format!("{config} Invalid value 0 for configuration num.network.threads: Value must be at least 1")),
        ("log.roll.ms", "0", format!("{required} log.roll.ms must be greater than or equal to 1")),
        ("log.roll.jitter.ms", "-1", format!("{required} log.roll.jitter.ms must be greater than or equal to 0")),
        ("log.retention.ms", "0", format!("{required} log.retention.ms must be unlimited (-1) or, greater than or equal to 1")),
        ("log.retention.ms", "-1", "OK".to_owned()),
        ("log.retention.hours", "abc", format!("{config} Invalid value abc for configuration log.retention.hours: Not a number of type INT")),
        ("log.dirs", "", format!("{required} At least one log directory must be defined via log.dirs or log.dir.")),
        ("log.cleaner.dedupe.buffer.size", "100", format!("{required} log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.")),
        ("replica.fetch.wait.max.ms", "60000", format!("{required} replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts")),
        ("offsets.commit.required.acks", "5", "IllegalArgumentException: offsets.commit.required.acks must be greater or equal to -1 and less or equal to offsets.topic.replication.factor".to_owned()),
        ("offsets.topic.compression.codec", "9", "IllegalArgumentException: Unknown compression type id: 9".to_owned()),
        ("max.connections.per.ip", "0", format!("{required} max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.")),
        ("max.connections.per.ip.overrides", "127.0.0.1", "IllegalArgumentException: Error parsing configuration property 'max.connections.per.ip.overrides': begin 0, end -1, length 9".to_owned()),
        ("process.roles", "broker", format!("{config} Missing configuration `node.id` which is required when `process.roles` is defined (i.e. when running in KRaft mode).")),
        ("inter.broker.protocol.version", "x", format!("{config} Invalid value x for configuration inter.broker.protocol.version: Version x is not a valid version")),
        ("inter.broker.protocol.version", "3.9", "OK".to_owned()),
        ("principal.builder.class", "no.such", format!("{config} Invalid value no.such for configuration principal.builder.class: Class no.such could not be found.")),
        ("compression.type", "rar", format!("{config} Invalid value rar for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer")),
        ("log.cleanup.policy", "shred", format!("{config} Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete")),
        ("group.coordinator.rebalance.protocols", "consumer", format!("{config} Disabling the 'classic' protocol is not supported.")),
        ("early.start.listeners", "x", format!("{config} early.start.listeners contains listener x, but this is not contained in listeners or controller.listener.names")),
        ("broker.rack", "", "OK".to_owned()),
        ("no.such.key", "1", "OK".to_owned()),
        ("node.id", "3", "OK".to_owned()),
    ] {
        assert_eq!(answer(&[(name, value)]), expected, "{name}={value}");
    }
    let missing = BrokerConfig::from_properties(&Properties::new()).expect_err("no zookeeper.connect");
    assert_eq!(missing.message, "Missing required configuration `zookeeper.connect` which has no default value.");
    assert_eq!(
        answer(&[("node.id", "3"), ("broker.id", "4")]),
        "ConfigException: You must set `node.id` to the same value as `broker.id`."
    );
    assert_eq!(answer(&[("max.connections.per.ip", "0"), ("max.connections.per.ip.overrides", "127.0.0.1:5")]), "OK");
}

#[test]
fn listeners_and_who_may_use_them() {
    let argument = "IllegalArgumentException:";
    for (pairs, expected) in [
        (
            &[("listeners", "PLAINTEXT//:9092")][..],
            format!("{argument} Error creating broker listeners from 'PLAINTEXT//:9092': Unable to parse PLAINTEXT//:9092 to a broker endpoint"),
        ),
        (
            &[("listeners", "FOO://:9092")],
            format!("{argument} Error creating broker listeners from 'FOO://:9092': No security protocol defined for listener FOO"),
        ),
        (
            &[("listeners", "")],
            format!("{argument} requirement failed: There must be at least one broker advertised listener."),
        ),
        (
            &[("listeners", "PLAINTEXT://:9092,PLAINTEXT://:9093")],
            format!("{argument} requirement failed: Each listener must have a different name, listeners: PLAINTEXT://:9092,PLAINTEXT://:9093"),
        ),
        (
            &[("listeners", "PLAINTEXT://:9092,SSL://:9092")],
            format!("{argument} requirement failed: Each listener must have a different port, listeners: PLAINTEXT://:9092,SSL://:9092"),
        ),
        (
            &[("listeners", "PLAINTEXT://127.0.0.1:9092,SSL://127.0.0.1:9092")],
            format!("{argument} requirement failed: If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: PLAINTEXT://127.0.0.1:9092,SSL://127.0.0.1:9092, port: 9092"),
        ),
        (
            &[("listeners", "PLAINTEXT://0.0.0.0:9092")],
            format!("{argument} requirement failed: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."),
        ),
        (
            &[("listeners", "PLAINTEXT://:9092"), ("advertised.listeners", "SSL://localhost:9093")],
            format!("{argument} requirement failed: inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on currently configured listeners are SSL"),
        ),
        (
            &[("inter.broker.listener.name", "INTERNAL")],
            "ConfigException: Listener with name INTERNAL defined in inter.broker.listener.name not found in listener.security.protocol.map.".to_owned(),
        ),
        (
            &[("inter.broker.listener.name", "PLAINTEXT"), ("security.inter.broker.protocol", "PLAINTEXT")],
            "ConfigException: Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.".to_owned(),
        ),
        (
            &[("listeners", "A://:9092"), ("listener.security.protocol.map", "A:XX")],
            "ConfigException: Invalid security protocol `XX` defined in listener.security.protocol.map".to_owned(),
        ),
        (
            &[("listeners", "A://:9092"), ("listener.security.protocol.map", "A")],
            format!("{argument} Error parsing configuration property 'listener.security.protocol.map': begin 0, end -1, length 1"),
        ),
        (
            &[("listeners", "A://:9092"), ("listener.security.protocol.map", "A:PLAINTEXT"), ("inter.broker.listener.name", "A")],
            "OK".to_owned(),
        ),
        (
            &[("control.plane.listener.name", "X")],
            "ConfigException: Listener with X defined in control.plane.listener.name not found in listener.security.protocol.map.".to_owned(),
        ),
        (&[("advertised.listeners", "PLAINTEXT://:1")], "OK".to_owned()),
        (&[("listeners", "PLAINTEXT://:99999")], "OK".to_owned()),
    ] {
        assert_eq!(answer(pairs), expected, "{pairs:?}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    assert_eq!(
        answer(&[("authorizer.class.name", "no.such.Authorizer")]),
        "ConfigException: authorizer.class.name=no.such.Authorizer: an authorizer other than kafka.security.authorizer.AclAuthorizer is not available in this broker."
    );
    assert_eq!(
        answer(&[("listeners", "PLAINTEXT://:9092,SSL://:9093")]),
        "ConfigException: listeners=SSL://:9093: listeners with TLS or SASL is not available in this broker."
    );
    assert_eq!(
        answer(&[("metric.reporters", "a.B")]),
        "ConfigException: metric.reporters=a.B: reporting of metrics by classes is not available in this broker."
    );
    assert_eq!(
        answer(&[("security.providers", "a.Provider")]),
        "ConfigException: security.providers=a.Provider: a security provider class is not available in this broker."
    );
    assert_eq!(
        answer(&[("config.providers", "file")]),
        "ConfigException: config.providers=file: fetching settings from elsewhere is not available in this broker."
    );
    assert_eq!(
        answer(&[("inter.broker.protocol.version", "2.8")]),
        "ConfigException: inter.broker.protocol.version=2.8: an inter-broker protocol other than that of 3.9 is not available in this broker."
    );
}

#[test]
fn the_shipped_file_in_typed_form() {
    let config = config(&[
        ("broker.id", "0"),
        ("log.dirs", "/tmp/kafka-logs, /data"),
        ("listeners", "PLAINTEXT://:9092"),
        ("log.retention.hours", "168"),
        ("zookeeper.connection.timeout.ms", "5000"),
    ])
    .expect("legal");
    assert_eq!(config.broker_id, Some(BrokerId(0)));
    assert_eq!(config.log_dirs, ["/tmp/kafka-logs", "/data"]);
    assert_eq!(config.listeners[0].connection_string(), "PLAINTEXT://:9092");
    assert_eq!(config.advertised_listeners, config.listeners);
    assert_eq!((config.inter_broker_listener.as_str(), config.log_retention_ms), ("PLAINTEXT", 604_800_000));
    assert_eq!((config.zookeeper_session_timeout_ms, config.zookeeper_connection_timeout_ms), (18000, 5000));
    assert_eq!(config.values().int("num.partitions"), 1);
    let defaults = config.topic_defaults();
    assert_eq!(defaults["segment.ms"], "604800000");
    assert_eq!(defaults["flush.ms"], i64::MAX.to_string());
    assert_eq!(
        crate::topic_config::TopicConfig::new(&defaults, &BTreeMap::new()).expect("legal").segment_bytes,
        1 << 30
    );
}

#[test]
fn unknown_names_are_listed() {
    let config = config(&[("port", "9092"), ("listener.name.internal.x", "1"), ("broker.id", "1")]).expect("legal");
    assert_eq!(config.unknown().collect::<Vec<_>>(), ["port"]);
}

#[test]
fn dynamic_settings_hide_the_files_and_their_synonyms() {
    let file = config(&[("log.retention.hours", "1"), ("num.io.threads", "4")]).expect("legal");
    let for_all =
        text_map(&[("log.retention.ms", "5"), ("num.io.threads", "5"), ("broker.id", "9"), ("listeners", "A")]);
    let changed = file.with_dynamic(&for_all, &text_map(&[("num.io.threads", "6")])).expect("legal");
    assert_eq!(changed.log_retention_ms, 5);
    assert_eq!(changed.values().int("num.io.threads"), 6);
    assert_eq!(changed.broker_id, None, "read-only");
    assert_eq!(changed.listeners.len(), 1, "not for all brokers at once");
    let back = changed.with_dynamic(&BTreeMap::new(), &BTreeMap::new()).expect("legal");
    assert_eq!((back.log_retention_ms, back.values().int("num.io.threads")), (3_600_000, 4));
    assert!(file.with_dynamic(&text_map(&[("num.io.threads", "0")]), &BTreeMap::new()).is_err());
}

fn shown(entries: &[ConfigEntry], name: &str) -> String {
    let entry = entries.iter().find(|entry| entry.name == name).expect("listed");
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{:?}:{}={}", synonym.source, synonym.name, synonym.value.as_deref().unwrap_or("null")))
        .collect();
    let value = entry.value.as_deref().unwrap_or("null");
    format!("{name}={value} sensitive={} {{{}}}", entry.sensitive, synonyms.join(", "))
}

#[test]
fn described_as_apaches_broker_describes() {
    // As the original's `kafka-configs --describe --all` shows them.
    let config = config(&[("broker.id", "0"), ("log.retention.hours", "168")]).expect("legal");
    let entries = config.describe();
    assert_eq!(
        shown(&entries, "broker.id"),
        "broker.id=0 sensitive=false {StaticBroker:broker.id=0, Default:broker.id=-1}"
    );
    assert_eq!(shown(&entries, "broker.rack"), "broker.rack=null sensitive=false {}");
    assert_eq!(
        shown(&entries, "auto.create.topics.enable"),
        "auto.create.topics.enable=true sensitive=false {Default:auto.create.topics.enable=true}"
    );
    assert_eq!(shown(&entries, "ssl.key.password"), "ssl.key.password=null sensitive=true {}");
    assert!(entries.iter().all(|entry| entry.name != "unstable.api.versions.enable"), "internal");

    let own = text_map(&[("retention.ms", "1000000"), ("min.insync.replicas", "1")]);
    let values = crate::topic_config::resolve(&config.topic_defaults(), &own).expect("legal");
    let entries = config.describe_topic(&values, &own);
    assert_eq!(
        shown(&entries, "cleanup.policy"),
        "cleanup.policy=delete sensitive=false {Default:log.cleanup.policy=delete}"
    );
    assert_eq!(shown(&entries, "retention.ms"), "retention.ms=1000000 sensitive=false {Topic:retention.ms=1000000}");
    assert_eq!(
        shown(&entries, "min.insync.replicas"),
        "min.insync.replicas=1 sensitive=false {Topic:min.insync.replicas=1, Default:min.insync.replicas=1}"
    );
    for name in ["flush.ms", "segment.ms", "segment.jitter.ms", "remote.storage.enable"] {
        assert!(shown(&entries, name).ends_with("sensitive=false {}"), "{name}");
    }
    assert_eq!(entries.len(), crate::topic_config::DEFINITIONS.settings().count());
}

#[test]
fn described_after_changes_at_run_time() {
    let file = config(&[("log.retention.hours", "168"), ("my.secret", "x")]).expect("legal");
    let changed = file
        .with_dynamic(&text_map(&[("log.retention.ms", "5")]), &text_map(&[("num.io.threads", "2")]))
        .expect("legal");
    let entries = changed.describe();
    assert_eq!(
        shown(&entries, "log.retention.ms"),
        "log.retention.ms=5 sensitive=false {DynamicDefaultBroker:log.retention.ms=5, StaticBroker:log.retention.hours=168, Default:log.retention.hours=168}"
    );
    assert_eq!(
        shown(&entries, "num.io.threads"),
        "num.io.threads=2 sensitive=false {DynamicBroker:num.io.threads=2, Default:num.io.threads=8}"
    );
    assert_eq!(shown(&entries, "my.secret"), "my.secret=null sensitive=true {StaticBroker:my.secret=null}");
    let defaults = changed.describe_dynamic_default();
    assert_eq!(defaults.len(), 1);
    assert_eq!(
        shown(&defaults, "log.retention.ms"),
        "log.retention.ms=5 sensitive=false {DynamicDefaultBroker:log.retention.ms=5}"
    );
}

#[test]
fn every_default_is_legal() {
    assert!(DEFINITIONS.defaults().is_ok());
    assert_eq!(DEFINITIONS.settings().count(), 328);
}
