//! Every setting of a broker (release 3.9.1: names, types, defaults, rules and scopes are Apache's, the descriptions are
//! ours), in Apache's order, which decides about which of several mistakes is reported first.

use properties::Definitions;

mod groups;
mod kraft;
mod log;
mod metrics;
mod network;
mod quorum;
mod remote;
mod replication;
mod security;
mod server;
mod transactions;
mod zookeeper;

/// The table of all settings of a broker.
pub static DEFINITIONS: Definitions = Definitions::grouped(&[
    remote::SETTINGS,
    zookeeper::SETTINGS,
    server::SETTINGS,
    kraft::SETTINGS,
    network::SETTINGS,
    replication::SETTINGS,
    groups::SETTINGS,
    log::SETTINGS,
    transactions::SETTINGS,
    quorum::SETTINGS,
    metrics::SETTINGS,
    security::SETTINGS,
]);
