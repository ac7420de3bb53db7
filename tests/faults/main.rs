//! Processes killed, frames broken, directories shared: nothing acknowledged is lost, and nobody else is hurt.
#![expect(clippy::disallowed_methods, reason = "tests reach files and clocks themselves")]

mod broker_damage;
mod broker_disk;
mod checkpoints;
mod compaction;
mod coordinator_frames;
mod dir_moves;
mod early_clients;
mod failed_dir;
mod groups;
mod hostile;
mod kafka_crowds;
mod kafka_frames;
mod kill_rounds;
mod message_sizes;
mod quotas;
mod transactions;
mod vanishing_records;
mod zk_crowds;
mod zk_disk;
mod zk_frames;
mod zk_sessions;
