//! The broker's settings as its parts ask for them, and each topic's settings as its log takes them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kafka_log::{CleanupPolicy, LogConfig};
use kafka_metadata::topic_config::{self, TopicConfig, TopicConfigError};
use kafka_metadata::{BrokerConfig, ConfigError};
use kafka_record::validate::TargetCompression;
use kafka_record::{Codec, Compression};
use kafka_types::TopicName;
use tokio::sync::watch;

use crate::replication_quotas::Throttled;

const THROTTLED_LEADERS: &str = "leader.replication.throttled.replicas";

/// Settings of the broker: the file and the command line, and over them what is changed while it runs.
pub(crate) struct Config {
    broker: RwLock<Arc<BrokerConfig>>,
    changes: watch::Sender<()>,
}

impl Config {
    /// Around what was read.
    pub(crate) fn new(broker: BrokerConfig) -> Config {
        Config { broker: RwLock::new(Arc::new(broker)), changes: watch::Sender::new(()) }
    }

    /// All of it, as it is now.
    pub(crate) fn broker(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.broker.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other settings from now on; those until now come back.
    pub(crate) fn replace(&self, broker: BrokerConfig) -> Arc<BrokerConfig> {
        let mut current = self.broker.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, Arc::new(broker));
        drop(current);
        self.changes.send_replace(());
        before
    }

    /// Told after each change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Are these settings for as many shards as there are? Partitions cannot move to other threads.
    pub(crate) fn check_shards(&self, proposed: &BrokerConfig) -> Result<(), ConfigError> {
        if shards(proposed) == self.shards() {
            return Ok(());
        }
        Err(ConfigError {
            class: "org.apache.kafka.common.config.ConfigException",
            message: format!(
                "num.network.threads cannot be changed to {} while this broker runs: set it in its file and start it \
                 anew.",
                proposed.values().int("num.network.threads")
            ),
        })
    }

    /// `socket.listen.backlog.size`, `socket.send.buffer.bytes`, `socket.receive.buffer.bytes`. Both buffers have a
    /// default in every sample configuration that is older than systems which size them by what a connection needs;
    /// fixed at it, a produced gigabyte costs nearly twice the processor time. It stands for "the system decides".
    pub(crate) fn socket_queues(&self) -> net::Queues {
        const SAMPLE: u32 = 102_400;
        let wanted = |bytes: &u32| *bytes > 0 && *bytes != SAMPLE;
        let buffer = |name: &str| u32::try_from(self.broker().values().int(name)).ok().filter(wanted);
        net::Queues {
            backlog: self.positive("socket.listen.backlog.size") as u32,
            send_buffer: buffer("socket.send.buffer.bytes"),
            receive_buffer: buffer("socket.receive.buffer.bytes"),
        }
    }

    /// `socket.request.max.bytes`
    pub(crate) fn request_max_bytes(&self) -> usize {
        self.positive("socket.request.max.bytes") as usize
    }

    /// `queued.max.request.bytes`; negative means as much as clients send.
    pub(crate) fn queued_max_request_bytes(&self) -> Option<u64> {
        u64::try_from(self.broker().values().long("queued.max.request.bytes")).ok()
    }

    /// `connections.max.idle.ms`; negative means never.
    pub(crate) fn connections_max_idle(&self) -> Duration {
        match self.broker().values().long("connections.max.idle.ms") {
            idle if idle < 0 => Duration::from_secs(u64::from(u32::MAX)),
            idle => Duration::from_millis(idle as u64),
        }
    }

    /// `fetch.max.bytes`
    pub(crate) fn fetch_max_bytes(&self) -> u64 {
        self.positive("fetch.max.bytes")
    }

    /// `max.incremental.fetch.session.cache.slots`
    pub(crate) fn fetch_session_slots(&self) -> usize {
        self.positive("max.incremental.fetch.session.cache.slots") as usize
    }

    /// `auto.create.topics.enable`
    pub(crate) fn auto_create_topics(&self) -> bool {
        self.broker().values().boolean("auto.create.topics.enable")
    }

