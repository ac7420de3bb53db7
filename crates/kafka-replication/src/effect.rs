//! What the leader of a partition asks its shell to do.

use std::collections::BTreeMap;

use kafka_types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch};

/// What the leader asks for; the shell decides how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Records below this offset are committed: move the log's high watermark, wake produces and fetches that wait.
    Commit(Offset),
    /// Ask the controller for this ISR (AlterPartition). Nothing changes here until it answers.
    ProposeIsr(Isr),
}

/// An ISR as it is proposed: what it builds on, and which life of each member is meant (KIP-841).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isr {
    /// The proposing leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The version of the partition's state that it builds on.
    pub partition_epoch: PartitionEpoch,
    /// Members with the broker epoch of their last fetch; `NONE` where it is not known.
    pub members: BTreeMap<BrokerId, BrokerEpoch>,
}
