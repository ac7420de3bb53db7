//! What consumers tell each other through the coordinator, which does not look inside: subscriptions go in
//! JoinGroup's `metadata`, assignments in SyncGroup's `assignment` (protocol type `consumer`).
//!
//! A newer version only adds to the end, so one that we do not know is read as the newest that we do.

use bytes::Bytes;

use super::Record;
use crate::error::DecodeError;
use crate::primitives::Decoder;
use crate::schema::Message;

record! { Subscription, versions 0..=3 }
record! { Assignment, versions 0..=3 }

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

fn read<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.i16()?.min(M::SHAPE.last);
    M::decode(&mut decoder, version)
}
