//! Settings of logs: cleaning, segments, retention, flushing, timestamps.

use properties::{Check, Kind, Setting};

use crate::checks;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("log.cleaner.threads", Kind::Int, "1", "Threads that compact logs.")
        .check(Check::at_least(0))
        .cluster_wide(),
    Setting::new(
        "log.cleaner.io.max.bytes.per.second",
        Kind::Double,
        "1.7976931348623157E308",
        "Most bytes a second that compaction reads and writes.",
    )
    .cluster_wide(),
    Setting::new(
        "log.cleaner.dedupe.buffer.size",
        Kind::Long,
        "134217728",
        "Memory for the keys seen while compacting, over all threads.",
    )
    .cluster_wide(),
    Setting::new(
        "log.cleaner.io.buffer.size",
        Kind::Int,
        "524288",
        "Memory for reading and writing while compacting, over all threads.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::new("log.cleaner.io.buffer.load.factor", Kind::Double, "0.9", "How full the memory for keys may get.")
        .cluster_wide(),
    Setting::new(
        "log.cleaner.backoff.ms",
        Kind::Long,
        "15000",
        "How long compaction sleeps when there is nothing to do.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::new(
        "log.cleaner.min.cleanable.ratio",
        Kind::Double,
        "0.5",
        "Share of a log that must be uncompacted before it is worth compacting.",
    )
    .check(Check::Fraction { min: Some((0.0, "0")), max: Some((1.0, "1")) })
    .cluster_wide(),
    Setting::new(
        "log.cleaner.enable",
        Kind::Boolean,
        "true",
        "Compact topics whose cleanup policy says so; the offsets topic needs it.",
    ),
    Setting::new(
        "log.cleaner.delete.retention.ms",
        Kind::Long,
        "86400000",
        "How long deletion markers stay after compaction.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::new(
        "log.cleaner.min.compaction.lag.ms",
        Kind::Long,
        "0",
        "A record is not compacted away before this age.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::new(
        "log.cleaner.max.compaction.lag.ms",
        Kind::Long,
        "9223372036854775807",
        "A record is compacted at this age at the latest.",
    )
    .check(Check::at_least(1))
    .cluster_wide(),
    Setting::new(
        "num.partitions",
        Kind::Int,
        "1",
        "Partitions of topics that are created automatically or without a number.",
    )
    .check(Check::at_least(1)),
    Setting::new("log.dir", Kind::String, "/tmp/kafka-logs", "The directory of the logs, if log.dirs is not set.")
        .high(),
    Setting::optional("log.dirs", Kind::String, "The directories of the logs, separated by commas.").high(),
    Setting::new("log.segment.bytes", Kind::Int, "1073741824", "Largest size of a segment file.")
        .check(Check::at_least(14))
        .high()
        .cluster_wide(),
    Setting::optional(
        "log.roll.ms",
        Kind::Long,
        "Age at which a new segment is begun; log.roll.hours if it is not set.",
    )
    .high()
    .cluster_wide(),
    Setting::new("log.roll.hours", Kind::Int, "168", "The same in hours; log.roll.ms goes before it.")
        .check(Check::at_least(1))
        .high(),
    Setting::optional(
        "log.roll.jitter.ms",
        Kind::Long,
        "Largest random part taken from log.roll.ms; log.roll.jitter.hours if it is not set.",
    )
    .high()
    .cluster_wide(),
    Setting::new("log.roll.jitter.hours", Kind::Int, "0", "The same in hours; log.roll.jitter.ms goes before it.")
        .check(Check::at_least(0))
        .high(),
    Setting::optional(
        "log.retention.ms",
        Kind::Long,
        "How long records are kept; -1 for ever; log.retention.minutes if it is not set.",
    )
    .high()
    .cluster_wide(),
    Setting::optional("log.retention.minutes", Kind::Int, "The same in minutes; log.retention.hours if it is not set.")
        .high(),
    Setting::new("log.retention.hours", Kind::Int, "168", "The same in hours.").high(),
    Setting::new("log.retention.bytes", Kind::Long, "-1", "Most bytes of a partition that are kept; -1 for no limit.")
        .high()
        .cluster_wide(),
    Setting::new(
        "log.retention.check.interval.ms",
        Kind::Long,
        "300000",
        "How often logs are looked at for what may be deleted.",
    )
    .check(Check::at_least(1)),
    Setting::new("log.cleanup.policy", Kind::List, "delete", "What happens to old segments: delete, compact, or both.")
        .check(Check::ItemsOf(&["compact", "delete"]))
        .cluster_wide(),
    Setting::new("log.index.size.max.bytes", Kind::Int, "10485760", "Largest size of an index file.")
        .check(Check::at_least(4))
        .cluster_wide(),
    Setting::new("log.index.interval.bytes", Kind::Int, "4096", "Bytes of records between two entries of an index.")
        .check(Check::at_least(0))
        .cluster_wide(),
    Setting::new(
        "log.flush.interval.messages",
        Kind::Long,
        "9223372036854775807",
        "Records after which a log is forced to disk.",
    )
    .check(Check::at_least(1))
    .high()
    .cluster_wide(),
    Setting::new(
        "log.segment.delete.delay.ms",
        Kind::Long,
        "60000",
        "Time between taking a file out of use and removing it.",
    )
    .check(Check::at_least(0))
    .high()
    .cluster_wide(),
    Setting::new(
        "log.flush.scheduler.interval.ms",
        Kind::Long,
        "9223372036854775807",
        "How often logs are looked at for what must be forced to disk.",
    )
    .high(),
    Setting::optional(
        "log.flush.interval.ms",
        Kind::Long,
        "Longest time before records are forced to disk; log.flush.scheduler.interval.ms if it is not set.",
    )
    .high()
    .cluster_wide(),
    Setting::new(
        "log.flush.offset.checkpoint.interval.ms",
        Kind::Int,
        "60000",
        "How often the point up to which logs are on disk is written down.",
    )
    .check(Check::at_least(0))
    .high(),
    Setting::new(
        "log.flush.start.offset.checkpoint.interval.ms",
        Kind::Int,
        "60000",
        "How often the first offsets of logs are written down.",
    )
    .check(Check::at_least(0))
    .high(),
    Setting::new("log.preallocate", Kind::Boolean, "false", "Give a new segment file its full size at once.")
        .cluster_wide(),
    Setting::new(
        "num.recovery.threads.per.data.dir",
        Kind::Int,
        "1",
        "Threads per log directory for recovery at start and flushing at stop.",
    )
    .check(Check::at_least(1))
    .high()
    .cluster_wide(),
    Setting::new("auto.create.topics.enable", Kind::Boolean, "true", "Create a topic when somebody asks for it.")
        .high(),
    Setting::new("min.insync.replicas", Kind::Int, "1", "Replicas that must be in sync for a write with acks=all.")
        .check(Check::at_least(1))
        .high()
        .cluster_wide(),
    Setting::new(
        "log.message.format.version",
        Kind::String,
        "3.0-IV1",
        "Format of stored records; without effect since protocol version 3.0.",
    )
    .check(Check::Custom(checks::inter_broker_version)),
    Setting::new(
        "log.message.timestamp.type",
        Kind::String,
        "CreateTime",
        "Whose time a record carries: CreateTime (the producer's) or LogAppendTime (the broker's).",
    )
    .check(Check::OneOf(&["CreateTime", "LogAppendTime"]))
    .cluster_wide(),
    Setting::new(
        "log.message.timestamp.difference.max.ms",
        Kind::Long,
        "9223372036854775807",
        "Old name for both of the next two.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::new(
        "log.message.timestamp.before.max.ms",
        Kind::Long,
        "9223372036854775807",
        "How far a record's time may lie in the past.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::new(
        "log.message.timestamp.after.max.ms",
        Kind::Long,
        "9223372036854775807",
        "How far a record's time may lie in the future.",
    )
    .check(Check::at_least(0))
    .cluster_wide(),
    Setting::optional("create.topic.policy.class.name", Kind::Class, "Class that may refuse new topics.").low(),
    Setting::optional("alter.config.policy.class.name", Kind::Class, "Class that may refuse changed settings.").low(),
    Setting::new("log.message.downconversion.enable", Kind::Boolean, "true", "Convert records for old consumers.")
        .low()
        .cluster_wide(),
    Setting::new(
        "log.dir.failure.timeout.ms",
        Kind::Long,
        "30000",
        "KRaft: a broker that cannot report a failed directory for this long stops.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::new(
        "log.initial.task.delay.ms",
        Kind::Long,
        "30000",
        "Wait after the start before logs are first looked at in the background.",
    )
    .check(Check::at_least(0))
    .low()
    .internal(),
];
