//! One partition's log on disk, and the directory of logs, in the format of Apache Kafka 3.9.
//!
//! [`LogDir`] owns what lies at the top of a log directory: the lock, `meta.properties`, the clean-shutdown marker and
//! the checkpoints. It lists the partitions it holds as [`UnrecoveredLog`]s; recovering one gives a [`Log`], and there
//! is no other way to get one (except to make an empty one).
//!
//! A [`Log`] has one owner, which appends, truncates and rolls. Whatever takes long is handed out as a value that may
//! get slices of files that are shared and never change below the log end.
#![deny(missing_docs)]

mod checkpoint;
mod config;
mod error;
mod log;
mod log_dir;
mod names;
mod recovery;
mod removal;
mod sync;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::{CleanupPolicy, LogConfig};
pub use error::{AppendError, LoadError, LogError, ReadError};
pub use log::{
    AbortedTransaction, Appended, AppendOrigin, Found, FoundTimestamp, Log, LogStartReason, OffsetQuery, Read, Slice,
};
pub use log_dir::{CleanShutdown, DirError, LogDir, MetaProperties};
pub use names::{DirName, parse_dir_name};
pub use recovery::UnrecoveredLog;
pub use removal::FileRemoval;
pub use sync::{SyncDone, SyncJob, Unsynced};
