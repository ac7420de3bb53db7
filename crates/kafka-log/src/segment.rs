//! One `.log` file with its indexes.
//!
//! The last segment of a log is active: its index files are longer than their content and it is the only one that
//! grows. All others are closed: exact in length, immutable but for truncation and replacement by compaction.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use kafka_types::Offset;
use time_types::WallMillis;
use vfs::{File, OpenMode, Vfs};

use crate::config::LogConfig;
use crate::error::{IoContext, LogError, ReadError};
use crate::index_file::IndexFile;
use crate::names::{self, segment_file};
use crate::offset_index::{self, OffsetIndex, OffsetPosition};
use crate::sync::DirtyFile;
use crate::time_index::{self, TimeIndex, TimestampOffset};
use crate::txn_index::TxnIndex;
use crate::walk::{Head, WINDOW_LOOKUP, WalkError, Walker};

/// How many of the last batches are remembered, so that who follows the log's end needs no lookup on disk.
const RECENT_MAX: usize = 32;

/// Where a segment lives and how large its indexes are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) vfs: &'a Arc<dyn Vfs>,
    pub(crate) dir: &'a Path,
    /// `segment.index.bytes`.
    pub(crate) index_bytes: u64,
    /// Behind the names: none, or that of a segment that compaction writes.
    pub(crate) suffix: &'a str,
}

impl Place<'_> {
    pub(crate) fn file(&self, base: Offset, extension: &str) -> PathBuf {
        self.dir.join(format!("{}{}", segment_file(base, extension), self.suffix))
    }
}

/// The same name in another directory.
pub(crate) fn move_to(path: &mut PathBuf, dir: &Path) {
    if let Some(name) = path.file_name() {
        *path = dir.join(name);
    }
}

/// A batch that was appended a moment ago.
#[derive(Debug, Clone, Copy)]
struct Recent {
    last_offset: Offset,
    position: u64,
    size: u64,
}

/// What became of a time index that was held against its segment.
#[derive(Debug, Clone, Copy)]
struct TimesFound {
    /// The largest timestamp of the batches.
    largest: TimestampOffset,
    /// The index tells the truth.
    usable: bool,
}

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchPlace {
    pub(crate) position: u64,
    pub(crate) size: u64,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    base: Offset,
    file: OnceLock<Arc<dyn File>>,
    len: u64,
    pub(crate) offsets: OffsetIndex,
    pub(crate) times: TimeIndex,
    pub(crate) aborted: TxnIndex,
    /// Bytes since the last index entry.
    since_index: u64,
    /// The largest timestamp; what is not known yet is what the time index says.
    largest: OnceLock<TimestampOffset>,
    /// The time index was made of batches that this process has seen; otherwise what [`Segment::times`] found of it.
    times_made_here: bool,
    times_found: OnceLock<TimesFound>,
    /// The timestamp of the first batch, which `segment.ms` counts from.
    first_timestamp: OnceLock<i64>,
    created: WallMillis,
    recent: VecDeque<Recent>,
    dirty: bool,
}

impl Segment {
    /// A new, empty, active segment.
    pub(crate) fn create(
        place: Place<'_>,
        base: Offset,
        config: &LogConfig,
        now: WallMillis,
    ) -> Result<Segment, LogError> {
        let path = place.file(base, names::LOG);
        let file = place.vfs.open(&path, OpenMode::Create).context("creating", &path)?;
        // A new file has nothing to sync but its name; an old one must not come back with its content.
        let dirty = config.preallocate || file.len().context("looking at", &path)? > 0;
        file.set_len(0).context("emptying", &path)?;
        if config.preallocate {
            file.reserve(config.segment_bytes).context("reserving", &path)?;
        }
        let index = place.file(base, names::OFFSET_INDEX);
        let times = place.file(base, names::TIME_INDEX);
        let aborted = place.file(base, names::TXN_INDEX);
        crate::removal::remove(&**place.vfs, &aborted)?;
        let mut segment = Segment {
            vfs: place.vfs.clone(),
            base,
            len: 0,
            offsets: OffsetIndex::create(place.vfs.clone(), index, base, place.index_bytes)?,
            times: TimeIndex::create(place.vfs.clone(), times, base, place.index_bytes)?,
            aborted: TxnIndex::new(place.vfs.clone(), aborted, base),
            file: OnceLock::new(),
            path,
            since_index: 0,
            largest: OnceLock::from(TimestampOffset { timestamp: kafka_record::NO_TIMESTAMP, offset: base }),
            times_made_here: true,
            times_found: OnceLock::new(),
            first_timestamp: OnceLock::new(),
            created: now,
            recent: VecDeque::new(),
            dirty,
        };
        segment.preallocate_indexes(place.index_bytes)?;
        segment.release_files(false);
        Ok(segment)
    }

