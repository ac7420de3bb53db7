//! One partition's log: append, read, truncate, roll.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kafka_types::{LeaderEpoch, Offset, ProducerId, TopicPartition, Uuid};
use time_types::{Now, Tick, WallMillis};
use vfs::File;

use crate::config::LogConfig;
use crate::error::{AppendError, LogError, ReadError};
use crate::removal::FileRemoval;
use crate::sync::{SyncDone, SyncJob, Unsynced};

/// Who appends, which decides how much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator of this broker writes to its own topic, or a transaction marker: control batches are allowed and
    /// sequences are not checked.
    Coordinator,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The timestamp that all records got, if the topic uses `LogAppendTime`.
    pub log_append_time: Option<WallMillis>,
    /// The log start.
    pub log_start: Offset,
    /// The records were here already (a producer's retry); the offsets are the old ones and nothing was written.
    pub duplicate: bool,
    /// Bytes written.
    pub bytes: usize,
    /// Records written, control records included.
    pub records: i64,
}

/// Bytes of a segment. They never change: what is above the log end is not handed out, and a file that is removed lives
/// as long as this does. (A follower that truncates cuts only what no consumer could see.)
#[derive(Debug, Clone)]
pub struct Slice {
    /// The segment.
    pub file: Arc<dyn File>,
    /// First byte.
    pub position: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Slice {
    /// Reads the bytes into memory.
    pub fn read(&self) -> std::io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(self.len).map_err(std::io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes.into())
    }
}

/// A transaction of which records in a read range are not to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Where it began in this partition.
    pub first_offset: Offset,
}

/// The answer to a read.
#[derive(Debug, Clone)]
pub struct Read {
    /// Batches from the one that holds the offset on; the last one may be cut. `None`: nothing below the bound.
    pub slice: Option<Slice>,
    /// The first batch is larger than what was asked for and `slice` is cut inside it (only without `min_one`).
    pub first_batch_incomplete: bool,
}

/// Why the log start moves; becomes part of Apache's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStartReason {
    /// Old segments were removed.
    SegmentDeletion,
    /// A client asked for it.
    ClientRecordDeletion,
    /// The leader's log starts there.
    LeaderOffsetIncremented,
}

/// What ListOffsets asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The first record whose timestamp is this or later.
    At(WallMillis),
    /// -1: the bound that the caller gives (high watermark or last stable offset).
    Latest,
    /// -2: the log start.
    Earliest,
    /// -3: the record with the largest timestamp.
    MaxTimestamp,
    /// -4: the earliest offset on local disk; the log start, as nothing is tiered.
    EarliestLocal,
    /// -5: the last offset in tiered storage; never there.
    LatestTiered,
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundTimestamp {
    /// Its timestamp; -1 for the ends of the log.
    pub timestamp: WallMillis,
    /// Its offset.
    pub offset: Offset,
    /// The epoch of its batch, `NONE` if not known.
    pub leader_epoch: LeaderEpoch,
}

/// Answer to [`Log::offset_for`].
pub type Found = Option<FoundTimestamp>;

/// One partition's log.
#[derive(Debug)]
pub struct Log {
    config: LogConfig,
    partition: TopicPartition,
}

