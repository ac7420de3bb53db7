//! A file of entries of one size that only grows at its end: what both indexes are made of.
//!
//! New entries are kept in memory and written a few dozen at a time, because an index is only as good as the recovery
//! point says: after a crash, what is above it is made anew from the batches. While a segment is active its index
//! files are longer than their content (zeros that occupy no blocks, as Apache maps them into memory at full length).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use vfs::{File, OpenMode, Vfs};

use crate::error::{IoContext, LogError, is_out_of_descriptors};
use crate::sync::DirtyFile;

/// Entries kept in memory before they are written together.
const TAIL_MAX: usize = 64;

/// Entries read together when all are looked at.
const CHUNK: usize = 1024;

/// Entries read together when one is searched.
const BLOCK: usize = 64;

/// Entries of `N` bytes.
#[derive(Debug)]
pub(crate) struct IndexFile<const N: usize> {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    file: OnceLock<Arc<dyn File>>,
    /// Entries in the file.
    written: u64,
    /// Entries after those.
    tail: Vec<[u8; N]>,
    /// The last entry, once it was asked for: every append compares itself with it.
    last: OnceLock<[u8; N]>,
    /// How many entries there may be.
    capacity: u64,
    /// The file is longer than its entries, or may be.
    padded: bool,
    /// Something was written since the last sync.
    dirty: bool,
    /// Where the last search ended in the file: the next one is mostly of the same reader, a little further.
    found: AtomicU64,
}

impl<const N: usize> IndexFile<N> {
    /// An index whose file has this length; it is opened when it is needed.
    pub(crate) fn existing(vfs: Arc<dyn Vfs>, path: PathBuf, file_len: u64, capacity_bytes: u64) -> IndexFile<N> {
        let written = file_len / N as u64;
        IndexFile {
            vfs,
            path,
            file: OnceLock::new(),
            written,
            tail: Vec::new(),
            last: OnceLock::new(),
            capacity: capacity_bytes / N as u64,
            padded: file_len != written * N as u64,
            dirty: false,
            found: AtomicU64::new(0),
        }
    }

    /// An empty index, its file made or emptied.
    pub(crate) fn create(vfs: Arc<dyn Vfs>, path: PathBuf, capacity_bytes: u64) -> Result<IndexFile<N>, LogError> {
        let file = vfs.open(&path, OpenMode::Create).context("creating", &path)?;
        file.set_len(0).context("emptying", &path)?;
        let index = IndexFile::existing(vfs, path, 0, capacity_bytes);
        let _ = index.file.set(file);
        Ok(index)
    }

