//! Taking records away: from the end (a follower that diverged), all of them, or from the start.

use kafka_types::Offset;
use time_types::{Now, WallMillis};

use super::Log;
use crate::error::{IoContext, LogError, ReadError};
use crate::producer_state::{ProducerState, StateBatch};
use crate::removal::FileRemoval;
use crate::segment::Segment;
use crate::snapshots::Snapshots;
use crate::walk::{WINDOW_HEADERS, WalkError};

/// Why the log start moves; part of the log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStartReason {
    /// Old segments were removed.
    SegmentDeletion,
    /// A client asked for it.
    ClientRecordDeletion,
    /// The leader's log starts there.
    LeaderOffsetIncremented,
}

impl LogStartReason {
    fn text(self) -> &'static str {
        match self {
            LogStartReason::SegmentDeletion => "segment deletion",
            LogStartReason::ClientRecordDeletion => "client delete records request",
            LogStartReason::LeaderOffsetIncremented => "leader offset increment",
        }
    }
}

/// What to do between the renames of two segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// Nothing: what is renamed lies above the recovery point, where recovery finds a hole.
    Nothing,
    /// Sync: below the recovery point nobody looks for holes.
    Sync,
}

impl Log {
    /// Removes the batches that hold `offset` or later; `None` if there are none. The removal, which may be empty,
    /// unlinks the segments that are not needed any more.
    pub fn truncate_to(&mut self, now: Now, offset: Offset) -> Result<Option<FileRemoval>, ReadError> {
        self.check_usable()?;
        if offset >= self.log_end {
            return Ok(None);
        }
        tracing::info!(
            target: "kafka.log.UnifiedLog",
            "[UnifiedLog partition={}, dir={}] Truncating to offset {offset}",
            self.partition,
            self.parent().display()
        );
        if self.segments[0].base() > offset {
            return self.truncate_fully(now, offset).map(Some);
        }
        let truncated = self.truncate_tail(now, offset);
        self.guard(truncated).map(Some)
    }

    /// Removes everything and starts anew at `offset`.
    pub fn truncate_fully(&mut self, now: Now, offset: Offset) -> Result<FileRemoval, ReadError> {
        self.check_usable()?;
        let truncated = self.start_anew(now, offset);
        self.guard(truncated).map_err(ReadError::Storage)
    }

    /// Forgets records below `offset`; `false` if they are forgotten already. It must not be above the high watermark.
    pub fn advance_log_start(&mut self, now: Now, offset: Offset, reason: LogStartReason) -> Result<bool, ReadError> {
        if offset > self.high_watermark {
            let (start, end) = (self.log_start, self.high_watermark);
            return Err(ReadError::OutOfRange { partition: self.partition.clone(), offset, start, end });
        }
        if offset <= self.log_start {
            return Ok(false);
        }
        self.log_start = offset;
        self.epochs.truncate_from_start(offset);
        if self.epochs.is_changed() {
            self.unsynced.since.get_or_insert(now.tick);
        }
        self.producers.on_log_start(offset);
        tracing::info!(
            target: "kafka.log.UnifiedLog",
            "[UnifiedLog partition={}, dir={}] Incremented log start offset to {offset} due to {}",
            self.partition,
            self.parent().display(),
            reason.text()
        );
        Ok(true)
    }

    fn truncate_tail(&mut self, now: Now, offset: Offset) -> Result<FileRemoval, ReadError> {
        self.life.on_truncation();
        let keep = self.segments.partition_point(|segment| segment.base() <= offset);
        let gone = self.segments.split_off(keep);
        // Last segment first: a kill in between leaves a log that ends earlier, not one with a hole.
        let removal = self.put_away(now, gone.iter().rev(), Between::Nothing)?;
        let bytes = self.config.segment_index_bytes;
        self.active_mut().truncate_to(offset, bytes)?;
        self.active_mut().preallocate_indexes(bytes)?;
        self.indexes_open = true;
        self.log_end = offset;
        self.log_start = self.log_start.min(offset);
        self.high_watermark = self.high_watermark.min(offset);
        self.recovery_point = self.recovery_point.min(offset);
        self.epochs.truncate_from_end(offset);
        self.unsynced.since.get_or_insert(now.tick);
        self.snapshots.retain(|snapshot| snapshot <= offset)?;
        self.reload_producers(now.wall)?;
        Ok(removal)
    }

