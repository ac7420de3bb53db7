//! The part of a compaction that reads and writes: runs on any thread.

use std::collections::HashMap;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kafka_record::{Batch, BatchHeader, MAX_DECOMPRESSED_DEFAULT};
use kafka_types::{Offset, ProducerId, TopicPartition};
use thiserror::Error;
use time_types::WallMillis;
use vfs::{File, Vfs};

use super::clean::{LastOfProducer, Outcome, Rules, Standing};
use super::offset_map::OffsetMap;
use super::swap_name;
use super::transactions::{MarkerFate, Transactions};
use crate::config::LogConfig;
use crate::error::{IoContext, LogError, ReadError};
use crate::names::{CLEANED, SWAP};
use crate::offset_index;
use crate::removal::remove;
use crate::segment::{Place, Segment};
use crate::sync::Life;
use crate::txn_index::AbortedTxn;
use crate::walk::{Head, WINDOW_SCAN, WalkError, Walker};

/// Why a log could not be compacted. It can still be used; trying again will most likely fail in the same way.
#[derive(Debug, Error)]
pub enum CompactionError {
    /// A segment cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk failed, or is full.
    #[error(transparent)]
    Storage(#[from] LogError),
    /// The log was deleted meanwhile.
    #[error("the log was deleted")]
    Deleted,
}

/// A segment to be compacted.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) base: Offset,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
    pub(crate) index_entries: u64,
}

/// Figures of one compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionStats {
    /// Keys in the part that was not compacted before.
    pub keys: usize,
    /// Bytes of the segments that were read.
    pub bytes_read: u64,
    /// Bytes of those that were written.
    pub bytes_written: u64,
    /// Batches that were read.
    pub batches_read: u64,
    /// Batches that were written.
    pub batches_written: u64,
}

/// Compacts one log. Made by [`crate::Log::compaction_job`].
#[derive(Debug)]
pub struct CompactionJob {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    pub(crate) partition: TopicPartition,
    pub(crate) config: LogConfig,
    pub(crate) now: WallMillis,
    pub(crate) dirty_from: Offset,
    pub(crate) dirty_to: Offset,
    pub(crate) map_bytes: usize,
    pub(crate) sources: Vec<Source>,
    pub(crate) aborted: Vec<AbortedTxn>,
    pub(crate) producers: HashMap<ProducerId, LastOfProducer>,
    pub(crate) life: Life,
}

/// A new segment and those whose place it takes.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) base: Offset,
    pub(crate) replaces: Vec<Offset>,
    /// From where (`.swap`) to where; the `.log` last.
    pub(crate) files: Vec<(PathBuf, PathBuf)>,
    /// Lengths of offset and time index.
    pub(crate) index_lens: (u64, u64),
}

/// What a [`CompactionJob`] made; for [`crate::Log::swap_compacted`].
#[derive(Debug)]
pub struct CompactionDone {
    /// Whose.
    pub partition: TopicPartition,
    /// Figures.
    pub stats: CompactionStats,
    pub(crate) groups: Vec<Group>,
    pub(crate) clean_to: Offset,
    pub(crate) life: Life,
}

/// What goes along from segment to segment.
struct Work<'a> {
    transactions: &'a mut Transactions,
    stats: &'a mut CompactionStats,
    pace: &'a mut dyn FnMut(u64),
}

/// Keys and how far they reach.
struct Mapped {
    map: OffsetMap,
    to: Offset,
}

impl CompactionJob {
    /// Whose.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Reads, writes, syncs. Only one job of a log may run at a time. After an error the log is as it was.
    ///
    /// `pace` is told of bytes that were read or written, batch by batch, and takes as long as the job is to rest then.
    pub fn run(self, pace: &mut dyn FnMut(u64)) -> Result<CompactionDone, CompactionError> {
        let done = self.make(pace);
        if done.is_err() {
            // A full disk is the likely reason: give back what was taken. What cannot be removed goes with the next
            // start; the reason of the failure is the first error.
            let _ = self.undo();
        }
        done
    }