    /// A segment that is there; `lens` are the lengths of the files of offset and time index.
    pub(crate) fn existing(
        place: Place<'_>,
        base: Offset,
        lens: (u64, u64),
        now: WallMillis,
    ) -> Result<Segment, LogError> {
        let path = place.file(base, names::LOG);
        let len = place.vfs.metadata(&path).context("looking at", &path)?.len;
        let (vfs, capacity) = (place.vfs, place.index_bytes);
        let index = IndexFile::existing(vfs.clone(), place.file(base, names::OFFSET_INDEX), lens.0, capacity);
        let times = IndexFile::existing(vfs.clone(), place.file(base, names::TIME_INDEX), lens.1, capacity);
        Ok(Segment {
            vfs: vfs.clone(),
            base,
            file: OnceLock::new(),
            len,
            offsets: OffsetIndex::new(index, base),
            times: TimeIndex::new(times, base),
            aborted: TxnIndex::new(vfs.clone(), place.file(base, names::TXN_INDEX), base),
            path,
            since_index: 0,
            largest: OnceLock::new(),
            times_made_here: false,
            times_found: OnceLock::new(),
            first_timestamp: OnceLock::new(),
            created: now,
            recent: VecDeque::new(),
            dirty: false,
        })
    }

    /// The log's directory has another name now.
    pub(crate) fn set_dir(&mut self, dir: &Path) {
        move_to(&mut self.path, dir);
        self.offsets.file.set_dir(dir);
        self.times.file.set_dir(dir);
        self.aborted.set_dir(dir);
    }

    pub(crate) fn base(&self) -> Offset {
        self.base
    }