    fn start_anew(&mut self, now: Now, offset: Offset) -> Result<FileRemoval, LogError> {
        tracing::info!(
            target: "kafka.log.UnifiedLog",
            "[UnifiedLog partition={}, dir={}] Truncate and start at offset {offset}",
            self.partition,
            self.parent().display()
        );
        self.life.on_truncation();
        let gone = std::mem::take(&mut self.segments);
        let put_away = self.put_away(now, gone.iter().rev(), Between::Nothing);
        // Without a segment there is no log: make the new one even if the old ones could not be renamed.
        self.segments.push(Segment::create(self.place(), offset, &self.config, now.wall)?);
        let removal = put_away?;
        self.names_changed = true;
        self.indexes_open = true;
        self.epochs.clear();
        self.snapshots.retain(|_| false)?;
        self.producers = ProducerState::empty_at(offset);
        self.log_start = offset;
        self.log_end = offset;
        self.high_watermark = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.unsynced.since.get_or_insert(now.tick);
        Ok(removal)
    }

    /// Renames the files of segments, in this order, so that a restart removes them.
    pub(crate) fn put_away<'a>(
        &mut self,
        now: Now,
        segments: impl IntoIterator<Item = &'a Segment>,
        between: Between,
    ) -> Result<FileRemoval, LogError> {
        let mut paths = Vec::new();
        for segment in segments {
            if between == Between::Sync && !paths.is_empty() {
                self.vfs.sync_dir(&self.dir).context("syncing", &self.dir)?;
            }
            for path in segment.files() {
                let to = Log::deleted_name(&path);
                match self.vfs.rename(&path, &to) {
                    Ok(()) => paths.push(to),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error).context("renaming", &path),
                }
            }
        }
        if !paths.is_empty() {
            self.names_changed = true;
            self.unsynced.since.get_or_insert(now.tick);
        }
        Ok(FileRemoval { vfs: self.vfs.clone(), paths, due: self.removal_due(now.tick) })
    }

    /// Builds the producer state for the log as it is now, from the newest snapshot on.
    pub(crate) fn reload_producers(&mut self, now: WallMillis) -> Result<(), ReadError> {
        let mut source = Replay {
            segments: &mut self.segments,
            snapshots: &mut self.snapshots,
            partition: &self.partition,
            log_start: self.log_start,
            log_end: self.log_end,
            // Markers below are in the transaction indexes already, and all that is left is below.
            markers_from: self.log_end,
            expire_ms: self.config.producer_id_expiration_ms,
        };
        self.producers = source.run(now)?;
        self.producers.on_high_watermark(self.high_watermark);
        Ok(())
    }
}

/// Producer state by replaying batches.
pub(crate) struct Replay<'a> {
    pub(crate) segments: &'a mut [Segment],
    pub(crate) snapshots: &'a mut Snapshots,
    pub(crate) partition: &'a kafka_types::TopicPartition,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    /// Aborted transactions whose marker is here or later are put into the transaction indexes.
    pub(crate) markers_from: Offset,
    /// `producer.id.expiration.ms`.
    pub(crate) expire_ms: i64,
}

impl Replay<'_> {
    /// From the newest snapshot to the log end.
    pub(crate) fn run(&mut self, now: WallMillis) -> Result<ProducerState, ReadError> {
        let (start, end) = (self.log_start, self.log_end);
        self.snapshots.retain(|offset| offset <= end && offset > start)?;
        let mut state = self.snapshots.load(start, now, self.expire_ms)?;
        let from = state.end().max(start);
        state.set_end(from);
        let first = self.segments.partition_point(|segment| segment.base() <= from).saturating_sub(1);
        for segment in &mut self.segments[first..] {
            self::replay_segment(segment, &mut state, self.partition, (from, self.markers_from))?;
        }
        state.set_end(end);
        Ok(state)
    }
}

fn replay_segment(
    segment: &mut Segment,
    state: &mut ProducerState,
    partition: &kafka_types::TopicPartition,
    (from, markers_from): (Offset, Offset),
) -> Result<(), ReadError> {
    let mut aborted = Vec::new();
    {
        let position =
            if from <= segment.base() { 0 } else { segment.find(from)?.map_or(segment.len(), |at| at.position) };
        let at = |error: WalkError| error.at(segment.path());
        let mut walker = segment.walk(position, WINDOW_HEADERS)?;
        while let Some(head) = walker.next().map_err(at)? {
            let Some(header) = head.v2.filter(|header| header.has_producer() && header.last_offset() >= from) else {
                continue;
            };
            let marker = walker.marker(&head).map_err(at)?;
            state.replay(partition, StateBatch { header, marker }, |entry| {
                aborted.push(entry);
                Ok::<(), LogError>(())
            })?;
        }
    }
    let known = segment.aborted.entries()?.last().map(|entry| entry.last_offset);
    for entry in aborted.into_iter().filter(|entry| entry.last_offset >= markers_from) {
        if known.is_none_or(|known| entry.last_offset > known) {
            segment.aborted.append(entry)?;
        }
    }
    Ok(())
}
