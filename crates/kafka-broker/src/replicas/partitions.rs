//! The partitions of a shard, and which of them somebody reached for: housekeeping looks at those and not at all.
//!
//! Ten thousand idle partitions cost no processor time and no open files: a partition that nobody reached for has
//! nothing new to be synced, checkpointed or closed.

use std::collections::{HashMap, HashSet};

use kafka_log::SyncJob;
use kafka_types::TopicPartition;
use time_types::Tick;

use super::partition::Partition;

/// Syncs of one shard that may be under way: each holds the files that it syncs.
const SYNCS_AT_ONCE: usize = 64;
/// A log that nobody asked for so long has its files closed, and earlier if too many logs have some open.
const IDLE_MS: u64 = 30_000;

/// The partitions by name.
#[derive(Default)]
pub(crate) struct Partitions {
    all: HashMap<TopicPartition, Partition>,
    /// Reached for since housekeeping looked last.
    reached: Vec<TopicPartition>,
    /// With something that is not synced.
    unsynced: HashSet<TopicPartition>,
    /// How many of those are being synced.
    syncing: usize,
    /// Whose offsets in the checkpoints may be others now.
    moved: HashSet<TopicPartition>,
    /// May have files open; when housekeeping last saw that somebody reached for them.
    open: HashMap<TopicPartition, Tick>,
    /// How many of those there should be at most.
    open_max: usize,
}

impl Partitions {
    /// None yet; so many may have files open while nobody uses them.
    pub(crate) fn new(open_max: usize) -> Partitions {
        Partitions { open_max, ..Partitions::default() }
    }

    /// To look at.
    pub(crate) fn get(&self, name: &TopicPartition) -> Option<&Partition> {
        self.all.get(name)
    }

    /// To use: housekeeping will look at it.
    pub(crate) fn get_mut(&mut self, name: &TopicPartition) -> Option<&mut Partition> {
        let partition = self.all.get_mut(name)?;
        if !partition.reached {
            partition.reached = true;
            self.reached.push(name.clone());
        }
        Some(partition)
    }

    pub(crate) fn contains_key(&self, name: &TopicPartition) -> bool {
        self.all.contains_key(name)
    }

    pub(crate) fn insert(&mut self, name: TopicPartition, mut partition: Partition) {
        partition.reached = true;
        self.reached.push(name.clone());
        self.all.insert(name, partition);
    }

    pub(crate) fn remove(&mut self, name: &TopicPartition) -> Option<Partition> {
        let partition = self.all.remove(name)?;
        self.moved.insert(name.clone());
        Some(partition)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Partition> {
        self.all.values()
    }

    /// All of them, to use: housekeeping will look at all.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        let reached = &mut self.reached;
        self.all.iter_mut().map(|(name, partition)| {
            if !partition.reached {
                partition.reached = true;
                reached.push(name.clone());
            }
            partition
        })
    }

    /// All of them, for what changes nothing that is synced or stands in a checkpoint.
    pub(crate) fn look_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.all.values_mut()
    }

    /// Takes all away: the shard ends.
    pub(crate) fn take_all(&mut self) -> Vec<Partition> {
        std::mem::take(self).all.into_values().collect()
    }

    /// What is due to be synced now, by `is_due`, or as much of it as may be synced at once; the end of each is to be
    /// told by [`Partitions::sync_ended`].
    pub(crate) fn due_syncs(&mut self, now: Tick, is_due: impl Fn(&Partition) -> bool) -> Vec<SyncJob> {
        for name in std::mem::take(&mut self.reached) {
            let Some(partition) = self.all.get_mut(&name) else { continue };
            partition.reached = false;
            if partition.log.holds_files() {
                self.open.insert(name.clone(), now);
            }
            if partition.log.unsynced().since.is_some() {
                self.unsynced.insert(name.clone());
            }
            self.moved.insert(name);
        }
        let mut jobs = Vec::new();
        // Files of logs that are not synced cannot be closed: failures are told to those only who hold the file.
        let too_many_open = self.open.len() > self.open_max;
        let all = &mut self.all;
        self.unsynced.retain(|name| {
            let Some(partition) = all.get_mut(name).filter(|partition| !partition.has_failed()) else { return false };
            let has_room = self.syncing + jobs.len() < self.open_max.min(SYNCS_AT_ONCE);
            if has_room && (too_many_open || is_due(partition)) {
                match partition.log.sync_job() {
                    Ok(job) => jobs.extend(job),
                    Err(error) => {
                        partition.fail(&error);
                    }
                }
            }
            partition.log.unsynced().since.is_some()
        });
        self.syncing += jobs.len();
        jobs
    }

    /// A sync is over; says whether others may have waited for that.
    pub(crate) fn sync_ended(&mut self) -> bool {
        self.syncing = self.syncing.saturating_sub(1);
        self.syncing == self.open_max.min(SYNCS_AT_ONCE) / 2
    }

    /// Closes files of logs that nobody asked for lately.
    pub(crate) fn close_idle(&mut self, now: Tick) {
        let latest_idle = match self.open.len().checked_sub(self.open_max) {
            None | Some(0) => None,
            Some(too_many) => {
                let mut times: Vec<Tick> = self.open.values().copied().collect();
                Some(*times.select_nth_unstable(too_many - 1).1)
            }
        };
        let all = &mut self.all;
        self.open.retain(|name, last| {
            let Some(partition) = all.get_mut(name) else { return false };
            let idle = now.since(*last) >= IDLE_MS || latest_idle.is_some_and(|latest| *last <= latest);
            if !idle || partition.reached || partition.log.unsynced().since.is_some() {
                return true;
            }
            partition.log.release_files();
            false
        });
    }

    /// The partitions whose offsets in the checkpoints may have changed since the last call; those that are gone, too.
    /// Whoever has been reached for and not looked at since is one of them: a deletion waits for what is written now.
    pub(crate) fn take_moved(&mut self) -> HashSet<TopicPartition> {
        let mut moved = std::mem::take(&mut self.moved);
        moved.extend(self.reached.iter().cloned());
        moved
    }
}
