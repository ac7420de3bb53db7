//! `/brokers/topics/T/partitions/P/state`: who leads a partition and who is in sync.
//!
//! The node's version is the *partition epoch*; whoever changes the state names the version that he saw.

use kafka_types::{BrokerId, ControllerEpoch, LeaderEpoch, TopicPartition};
use serde::{Deserialize, Serialize};

use super::{ZnodeError, broker_ids, from_json, raw, to_json};

/// Where a partition is.
pub fn partition_path(partition: &TopicPartition) -> String {
    format!("/brokers/topics/{}/partitions/{}", partition.topic, partition.partition)
}

/// Where a partition's state is.
pub fn path(partition: &TopicPartition) -> String {
    format!("{}/state", partition_path(partition))
}

/// Who leads and who is in sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// The controller that wrote it.
    pub controller_epoch: ControllerEpoch,
    /// The leader; [`BrokerId::NONE`] if there is none.
    pub leader: BrokerId,
    /// Grows with each election.
    pub leader_epoch: LeaderEpoch,
    /// The replicas that hold everything committed.
    pub isr: Vec<BrokerId>,
    /// An unclean election chose the leader and it has not caught up with what that means (KIP-704).
    pub recovering: bool,
}

#[derive(Serialize, Deserialize)]
struct Json {
    controller_epoch: i32,
    leader: i32,
    #[serde(default = "one")]
    version: i32,
    leader_epoch: i32,
    isr: Vec<i32>,
    #[serde(default, skip_serializing_if = "is_zero")]
    leader_recovery_state: i32,
}

fn one() -> i32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl PartitionState {
    /// The znode's data.
    pub fn encode(&self) -> Vec<u8> {
        to_json(&Json {
            controller_epoch: self.controller_epoch.0,
            leader: self.leader.0,
            version: 1,
            leader_epoch: self.leader_epoch.0,
            isr: raw(&self.isr),
            leader_recovery_state: i32::from(self.recovering),
        })
    }

    /// Reads the znode's data.
    pub fn decode(data: &[u8]) -> Result<PartitionState, ZnodeError> {
        let json: Json = from_json("state of a partition", data)?;
        Ok(PartitionState {
            controller_epoch: ControllerEpoch(json.controller_epoch),
            leader: BrokerId(json.leader),
            leader_epoch: LeaderEpoch(json.leader_epoch),
            isr: broker_ids(&json.isr),
            recovering: json.leader_recovery_state != 0,
        })
    }
}
