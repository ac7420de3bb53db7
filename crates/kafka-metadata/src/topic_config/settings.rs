//! Every setting of a topic (release 3.9.1), in Apache's order.

use properties::{Check, Kind, Setting};

use crate::checks;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("segment.bytes", Kind::Int, "1073741824", "Largest size of a segment file.")
        .check(Check::at_least(14)),
    Setting::new("segment.ms", Kind::Long, "604800000", "Age at which a new segment is begun.")
        .check(Check::at_least(1)),
    Setting::new(
        "segment.jitter.ms",
        Kind::Long,
        "0",
        "Largest random part taken from segment.ms, so that segments do not all roll at once.",
    )
    .check(Check::at_least(0)),
    Setting::new("segment.index.bytes", Kind::Int, "10485760", "Largest size of an index file.")
        .check(Check::at_least(4)),
    Setting::new(
        "flush.messages",
        Kind::Long,
        "9223372036854775807",
        "Records after which the log is forced to disk; leave durability to replication.",
    )
    .check(Check::at_least(1)),
    Setting::new("flush.ms", Kind::Long, "9223372036854775807", "Longest time before records are forced to disk.")
        .check(Check::at_least(0)),
    Setting::new("retention.bytes", Kind::Long, "-1", "Most bytes of a partition that are kept; -1 for no limit."),
    Setting::new("retention.ms", Kind::Long, "604800000", "How long records are kept; -1 for ever.")
        .check(Check::at_least(-1)),
    Setting::new(
        "max.message.bytes",
        Kind::Int,
        "1048588",
        "Largest batch of records that is accepted, after compression.",
    )
    .check(Check::at_least(0)),
    Setting::new("index.interval.bytes", Kind::Int, "4096", "Bytes of records between two entries of an index.")
        .check(Check::at_least(0)),
    Setting::new("delete.retention.ms", Kind::Long, "86400000", "How long deletion markers stay after compaction.")
        .check(Check::at_least(0)),
    Setting::new("min.compaction.lag.ms", Kind::Long, "0", "A record is not compacted away before this age.")
        .check(Check::at_least(0)),
    Setting::new(
        "max.compaction.lag.ms",
        Kind::Long,
        "9223372036854775807",
        "A record is compacted at this age at the latest.",
    )
    .check(Check::at_least(1)),
    Setting::new("file.delete.delay.ms", Kind::Long, "60000", "Time between taking a file out of use and removing it.")
        .check(Check::at_least(0)),
    Setting::new(
        "min.cleanable.dirty.ratio",
        Kind::Double,
        "0.5",
        "Share of the log that must be uncompacted before it is worth compacting.",
    )
    .check(Check::Fraction { min: Some((0.0, "0")), max: Some((1.0, "1")) }),
    Setting::new("cleanup.policy", Kind::List, "delete", "What happens to old segments: delete, compact, or both.")
        .check(Check::ItemsOf(&["compact", "delete"])),
    Setting::new(
        "unclean.leader.election.enable",
        Kind::Boolean,
        "false",
        "Let a replica that is not in sync lead when no other is left, at the price of losing records.",
    ),
    Setting::new("min.insync.replicas", Kind::Int, "1", "Replicas that must be in sync for a write with acks=all.")
        .check(Check::at_least(1)),
    Setting::new(
        "compression.type",
        Kind::String,
        "producer",
        "How record batches are stored: as the producer sent them (producer), uncompressed, or with one codec.",
    )
    .check(Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])),
    Setting::new("compression.gzip.level", Kind::Int, "-1", "Level for gzip; -1 for its own default.")
        .check(Check::Custom(checks::gzip_level)),
    Setting::new("compression.lz4.level", Kind::Int, "9", "Level for lz4.").check(Check::between(1, 17)),
    Setting::new("compression.zstd.level", Kind::Int, "3", "Level for zstd.").check(Check::between(-131_072, 22)),
    Setting::new("preallocate", Kind::Boolean, "false", "Give a new segment file its full size at once."),
    Setting::new(
        "message.format.version",
        Kind::String,
        "3.0-IV1",
        "Format of stored records; without effect since protocol version 3.0.",
    )
    .check(Check::Custom(checks::inter_broker_version)),
    Setting::new(
        "message.timestamp.type",
        Kind::String,
        "CreateTime",
        "Whose time a record carries: CreateTime (the producer's) or LogAppendTime (the broker's).",
    )
    .check(Check::OneOf(&["CreateTime", "LogAppendTime"])),
    Setting::new(
        "message.timestamp.difference.max.ms",
        Kind::Long,
        "9223372036854775807",
        "Old name for both of the next two.",
    )
    .check(Check::at_least(0)),
    Setting::new(
        "message.timestamp.before.max.ms",
        Kind::Long,
        "9223372036854775807",
        "How far a record's time may lie in the past.",
    )
    .check(Check::at_least(0)),
    Setting::new(
        "message.timestamp.after.max.ms",
        Kind::Long,
        "9223372036854775807",
        "How far a record's time may lie in the future.",
    )
    .check(Check::at_least(0)),
    Setting::new(
        "leader.replication.throttled.replicas",
        Kind::List,
        "",
        "Replicas whose sending is throttled at the leader: partition:broker pairs, or * for all.",
    )
    .check(Check::Custom(checks::throttled_leaders)),
    Setting::new(
        "follower.replication.throttled.replicas",
        Kind::List,
        "",
        "Replicas whose fetching is throttled at the follower: partition:broker pairs, or * for all.",
    )
    .check(Check::Custom(checks::throttled_followers)),
    Setting::new("message.downconversion.enable", Kind::Boolean, "true", "Convert records for old consumers.").low(),
    Setting::new(
        "remote.storage.enable",
        Kind::Boolean,
        "false",
        "Keep old segments of this topic on remote storage; this broker has none.",
    ),
    Setting::new(
        "local.retention.ms",
        Kind::Long,
        "-2",
        "How long a segment stays on local disk when it is also in remote storage; -2 takes retention.ms.",
    )
    .check(Check::at_least(-2)),
    Setting::new(
        "local.retention.bytes",
        Kind::Long,
        "-2",
        "Bytes that stay on local disk when they are also in remote storage; -2 takes retention.bytes.",
    )
    .check(Check::at_least(-2)),
    Setting::new("remote.log.copy.disable", Kind::Boolean, "false", "Stop copying this topic to remote storage."),
    Setting::new(
        "remote.log.delete.on.disable",
        Kind::Boolean,
        "false",
        "Delete what is on remote storage when it is switched off for this topic.",
    ),
];