    fn make(&self, pace: &mut dyn FnMut(u64)) -> Result<CompactionDone, CompactionError> {
        let mapped = self.map_keys(pace)?;
        let mut stats = CompactionStats { keys: mapped.map.len(), ..CompactionStats::default() };
        let begin = self.sources.first().map_or(Offset(0), |source| source.base);
        let mut transactions = Transactions::new(&self.aborted, begin);
        let count = self.sources.partition_point(|source| source.base < mapped.to);
        let mut rest = &self.sources[..count];
        let mut groups = Vec::new();
        while !rest.is_empty() {
            let (group, later) = rest.split_at(self.group_len(rest));
            groups.push(self.clean_group(
                group,
                &mapped,
                &mut Work { transactions: &mut transactions, stats: &mut stats, pace },
            )?);
            rest = later;
        }
        // From here on the new segments outlive a crash, so they are whole and durable, names included.
        self.vfs.sync_dir(&self.dir).context("syncing", &self.dir)?;
        for group in &mut groups {
            self.name_as_swap(group)?;
        }
        self.vfs.sync_dir(&self.dir).context("syncing", &self.dir)?;
        let (partition, life) = (self.partition.clone(), self.life.clone());
        Ok(CompactionDone { partition, stats, groups, clean_to: mapped.to, life })
    }

    /// Removes what an unfinished run wrote, each `.log` after its indexes: while it is there, they are its own.
    fn undo(&self) -> Result<(), LogError> {
        let entries = self.vfs.read_dir(&self.dir).context("listing", &self.dir)?;
        let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
        names.retain(|name| name.ends_with(CLEANED) || name.ends_with(SWAP));
        names.sort_by_key(|name| name.contains(".log."));
        names.iter().try_for_each(|name| remove(&*self.vfs, &self.dir.join(name)))
    }

    /// The last offset of each key in the dirty part, as far as the memory reaches.
    fn map_keys(&self, pace: &mut dyn FnMut(u64)) -> Result<Mapped, CompactionError> {
        let mut mapped = Mapped { map: OffsetMap::new(self.map_bytes), to: self.dirty_from };
        let first = self.sources.partition_point(|source| source.base <= self.dirty_from).saturating_sub(1);
        let dirty = &self.sources[first.min(self.sources.len())..];
        let begin = dirty.first().map_or(self.dirty_from, |source| source.base);
        let mut transactions = Transactions::new(&self.aborted, begin);
        for source in dirty {
            let at = |error: WalkError| error.at(&source.path);
            let mut walker = Walker::new(&*source.file, 0, source.len, WINDOW_SCAN);
            while let Some(head) = walker.next().map_err(at)? {
                self.go_on(pace, head.size)?;
                let is_control = head.v2.is_some_and(|header| header.is_control());
                if is_control {
                    transactions.on_control(&head, walker.marker(&head).map_err(at)?);
                }
                let skip = is_control || transactions.on_data(&head) || head.last_offset < self.dirty_from;
                if !skip {
                    walker.check(&head).map_err(at)?;
                    let bytes = walker.whole(&head).map_err(at)?;
                    if !self.map_batch(&mut mapped, bytes).map_err(|what| damaged(source, &head, &what))? {
                        return Ok(mapped);
                    }
                }
                mapped.to = mapped.to.max(head.last_offset + 1);
            }
        }
        mapped.to = mapped.to.max(self.dirty_to);
        Ok(mapped)
    }

    /// Takes a batch's keys; `false` if they do not all fit: then none of it counts as mapped.
    fn map_batch(&self, mapped: &mut Mapped, bytes: &[u8]) -> Result<bool, kafka_record::ReadError> {
        let batch = Batch::read(bytes)?;
        let mut full = false;
        // The first batch is taken whole, whatever the budget: otherwise a small one would never get anywhere.
        let must = mapped.to == self.dirty_from;
        batch.for_each_record(MAX_DECOMPRESSED_DEFAULT, |record| {
            if let Some(key) = record.key.filter(|_| record.offset >= self.dirty_from) {
                if mapped.map.is_full_for(key) && !must {
                    full = true;
                    return false;
                }
                mapped.map.put(key, record.offset);
            }
            true
        })?;
        Ok(!full)
    }

    /// How many segments fit together into one.
    fn group_len(&self, sources: &[Source]) -> usize {
        let base = sources[0].base;
        let (mut bytes, mut entries, mut count) = (0, 0, 0);
        let entries_max = self.config.segment_index_bytes / offset_index::ENTRY as u64;
        for (index, source) in sources.iter().enumerate() {
            bytes += source.len;
            entries += source.index_entries;
            let end = sources.get(index + 1).map_or(self.dirty_to, |next| next.base);
            let fits =
                bytes <= self.config.segment_bytes && entries <= entries_max && i32::try_from(end - base).is_ok();
            if count > 0 && !fits {
                break;
            }
            count += 1;
        }
        count
    }

