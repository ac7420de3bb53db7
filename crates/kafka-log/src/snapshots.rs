//! The producer snapshot files of one log: write, find, remove.
//!
//! One is kept at the base of each segment (so that truncation need not replay the whole log) and a few at
//! the last recovery points: the newest may be above the one that the checkpoint on disk knows, and are dropped then.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use kafka_types::{Offset, TopicPartition};
use time_types::WallMillis;
use vfs::{OpenMode, Vfs};

use crate::error::{IoContext, LogError};
use crate::names::{SNAPSHOT, segment_file};
use crate::producer_snapshot::{decode, encode};
use crate::producer_state::ProducerState;
use crate::removal::remove;
use crate::sync::DirtyFile;

/// How many snapshots at recovery points are kept.
const SYNC_SNAPSHOTS_KEPT: usize = 4;

#[derive(Debug)]
pub(crate) struct Snapshots {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    partition: TopicPartition,
    offsets: BTreeSet<Offset>,
}

impl Snapshots {
    pub(crate) fn new(
        vfs: Arc<dyn Vfs>,
        dir: PathBuf,
        partition: TopicPartition,
        offsets: impl IntoIterator<Item = Offset>,
    ) -> Snapshots {
        Snapshots { vfs, dir, partition, offsets: offsets.into_iter().collect() }
    }

    /// The log's directory has another name now.
    pub(crate) fn set_dir(&mut self, dir: PathBuf) {
        self.dir = dir;
    }

    pub(crate) fn path(&self, offset: Offset) -> PathBuf {
        self.dir.join(segment_file(offset, SNAPSHOT))
    }

    pub(crate) fn contains(&self, offset: Offset) -> bool {
        self.offsets.contains(&offset)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The newest one.
    pub(crate) fn latest(&self) -> Option<Offset> {
        self.offsets.last().copied()
    }

    /// A snapshot that somebody else wrote.
    pub(crate) fn note(&mut self, offset: Offset) {
        self.offsets.insert(offset);
    }

    /// Writes the state as it is, unless that was done already. It is not synced: a torn one is noticed.
    pub(crate) fn write(&mut self, state: &ProducerState) -> Result<(), LogError> {
        let offset = state.end();
        if self.offsets.contains(&offset) {
            return Ok(());
        }
        let path = self.path(offset);
        let file = self.vfs.open(&path, OpenMode::Create).context("creating", &path)?;
        file.set_len(0).context("emptying", &path)?;
        file.write_at(&encode(state.producers()), 0).context("writing", &path)?;
        self.offsets.insert(offset);
        Ok(())
    }

    /// The file at `offset`, to be synced.
    pub(crate) fn file(&self, offset: Offset) -> Result<DirtyFile, LogError> {
        let path = self.path(offset);
        let file = self.vfs.open(&path, OpenMode::ReadWrite).context("opening", &path)?;
        Ok((path, file))
    }

    /// Removes one that a job wrote and that was not noted.
    pub(crate) fn remove_unknown(&mut self, offset: Offset) -> Result<(), LogError> {
        if self.contains(offset) { Ok(()) } else { self.remove(offset) }
    }

    /// The state of the newest snapshot that can be read; producers that were silent for too long are left out.
    /// Unreadable ones are removed. Without any: nobody, at `start`.
    pub(crate) fn load(&mut self, start: Offset, now: WallMillis, expire_ms: i64) -> Result<ProducerState, LogError> {
        while let Some(offset) = self.latest() {
            let path = self.path(offset);
            let bytes = self.vfs.read(&path).context("reading", &path)?;
            match decode(&bytes) {
                Ok(producers) => {
                    tracing::info!(
                        target: "org.apache.kafka.storage.internals.log.ProducerStateManager",
                        "[ProducerStateManager partition={}] Loading producer state from snapshot file \
                         'SnapshotFile(offset={offset}, file={})'",
                        self.partition,
                        path.display()
                    );
                    let mut state = ProducerState::restore(offset, producers);
                    state.expire(now, expire_ms);
                    return Ok(state);
                }
                Err(what) => {
                    tracing::warn!(
                        target: "org.apache.kafka.storage.internals.log.ProducerStateManager",
                        "[ProducerStateManager partition={}] Failed to load producer snapshot from '{}': {what}",
                        self.partition,
                        path.display()
                    );
                    self.remove(offset)?;
                }
            }
        }
        Ok(ProducerState::empty_at(start))
    }

    /// Removes those for which `keep` is false.
    pub(crate) fn retain(&mut self, keep: impl Fn(Offset) -> bool) -> Result<(), LogError> {
        let gone: Vec<Offset> = self.offsets.iter().copied().filter(|offset| !keep(*offset)).collect();
        gone.into_iter().try_for_each(|offset| self.remove(offset))
    }

    /// Removes those that are neither at one of these segment bases nor among the newest others.
    pub(crate) fn prune(&mut self, bases: &BTreeSet<Offset>) -> Result<(), LogError> {
        let others: Vec<Offset> = self.offsets.iter().rev().copied().filter(|offset| !bases.contains(offset)).collect();
        others.into_iter().skip(SYNC_SNAPSHOTS_KEPT).try_for_each(|offset| self.remove(offset))
    }

    fn remove(&mut self, offset: Offset) -> Result<(), LogError> {
        let path = self.path(offset);
        remove(&*self.vfs, &path)?;
        self.offsets.remove(&offset);
        tracing::debug!(
            target: "org.apache.kafka.storage.internals.log.SnapshotFile",
            "Deleted producer state snapshot {}",
            path.display()
        );
        Ok(())
    }
}
