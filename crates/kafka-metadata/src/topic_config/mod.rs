//! Settings of topics: the table, what they inherit from the broker, their checks and their typed form.

use std::collections::BTreeMap;

use properties::{Definitions, SettingError, Values};
use thiserror::Error;

mod settings;

/// The table of all settings of a topic.
pub static DEFINITIONS: Definitions = Definitions::new(settings::SETTINGS);

/// What the broker's own settings make of each topic setting, by the topic setting's name
/// ([`crate::BrokerConfig::topic_defaults`]); what is not in it has the table's default.
pub type TopicDefaults = BTreeMap<&'static str, String>;

/// Settings that a topic cannot have (`INVALID_CONFIG`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicConfigError {
    /// There is no such setting.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// The value is not legal.
    #[error(transparent)]
    Value(#[from] SettingError),
    /// The two limits of compaction contradict each other.
    #[error("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})")]
    CompactionLag {
        /// `min.compaction.lag.ms`
        min: i64,
        /// `max.compaction.lag.ms`
        max: i64,
    },
    /// Tiered storage is asked for, and there is none.
    #[error(
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
    )]
    RemoteStorage,
}

/// The broker's settings that stand behind a topic's, the first one going before the others; none for settings that a
/// broker does not have.
pub fn synonyms(name: &str) -> &'static [&'static str] {
    match name {
        "segment.bytes" => &["log.segment.bytes"],
        "segment.ms" => &["log.roll.ms", "log.roll.hours"],
        "segment.jitter.ms" => &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        "segment.index.bytes" => &["log.index.size.max.bytes"],
        "flush.messages" => &["log.flush.interval.messages"],
        "flush.ms" => &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "retention.bytes" => &["log.retention.bytes"],
        "retention.ms" => &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        "max.message.bytes" => &["message.max.bytes"],
        "index.interval.bytes" => &["log.index.interval.bytes"],
        "delete.retention.ms" => &["log.cleaner.delete.retention.ms"],
        "min.compaction.lag.ms" => &["log.cleaner.min.compaction.lag.ms"],
        "max.compaction.lag.ms" => &["log.cleaner.max.compaction.lag.ms"],
        "file.delete.delay.ms" => &["log.segment.delete.delay.ms"],
        "min.cleanable.dirty.ratio" => &["log.cleaner.min.cleanable.ratio"],
        "cleanup.policy" => &["log.cleanup.policy"],
        "unclean.leader.election.enable" => &["unclean.leader.election.enable"],
        "min.insync.replicas" => &["min.insync.replicas"],
        "compression.type" => &["compression.type"],
        "compression.gzip.level" => &["compression.gzip.level"],
        "compression.lz4.level" => &["compression.lz4.level"],
        "compression.zstd.level" => &["compression.zstd.level"],
        "preallocate" => &["log.preallocate"],
        "message.format.version" => &["log.message.format.version"],
        "message.timestamp.type" => &["log.message.timestamp.type"],
        "message.timestamp.difference.max.ms" => &["log.message.timestamp.difference.max.ms"],
        "message.timestamp.before.max.ms" => &["log.message.timestamp.before.max.ms"],
        "message.timestamp.after.max.ms" => &["log.message.timestamp.after.max.ms"],
        "message.downconversion.enable" => &["log.message.downconversion.enable"],
        "local.retention.ms" => &["log.local.retention.ms"],
        "local.retention.bytes" => &["log.local.retention.bytes"],
        _ => &[],
    }
}

/// The checked values of all settings of a topic: its own, else the broker's, else the table's default. Settings that
/// are not in the table do not matter here (they may be left over from another release); see [`validate`].
pub fn resolve(defaults: &TopicDefaults, own: &BTreeMap<String, String>) -> Result<Values, TopicConfigError> {
    DEFINITIONS
        .parse(|name| own.get(name).or_else(|| defaults.get(name)).map(String::as_str))
        .map_err(|mut errors| TopicConfigError::Value(errors.swap_remove(0)))
}