    fn clean_group(&self, sources: &[Source], mapped: &Mapped, work: &mut Work<'_>) -> Result<Group, CompactionError> {
        let base = sources[0].base;
        let place =
            Place { vfs: &self.vfs, dir: &self.dir, index_bytes: self.config.segment_index_bytes, suffix: CLEANED };
        let config = LogConfig { preallocate: false, ..self.config.clone() };
        let rules = Rules {
            map: &mapped.map,
            mapped_to: mapped.to,
            producers: &self.producers,
            now: self.now,
            delete_retention_ms: self.config.delete_retention_ms,
        };
        let mut segment = Segment::create(place, base, &config, self.now)?;
        for source in sources {
            self.clean_source(source, &rules, work, &mut segment)?;
        }
        segment.close(&config)?;
        let (files, _) = segment.take_dirty()?;
        for (path, file) in &files {
            file.sync_data().context("syncing", path)?;
        }
        work.stats.bytes_written += segment.len();
        let index_lens = segment.index_lens();
        let final_place = Place { suffix: "", ..place };
        let [log, offsets, times, aborted] = segment.files();
        let to = |extension| final_place.file(base, extension);
        let mut files = vec![(offsets, to(crate::names::OFFSET_INDEX)), (times, to(crate::names::TIME_INDEX))];
        if self.vfs.exists(&aborted) {
            files.push((aborted, to(crate::names::TXN_INDEX)));
        }
        files.push((log, to(crate::names::LOG)));
        Ok(Group { base, replaces: sources.iter().map(|source| source.base).collect(), files, index_lens })
    }

    fn clean_source(
        &self,
        source: &Source,
        rules: &Rules<'_>,
        Work { transactions, stats, pace }: &mut Work<'_>,
        segment: &mut Segment,
    ) -> Result<(), CompactionError> {
        let at = |error: WalkError| error.at(&source.path);
        let mut walker = Walker::new(&*source.file, 0, source.len, WINDOW_SCAN);
        stats.bytes_read += source.len;
        while let Some(head) = walker.next().map_err(at)? {
            stats.batches_read += 1;
            self.go_on(*pace, head.size)?;
            let standing = if head.v2.is_some_and(|header| header.is_control()) {
                match transactions.on_control(&head, walker.marker(&head).map_err(at)?) {
                    MarkerFate::Needed(entry) => {
                        entry.into_iter().try_for_each(|entry| segment.aborted.append(entry))?;
                        Standing::Marker
                    }
                    MarkerFate::Useless => Standing::UselessMarker,
                }
            } else if transactions.on_data(&head) {
                Standing::Aborted
            } else {
                Standing::Data
            };
            walker.check(&head).map_err(at)?;
            let bytes = walker.whole(&head).map_err(at)?;
            let batch = Batch::read(bytes).map_err(|what| damaged(source, &head, &what))?;
            let outcome = rules.clean(&batch, standing).map_err(|what| damaged(source, &head, &what))?;
            let interval = self.config.index_interval_bytes;
            let written = segment.len();
            match outcome {
                Outcome::Gone => continue,
                Outcome::Same => segment.append(&[head], &[IoSlice::new(bytes)], interval)?,
                Outcome::Changed(changed) => {
                    segment.append(&[head_of(&changed)], &[IoSlice::new(&changed)], interval)?;
                }
            }
            stats.batches_written += 1;
            self.go_on(*pace, segment.len() - written)?;
        }
        Ok(())
    }

    /// Rests as long as it has to; there is no use in going on with a log that was deleted meanwhile.
    fn go_on(&self, pace: &mut dyn FnMut(u64), bytes: u64) -> Result<(), CompactionError> {
        pace(bytes);
        if self.life.is_over() { Err(CompactionError::Deleted) } else { Ok(()) }
    }

    /// Says that the group is finished; the `.log` last, because it is what recovery looks for.
    fn name_as_swap(&self, group: &mut Group) -> Result<(), LogError> {
        for (path, _) in &mut group.files {
            let swap = swap_name(path);
            self.vfs.rename(path, &swap).context("renaming", path)?;
            *path = swap;
        }
        Ok(())
    }
}

fn head_of(batch: &Bytes) -> Head {
    Head::of_v2(0, BatchHeader::read(batch).expect("a batch that was just built"))
}

fn damaged(source: &Source, head: &Head, what: &kafka_record::ReadError) -> ReadError {
    ReadError::Damaged { path: source.path.clone(), position: head.position, what: what.to_string() }
}
