//! Settings of share groups and of transactions.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("group.share.enable", Kind::Boolean, "false", "Share groups: offer them.").internal(),
    Setting::new("group.share.delivery.count.limit", Kind::Int, "5", "Share groups: how often a record is delivered.")
        .check(Check::between(2, 10)),
    Setting::new(
        "group.share.record.lock.duration.ms",
        Kind::Int,
        "30000",
        "Share groups: how long a record belongs to one consumer.",
    )
    .check(Check::between(1000, 60000)),
    Setting::new("group.share.min.record.lock.duration.ms", Kind::Int, "15000", "Share groups: shortest such time.")
        .check(Check::between(1000, 30000)),
    Setting::new("group.share.max.record.lock.duration.ms", Kind::Int, "60000", "Share groups: longest such time.")
        .check(Check::between(30000, 3_600_000)),
    Setting::new("group.share.max.groups", Kind::Short, "10", "Share groups: how many.").check(Check::between(1, 100)),
    Setting::new(
        "group.share.partition.max.record.locks",
        Kind::Int,
        "200",
        "Share groups: records of a partition that may be out at one time.",
    )
    .check(Check::between(100, 10000)),
    Setting::new("transaction.state.log.min.isr", Kind::Int, "2", "min.insync.replicas of the topic of transactions.")
        .check(Check::at_least(1))
        .high(),
    Setting::new(
        "transaction.state.log.load.buffer.size",
        Kind::Int,
        "5242880",
        "Bytes read at a time when transactions are loaded.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "transaction.state.log.replication.factor",
        Kind::Short,
        "3",
        "Replicas of the topic of transactions.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "transaction.state.log.num.partitions",
        Kind::Int,
        "50",
        "Partitions of the topic of transactions; do not change it later.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "transaction.state.log.segment.bytes",
        Kind::Int,
        "104857600",
        "Segment size of the topic of transactions.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "transaction.partition.verification.enable",
        Kind::Boolean,
        "true",
        "Make sure that a partition belongs to the transaction before records of it are accepted.",
    )
    .low()
    .cluster_wide(),
    Setting::new(
        "producer.id.expiration.ms",
        Kind::Int,
        "86400000",
        "How long a producer's sequence numbers are remembered after its last record.",
    )
    .check(Check::at_least(1))
    .low()
    .cluster_wide(),
    Setting::new(
        "producer.id.expiration.check.interval.ms",
        Kind::Int,
        "600000",
        "How often expired producers are looked for.",
    )
    .check(Check::at_least(1))
    .low()
    .internal(),
    Setting::new(
        "transactional.id.expiration.ms",
        Kind::Int,
        "604800000",
        "How long an unused transactional id is remembered.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new("transaction.max.timeout.ms", Kind::Int, "900000", "Longest timeout that a transaction may ask for.")
        .check(Check::at_least(1))
        .high(),
    Setting::new(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Kind::Int,
        "10000",
        "How often transactions past their timeout are looked for.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::new(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Kind::Int,
        "3600000",
        "How often expired transactional ids are looked for.",
    )
    .check(Check::at_least(1))
    .low(),
];
