//! Settings of sockets and listeners.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "listeners",
        Kind::String,
        "PLAINTEXT://:9092",
        "Where this broker listens: NAME://host:port, separated by commas; no host for all interfaces.",
    )
    .high()
    .per_broker(),
    Setting::optional(
        "advertised.listeners",
        Kind::String,
        "What others are told to connect to; the listeners if it is not set.",
    )
    .high()
    .per_broker(),
    Setting::new(
        "listener.security.protocol.map",
        Kind::String,
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "Which protocol each listener name speaks: NAME:PROTOCOL, separated by commas.",
    )
    .low()
    .per_broker(),
    Setting::optional("control.plane.listener.name", Kind::String, "Listener for the controller's requests alone.")
        .high(),
    Setting::new(
        "socket.send.buffer.bytes",
        Kind::Int,
        "102400",
        "Send buffer of sockets; -1, or the default, leaves it to the system.",
    )
    .high(),
    Setting::new(
        "socket.receive.buffer.bytes",
        Kind::Int,
        "102400",
        "Receive buffer of sockets; -1, or the default, leaves it to the system.",
    )
    .high(),
    Setting::new(
        "socket.request.max.bytes",
        Kind::Int,
        "104857600",
        "Largest request; a longer one closes the connection.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new("socket.listen.backlog.size", Kind::Int, "50", "Connections that may wait to be accepted.")
        .check(Check::at_least(1)),
    Setting::new("max.connections.per.ip", Kind::Int, "2147483647", "Connections from one address.")
        .check(Check::at_least(0))
        .cluster_wide(),
    Setting::new(
        "max.connections.per.ip.overrides",
        Kind::String,
        "",
        "Limits for single addresses or host names: host:count, separated by commas.",
    )
    .cluster_wide(),
    Setting::new("max.connections", Kind::Int, "2147483647", "Connections to this broker in all.")
        .check(Check::at_least(0))
        .cluster_wide(),
    Setting::new("max.connection.creation.rate", Kind::Int, "2147483647", "New connections a second.")
        .check(Check::at_least(0))
        .cluster_wide(),
    Setting::new(
        "connections.max.idle.ms",
        Kind::Long,
        "600000",
        "A connection without traffic is closed after this time.",
    ),
    Setting::new(
        "connection.failed.authentication.delay.ms",
        Kind::Int,
        "100",
        "How long the answer to a failed authentication is held back.",
    )
    .check(Check::at_least(0))
    .low(),
    Setting::new(
        "queued.max.requests",
        Kind::Int,
        "500",
        "Requests that may wait for a thread before sockets are no longer read.",
    )
    .check(Check::at_least(1))
    .high(),
    Setting::new(
        "queued.max.request.bytes",
        Kind::Long,
        "-1",
        "Bytes of waiting requests before sockets are no longer read; -1 for no limit.",
    ),
    Setting::new(
        "num.network.threads",
        Kind::Int,
        "3",
        "Threads that read requests and send answers, for each listener.",
    )
    .check(Check::at_least(1))
    .high()
    .cluster_wide(),
];
