//! Moving the recovery point.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kafka_types::Offset;
use time_types::Tick;

use super::Log;
use crate::epoch_cache;
use crate::error::{LogError, is_out_of_descriptors};
use crate::metadata_file;
use crate::producer_snapshot::encode;
use crate::segment::Segment;
use crate::sync::{SyncDone, SyncJob, Unsynced};

impl Log {
    /// What a power loss could take and no running job covers.
    pub fn unsynced(&self) -> Unsynced {
        self.unsynced
    }

    /// Time by which a sync is due by `flush.ms`; `None` if there is nothing to sync or no such setting.
    pub fn flush_deadline(&self) -> Option<Tick> {
        let after = u64::try_from(self.config.flush_ms).ok().filter(|_| self.config.flush_ms < i64::MAX)?;
        Some(self.unsynced.since?.after(after))
    }

    /// What has to be synced so that the recovery point moves to the log end; `None` if nothing is new or a job runs.
    pub fn sync_job(&mut self) -> Result<Option<SyncJob>, LogError> {
        self.check_usable()?;
        if self.sync_running || self.unsynced.since.is_none() {
            return Ok(None);
        }
        let job = self.make_sync_job();
        if job.as_ref().is_err_and(|error| is_out_of_descriptors(error)) {
            self.sync_again();
        }
        let job = self.guard_opening(job)?;
        self.sync_running = true;
        Ok(Some(job))
    }

    /// A job is done; returns the recovery point, for the checkpoint.
    pub fn on_synced(&mut self, done: SyncDone) -> Result<Offset, LogError> {
        if !done.life.is_of_same_log(&self.life) {
            return Ok(self.recovery_point);
        }
        self.sync_running = false;
        if done.result.as_ref().is_err_and(|error| is_out_of_descriptors(error)) {
            // It failed to open a file, and before any of its calls failed on one.
            self.sync_again();
            return Ok(self.recovery_point);
        }
        self.guard(done.result)?;
        if let Some((id, durable)) = done.topic_id {
            self.metadata.on_written(id, durable);
        }
        if done.life == self.life {
            done.snapshot.into_iter().for_each(|offset| self.snapshots.note(offset));
            self.recovery_point = self.recovery_point.max(done.up_to.min(self.log_end));
        } else if let Some(offset) = done.snapshot {
            // Records were taken back meanwhile: the snapshot tells of what is not there any more.
            let removed = self.snapshots.remove_unknown(offset);
            self.guard(removed)?;
        }
        let bases = self.segment_bases();
        let pruned = self.snapshots.prune(&bases);
        self.guard(pruned)?;
        Ok(self.recovery_point)
    }

    /// A sync ended before it was through: the next one does all of it.
    fn sync_again(&mut self) {
        self.segments.iter_mut().for_each(Segment::mark_dirty);
        self.epochs.mark_changed();
        self.names_changed = true;
        self.unsynced.since = Some(Tick(0));
    }

