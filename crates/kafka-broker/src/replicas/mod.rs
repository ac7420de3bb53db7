//! What one shard owns: its partitions, and the coordinators that live on them.

pub(crate) mod cleaning;
pub(crate) mod groups;
pub(crate) mod isr_updates;
pub(crate) mod log_dirs;
pub(crate) mod moves;
pub(crate) mod partition;
pub(crate) mod partitions;
#[cfg(test)]
mod tests;
pub(crate) mod transactions;

use std::sync::Arc;

use bytes::Bytes;
use kafka_log::{AppendOrigin, FileRemoval, Log};
use kafka_replication::{Leadership, Transition};
use kafka_types::{Acks, BrokerId, ErrorCode, LeaderEpoch, Offset, TopicPartition, Uuid};

use crate::clock::Clock;
use crate::config::{Config, TopicSettings};
use crate::coordinators::groups::Groups;
use crate::coordinators::transactions::Transactions;
use crate::metrics::ShardTraffic;
use crate::metrics::facts::Busy;
use cleaning::Cleaning;
use log_dirs::LogDirs;
use moves::Moves;
use partition::{Partition, Produced, Reassignment, Refused};
use partitions::Partitions;

/// What every shard may use and nobody owns.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    pub(crate) dirs: LogDirs,
    /// Logs of each shard that may have files open while nobody uses them.
    pub(crate) idle_logs: usize,
}

/// The state of one shard.
pub(crate) struct Owned {
    pub(crate) shared: Arc<Shared>,
    pub(crate) partitions: Partitions,
    pub(crate) moves: Moves,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    /// Directories of deleted partitions, to be unlinked when their time comes.
    pub(crate) removals: Vec<FileRemoval>,
    pub(crate) traffic: ShardTraffic,
    pub(crate) busy: Busy,
}

/// What the controller says of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) topic_partition: TopicPartition,
    pub(crate) topic_id: Uuid,
    pub(crate) leader: BrokerId,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) leadership: Leadership,
    /// Replicas come and go.
    pub(crate) reassignment: Option<Reassignment>,
    /// The controller has just made this replica: there is no log anywhere.
    pub(crate) is_new: bool,
    pub(crate) settings: Arc<TopicSettings>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleTaken {
    /// It leads: `true` if it did not before.
    Leads(bool),
    /// It follows.
    Follows,
}

