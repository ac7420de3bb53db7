//! Making a log durable away from its owner.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_types::{Offset, TopicPartition, Uuid};
use time_types::Tick;
use vfs::{File, Vfs};

use crate::error::{IoContext, LogError};
use crate::metadata_file;

/// Which log, and which of its pasts: a job that ends after its log was deleted and made anew under the same name, or
/// after records were taken back, must not speak for what is there now.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// Is its directory still there under its name? Who writes by that name holds this meanwhile.
    log: Arc<Mutex<bool>>,
    /// Grows when records are taken back.
    truncations: u64,
}

impl Life {
    pub(crate) fn begin() -> Life {
        Life { log: Arc::new(Mutex::new(true)), truncations: 0 }
    }

    /// Keeps the directory under its name until dropped; `None` if it has gone already.
    pub(crate) fn hold(&self) -> Option<MutexGuard<'_, bool>> {
        Some(self.log.lock().unwrap_or_else(PoisonError::into_inner)).filter(|is_there| **is_there)
    }

    /// Has the directory gone? While somebody writes there it has not.
    pub(crate) fn is_over(&self) -> bool {
        self.log.try_lock().is_ok_and(|is_there| !*is_there)
    }

    /// The directory is about to go: whoever writes in it is waited for, and nobody begins to.
    pub(crate) fn end(&self) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    pub(crate) fn on_truncation(&mut self) {
        self.truncations += 1;
    }

    pub(crate) fn is_of_same_log(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.log, &other.log)
    }
}

impl PartialEq for Life {
    fn eq(&self, other: &Life) -> bool {
        self.is_of_same_log(other) && self.truncations == other.truncations
    }
}

/// A file that has to be synced.
pub(crate) type DirtyFile = (PathBuf, Arc<dyn File>);

/// What a power loss could take from a log and no running job covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unsynced {
    /// Bytes of batches.
    pub bytes: u64,
    /// Number of records.
    pub records: i64,
    /// When the first of them came, or the leader epoch changed; `None` if there is nothing to sync.
    pub since: Option<Tick>,
}

/// Syncs files of one log. Made by [`crate::Log::sync_job`]; run anywhere, then tell the owner by
/// [`crate::Log::on_synced`].
#[derive(Debug)]
pub struct SyncJob {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) partition: TopicPartition,
    pub(crate) dir: PathBuf,
    pub(crate) files: Vec<DirtyFile>,
    pub(crate) snapshot: Option<(PathBuf, Vec<u8>)>,
    /// What is to be in `partition.metadata`, and whether that has to survive a power loss.
    pub(crate) topic_id: Option<(Uuid, bool)>,
    /// Small files to be replaced whole: `leader-epoch-checkpoint`.
    pub(crate) texts: Vec<(PathBuf, Vec<u8>)>,
    /// Do they have to survive a power loss?
    pub(crate) texts_durable: bool,
    pub(crate) names_changed: bool,
    pub(crate) up_to: Offset,
    pub(crate) life: Life,
}

/// What a [`SyncJob`] achieved.
#[derive(Debug)]
pub struct SyncDone {
    /// Whose files were synced.
    pub partition: TopicPartition,
    /// Everything below this offset survives a power loss, if `result` is good: the new recovery point.
    pub up_to: Offset,
    pub(crate) snapshot: Option<Offset>,
    pub(crate) topic_id: Option<(Uuid, bool)>,
    pub(crate) life: Life,
    /// After a failure the log must not be used any more.
    pub result: Result<(), LogError>,
}

impl SyncJob {
    /// Whose files these are.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Waits for the disk.
    pub fn run(self) -> SyncDone {
        let result = self.sync();
        SyncDone {
            snapshot: self.snapshot.as_ref().map(|_| self.up_to),
            topic_id: self.topic_id,
            partition: self.partition,
            up_to: self.up_to,
            life: self.life,
            result,
        }
    }

    fn sync(&self) -> Result<(), LogError> {
        for (path, file) in &self.files {
            file.sync_data().context("syncing", path)?;
        }
        // A log of the same name may be in the place of one that was deleted meanwhile.
        let Some(_there) = self.life.hold() else { return Ok(()) };
        if let Some((path, bytes)) = &self.snapshot {
            // Not renamed into place: a torn snapshot fails its checksum and is dropped, as Apache does.
            let written: io::Result<()> = (|| {
                let file = self.vfs.open(path, vfs::OpenMode::Create)?;
                file.set_len(0)?;
                file.write_at(bytes, 0)?;
                file.sync_data()
            })();
            written.context("writing", path)?;
        }
        if let Some((id, durable)) = self.topic_id {
            let write = if durable { metadata_file::write_durably } else { metadata_file::write };
            write(&*self.vfs, &self.dir, id)?;
        }
        for (path, bytes) in &self.texts {
            let write = if self.texts_durable { vfs::durable::write_file } else { vfs::durable::replace_file };
            write(&*self.vfs, path, bytes).context("writing", path)?;
        }
        if self.names_changed || self.snapshot.is_some() {
            self.vfs.sync_dir(&self.dir).context("syncing", &self.dir)?;
        }
        Ok(())
    }
}
