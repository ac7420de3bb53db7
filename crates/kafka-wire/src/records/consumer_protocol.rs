//! What consumers tell each other through the coordinator, which does not look inside: subscriptions go in
//! JoinGroup's `metadata`, assignments in SyncGroup's `assignment` (protocol type `consumer`).
//!
//! A newer version only adds to the end, so one that we do not know is read as the newest that we do.

use bytes::Bytes;

use super::Record;
use crate::error::{DecodeError, EncodeError};
use crate::primitives::{Decoder, Encoder};
use crate::schema::Message;

record! { Subscription, versions 0..=3 }
record! { Assignment, versions 0..=3 }
record! { StickyUserData, versions 0..=1 }

structs! {
    "A part of the consumer protocol."

    /// What a member wants to read, and what it has.
    struct Subscription {
        0..     topics: Vec<String>;
        /// For the assignor.
        0..     user_data: Option<Bytes> = null;
        /// What the member had in the generation before (cooperative and sticky assignors).
        1..     owned_partitions: Vec<TopicPartition>, ignorable;
        /// The generation `owned_partitions` come from; -1: unknown.
        2..     generation_id: i32 = -1, ignorable;
        3..     rack_id: Option<String> = null, ignorable;
    }

    /// What a member is to read.
    struct Assignment {
        0..     assigned_partitions: Vec<TopicPartition>;
        /// From the assignor.
        0..     user_data: Option<Bytes> = null;
    }

    /// What a member of a group with the eager sticky assignor had, in its subscription's `user_data`: it owns nothing
    /// when it joins. Without a version in front of it; version 1 is tried first.
    struct StickyUserData {
        0..     previous_assignment: Vec<TopicPartition>;
        1..     generation: i32 = -1, ignorable;
    }

    /// Partitions of one topic.
    struct TopicPartition {
        0..     topic: String;
        0..     partitions: Vec<i32>;
    }
}

impl Record for Subscription {
    fn written_version(&self) -> i16 {
        Subscription::SHAPE.last
    }

    fn from_bytes(bytes: Bytes) -> Result<Subscription, DecodeError> {
        read(bytes)
    }
}

impl Record for Assignment {
    fn written_version(&self) -> i16 {
        Assignment::SHAPE.last
    }

    fn from_bytes(bytes: Bytes) -> Result<Assignment, DecodeError> {
        read(bytes)
    }
}

impl StickyUserData {
    /// As members write it since 2.3.
    ///
    /// # Errors
    /// When a topic's name is too long to be written.
    pub fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder, StickyUserData::SHAPE.last)?;
        Ok(encoder.into_bytes())
    }

    /// From what a member wrote, in either version. What cannot be read is nobody's: `None`.
    pub fn from_bytes(bytes: &Bytes) -> Option<StickyUserData> {
        let in_version = |version| StickyUserData::decode(&mut Decoder::new(bytes.clone()), version).ok();
        in_version(1).or_else(|| in_version(0))
    }
}

fn read<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.i16()?.min(M::SHAPE.last);
    M::decode(&mut decoder, version)
}
