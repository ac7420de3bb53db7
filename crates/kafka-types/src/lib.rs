//! The nouns of Kafka: ids, epochs, offsets, error codes. Names and numbers, no rules.
#![deny(missing_docs)]

mod acks;
mod epochs;
mod error_code;
mod ids;
mod offset;
pub mod varint;

pub use acks::{Acks, IsolationLevel};
pub use epochs::{BrokerEpoch, ControllerEpoch, LeaderEpoch, PartitionEpoch, ProducerEpoch};
pub use error_code::ErrorCode;
pub use ids::{BrokerId, ProducerId, TopicName, TopicPartition, Uuid};
pub use offset::Offset;
