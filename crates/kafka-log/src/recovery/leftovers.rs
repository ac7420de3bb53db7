//! What an interrupted deletion or compaction left in a partition's directory.
//!
//! A compaction writes `.cleaned` files, renames them to `.swap` (the `.log` last), renames the segments they replace
//! to `.deleted`, then drops the suffix. So `.cleaned` means "not finished, undo", and `.log.swap` "finished, go on".

use std::collections::BTreeMap;
use std::path::Path;

use kafka_types::Offset;
use vfs::Vfs;

use super::NEEDED_INDEXES;
use crate::error::{IoContext, LoadError, LogError};
use crate::names::{self, CLEANED, DELETED, SWAP, parse_segment_file, segment_file};
use crate::removal::remove;
use crate::walk::{WINDOW_HEADERS, Walker};

/// Lengths of a segment's index files; `None` where there is no file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Indexes {
    lens: [Option<u64>; 2],
    /// There is a transaction index.
    pub(crate) aborted: bool,
}

impl Indexes {
    pub(crate) fn lens(&self) -> (u64, u64) {
        (self.lens[0].unwrap_or(0), self.lens[1].unwrap_or(0))
    }

    /// Are both there, with whole entries?
    pub(crate) fn are_usable(&self) -> bool {
        let whole = |(len, (_, entry)): (&Option<u64>, (&str, usize))| len.is_some_and(|len| len % entry as u64 == 0);
        self.lens.iter().zip(NEEDED_INDEXES).all(whole)
    }
}

/// What is in the directory after tidying up.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: BTreeMap<Offset, Indexes>,
    pub(crate) snapshots: Vec<Offset>,
}

/// Finishes or undoes what was interrupted and lists what is there.
pub(crate) fn tidy(vfs: &dyn Vfs, dir: &Path, prefix: &str) -> Result<Listing, LoadError> {
    let mut tidy = Tidy { vfs, dir, prefix, names: list(vfs, dir)? };
    let interrupted = |name: &String| [DELETED, CLEANED, SWAP].iter().any(|suffix| name.ends_with(suffix));
    if tidy.names.iter().any(interrupted) {
        tidy.remove_unfinished()?;
        tidy.finish_swaps()?;
        tidy.names = list(vfs, dir)?;
    }
    tidy.remove_orphans()?;
    tidy.listing().map_err(LoadError::Storage)
}

fn list(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<String>, LogError> {
    let entries = vfs.read_dir(dir).context("listing", dir)?;
    Ok(entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect())
}

struct Tidy<'a> {
    vfs: &'a dyn Vfs,
    dir: &'a Path,
    prefix: &'a str,
    names: Vec<String>,
}

