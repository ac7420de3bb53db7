//! Compaction: of each key only the last record stays.
//!
//! Three steps, so that the owner never waits for it: the owner says what may be compacted ([`Log::cleanable`]) and
//! hands out a [`CompactionJob`]; the job, on any thread, reads the dirty part into a map from key to last offset,
//! writes new segments beside the old ones and makes them durable under the suffix `.swap`; the owner swaps them in
//! ([`Log::swap_compacted`]). A crash before the job is done leaves `.cleaned` files, which are dropped; one after it
//! leaves `.swap` files, which recovery puts into place.
//!
//! Kept besides: tombstones and transaction markers for `delete.retention.ms` after the first compaction that meets
//! them (the time is put into the batch, KIP-534), and an empty batch where a producer's last sequence would be
//! forgotten.

use kafka_types::{Offset, ProducerId};
use time_types::{Now, WallMillis};

use crate::error::{IoContext, LogError, ReadError};
use crate::log::{Between, Log};
use crate::names::SWAP;
use crate::removal::{FileRemoval, remove};
use crate::segment::Segment;

mod clean;
mod job;
mod offset_map;
mod transactions;

#[cfg(test)]
mod tests;

pub use job::{CompactionDone, CompactionError, CompactionJob, CompactionStats};

use clean::LastOfProducer;
use job::Source;

/// What compaction would find.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleanable {
    /// Not compacted yet from here ..
    pub dirty_from: Offset,
    /// .. to here, which is the base of a segment.
    pub dirty_to: Offset,
    /// Bytes of the segments in between.
    pub dirty_bytes: u64,
    /// Bytes of the segments before.
    pub clean_bytes: u64,
    /// A record waits longer than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

impl Cleanable {
    /// Share of the bytes that is not compacted.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.dirty_bytes + self.clean_bytes;
        if total == 0 { 0.0 } else { self.dirty_bytes as f64 / total as f64 }
    }

    /// Is it worth while, by this `min.cleanable.dirty.ratio`?
    pub fn is_due(&self, min_dirty_ratio: f64) -> bool {
        self.dirty_bytes > 0 && (self.is_overdue || self.dirty_ratio() > min_dirty_ratio)
    }
}

/// What a swap did.
#[derive(Debug)]
pub struct Compacted {
    /// Everything below is compacted: for the cleaner checkpoint.
    pub clean_to: Offset,
    /// Unlinks the segments that were replaced.
    pub removal: FileRemoval,
    /// Figures for the log.
    pub stats: CompactionStats,
}

impl Log {
    /// What may be compacted: from the cleaner checkpoint (`None`: never compacted) to the last stable offset, without
    /// the active segment and what is younger than `min.compaction.lag.ms`.
    pub fn cleanable(&self, now: WallMillis, checkpoint: Option<Offset>) -> Result<Cleanable, ReadError> {
        let known = checkpoint.filter(|offset| (self.log_start..=self.log_end).contains(offset));
        let dirty_from = known.unwrap_or(self.log_start);
        let first = self.segment_of(dirty_from);
        let stable = self.segment_of(self.last_stable_offset().min(self.active().base()));
        let mut end = first;
        let mut oldest = None;
        while end < stable {
            let segment = &self.segments[end];
            let lag = self.config.min_compaction_lag_ms;
            if lag > 0 && now - WallMillis(segment.largest_or_modified()?) < lag {
                break;
            }
            let timestamp = segment.first_timestamp()?;
            if timestamp >= 0 {
                oldest = Some(oldest.map_or(timestamp, |known: i64| known.min(timestamp)));
            }
            end += 1;
        }
        let bytes = |segments: &[Segment]| segments.iter().map(Segment::len).sum();
        Ok(Cleanable {
            dirty_from,
            dirty_to: self.segments[end].base(),
            dirty_bytes: bytes(&self.segments[first..end]),
            clean_bytes: bytes(&self.segments[..first]),
            is_overdue: oldest.is_some_and(|oldest| now - WallMillis(oldest) > self.config.max_compaction_lag_ms),
        })
    }