    /// Bytes of whole batches.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, shared with readers.
    pub(crate) fn file(&self) -> Result<&Arc<dyn File>, LogError> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = self.vfs.open(&self.path, OpenMode::ReadWrite).context("opening", &self.path)?;
        Ok(self.file.get_or_init(|| file))
    }

    /// Closes the files that have nothing to sync, or `all`; each is opened again when it is needed. Who reads keeps
    /// its own handle.
    pub(crate) fn release_files(&mut self, all: bool) {
        if all || !self.dirty {
            self.file.take();
        }
        self.release_indexes(all);
        self.aborted.release(all);
        self.recent.shrink_to_fit();
    }

    /// Is one of its files open?
    pub(crate) fn holds_files(&self) -> bool {
        self.file.get().is_some() || self.offsets.file.is_open() || self.times.file.is_open() || self.aborted.is_open()
    }

    /// Its files that may exist, by extension.
    pub(crate) fn files(&self) -> [PathBuf; 4] {
        [
            self.path.clone(),
            self.offsets.file.path().to_owned(),
            self.times.file.path().to_owned(),
            self.aborted.path().clone(),
        ]
    }

    /// Bytes of the entries of offset and time index.
    pub(crate) fn index_lens(&self) -> (u64, u64) {
        let bytes = |entries: u64, entry: usize| entries * entry as u64;
        (bytes(self.offsets.file.len(), offset_index::ENTRY), bytes(self.times.file.len(), time_index::ENTRY))
    }

    /// Extends the indexes to the length of an active segment's.
    pub(crate) fn preallocate_indexes(&mut self, bytes: u64) -> Result<(), LogError> {
        self.offsets.file.set_capacity_bytes(bytes);
        self.times.file.set_capacity_bytes(bytes);
        self.offsets.file.preallocate()?;
        self.times.file.preallocate()
    }

    /// Closes both indexes unless they have something to sync, or in any case. An append needs none of them until
    /// there are entries to write.
    pub(crate) fn release_indexes(&mut self, in_any_case: bool) {
        self.offsets.file.release(in_any_case);
        self.times.file.release(in_any_case);
    }

    /// Is there no room for the next append: size, age, index entries, or an offset too far from the base?
    pub(crate) fn should_roll(&self, next: &Head, config: &LogConfig, now: WallMillis) -> Result<bool, ReadError> {
        let full = self.len + next.size > config.segment_bytes
            || self.offsets.is_full()
            || self.times.is_full()
            || i32::try_from(next.last_offset - self.base).is_err();
        if full || self.len == 0 {
            return Ok(full);
        }
        let first = self.first_timestamp()?;
        let age = if first >= 0 { next.max_timestamp.saturating_sub(first) } else { now - self.created };
        // What has to be compacted in time has to leave the active segment in time.
        let most = if config.cleanup.compact { config.max_compaction_lag_ms } else { i64::MAX };
        Ok(age > config.segment_ms.min(most) - self.jitter(config))
    }

    /// The same for one segment each time, different between segments; no random source is needed for that.
    fn jitter(&self, config: &LogConfig) -> i64 {
        let most = config.segment_jitter_ms.min(config.segment_ms);
        if most <= 0 {
            return 0;
        }
        let mixed = crc32c::crc32c_append(self.base.0 as u32, self.path.as_os_str().as_encoded_bytes());
        i64::from(mixed) % most
    }

    /// The max timestamp of the first batch; -1 if there is none.
    pub(crate) fn first_timestamp(&self) -> Result<i64, ReadError> {
        if let Some(first) = self.first_timestamp.get() {
            return Ok(*first);
        }
        let first = match self.head_at(0)? {
            Some(head) => head.max_timestamp,
            None => return Ok(kafka_record::NO_TIMESTAMP),
        };
        Ok(*self.first_timestamp.get_or_init(|| first))
    }

    /// Will one of both indexes perhaps be full when so many more batches are in?
    pub(crate) fn may_fill_indexes(&self, batches: usize) -> bool {
        self.offsets.is_full_with(batches as u64) || self.times.is_full_with(batches as u64)
    }

    /// Opens what the next [`Segment::append`] needs, if so many bytes of other batches go before it.
    pub(crate) fn open_for_append(&self, before: u64, index_interval: u64) -> Result<(), LogError> {
        self.file()?;
        self.largest()?;
        if self.since_index + before > index_interval {
            self.offsets.last()?;
            self.times.last()?;
        }
        Ok(())
    }

    /// Writes batches, in any number of pieces, behind the last one.
    pub(crate) fn append(
        &mut self,
        heads: &[Head],
        pieces: &[IoSlice<'_>],
        index_interval: u64,
    ) -> Result<(), LogError> {
        self.file()?.write_pieces_at(pieces, self.len).context("writing", &self.path)?;
        self.dirty = true;
        heads.iter().try_for_each(|head| self.take_in(head, index_interval))
    }

    /// A batch has been written behind the last one.
    fn take_in(&mut self, head: &Head, index_interval: u64) -> Result<(), LogError> {
        let position = self.len;
        self.account(&Head { position, ..*head }, index_interval)?;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { last_offset: head.last_offset, position, size: head.size });
        Ok(())
    }

    /// Takes a batch that is in the file into length, timestamps and indexes: of an append and of recovery.
    pub(crate) fn account(&mut self, head: &Head, index_interval: u64) -> Result<(), LogError> {
        if head.position == 0 {
            self.first_timestamp = OnceLock::from(head.max_timestamp);
        }
        if head.max_timestamp > self.largest()?.timestamp {
            let largest = TimestampOffset { timestamp: head.max_timestamp, offset: head.last_offset };
            self.largest = OnceLock::from(largest);
        }
        if self.since_index > index_interval {
            self.offsets.append(head.last_offset, head.position)?;
            self.times.maybe_append(self.largest()?)?;
            self.since_index = 0;
        }
        self.since_index += head.size;
        self.len = head.end();
        Ok(())
    }

    /// The largest timestamp and the last offset of its batch; -1 if there is none.
    pub(crate) fn largest(&self) -> Result<TimestampOffset, LogError> {
        if let Some(largest) = self.largest.get() {
            return Ok(*largest);
        }
        let last = self.times.last()?;
        Ok(*self.largest.get_or_init(|| last))
    }

    /// What retention looks at: the largest timestamp, or when the file was last written if records have none.
    pub(crate) fn largest_or_modified(&self) -> Result<i64, LogError> {
        let largest = self.largest()?.timestamp;
        if largest >= 0 {
            return Ok(largest);
        }
        self.modified()
    }

    /// The same, by [`Segment::sure_largest`].
    pub(crate) fn sure_largest_or_modified(&self) -> Result<i64, ReadError> {
        let largest = self.sure_largest()?.timestamp;
        if largest >= 0 { Ok(largest) } else { Ok(self.modified()?) }
    }

    /// When the file was last written, wall ms.
    pub(crate) fn modified(&self) -> Result<i64, LogError> {
        Ok(self.vfs.metadata(&self.path).context("looking at", &self.path)?.modified_ms)
    }

    /// The first batch whose last offset is not below `offset`; `None` if all are.
    pub(crate) fn find(&self, offset: Offset) -> Result<Option<BatchPlace>, ReadError> {
        if let Some(first) = self.recent.front()
            && (first.last_offset < offset || first.position == 0)
        {
            let index = self.recent.partition_point(|recent| recent.last_offset < offset);
            let found = self.recent.get(index);
            return Ok(found.map(|recent| BatchPlace { position: recent.position, size: recent.size }));
        }
        let (mut walker, mut head) = self.walk_behind(self.offsets.lookup(offset)?)?;
        while let Some(here) = head {
            if here.last_offset >= offset {
                return Ok(Some(BatchPlace { position: here.position, size: here.size }));
            }
            head = walker.next().map_err(|error| error.at(&self.path))?;
        }
        self.walked_to(walker.position())?;
        Ok(None)
    }

    /// A walk that finds no further batch has to be at the end: a length that reaches beyond it is damage, and what
    /// follows would be passed over.
    pub(crate) fn walked_to(&self, position: u64) -> Result<(), ReadError> {
        if position >= self.len {
            return Ok(());
        }
        let what = "no whole batch begins here".to_owned();
        Err(ReadError::Damaged { path: self.path.clone(), position, what })
    }

    /// Reads batch by batch from where an index entry points, with the first batch: from the front of the segment if
    /// no batch of the entry begins there. An index that lies makes a search slow, never its result wrong.
    fn walk_behind(&self, entry: OffsetPosition) -> Result<(Walker<'_>, Option<Head>), ReadError> {
        let at = |error: WalkError| error.at(&self.path);
        if entry.position > 0 {
            let mut walker = self.walk(entry.position, WINDOW_LOOKUP)?;
            match walker.next() {
                Ok(Some(head)) if (self.base..=entry.offset).contains(&head.last_offset) => {
                    return Ok((walker, Some(head)));
                }
                Err(error @ WalkError::Io(_)) => return Err(at(error)),
                _ => tell_of_damage(self.offsets.file.path()),
            }
        }
        let mut walker = self.walk(0, WINDOW_LOOKUP)?;
        let head = walker.next().map_err(at)?;
        Ok((walker, head))
    }

    /// Reads batch by batch from `position`, where one begins.
    pub(crate) fn walk(&self, position: u64, window: usize) -> Result<Walker<'_>, LogError> {
        Ok(Walker::new(&**self.file()?, position, self.len, window))
    }

    pub(crate) fn head_at(&self, position: u64) -> Result<Option<Head>, ReadError> {
        self.walk(position, WINDOW_LOOKUP)?.next().map_err(|error| error.at(&self.path))
    }

    /// The offset after the last batch, by a walk from the last index entry; and where whole batches end.
    pub(crate) fn end(&self) -> Result<(Offset, u64), ReadError> {
        if self.len == 0 {
            return Ok((self.base, 0));
        }
        let (mut walker, mut head) = self.walk_behind(self.offsets.last()?)?;
        let mut next = self.base;
        while let Some(here) = head {
            next = here.last_offset + 1;
            head = walker.next().map_err(|error| error.at(&self.path))?;
        }
        Ok((next, walker.position()))
    }

    /// Removes batches that hold `offset` or later; returns how many bytes went. The segment is active afterwards.
    pub(crate) fn truncate_to(&mut self, offset: Offset, index_bytes: u64) -> Result<u64, ReadError> {
        let Some(cut) = self.find(offset)? else { return Ok(0) };
        let removed = self.len - cut.position;
        self.cut_at(cut.position, offset, index_bytes)?;
        Ok(removed)
    }

    /// Keeps `len` bytes, which are the batches below `offset`.
    pub(crate) fn cut_at(&mut self, len: u64, offset: Offset, index_bytes: u64) -> Result<(), ReadError> {
        self.adopt_times()?;
        // Indexes first: one that is too short is slow, one that is too long points at what is not there.
        self.offsets.truncate_to(offset)?;
        self.times.truncate_to(offset)?;
        self.aborted.truncate_to(offset)?;
        self.preallocate_indexes(index_bytes)?;
        self.file()?.set_len(len).context("cutting", &self.path)?;
        self.len = len;
        self.recent.clear();
        self.since_index = 0;
        self.dirty = true;
        if len == 0 {
            self.first_timestamp = OnceLock::new();
        }
        self.largest = OnceLock::from(self.scan_largest()?);
        Ok(())
    }

    /// The largest timestamp by the time index and the batches behind its last entry.
    fn scan_largest(&self) -> Result<TimestampOffset, ReadError> {
        let last = self.times.last()?;
        self.largest_behind(last, self.offsets.lookup(last.offset)?)
    }

    /// The larger of `largest` and the largest timestamp of the batches behind an index entry.
    fn largest_behind(
        &self,
        mut largest: TimestampOffset,
        entry: OffsetPosition,
    ) -> Result<TimestampOffset, ReadError> {
        let (mut walker, mut head) = self.walk_behind(entry)?;
        while let Some(here) = head {
            if here.max_timestamp > largest.timestamp {
                largest = TimestampOffset { timestamp: here.max_timestamp, offset: here.last_offset };
            }
            head = walker.next().map_err(|error| error.at(&self.path))?;
        }
        Ok(largest)
    }

    /// The largest timestamp, the time index held against the batches once: for answers, and for what is not taken
    /// back. [`Segment::largest`] believes the index and opens nothing else.
    pub(crate) fn sure_largest(&self) -> Result<TimestampOffset, ReadError> {
        if self.times_made_here {
            return Ok(self.largest()?);
        }
        Ok(self.times_found()?.largest)
    }

    fn times_found(&self) -> Result<TimesFound, ReadError> {
        if let Some(found) = self.times_found.get() {
            return Ok(*found);
        }
        let last = self.times.last()?;
        let found = if self.times_fit(last)? {
            TimesFound { largest: last, usable: true }
        } else {
            if self.times.file.len() > 0 {
                tell_of_damage(self.times.file.path());
            }
            let none = TimestampOffset { timestamp: kafka_record::NO_TIMESTAMP, offset: self.base };
            let front = OffsetPosition { offset: self.base, position: 0 };
            TimesFound { largest: self.largest_behind(none, front)?, usable: false }
        };
        Ok(*self.times_found.get_or_init(|| found))
    }

    /// The segment will change: from here on its time index is one that this process has made or looked through.
    pub(crate) fn adopt_times(&mut self) -> Result<(), ReadError> {
        if self.times_made_here {
            return Ok(());
        }
        let found = self.times_found()?;
        if !found.usable {
            self.times.file.truncate(0)?;
        }
        self.largest = OnceLock::from(found.largest);
        self.times_made_here = true;
        Ok(())
    }

    /// Do the entries grow, and does the batch of the last one have its timestamp?
    fn times_fit(&self, last: TimestampOffset) -> Result<bool, ReadError> {
        let entries = self.times.file.len();
        if entries == 0 || self.times.sound_entries(Offset(i64::MAX))? < entries {
            return Ok(self.len == 0);
        }
        let Some(place) = self.find(last.offset)? else { return Ok(false) };
        Ok(self.head_at(place.position)?.is_some_and(|head| head.max_timestamp == last.timestamp))
    }

    /// Forgets what the indexes say, as a rebuild begins.
    pub(crate) fn reset_indexes(&mut self, entries: (u64, u64), aborted_below: Offset) -> Result<(), LogError> {
        self.offsets.file.truncate(entries.0)?;
        self.times.file.truncate(entries.1)?;
        self.aborted.truncate_to(aborted_below)?;
        self.largest = OnceLock::new();
        self.since_index = 0;
        self.dirty = true;
        Ok(())
    }

    /// Bytes of the file, whole batches or not.
    pub(crate) fn file_len(&self) -> Result<u64, LogError> {
        self.file()?.len().context("looking at", &self.path)
    }

    /// Batches from `position` on, where the last index entry points, will be taken in by [`Segment::account`].
    pub(crate) fn begin_account(&mut self, position: u64) -> Result<(), LogError> {
        self.len = position;
        self.since_index = 0;
        self.largest = OnceLock::from(self.times.last()?);
        self.times_made_here = true;
        Ok(())
    }

    /// No more appends: the last time index entry is made and the files get their exact length.
    pub(crate) fn close(&mut self, config: &LogConfig) -> Result<(), LogError> {
        if let Some(largest) = self.largest.get().copied() {
            self.times.maybe_append(largest)?;
        }
        self.offsets.file.trim()?;
        self.times.file.trim()?;
        if config.preallocate {
            self.file()?.set_len(self.len).context("cutting", &self.path)?;
        }
        self.recent = VecDeque::new();
        Ok(())
    }

    /// Is there room in the index files that is to be taken back?
    pub(crate) fn is_padded(&self) -> bool {
        self.offsets.file.is_padded() || self.times.file.is_padded()
    }

    /// The files that have to be synced, clean from now on; and whether a name is new.
    pub(crate) fn take_dirty(&mut self) -> Result<(Vec<DirtyFile>, bool), LogError> {
        let mut files = Vec::new();
        let mut new_name = false;
        if self.dirty {
            let was_open = self.file.get().is_some();
            files.push((self.path.clone(), self.file()?.clone()));
            self.dirty = false;
            if !was_open {
                // Opened for this sync alone: it closes with the job.
                self.file.take();
            }
        }
        files.extend(self.offsets.file.take_dirty()?);
        files.extend(self.times.file.take_dirty()?);
        if let Some((path, file, created)) = self.aborted.take_dirty() {
            files.push((path, file));
            new_name = created;
        }
        Ok((files, new_name))
    }

    /// All of its files have to be synced.
    pub(crate) fn mark_dirty(&mut self) {
        self.dirty = true;
        self.offsets.file.mark_dirty();
        self.times.file.mark_dirty();
    }

    /// The first offset that an index entry knows at or behind the end of a read; `None` if none does.
    pub(crate) fn upper_bound_of(&self, position: u64, len: u64) -> Result<Option<Offset>, ReadError> {
        let index = &self.offsets.file;
        let found = index.partition_point(|entry| offset_index::decode(self.base, entry).position < position + len)?;
        if found >= index.len() {
            return Ok(None);
        }
        let entry = offset_index::decode(self.base, &index.get(found)?);
        // A bound that is too low would hide transactions: only one at which there is a batch of the entry counts.
        let (_, head) = self.walk_behind(entry)?;
        Ok(head.filter(|head| head.position == entry.position).map(|_| entry.offset))
    }

    /// Where a search for `timestamp` at or after `from` begins.
    pub(crate) fn search_start(&self, timestamp: i64, from: Offset) -> Result<u64, ReadError> {
        let usable = self.times_made_here || self.times_found()?.usable;
        let known = if usable { self.times.lookup(timestamp)?.offset } else { self.base };
        self.position_for(known.max(from))
    }

    /// Where a walk to the batch that holds `offset` begins.
    pub(crate) fn position_for(&self, offset: Offset) -> Result<u64, ReadError> {
        let (_, head) = self.walk_behind(self.offsets.lookup(offset)?)?;
        Ok(head.map_or(0, |head| head.position))
    }
}

fn tell_of_damage(index: &Path) {
    tracing::warn!(
        target: "kafka.log.LogSegment",
        "Index file {} does not fit its segment; it is not used until it is rebuilt",
        index.display()
    );
}
