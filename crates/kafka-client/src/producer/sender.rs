//! What a leader's answer means for each batch. Pure.

use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::produce::PartitionProduceResponse;

use super::batch::Batch;
use super::delivery::Failure;
use super::idempotence::{Meaning, Sequences};
use crate::error::{ConnectionError, Error};

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there.
    Written {
        /// Of its first record; -1 if it is not known.
        base_offset: i64,
        /// The broker's time, or -1.
        log_append_time: i64,
    },
    /// Once more, unless it was tried often enough: then this is why it failed.
    Again(Error),
    /// In smaller parts.
    Split,
    /// Never.
    Failed(Failure),
}

/// A leader answered.
pub(super) fn judge(response: &PartitionProduceResponse, batch: &Batch, sequences: &mut Sequences) -> Verdict {
    let code = ErrorCode::from_code(response.error_code);
    if code == ErrorCode::None {
        return Verdict::Written { base_offset: response.base_offset, log_append_time: response.log_append_time_ms };
    }
    let error = Error::Broker { code, message: response.error_message.clone() };
    match sequences.meaning(code, batch) {
        Meaning::Written => return Verdict::Written { base_offset: -1, log_append_time: -1 },
        Meaning::Again | Meaning::NewId => return Verdict::Again(error),
        Meaning::Other => {}
    }
    if code == ErrorCode::MessageTooLarge && batch.count > 1 {
        return Verdict::Split;
    }
    if code.is_retriable() {
        return Verdict::Again(error);
    }
    let records = response.record_errors.iter().map(|one| {
        let message = one.batch_index_error_message.clone().or_else(|| response.error_message.clone());
        (one.batch_index as u32, Error::Broker { code, message })
    });
    Verdict::Failed(Failure { error, records: records.collect() })
}

/// The connection to `leader` failed before there was an answer.
pub(super) fn judge_lost(error: &ConnectionError, leader: BrokerId) -> Verdict {
    match error {
        ConnectionError::UnsupportedVersion { .. } | ConnectionError::Unencodable { .. } => {
            Verdict::Failed(Error::Connection(error.clone()).into())
        }
        _ => Verdict::Again(lost(format!("Disconnected from node {leader}"))),
    }
}

/// The leader answered, but not about this batch.
pub(super) fn judge_unanswered(leader: BrokerId) -> Verdict {
    Verdict::Again(lost(format!("Node {leader} did not answer about the partition")))
}

fn lost(message: String) -> Error {
    Error::Broker { code: ErrorCode::NetworkException, message: Some(message) }
}

/// Is what is known of leaders outdated?
pub(super) fn is_about_leaders(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::NotLeaderOrFollower
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::KafkaStorageError
                | ErrorCode::NetworkException
        )
    )
}
