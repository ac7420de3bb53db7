//! What one shard owns: its partitions, and the group coordinators that live on them.

pub(crate) mod cleaning;
pub(crate) mod isr_updates;
pub(crate) mod partition;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use kafka_group_coordinator::{Event, Reply, Request};
use kafka_log::{AppendOrigin, FileRemoval, Log, LogDir};
use kafka_record::{BatchBuilder, BatchOptions};
use kafka_replication::{Leadership, Transition};
use kafka_types::{Acks, BrokerId, ErrorCode, LeaderEpoch, Offset, TopicPartition, Uuid};
use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::config::{Config, TopicSettings};
use crate::coordinators::{Append, Groups, OFFSETS_TOPIC};
use cleaning::Cleaning;
use partition::{Partition, Produced, Refused};

/// What every shard may use and nobody owns.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    pub(crate) dirs: Vec<LogDir>,
}

/// The state of one shard.
pub(crate) struct Owned {
    pub(crate) shared: Arc<Shared>,
    pub(crate) partitions: HashMap<TopicPartition, Partition>,
    pub(crate) groups: Groups,
    /// Told when the next deadline of a group may have become an earlier one.
    pub(crate) deadlines: Rc<Notify>,
    /// Directories of deleted partitions, to be unlinked when their time comes.
    pub(crate) removals: Vec<FileRemoval>,
}

