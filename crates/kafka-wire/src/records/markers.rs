//! Control records that end a transaction in a partition's log (KIP-98): key {version 0, type}, value {version 0,
//! epoch of the transaction coordinator}. Key and value are fixed-width, so they are arrays here.

use crate::error::{DecodeError, Problem};

const VERSION: [u8; 2] = [0, 0];

/// What a control record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The producer's transaction is aborted.
    Abort,
    /// The producer's transaction is committed.
    Commit,
    /// Something else (KRaft's, or newer than us), which readers of topics pass over.
    Other(i16),
}

impl ControlType {
    /// Reads the key of a control record.
    pub fn from_key(key: &[u8]) -> Result<ControlType, DecodeError> {
        let &[version_high, version_low, high, low, ..] = key else {
            return Err(Problem::Truncated { needed: 4, left: key.len() }.into());
        };
        match i16::from_be_bytes([version_high, version_low]) {
            // A newer key begins like ours.
            0.. => Ok(match i16::from_be_bytes([high, low]) {
                0 => ControlType::Abort,
                1 => ControlType::Commit,
                other => ControlType::Other(other),
            }),
            version => Err(Problem::UnsupportedVersion(version).into()),
        }
    }
}

/// The marker at the end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Committed, or aborted?
    pub is_commit: bool,
    /// Epoch of the coordinator that decided; an older one than the log has seen is refused.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The record's key.
    pub fn key(self) -> [u8; 4] {
        [VERSION[0], VERSION[1], 0, u8::from(self.is_commit)]
    }

    /// The record's value.
    pub fn value(self) -> [u8; 6] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [VERSION[0], VERSION[1], a, b, c, d]
    }

    /// Reads key and value; `None` when the control record is none that ends a transaction.
    pub fn from_key_and_value(key: &[u8], value: &[u8]) -> Result<Option<EndTransactionMarker>, DecodeError> {
        let is_commit = match ControlType::from_key(key)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            ControlType::Other(_) => return Ok(None),
        };
        let &[version_high, version_low, a, b, c, d, ..] = value else {
            return Err(Problem::Truncated { needed: 6, left: value.len() }.into());
        };
        let version = i16::from_be_bytes([version_high, version_low]);
        if version < 0 {
            return Err(Problem::UnsupportedVersion(version).into());
        }
        let coordinator_epoch = i32::from_be_bytes([a, b, c, d]);
        Ok(Some(EndTransactionMarker { is_commit, coordinator_epoch }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_and_others_are_passed_over() {
        let marker = EndTransactionMarker { is_commit: true, coordinator_epoch: 7 };
        assert_eq!(marker.key(), [0, 0, 0, 1]);
        assert_eq!(marker.value(), [0, 0, 0, 0, 0, 7]);
        assert_eq!(EndTransactionMarker::from_key_and_value(&marker.key(), &marker.value()), Ok(Some(marker)));
        assert_eq!(EndTransactionMarker::from_key_and_value(&[0, 0, 0, 2], &[]), Ok(None));
        assert!(EndTransactionMarker::from_key_and_value(&marker.key(), &[0, 0, 0]).is_err());
        assert!(ControlType::from_key(&[0xff, 0xff, 0, 0]).is_err());
    }
}
