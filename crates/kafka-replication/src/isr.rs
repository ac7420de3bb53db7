//! The in-sync replicas: who has to be waited for, who falls out, who comes back.
//!
//! While a proposal is with the controller nobody knows which of the two sets holds. So the high watermark waits for
//! the *larger* of both (`maximal`), and `min.insync.replicas` counts the committed one.

use std::collections::BTreeSet;

use kafka_types::{BrokerId, LeaderEpoch, PartitionEpoch};

/// The controller's yes to a proposal, or its view of the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrAnswer {
    /// The leader epoch that holds.
    pub leader_epoch: LeaderEpoch,
    /// The ISR that holds.
    pub isr: BTreeSet<BrokerId>,
    /// The version of the partition's state.
    pub partition_epoch: PartitionEpoch,
}

/// The controller's no to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsrRefusal {
    /// Try again later: the request was lost, or the controller moved.
    Retry,
    /// The proposal builds on a state that is gone or names a broker that may not be in it; what holds arrives by
    /// LeaderAndIsr or a later answer. The proposal is dropped.
    Drop,
    /// Our view is outdated (`INVALID_UPDATE_VERSION`, `FENCED_LEADER_EPOCH`, `NEW_LEADER_ELECTED`, an unknown topic):
    /// the proposal stays pending, so that nothing more is proposed before the next LeaderAndIsr.
    Outdated,
}

/// The committed ISR and the one that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IsrState {
    pub(crate) committed: BTreeSet<BrokerId>,
    pub(crate) proposed: Option<BTreeSet<BrokerId>>,
    pub(crate) partition_epoch: PartitionEpoch,
}

impl IsrState {
    pub(crate) fn new(committed: BTreeSet<BrokerId>, partition_epoch: PartitionEpoch) -> IsrState {
        IsrState { committed, proposed: None, partition_epoch }
    }

    /// Everybody who is in sync in either of the two sets.
    pub(crate) fn maximal(&self) -> impl Iterator<Item = BrokerId> {
        let proposed = self.proposed.iter().flatten().filter(|id| !self.committed.contains(id));
        self.committed.iter().chain(proposed).copied()
    }

    /// Is the broker in either of the two sets?
    pub(crate) fn may_hold(&self, id: BrokerId) -> bool {
        self.committed.contains(&id) || self.proposed.as_ref().is_some_and(|isr| isr.contains(&id))
    }

    /// Takes over what the controller says, if it is newer than what is known.
    pub(crate) fn adopt(&mut self, isr: BTreeSet<BrokerId>, partition_epoch: PartitionEpoch) -> bool {
        if partition_epoch < self.partition_epoch {
            return false;
        }
        self.committed = isr;
        self.partition_epoch = partition_epoch;
        self.proposed = None;
        true
    }
}