#[expect(unused_variables, clippy::needless_pass_by_value, clippy::unused_self, reason = "bodies follow")]
impl Log {
    /// Which partition this is.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        todo!()
    }

    /// Its topic's id, if one was ever assigned.
    pub fn topic_id(&self) -> Option<Uuid> {
        todo!()
    }

    /// Gives a log without topic id one. The id must not differ from the one that is there.
    pub fn assign_topic_id(&mut self, id: Uuid) -> Result<(), LogError> {
        todo!()
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings, from the next append on.
    pub fn set_config(&mut self, config: LogConfig) {
        todo!()
    }

    /// Offset of the first record.
    pub fn log_start(&self) -> Offset {
        todo!()
    }

    /// Offset that the next record will get.
    pub fn log_end(&self) -> Offset {
        todo!()
    }

    /// Records below are committed.
    pub fn high_watermark(&self) -> Offset {
        todo!()
    }

    /// Moves the high watermark, within log start and log end; returns where it is now.
    pub fn set_high_watermark(&mut self, offset: Offset) -> Offset {
        todo!()
    }

    /// Records below belong to no open transaction and are committed (LSO).
    pub fn last_stable_offset(&self) -> Offset {
        todo!()
    }

    /// Everything below survives a power loss.
    pub fn recovery_point(&self) -> Offset {
        todo!()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        todo!()
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        todo!()
    }

    /// Checks `records` as a leader does, gives them offsets, this epoch and (by configuration) this time, and writes
    /// them. If the buffer is not shared, nothing is copied.
    pub fn append_as_leader(
        &mut self,
        now: Now,
        records: Bytes,
        epoch: LeaderEpoch,
        origin: AppendOrigin,
    ) -> Result<Appended, AppendError> {
        todo!()
    }

    /// Writes batches as the leader sent them, with the offsets and epochs they carry. A cut last batch is ignored.
    pub fn append_as_follower(&mut self, now: Now, records: Bytes) -> Result<Appended, AppendError> {
        todo!()
    }

    /// Batches from the one that holds `offset`, at most `max_bytes` of them (but the whole first one if `min_one`),
    /// below `bound` (high watermark, last stable offset or log end; exclusive).
    pub fn read(&self, offset: Offset, max_bytes: u64, bound: Offset, min_one: bool) -> Result<Read, ReadError> {
        todo!()
    }

    /// The aborted transactions that overlap what `read` returned for `offset`; `read_committed` consumers need them.
    pub fn aborted_transactions(&self, offset: Offset, read: &Read) -> Result<Vec<AbortedTransaction>, ReadError> {
        todo!()
    }

    /// Answers ListOffsets. `bound` is the high watermark, the last stable offset or (for followers) the log end.
    pub fn offset_for(&self, query: OffsetQuery, bound: Offset) -> Result<Found, ReadError> {
        todo!()
    }

    /// The epoch of the last record, if any.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        todo!()
    }

    /// This broker leads from now on: `epoch` begins at `start`.
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch, start: Offset) -> Result<(), LogError> {
        todo!()
    }

    /// The largest epoch that is not above `epoch`, and the offset after its last record. `None`: not known.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        todo!()
    }

    /// Removes everything from `offset` on; `false` if there is nothing to remove.
    pub fn truncate_to(&mut self, now: Now, offset: Offset) -> Result<bool, LogError> {
        todo!()
    }

    /// Removes everything and starts anew at `offset`.
    pub fn truncate_fully(&mut self, now: Now, offset: Offset) -> Result<FileRemoval, LogError> {
        todo!()
    }

    /// Forgets records below `offset`; `false` if they are forgotten already. It must not be above the high watermark.
    pub fn advance_log_start(&mut self, offset: Offset, reason: LogStartReason) -> Result<bool, ReadError> {
        todo!()
    }

    /// Closes the active segment and begins a new one at the log end.
    pub fn roll(&mut self, now: Now) -> Result<(), LogError> {
        todo!()
    }

    /// Takes away the segments that retention does not keep. The removal, if any, unlinks them.
    pub fn apply_retention(&mut self, now: Now) -> Result<Option<FileRemoval>, LogError> {
        todo!()
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: WallMillis) {
        todo!()
    }

    /// What a power loss could take.
    pub fn unsynced(&self) -> Unsynced {
        todo!()
    }

    /// What has to be synced so that the recovery point moves to the log end; `None` if nothing is new or a job runs.
    pub fn sync_job(&mut self) -> Result<Option<SyncJob>, LogError> {
        todo!()
    }

    /// A job is done; returns the recovery point.
    pub fn on_synced(&mut self, done: SyncDone) -> Result<Offset, LogError> {
        todo!()
    }

    /// Syncs everything at once.
    pub fn flush(&mut self) -> Result<(), LogError> {
        todo!()
    }

    /// Syncs everything, trims the indexes, writes the producer snapshot. Returns the recovery point (the log end).
    /// To be followed by [`crate::LogDir::write_clean_marker`] when all logs are closed.
    pub fn close(self) -> Result<Offset, LogError> {
        todo!()
    }

    /// Time by which a sync should be made by `flush.ms`; `None` if there is nothing to sync or no such setting.
    pub fn flush_deadline(&self) -> Option<Tick> {
        todo!()
    }
}
