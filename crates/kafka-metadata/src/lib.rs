//! What the cluster knows: znode paths and JSON, the metadata image, names and settings of topics, settings of brokers,
//! replica placement.
//!
//! Broker, controller and tools read every path and schema under `/brokers`, `/config` and `/admin` from here. Nothing
//! in this crate talks to anybody: bytes and structs in, bytes and structs out.
#![deny(missing_docs)]

pub mod alter;
pub mod broker_config;
mod checks;
pub mod client_quotas;
mod endpoint;
pub mod features;
mod image;
pub mod placement;
pub mod topic_config;
pub mod topic_name;
pub mod znodes;
pub mod zookeeper_client;

pub use broker_config::{BrokerConfig, ConfigError};
pub use endpoint::{Endpoint, SecurityProtocol};
pub use image::{Broker, MetadataImage, MetadataUpdate, PartitionImage, PartitionUpdate, TopicImage, TopicUpdate};
