//! Settings of tiered storage, which this broker does not have: they are known so that files which set them load.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("remote.log.storage.system.enable", Kind::Boolean, "false", "Tiered storage: keep old segments on another store. This broker has none."),
    Setting::new("remote.log.storage.manager.impl.prefix", Kind::String, "rsm.config.", "Prefix of the settings that are handed to the remote storage plugin.").check(Check::NotEmpty),
    Setting::new("remote.log.metadata.manager.impl.prefix", Kind::String, "rlmm.config.", "Prefix of the settings that are handed to the remote metadata plugin.").check(Check::NotEmpty),
    Setting::optional("remote.log.storage.manager.class.name", Kind::String, "Class of the remote storage plugin.").check(Check::NotEmpty),
    Setting::optional("remote.log.storage.manager.class.path", Kind::String, "Where the class of the remote storage plugin is loaded from."),
    Setting::new("remote.log.metadata.manager.class.name", Kind::String, "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", "Class of the remote metadata plugin.").check(Check::NotEmpty),
    Setting::optional("remote.log.metadata.manager.class.path", Kind::String, "Where the class of the remote metadata plugin is loaded from."),
    Setting::optional("remote.log.metadata.manager.listener.name", Kind::String, "Listener that the remote metadata plugin connects to.").check(Check::NotEmpty),
    Setting::new("remote.log.metadata.custom.metadata.max.bytes", Kind::Int, "128", "Most bytes of its own that a remote storage plugin may attach to a segment.").check(Check::at_least(0)).low(),
    Setting::new("remote.log.index.file.cache.total.size.bytes", Kind::Long, "1073741824", "Bytes of local disk for indexes fetched from remote storage.").check(Check::at_least(1)).low().cluster_wide(),
    Setting::new("remote.log.manager.thread.pool.size", Kind::Int, "10", "Threads that copy segments to remote storage and read them back.").check(Check::at_least(1)),
    Setting::new("remote.log.manager.copier.thread.pool.size", Kind::Int, "-1", "Threads that copy segments to remote storage; -1 takes the size of the common pool."),
    Setting::new("remote.log.manager.expiration.thread.pool.size", Kind::Int, "-1", "Threads that delete expired remote segments; -1 takes the size of the common pool."),
    Setting::new("remote.log.manager.task.interval.ms", Kind::Long, "30000", "How often remote storage looks for segments to copy or delete.").check(Check::at_least(1)).low(),
    Setting::new("remote.log.manager.task.retry.backoff.ms", Kind::Long, "500", "First wait before a failed remote storage task is tried again.").check(Check::at_least(1)).low().internal(),
    Setting::new("remote.log.manager.task.retry.backoff.max.ms", Kind::Long, "30000", "Longest wait before a failed remote storage task is tried again.").check(Check::at_least(1)).low().internal(),
    Setting::new("remote.log.manager.task.retry.jitter", Kind::Double, "0.2", "Random share added to or taken from the wait of a failed remote storage task.").check(Check::Fraction { min: Some((0.0, "0")), max: Some((0.5, "0.5")) }).low().internal(),
    Setting::new("remote.log.reader.threads", Kind::Int, "10", "Threads that read from remote storage.").check(Check::at_least(1)),
    Setting::new("remote.log.reader.max.pending.tasks", Kind::Int, "100", "Reads from remote storage that may wait; more are refused.").check(Check::at_least(1)),
    Setting::new("log.local.retention.ms", Kind::Long, "-2", "How long a segment stays on local disk when it is also in remote storage; -2 takes log.retention.ms.").check(Check::at_least(-2)).cluster_wide(),
    Setting::new("log.local.retention.bytes", Kind::Long, "-2", "Bytes of a partition that stay on local disk when they are also in remote storage; -2 takes log.retention.bytes.").check(Check::at_least(-2)).cluster_wide(),
    Setting::new("remote.log.manager.copy.max.bytes.per.second", Kind::Long, "9223372036854775807", "Most bytes a second that this broker copies to remote storage.").check(Check::at_least(1)).cluster_wide(),
    Setting::new("remote.log.manager.copy.quota.window.num", Kind::Int, "11", "Samples kept for the quota of copying to remote storage.").check(Check::at_least(1)),
    Setting::new("remote.log.manager.copy.quota.window.size.seconds", Kind::Int, "1", "Length of one sample for the quota of copying to remote storage.").check(Check::at_least(1)),
    Setting::new("remote.log.manager.fetch.max.bytes.per.second", Kind::Long, "9223372036854775807", "Most bytes a second that this broker reads from remote storage.").check(Check::at_least(1)).cluster_wide(),
    Setting::new("remote.log.manager.fetch.quota.window.num", Kind::Int, "11", "Samples kept for the quota of reading from remote storage.").check(Check::at_least(1)),
    Setting::new("remote.log.manager.fetch.quota.window.size.seconds", Kind::Int, "1", "Length of one sample for the quota of reading from remote storage.").check(Check::at_least(1)),
    Setting::new("remote.fetch.max.wait.ms", Kind::Int, "500", "Longest wait for remote storage before a fetch is answered.").check(Check::at_least(1)).cluster_wide(),
];
