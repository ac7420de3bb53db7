//! `.index` and `.timeindex`: their entries, compared with the segment.
//!
//! An entry of the first is an offset, counted from the file's name (i32), and where its batch begins (i32); of the
//! second a timestamp (i64) and an offset (i32). After a crash the rest of a file may be zeros.

use std::path::{Path, PathBuf};

use kafka_record::NO_TIMESTAMP;
use vfs::Vfs;

use super::batches::Segment;
use super::{Findings, Settings, Thrown, absolute, base_offset, note};
use crate::output::Console;

const CORRUPT: &str = "org.apache.kafka.storage.internals.log.CorruptIndexException";
/// How many bytes at the end of an index Java searches first.
const WARM: usize = 8192;

/// An index in memory; `N` bytes are an entry.
struct Index<const N: usize> {
    base: i64,
    bytes: Vec<u8>,
}

impl<const N: usize> Index<N> {
    fn read(vfs: &dyn Vfs, path: &Path, base: i64) -> Result<Index<N>, Thrown> {
        let bytes = vfs.read(path).map_err(|error| Thrown::io(&error, path))?;
        Ok(Index { base, bytes })
    }

    fn entries(&self) -> &[[u8; N]] {
        self.bytes.as_chunks().0
    }

    /// The i32 behind `at` bytes of an entry, counted from the base.
    fn offset(&self, entry: &[u8; N], at: usize) -> i64 {
        self.base.wrapping_add(i64::from(i32_at(entry, at)))
    }

    fn is_whole(&self) -> bool {
        self.bytes.len().is_multiple_of(N)
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    (i64::from(i32_at(bytes, at)) << 32) | i64::from(i32_at(bytes, at + 4) as u32)
}

impl Index<8> {
    /// Where the last entry at or before `offset` points. Zeros at the end are not in order, so the search has to be
    /// Java's to end where Java's does.
    fn lookup(&self, offset: i64) -> i32 {
        let entries = self.entries();
        let key = |at: usize| self.offset(&entries[at], 0);
        let Some(last) = entries.len().checked_sub(1) else { return 0 };
        let search = |mut low: usize, mut high: usize| {
            while low < high {
                let middle = (low + high).div_ceil(2);
                match key(middle).cmp(&offset) {
                    std::cmp::Ordering::Greater => high = middle - 1,
                    std::cmp::Ordering::Less => low = middle,
                    std::cmp::Ordering::Equal => return middle,
                }
            }
            low
        };
        let warm = last.saturating_sub(WARM / 8);
        let found = if key(warm) < offset {
            search(warm, last)
        } else if key(0) > offset {
            return 0;
        } else {
            search(0, warm)
        };
        i32_at(&entries[found], 4)
    }

