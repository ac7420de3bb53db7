//! Producer, consumer, admin, and the connection brokers use between themselves.
//!
//! From the bottom: a [`Connection`] is one socket with requests pipelined on it; a [`Cluster`] knows brokers, leaders
//! and coordinators and keeps the connections; producer, consumer and [`admin`](Admin) are built on the cluster.
//! Everything runs on whatever tokio runtime it is called on.
#![deny(missing_docs)]

pub mod admin;
mod bootstrap;
mod clock;
mod cluster;
pub mod config;
mod connection;
pub mod consumer;
mod error;
#[cfg(test)]
mod fake;
mod metadata;
pub mod producer;
mod retry;

pub use admin::Admin;
pub use bootstrap::HostPort;
pub use clock::Clock;
pub use cluster::{Cluster, ClusterOptions, CoordinatorKind, Lane, Topics};
pub use connection::{Call, Connection, ConnectionOptions, Versions};
pub use error::{ConnectionError, Error, exception_name};
pub use metadata::{Metadata, Node, PartitionInfo, TopicInfo};
pub use producer::{Producer, ProducerRecord};
pub use retry::RetryPolicy;
