//! What lies at the top of a log directory: lock, identity, clean-shutdown marker, checkpoints, partition directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_types::{BrokerId, Offset, TopicPartition, Uuid};
use thiserror::Error;
use time_types::{Now, Tick};
use vfs::{Lock, Vfs};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::LogConfig;
use crate::error::{LoadError, LogError};
use crate::log::Log;
use crate::recovery::UnrecoveredLog;
use crate::removal::FileRemoval;

/// Why a log directory cannot be used.
#[derive(Debug, Error)]
pub enum DirError {
    /// Another broker works on it.
    #[error(
        "Failed to acquire lock on file .lock in {}. A Kafka instance in another process or thread is using this \
         directory.",
        .0.display()
    )]
    Locked(PathBuf),
    /// The path is a file.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// A directory in it is not a partition's; Apache's words.
    #[error("{0}")]
    UnknownDirectory(String),
    /// `meta.properties` cannot be understood.
    #[error("{} is malformed: {what}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A checkpoint cannot be understood.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] LogError),
}

/// The content of `meta.properties`: whose directory it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaProperties {
    /// `broker.id`.
    pub broker_id: Option<BrokerId>,
    /// `cluster.id`.
    pub cluster_id: Option<String>,
}

/// Was the directory left in order?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanShutdown {
    /// `.kafka_cleanshutdown` was there: nothing needs recovery.
    Yes,
    /// It was not: logs are checked from their recovery points on.
    No,
}

/// One log directory, locked for this process.
#[derive(Debug)]
pub struct LogDir {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    _lock: Box<dyn Lock>,
}

impl LogDir {
    /// Makes the directory if it is not there, and locks it.
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path) -> Result<LogDir, DirError> {
        let _ = (vfs, path);
        todo!()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file system.
    pub fn vfs(&self) -> &Arc<dyn Vfs> {
        &self.vfs
    }

    /// Reads `meta.properties`; `None` if there is none (a new directory). A file of KRaft (version 1) is refused.
    pub fn read_meta(&self) -> Result<Option<MetaProperties>, DirError> {
        todo!()
    }

    /// Writes `meta.properties` durably. `date` is the text of the second comment line (`java.util.Date`'s form).
    pub fn write_meta(&self, meta: &MetaProperties, date: &str) -> Result<(), DirError> {
        let _ = (meta, date);
        todo!()
    }

    /// Reads and removes the clean-shutdown marker. To be called once, before any log is recovered.
    pub fn take_clean_marker(&self) -> Result<CleanShutdown, DirError> {
        todo!()
    }

    /// Writes the clean-shutdown marker: every log has been closed by [`Log::close`] and the checkpoints are written.
    pub fn write_clean_marker(&self) -> Result<(), DirError> {
        todo!()
    }

    /// The partitions that are here, each to be recovered independently of the others, and what earlier deletions left.
    /// Fails on a directory that no broker makes.
    pub fn partitions(&self, shutdown: CleanShutdown) -> Result<(Vec<UnrecoveredLog>, Vec<FileRemoval>), DirError> {
        let _ = shutdown;
        todo!()
    }

    /// Makes an empty log; its directory must not exist. `topic_id` becomes durable before the first append.
    pub fn create(&self, tp: &TopicPartition, topic_id: Uuid, config: LogConfig, now: Now) -> Result<Log, LoadError> {
        let _ = (tp, topic_id, config, now);
        todo!()
    }

    /// Renames the partition's directory away; the removal unlinks it after `file.delete.delay.ms`. `unique` is 16
    /// random bytes.
    pub fn delete(&self, log: Log, unique: [u8; 16], now: Tick) -> Result<FileRemoval, LogError> {
        let _ = (log, unique, now);
        todo!()
    }

    /// Reads a checkpoint; no entries if there is no file.
    pub fn read_checkpoint(&self, which: Checkpoint) -> Result<Vec<(TopicPartition, Offset)>, DirError> {
        let _ = which;
        todo!()
    }

    /// Replaces a checkpoint durably.
    pub fn write_checkpoint(&self, which: Checkpoint, entries: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        let _ = (which, entries);
        todo!()
    }
}