    /// Prepares the compaction of what [`Log::cleanable`] found. `map_bytes` bounds the memory for keys
    /// (`log.cleaner.dedupe.buffer.size`); if they do not fit, less is compacted.
    pub fn compaction_job(
        &self,
        now: WallMillis,
        what: &Cleanable,
        map_bytes: usize,
    ) -> Result<CompactionJob, ReadError> {
        self.check_usable()?;
        let count = self.segments.partition_point(|segment| segment.base() < what.dirty_to);
        let mut sources = Vec::with_capacity(count);
        let mut aborted = Vec::new();
        for segment in &self.segments[..count] {
            sources.push(Source {
                base: segment.base(),
                path: segment.path().to_owned(),
                file: segment.file()?.clone(),
                len: segment.len(),
                index_entries: segment.offsets.file.len().max(segment.times.file.len()),
            });
        }
        for segment in &self.segments {
            aborted.extend(segment.aborted.entries()?.iter().filter(|entry| entry.first_offset < what.dirty_to));
        }
        Ok(CompactionJob {
            vfs: self.vfs.clone(),
            dir: self.dir.clone(),
            partition: self.partition.clone(),
            config: self.config.clone(),
            now,
            dirty_from: what.dirty_from,
            dirty_to: what.dirty_to,
            map_bytes,
            sources,
            aborted,
            producers: self.producers.producers().map(last_of).collect(),
            life: self.life.clone(),
        })
    }

    /// Puts the new segments into the place of the old ones. If the log has changed so that they do not fit any more
    /// (truncated, or the old ones are gone), they are dropped and nothing is compacted.
    #[expect(clippy::needless_pass_by_value, reason = "it is of no use to anybody afterwards")]
    pub fn swap_compacted(&mut self, now: Now, done: CompactionDone) -> Result<Option<Compacted>, ReadError> {
        self.check_usable()?;
        let fits = done.life == self.life && done.groups.iter().all(|group| self.index_of(&group.replaces).is_some());
        if !fits {
            let files = done.groups.iter().flat_map(|group| group.files.iter());
            files.map(|(swap, _)| swap).try_for_each(|path| remove(&*self.vfs, path))?;
            return Ok(None);
        }
        let swapped = self.swap(now, &done);
        let removal = self.guard(swapped)?;
        let bases = self.segment_bases();
        self.snapshots.prune(&bases)?;
        Ok(Some(Compacted { clean_to: done.clean_to, removal, stats: done.stats }))
    }

    fn swap(&mut self, now: Now, done: &CompactionDone) -> Result<FileRemoval, LogError> {
        let mut old = Vec::new();
        let mut kept = Vec::new();
        for segment in std::mem::take(&mut self.segments) {
            let is_old = done.groups.iter().any(|group| group.replaces.contains(&segment.base()));
            if is_old { old.push(segment) } else { kept.push(segment) }
        }
        self.segments = kept;
        let removal = self.put_away(now, &old, Between::Nothing)?;
        // An old segment that came back beside the new one would be read, and compacted, twice.
        self.vfs.sync_dir(&self.dir).context("syncing", &self.dir)?;
        for group in &done.groups {
            for (swap, to) in &group.files {
                self.vfs.rename(swap, to).context("renaming", swap)?;
            }
            let segment = Segment::existing(self.place(), group.base, group.index_lens, now.wall)?;
            self.segments.push(segment);
        }
        self.segments.sort_by_key(Segment::base);
        self.names_changed = true;
        self.unsynced.since.get_or_insert(now.tick);
        Ok(removal)
    }

    /// Where these segments are, if they are all here, one behind the other.
    fn index_of(&self, bases: &[Offset]) -> Option<usize> {
        let first = self.segments.iter().position(|segment| Some(&segment.base()) == bases.first())?;
        let here = self.segments.get(first..first + bases.len())?;
        here.iter().map(Segment::base).eq(bases.iter().copied()).then_some(first)
    }
}

fn last_of(producer: &crate::producer_state::Producer) -> (ProducerId, LastOfProducer) {
    let last_data = producer.batches.last().map(|batch| batch.last_offset);
    (producer.id, LastOfProducer { last_data, epoch: producer.epoch })
}

/// `<name>.swap` for a file that carries another suffix.
pub(crate) fn swap_name(cleaned: &std::path::Path) -> std::path::PathBuf {
    cleaned.with_extension(&SWAP[1..])
}
