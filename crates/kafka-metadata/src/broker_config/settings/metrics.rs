//! Settings of metrics and quotas.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("metrics.num.samples", Kind::Int, "2", "Samples kept for a metric.").check(Check::at_least(1)).low(),
    Setting::new("metrics.sample.window.ms", Kind::Long, "30000", "Length of one sample.")
        .check(Check::at_least(1))
        .low(),
    Setting::new("metric.reporters", Kind::List, "", "Classes that report metrics.").low().cluster_wide(),
    Setting::new("metrics.recording.level", Kind::String, "INFO", "How much is measured: INFO, DEBUG or TRACE.").low(),
    Setting::new(
        "auto.include.jmx.reporter",
        Kind::Boolean,
        "true",
        "Report metrics to JMX even when metric.reporters does not name it.",
    )
    .low(),
    Setting::new("kafka.metrics.reporters", Kind::List, "", "Classes that report the older kind of metrics.").low(),
    Setting::new(
        "kafka.metrics.polling.interval.secs",
        Kind::Int,
        "10",
        "How often the older kind of metrics is reported.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::new("telemetry.max.bytes", Kind::Int, "1048576", "Largest metrics report that a client may send.")
        .check(Check::at_least(1))
        .low(),
    Setting::new("quota.window.num", Kind::Int, "11", "Samples kept for client quotas.")
        .check(Check::at_least(1))
        .low(),
    Setting::new("replication.quota.window.num", Kind::Int, "11", "Samples kept for replication quotas.")
        .check(Check::at_least(1))
        .low(),
    Setting::new(
        "alter.log.dirs.replication.quota.window.num",
        Kind::Int,
        "11",
        "Samples kept for the quota of moves between directories.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::new("controller.quota.window.num", Kind::Int, "11", "Samples kept for quotas of changes to topics.")
        .check(Check::at_least(1))
        .low(),
    Setting::new("quota.window.size.seconds", Kind::Int, "1", "Length of one sample for client quotas.")
        .check(Check::at_least(1))
        .low(),
    Setting::new(
        "replication.quota.window.size.seconds",
        Kind::Int,
        "1",
        "Length of one sample for replication quotas.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::new(
        "alter.log.dirs.replication.quota.window.size.seconds",
        Kind::Int,
        "1",
        "Length of one sample for the quota of moves between directories.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::new(
        "controller.quota.window.size.seconds",
        Kind::Int,
        "1",
        "Length of one sample for quotas of changes to topics.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::optional("client.quota.callback.class", Kind::Class, "Class that decides client quotas.").low(),
];
