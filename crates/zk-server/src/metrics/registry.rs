//! All metrics of a server, in one place: what is counted goes in here, what is shown comes out of here.
//!
//! It belongs to the thread that owns the state, so counting is an addition without a lock. The log's thread has a
//! registry of its own ([`Registry::adopt`] takes its summaries over when somebody looks).

use std::collections::HashMap;

use bytes::Bytes;
use time_types::Tick;
use zk_proto::txn::Txn;

use super::definitions::{
    ADVANCED, BASIC, COUNTERS, Counter, READ_PER_NAMESPACE, SUMMARIES, SummaryId, WRITE_PER_NAMESPACE,
};
use super::summary::{Spread, Summary};

/// Namespaces that are told apart. Clients name them, so there has to be an end.
const NAMESPACES_MAX: usize = 1000;
/// What a reply carries beside the data, as Apache counts it.
const STAT_BYTES: u64 = 68;

/// The metrics.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    counters: [u64; COUNTERS.len()],
    summaries: Vec<Summary>,
    reads: HashMap<Box<str>, Summary>,
    writes: HashMap<Box<str>, Summary>,
    /// Does somebody ask for the spread of the last minutes?
    window: bool,
    now: Tick,
}

impl Registry {
    /// Nothing counted; with `window`, quantiles of the last ten minutes are kept.
    pub(crate) fn new(window: bool, now: Tick) -> Registry {
        let summaries = (0..SUMMARIES).map(|index| Summary::new(spread_of(index, window), now)).collect();
        Registry {
            counters: [0; COUNTERS.len()],
            summaries,
            reads: HashMap::new(),
            writes: HashMap::new(),
            window,
            now,
        }
    }

    pub(crate) fn count(&mut self, counter: Counter, more: u64) {
        self.counters[counter.index()] += more;
    }

    pub(crate) fn add(&mut self, summary: SummaryId, value: u64) {
        self.summaries[summary.index()].add(value);
    }

    /// Takes summaries over from another registry.
    pub(crate) fn adopt(&mut self, other: &Registry, summaries: &[SummaryId]) {
        for summary in summaries {
            self.summaries[summary.index()].clone_from(&other.summaries[summary.index()]);
        }
    }

    /// A client read so many bytes at `path`.
    pub(crate) fn read_at(&mut self, path: &str, bytes: usize) {
        let bytes = (path.len() + bytes) as u64 + STAT_BYTES;
        let spread = Spread { lifetime: false, window: self.window };
        add_at(&mut self.reads, path, bytes, spread, self.now);
    }

    /// A transaction changes something: Apache's count is of path and data.
    pub(crate) fn written(&mut self, txn: &Txn) {
        let mut at = |path: &str, bytes: usize| {
            let spread = Spread { lifetime: false, window: self.window };
            add_at(&mut self.writes, path, (path.len() + bytes) as u64, spread, self.now);
        };
        each_write(txn, &mut at);
    }

    /// `srst`: forgets what has been counted.
    pub(crate) fn reset(&mut self) {
        self.counters = [0; COUNTERS.len()];
        let namespaces = self.reads.values_mut().chain(self.writes.values_mut());
        self.summaries.iter_mut().chain(namespaces).for_each(Summary::reset);
    }

    /// Lets what is too old leave the windows. To be called every minute or more often.
    pub(crate) fn turn(&mut self, now: Tick) {
        self.now = now;
        if self.window {
            let namespaces = self.reads.values_mut().chain(self.writes.values_mut());
            self.summaries.iter_mut().chain(namespaces).for_each(|summary| summary.turn(now));
        }
    }

    /// Name and value of each counter.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        COUNTERS.into_iter().zip(self.counters)
    }

    /// Name and summary of those without percentiles.
    pub(crate) fn basic(&self) -> impl Iterator<Item = (&'static str, &Summary)> {
        BASIC.into_iter().zip(&self.summaries)
    }

    /// Name and summary of those with percentiles.
    pub(crate) fn advanced(&self) -> impl Iterator<Item = (&'static str, &Summary)> {
        ADVANCED.into_iter().zip(&self.summaries[BASIC.len()..])
    }

    /// Name of the metric, and its summaries by namespace, sorted.
    pub(crate) fn by_namespace(&self) -> [(&'static str, Vec<(&str, &Summary)>); 2] {
        [(READ_PER_NAMESPACE, sorted(&self.reads)), (WRITE_PER_NAMESPACE, sorted(&self.writes))]
    }

    #[cfg(test)]
    pub(crate) fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter.index()]
    }

    #[cfg(test)]
    pub(crate) fn summary(&self, summary: SummaryId) -> &Summary {
        &self.summaries[summary.index()]
    }
}

