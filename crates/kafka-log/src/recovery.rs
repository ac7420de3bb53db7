//! From what lies on disk to a log that may be used: the only way to open one.
//!
//! Order: finish or undo interrupted renames; open segments, making missing or odd indexes anew; without the
//! clean-shutdown marker, check what lies at or above the recovery point batch by batch and cut at the first damage;
//! then epochs, then producers.
//!
//! Below the recovery point everything was synced, indexes included. So a segment that holds the recovery point keeps
//! its index entries below it, and only what follows is read and checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_types::{LeaderEpoch, Offset, TopicPartition, Uuid};
use time_types::Now;
use vfs::Vfs;

use crate::config::LogConfig;
use crate::epoch_cache::{self, EpochCache};
use crate::error::{IoContext, LoadError, ReadError};
use crate::log::{Log, Replay};
use crate::log_dir::CleanShutdown;
use crate::metadata_file::MetadataFile;
use crate::names;
use crate::offset_index;
use crate::producer_state::ProducerState;
use crate::removal::remove;
use crate::segment::{Place, Segment};
use crate::snapshots::Snapshots;
use crate::sync::{Life, Unsynced};
use crate::time_index;
use crate::walk::{WINDOW_HEADERS, WINDOW_SCAN, WalkError};

mod leftovers;

/// A partition's directory that has not been looked into.
#[derive(Debug)]
pub struct UnrecoveredLog {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    pub(crate) partition: TopicPartition,
    pub(crate) shutdown: CleanShutdown,
    pub(crate) recovery_point: Offset,
    pub(crate) log_start: Offset,
    pub(crate) high_watermark: Offset,
    /// Records below were compacted, whatever the policy is now: between segments there may be holes.
    pub(crate) compacted_to: Offset,
}

impl UnrecoveredLog {
    /// Which partition it is.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The topic id in `partition.metadata`, if there is one.
    pub fn topic_id(&self) -> Result<Option<Uuid>, LoadError> {
        Ok(MetadataFile::load(&*self.vfs, &self.dir)?.topic_id())
    }

    /// Finishes or undoes what was interrupted, checks what was not synced, cuts what is torn.
    pub fn recover(self, config: LogConfig, now: Now) -> Result<Log, LoadError> {
        let metadata = MetadataFile::load(&*self.vfs, &self.dir);
        let (epochs, epochs_known) = self.load_epochs()?;
        let listing = leftovers::tidy(&*self.vfs, &self.dir, &self.prefix())?;
        let snapshots = Snapshots::new(self.vfs.clone(), self.dir.clone(), self.partition.clone(), listing.snapshots);
        let mut recovery =
            Recovery { of: &self, config: &config, now, epochs, snapshots, segments: Vec::new(), trusted_to: None };
        recovery.open_segments(&listing.segments)?;
        let log_end = recovery.check_segments()?;
        let never_synced = self.recovery_point == Offset(0) && self.shutdown != CleanShutdown::Yes;
        let mut metadata = metadata.or_else(|error| match error {
            // Nobody waits for the disk before the first sync.
            LoadError::Malformed { .. } if log_end == Offset(0) || never_synced => Ok(MetadataFile::absent()),
            error => Err(error),
        })?;
        if !epochs_known {
            recovery.find_epochs()?;
        }
        let producers = recovery.producers(log_end)?;
        let log_start = self.log_start.max(recovery.segments[0].base());
        let Recovery { mut epochs, snapshots, segments, trusted_to, .. } = recovery;
        // An epoch may begin at the log end: its leader has not written yet.
        epochs.truncate_from_end(log_end + 1);
        epochs.truncate_from_start(log_start);
        let recovery_point = match self.shutdown {
            CleanShutdown::Yes if trusted_to.is_none() => log_end,
            _ => self.recovery_point.min(log_end),
        };
        if log_end == Offset(0) || recovery_point < log_end {
            metadata.doubt();
        }
        let unsynced = unsynced_of(&segments, recovery_point, log_end, epochs.is_changed(), now);
        let mut log = Log {
            vfs: self.vfs,
            dir: self.dir,
            partition: self.partition,
            config,
            metadata,
            segments,
            log_start,
            log_end,
            high_watermark: log_start,
            recovery_point,
            producers,
            snapshots,
            epochs,
            unsynced,
            names_changed: unsynced.since.is_some(),
            indexes_open: false,
            life: Life::begin(),
            sync_running: false,
            failed: false,
        };
        log.set_high_watermark(self.high_watermark);
        log.release_all_files();
        Ok(log)
    }

