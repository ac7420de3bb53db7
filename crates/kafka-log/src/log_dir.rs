//! What lies at the top of a log directory: lock, identity, clean-shutdown marker, checkpoints, partition directories.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_types::{Offset, TopicPartition, Uuid};
use thiserror::Error;
use time_types::{Now, Tick};
use vfs::{Lock, Vfs};

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::config::LogConfig;
use crate::epoch_cache::EpochCache;
use crate::error::{IoContext, LogError};
use crate::log::Log;
use crate::meta_properties::{self, MetaProperties};
use crate::metadata_file::MetadataFile;
use crate::names::{self, DirName, parse_dir_name};
use crate::producer_state::ProducerState;
use crate::recovery::UnrecoveredLog;
use crate::removal::{FileRemoval, remove};
use crate::segment::{Place, Segment};
use crate::snapshots::Snapshots;
use crate::sync::{Life, Unsynced};

const LOCK: &str = ".lock";
const META: &str = "meta.properties";
const CLEAN_MARKER: &str = ".kafka_cleanshutdown";
/// What Apache 3.9 writes into the marker in ZooKeeper mode; its presence is what counts.
const CLEAN_MARKER_TEXT: &str = "{\"version\":0,\"brokerEpoch\":-1}";
/// Directories of Apache's that are no partitions: remote index files are a cache, nothing of ours.
const NOT_PARTITIONS: [&str; 1] = ["remote-log-index-cache"];
/// The metadata log of KRaft; ZooKeeper mode has none.
const KRAFT_METADATA: &str = "__cluster_metadata-0";

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
    #[error("{} is not a directory or is not readable.", .0.display())]
    NotADirectory(PathBuf),
    /// A directory in it is not a partition's; Apache's words.
    #[error("{0}")]
    UnknownDirectory(String),
    /// The directory belongs to a broker in KRaft mode.
    #[error("{} belongs to a broker in KRaft mode ({what}); this broker runs in ZooKeeper mode", path.display())]
    Kraft {
        /// The directory.
        path: PathBuf,
        /// What shows it.
        what: String,
    },
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

/// Was the directory left in order?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanShutdown {
    /// `.kafka_cleanshutdown` was there: nothing needs recovery.
    Yes,
    /// It was not: logs are checked from their recovery points on.
    No,
}

/// What is in a log directory.
#[derive(Debug, Default)]
pub struct Contents {
    /// The partitions, each to be recovered independently of the others.
    pub logs: Vec<UnrecoveredLog>,
    /// Logs that were on their way here from another directory, to be recovered and filled further.
    pub futures: Vec<UnrecoveredLog>,
    /// What earlier deletions left; may go at once.
    pub removals: Vec<FileRemoval>,
    /// Directories that are left alone: strays, with their names.
    pub ignored: Vec<(TopicPartition, PathBuf)>,
}

/// One log directory, locked for this process until dropped.
#[derive(Debug)]
pub struct LogDir {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    _lock: Box<dyn Lock>,
}

