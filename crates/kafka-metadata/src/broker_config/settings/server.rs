//! Settings of the broker as a whole.

use properties::{Check, Kind, Setting};

use crate::checks;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "broker.id.generation.enable",
        Kind::Boolean,
        "true",
        "Let the coordination server hand out an id when broker.id is not set.",
    ),
    Setting::new(
        "reserved.broker.max.id",
        Kind::Int,
        "1000",
        "Highest broker.id that may be set by hand; generated ones are above it.",
    )
    .check(Check::at_least(0)),
    Setting::new(
        "broker.id",
        Kind::Int,
        "-1",
        "This broker's number, different from all others; -1 to have one generated.",
    )
    .high(),
    Setting::new(
        "message.max.bytes",
        Kind::Int,
        "1048588",
        "Largest batch of records that is accepted, after compression.",
    )
    .check(Check::at_least(0))
    .high()
    .cluster_wide(),
    Setting::new("num.io.threads", Kind::Int, "8", "Threads that handle requests, disk included.")
        .check(Check::at_least(1))
        .high()
        .cluster_wide(),
    Setting::optional(
        "num.replica.alter.log.dirs.threads",
        Kind::Int,
        "Threads that move replicas between log directories; one per directory if it is not set.",
    )
    .high(),
    Setting::new("background.threads", Kind::Int, "10", "Threads for work in the background.")
        .check(Check::at_least(1))
        .high()
        .cluster_wide(),
    Setting::new(
        "request.timeout.ms",
        Kind::Int,
        "30000",
        "How long this broker waits for answers to its own requests.",
    )
    .high(),
    Setting::new(
        "socket.connection.setup.timeout.ms",
        Kind::Long,
        "10000",
        "First limit for setting up a connection; it grows with each failure.",
    ),
    Setting::new(
        "socket.connection.setup.timeout.max.ms",
        Kind::Long,
        "30000",
        "Longest limit for setting up a connection.",
    ),
    Setting::new(
        "authorizer.class.name",
        Kind::String,
        "",
        "Class that decides who may do what; empty for everybody everything.",
    )
    .check(Check::NotNull)
    .low(),
    Setting::optional("early.start.listeners", Kind::String, "Listeners that open before the authorizer is ready.")
        .high(),
    Setting::optional(
        "broker.rack",
        Kind::String,
        "Where this broker stands; replicas of a partition are spread over racks.",
    ),
    Setting::new(
        "controlled.shutdown.max.retries",
        Kind::Int,
        "3",
        "How often a stopping broker asks the controller to take over its leaderships.",
    ),
    Setting::new("controlled.shutdown.retry.backoff.ms", Kind::Long, "5000", "Wait between two such requests."),
    Setting::new("controlled.shutdown.enable", Kind::Boolean, "true", "Hand leaderships over before stopping."),
    Setting::new("delete.topic.enable", Kind::Boolean, "true", "Allow topics to be deleted.").high(),
    Setting::new(
        "compression.type",
        Kind::String,
        "producer",
        "How record batches are stored: as the producer sent them (producer), uncompressed, or with one codec.",
    )
    .check(Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]))
    .high()
    .cluster_wide(),
    Setting::new("compression.gzip.level", Kind::Int, "-1", "Level for gzip; -1 for its own default.")
        .check(Check::Custom(checks::gzip_level))
        .cluster_wide(),
    Setting::new("compression.lz4.level", Kind::Int, "9", "Level for lz4.").check(Check::between(1, 17)).cluster_wide(),
    Setting::new("compression.zstd.level", Kind::Int, "3", "Level for zstd.")
        .check(Check::between(-131_072, 22))
        .cluster_wide(),
    Setting::new(
        "max.incremental.fetch.session.cache.slots",
        Kind::Int,
        "1000",
        "Fetch sessions that are remembered at one time.",
    )
    .check(Check::at_least(0)),
    Setting::new("fetch.max.bytes", Kind::Int, "57671680", "Most bytes in the answer to one fetch.")
        .check(Check::at_least(1024)),
    Setting::new("max.request.partition.size.limit", Kind::Int, "2000", "Most partitions described in one answer.")
        .check(Check::at_least(1)),
    Setting::new(
        "unstable.api.versions.enable",
        Kind::Boolean,
        "false",
        "Offer versions of requests that are not final.",
    )
    .high()
    .internal(),
    Setting::new(
        "unstable.feature.versions.enable",
        Kind::Boolean,
        "false",
        "Offer feature levels that are not final.",
    )
    .high()
    .internal(),
];
