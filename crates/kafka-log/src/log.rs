//! One partition's log: its segments, its offsets and what is known of producers and epochs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};
use time_types::{Now, Tick, WallMillis};
use vfs::Vfs;

use crate::config::LogConfig;
use crate::epoch_cache::EpochCache;
use crate::error::{IoContext, LogError, ReadError, is_out_of_descriptors};
use crate::metadata_file::MetadataFile;
use crate::names;
use crate::producer_state::ProducerState;
use crate::segment::{Place, Segment};
use crate::snapshots::Snapshots;
use crate::sync::{Life, Unsynced};

mod append;
mod durable;
mod read;
mod truncate;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod mixed_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use append::Appended;
pub use read::{AbortedTransaction, Found, FoundTimestamp, LogPosition, OffsetQuery, Read, Slice};
pub use truncate::LogStartReason;
pub(crate) use truncate::{Between, Replay};

/// One partition's log. One owner appends, truncates and rolls; reading needs no exclusive access.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "log start and log end are Kafka's nouns")]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct Log {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    pub(crate) partition: TopicPartition,
    pub(crate) config: LogConfig,
    pub(crate) metadata: MetadataFile,
    /// Never empty; by base; the last one is active.
    pub(crate) segments: Vec<Segment>,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) recovery_point: Offset,
    pub(crate) producers: ProducerState,
    pub(crate) snapshots: Snapshots,
    pub(crate) epochs: EpochCache,
    pub(crate) unsynced: Unsynced,
    /// Names in the directory changed since the last sync.
    pub(crate) names_changed: bool,
    /// The active segment's indexes have the length of an active segment's.
    pub(crate) indexes_open: bool,
    pub(crate) life: Life,
    pub(crate) sync_running: bool,
    /// The disk failed: memory and disk may differ.
    pub(crate) failed: bool,
}

/// A producer as DescribeProducers tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of its last record, -1 if none is known.
    pub last_sequence: i32,
    /// Timestamp of its last batch or marker, -1 if none.
    pub last_timestamp: WallMillis,
    /// Epoch of the coordinator that last ended a transaction of it, -1 if none.
    pub coordinator_epoch: i32,
    /// Where its open transaction began.
    pub transaction_start: Option<Offset>,
}