impl LogDir {
    /// Makes the directory if it is not there, and locks it.
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path) -> Result<LogDir, DirError> {
        match vfs.metadata(path) {
            Ok(metadata) if !metadata.is_dir => return Err(DirError::NotADirectory(path.to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::info!(
                    target: "kafka.log.LogManager",
                    "Log directory {} not found, creating it.",
                    path.display()
                );
                vfs::durable::create_dir_all(&*vfs, path).context("creating", path)?;
            }
            Err(error) => return Err(error).context("opening", path)?,
        }
        let lock = path.join(LOCK);
        match vfs.lock(&lock) {
            Ok(lock) => Ok(LogDir { vfs, path: path.to_owned(), _lock: lock }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(DirError::Locked(path.to_owned())),
            Err(error) => Err(error).context("locking", &lock)?,
        }
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
        let path = self.path.join(META);
        let Some(bytes) = self.read_if_there(&path)? else { return Ok(None) };
        match meta_properties::decode(&bytes) {
            Ok(meta) => Ok(Some(meta)),
            Err(meta_properties::MetaError::Kraft(what)) => Err(DirError::Kraft { path: self.path.clone(), what }),
            Err(meta_properties::MetaError::Malformed(what)) => Err(DirError::Meta { path, what }),
        }
    }

    /// Writes `meta.properties` durably. `date` is the text of the second comment line, in the form of
    /// `java.util.Date` (`Sun Nov 22 08:06:24 UTC 2026`).
    pub fn write_meta(&self, meta: &MetaProperties, date: &str) -> Result<(), LogError> {
        let path = self.path.join(META);
        vfs::durable::write_file(&*self.vfs, &path, meta_properties::encode(meta, date).as_bytes())
            .context("writing", &path)
    }

    /// Reads and removes the clean-shutdown marker. To be called once, before any log is recovered: from here on the
    /// directory counts as not clean.
    pub fn take_clean_marker(&self) -> Result<CleanShutdown, LogError> {
        let path = self.path.join(CLEAN_MARKER);
        if !self.vfs.exists(&path) {
            return Ok(CleanShutdown::No);
        }
        remove(&*self.vfs, &path)?;
        self.vfs.sync_dir(&self.path).context("syncing", &self.path)?;
        Ok(CleanShutdown::Yes)
    }

    /// Writes the clean-shutdown marker: every log has been closed by [`Log::close`] and the checkpoints are written.
    pub fn write_clean_marker(&self) -> Result<(), LogError> {
        let path = self.path.join(CLEAN_MARKER);
        vfs::durable::write_file(&*self.vfs, &path, CLEAN_MARKER_TEXT.as_bytes()).context("writing", &path)
    }

    /// What is here. Fails on a directory that no broker makes. Checkpoints that cannot be understood count as empty:
    /// they say what need not be read again, and without them it is.
    pub fn contents(&self, shutdown: CleanShutdown) -> Result<Contents, DirError> {
        let recovery_points = self.checkpoint_or_empty(Checkpoint::RecoveryPoint)?;
        let log_starts = self.checkpoint_or_empty(Checkpoint::LogStart)?;
        let high_watermarks = self.checkpoint_or_empty(Checkpoint::HighWatermark)?;
        let compacted = self.checkpoint_or_empty(Checkpoint::Cleaner)?;
        let of = |map: &HashMap<TopicPartition, Offset>, tp: &TopicPartition| map.get(tp).copied().unwrap_or_default();
        let mut contents = Contents::default();
        for entry in self.vfs.read_dir(&self.path).context("listing", &self.path)? {
            if !entry.is_dir || NOT_PARTITIONS.contains(&entry.name.as_str()) {
                continue;
            }
            let dir = self.path.join(&entry.name);
            if entry.name == KRAFT_METADATA {
                return Err(DirError::Kraft { path: self.path.clone(), what: format!("it holds {KRAFT_METADATA}") });
            }
            match parse_dir_name(&entry.name) {
                None => return Err(DirError::UnknownDirectory(names::unknown_dir_text(&dir, &entry.name))),
                Some(DirName::Partition(partition)) => contents.logs.push(UnrecoveredLog {
                    vfs: self.vfs.clone(),
                    dir,
                    shutdown,
                    recovery_point: of(&recovery_points, &partition),
                    log_start: of(&log_starts, &partition),
                    high_watermark: of(&high_watermarks, &partition),
                    compacted_to: of(&compacted, &partition),
                    partition,
                }),
                Some(DirName::Deleted(_)) => {
                    contents.removals.push(FileRemoval { vfs: self.vfs.clone(), paths: vec![dir], due: Tick(0) });
                }
                Some(DirName::Future(partition)) => contents.futures.push(UnrecoveredLog {
                    vfs: self.vfs.clone(),
                    dir,
                    shutdown,
                    recovery_point: Offset(0),
                    log_start: Offset(0),
                    high_watermark: Offset(0),
                    // It is copied in order and its segments touch: what is missing is copied again.
                    compacted_to: Offset(0),
                    partition,
                }),
                Some(DirName::Stray(partition)) => {
                    contents.ignored.push((partition, dir));
                }
            }
        }
        Ok(contents)
    }

    /// Makes an empty log, whose directory must not exist. `topic_id` is written before the first append.
    pub fn create(
        &self,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        config: LogConfig,
        now: Now,
    ) -> Result<Log, LogError> {
        self.create_in(self.path.join(partition.to_string()), partition, topic_id, config, now)
    }

    /// Makes an empty log that will replace the one of the same partition in another directory, under a name of its own
    /// until [`LogDir::promote`]. `unique` is 16 random bytes.
    pub fn create_future(&self, current: &Log, config: LogConfig, unique: [u8; 16], now: Now) -> Result<Log, LogError> {
        let partition = current.partition();
        let dir = self.path.join(names::future_dir_name(partition, unique));
        self.create_in(dir, partition, current.topic_id(), config, now)
    }

    /// Gives a future log of this directory the partition's name, durably. The log that it replaces is to be deleted
    /// next; the start after a crash in between finds both.
    pub fn promote(&self, future: &mut Log) -> Result<(), LogError> {
        let to = self.path.join(future.partition().to_string());
        future.rename_dir(to)
    }

    fn create_in(
        &self,
        dir: PathBuf,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        config: LogConfig,
        now: Now,
    ) -> Result<Log, LogError> {
        if self.vfs.exists(&dir) {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(LogError { action: "creating", path: dir, source });
        }
        self.vfs.create_dir_all(&dir).context("creating", &dir)?;
        if topic_id.is_none() {
            // With an id the directory's name becomes durable with the file that tells it.
            self.vfs.sync_dir(&self.path).context("syncing", &self.path)?;
        }
        let place = Place { vfs: &self.vfs, dir: &dir, index_bytes: config.segment_index_bytes, suffix: "" };
        let segment = Segment::create(place, Offset(0), &config, now.wall)?;
        let mut metadata = MetadataFile::absent();
        metadata.assign(topic_id.unwrap_or(Uuid::ZERO));
        Ok(Log {
            vfs: self.vfs.clone(),
            snapshots: Snapshots::new(self.vfs.clone(), dir.clone(), partition.clone(), []),
            dir,
            partition: partition.clone(),
            config,
            metadata,
            segments: vec![segment],
            log_start: Offset(0),
            log_end: Offset(0),
            high_watermark: Offset(0),
            recovery_point: Offset(0),
            producers: ProducerState::empty_at(Offset(0)),
            epochs: EpochCache::default(),
            unsynced: Unsynced::default(),
            names_changed: true,
            indexes_open: true,
            life: Life::begin(),
            sync_running: false,
            failed: false,
        })
    }

    /// Renames the partition's directory away, durably; the removal unlinks it after `file.delete.delay.ms`. `unique`
    /// is 16 random bytes.
    #[expect(clippy::needless_pass_by_value, reason = "nobody may use the log afterwards")]
    pub fn delete(&self, log: Log, unique: [u8; 16], now: Tick) -> Result<FileRemoval, LogError> {
        let to = self.path.join(names::deleted_dir_name(log.partition(), unique));
        log.life.end();
        vfs::durable::rename(&*self.vfs, log.dir(), &to).context("renaming", log.dir())?;
        tracing::info!(
            target: "kafka.log.LogManager",
            "Log for partition {} is renamed to {} and is scheduled for deletion",
            log.partition(),
            to.display()
        );
        Ok(FileRemoval { vfs: self.vfs.clone(), paths: vec![to], due: log.removal_due(now) })
    }

    /// Reads a checkpoint; no entries if there is no file.
    pub fn read_checkpoint(&self, which: Checkpoint) -> Result<Vec<(TopicPartition, Offset)>, DirError> {
        let path = self.path.join(which.file_name());
        let Some(bytes) = self.read_if_there(&path)? else { return Ok(Vec::new()) };
        Ok(checkpoint::decode(&path, &String::from_utf8_lossy(&bytes))?)
    }

    /// Replaces a checkpoint durably.
    pub fn write_checkpoint<'a>(
        &self,
        which: Checkpoint,
        entries: impl IntoIterator<Item = (&'a TopicPartition, Offset)>,
    ) -> Result<(), LogError> {
        let path = self.path.join(which.file_name());
        let text = checkpoint::encode(entries.into_iter());
        vfs::durable::write_file(&*self.vfs, &path, text.as_bytes()).context("writing", &path)
    }

    fn checkpoint_or_empty(&self, which: Checkpoint) -> Result<HashMap<TopicPartition, Offset>, DirError> {
        match self.read_checkpoint(which) {
            Ok(entries) => Ok(entries.into_iter().collect()),
            Err(DirError::Checkpoint(error)) => {
                tracing::warn!(
                    target: "kafka.log.LogManager",
                    "Error occurred while reading {} file of directory {}: {error}",
                    which.file_name(),
                    self.path.display()
                );
                Ok(HashMap::new())
            }
            Err(other) => Err(other),
        }
    }

    fn read_if_there(&self, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
        match self.vfs.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("reading", path),
        }
    }
}
