//! `leader-epoch-checkpoint`: at which offset each leader epoch began.
//!
//! Text as the other checkpoints: `0`, the number of entries, `epoch start` per line. Both grow from line to line.

use std::path::Path;

use kafka_types::{LeaderEpoch, Offset};

use crate::checkpoint::{read_lines, write_lines};
use crate::error::LoadError;

/// The file's name.
pub(crate) const FILE_NAME: &str = "leader-epoch-checkpoint";

/// The epochs of one log. Changes are made in memory; the file follows with the next sync, before the recovery point
/// moves, because recovery finds the epochs of all later batches again.
#[derive(Debug, Default)]
pub(crate) struct EpochCache {
    /// Epoch and start, both strictly growing.
    entries: Vec<(LeaderEpoch, Offset)>,
    changed: bool,
}

impl EpochCache {
    /// As the file's text says; `path` is for the error.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<EpochCache, LoadError> {
        let malformed = |what: String| LoadError::Malformed { path: path.to_owned(), what };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let mut cache = EpochCache::default();
        for words in read_lines(path, text).map_err(|error| malformed(error.to_string()))? {
            let parsed = match words[..] {
                [epoch, start] => epoch.parse().ok().zip(start.parse().ok()),
                _ => None,
            };
            let (epoch, start) = parsed.ok_or_else(|| malformed(format!("`{}`", words.join(" "))))?;
            cache.assign(LeaderEpoch(epoch), Offset(start));
        }
        cache.changed = false;
        Ok(cache)
    }

    /// The file's text.
    pub(crate) fn encode(&self) -> String {
        let lines: Vec<String> = self.entries.iter().map(|(epoch, start)| format!("{epoch} {start}")).collect();
        write_lines(&lines)
    }

    /// Differs from the file? Counts as written from now on.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The file was not written after all.
    pub(crate) fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Differs from the file?
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    pub(crate) fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The epoch that holds `offset`.
    pub(crate) fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        after.checked_sub(1).map(|index| self.entries[index].0)
    }

    /// `epoch` begins at `start`, unless it has begun already. Entries that contradict it go. Says whether something
    /// changed.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch < LeaderEpoch(0) || start < Offset(0) {
            return false;
        }
        if let Some(&(last_epoch, last_start)) = self.entries.last()
            && epoch == last_epoch
            && start >= last_start
        {
            return false;
        }
        self.entries.retain(|&(known, known_start)| known < epoch && known_start < start);
        self.entries.push((epoch, start));
        self.changed = true;
        true
    }

    /// The largest known epoch not above `epoch` and where it ends (KIP-101, KIP-279); `log_end` ends the latest.
    pub(crate) fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if epoch < LeaderEpoch(0) || epoch > latest {
            return None;
        }
        if epoch == latest {
            return Some((epoch, log_end));
        }
        let higher = self.entries.partition_point(|(known, _)| *known <= epoch);
        let end = self.entries[higher].1;
        // Below the first entry nothing is known of the epoch itself, only where a higher one begins.
        let found = higher.checked_sub(1).map_or(epoch, |index| self.entries[index].0);
        Some((found, end))
    }

    /// Epochs that begin at `offset` or later are gone.
    pub(crate) fn truncate_from_end(&mut self, offset: Offset) {
        let keep = self.entries.partition_point(|(_, start)| *start < offset);
        self.changed |= keep < self.entries.len();
        self.entries.truncate(keep);
    }

    /// The log begins at `offset`: epochs that end before go, the one that holds it begins there.
    pub(crate) fn truncate_from_start(&mut self, offset: Offset) {
        let before = self.entries.partition_point(|(_, start)| *start <= offset);
        let Some(holds) = before.checked_sub(1) else { return };
        if holds == 0 && self.entries[0].1 == offset {
            return;
        }
        self.entries.drain(..holds);
        self.entries[0].1 = offset;
        self.changed = true;
    }

    /// Nothing is known any more.
    pub(crate) fn clear(&mut self) {
        self.changed |= !self.entries.is_empty();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start) in entries {
            cache.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        cache
    }

    fn plain(cache: &EpochCache) -> Vec<(i32, i64)> {
        cache.entries().iter().map(|(epoch, start)| (epoch.0, start.0)).collect()
    }

    #[test]
    fn ends_of_epochs_are_those_of_the_protocol() {
        let cache = cache(&[(2, 10), (4, 24), (7, 44)]);
        let end = |epoch| cache.end_of(LeaderEpoch(epoch), Offset(50)).map(|(epoch, end)| (epoch.0, end.0));
        assert_eq!(end(7), Some((7, 50)));
        assert_eq!(end(8), None);
        assert_eq!(end(-1), None);
        assert_eq!(end(5), Some((4, 44)));
        assert_eq!(end(4), Some((4, 44)));
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(cache.epoch_of(Offset(23)), Some(LeaderEpoch(2)));
        assert_eq!(cache.epoch_of(Offset(9)), None);
    }

    #[test]
    fn an_epoch_without_records_gives_way() {
        let mut cache = cache(&[(0, 0), (2, 0), (4, 0)]);
        assert_eq!(plain(&cache), [(4, 0)]);
        assert!(cache.take_changed());
        assert!(!cache.assign(LeaderEpoch(4), Offset(9)));
        assert!(!cache.assign(LeaderEpoch(-1), Offset(9)));
        assert_eq!(plain(&cache), [(4, 0)]);
        assert!(!cache.take_changed());
    }

    #[test]
    fn both_ends_can_be_cut_and_the_text_reads_back() {
        let mut cache = cache(&[(0, 0), (2, 24), (4, 44)]);
        cache.truncate_from_start(Offset(10));
        assert_eq!(plain(&cache), [(0, 10), (2, 24), (4, 44)]);
        assert_eq!(cache.encode(), "0\n3\n0 10\n2 24\n4 44\n");
        cache.truncate_from_start(Offset(30));
        assert_eq!(plain(&cache), [(2, 30), (4, 44)]);
        cache.truncate_from_end(Offset(44));
        assert_eq!(plain(&cache), [(2, 30)]);
        let again = EpochCache::decode(Path::new("/d"), cache.encode().as_bytes()).expect("own text");
        assert_eq!(plain(&again), [(2, 30)]);
    }

    #[test]
    fn damage_is_an_error() {
        let error = EpochCache::decode(Path::new("/d/e"), b"0\n1\nx y\n").expect_err("malformed").to_string();
        assert_eq!(error, "/d/e is malformed: `x y`");
    }
}