/// May a topic have these settings of its own?
pub fn validate(defaults: &TopicDefaults, own: &BTreeMap<String, String>) -> Result<(), TopicConfigError> {
    if let Some(name) = own.keys().find(|name| DEFINITIONS.get(name).is_none()) {
        return Err(TopicConfigError::Unknown(name.clone()));
    }
    let values = resolve(defaults, own)?;
    let (min, max) = (values.long("min.compaction.lag.ms"), values.long("max.compaction.lag.ms"));
    if min > max {
        return Err(TopicConfigError::CompactionLag { min, max });
    }
    if values.boolean("remote.storage.enable") {
        return Err(TopicConfigError::RemoteStorage);
    }
    Ok(())
}

/// Whose time a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appends.
    LogAppendTime,
}

/// The settings of one topic in typed form. Times in milliseconds; -1 in the retention limits means "no limit".
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct TopicConfig {
    /// `segment.bytes`
    pub segment_bytes: i32,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`
    pub segment_index_bytes: i32,
    /// `flush.messages`
    pub flush_messages: i64,
    /// `flush.ms`
    pub flush_ms: i64,
    /// `retention.bytes`
    pub retention_bytes: i64,
    /// `retention.ms`
    pub retention_ms: i64,
    /// `max.message.bytes`
    pub max_message_bytes: i32,
    /// `index.interval.bytes`
    pub index_interval_bytes: i32,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`
    pub max_compaction_lag_ms: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `cleanup.policy` has `delete`.
    pub delete: bool,
    /// `unclean.leader.election.enable`
    pub unclean_leader_election: bool,
    /// `min.insync.replicas`
    pub min_insync_replicas: i32,
    /// `compression.type`
    pub compression_type: String,
    /// `compression.gzip.level`
    pub gzip_level: i32,
    /// `compression.lz4.level`
    pub lz4_level: i32,
    /// `compression.zstd.level`
    pub zstd_level: i32,
    /// `preallocate`
    pub preallocate: bool,
    /// `message.timestamp.type`
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`, or the old `message.timestamp.difference.max.ms`
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`, or the old `message.timestamp.difference.max.ms`
    pub timestamp_after_max_ms: i64,
    /// `message.downconversion.enable`
    pub down_conversion: bool,
}