    /// `delete.topic.enable`
    pub(crate) fn delete_topics(&self) -> bool {
        self.broker().values().boolean("delete.topic.enable")
    }

    /// `num.partitions`
    pub(crate) fn default_partitions(&self) -> i32 {
        self.broker().values().int("num.partitions")
    }

    /// `default.replication.factor`
    pub(crate) fn default_replication_factor(&self) -> i32 {
        self.broker().values().int("default.replication.factor")
    }

    /// How many threads serve connections and partitions: `num.network.threads`, but no more than there are
    /// processors, for each of them runs as long as it has something to do.
    pub(crate) fn shards(&self) -> usize {
        shards(&self.broker())
    }

    /// An INT, LONG or SHORT that is not negative.
    pub(crate) fn positive(&self, name: &str) -> u64 {
        self.broker().values().get(name).and_then(properties::Value::as_i64).map_or(0, |value| value.max(0) as u64)
    }

    /// The settings of the log cleaner; `None` if it is switched off.
    pub(crate) fn cleaner(&self) -> Option<CleanerSettings> {
        let broker = self.broker();
        let values = broker.values();
        let threads = self.positive("log.cleaner.threads") as usize;
        if !values.boolean("log.cleaner.enable") || threads == 0 {
            return None;
        }
        let load = values.double("log.cleaner.io.buffer.load.factor");
        let buffer = self.positive("log.cleaner.dedupe.buffer.size") as f64;
        Some(CleanerSettings {
            threads,
            map_bytes: (buffer / threads as f64 * load) as usize,
            backoff: Duration::from_millis(self.positive("log.cleaner.backoff.ms").max(1)),
            bytes_per_second: values.double("log.cleaner.io.max.bytes.per.second") / threads as f64,
        })
    }

    /// The settings of group coordinators.
    pub(crate) fn groups(&self) -> kafka_group_coordinator::Config {
        let broker = self.broker();
        let values = broker.values();
        kafka_group_coordinator::Config {
            session_timeout_min_ms: values.int("group.min.session.timeout.ms"),
            session_timeout_max_ms: values.int("group.max.session.timeout.ms"),
            initial_rebalance_delay_ms: self.positive("group.initial.rebalance.delay.ms"),
            members_max: self.positive("group.max.size") as usize,
            offset_metadata_max: self.positive("offset.metadata.max.bytes") as usize,
            offsets_retention_ms: self.positive("offsets.retention.minutes") as i64 * 60_000,
            expiry_interval_ms: self.positive("offsets.retention.check.interval.ms"),
        }
    }