impl Log {
    /// Which partition this is.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its topic's id, if one was ever assigned.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.metadata.topic_id()
    }

    /// Gives a log without topic id one; `false` if it has another. It is written before the next append and becomes
    /// durable with its records.
    pub fn assign_topic_id(&mut self, id: Uuid) -> bool {
        self.metadata.assign(id)
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings, from the next append on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// Offset of the first record.
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// Offset that the next record will get.
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Records below are committed.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Moves the high watermark, within log start and log end; returns where it is now.
    pub fn set_high_watermark(&mut self, offset: Offset) -> Offset {
        self.high_watermark = offset.clamp(self.log_start, self.log_end);
        self.producers.on_high_watermark(self.high_watermark);
        self.high_watermark
    }

    /// Records below belong to no open transaction and are committed (LSO).
    pub fn last_stable_offset(&self) -> Offset {
        let unstable = self.producers.first_unstable().map(|first| first.max(self.log_start));
        unstable.map_or(self.high_watermark, |first| first.min(self.high_watermark))
    }

    /// Everything below survives a power loss.
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Where the log end is.
    pub fn end_position(&self) -> LogPosition {
        LogPosition { segment: self.active().base(), bytes: self.active().len() }
    }

    /// Offset where the active segment begins.
    pub fn active_base(&self) -> Offset {
        self.active().base()
    }

    /// The epoch that began last, if any.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// The epochs that are known and where each began, oldest first.
    pub fn epochs(&self) -> &[(LeaderEpoch, Offset)] {
        self.epochs.entries()
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.epoch_of(offset)
    }

    /// This broker leads from now on, or learns that another does: `epoch` begins at `start`.
    pub fn assign_epoch(&mut self, now: Now, epoch: LeaderEpoch, start: Offset) {
        if self.epochs.assign(epoch, start) {
            self.unsynced.since.get_or_insert(now.tick);
        }
    }

    /// The largest epoch that is not above `epoch`, and the offset after its last record (KIP-101, KIP-279). `None`:
    /// not known.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.end_of(epoch, self.log_end)
    }

    /// The producers that are known.
    pub fn active_producers(&self) -> impl Iterator<Item = ActiveProducer> {
        self.producers.producers().map(|producer| ActiveProducer {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            last_sequence: producer.last_sequence(),
            last_timestamp: WallMillis(producer.last_timestamp),
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: producer.transaction,
        })
    }

    /// Has the producer written to this log in a transaction of this epoch that is open?
    pub fn has_open_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.producers.has_open_transaction(id, epoch)
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: WallMillis) {
        self.producers.expire(now, self.config.producer_id_expiration_ms);
    }

    /// Closes the active segment and begins a new one at the log end. Does nothing if the active one is empty.
    pub fn roll(&mut self, now: Now) -> Result<(), ReadError> {
        if self.active().len() == 0 {
            return Ok(());
        }
        self.roll_at(self.log_end, now.wall)
    }

    pub(crate) fn roll_at(&mut self, base: Offset, now: WallMillis) -> Result<(), ReadError> {
        if self.active().base() == base {
            // An index is full although there is no batch: settings made it too small for even one entry.
            let segment = Segment::create(self.place(), base, &self.config, now)?;
            self.segments.pop();
            self.segments.push(segment);
            return Ok(());
        }
        let config = self.config.clone();
        self.active_mut().close(&config)?;
        self.producers.set_end(base);
        self.snapshots.write(&self.producers)?;
        let segment = Segment::create(self.place(), base, &self.config, now)?;
        self.segments.push(segment);
        self.names_changed = true;
        self.indexes_open = true;
        tracing::info!(
            target: "org.apache.kafka.storage.internals.log.LocalLog",
            "[LocalLog partition={}, dir={}] Rolled new log segment at offset {base}",
            self.partition,
            self.parent().display()
        );
        Ok(())
    }

    /// Renames the directory, durably.
    pub(crate) fn rename_dir(&mut self, to: PathBuf) -> Result<(), LogError> {
        let renamed = vfs::durable::rename(&*self.vfs, &self.dir, &to).context("renaming", &self.dir);
        self.guard(renamed)?;
        self.segments.iter_mut().for_each(|segment| segment.set_dir(&to));
        self.snapshots.set_dir(to.clone());
        self.dir = to;
        Ok(())
    }

    /// Takes over what followers do not learn from batches: epochs that have none, high watermark, log start. To be
    /// called when both logs end at the same offset.
    pub fn adopt(&mut self, now: Now, current: &Log) -> Result<(), ReadError> {
        for (epoch, start) in current.epochs() {
            self.assign_epoch(now, *epoch, *start);
        }
        self.set_high_watermark(current.high_watermark());
        self.advance_log_start(now, current.log_start(), LogStartReason::LeaderOffsetIncremented)?;
        Ok(())
    }

    pub(crate) fn active(&self) -> &Segment {
        self.segments.last().expect("a log has at least one segment")
    }

    pub(crate) fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log has at least one segment")
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place { vfs: &self.vfs, dir: &self.dir, index_bytes: self.config.segment_index_bytes, suffix: "" }
    }

    /// The log directory that this log's directory lies in.
    pub(crate) fn parent(&self) -> PathBuf {
        vfs::durable::parent_of(&self.dir)
    }

    /// Which segment holds `offset`: the last one whose base is not above it.
    pub(crate) fn segment_of(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base() <= offset).saturating_sub(1)
    }

    /// Where a segment ends: the base of the next one, or the log end.
    pub(crate) fn end_of_segment(&self, index: usize) -> Offset {
        self.segments.get(index + 1).map_or(self.log_end, Segment::base)
    }

    pub(crate) fn check_usable(&self) -> Result<(), LogError> {
        if !self.failed {
            return Ok(());
        }
        let source = std::io::Error::other("an earlier write to this log failed");
        Err(LogError { action: "writing", path: self.dir.clone(), source })
    }

    /// Remembers a failure of the disk: nothing is written any more.
    pub(crate) fn guard<T, E>(&mut self, result: Result<T, E>) -> Result<T, E> {
        self.failed |= result.is_err();
        result
    }

    /// The same for what comes before anything is written: without a descriptor left, nothing has changed yet and all of
    /// it may be tried again.
    pub(crate) fn guard_opening<T, E: std::error::Error + 'static>(&mut self, result: Result<T, E>) -> Result<T, E> {
        self.failed |= result.as_ref().is_err_and(|error| !is_out_of_descriptors(error));
        result
    }

    /// How long a file that was renamed away has to stay.
    pub(crate) fn removal_due(&self, now: Tick) -> Tick {
        now.after(self.config.file_delete_delay_ms)
    }

    /// `<path>.deleted`: the next start removes it if nobody did before.
    pub(crate) fn deleted_name(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(names::DELETED);
        PathBuf::from(name)
    }
}