/// What the controller says of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) topic_partition: TopicPartition,
    pub(crate) topic_id: Uuid,
    pub(crate) leader: BrokerId,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) leadership: Leadership,
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
            shared,
            partitions: HashMap::new(),
            groups: Groups::default(),
            deadlines: Rc::new(Notify::new()),
            removals: Vec::new(),
        }
    }

    /// Takes over a log that was recovered at the start, compacted as far as the checkpoint says.
    pub(crate) fn add(&mut self, log: Log, clean_to: Option<Offset>) {
        let mut partition = Partition::new(log.topic_id(), log);
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
        let offsets = &*topic_partition.topic == OFFSETS_TOPIC;
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
                if offsets {
                    self.groups.resign(topic_partition.partition);
                }
                Ok(RoleTaken::Follows)
            }
        }
    }

    fn make_log(&mut self, role: &Role) -> Result<(), ErrorCode> {
        let now = self.shared.clock.now();
        let dir = self.shared.emptiest_dir();
        match dir.create(
            &role.topic_partition,
            Some(role.topic_id).filter(|id| !id.is_zero()),
            role.settings.log.clone(),
            now,
        ) {
            Ok(log) => {
                tracing::info!(
                    target: "kafka.log.LogManager",
                    "Created log for partition {} in {} with properties {{{}}}",
                    role.topic_partition, log.dir().display(), role.settings.overrides_text()
                );
                self.partitions.insert(role.topic_partition.clone(), Partition::new(Some(role.topic_id), log));
                Ok(())
            }
            Err(error) => {
                tracing::error!(target: "kafka.log.LogManager", "Failed to create log for {}: {error}", role.topic_partition);
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// Stops a replica, and deletes its log if asked to.
    pub(crate) fn stop_replica(&mut self, topic_partition: &TopicPartition, delete: bool) -> Result<(), ErrorCode> {
        if &*topic_partition.topic == OFFSETS_TOPIC {
            self.groups.resign(topic_partition.partition);
        }
        let Some(mut partition) = self.partitions.remove(topic_partition) else { return Ok(()) };
        if !delete {
            partition.replica.stop();
            self.partitions.insert(topic_partition.clone(), partition);
            return Ok(());
        }
        let log = partition.stop();
        let shared = Arc::clone(&self.shared);
        let dir = shared.dir_of(&log);
        match dir.delete(log, crate::clock::random_bytes(), shared.clock.tick()) {
            Ok(removal) => {
                self.removals.push(removal);
                Ok(())
            }
            Err(error) => {
                tracing::error!(target: "kafka.log.LogManager", "Failed to delete the log of {topic_partition}: {error}");
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// Tells every leader which brokers live.
    pub(crate) fn set_alive(&mut self, is_alive: impl Fn(BrokerId) -> bool) {
        for leader in self.partitions.values_mut().filter_map(|partition| partition.replica.leader_mut()) {
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
        if &*topic_partition.topic == OFFSETS_TOPIC {
            self.after_commit(topic_partition.partition);
        }
        Ok(produced)
    }

    /// Hands a request to a group coordinator of this shard.
    pub(crate) fn ask_group(
        &mut self,
        partition: i32,
        request: Request,
        reply: oneshot::Sender<Reply>,
    ) -> Result<(), ErrorCode> {
        let now = self.shared.clock.now();
        let wanted = self.groups.request(now, partition, request, reply)?;
        self.append_for_group(partition, wanted);
        Ok(())
    }

    /// An event for all group coordinators of this shard.
    pub(crate) fn tell_groups(&mut self, event: &Event) {
        let now = self.shared.clock.now();
        for (partition, wanted) in self.groups.broadcast(now, event) {
            self.append_for_group(partition, wanted);
        }
    }

    /// Fires the deadlines of groups that are due.
    pub(crate) fn tick_groups(&mut self) {
        let now = self.shared.clock.now();
        for (partition, wanted) in self.groups.tick(now) {
            self.append_for_group(partition, wanted);
        }
    }

    /// A coordinator has replayed its log.
    pub(crate) fn group_loaded(&mut self, partition: i32, epoch: LeaderEpoch) {
        let now = self.shared.clock.now();
        let wanted = self.groups.loaded(now, partition, epoch);
        self.append_for_group(partition, wanted);
    }

    /// The high watermark of a partition of `__consumer_offsets` may have moved.
    pub(crate) fn after_commit(&mut self, partition: i32) {
        self.append_for_group(partition, Vec::new());
    }

    /// Appends what a coordinator wants, tells it what came of it, and so on until it wants nothing more.
    fn append_for_group(&mut self, partition: i32, wanted: Vec<Append>) {
        let now = self.shared.clock.now();
        let topic_partition = TopicPartition::new(OFFSETS_TOPIC, partition);
        let mut wanted = VecDeque::from(wanted);
        loop {
            while let Some(append) = wanted.pop_front() {
                let token = append.token;
                let result = self.append_group_records(&topic_partition, &append);
                wanted.extend(self.groups.appended(now, partition, token, result));
            }
            let Some(replica) = self.partitions.get(&topic_partition) else { break };
            let high_watermark = replica.log.high_watermark();
            wanted.extend(self.groups.committed(now, partition, high_watermark));
            if wanted.is_empty() {
                break;
            }
        }
        self.deadlines.notify_one();
    }

    /// First offset, and the offset after the last one.
    fn append_group_records(
        &mut self,
        topic_partition: &TopicPartition,
        append: &Append,
    ) -> Result<(Offset, Offset), ErrorCode> {
        let now = self.shared.clock.now();
        let mut options = BatchOptions::default();
        if let Some((producer_id, producer_epoch)) = append.producer {
            options.producer_id = producer_id;
            options.producer_epoch = producer_epoch;
            options.transactional = true;
        }
        let mut builder = BatchBuilder::new(options);
        for record in &append.records {
            builder
                .append(now.wall.0, Some(&record.key), record.value.as_deref(), &[])
                .map_err(|_| ErrorCode::RecordListTooLarge)?;
        }
        let produced = self
            .partition(topic_partition)?
            .append(now, &builder.finish(), Acks::All, AppendOrigin::Coordinator)
            .map_err(|refused| refused.code)?;
        Ok((produced.appended.first_offset, produced.appended.last_offset + 1))
    }
}

impl Shared {
    /// The directory that holds a log.
    pub(crate) fn dir_of(&self, log: &Log) -> &LogDir {
        let found = self.dirs.iter().find(|dir| log.dir().starts_with(dir.path()));
        found.unwrap_or(&self.dirs[0])
    }

    /// Where a new log goes: the directory with the fewest partitions.
    fn emptiest_dir(&self) -> &LogDir {
        let partitions = |dir: &&LogDir| dir.vfs().read_dir(dir.path()).map_or(usize::MAX, |entries| entries.len());
        if self.dirs.len() == 1 {
            return &self.dirs[0];
        }
        self.dirs.iter().min_by_key(partitions).unwrap_or(&self.dirs[0])
    }
}
