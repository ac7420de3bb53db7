//! `__consumer_offsets`: positions and groups, as keys and values of a compacted topic. A key without a value is a
//! tombstone.

use bytes::Bytes;

use super::Record;
use crate::error::{DecodeError, EncodeError};
use crate::primitives::Decoder;
use crate::schema::Message as _;

record! { OffsetCommitKey, versions 0..=1 }
record! { OffsetCommitValue, versions 0..=4, flexible from 4 }
record! { GroupMetadataKey, versions 2..=2 }
record! { GroupMetadataValue, versions 0..=4, flexible from 4 }

structs! {
    "A record of `__consumer_offsets`, or a part of one."

    /// Key of one position.
    struct OffsetCommitKey {
        0..     group: String;
        0..     topic: String;
        0..     partition: i32;
    }

    /// One position.
    struct OffsetCommitValue {
        0..     offset: i64;
        /// Epoch of the record before the position; -1: unknown.
        3..     leader_epoch: i32 = -1, ignorable;
        /// What the client wanted to be stored with it.
        0..     metadata: String;
        /// Wall ms.
        0..     commit_timestamp: i64;
        /// Wall ms; -1: by the broker's retention. Set when the client asked for a retention time of its own.
        1..=1   expire_timestamp: i64 = -1, ignorable;
    }

    /// Key of a group.
    struct GroupMetadataKey {
        2..     group: String;
    }

    /// A group in a generation.
    struct GroupMetadataValue {
        0..     protocol_type: String;
        0..     generation: i32;
        /// The protocol that was chosen; null: no members.
        0..     protocol: Option<String>;
        /// Member id of the leader; null: no members.
        0..     leader: Option<String>;
        /// Wall ms; -1: unknown.
        2..     current_state_timestamp: i64 = -1, ignorable;
        0..     members: Vec<MemberMetadata>;
    }

    /// One member.
    struct MemberMetadata {
        0..     member_id: String;
        3..     group_instance_id: Option<String> = null, ignorable;
        0..     client_id: String;
        /// In Java's form, `/127.0.0.1`.
        0..     client_host: String;
        /// In ms; -1: as the session timeout.
        1..     rebalance_timeout: i32 = -1, ignorable;
        /// In ms.
        0..     session_timeout: i32;
        0..     subscription: Bytes;
        0..     assignment: Bytes;
    }
}

impl Record for OffsetCommitKey {
    fn written_version(&self) -> i16 {
        1
    }
}

impl Record for OffsetCommitValue {
    fn written_version(&self) -> i16 {
        // Only version 1 has a place for it.
        if self.expire_timestamp == -1 { 3 } else { 1 }
    }
}

impl Record for GroupMetadataKey {
    fn written_version(&self) -> i16 {
        2
    }
}

impl Record for GroupMetadataValue {
    fn written_version(&self) -> i16 {
        3
    }
}

/// A key of `__consumer_offsets`; the version says what it is the key of.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// Of a position.
    Offset(OffsetCommitKey),
    /// Of a group.
    Group(GroupMetadataKey),
    /// Of something a newer broker writes (KIP-848 groups): to be passed over.
    Unknown(i16),
}

impl Key {
    /// Reads a key.
    pub fn from_bytes(bytes: Bytes) -> Result<Key, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        match decoder.i16()? {
            version @ 0..=1 => OffsetCommitKey::decode(&mut decoder, version).map(Key::Offset),
            version @ 2 => GroupMetadataKey::decode(&mut decoder, version).map(Key::Group),
            version => Ok(Key::Unknown(version)),
        }
    }

    /// Writes a key.
    ///
    /// # Errors
    /// When a name is longer than 32767 bytes, and for an unknown key.
    pub fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        match self {
            Key::Offset(key) => key.to_bytes(),
            Key::Group(key) => key.to_bytes(),
            Key::Unknown(version) => {
                Err(EncodeError::UnsupportedVersion { message: "group record key", version: *version })
            }
        }
    }
}
