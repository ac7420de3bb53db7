//! Starts and stops clusters, ours and Apache's, for the tests: free ports, own directories, Java tools, kills.
//!
//! A server or a tool is asked for by [`Kind`], so that one test body runs on every pairing.
#![expect(clippy::disallowed_methods, reason = "tests reach files and clocks themselves")]

mod apache;
mod broker;
mod clock;
mod dirs;
mod fetch_wire;
mod install;
mod kafka_wire;
mod lab;
mod process;
mod pty;
mod pulse;
mod python;
mod raw_kafka;
mod raw_zk;
mod recorded;
mod session;
mod tools;
mod wire;
mod zookeeper;

pub use apache::{Apache, JvmPermit};
pub use broker::Broker;
pub use clock::WallClock;
pub use dirs::{ClosedPort, TempDir, free_port, programs, repository};
pub use fetch_wire::{Asked, Fetch, TIME, compare};
pub use install::ensure_program;
pub use kafka_wire::{
    KafkaBody, KafkaReply, KafkaWire, Writer, batch, batch_around, compressed_batch, message, stored_gzip,
    transactional_batch,
};
pub use lab::Lab;
pub use process::{Running, wait_until};
pub use pty::Terminal;
pub use pulse::Pulse;
pub use python::Python;
pub use raw_kafka::{Fetched, FoundOffset, KeyAndValue, RawBatch, RawKafka, batch_positions, checksum};
pub use raw_zk::{RawZk, Tree};
pub use recorded::{Recorded, hex, recorded_requests};
pub use session::{Mode, Session};
pub use tools::{Output, Tools, run_command};
pub use wire::{Body, Cursor, Frames, Granted, buffer, closes, crowd};
pub use zookeeper::ZooKeeper;

/// Whose program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of this repository.
    Ours,
    /// Apache Kafka 3.9.1 and ZooKeeper 3.8.4.
    Apache,
}

/// Is this the long tier (`cargo xtask test --full`)?
pub fn full() -> bool {
    std::env::var_os("KAFKA_TESTS_FULL").is_some()
}
