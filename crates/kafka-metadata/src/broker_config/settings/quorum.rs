//! Settings of KRaft's controllers: known so that files which set them load.

use properties::{Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("controller.quorum.voters", Kind::List, "", "KRaft: the controllers as id@host:port.").high(),
    Setting::new("controller.quorum.bootstrap.servers", Kind::List, "", "KRaft: where to find the controllers.").high(),
    Setting::new(
        "controller.quorum.election.timeout.ms",
        Kind::Int,
        "1000",
        "KRaft: longest wait for a leader before an election.",
    )
    .high(),
    Setting::new(
        "controller.quorum.fetch.timeout.ms",
        Kind::Int,
        "2000",
        "KRaft: longest time without a fetch from the leader.",
    )
    .high(),
    Setting::new(
        "controller.quorum.election.backoff.max.ms",
        Kind::Int,
        "1000",
        "KRaft: longest wait between two elections.",
    )
    .high(),
    Setting::new(
        "controller.quorum.append.linger.ms",
        Kind::Int,
        "25",
        "KRaft: how long the leader collects records before it writes them.",
    ),
    Setting::new(
        "controller.quorum.request.timeout.ms",
        Kind::Int,
        "2000",
        "KRaft: how long a controller waits for an answer.",
    ),
    Setting::new("controller.quorum.retry.backoff.ms", Kind::Int, "20", "KRaft: wait before a request is sent again.")
        .low(),
];
