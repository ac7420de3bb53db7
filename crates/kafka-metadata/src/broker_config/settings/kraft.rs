//! Settings of the other way to run Kafka (KRaft): known so that files which set them load.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "metadata.log.max.record.bytes.between.snapshots",
        Kind::Long,
        "20971520",
        "KRaft: bytes of metadata after which a snapshot is made.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "metadata.log.max.snapshot.interval.ms",
        Kind::Long,
        "3600000",
        "KRaft: longest time between two snapshots.",
    )
    .check(Check::at_least(0))
    .high(),
    Setting::new(
        "process.roles",
        Kind::List,
        "",
        "KRaft: what this process is. Leave it empty: with ZooKeeper it must not be set.",
    )
    .check(Check::ItemsOf(&["broker", "controller"]))
    .high(),
    Setting::new("node.id", Kind::Int, "-1", "Another name of broker.id, from KRaft; both must agree.").high(),
    Setting::new(
        "initial.broker.registration.timeout.ms",
        Kind::Int,
        "60000",
        "KRaft: how long a broker tries to register.",
    ),
    Setting::new(
        "broker.heartbeat.interval.ms",
        Kind::Int,
        "2000",
        "KRaft: how often a broker reports to the controller.",
    ),
    Setting::new(
        "broker.session.timeout.ms",
        Kind::Int,
        "9000",
        "KRaft: after how long without a report a broker is dead.",
    ),
    Setting::optional("controller.listener.names", Kind::String, "KRaft: listeners of the controller.").high(),
    Setting::new(
        "sasl.mechanism.controller.protocol",
        Kind::String,
        "GSSAPI",
        "KRaft: SASL mechanism towards the controller.",
    )
    .high(),
    Setting::optional("metadata.log.dir", Kind::String, "KRaft: where the metadata log is.").high(),
    Setting::new("metadata.log.segment.bytes", Kind::Int, "1073741824", "KRaft: size of a metadata segment.")
        .check(Check::at_least(12))
        .high(),
    Setting::new("metadata.log.segment.min.bytes", Kind::Int, "8388608", "KRaft: smallest size of a metadata segment.")
        .check(Check::at_least(12))
        .high()
        .internal(),
    Setting::new(
        "metadata.log.segment.ms",
        Kind::Long,
        "604800000",
        "KRaft: age at which a metadata segment is closed.",
    )
    .high(),
    Setting::new(
        "metadata.max.retention.bytes",
        Kind::Long,
        "104857600",
        "KRaft: bytes of metadata log and snapshots that are kept.",
    )
    .high(),
    Setting::new(
        "metadata.max.retention.ms",
        Kind::Long,
        "604800000",
        "KRaft: how long metadata log and snapshots are kept.",
    )
    .high(),
    Setting::new(
        "metadata.max.idle.interval.ms",
        Kind::Int,
        "500",
        "KRaft: how often an idle controller writes a record.",
    )
    .check(Check::at_least(0))
    .low(),
    Setting::new("server.max.startup.time.ms", Kind::Long, "9223372036854775807", "KRaft: longest start.")
        .check(Check::at_least(0))
        .internal(),
    Setting::new(
        "zookeeper.metadata.migration.enable",
        Kind::Boolean,
        "false",
        "Let a KRaft controller take over this cluster's metadata.",
    )
    .high(),
    Setting::new(
        "eligible.leader.replicas.enable",
        Kind::Boolean,
        "false",
        "KRaft: track replicas that may lead beyond the in-sync ones.",
    )
    .high(),
    Setting::new(
        "zookeeper.metadata.migration.min.batch.size",
        Kind::Int,
        "200",
        "KRaft: records in one batch of a migration.",
    )
    .check(Check::at_least(1))
    .internal(),
];
