//! The tools, one file per script.

use crate::Invocation;

pub mod acls;
pub mod configs;
pub mod console_consumer;
pub mod console_producer;
pub mod consumer_groups;
pub mod delete_records;
pub mod dump_log;
pub mod get_offsets;
pub mod leader_election;
pub mod log_dirs;
pub mod reassign_partitions;
pub mod topics;
pub mod transactions;
pub mod zk_cleanup;
pub mod zk_cli;
pub mod zk_snap_shot_toolkit;
pub mod zk_snapshot_comparer;
pub mod zk_snapshot_recursive_summary_toolkit;
pub mod zk_txn_log_toolkit;
pub mod zookeeper_shell;

/// The names of all tools.
pub const NAMES: &[&str] = &[
    "kafka-acls",
    "kafka-configs",
    "kafka-console-consumer",
    "kafka-console-producer",
    "kafka-consumer-groups",
    "kafka-delete-records",
    "kafka-dump-log",
    "kafka-get-offsets",
    "kafka-leader-election",
    "kafka-log-dirs",
    "kafka-reassign-partitions",
    "kafka-topics",
    "kafka-transactions",
    "zk-cleanup",
    "zk-cli",
    "zk-snap-shot-toolkit",
    "zk-snapshot-comparer",
    "zk-snapshot-recursive-summary-toolkit",
    "zk-txn-log-toolkit",
    "zookeeper-shell",
];

/// Runs the named tool; the result is its exit code.
pub fn run(name: &str, invocation: Invocation) -> u8 {
    match name {
        "kafka-acls" => acls::run(invocation),
        "kafka-configs" => configs::run(invocation),
        "kafka-console-consumer" => console_consumer::run(invocation),
        "kafka-console-producer" => console_producer::run(invocation),
        "kafka-consumer-groups" => consumer_groups::run(invocation),
        "kafka-delete-records" => delete_records::run(invocation),
        "kafka-dump-log" => dump_log::run(invocation),
        "kafka-get-offsets" => get_offsets::run(invocation),
        "kafka-leader-election" => leader_election::run(invocation),
        "kafka-log-dirs" => log_dirs::run(invocation),
        "kafka-reassign-partitions" => reassign_partitions::run(invocation),
        "kafka-topics" => topics::run(invocation),
        "kafka-transactions" => transactions::run(invocation),
        "zk-cleanup" => zk_cleanup::run(invocation),
        "zk-cli" => zk_cli::run(invocation),
        "zk-snap-shot-toolkit" => zk_snap_shot_toolkit::run(invocation),
        "zk-snapshot-comparer" => zk_snapshot_comparer::run(invocation),
        "zk-snapshot-recursive-summary-toolkit" => zk_snapshot_recursive_summary_toolkit::run(invocation),
        "zk-txn-log-toolkit" => zk_txn_log_toolkit::run(invocation),
        "zookeeper-shell" => zookeeper_shell::run(invocation),
        unknown => {
            let mut console = invocation.console;
            console.error(&format!("{unknown}: no such command; there are {}", NAMES.join(", ")));
            1
        }
    }
}
