//! Settings of groups and committed offsets.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "group.min.session.timeout.ms",
        Kind::Int,
        "6000",
        "Shortest session timeout that a group member may ask for.",
    ),
    Setting::new(
        "group.max.session.timeout.ms",
        Kind::Int,
        "1800000",
        "Longest session timeout that a group member may ask for.",
    ),
    Setting::new(
        "group.initial.rebalance.delay.ms",
        Kind::Int,
        "3000",
        "How long a new group waits for more members before its first rebalance.",
    ),
    Setting::new("group.max.size", Kind::Int, "2147483647", "Most members of a group.").check(Check::at_least(1)),
    Setting::new("group.coordinator.rebalance.protocols", Kind::List, "classic", "Group protocols that are offered.")
        .check(Check::ItemsOf(&["consumer", "classic", "share", "unknown"])),
    Setting::new("group.coordinator.threads", Kind::Int, "1", "Threads of the newer group coordinator.")
        .check(Check::at_least(1)),
    Setting::new(
        "group.coordinator.append.linger.ms",
        Kind::Int,
        "10",
        "How long the newer group coordinator collects records before it writes them.",
    )
    .check(Check::at_least(0)),
    Setting::new(
        "group.coordinator.new.enable",
        Kind::Boolean,
        "false",
        "Use the newer group coordinator; it needs KRaft.",
    )
    .internal(),
    Setting::new("offset.metadata.max.bytes", Kind::Int, "4096", "Longest text that may go with a committed offset.")
        .high(),
    Setting::new(
        "offsets.load.buffer.size",
        Kind::Int,
        "5242880",
        "Bytes read at a time when committed offsets are loaded.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new("offsets.topic.replication.factor", Kind::Short, "3", "Replicas of the topic of committed offsets.")
        .check(Check::at_least(1))
        .high(),
    Setting::new(
        "offsets.topic.num.partitions",
        Kind::Int,
        "50",
        "Partitions of the topic of committed offsets; do not change it later.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "offsets.topic.segment.bytes",
        Kind::Int,
        "104857600",
        "Segment size of the topic of committed offsets.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "offsets.topic.compression.codec",
        Kind::Int,
        "0",
        "Codec number for the topic of committed offsets; 0 for none.",
    )
    .high(),
    Setting::new(
        "offsets.retention.minutes",
        Kind::Int,
        "10080",
        "How long committed offsets of an empty group, or of a topic no longer subscribed, are kept.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "offsets.retention.check.interval.ms",
        Kind::Long,
        "600000",
        "How often expired offsets are looked for.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new("offsets.commit.timeout.ms", Kind::Int, "5000", "How long a commit may wait for its replicas.")
        .check(Check::at_least(1))
        .high(),
    Setting::new(
        "offsets.commit.required.acks",
        Kind::Short,
        "-1",
        "Acknowledgements that a commit needs; leave it at -1.",
    )
    .high(),
    Setting::new("group.consumer.session.timeout.ms", Kind::Int, "45000", "Newer group protocol: session timeout.")
        .check(Check::at_least(1)),
    Setting::new(
        "group.consumer.min.session.timeout.ms",
        Kind::Int,
        "45000",
        "Newer group protocol: shortest session timeout.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "group.consumer.max.session.timeout.ms",
        Kind::Int,
        "60000",
        "Newer group protocol: longest session timeout.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "group.consumer.heartbeat.interval.ms",
        Kind::Int,
        "5000",
        "Newer group protocol: time between heartbeats.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "group.consumer.min.heartbeat.interval.ms",
        Kind::Int,
        "5000",
        "Newer group protocol: shortest time between heartbeats.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "group.consumer.max.heartbeat.interval.ms",
        Kind::Int,
        "15000",
        "Newer group protocol: longest time between heartbeats.",
    )
    .check(Check::at_least(1)),
    Setting::new("group.consumer.max.size", Kind::Int, "2147483647", "Newer group protocol: most members of a group.")
        .check(Check::at_least(1)),
    Setting::new(
        "group.consumer.assignors",
        Kind::List,
        "org.apache.kafka.coordinator.group.assignor.UniformAssignor,org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        "Newer group protocol: assignors, the default one first.",
    ),
    Setting::new(
        "group.consumer.migration.policy",
        Kind::String,
        "disabled",
        "Newer group protocol: which groups may change their protocol.",
    )
    .internal(),
    Setting::new("group.share.session.timeout.ms", Kind::Int, "45000", "Share groups: session timeout.")
        .check(Check::at_least(1)),
    Setting::new("group.share.min.session.timeout.ms", Kind::Int, "45000", "Share groups: shortest session timeout.")
        .check(Check::at_least(1)),
    Setting::new("group.share.max.session.timeout.ms", Kind::Int, "60000", "Share groups: longest session timeout.")
        .check(Check::at_least(1)),
    Setting::new("group.share.heartbeat.interval.ms", Kind::Int, "5000", "Share groups: time between heartbeats.")
        .check(Check::at_least(1)),
    Setting::new(
        "group.share.min.heartbeat.interval.ms",
        Kind::Int,
        "5000",
        "Share groups: shortest time between heartbeats.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "group.share.max.heartbeat.interval.ms",
        Kind::Int,
        "15000",
        "Share groups: longest time between heartbeats.",
    )
    .check(Check::at_least(1)),
    Setting::new("group.share.max.size", Kind::Short, "200", "Share groups: most members of a group.")
        .check(Check::between(10, 1000)),
];
