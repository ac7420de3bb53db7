//! Settings of replication and of the controller.

use properties::{Check, Kind, Setting};

use crate::checks;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "controller.socket.timeout.ms",
        Kind::Int,
        "30000",
        "How long the controller waits for a broker's answer.",
    ),
    Setting::new(
        "default.replication.factor",
        Kind::Int,
        "1",
        "Replicas of topics that are created automatically or without a number.",
    ),
    Setting::new(
        "replica.lag.time.max.ms",
        Kind::Long,
        "30000",
        "A follower that has not caught up for this long is no longer in sync.",
    )
    .high(),
    Setting::new(
        "replica.socket.timeout.ms",
        Kind::Int,
        "30000",
        "How long a follower waits for its leader; at least replica.fetch.wait.max.ms.",
    )
    .high(),
    Setting::new("replica.socket.receive.buffer.bytes", Kind::Int, "65536", "Receive buffer of a follower's sockets.")
        .high(),
    Setting::new(
        "replica.fetch.max.bytes",
        Kind::Int,
        "1048576",
        "Bytes that a follower asks for per partition; one larger batch still comes through.",
    )
    .check(Check::at_least(0)),
    Setting::new("replica.fetch.wait.max.ms", Kind::Int, "500", "How long a follower's fetch may wait at the leader.")
        .high(),
    Setting::new("replica.fetch.backoff.ms", Kind::Int, "1000", "Wait after a failed fetch of a follower.")
        .check(Check::at_least(0)),
    Setting::new("replica.fetch.min.bytes", Kind::Int, "1", "Bytes that a follower's fetch waits for.").high(),
    Setting::new(
        "replica.fetch.response.max.bytes",
        Kind::Int,
        "10485760",
        "Bytes that a follower asks for in one fetch.",
    )
    .check(Check::at_least(0)),
    Setting::new("num.replica.fetchers", Kind::Int, "1", "Fetching connections to each other broker.")
        .high()
        .cluster_wide(),
    Setting::new(
        "replica.high.watermark.checkpoint.interval.ms",
        Kind::Long,
        "5000",
        "How often high watermarks are written to disk.",
    )
    .high(),
    Setting::new(
        "fetch.purgatory.purge.interval.requests",
        Kind::Int,
        "1000",
        "Finished waiting fetches after which they are swept out.",
    ),
    Setting::new(
        "producer.purgatory.purge.interval.requests",
        Kind::Int,
        "1000",
        "Finished waiting produces after which they are swept out.",
    ),
    Setting::new(
        "delete.records.purgatory.purge.interval.requests",
        Kind::Int,
        "1",
        "Finished waiting record deletions after which they are swept out.",
    ),
    Setting::new(
        "auto.leader.rebalance.enable",
        Kind::Boolean,
        "true",
        "Give leadership back to preferred replicas from time to time.",
    )
    .high(),
    Setting::new(
        "leader.imbalance.per.broker.percentage",
        Kind::Int,
        "10",
        "Share of a broker's preferred partitions led by others above which leadership is given back.",
    )
    .high(),
    Setting::new("leader.imbalance.check.interval.seconds", Kind::Long, "300", "How often that share is looked at.")
        .check(Check::at_least(1))
        .high(),
    Setting::new(
        "unclean.leader.election.interval.ms",
        Kind::Long,
        "300000",
        "KRaft: how often unclean elections are tried.",
    )
    .check(Check::at_least(1))
    .internal(),
    Setting::new(
        "unclean.leader.election.enable",
        Kind::Boolean,
        "false",
        "Let a replica that is not in sync lead when no other is left, at the price of losing records.",
    )
    .high()
    .cluster_wide(),
    Setting::new(
        "security.inter.broker.protocol",
        Kind::String,
        "PLAINTEXT",
        "Protocol between brokers; not together with inter.broker.listener.name.",
    )
    .check(Check::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])),
    Setting::new(
        "inter.broker.protocol.version",
        Kind::String,
        "3.9-IV0",
        "Version that brokers speak among themselves; lower it while a cluster is upgraded.",
    )
    .check(Check::Custom(checks::inter_broker_version)),
    Setting::optional(
        "inter.broker.listener.name",
        Kind::String,
        "Listener between brokers; not together with security.inter.broker.protocol.",
    ),
    Setting::optional(
        "replica.selector.class",
        Kind::String,
        "Class that chooses the replica a consumer should read from.",
    ),
];
