//! Each program against transcripts taken from Apache's: what it prints, on which stream, and its exit code.
#![expect(clippy::disallowed_methods, reason = "tests reach files and clocks themselves")]

mod acls;
mod admin;
mod compare;
mod consumer_groups;
mod delete_records;
mod dump_log;
mod leader_election;
mod mistakes;
mod reassign_partitions;
mod scope;
mod scripts;
mod servers;
mod stage;
mod terminal;
mod tools;
mod transactions;
mod transcript;
mod zookeeper_files;