impl TopicConfig {
    /// The typed form of [`resolve`]d values.
    pub fn from_values(values: &Values) -> TopicConfig {
        let cleanup = values.list("cleanup.policy");
        let has = |policy: &str| cleanup.iter().any(|item| item == policy);
        let difference = values.long("message.timestamp.difference.max.ms");
        // The two newer settings win unless they were left at their default, which is "no limit".
        let limit = |name| match values.long(name) {
            i64::MAX => difference,
            set => set,
        };
        TopicConfig {
            segment_bytes: values.int("segment.bytes"),
            segment_ms: values.long("segment.ms"),
            segment_jitter_ms: values.long("segment.jitter.ms"),
            segment_index_bytes: values.int("segment.index.bytes"),
            flush_messages: values.long("flush.messages"),
            flush_ms: values.long("flush.ms"),
            retention_bytes: values.long("retention.bytes"),
            retention_ms: values.long("retention.ms"),
            max_message_bytes: values.int("max.message.bytes"),
            index_interval_bytes: values.int("index.interval.bytes"),
            delete_retention_ms: values.long("delete.retention.ms"),
            min_compaction_lag_ms: values.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: values.long("max.compaction.lag.ms"),
            file_delete_delay_ms: values.long("file.delete.delay.ms"),
            min_cleanable_dirty_ratio: values.double("min.cleanable.dirty.ratio"),
            compact: has("compact"),
            delete: has("delete"),
            unclean_leader_election: values.boolean("unclean.leader.election.enable"),
            min_insync_replicas: values.int("min.insync.replicas"),
            compression_type: values.string("compression.type"),
            gzip_level: values.int("compression.gzip.level"),
            lz4_level: values.int("compression.lz4.level"),
            zstd_level: values.int("compression.zstd.level"),
            preallocate: values.boolean("preallocate"),
            timestamp_type: match values.string("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: limit("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: limit("message.timestamp.after.max.ms"),
            down_conversion: values.boolean("message.downconversion.enable"),
        }
    }

    /// [`resolve`] and [`TopicConfig::from_values`] in one step.
    pub fn new(defaults: &TopicDefaults, own: &BTreeMap<String, String>) -> Result<TopicConfig, TopicConfigError> {
        resolve(defaults, own).map(|values| TopicConfig::from_values(&values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn answer(pairs: &[(&str, &str)]) -> String {
        match validate(&TopicDefaults::new(), &own(pairs)) {
            Ok(()) => "OK".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn answers_are_those_of_release_3_9_1() {
        let throttled = "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...";
        for (name, value, expected) in [
            ("no.such", "1", "Unknown topic config name: no.such"),
            ("retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"),
            ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
            ("retention.bytes", "-7", "OK"),
            (
                "cleanup.policy",
                "delete,x",
                "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete",
            ),
            ("cleanup.policy", "", "OK"),
            (
                "min.cleanable.dirty.ratio",
                "1.5",
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
            ),
            (
                "compression.type",
                "rar",
                "Invalid value rar for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
            ),
            (
                "compression.gzip.level",
                "0",
                "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
            ),
            (
                "compression.zstd.level",
                "23",
                "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22",
            ),
            (
                "message.format.version",
                "x",
                "Invalid value x for configuration message.format.version: Version x is not a valid version",
            ),
            ("message.format.version", "2.8", "OK"),
            ("leader.replication.throttled.replicas", "x", throttled),
            ("leader.replication.throttled.replicas", "*", "OK"),
            ("leader.replication.throttled.replicas", "0:1,1:2", "OK"),
            ("segment.bytes", "13", "Invalid value 13 for configuration segment.bytes: Value must be at least 14"),
            (
                "preallocate",
                "maybe",
                "Invalid value maybe for configuration preallocate: Expected value to be either true or false",
            ),
            (
                "remote.storage.enable",
                "true",
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
            ),
        ] {
            assert_eq!(answer(&[(name, value)]), expected);
        }
        assert_eq!(
            answer(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]),
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
        );
    }

    #[test]
    fn its_own_then_the_brokers_then_the_tables() {
        let defaults = TopicDefaults::from([("retention.ms", "7".to_owned()), ("segment.bytes", "100".to_owned())]);
        let config = TopicConfig::new(&defaults, &own(&[("retention.ms", "8"), ("left.over", "1")])).expect("legal");
        assert_eq!((config.retention_ms, config.segment_bytes, config.index_interval_bytes), (8, 100, 4096));
        assert!(config.delete && !config.compact);
    }

    #[test]
    fn the_old_name_of_the_time_limits_still_counts() {
        let config = |pairs: &[(&str, &str)]| TopicConfig::new(&TopicDefaults::new(), &own(pairs)).expect("legal");
        let old = config(&[("message.timestamp.difference.max.ms", "5")]);
        assert_eq!((old.timestamp_before_max_ms, old.timestamp_after_max_ms), (5, 5));
        let both = config(&[("message.timestamp.difference.max.ms", "5"), ("message.timestamp.after.max.ms", "9")]);
        assert_eq!((both.timestamp_before_max_ms, both.timestamp_after_max_ms), (5, 9));
    }

    #[test]
    fn every_default_is_legal_and_every_synonym_exists() {
        assert!(DEFINITIONS.defaults().is_ok());
        for setting in DEFINITIONS.settings() {
            for synonym in synonyms(setting.name) {
                assert!(crate::broker_config::DEFINITIONS.get(synonym).is_some(), "{synonym}");
            }
        }
    }
}