    /// Syncs everything at once, on this thread.
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.check_usable()?;
        if self.unsynced.since.is_none() {
            return Ok(());
        }
        let was_running = self.sync_running;
        let job = self.make_sync_job();
        let done = self.guard(job)?.run();
        if done.result.as_ref().is_err_and(|error| is_out_of_descriptors(error)) {
            self.sync_again();
            return done.result;
        }
        self.on_synced(done)?;
        self.sync_running = was_running;
        Ok(())
    }

    /// Has [`Log::close`] anything to write or to sync? A log that nobody has reached for since it was found clean has not.
    pub fn has_to_be_closed(&self) -> bool {
        let lacks_snapshot = !self.snapshots.contains(self.log_end) && self.log_end > self.first_base();
        self.unsynced.since.is_some()
            || self.names_changed
            || self.metadata.not_durable().is_some()
            || self.epochs.is_changed()
            || lacks_snapshot
            || self.active().is_padded()
            || self.holds_files()
    }

    /// Syncs everything, trims the indexes, writes the producer snapshot. Returns the recovery point, which is the log
    /// end. When all logs of a directory are closed and its checkpoints written, it may be marked as clean.
    pub fn close(mut self) -> Result<Offset, LogError> {
        self.check_usable()?;
        if self.log_end > Offset(0) {
            self.write_metadata()?;
        }
        let config = self.config.clone();
        self.active_mut().close(&config)?;
        self.producers.set_end(self.log_end);
        self.make_sync_job()?.run().result?;
        Ok(self.log_end)
    }

    /// Writes `partition.metadata` if it is not there. The next sync makes it durable.
    pub(crate) fn write_metadata(&mut self) -> Result<(), LogError> {
        let Some(id) = self.metadata.unwritten() else { return Ok(()) };
        let written = {
            // A job may be at the same file.
            let _writing = self.life.hold();
            metadata_file::write(&*self.vfs, &self.dir, id)
        };
        self.guard_opening(written)?;
        self.metadata.on_written(id, false);
        Ok(())
    }

    /// Closes the log's files, those that have something to sync excepted; each is opened again when it is needed. For
    /// logs that nobody asks for, so that thousands of them cost no descriptors.
    pub fn release_files(&mut self) {
        // Without a record there is nothing to sync, whatever the files think.
        let all = self.log_end == Offset(0);
        self.segments.iter_mut().for_each(|segment| segment.release_files(all));
    }

    /// Closes all files after recovery. What is not synced was written by a process that is gone: whoever opens a file
    /// for the sync learns of its failures as much as this process does by holding it.
    pub(crate) fn release_all_files(&mut self) {
        self.segments.iter_mut().for_each(|segment| segment.release_files(true));
    }

    /// Is one of the log's files open?
    pub fn holds_files(&self) -> bool {
        self.segments.iter().any(Segment::holds_files)
    }

    fn make_sync_job(&mut self) -> Result<SyncJob, LogError> {
        if self.log_end == Offset(0) {
            return Ok(self.job_without_records());
        }
        let mut files = Vec::new();
        for segment in &mut self.segments {
            let (dirty, new_name) = segment.take_dirty()?;
            files.extend(dirty);
            self.names_changed |= new_name;
        }
        let covered = self.snapshots.contains(self.log_end);
        if covered && self.recovery_point < self.log_end {
            // Written by a roll or an earlier run, perhaps not synced.
            files.push(self.snapshots.file(self.log_end)?);
            self.names_changed = true;
        }
        // A log without records has none: Apache writes none there either.
        let snapshot = (!covered && self.log_end > self.first_base())
            .then(|| (self.snapshots.path(self.log_end), encode(self.producers.producers())));
        let mut texts = Vec::new();
        texts.extend(self.changed_epochs());
        Ok(SyncJob {
            // An epoch without records may be lost with the power: the next leadership has a higher one.
            texts_durable: !files.is_empty() || self.names_changed || self.recovery_point < self.log_end,
            files,
            topic_id: self.metadata.not_durable().map(|id| (id, true)),
            snapshot,
            texts,
            names_changed: std::mem::take(&mut self.names_changed),
            ..self.empty_job()
        })
    }

    /// Where there never was a record, there is nothing that a power loss could take: the small files are written for
    /// those who look, and nobody waits for the disk. The first sync of records makes the topic's id and the directory
    /// durable.
    fn job_without_records(&mut self) -> SyncJob {
        let topic_id = self.metadata.unwritten().map(|id| (id, false));
        let texts = self.changed_epochs().into_iter().collect();
        SyncJob { topic_id, texts, ..self.empty_job() }
    }

    fn changed_epochs(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        let changed = self.epochs.take_changed();
        changed.then(|| (self.dir.join(epoch_cache::FILE_NAME), self.epochs.encode().into_bytes()))
    }

    fn empty_job(&mut self) -> SyncJob {
        self.unsynced = Unsynced::default();
        SyncJob {
            vfs: self.vfs.clone(),
            partition: self.partition.clone(),
            dir: self.dir.clone(),
            files: Vec::new(),
            snapshot: None,
            topic_id: None,
            texts: Vec::new(),
            texts_durable: false,
            names_changed: false,
            up_to: self.log_end,
            life: self.life.clone(),
        }
    }

    pub(crate) fn segment_bases(&self) -> BTreeSet<Offset> {
        self.segments.iter().map(Segment::base).collect()
    }

    fn first_base(&self) -> Offset {
        self.segments.first().map_or(self.log_end, Segment::base)
    }
}