fn sorted(summaries: &HashMap<Box<str>, Summary>) -> Vec<(&str, &Summary)> {
    let mut all: Vec<(&str, &Summary)> = summaries.iter().map(|(name, summary)| (&**name, summary)).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all
}

fn spread_of(index: usize, window: bool) -> Spread {
    Spread { lifetime: index >= BASIC.len(), window }
}

fn add_at(map: &mut HashMap<Box<str>, Summary>, path: &str, bytes: u64, spread: Spread, now: Tick) {
    let Some(namespace) = namespace_of(path) else { return };
    if let Some(summary) = map.get_mut(namespace) {
        summary.add(bytes);
    } else if map.len() < NAMESPACES_MAX {
        let mut summary = Summary::new(spread, now);
        summary.add(bytes);
        map.insert(namespace.into(), summary);
    }
}

/// The first component of a path.
fn namespace_of(path: &str) -> Option<&str> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    (!first.is_empty()).then_some(first)
}

/// Paths and bytes of data of a transaction.
fn each_write(txn: &Txn, at: &mut impl FnMut(&str, usize)) {
    let len = |data: &Option<Bytes>| data.as_ref().map_or(0, Bytes::len);
    match txn {
        Txn::Create(create) | Txn::Create2(create) => at(&create.path, len(&create.data)),
        Txn::CreateContainer(create) => at(&create.path, len(&create.data)),
        Txn::CreateTtl(create) => at(&create.path, len(&create.data)),
        Txn::Delete(delete) | Txn::DeleteContainer(delete) => at(&delete.path, 0),
        Txn::SetData(set) | Txn::Reconfig(set) => at(&set.path, len(&set.data)),
        Txn::Multi(txns) => txns.iter().for_each(|txn| each_write(txn, at)),
        Txn::CloseSession(Some(paths)) => paths.iter().for_each(|path| at(path, 0)),
        Txn::SetAcl(_) | Txn::Check(_) | Txn::CreateSession(_) | Txn::CloseSession(None) | Txn::Error(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::definitions as names;
    use super::*;

    #[test]
    fn counted_shown_reset() {
        let mut registry = Registry::new(false, Tick(0));
        registry.count(names::BYTES_RECEIVED, 7);
        registry.add(names::READ_LATENCY, 3);
        registry.add(names::FSYNC_TIME, 5);
        registry.read_at("/a/b", 5);
        assert_eq!(
            registry.counters().find(|(name, _)| *name == "bytes_received_count"),
            Some(("bytes_received_count", 7))
        );
        let advanced = registry.advanced().find(|(name, _)| *name == "readlatency").unwrap().1;
        assert_eq!((advanced.figures.sum, advanced.percentile(0.5)), (3, 3));
        assert_eq!(registry.basic().find(|(name, _)| *name == "fsynctime").unwrap().1.figures.max, 5);
        assert_eq!(registry.by_namespace()[0].1[0].1.figures.sum, 4 + 5 + 68);
        registry.reset();
        assert_eq!(registry.counter(names::BYTES_RECEIVED), 0);
        assert_eq!(registry.by_namespace()[0].1[0].1.figures.count, 0);
    }

    #[test]
    fn summaries_of_another_thread() {
        let (mut registry, mut other) = (Registry::new(false, Tick(0)), Registry::new(false, Tick(0)));
        other.add(names::FSYNC_TIME, 5);
        other.add(names::READ_LATENCY, 5);
        registry.adopt(&other, &[names::FSYNC_TIME]);
        assert_eq!(registry.summary(names::FSYNC_TIME).figures.count, 1);
        assert_eq!(registry.summary(names::READ_LATENCY).figures.count, 0);
    }

    #[test]
    fn clients_cannot_make_it_grow_without_end() {
        let mut registry = Registry::new(false, Tick(0));
        for number in 0..2 * NAMESPACES_MAX {
            registry.read_at(&format!("/{number}"), 0);
        }
        registry.read_at("/", 0);
        registry.read_at("", 0);
        assert_eq!(registry.by_namespace()[0].1.len(), NAMESPACES_MAX);
    }
}
