//! From the errors of cores to the codes on the wire: the same cause has different codes by API and version.

use kafka_types::ErrorCode;
use kafka_wire::{fetch, list_offsets};

/// Fetch: old clients do not know a storage error and would not retry it.
pub(crate) fn fetch(error: ErrorCode, version: fetch::Version) -> ErrorCode {
    match error {
        ErrorCode::KafkaStorageError if !version.knows_storage_error() => ErrorCode::NotLeaderOrFollower,
        other => other,
    }
}

/// ListOffsets: old clients do not know that an offset may not be there yet.
pub(crate) fn list_offsets(error: ErrorCode, version: list_offsets::Version) -> ErrorCode {
    match error {
        ErrorCode::OffsetNotAvailable if !version.knows_offset_not_available() => ErrorCode::LeaderNotAvailable,
        other => other,
    }
}

/// Requests of transactional producers: an old one is told of its epoch, and not that another has taken its place.
pub(crate) fn fenced(error: ErrorCode, knows_fenced: bool) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced if !knows_fenced => ErrorCode::InvalidProducerEpoch,
        other => other,
    }
}
