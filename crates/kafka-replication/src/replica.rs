//! The role of a replica, and how the controller changes it.
//!
//! ```text
//!            LeaderAndIsr: leader = me            LeaderAndIsr: leader = other
//! Idle ───────────────────────────────► Leader ◄──────────────────────────────► Follower
//!   ▲                                      │                                        │
//!   └──────────────────── StopReplica, or the disk failed ──────────────────────────┘
//! ```

use kafka_types::{BrokerId, LeaderEpoch};
use time_types::Tick;

use crate::epoch::takes_over;
use crate::leader::{Leader, Leadership, Settings};

/// What this broker is for a partition.
#[derive(Debug)]
pub enum Replica {
    /// Nothing yet, or nothing any more.
    Idle {
        /// The last epoch in which it had a role.
        epoch: Option<LeaderEpoch>,
    },
    /// It decides what is appended and what is committed.
    Leader(Box<Leader>),
    /// It copies from a leader.
    Follower {
        /// From whom; `NONE` while there is no leader.
        leader: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
    },
}

/// What a new role changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It was not newer than the one there is (`STALE_CONTROLLER_EPOCH`).
    Stale,
    /// It leads from now on; `false`: it led before, and only epoch and ISR are new.
    Leads {
        /// Did it not lead before?
        newly: bool,
    },
    /// It follows from now on.
    Follows,
}

impl Replica {
    /// No role yet.
    pub fn new() -> Replica {
        Replica::Idle { epoch: None }
    }

    /// The epoch of the role.
    pub fn epoch(&self) -> Option<LeaderEpoch> {
        match self {
            Replica::Idle { epoch } => *epoch,
            Replica::Leader(leader) => Some(leader.epoch()),
            Replica::Follower { epoch, .. } => Some(*epoch),
        }
    }

    /// The leader core, if this broker leads.
    pub fn leader(&self) -> Option<&Leader> {
        match self {
            Replica::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    /// The leader core, if this broker leads.
    pub fn leader_mut(&mut self) -> Option<&mut Leader> {
        match self {
            Replica::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    /// The controller says that this broker leads.
    pub fn lead(&mut self, now: Tick, leadership: Leadership, settings: Settings) -> Transition {
        if !takes_over(self.epoch(), leadership.epoch) {
            return Transition::Stale;
        }
        if let Replica::Leader(leader) = self {
            leader.renew(now, leadership, settings);
            return Transition::Leads { newly: false };
        }
        *self = Replica::Leader(Box::new(Leader::new(now, leadership, settings)));
        Transition::Leads { newly: true }
    }

    /// The controller says that another broker leads.
    pub fn follow(&mut self, leader: BrokerId, epoch: LeaderEpoch) -> Transition {
        if !takes_over(self.epoch(), epoch) {
            return Transition::Stale;
        }
        *self = Replica::Follower { leader, epoch };
        Transition::Follows
    }

    /// The role ends.
    pub fn stop(&mut self) {
        *self = Replica::Idle { epoch: self.epoch() };
    }
}

impl Default for Replica {
    fn default() -> Replica {
        Replica::new()
    }
}

#[cfg(test)]
mod simulation;
