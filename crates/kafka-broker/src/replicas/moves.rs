//! Logs on their way from one log directory to another (AlterReplicaLogDirs): the part of the shard that owns them.
//!
//! A future log is filled as a follower's is, and takes the place of the current one when both end at the same offset.
//! Until then the current one serves, so a move may be given up at any moment.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_log::{AppendError, Log, ReadError, Slice, SyncDone, SyncJob};
use kafka_types::{ErrorCode, Offset, TopicPartition};
use time_types::Now;

use super::Owned;
use super::cleaning::Cleaning;
use super::partition::Partition;

/// Bytes that are copied at once, at the end of a move or to look into a batch.
const CHUNK: u64 = 1 << 20;

/// The moves of a shard.
#[derive(Default)]
pub(crate) struct Moves {
    running: HashMap<TopicPartition, Move>,
    /// Where a partition goes that is not here yet.
    preferred: HashMap<TopicPartition, usize>,
    begun: u64,
}

/// One of them.
struct Move {
    future: Log,
    /// Index of the directory it goes to.
    to: usize,
    /// Tells it from earlier moves of the same partition.
    id: MoveId,
}

/// Which move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MoveId(u64);

/// What the task that moves a log has to do next.
pub(crate) enum Step {
    /// Read these bytes and bring them back.
    Read(Slice),
    /// All is there: sync it.
    Sync(Box<SyncJob>),
    /// All is there and synced: take its place.
    Swap,
    /// Look again: something was put right.
    Again,
    /// The move is over, one way or the other.
    Over,
}

/// What became of the attempt to take the current log's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swapped {
    /// Done.
    Done,
    /// The cleaner is at work on the current log.
    Later,
    /// The move is over without that.
    Over,
}

/// What DescribeLogDirs tells of one log.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) dir: usize,
    pub(crate) partition: TopicPartition,
    pub(crate) size: u64,
    /// Records that it is behind: a future log behind the current one.
    pub(crate) lag: i64,
    pub(crate) is_future: bool,
}

impl Moves {
    /// Where a partition that is to be made goes, if somebody said so.
    pub(crate) fn take_preferred(&mut self, name: &TopicPartition) -> Option<usize> {
        self.preferred.remove(name)
    }

    /// Takes all future logs away: the shard ends.
    pub(crate) fn take_all(&mut self) -> Vec<Log> {
        std::mem::take(&mut self.running).into_values().map(|one| one.future).collect()
    }

    fn get(&mut self, name: &TopicPartition, id: MoveId) -> Option<&mut Move> {
        self.running.get_mut(name).filter(|one| one.id == id)
    }

    fn begin(&mut self, future: Log, to: usize) -> MoveId {
        self.begun += 1;
        let id = MoveId(self.begun);
        self.running.insert(future.partition().clone(), Move { future, to, id });
        id
    }
}

impl Owned {
    /// A client wants a replica in directory `to`: the move that has begun, if there is something to move.
    ///
    /// # Errors
    /// `REPLICA_NOT_AVAILABLE` if there is no such replica (it is made there when it comes), `KAFKA_STORAGE_ERROR` if it,
    /// or the directory, is offline.
    pub(crate) fn alter_dir(&mut self, name: &TopicPartition, to: usize) -> Result<Option<MoveId>, ErrorCode> {
        let shared = Arc::clone(&self.shared);
        let target = &shared.dirs.all()[to];
        let dir = target.online().ok_or(ErrorCode::KafkaStorageError)?;
        if self.partitions.get(name).is_some_and(Partition::has_failed) {
            return Err(ErrorCode::KafkaStorageError);
        }
        if self.moves.running.get(name).is_some_and(|one| one.to != to) {
            self.cancel_move(name);
        }
        let Some(partition) = self.partitions.get(name) else {
            self.moves.preferred.insert(name.clone(), to);
            return Err(ErrorCode::ReplicaNotAvailable);
        };
        if shared.dirs.index_of(&partition.log) == to || self.moves.running.contains_key(name) {
            return Ok(None);
        }
        let config = partition.log.config().clone();
        let made = dir.create_future(&partition.log, config, crate::clock::random_bytes(), shared.clock.now());
        let future = made.map_err(|error| {
            target.health().fail(&format!("Error while creating log for {name}"), &error);
            ErrorCode::KafkaStorageError
        })?;
        tracing::info!(target: "kafka.log.LogManager", "Created log for partition {name} in {} as its future replica", future.dir().display());
        target.count();
        Ok(Some(self.moves.begin(future, to)))
    }

