//! The commands and how they are written.

/// What `version` prints: the release whose shell this is.
pub(super) const VERSION: &str =
    "ZooKeeper CLI version: 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on 2024-02-12 22:16 UTC";

/// The first line of the usage of Kafka's shell.
pub(super) const KAFKA_HEAD: &str = "ZooKeeper -server host:port [-zk-tls-config-file <file>] cmd args";
/// The first line of the usage of ZooKeeper's own.
pub(super) const ZOOKEEPER_HEAD: &str = "ZooKeeper -server host:port -client-configuration properties-file cmd args";

const COMMANDS: &[(&str, &str)] = &[
    (
        "addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
    ),
    ("addauth", "scheme auth"),
    ("close", ""),
    ("config", "[-c] [-w] [-s]"),
    ("connect", "host:port"),
    ("create", "[-s] [-e] [-c] [-t ttl] path [data] [acl]"),
    ("delete", "[-v version] path"),
    ("deleteall", "path [-b batch size]"),
    ("delquota", "[-n|-b|-N|-B] path"),
    ("get", "[-s] [-w] path"),
    ("getAcl", "[-s] path"),
    ("getAllChildrenNumber", "path"),
    ("getEphemerals", "path"),
    ("history", ""),
    ("listquota", "path"),
    ("ls", "[-s] [-w] [-R] path"),
    ("printwatches", "on|off"),
    ("quit", ""),
    (
        "reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | \
         [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
    ),
    ("redo", "cmdno"),
    ("removewatches", "path [-c|-d|-a] [-l]"),
    ("set", "[-s] [-v version] path data"),
    ("setAcl", "[-s] [-v version] [-R] path acl"),
    ("setquota", "-n|-b|-N|-B val path"),
    ("stat", "[-w] path"),
    ("sync", "path"),
    ("version", ""),
    ("whoami", ""),
];

pub(super) fn is_command(name: &str) -> bool {
    COMMANDS.iter().any(|(command, _)| *command == name)
}

/// How one command is written.
pub(super) fn of(name: &str) -> String {
    let options = COMMANDS.iter().find(|(command, _)| *command == name).map_or("", |(_, options)| *options);
    format!("{name} {options}")
}

/// How all commands are written, behind a first line, every line ended.
pub(super) fn all(head: &str) -> String {
    let lines = COMMANDS.iter().map(|(command, options)| format!("\t{command} {options}\n"));
    std::iter::once(format!("{head}\n")).chain(lines).collect()
}

/// The names of all commands, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(command, _)| *command)
}