    /// The epochs, and whether the file tells any: one that is missing, empty or cannot be understood does not.
    fn load_epochs(&self) -> Result<(EpochCache, bool), LoadError> {
        let path = self.dir.join(epoch_cache::FILE_NAME);
        match self.vfs.read(&path) {
            Ok(bytes) => match EpochCache::decode(&path, &bytes) {
                Ok(epochs) => {
                    let known = !epochs.entries().is_empty();
                    Ok((epochs, known))
                }
                Err(error) => {
                    tracing::warn!(
                        target: "kafka.log.LogLoader",
                        "{} {error}; the epochs are taken from the batches",
                        self.prefix()
                    );
                    Ok((EpochCache::default(), false))
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((EpochCache::default(), false)),
            Err(error) => Err(error).context("reading", &path).map_err(LoadError::Storage),
        }
    }

    /// `[LogLoader partition=.., dir=..]`, as Apache's lines begin.
    fn prefix(&self) -> String {
        let parent = vfs::durable::parent_of(&self.dir);
        format!("[LogLoader partition={}, dir={}]", self.partition, parent.display())
    }
}

/// What lies above the recovery point counts as new, so that it is synced soon.
fn unsynced_of(segments: &[Segment], point: Offset, end: Offset, epochs_changed: bool, now: Now) -> Unsynced {
    if point >= end {
        return Unsynced { since: epochs_changed.then_some(now.tick), ..Unsynced::default() };
    }
    let first = segments.partition_point(|segment| segment.base() <= point).saturating_sub(1);
    let bytes = segments[first..].iter().map(Segment::len).sum();
    Unsynced { bytes, records: end - point, since: Some(now.tick) }
}

/// A recovery under way.
struct Recovery<'a> {
    of: &'a UnrecoveredLog,
    config: &'a LogConfig,
    now: Now,
    epochs: EpochCache,
    snapshots: Snapshots,
    segments: Vec<Segment>,
    /// Something was checked and perhaps changed from this offset on; snapshots above it are not trusted.
    trusted_to: Option<Offset>,
}

impl Recovery<'_> {
    fn place(&self) -> Place<'_> {
        Place { vfs: &self.of.vfs, dir: &self.of.dir, index_bytes: self.config.segment_index_bytes, suffix: "" }
    }

    fn distrust_from(&mut self, offset: Offset) {
        self.trusted_to = Some(self.trusted_to.map_or(offset, |known| known.min(offset)));
    }

    /// Opens what is there; a closed segment whose indexes are missing or have an odd length gets new ones.
    fn open_segments(&mut self, bases: &BTreeMap<Offset, leftovers::Indexes>) -> Result<(), LoadError> {
        for (&base, indexes) in bases {
            let mut segment = Segment::existing(self.place(), base, indexes.lens(), self.now.wall)?;
            if !indexes.are_usable() {
                // The batches are not doubted, nor is the transaction index: it is no part of what is missing.
                segment.reset_indexes((0, 0), Offset(i64::MAX))?;
                tracing::error!(
                    target: "kafka.log.LogLoader",
                    "{} Could not find offset index file corresponding to log file {}, recovering segment and \
                     rebuilding index files...",
                    self.of.prefix(),
                    segment.path().display()
                );
                self.check_segment(&mut segment, base)?;
                segment.close(self.config)?;
            }
            if indexes.aborted && !segment.aborted.is_sound()? {
                tracing::warn!(
                    target: "kafka.log.LogLoader",
                    "{} Found a corrupted transaction index file corresponding to log file {}, rebuilding it",
                    self.of.prefix(),
                    segment.path().display()
                );
                segment.aborted.truncate_to(Offset(0))?;
                // The producers' state before this segment tells which transactions its markers end.
                self.distrust_from(base);
            }
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Checks from the recovery point on, unless the shutdown was clean; returns the log end.
    fn check_segments(&mut self) -> Result<Offset, LoadError> {
        if self.of.shutdown == CleanShutdown::No {
            self.check_unflushed()?;
        }
        let mut log_end = self.find_log_end()?;
        if log_end.is_some_and(|end| end < self.of.log_start) {
            tracing::warn!(
                target: "kafka.log.LogLoader",
                "{} Deleting all segments because logEndOffset ({}) smaller than logStartOffset {}. This could happen \
                 if segment files were deleted from the file system.",
                self.of.prefix(),
                log_end.unwrap_or(Offset::NONE),
                self.of.log_start
            );
            self.delete_segments_from(0)?;
            self.epochs.clear();
            self.distrust_from(Offset(0));
            log_end = None;
        }
        if let Some(end) = log_end {
            return Ok(end);
        }
        let start = self.of.log_start;
        let segment = Segment::create(self.place(), start, self.config, self.now.wall)?;
        self.segments.push(segment);
        Ok(start)
    }

    /// Walks every segment from the one that holds the recovery point on, until damage is found.
    fn check_unflushed(&mut self) -> Result<(), LoadError> {
        let point = self.of.recovery_point;
        let first = self.segments.partition_point(|segment| segment.base() <= point).saturating_sub(1);
        let total = self.segments.len() - first;
        let mut reached = Offset(0);
        for (done, index) in (first..self.segments.len()).enumerate() {
            let base = self.segments[index].base();
            if base < reached && !self.begins_at_or_after(index, reached)? {
                tracing::warn!(
                    target: "kafka.log.LogLoader",
                    "{} Segment {base} begins before offset {reached}, which the segments before it reach",
                    self.of.prefix()
                );
                for path in self.segments.remove(index).files().iter().rev() {
                    remove(&*self.of.vfs, path)?;
                }
                return self.check_unflushed();
            }
            tracing::info!(
                target: "kafka.log.LogLoader",
                "{} Recovering unflushed segment {base}. {done}/{total} recovered for {}.",
                self.of.prefix(),
                self.of.partition
            );
            let is_last = index + 1 == self.segments.len();
            let later = self.segments.split_off(index + 1);
            let mut segment = self.segments.pop().expect("the index is below the length");
            let from = point.max(base);
            let from = Self::trusted_part(&mut segment, from)?;
            if done == 0 {
                // The file may tell of records that were taken back; those that are there tell of themselves.
                self.epochs.truncate_from_end(from);
            }
            self.distrust_from(from);
            let end = self.check_segment(&mut segment, from)?;
            reached = end.next;
            // A power loss may take the end of a segment and leave the next one: what follows a hole is not a log.
            // Where compaction is or was at work, holes are no sign of that.
            let missing = |next: &Segment| next.base() > end.next && next.base() > self.of.compacted_to;
            let hole = !self.config.cleanup.compact && later.first().is_some_and(missing);
            let damaged = end.damaged || hole;
            if damaged {
                tracing::warn!(
                    target: "kafka.log.LogLoader",
                    "{} Corruption found in segment {base}, truncating to offset {}",
                    self.of.prefix(),
                    end.next
                );
            }
            if !is_last && !damaged {
                segment.close(self.config)?;
            }
            self.segments.push(segment);
            if damaged {
                // The later ones first: a crash in between must not leave a hole that looks whole.
                self.segments.extend(later);
                self.delete_segments_from(index + 1)?;
                let segment = &mut self.segments[index];
                segment.cut_at(end.position, end.next, self.config.segment_index_bytes)?;
                return Ok(());
            }
            self.segments.extend(later);
        }
        Ok(())
    }

    /// Is there a first batch in this segment, and none of it below `offset`?
    fn begins_at_or_after(&self, index: usize, offset: Offset) -> Result<bool, LoadError> {
        match self.segments[index].head_at(0) {
            Ok(head) => Ok(head.is_some_and(|head| head.first_offset >= offset)),
            Err(ReadError::Storage(error)) => Err(LoadError::Storage(error)),
            Err(_) => Ok(false),
        }
    }

    /// Keeps the index entries below `from` if they are sound; returns from where the batches have to be checked.
    fn trusted_part(segment: &mut Segment, from: Offset) -> Result<Offset, LoadError> {
        let base = segment.base();
        let (entries, last) = segment.offsets.sound_entries(from, segment.len())?;
        let fits = last.is_some_and(|entry| {
            let head = segment.head_at(entry.position);
            head.is_ok_and(|head| head.is_some_and(|head| head.last_offset == entry.offset))
        });
        let Some(last) = last.filter(|_| fits) else {
            segment.reset_indexes((0, 0), base)?;
            return Ok(base);
        };
        let times = segment.times.sound_entries(last.offset)?;
        segment.reset_indexes((entries, times), from)?;
        Ok(from)
    }

    /// Checks the batches of a segment behind its last index entry and takes them into the indexes. Nothing is cut.
    fn check_segment(&mut self, segment: &mut Segment, from: Offset) -> Result<Checked, LoadError> {
        let last = segment.offsets.last()?;
        let interval = self.config.index_interval_bytes;
        let path = segment.path().to_owned();
        let file = segment.file()?.clone();
        let file_len = segment.file_len()?;
        let mut walker = crate::walk::Walker::new(&*file, last.position, file_len, WINDOW_SCAN);
        let mut checked = Checked { next: segment.base(), position: last.position, damaged: false };
        let mut previous = None;
        segment.begin_account(last.position)?;
        loop {
            let head = match walker.next().and_then(|head| {
                if let Some(head) = &head {
                    walker.check(head)?;
                }
                Ok(head)
            }) {
                Ok(head) => head,
                Err(WalkError::Damaged { position, what }) => {
                    tracing::warn!(
                        target: "kafka.log.LogLoader",
                        "{} Found invalid messages in log segment {} at byte offset {position}: {what}",
                        self.of.prefix(),
                        path.display()
                    );
                    checked.damaged = true;
                    break;
                }
                Err(error) => return Err(LoadError::Read(error.at(&path))),
            };
            let Some(head) = head else { break };
            let in_order = previous.is_none_or(|previous| head.last_offset > previous)
                && head.first_offset >= segment.base()
                && i32::try_from(head.last_offset - segment.base()).is_ok();
            if !in_order {
                checked.damaged = true;
                break;
            }
            previous = Some(head.last_offset);
            segment.account(&head, interval)?;
            if head.v2.is_some() && head.last_offset >= from && self.epochs.latest() < Some(head.leader_epoch) {
                self.epochs.assign(head.leader_epoch, head.first_offset);
            }
            checked.next = head.last_offset + 1;
            checked.position = head.end();
        }
        checked.damaged |= checked.position < file_len;
        Ok(checked)
    }

    /// The offset after the last batch; `None` without segments. A clean log whose end is not as it was left is
    /// checked after all.
    fn find_log_end(&mut self) -> Result<Option<Offset>, LoadError> {
        let Some(segment) = self.segments.last() else { return Ok(None) };
        let last = segment.offsets.last()?;
        let whole = match segment.end() {
            Ok((next, position)) => Some(next)
                .filter(|next| position == segment.len() && (*next > last.offset || segment.offsets.file.len() == 0)),
            Err(ReadError::Storage(error)) => return Err(LoadError::Storage(error)),
            Err(_) => None,
        };
        if let Some(next) = whole {
            return Ok(Some(next));
        }
        let mut segment = self.segments.pop().expect("was there");
        let base = segment.base();
        segment.reset_indexes((0, 0), base)?;
        self.distrust_from(base);
        let end = self.check_segment(&mut segment, base)?;
        tracing::warn!(
            target: "kafka.log.LogLoader",
            "{} Corruption found in segment {base}, truncating to offset {}",
            self.of.prefix(),
            end.next
        );
        segment.cut_at(end.position, end.next, self.config.segment_index_bytes)?;
        self.segments.push(segment);
        Ok(Some(end.next))
    }

    /// Takes the epochs from the batches, as appending them once did. Only where the log ends with batches that have
    /// one: a log of old formats never had any.
    fn find_epochs(&mut self) -> Result<(), LoadError> {
        let Some(last) = self.segments.iter().rev().find(|segment| segment.len() > 0) else { return Ok(()) };
        if last.head_at(0)?.is_none_or(|head| head.v2.is_none() || head.leader_epoch < LeaderEpoch(0)) {
            return Ok(());
        }
        self.epochs.clear();
        for segment in &self.segments {
            let mut walker = segment.walk(0, WINDOW_HEADERS)?;
            loop {
                let head = match walker.next().map_err(|error| error.at(segment.path())) {
                    Ok(Some(head)) => head,
                    Err(ReadError::Storage(error)) => return Err(LoadError::Storage(error)),
                    // Damage is left to those who look for it.
                    Ok(None) | Err(_) => break,
                };
                if head.v2.is_none() {
                    self.epochs.clear();
                } else if self.epochs.latest() < Some(head.leader_epoch) {
                    self.epochs.assign(head.leader_epoch, head.first_offset);
                }
            }
        }
        Ok(())
    }

    fn delete_segments_from(&mut self, index: usize) -> Result<(), LoadError> {
        let gone = self.segments.split_off(index);
        let bases: Vec<String> = gone.iter().map(|segment| segment.base().to_string()).collect();
        tracing::info!(
            target: "kafka.log.LogLoader",
            "{} Deleting segments as part of log recovery: {}",
            self.of.prefix(),
            bases.join(",")
        );
        for path in gone.iter().rev().flat_map(Segment::files) {
            remove(&*self.of.vfs, &path)?;
        }
        Ok(())
    }

    fn producers(&mut self, log_end: Offset) -> Result<ProducerState, LoadError> {
        let log_start = self.of.log_start.max(self.segments[0].base());
        let trusted_to = self.trusted_to;
        if let Some(limit) = trusted_to {
            self.snapshots.retain(|offset| offset <= limit)?;
        }
        if self.of.shutdown == CleanShutdown::Yes && trusted_to.is_none() && self.snapshots.is_empty() {
            let first = self.segments[0].head_at(0);
            if !first.is_ok_and(|head| head.is_some_and(|head| head.v2.is_some())) {
                // Left by a version without snapshots, or without a record: nobody to remember.
                return Ok(ProducerState::empty_at(log_end));
            }
        }
        let mut replay = Replay {
            segments: &mut self.segments,
            snapshots: &mut self.snapshots,
            partition: &self.of.partition,
            log_start,
            log_end,
            markers_from: trusted_to.unwrap_or(log_end),
            expire_ms: self.config.producer_id_expiration_ms,
        };
        let state = replay.run(self.now.wall)?;
        let bases = self.segments.iter().map(Segment::base).collect();
        self.snapshots.prune(&bases)?;
        Ok(state)
    }
}

/// How far a segment is sound.
struct Checked {
    next: Offset,
    position: u64,
    damaged: bool,
}

/// Names of index files that have to be there for a segment to be used as it is.
pub(crate) const NEEDED_INDEXES: [(&str, usize); 2] =
    [(names::OFFSET_INDEX, offset_index::ENTRY), (names::TIME_INDEX, time_index::ENTRY)];