impl Owned {
    /// Nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Owned {
        Owned {
            partitions: Partitions::new(shared.idle_logs),
            shared,
            moves: Moves::default(),
            groups: Groups::default(),
            transactions: Transactions::default(),
            removals: Vec::new(),
            traffic: ShardTraffic::default(),
            busy: Busy::default(),
        }
    }

    /// Takes over a log that was recovered at the start, compacted as far as the checkpoint says.
    ///
    /// Two logs of one partition are what a crash leaves between the two renames that end a move. Nothing was appended
    /// in between, so the longer one has all that was acknowledged, and the other goes.
    pub(crate) fn add(&mut self, log: Log, clean_to: Option<Offset>) {
        let shared = Arc::clone(&self.shared);
        let dir = shared.dirs.of(&log);
        dir.count();
        if let Some(other) = self.partitions.remove(log.partition()) {
            let other = other.stop();
            let (kept, gone) = if log.log_end() >= other.log_end() { (log, other) } else { (other, log) };
            tracing::warn!(
                target: "kafka.log.LogManager",
                "Duplicate log directories for {} are found in both {} and {}: the broker ended while it replaced the \
                 current replica with the future replica. The second one is deleted.",
                kept.partition(), kept.dir().display(), gone.dir().display()
            );
            let _ = self.delete_log(gone);
            let health = Arc::clone(shared.dirs.of(&kept).health());
            self.partitions
                .insert(kept.partition().clone(), Partition::new(kept.topic_id(), kept, health, shared.clock));
            return;
        }
        let mut partition = Partition::new(log.topic_id(), log, Arc::clone(dir.health()), shared.clock);
        partition.cleaning = clean_to.map(Cleaning::from_checkpoint).unwrap_or_default();
        self.partitions.insert(partition.topic_partition.clone(), partition);
    }

    /// The replica of a partition; `NOT_LEADER_OR_FOLLOWER` if there is none here.
    pub(crate) fn partition(&mut self, topic_partition: &TopicPartition) -> Result<&mut Partition, ErrorCode> {
        self.partitions.get_mut(topic_partition).ok_or(ErrorCode::NotLeaderOrFollower)
    }

    /// Takes a role that the controller gives; makes the log if there is none.
    pub(crate) fn take_role(&mut self, role: Role) -> Result<RoleTaken, ErrorCode> {
        let now = self.shared.clock.now();
        let topic_partition = role.topic_partition.clone();
        if !self.partitions.contains_key(&topic_partition) {
            self.make_log(&role)?;
        }
        let partition = self.partitions.get_mut(&topic_partition).ok_or(ErrorCode::KafkaStorageError)?;
        if partition.has_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        match partition.topic_id {
            Some(id) if !role.topic_id.is_zero() && id != role.topic_id => return Err(ErrorCode::InconsistentTopicId),
            None if !role.topic_id.is_zero() => {
                if !partition.log.assign_topic_id(role.topic_id) {
                    return Err(ErrorCode::InconsistentTopicId);
                }
                partition.topic_id = Some(role.topic_id);
            }
            _ => {}
        }
        partition.reassignment = role.reassignment;
        let leads = role.leader == role.leadership.me;
        let transition = if leads {
            let settings = self.shared.config.replica_settings(&role.settings);
            let leadership = Leadership {
                log_end: partition.log.log_end(),
                high_watermark: partition.log.high_watermark(),
                ..role.leadership
            };
            partition.lead(now, leadership, settings)
        } else {
            partition.follow(role.leader, role.leader_epoch)
        };
        match transition {
            Transition::Stale => Err(ErrorCode::StaleControllerEpoch),
            Transition::Leads { newly } => Ok(RoleTaken::Leads(newly)),
            Transition::Follows => {
                self.resign_coordinator(&topic_partition);
                Ok(RoleTaken::Follows)
            }
        }
    }

    fn make_log(&mut self, role: &Role) -> Result<(), ErrorCode> {
        let name = &role.topic_partition;
        let refused = |reason: &dyn std::fmt::Display| {
            tracing::error!(target: "kafka.log.LogManager", "Failed to create log for {name}: {reason}");
            ErrorCode::KafkaStorageError
        };
        let shared = Arc::clone(&self.shared);
        if !role.is_new && shared.dirs.any_offline() {
            // It may lie there, with all its records.
            return Err(refused(&format!(
                "org.apache.kafka.common.errors.KafkaStorageException: Can not create log for {name} because log \
                 directories {} are offline",
                shared.dirs.offline_paths()
            )));
        }
        let preferred = self.moves.take_preferred(name).map(|dir| &shared.dirs.all()[dir]);
        let preferred = preferred.and_then(|one| Some((one, one.online()?)));
        let Some((one, dir)) = preferred.or_else(|| shared.dirs.emptiest()) else {
            return Err(refused(&"No log directories available"));
        };
        let id = Some(role.topic_id).filter(|id| !id.is_zero());
        let log = dir.create(name, id, role.settings.log.clone(), shared.clock.now()).map_err(|error| {
            // A directory that is in the way says nothing of the disk.
            if error.source.kind() != std::io::ErrorKind::AlreadyExists {
                one.health().fail(&format!("Error while creating log for {name}"), &error);
            }
            refused(&error)
        })?;
        tracing::info!(
            target: "kafka.log.LogManager",
            "Created log for partition {name} in {} with properties {{{}}}",
            log.dir().display(), role.settings.overrides_text()
        );
        one.count();
        let partition = Partition::new(Some(role.topic_id), log, Arc::clone(one.health()), self.shared.clock);
        self.partitions.insert(name.clone(), partition);
        Ok(())
    }

    /// Stops a replica, and deletes its log if asked to.
    pub(crate) fn stop_replica(&mut self, topic_partition: &TopicPartition, delete: bool) -> Result<(), ErrorCode> {
        self.resign_coordinator(topic_partition);
        let Some(partition) = self.partitions.get_mut(topic_partition) else { return Ok(()) };
        if partition.has_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        if !delete {
            partition.replica.stop();
            return Ok(());
        }
        self.cancel_move(topic_partition);
        let Some(partition) = self.partitions.remove(topic_partition) else { return Ok(()) };
        self.traffic.gone.add(&partition.traffic);
        self.delete_log(partition.stop())
    }

    /// Renames a log's directory away and has it unlinked later.
    fn delete_log(&mut self, log: Log) -> Result<(), ErrorCode> {
        let shared = Arc::clone(&self.shared);
        let name = log.partition().clone();
        let one = shared.dirs.of(&log);
        let dir = one.online().ok_or(ErrorCode::KafkaStorageError)?;
        match dir.delete(log, crate::clock::random_bytes(), shared.clock.tick()) {
            Ok(removal) => {
                one.discount();
                self.removals.push(removal);
                Ok(())
            }
            Err(error) => {
                one.health().fail(&format!("Error while deleting log for {name}"), &error);
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// Tells every leader which brokers live.
    pub(crate) fn set_alive(&mut self, is_alive: impl Fn(BrokerId) -> bool) {
        for leader in self.partitions.look_mut().filter_map(|partition| partition.replica.leader_mut()) {
            leader.set_eligible(&is_alive);
        }
    }

    /// Appends records of a client.
    pub(crate) fn produce(
        &mut self,
        topic_partition: &TopicPartition,
        records: &Bytes,
        acks: Acks,
    ) -> Result<Produced, Refused> {
        let now = self.shared.clock.now();
        let produced = self.partition(topic_partition)?.append(now, records, acks, AppendOrigin::Client)?;
        self.after_commit(topic_partition);
        Ok(produced)
    }
}
