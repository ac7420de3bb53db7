//! Limits on copying replicas: on what leaders send to followers that are catching up
//! (`leader.replication.throttled.rate`, for the replicas that a topic names), and on moves between log directories
//! (`replica.alter.log.dirs.io.max.bytes.per.second`). The limits are read when they are needed, so that another one is
//! in force at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kafka_quotas::{ReplicationQuota, Windows};
use kafka_types::BrokerId;
use time_types::Tick;

use crate::config::Config;

/// Bytes a second that leaders send to throttled replicas that are not in sync.
const LEADER_RATE: &str = "leader.replication.throttled.rate";
/// Bytes a second of all moves between directories.
const MOVES_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// Both, and what was used of them.
pub(crate) struct ReplicationQuotas {
    leader: Mutex<ReplicationQuota>,
    moves: Mutex<ReplicationQuota>,
}

impl ReplicationQuotas {
    /// Nothing was copied yet.
    pub(crate) fn new(config: &Config) -> ReplicationQuotas {
        let leader = windows(config, "replication.quota.window.num", "replication.quota.window.size.seconds");
        let moves = windows(
            config,
            "alter.log.dirs.replication.quota.window.num",
            "alter.log.dirs.replication.quota.window.size.seconds",
        );
        ReplicationQuotas {
            leader: Mutex::new(ReplicationQuota::new(leader)),
            moves: Mutex::new(ReplicationQuota::new(moves)),
        }
    }

    /// May throttled followers be sent nothing at the moment?
    pub(crate) fn leader_exceeded(&self, config: &Config, now: Tick) -> bool {
        config.broker().rate(LEADER_RATE).is_some_and(|limit| lock(&self.leader).pause(now, limit) > 0)
    }

    /// Throttled followers are sent so many bytes.
    pub(crate) fn sent(&self, config: &Config, now: Tick, bytes: u64) {
        if bytes > 0 && config.broker().rate(LEADER_RATE).is_some() {
            lock(&self.leader).record(now, bytes);
        }
    }

    /// How long a move has to wait before it may go on, in ms.
    pub(crate) fn move_pause(&self, config: &Config, now: Tick) -> u64 {
        config.broker().rate(MOVES_RATE).map_or(0, |limit| lock(&self.moves).pause(now, limit))
    }

    /// A move copies so many bytes.
    pub(crate) fn moved(&self, config: &Config, now: Tick, bytes: u64) {
        if config.broker().rate(MOVES_RATE).is_some() {
            lock(&self.moves).record(now, bytes);
        }
    }
}

/// The limit of all moves between directories, in bytes a second; `None`: as fast as they can.
pub(crate) fn moves_rate(config: &Config) -> Option<u64> {
    config.broker().rate(MOVES_RATE)
}

fn windows(config: &Config, num: &str, seconds: &str) -> Windows {
    Windows { samples: config.positive(num).max(1) as u32, millis: config.positive(seconds).max(1) * 1000 }
}

fn lock(quota: &Mutex<ReplicationQuota>) -> MutexGuard<'_, ReplicationQuota> {
    quota.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The replicas of a topic that are throttled (`leader.replication.throttled.replicas`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Throttled {
    /// All of them.
    All,
    /// Partitions and the brokers that hold them.
    Some(Vec<(i32, BrokerId)>),
}

impl Throttled {
    /// From a list that was checked.
    pub(crate) fn parse(text: &str) -> Throttled {
        if text.trim() == "*" {
            return Throttled::All;
        }
        let pair = |item: &str| {
            let (partition, broker) = item.trim().split_once(':')?;
            Some((partition.parse().ok()?, BrokerId(broker.parse().ok()?)))
        };
        Throttled::Some(text.split(',').filter_map(pair).collect())
    }

    /// Is this replica one of them?
    pub(crate) fn holds(&self, partition: i32, broker: BrokerId) -> bool {
        match self {
            Throttled::All => true,
            Throttled::Some(replicas) => replicas.contains(&(partition, broker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_replicas_or_all() {
        let some = Throttled::parse("0:1, 1:2");
        assert!(some.holds(0, BrokerId(1)) && some.holds(1, BrokerId(2)));
        assert!(!some.holds(0, BrokerId(2)) && !some.holds(2, BrokerId(1)));
        assert!(!Throttled::parse("").holds(0, BrokerId(0)));
        assert!(Throttled::parse("*").holds(7, BrokerId(9)));
    }
}