    fn check(&self, path: &Path) -> Result<(), Thrown> {
        let (file, base) = (absolute(path), self.base);
        let last = self.entries().last().map_or(base, |entry| self.offset(entry, 0));
        if last < base {
            return Err(Thrown::new(
                CORRUPT,
                format!(
                    "Corrupt index found, index file ({file}) has non-zero size but the last offset is {last} which is \
                     less than the base offset {base}"
                ),
            ));
        }
        if self.is_whole() { Ok(()) } else { Err(ragged("Index", &file, self.bytes.len())) }
    }
}

impl Index<12> {
    fn check(&self, path: &Path) -> Result<(), Thrown> {
        let (file, base) = (absolute(path), self.base);
        if let [first, ..] = self.entries()
            && let Some(last) = self.entries().last()
        {
            let (offset, timestamp, earliest) = (self.offset(last, 8), i64_at(last, 0), i64_at(first, 0));
            let corrupt = |what: &str, last: i64, first: i64| {
                let message = format!(
                    "Corrupt time index found, time index file ({file}) has non-zero size but the last {what} is \
                     {last} which is less than the first {what} {first}"
                );
                Err(Thrown::new(CORRUPT, message))
            };
            if timestamp < earliest {
                return corrupt("timestamp", timestamp, earliest);
            }
            if offset < base {
                return corrupt("offset", offset, base);
            }
        }
        if self.is_whole() { Ok(()) } else { Err(ragged("Time index", &file, self.bytes.len())) }
    }
}

fn ragged(what: &str, file: &str, len: usize) -> Thrown {
    let message =
        format!("{what} file {file} is corrupt, found {len} bytes which is neither positive nor a multiple of");
    Thrown::new(CORRUPT, format!("{message} {}", if what == "Index" { 8 } else { 12 }))
}

/// The file beside it with another suffix; Java names it in full.
fn beside(path: &Path, stem: &str, suffix: &str) -> PathBuf {
    Path::new(&absolute(path)).with_file_name(format!("{stem}{suffix}"))
}

/// Prints an offset index.
pub(super) fn dump(
    vfs: &dyn Vfs,
    path: &Path,
    settings: &Settings,
    findings: &mut Findings,
    console: &mut Console,
) -> Result<(), Thrown> {
    let max_message_size = settings.max_message_size.clone()?;
    let (stem, base) = base_offset(path)?;
    let segment = Segment::open(vfs, &beside(path, stem, ".log"))?;
    let index = Index::<8>::read(vfs, path, base)?;
    if index.entries().is_empty() {
        console.line(&format!("{} is empty.", path.display()));
        return Ok(());
    }
    if settings.sanity_check {
        index.check(path)?;
        console.line(&format!("{} passed sanity check.", path.display()));
        return Ok(());
    }
    for (at, entry) in index.entries().iter().enumerate() {
        let (offset, position) = (index.offset(entry, 0), i32_at(entry, 4));
        if offset == base && at > 0 {
            break;
        }
        let Some(batch) = segment.slice(position, max_message_size)?.batches().next()? else {
            return Err(Thrown("java.util.NoSuchElementException".to_owned()));
        };
        if batch.last_offset() != offset {
            note(&mut findings.mismatches, path, (offset, batch.last_offset()));
        }
        if !settings.verify_only {
            console.line(&format!("offset: {offset} position: {position}"));
        }
    }
    Ok(())
}

/// What was noticed in time indexes.
#[derive(Debug, Default)]
pub(super) struct TimeFindings {
    /// Timestamp in the index, timestamp in the log.
    mismatches: Vec<(String, Vec<(i64, i64)>)>,
    /// A timestamp, and the one before it, which is not smaller.
    out_of_order: Vec<(String, Vec<(i64, i64)>)>,
    /// Offset in the index, offset in the log or -1.
    not_found: Vec<(String, Vec<(i64, i64)>)>,
}

impl TimeFindings {
    pub(super) fn report(&self, console: &mut Console) {
        for (file, pairs) in &self.mismatches {
            console.error(&format!("Found timestamp mismatch in :{file}"));
            for (index, log) in pairs {
                console.error(&format!("  Index timestamp: {index}, log timestamp: {log}"));
            }
        }
        for (file, pairs) in &self.out_of_order {
            console.error(&format!("Found out of order timestamp in :{file}"));
            for (index, before) in pairs {
                console.error(&format!("  Index timestamp: {index}, Previously indexed timestamp: {before}"));
            }
        }
        for (_, pairs) in &self.not_found {
            console.error("The following indexed offsets are not found in the log.");
            for (index, log) in pairs {
                console.error(&format!("Indexed offset: {index}, found log offset: {log}"));
            }
        }
    }
}

/// Prints a time index.
pub(super) fn dump_times(
    vfs: &dyn Vfs,
    path: &Path,
    settings: &Settings,
    findings: &mut Findings,
    console: &mut Console,
) -> Result<(), Thrown> {
    let (stem, base) = base_offset(path)?;
    let segment = Segment::open(vfs, &beside(path, stem, ".log"))?;
    let offsets = beside(path, stem, ".index");
    if !vfs.exists(&offsets) {
        // Java creates the file, and then dies of the size that it did not give it. Nothing is created here.
        return Err(Thrown::new("java.lang.IllegalArgumentException", "Invalid max index size: -1"));
    }
    let offsets = Index::<8>::read(vfs, &offsets, base)?;
    let times = Index::<12>::read(vfs, path, base)?;
    if settings.sanity_check {
        times.check(path)?;
        console.line(&format!("{} passed sanity check.", path.display()));
        return Ok(());
    }
    let mut before = NO_TIMESTAMP;
    for (at, entry) in times.entries().iter().enumerate() {
        let (timestamp, offset) = (i64_at(entry, 0), times.offset(entry, 8));
        if offset == base && at > 0 {
            break;
        }
        let part = segment.slice(offsets.lookup(offset), i32::MAX)?;
        compare_time(&part, path, (timestamp, offset), before, &mut findings.times)?;
        if !settings.verify_only {
            console.line(&format!("timestamp: {timestamp} offset: {offset}"));
        }
        before = timestamp;
    }
    Ok(())
}

fn compare_time(
    part: &Segment,
    path: &Path,
    (timestamp, offset): (i64, i64),
    before: i64,
    findings: &mut TimeFindings,
) -> Result<(), Thrown> {
    let mut batches = part.batches();
    let found = loop {
        match batches.next()? {
            Some(batch) if batch.last_offset() < offset => {}
            other => break other,
        }
    };
    match found {
        None => note(&mut findings.not_found, path, (offset, -1)),
        Some(batch) if batch.last_offset() != offset => {
            note(&mut findings.not_found, path, (offset, batch.last_offset()));
        }
        Some(batch) => {
            let max = batch.max_record_timestamp()?;
            if max != timestamp {
                note(&mut findings.mismatches, path, (timestamp, max));
            }
            if before >= timestamp {
                note(&mut findings.out_of_order, path, (timestamp, before));
            }
        }
    }
    Ok(())
}
