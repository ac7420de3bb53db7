//! Their clients on our servers, our clients on theirs, their servers on ours, data directories carried across.
#![expect(clippy::disallowed_methods, reason = "tests reach files and clocks themselves")]

mod acls;
mod admin_tls;
mod carried_groups;
mod clients;
mod codecs;
mod data_dirs;
mod differential;
mod fetch;
mod frames;
mod group_requests;
mod groups;
mod kafka_data_dirs;
mod listeners;
mod metrics;
mod odd_requests;
mod operators;
mod pipelined;
mod reassignments;
mod refusals;
mod security;
mod settings_requests;
mod suites;
mod transaction_requests;
mod transactions;
mod tutorial;
mod zk_data_dirs;
mod zk_tools;
