//! Transaction log and snapshots on disk: Apache ZooKeeper's files, byte for byte, and what is left after a crash.
//!
//! A server recovers ([`recover`]), writes a snapshot ([`snapshot::write`]) and opens its log ([`TxnLog`]). Then every
//! transaction is appended, and acknowledged when the sync behind it has returned; now and then ([`SnapshotTrigger`])
//! the log is rolled and a snapshot is taken in slices ([`SnapshotDump`], [`SnapshotSink`]); [`purge`] keeps the
//! directory small.
#![deny(missing_docs)]

pub mod file_names;
mod record;
pub mod txn_log;
pub mod txn_reader;

pub mod snapshot;
pub mod trigger;

pub mod past;
mod purge;
pub mod raw_log;
pub mod recovery;

pub use file_names::{Compression, Dirs, LogFile, SnapshotFile};
pub use purge::{RETAIN_MIN, obsolete, purge};
pub use recovery::{Recovered, RecoveryError, RecoveryOptions, Report, recover, recover_telling};
pub use snapshot::{SnapshotDump, SnapshotError, SnapshotSink};
pub use trigger::SnapshotTrigger;
pub use txn_log::{LogError, TxnLog, TxnLogOptions};
pub use txn_reader::{Entry, LogReader, ReadError, Tail, TornEnd, TxnReader};