    /// A future log that an earlier life of the broker left: the move goes on, or the log goes if it has no business.
    pub(crate) fn resume_move(&mut self, future: Log) -> Option<MoveId> {
        let shared = Arc::clone(&self.shared);
        let to = shared.dirs.index_of(&future);
        if self.partitions.get(future.partition()).is_none() && shared.dirs.any_offline() {
            // What it is copied from may lie on a disk that never comes back.
            tracing::warn!(
                target: "kafka.log.LogManager",
                "{} is left alone: the log that it was to replace is not here, and a log directory is offline",
                future.dir().display()
            );
            return None;
        }
        shared.dirs.all()[to].count();
        let current = self.partitions.get(future.partition()).map(|partition| shared.dirs.index_of(&partition.log));
        let known = self.moves.running.contains_key(future.partition());
        if current.is_none_or(|current| current == to) || known {
            // Failures are told where they happen.
            let _ = self.delete_log(future);
            return None;
        }
        Some(self.moves.begin(future, to))
    }

    /// Gives a move up; its future log goes.
    pub(crate) fn cancel_move(&mut self, name: &TopicPartition) {
        let Some(one) = self.moves.running.remove(name) else { return };
        tracing::info!(target: "kafka.log.LogManager", "The move of {name} to {} is given up", one.future.dir().display());
        let _ = self.delete_log(one.future);
    }

    /// Forgets the moves that had to do with a directory that has failed; their names.
    pub(crate) fn forget_moves(&mut self, failed: usize) -> Vec<TopicPartition> {
        let mut names: Vec<TopicPartition> = Vec::new();
        let (shared, partitions) = (&self.shared, &self.partitions);
        self.moves.running.retain(|name, one| {
            let from = partitions.get(name).map(|partition| shared.dirs.index_of(&partition.log));
            let over = one.to == failed || from == Some(failed);
            if over {
                names.push(name.clone());
            }
            !over
        });
        names.sort();
        names
    }

    /// What is to be done next for a move; at most so many bytes are to be read (but a whole batch).
    pub(crate) fn step_move(&mut self, name: &TopicPartition, id: MoveId, bytes: u64) -> Step {
        let now = self.shared.clock.now();
        let Some(partition) = self.partitions.get(name) else { return Step::Over };
        let Some(one) = self.moves.get(name, id) else { return Step::Over };
        match next_step(now, &partition.log, &mut one.future, bytes) {
            Ok(step) => step,
            Err(error) => {
                self.move_failed(name, &error);
                Step::Over
            }
        }
    }

    /// The bytes of a [`Step::Read`] are there.
    pub(crate) fn fill_move(&mut self, name: &TopicPartition, id: MoveId, records: std::io::Result<Bytes>) -> Step {
        let now = self.shared.clock.now();
        let records = match records {
            Ok(records) => records,
            Err(error) => {
                if let Some(partition) = self.partitions.get_mut(name) {
                    partition.fail(&error);
                }
                return Step::Over;
            }
        };
        let Some(one) = self.moves.get(name, id) else { return Step::Over };
        match fill(now, &mut one.future, &records) {
            Ok(()) => Step::Again,
            Err(error) => {
                self.move_failed(name, &error);
                Step::Over
            }
        }
    }

    /// The sync of a [`Step::Sync`] is done.
    pub(crate) fn move_synced(&mut self, name: &TopicPartition, id: MoveId, done: SyncDone) {
        let Some(one) = self.moves.get(name, id) else { return };
        if let Err(error) = one.future.on_synced(done) {
            self.move_failed(name, &error.into());
        }
    }

    /// Puts the future log in the place of the current one, which goes. What came since the last step is copied first,
    /// so that both end at the same offset; nothing else happens on this shard meanwhile.
    pub(crate) fn swap_move(&mut self, name: &TopicPartition, id: MoveId) -> Swapped {
        let now = self.shared.clock.now();
        let shared = Arc::clone(&self.shared);
        let Some(partition) = self.partitions.get_mut(name).filter(|partition| !partition.has_failed()) else {
            return Swapped::Over;
        };
        if partition.cleaning.is_running() {
            return Swapped::Later;
        }
        let Some(one) = self.moves.get(name, id) else { return Swapped::Over };
        let target = &shared.dirs.all()[one.to];
        let Some(dir) = target.online() else { return Swapped::Over };
        let promoted = finish(now, &partition.log, &mut one.future)
            .and_then(|()| dir.promote(&mut one.future).map_err(|error| MoveError::Future(error.into())));
        if let Err(error) = promoted {
            self.move_failed(name, &error);
            return Swapped::Over;
        }
        let Some(one) = self.moves.running.remove(name) else { return Swapped::Over };
        let mut future = one.future;
        future.set_config(partition.log.config().clone());
        let old = partition.replace_log(future, Arc::clone(target.health()));
        // What is in the new place was never compacted there.
        partition.cleaning = Cleaning::default();
        tracing::info!(
            target: "kafka.log.LogManager",
            "The current replica is successfully replaced with the future replica for {name}"
        );
        let _ = self.delete_log(old);
        Swapped::Done
    }