    /// The settings of transaction coordinators.
    pub(crate) fn transactions(&self) -> kafka_txn_coordinator::Config {
        kafka_txn_coordinator::Config {
            timeout_max_ms: self.broker().values().int("transaction.max.timeout.ms"),
            id_expiration_ms: self.positive("transactional.id.expiration.ms") as i64,
            abort_interval_ms: self.positive("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            expiry_interval_ms: self.positive("transaction.remove.expired.transaction.cleanup.interval.ms"),
            batch_bytes_max: self.positive("message.max.bytes") as usize,
        }
    }

    /// `transaction.partition.verification.enable`
    pub(crate) fn verifies_transactions(&self) -> bool {
        self.broker().values().boolean("transaction.partition.verification.enable")
    }

    /// What the replication core has to know of a topic.
    pub(crate) fn replica_settings(&self, topic: &TopicSettings) -> kafka_replication::Settings {
        kafka_replication::Settings {
            lag_time_max_ms: self.positive("replica.lag.time.max.ms"),
            min_in_sync: topic.min_in_sync,
        }
    }

    /// What a topic's own settings make of the broker's.
    pub(crate) fn topic(&self, own: BTreeMap<String, String>) -> Result<TopicSettings, TopicConfigError> {
        let resolved = topic_config::resolve(&self.broker().topic_defaults(), &own)?;
        let typed = TopicConfig::from_values(&resolved);
        let log = LogConfig {
            segment_bytes: typed.segment_bytes as u64,
            segment_ms: typed.segment_ms,
            segment_jitter_ms: typed.segment_jitter_ms,
            segment_index_bytes: typed.segment_index_bytes as u64,
            index_interval_bytes: typed.index_interval_bytes as u64,
            preallocate: typed.preallocate,
            flush_messages: typed.flush_messages,
            flush_ms: typed.flush_ms,
            retention_ms: typed.retention_ms,
            retention_bytes: typed.retention_bytes,
            file_delete_delay_ms: typed.file_delete_delay_ms.max(0) as u64,
            cleanup: CleanupPolicy { delete: typed.delete, compact: typed.compact },
            delete_retention_ms: typed.delete_retention_ms,
            min_cleanable_dirty_ratio: typed.min_cleanable_dirty_ratio,
            min_compaction_lag_ms: typed.min_compaction_lag_ms,
            max_compaction_lag_ms: typed.max_compaction_lag_ms,
            max_message_bytes: typed.max_message_bytes.max(0) as u32,
            timestamp_type: match typed.timestamp_type {
                topic_config::TimestampType::CreateTime => kafka_record::TimestampType::CreateTime,
                topic_config::TimestampType::LogAppendTime => kafka_record::TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: typed.timestamp_before_max_ms,
            timestamp_after_max_ms: typed.timestamp_after_max_ms,
            compression: target_compression(&typed),
            producer_id_expiration_ms: self.positive("producer.id.expiration.ms") as i64,
        };
        Ok(TopicSettings {
            log,
            min_in_sync: typed.min_insync_replicas.max(1) as usize,
            down_conversion: typed.down_conversion,
            throttled: own.get(THROTTLED_LEADERS).map(|text| Throttled::parse(text)),
            own,
        })
    }
}

fn shards(broker: &BrokerConfig) -> usize {
    let wanted = broker.values().int("num.network.threads").max(1) as usize;
    wanted.min(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

fn target_compression(typed: &TopicConfig) -> TargetCompression {
    let codec = |compression, level| TargetCompression::Fixed(Codec { compression, level: Some(level) });
    match typed.compression_type.as_str() {
        "uncompressed" => TargetCompression::Fixed(Compression::None.into()),
        "gzip" => codec(Compression::Gzip, typed.gzip_level),
        "snappy" => TargetCompression::Fixed(Compression::Snappy.into()),
        "lz4" => codec(Compression::Lz4, typed.lz4_level),
        "zstd" => codec(Compression::Zstd, typed.zstd_level),
        _ => TargetCompression::Producer,
    }
}

/// How logs are compacted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CleanerSettings {
    /// Logs that may be compacted at the same time.
    pub(crate) threads: usize,
    /// Memory for the keys of one log.
    pub(crate) map_bytes: usize,
    /// How long to sleep when nothing is to be done.
    pub(crate) backoff: Duration,
    /// What one thread may read and write.
    pub(crate) bytes_per_second: f64,
}

/// The settings of one topic, as its partitions take them.
#[derive(Debug, Clone)]
pub(crate) struct TopicSettings {
    pub(crate) log: LogConfig,
    pub(crate) min_in_sync: usize,
    /// `message.downconversion.enable`
    pub(crate) down_conversion: bool,
    /// `leader.replication.throttled.replicas`, if it is set
    pub(crate) throttled: Option<Throttled>,
    /// What was set for the topic itself.
    pub(crate) own: BTreeMap<String, String>,
}

impl TopicSettings {
    /// `key=value, key=value`, for the log line of a new partition.
    pub(crate) fn overrides_text(&self) -> String {
        let pairs: Vec<String> = self.own.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(", ")
    }
}

/// Settings of the topics that this broker has partitions of.
#[derive(Default)]
pub(crate) struct TopicSettingsCache {
    topics: RwLock<HashMap<TopicName, Arc<TopicSettings>>>,
}

impl TopicSettingsCache {
    /// What is known.
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<TopicSettings>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    /// Remembers.
    pub(crate) fn put(&self, topic: TopicName, settings: Arc<TopicSettings>) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).insert(topic, settings);
    }

    /// Forgets a deleted topic.
    pub(crate) fn remove(&self, topic: &str) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    /// The topics that are known.
    pub(crate) fn names(&self) -> Vec<TopicName> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}