impl Tidy<'_> {
    fn remove_named(&self, name: &str) -> Result<(), LogError> {
        remove(self.vfs, &self.dir.join(name))
    }

    /// `.deleted`, `.cleaned`, and `.swap` files that belong to an unfinished `.cleaned` set.
    fn remove_unfinished(&mut self) -> Result<(), LogError> {
        let base = |name: &str| parse_segment_file(name).map(|(base, _)| base);
        let unfinished = self.names.iter().filter(|name| name.ends_with(CLEANED)).filter_map(|name| base(name)).min();
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.names).into_iter().partition(|name| {
            let swap_of_unfinished =
                || name.ends_with(SWAP) && unfinished.is_some_and(|least| base(name).is_some_and(|base| base >= least));
            name.ends_with(DELETED) || name.ends_with(CLEANED) || swap_of_unfinished()
        });
        self.names = kept;
        let mut gone = gone;
        // `.swap` files while the `.cleaned` ones still tell that they are not finished, each `.log` after its indexes.
        gone.sort_by_key(|name| (!name.ends_with(SWAP), name.contains(".log.")));
        gone.iter().try_for_each(|name| self.remove_named(name))
    }

    fn finish_swaps(&self) -> Result<(), LoadError> {
        let log_swap = format!("{}{SWAP}", names::LOG);
        for name in &self.names {
            if let Some((base, rest)) = parse_segment_file(name)
                && rest == log_swap
            {
                self.finish_swap(base, name)?;
            }
        }
        let is_left = |name: &&String| name.ends_with(SWAP) && !name.ends_with(&log_swap);
        self.names.iter().filter(is_left).try_for_each(|name| self.settle_index(name).map_err(LoadError::Storage))
    }

    /// An index's `.swap` whose `.log` got its final name, or was taken back: nobody can tell any more, so both this
    /// index and the one in its place are doubted, and made anew.
    fn settle_index(&self, name: &str) -> Result<(), LogError> {
        let swap = self.dir.join(name);
        if !self.vfs.exists(&swap) {
            return Ok(());
        }
        let in_place = self.dir.join(name.trim_end_matches(SWAP));
        if name.contains(names::TXN_INDEX) && !self.vfs.exists(&in_place) {
            // A transaction index cannot be made from its segment alone. The old one is gone, so this is the one.
            return self.vfs.rename(&swap, &in_place).context("renaming", &swap);
        }
        if !name.contains(names::TXN_INDEX) {
            remove(self.vfs, &in_place)?;
        }
        remove(self.vfs, &swap)
    }

    /// Puts a compacted segment in the place of those it was made of.
    fn finish_swap(&self, base: Offset, name: &str) -> Result<(), LoadError> {
        tracing::info!(
            target: "kafka.log.LogLoader",
            "{} Found log file {} from interrupted swap operation, which is recoverable from {SWAP} files by renaming.",
            self.prefix,
            self.dir.join(name).display()
        );
        let last = self.last_offset(&self.dir.join(name))?.unwrap_or(base);
        for old in &self.names {
            if let Some((offset, rest)) = parse_segment_file(old)
                && (base..=last).contains(&offset)
                && [names::LOG, names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX].contains(&rest)
            {
                self.remove_named(old)?;
            }
        }
        for extension in [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX, names::LOG] {
            let to = self.dir.join(segment_file(base, extension));
            let from = self.dir.join(format!("{}{SWAP}", segment_file(base, extension)));
            rename_if_there(self.vfs, &from, &to)?;
        }
        Ok(())
    }

    fn last_offset(&self, path: &Path) -> Result<Option<Offset>, LoadError> {
        let file = self.vfs.open(path, vfs::OpenMode::Read).context("opening", path)?;
        let len = file.len().context("looking at", path)?;
        let mut walker = Walker::new(&*file, 0, len, WINDOW_HEADERS);
        let mut last = None;
        while let Some(head) = walker.next().map_err(|error| error.at(path))? {
            last = Some(head.last_offset);
        }
        Ok(last)
    }

    /// Indexes without a `.log`.
    fn remove_orphans(&mut self) -> Result<(), LogError> {
        let has_log = |base: Offset, names: &[String]| names.binary_search(&segment_file(base, names::LOG)).is_ok();
        let orphans: Vec<String> = self
            .names
            .iter()
            .filter(|name| {
                parse_segment_file(name).is_some_and(|(base, rest)| {
                    [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX].contains(&rest)
                        && !has_log(base, &self.names)
                })
            })
            .cloned()
            .collect();
        for name in &orphans {
            tracing::warn!(
                target: "kafka.log.LogLoader",
                "{} Found an orphaned index file {}, with no corresponding log file.",
                self.prefix,
                self.dir.join(name).display()
            );
            self.remove_named(name)?;
        }
        self.names.retain(|name| !orphans.contains(name));
        Ok(())
    }

    fn listing(&self) -> Result<Listing, LogError> {
        let mut listing = Listing::default();
        for name in &self.names {
            let Some((base, rest)) = parse_segment_file(name) else { continue };
            if rest == names::LOG {
                listing.segments.entry(base).or_default();
            } else if rest == names::SNAPSHOT {
                listing.snapshots.push(base);
            } else if rest == names::TXN_INDEX {
                listing.segments.entry(base).or_default().aborted = true;
            } else if let Some(which) = NEEDED_INDEXES.iter().position(|(extension, _)| *extension == rest) {
                let path = self.dir.join(name);
                let len = self.vfs.metadata(&path).context("looking at", &path)?.len;
                listing.segments.entry(base).or_default().lens[which] = Some(len);
            }
        }
        Ok(listing)
    }
}

/// Renames, where the source need not be there.
pub(crate) fn rename_if_there(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<(), LogError> {
    match vfs.rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("renaming", from),
        _ => Ok(()),
    }
}
