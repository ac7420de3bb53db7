//! What can go wrong, by what was asked for.

use std::io;
use std::path::{Path, PathBuf};

use kafka_record::validate::Rejected;
use kafka_types::{ErrorCode, Offset, TopicPartition};
use thiserror::Error;

/// The disk failed under a log. The log must not be used any more: what is in memory and what is on disk may differ.
#[derive(Debug, Error)]
#[error("{action} {}: {source}", path.display())]
pub struct LogError {
    /// What was tried, as a verb form: "writing", "renaming".
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Did the system only have no descriptor left, as far as this error or one below it tells? That says nothing of the
/// disk, and passes.
pub fn is_out_of_descriptors(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut errors = std::iter::successors(Some(error), |error| error.source());
    errors.any(|error| error.downcast_ref::<io::Error>().is_some_and(vfs::is_out_of_descriptors))
}

/// Attaches what was tried, and on what, to a system error.
pub(crate) trait IoContext<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, LogError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, LogError> {
        self.map_err(|source| LogError { action, path: path.to_owned(), source })
    }
}

/// Why records were not appended. Nothing was written, except after `Storage`.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The batch is not one that this log takes.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The producer's epoch is older than one already seen (`INVALID_PRODUCER_EPOCH`).
    #[error("{0}")]
    InvalidProducerEpoch(String),
    /// The batch does not follow the producer's last one (`OUT_OF_ORDER_SEQUENCE_NUMBER`).
    #[error("{0}")]
    OutOfOrderSequence(String),
    /// A batch outside a transaction while the producer has one open (`INVALID_TXN_STATE`).
    #[error("{0}")]
    InvalidTransactionState(String),
    /// The marker comes from a coordinator that has been replaced (`TRANSACTION_COORDINATOR_FENCED`).
    #[error("{0}")]
    CoordinatorFenced(String),
    /// A follower got records that do not continue its log (`UNKNOWN_SERVER_ERROR`).
    #[error("{0}")]
    UnexpectedOffset(String),
    /// What is in the log cannot be read, so nothing can be put behind it.
    #[error("{0}")]
    Damaged(ReadError),
    /// The disk failed (`KAFKA_STORAGE_ERROR`).
    #[error(transparent)]
    Storage(#[from] LogError),
}

impl From<ReadError> for AppendError {
    fn from(error: ReadError) -> AppendError {
        match error {
            ReadError::Storage(error) => AppendError::Storage(error),
            other => AppendError::Damaged(other),
        }
    }
}

impl AppendError {
    /// The code that a producer is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            AppendError::Rejected(rejected) => rejected.code,
            AppendError::InvalidProducerEpoch(_) => ErrorCode::InvalidProducerEpoch,
            AppendError::OutOfOrderSequence(_) => ErrorCode::OutOfOrderSequenceNumber,
            AppendError::InvalidTransactionState(_) => ErrorCode::InvalidTxnState,
            AppendError::CoordinatorFenced(_) => ErrorCode::TransactionCoordinatorFenced,
            AppendError::UnexpectedOffset(_) => ErrorCode::UnknownServerError,
            AppendError::Damaged(error) => error.code(),
            AppendError::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

/// Why an offset could not be read, or the log start not be moved.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Below the log start or above the log end (`OFFSET_OUT_OF_RANGE`).
    #[error(
        "Received request for offset {offset} for partition {partition}, but we only have log segments in the range \
         {start} to {end}."
    )]
    OutOfRange {
        /// The log.
        partition: TopicPartition,
        /// What was asked for.
        offset: Offset,
        /// The log start.
        start: Offset,
        /// The log end.
        end: Offset,
    },
    /// A segment's content is not what was written (`CORRUPT_MESSAGE`).
    #[error("{} is damaged at position {position}: {what}", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// The disk failed (`KAFKA_STORAGE_ERROR`).
    #[error(transparent)]
    Storage(#[from] LogError),
}

impl ReadError {
    /// The code that a consumer or follower is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::Damaged { .. } => ErrorCode::CorruptMessage,
            ReadError::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

/// Why a log could not be opened.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A small text file of the partition cannot be understood.
    #[error("{} is malformed: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A segment could not be read through.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] LogError),
}
