//! One partition's log on disk, and the directory of logs, in the format of Apache Kafka 3.9.
//!
//! [`LogDir`] owns what lies at the top of a log directory: the lock, `meta.properties`, the clean-shutdown marker and
//! the checkpoints. It lists the partitions it holds as [`UnrecoveredLog`]s; recovering one gives a [`Log`], and there
//! is no other way to get one (except to make an empty one).
//!
//! A [`Log`] has one owner, which appends, truncates and rolls. Whatever takes long is handed out as a value that may
//! run on another thread and whose outcome the owner is told: [`SyncJob`], [`FileRemoval`],
//! [`CompactionJob`]. Readers
//! get slices of files that are shared and never change below the log end.
#![deny(missing_docs)]

mod checkpoint;
mod compaction;
mod config;
mod epoch_cache;
mod error;
mod index_file;
mod log;
mod log_dir;
mod meta_properties;
mod metadata_file;
mod names;
mod offset_index;
mod producer_snapshot;
mod producer_state;
mod recovery;
mod removal;
mod retention;
mod segment;
mod snapshots;
mod sync;
mod time_index;
mod txn_index;
mod walk;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod testing;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use compaction::{Cleanable, Compacted, CompactionDone, CompactionError, CompactionJob, CompactionStats};
pub use config::{CleanupPolicy, LogConfig};
pub use error::{AppendError, LoadError, LogError, ReadError, is_out_of_descriptors};
pub use kafka_record::validate::Origin as AppendOrigin;
pub use log::{
    AbortedTransaction, ActiveProducer, Appended, Found, FoundTimestamp, Log, LogPosition, LogStartReason, OffsetQuery,
    Read, Slice,
};
pub use log_dir::{CleanShutdown, Contents, DirError, LogDir};
pub use meta_properties::MetaProperties;
pub use names::{DirName, is_too_long_to_move, parse_dir_name};
pub use recovery::UnrecoveredLog;
pub use removal::FileRemoval;
pub use sync::{SyncDone, SyncJob, Unsynced};
