//! Settings of producers.

use std::sync::atomic::AtomicU32;

use kafka_record::{Codec, Compression};
use kafka_types::Acks;
use properties::{Check, Definitions, Kind, Setting, Value, Values};

use super::common::COMMON;
use super::{CommonConfig, Texts, client_id, no_classes, parse};
use crate::error::Error;

static DEFINITIONS: Definitions = Definitions::grouped(&[COMMON, PRODUCER]);

fn gzip_level(value: &Value) -> Result<(), String> {
    match value.as_i64() {
        Some(-1 | 1..=9) => Ok(()),
        _ => Err("Value must be between 1 and 9 or equal to -1".to_owned()),
    }
}

const PRODUCER: &[Setting] = &[
    Setting::new("buffer.memory", Kind::Long, "33554432", "Bytes that may wait to be sent; send waits for room.")
        .check(Check::at_least(0))
        .high(),
    Setting::new("retries", Kind::Int, "2147483647", "How often a batch is sent again, within delivery.timeout.ms.")
        .check(Check::between(0, i32::MAX as i64))
        .high(),
    Setting::new(
        "acks",
        Kind::String,
        "all",
        "Who must have a batch before it counts: 0 nobody, 1 the leader, all the replicas in sync.",
    )
    .check(Check::OneOf(&["all", "-1", "0", "1"]))
    .low(),
    Setting::new("compression.type", Kind::String, "none", "The codec of batches.")
        .check(Check::OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]))
        .high(),
    Setting::new("compression.gzip.level", Kind::Int, "-1", "1 to 9, or -1 for the default.")
        .check(Check::Custom(gzip_level)),
    Setting::new(
        "compression.lz4.level",
        Kind::Int,
        "9",
        "LZ4 is written by its fast method whatever the level; checked only.",
    )
    .check(Check::between(1, 17)),
    Setting::new("compression.zstd.level", Kind::Int, "3", "Higher is smaller and slower.")
        .check(Check::between(-131_072, 22)),
    Setting::new("batch.size", Kind::Int, "16384", "Bytes at which a batch is sent without waiting for more.")
        .check(Check::at_least(0)),
    Setting::new(
        "partitioner.adaptive.partitioning.enable",
        Kind::Boolean,
        "true",
        "Records without a key avoid partitions whose leader is away or has the longer queue.",
    )
    .low(),
    Setting::new(
        "partitioner.availability.timeout.ms",
        Kind::Long,
        "0",
        "Slow leaders are not left out here: must be 0.",
    )
    .check(Check::at_least(0))
    .low(),
    Setting::new("partitioner.ignore.keys", Kind::Boolean, "false", "Choose partitions as if no record had a key."),
    Setting::new("linger.ms", Kind::Long, "0", "How long a batch waits for more records.").check(Check::at_least(0)),
    Setting::new("delivery.timeout.ms", Kind::Int, "120000", "How long a record may take, with all retries.")
        .check(Check::at_least(0)),
    Setting::new(
        "receive.buffer.bytes",
        Kind::Int,
        "32768",
        "The kernel sizes the buffers of sockets itself; checked only.",
    )
    .check(Check::at_least(-1)),
    Setting::new(
        "max.request.size",
        Kind::Int,
        "1048576",
        "Bytes of the largest request, and so of the largest record.",
    )
    .check(Check::at_least(0)),
    Setting::new("max.block.ms", Kind::Long, "60000", "How long send may wait for metadata and for room.")
        .check(Check::at_least(0)),
    Setting::new(
        "metadata.max.idle.ms",
        Kind::Long,
        "300000",
        "How long a topic is asked for after the last record to it.",
    )
    .check(Check::at_least(5000))
    .low(),
    Setting::new(
        "max.in.flight.requests.per.connection",
        Kind::Int,
        "5",
        "Requests to one broker whose answer has not come.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::optional("key.serializer", Kind::Class, "Records are bytes here; checked by the program that makes them.")
        .high(),
    Setting::optional(
        "value.serializer",
        Kind::Class,
        "Records are bytes here; checked by the program that makes them.",
    )
    .high(),
    Setting::new(
        "connections.max.idle.ms",
        Kind::Long,
        "540000",
        "Brokers close idle connections; this side keeps them.",
    ),
    Setting::optional(
        "partitioner.class",
        Kind::Class,
        "Nothing, or org.apache.kafka.clients.producer.RoundRobinPartitioner.",
    ),
    Setting::new("interceptor.classes", Kind::List, "", "Java classes, which cannot be loaded: must be empty.").low(),
    Setting::new("enable.idempotence", Kind::Boolean, "true", "No duplicates and no reordering by retries.").low(),
    Setting::new("transaction.timeout.ms", Kind::Int, "60000", "For transactions.").low(),
    Setting::optional("transactional.id", Kind::String, "Transactions are not available: must be absent.")
        .check(Check::NotEmpty)
        .low(),
];

/// How records without a partition get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitioner {
    /// By the key's hash; those without a key stick to a partition for a batch's length.
    #[default]
    Default,
    /// As if no record had a key (`partitioner.ignore.keys`).
    IgnoreKeys,
    /// One after the other (`RoundRobinPartitioner`).
    RoundRobin,
}