    pub(crate) fn set_dir(&mut self, dir: &Path) {
        crate::segment::move_to(&mut self.path, dir);
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn set_capacity_bytes(&mut self, bytes: u64) {
        self.capacity = bytes / N as u64;
    }

    /// Extends the file to its full length; the new part occupies no blocks.
    pub(crate) fn preallocate(&mut self) -> Result<(), LogError> {
        self.padded = true;
        let len = self.capacity * N as u64;
        self.open()?.set_len(len.max(self.written * N as u64)).context("extending", &self.path)
    }

    /// Entry `index`, which must be there.
    pub(crate) fn get(&self, index: u64) -> Result<[u8; N], LogError> {
        if let Some(entry) = index.checked_sub(self.written).and_then(|at| self.tail.get(at as usize)) {
            return Ok(*entry);
        }
        let is_last = index + 1 == self.len();
        if let Some(last) = self.last.get().filter(|_| is_last) {
            return Ok(*last);
        }
        let mut entry = [0; N];
        if is_last {
            self.in_passing()?.read_exact_at(&mut entry, index * N as u64).context("reading", &self.path)?;
            let _ = self.last.set(entry);
        } else {
            self.open()?.read_exact_at(&mut entry, index * N as u64).context("reading", &self.path)?;
        }
        Ok(entry)
    }

    /// How many entries from the front satisfy `predicate`, which must hold for a prefix.
    pub(crate) fn partition_point(&self, predicate: impl Fn(&[u8; N]) -> bool) -> Result<u64, LogError> {
        // Most readers are near the end, whose entries are in memory: no system call for them.
        if self.tail.first().is_some_and(&predicate) {
            return Ok(self.written + self.tail.partition_point(predicate) as u64);
        }
        let (mut low, mut high) = (0, self.written);
        let mut block = [[0; N]; BLOCK];
        let mut guess = self.found.load(Ordering::Relaxed);
        while low < high {
            let len = (high - low).min(BLOCK as u64);
            let at = guess.saturating_sub(len / 2).clamp(low, high - len);
            let entries = &mut block[..len as usize];
            self.open()?.read_exact_at(entries.as_flattened_mut(), at * N as u64).context("reading", &self.path)?;
            let before = entries.partition_point(&predicate) as u64;
            low = if before > 0 { at + before } else { low };
            high = if before < len { at + before } else { high };
            guess = low + (high - low) / 2;
        }
        self.found.store(low, Ordering::Relaxed);
        Ok(low)
    }

    /// How many entries from the front `accept` takes, which is asked for each in turn.
    pub(crate) fn count_sound(&self, mut accept: impl FnMut(&[u8; N]) -> bool) -> Result<u64, LogError> {
        let mut chunk = [[0; N]; CHUNK];
        let mut count = 0;
        while count < self.written {
            let entries = &mut chunk[..(self.written - count).min(CHUNK as u64) as usize];
            self.open()?.read_exact_at(entries.as_flattened_mut(), count * N as u64).context("reading", &self.path)?;
            for entry in entries.iter() {
                if !accept(entry) {
                    return Ok(count);
                }
                count += 1;
            }
        }
        Ok(count + self.tail.iter().take_while(|entry| accept(entry)).count() as u64)
    }

    pub(crate) fn push(&mut self, entry: [u8; N]) -> Result<(), LogError> {
        self.tail.push(entry);
        self.last = OnceLock::new();
        self.dirty = true;
        if self.tail.len() < TAIL_MAX {
            return Ok(());
        }
        match self.write_tail() {
            // The next one tries again.
            Err(error) if is_out_of_descriptors(&error) => Ok(()),
            other => other,
        }
    }

    /// Puts the entries that are in memory into the file.
    pub(crate) fn write_tail(&mut self) -> Result<(), LogError> {
        if self.tail.is_empty() {
            return Ok(());
        }
        self.open()?.write_at(self.tail.as_flattened(), self.written * N as u64).context("writing", &self.path)?;
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// Keeps the first `entries`. What is cut off is zeroed at once: an entry of a past life must not come back when
    /// the file is read after a crash.
    pub(crate) fn truncate(&mut self, entries: u64) -> Result<(), LogError> {
        if entries >= self.len() {
            return Ok(());
        }
        self.last = OnceLock::new();
        self.dirty = true;
        if entries >= self.written {
            self.tail.truncate((entries - self.written) as usize);
            return Ok(());
        }
        self.tail.clear();
        self.written = entries;
        let len = entries * N as u64;
        self.open()?.set_len(len).context("cutting", &self.path)?;
        self.preallocate()
    }

    /// Is it longer than its entries?
    pub(crate) fn is_padded(&self) -> bool {
        self.padded
    }

    /// Writes what is in memory and cuts the file to its entries.
    pub(crate) fn trim(&mut self) -> Result<(), LogError> {
        self.write_tail()?;
        if self.padded {
            self.open()?.set_len(self.written * N as u64).context("cutting", &self.path)?;
            self.padded = false;
            self.dirty = true;
        }
        Ok(())
    }

    /// The file, if it has to be synced: everything is written to it by now and counts as clean.
    pub(crate) fn take_dirty(&mut self) -> Result<Option<DirtyFile>, LogError> {
        self.write_tail()?;
        if !self.dirty {
            return Ok(None);
        }
        let was_open = self.file.get().is_some();
        let file = self.open()?.clone();
        self.dirty = false;
        if !was_open {
            // Opened for this sync alone: it closes with the job.
            self.file.take();
        }
        Ok(Some((self.path.clone(), file)))
    }

    pub(crate) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// Closes the file unless it has something to sync, or in any case. Entries that are only in memory stay there.
    pub(crate) fn release(&mut self, in_any_case: bool) {
        if in_any_case || !self.dirty {
            self.file.take();
        }
        self.tail.shrink_to_fit();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.file.get().is_some()
    }

    fn open(&self) -> Result<&Arc<dyn File>, LogError> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = self.in_passing()?;
        Ok(self.file.get_or_init(|| file))
    }

    /// The file for what is done once, by whoever appends first: that is worth no descriptor that stays. Thousands of
    /// partitions that are written to at the same time would have none left.
    fn in_passing(&self) -> Result<Arc<dyn File>, LogError> {
        match self.file.get() {
            Some(file) => Ok(Arc::clone(file)),
            None => self.vfs.open(&self.path, OpenMode::Create).context("opening", &self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::MemoryVfs;

    fn index() -> (MemoryVfs, IndexFile<4>) {
        let vfs = MemoryVfs::with_dirs(["/d"]);
        let index = IndexFile::create(Arc::new(vfs.clone()), PathBuf::from("/d/i"), 1000).expect("creates");
        (vfs, index)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that predicates get")]
    fn number(entry: &[u8; 4]) -> u32 {
        u32::from_be_bytes(*entry)
    }

    #[test]
    fn entries_are_found_in_memory_and_in_the_file() {
        let (_, mut index) = index();
        for value in 0..200u32 {
            index.push((value * 2).to_be_bytes()).expect("pushes");
        }
        // One after the other, and here and there.
        for target in (0..400).chain((0..400).map(|number| number * 211 % 400)) {
            let found = index.partition_point(|entry| number(entry) <= target).expect("reads");
            assert_eq!(found, u64::from(target / 2) + 1);
        }
        index.truncate(70).expect("cuts");
        assert_eq!(index.len(), 70);
        assert_eq!(number(&index.get(69).expect("reads")), 138);
        index.push(500u32.to_be_bytes()).expect("pushes");
        assert_eq!(index.partition_point(|entry| number(entry) < 500).expect("reads"), 70);
    }

    #[test]
    fn the_last_entry_is_the_last_whatever_came_before() {
        let (_, mut index) = index();
        let last = |index: &IndexFile<4>| number(&index.get(index.len() - 1).expect("reads"));
        for value in 0..100u32 {
            index.push(value.to_be_bytes()).expect("pushes");
            assert_eq!(last(&index), value);
            if value % 3 == 0 {
                index.write_tail().expect("writes");
                assert_eq!((last(&index), last(&index)), (value, value));
            }
        }
        for entries in [80, 7] {
            index.truncate(entries).expect("cuts");
            assert_eq!((last(&index), last(&index)), (entries as u32 - 1, entries as u32 - 1));
        }
    }

    #[test]
    fn the_file_is_padded_while_active_and_exact_when_trimmed() {
        let (vfs, mut index) = index();
        index.preallocate().expect("extends");
        index.push(7u32.to_be_bytes()).expect("pushes");
        assert_eq!(vfs.metadata(Path::new("/d/i")).expect("is there").len, 1000);
        index.trim().expect("trims");
        assert_eq!(vfs.read(Path::new("/d/i")).expect("reads"), [0, 0, 0, 7]);
        assert!(index.take_dirty().expect("writes").is_some());
        assert!(index.take_dirty().expect("writes").is_none());
    }

    #[test]
    fn cut_entries_read_as_zeros() {
        let (vfs, mut index) = index();
        index.preallocate().expect("extends");
        for value in 1..=100u32 {
            index.push(value.to_be_bytes()).expect("pushes");
        }
        index.truncate(3).expect("cuts");
        let bytes = vfs.read(Path::new("/d/i")).expect("reads");
        assert_eq!(bytes.len(), 1000);
        assert!(bytes[12..].iter().all(|byte| *byte == 0));
    }
}
