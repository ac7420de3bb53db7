//! From what lies on disk to a log that may be used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_types::{Offset, TopicPartition, Uuid};
use time_types::Now;
use vfs::Vfs;

use crate::config::LogConfig;
use crate::error::LoadError;
use crate::log::Log;
use crate::log_dir::CleanShutdown;

/// A partition's directory that has not been looked into.
#[derive(Debug)]
pub struct UnrecoveredLog {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    pub(crate) partition: TopicPartition,
    pub(crate) shutdown: CleanShutdown,
    pub(crate) recovery_point: Offset,
    pub(crate) log_start: Offset,
    pub(crate) high_watermark: Offset,
}

impl UnrecoveredLog {
    /// Which partition it is.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The topic id in `partition.metadata`, if there is one.
    pub fn topic_id(&self) -> Result<Option<Uuid>, LoadError> {
        todo!()
    }

    /// Finishes or undoes what was interrupted, checks what was not synced, cuts what is torn.
    pub fn recover(self, config: LogConfig, now: Now) -> Result<Log, LoadError> {
        let _ = (config, now);
        todo!()
    }
}