/// What a [`Producer`](crate::Producer) works by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    /// What all clients have.
    pub common: CommonConfig,
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`, after what the other settings say to it.
    pub idempotent: bool,
    /// `retries`.
    pub retries: u32,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: usize,
    /// `compression.type` and its level.
    pub codec: Codec,
    /// `batch.size`.
    pub batch_size: usize,
    /// `linger.ms`.
    pub linger_ms: u64,
    /// `delivery.timeout.ms`.
    pub delivery_timeout_ms: u64,
    /// `buffer.memory`.
    pub buffer_memory: usize,
    /// `max.request.size`.
    pub max_request_size: usize,
    /// `max.block.ms`.
    pub max_block_ms: u64,
    /// How records without a partition get one.
    pub partitioner: Partitioner,
    /// `partitioner.adaptive.partitioning.enable`.
    pub adaptive_partitioning: bool,
    /// `metadata.max.idle.ms`.
    pub metadata_max_idle_ms: u64,
}

impl ProducerConfig {
    /// Every setting a producer knows.
    pub fn definitions() -> &'static Definitions {
        &DEFINITIONS
    }

    /// From texts by name; the last of a name counts. What is no setting of this client is passed over, as in Java.
    pub fn parse<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<ProducerConfig, Error> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let texts: Texts<'_> = texts.into_iter().collect();
        let values = parse(&DEFINITIONS, &texts)?;
        no_classes(&values, "interceptor.classes")?;
        if values.optional_string("transactional.id").is_some() {
            return Err(unavailable("transactional.id", "transactions are not available in this client"));
        }
        if values.long("partitioner.availability.timeout.ms") != 0 {
            let reason = "the partitioner of this client does not leave slow brokers out";
            return Err(unavailable("partitioner.availability.timeout.ms", reason));
        }
        let client_id = client_id(&values, |number| format!("producer-{number}"), &COUNTER);
        let common = CommonConfig::of(&values, client_id)?;
        let linger_ms = values.long("linger.ms") as u64;
        Ok(ProducerConfig {
            acks: acks(&values.string("acks")),
            idempotent: idempotent(&values, &texts)?,
            retries: values.int("retries") as u32,
            max_in_flight: values.int("max.in.flight.requests.per.connection") as usize,
            codec: codec(&values),
            batch_size: values.int("batch.size") as usize,
            linger_ms,
            delivery_timeout_ms: delivery_timeout(&values, &texts, linger_ms, common.request_timeout_ms)?,
            buffer_memory: values.long("buffer.memory") as usize,
            max_request_size: values.int("max.request.size") as usize,
            max_block_ms: values.long("max.block.ms") as u64,
            partitioner: partitioner(&values)?,
            adaptive_partitioning: values.boolean("partitioner.adaptive.partitioning.enable"),
            metadata_max_idle_ms: values.long("metadata.max.idle.ms") as u64,
            common,
        })
    }

    /// What stands before its log lines.
    pub fn log_prefix(&self) -> String {
        format!("[Producer clientId={}] ", self.common.client_id)
    }
}

fn unavailable(name: &str, reason: &str) -> Error {
    Error::Config(format!("Invalid value for configuration {name}: {reason}"))
}

fn acks(text: &str) -> Acks {
    match text {
        "0" => Acks::None,
        "1" => Acks::Leader,
        _ => Acks::All,
    }
}

fn codec(values: &Values) -> Codec {
    let compression = Compression::from_name(&values.string("compression.type")).unwrap_or_default();
    let level = match compression {
        Compression::Gzip => Some(values.int("compression.gzip.level")),
        Compression::Zstd => Some(values.int("compression.zstd.level")),
        Compression::None | Compression::Snappy | Compression::Lz4 => None,
    };
    Codec { compression, level }
}

fn partitioner(values: &Values) -> Result<Partitioner, Error> {
    match values.optional_class("partitioner.class").as_deref() {
        None if values.boolean("partitioner.ignore.keys") => Ok(Partitioner::IgnoreKeys),
        None => Ok(Partitioner::Default),
        Some("org.apache.kafka.clients.producer.RoundRobinPartitioner") => Ok(Partitioner::RoundRobin),
        Some(class) => Err(Error::Config(format!(
            "Invalid value {class} for configuration partitioner.class: Class {class} could not be found."
        ))),
    }
}

/// Idempotence is on unless another setting speaks against it; to ask for it *and* speak against it is an error.
fn idempotent(values: &Values, texts: &Texts<'_>) -> Result<bool, Error> {
    if !values.boolean("enable.idempotence") {
        return Ok(false);
    }
    let asked_for = texts.contains_key("enable.idempotence");
    let against = [
        (values.int("retries") == 0, "Must set retries to non-zero when using the idempotent producer."),
        (
            acks(&values.string("acks")) != Acks::All,
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
        ),
        (
            values.int("max.in.flight.requests.per.connection") > 5,
            "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.",
        ),
    ];
    for (position, (speaks_against, text)) in against.into_iter().enumerate() {
        // Too many requests in flight is an error in any case, as in Java.
        if speaks_against && (asked_for || position == 2) {
            return Err(Error::Config(text.to_owned()));
        }
        if speaks_against {
            return Ok(false);
        }
    }
    Ok(true)
}

fn delivery_timeout(values: &Values, texts: &Texts<'_>, linger_ms: u64, request_timeout_ms: u64) -> Result<u64, Error> {
    let given = values.int("delivery.timeout.ms") as u64;
    let least = linger_ms.saturating_add(request_timeout_ms).min(i32::MAX as u64);
    if given >= least {
        return Ok(given);
    }
    if texts.contains_key("delivery.timeout.ms") {
        return Err(Error::Config(
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms".to_owned(),
        ));
    }
    Ok(least)
}