    fn move_failed(&mut self, name: &TopicPartition, error: &MoveError) {
        match error {
            MoveError::Current(error) => {
                if let Some(partition) = self.partitions.get_mut(name) {
                    partition.fail(error);
                }
                self.cancel_move(name);
            }
            MoveError::Future(error) => {
                let Some(one) = self.moves.running.remove(name) else { return };
                let target = &self.shared.dirs.all()[one.to];
                target.health().fail(&format!("Error while moving {name}"), error);
            }
            MoveError::Stuck(what) => {
                tracing::error!(target: "kafka.server.ReplicaAlterLogDirsThread", "{name} cannot be moved: {what}");
                self.cancel_move(name);
            }
        }
    }

    /// Every log here that `wanted` accepts.
    pub(crate) fn describe_logs(&self, wanted: impl Fn(&TopicPartition) -> bool) -> Vec<Described> {
        let mut found = Vec::new();
        for partition in self.partitions.values().filter(|one| wanted(&one.topic_partition)) {
            let log = &partition.log;
            let describe = |log: &Log, lag: i64, is_future: bool| Described {
                dir: self.shared.dirs.index_of(log),
                partition: log.partition().clone(),
                size: log.size(),
                lag,
                is_future,
            };
            found.push(describe(log, (log.high_watermark() - log.log_end()).max(0), false));
            if let Some(one) = self.moves.running.get(&partition.topic_partition) {
                found.push(describe(&one.future, log.log_end() - one.future.log_end(), true));
            }
        }
        found
    }
}

/// Why a move cannot go on.
enum MoveError {
    /// The log that is copied cannot be read.
    Current(ReadError),
    /// The disk failed under the future log.
    Future(ReadError),
    /// Neither: what is in the current log is not taken by the future one.
    Stuck(String),
}

impl From<kafka_log::LogError> for MoveError {
    fn from(error: kafka_log::LogError) -> MoveError {
        MoveError::Future(error.into())
    }
}

fn next_step(now: Now, current: &Log, future: &mut Log, bytes: u64) -> Result<Step, MoveError> {
    if future.log_end() > current.log_end() {
        // Records were taken back.
        truncate(future.truncate_to(now, current.log_end()))?;
        return Ok(Step::Again);
    }
    if future.log_end() < current.log_start() {
        // New, or retention was faster.
        let start = first_batch(current)?;
        if start > future.log_end() {
            truncate(future.truncate_fully(now, start).map(Some))?;
        }
    }
    if let Some(slice) = chunk(current, future.log_end(), bytes)? {
        return Ok(Step::Read(slice));
    }
    match future.sync_job()? {
        Some(job) => Ok(Step::Sync(Box::new(job))),
        None => Ok(Step::Swap),
    }
}

fn truncate(removal: Result<Option<kafka_log::FileRemoval>, ReadError>) -> Result<(), MoveError> {
    match removal {
        // Nobody reads a future log: what was put away goes at once.
        Ok(removal) => removal.map_or(Ok(()), |removal| removal.run()).map_err(MoveError::from),
        Err(error) => Err(MoveError::Future(error)),
    }
}

/// Where the batch begins that holds the log start: it is copied whole.
fn first_batch(current: &Log) -> Result<Offset, MoveError> {
    let Some(slice) = chunk(current, current.log_start(), 1)? else { return Ok(current.log_start()) };
    let bytes = slice.read().map_err(|error| MoveError::Stuck(error.to_string()))?;
    let first = kafka_record::batches(&bytes).next();
    let first = first.and_then(Result::ok).map(|batch| batch.first_known_offset());
    Ok(first.unwrap_or(current.log_start()))
}

/// Batches from `offset` on, the first one whole; `None` at the end of the log.
fn chunk(current: &Log, offset: Offset, bytes: u64) -> Result<Option<Slice>, MoveError> {
    let offset = offset.max(current.log_start());
    current.read(offset, bytes, current.log_end(), true).map(|read| read.slice).map_err(MoveError::Current)
}

fn fill(now: Now, future: &mut Log, records: &[u8]) -> Result<(), MoveError> {
    match future.append_as_follower(now, records) {
        Ok(_) => Ok(()),
        Err(AppendError::Storage(error)) => Err(error.into()),
        Err(other) => Err(MoveError::Stuck(other.to_string())),
    }
}

/// Brings a future log that was at the end a moment ago to the end, synced as far as the current one is.
fn finish(now: Now, current: &Log, future: &mut Log) -> Result<(), MoveError> {
    while future.log_end() < current.log_end() {
        let Some(slice) = chunk(current, future.log_end(), CHUNK)? else {
            return Err(MoveError::Stuck("its end cannot be reached".to_owned()));
        };
        let records = slice.read().map_err(|error| MoveError::Stuck(error.to_string()))?;
        fill(now, future, &records)?;
    }
    future.adopt(now, current).map_err(MoveError::Future)?;
    if current.recovery_point() > future.recovery_point() {
        future.flush()?;
    }
    Ok(())
}
