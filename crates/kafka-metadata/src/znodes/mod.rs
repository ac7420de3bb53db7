//! Every path that Kafka keeps in the coordination server, one file per family: where it is and what is in it.
//!
//! JSON is compact and has the keys in the order in which Apache 3.9 writes them (nobody may rely on it, but equal bytes
//! are easier to compare); what is read may have any order and unknown keys.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use kafka_types::BrokerId;

pub mod acl;
pub mod admin;
pub mod brokers;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod feature;
pub mod notifications;
pub mod partition_state;
pub mod producer_ids;
pub mod topics;

/// The paths that every broker creates at its start if they are not there (no data), in Apache's order. Parents are not
/// listed: they are created on the way.
pub const PERSISTENT_PATHS: [&str; 14] = [
    "/consumers",
    brokers::IDS,
    topics::TOPICS,
    config::CHANGES,
    admin::DELETE_TOPICS,
    brokers::SEQUENCE_ID,
    notifications::ISR_CHANGES,
    producer_ids::BLOCK,
    notifications::LOG_DIR_EVENTS,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

/// A znode whose data is not what its path promises.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read the {what}: {reason}")]
pub struct ZnodeError {
    /// What should be in it.
    pub what: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl ZnodeError {
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they are")]
    fn new(what: &'static str, reason: impl ToString) -> ZnodeError {
        ZnodeError { what, reason: reason.to_string() }
    }

    fn version(what: &'static str, version: i32) -> ZnodeError {
        ZnodeError::new(what, format!("its version {version} is not known"))
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings, numbers and maps with text keys are always JSON")
}

fn from_json<T: DeserializeOwned>(what: &'static str, data: &[u8]) -> Result<T, ZnodeError> {
    serde_json::from_slice(data).map_err(|error| ZnodeError::new(what, error))
}

fn from_decimal(what: &'static str, data: &[u8]) -> Result<i32, ZnodeError> {
    let text = std::str::from_utf8(data).map_err(|error| ZnodeError::new(what, error))?;
    text.trim().parse().map_err(|error| ZnodeError::new(what, error))
}

fn raw(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

fn broker_ids(raw: &[i32]) -> Vec<BrokerId> {
    raw.iter().copied().map(BrokerId).collect()
}

/// The name of a child: the last part of a path.
pub fn child_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
