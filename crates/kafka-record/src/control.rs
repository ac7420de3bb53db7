//! Control records: the markers that end a producer's transaction in a partition.
//!
//! Key: version i16, type i16 (0 abort, 1 commit; others belong to KRaft). Value of a marker: version i16, epoch of
//! the transaction coordinator i32.

use bytes::Bytes;
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::builder::{BatchBuilder, BatchOptions};
use crate::error::ReadError;

/// What a control record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// The transaction was aborted.
    Abort,
    /// The transaction was committed.
    Commit,
    /// A type that ends no transaction; readers skip it.
    Other(i16),
}

impl ControlType {
    /// From the key of a control record.
    pub fn from_key(key: &[u8]) -> Result<ControlType, ReadError> {
        let Some(&[v0, v1, t0, t1]) = key.first_chunk::<4>() else {
            return Err(ReadError::malformed(format!(
                "Invalid value size found for control record key. Must have at least 4 bytes, but found only {}",
                key.len()
            )));
        };
        let version = i16::from_be_bytes([v0, v1]);
        if version < 0 {
            return Err(ReadError::malformed(format!(
                "Invalid version found for control record: {version}. May indicate data corruption"
            )));
        }
        Ok(match i16::from_be_bytes([t0, t1]) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }

    /// The number in the key.
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::Other(id) => id,
        }
    }

    /// The key of a control record, version 0.
    pub fn to_key(self) -> [u8; 4] {
        let [t0, t1] = self.id().to_be_bytes();
        [0, 0, t0, t1]
    }
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndTxnMarker {
    /// Committed, or aborted?
    pub commit: bool,
    /// Epoch of the coordinator that decided; an older one is fenced off.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// From key and value of a control record; `None` for types that end no transaction.
    pub fn read(key: &[u8], value: &[u8]) -> Result<Option<EndTxnMarker>, ReadError> {
        let commit = match ControlType::from_key(key)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            ControlType::Other(_) => return Ok(None),
        };
        let Some(&[v0, v1, e0, e1, e2, e3]) = value.first_chunk::<6>() else {
            return Err(ReadError::malformed(format!(
                "Invalid value size found for end transaction marker. Must have at least 6 bytes, but found only {}",
                value.len()
            )));
        };
        let version = i16::from_be_bytes([v0, v1]);
        if version < 0 {
            return Err(ReadError::malformed(format!(
                "Invalid version found for end transaction marker: {version}. May indicate data corruption"
            )));
        }
        Ok(Some(EndTxnMarker { commit, coordinator_epoch: i32::from_be_bytes([e0, e1, e2, e3]) }))
    }

    /// Key and value of its control record.
    pub fn to_key_and_value(self) -> ([u8; 4], [u8; 6]) {
        let control = if self.commit { ControlType::Commit } else { ControlType::Abort };
        let [e0, e1, e2, e3] = self.coordinator_epoch.to_be_bytes();
        (control.to_key(), [0, 0, e0, e1, e2, e3])
    }

    /// The batch that carries it into a partition.
    pub fn to_batch(self, timestamp: i64, producer_id: ProducerId, producer_epoch: ProducerEpoch) -> Bytes {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch::NONE,
            producer_id,
            producer_epoch,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        let (key, value) = self.to_key_and_value();
        builder.append(timestamp, Some(&key), Some(&value), &[]).expect("ten bytes fit into an empty batch");
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_read_back_and_other_types_are_passed_over() {
        for commit in [true, false] {
            let marker = EndTxnMarker { commit, coordinator_epoch: 9 };
            let (key, value) = marker.to_key_and_value();
            assert_eq!(EndTxnMarker::read(&key, &value), Ok(Some(marker)));
        }
        assert_eq!(EndTxnMarker::read(&[0, 0, 0, 2], &[]), Ok(None));
        assert_eq!(ControlType::from_key(&[0, 0, 0, 6]), Ok(ControlType::Other(6)));
        assert_eq!(ControlType::Other(6).to_key(), [0, 0, 0, 6]);
    }

    #[test]
    fn short_ones_and_negative_versions_are_refused() {
        assert!(ControlType::from_key(&[0, 0, 0]).is_err());
        assert!(ControlType::from_key(&[0xff, 0xff, 0, 0]).is_err());
        assert!(EndTxnMarker::read(&[0, 0, 0, 1], &[0, 0, 0, 0, 0]).is_err());
        assert!(EndTxnMarker::read(&[0, 0, 0, 1], &[0xff, 0xff, 0, 0, 0, 0]).is_err());
    }
}
