//! Notices to the controller: ISR changes (of brokers before 2.7) and failed log directories.

use kafka_types::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};

use super::admin::PartitionJson;
use super::{ZnodeError, from_json, to_json};

/// Parent of the notices that leaders changed an ISR on their own (inter-broker protocol before 2.7).
pub const ISR_CHANGES: &str = "/isr_change_notification";
/// Path of such a notice up to the number that the server appends.
pub const ISR_CHANGE_PREFIX: &str = "/isr_change_notification/isr_change_";
/// Parent of the notices that a broker lost a log directory.
pub const LOG_DIR_EVENTS: &str = "/log_dir_event_notification";
/// Path of such a notice up to the number that the server appends.
pub const LOG_DIR_EVENT_PREFIX: &str = "/log_dir_event_notification/log_dir_event_";

/// The only log directory event there is.
const LOG_DIR_FAILURE: i32 = 1;

#[derive(Serialize, Deserialize)]
struct IsrJson {
    version: i32,
    partitions: Vec<PartitionJson>,
}

#[derive(Serialize, Deserialize)]
struct LogDirJson {
    version: i32,
    broker: i32,
    event: i32,
}

/// Data of an ISR notice.
pub fn encode_isr_change(partitions: &[TopicPartition]) -> Vec<u8> {
    to_json(&IsrJson { version: 1, partitions: partitions.iter().map(PartitionJson::of).collect() })
}

/// The partitions of an ISR notice.
pub fn decode_isr_change(data: &[u8]) -> Result<Vec<TopicPartition>, ZnodeError> {
    let json: IsrJson = from_json("notice in /isr_change_notification", data)?;
    Ok(json.partitions.into_iter().map(PartitionJson::into_partition).collect())
}

/// Data of the notice that a broker lost a log directory.
pub fn encode_log_dir_failure(broker: BrokerId) -> Vec<u8> {
    to_json(&LogDirJson { version: 1, broker: broker.0, event: LOG_DIR_FAILURE })
}

/// The broker that lost a log directory.
pub fn decode_log_dir_failure(data: &[u8]) -> Result<BrokerId, ZnodeError> {
    const WHAT: &str = "notice in /log_dir_event_notification";
    let json: LogDirJson = from_json(WHAT, data)?;
    if json.event == LOG_DIR_FAILURE {
        Ok(BrokerId(json.broker))
    } else {
        Err(ZnodeError::new(WHAT, format!("event {} is not known", json.event)))
    }
}
