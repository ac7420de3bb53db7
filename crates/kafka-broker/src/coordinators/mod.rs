//! Runs coordinator cores over their partitions: request, decide, append, replay, reply.
//!
//! The coordinator of a group or of a transactional id lives on the shard that owns its partition of the internal topic,
//! so that its appends are plain calls. A core that still loads answers so itself. [`Cores`] is the same for both kinds;
//! what differs between them is said by a [`Core`].

mod alarm;
mod asking;
mod cores;
pub(crate) mod groups;
mod loading;
mod on_shard;
pub(crate) mod transactions;

use std::fmt::Debug;

use bytes::Bytes;
pub(crate) use kafka_group_coordinator::Coordinator as GroupCoordinator;
use kafka_record::Batch;
pub(crate) use kafka_txn_coordinator::Coordinator as TransactionCoordinator;
use kafka_types::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use time_types::{Now, Tick};

pub(crate) use cores::{Cores, Job};
pub(crate) use groups::OFFSETS_TOPIC;
pub(crate) use on_shard::deadlines;
pub(crate) use transactions::TRANSACTION_TOPIC;

use crate::java_hash;
use crate::replicas::Owned;

/// A coordinator without I/O: it is told what happens and says what to do.
pub(crate) trait Core: Debug + Send + Sized + 'static {
    /// How it is set.
    type Config: Send + 'static;
    /// What it is asked.
    type Request: Clone + Send + 'static;
    /// What it answers.
    type Reply: Debug + Send + 'static;
    /// What happens to it.
    type Event;
    /// What it wants done.
    type Effect: Debug + Send;
    /// What it wants done that takes longer than a call.
    type Task: Debug + Send;

    /// The topic that keeps its state.
    const TOPIC: &'static str;
    /// The setting, in milliseconds, by which an append has to be committed; `None`: it is waited for.
    const APPEND_TIMEOUT: Option<&'static str>;

    /// The cores of a shard.
    fn on(owned: &mut Owned) -> &mut Cores<Self>;

    /// One that loads, for a partition that is led in `epoch`.
    fn new(config: Self::Config, epoch: LeaderEpoch) -> Self;
    /// Takes in a batch of its topic that is committed. Records that cannot be read are told and passed over.
    fn replay(&mut self, batch: &Batch<'_>, partition: &TopicPartition) -> Result<(), kafka_record::ReadError>;
    /// Everything is replayed.
    fn on_loaded(&mut self, now: Now, effects: &mut Vec<Self::Effect>);
    /// The partition is led elsewhere: whoever waits is told so.
    fn unload(&mut self, effects: &mut Vec<Self::Effect>);
    /// Something happens.
    fn handle(&mut self, now: Now, event: Self::Event, effects: &mut Vec<Self::Effect>);
    /// When [`Core::on_tick`] wants to be called, at the latest.
    fn next_deadline(&self) -> Option<Tick>;
    /// Does what is due.
    fn on_tick(&mut self, now: Now, effects: &mut Vec<Self::Effect>);

    /// Somebody asks; the reply bears this token.
    fn asked(token: u64, request: Self::Request) -> Self::Event;
    /// An append is committed, its first record at this offset, or has failed.
    fn appended(token: u64, result: Result<Offset, ErrorCode>) -> Self::Event;
    /// What is to be done about an effect.
    fn wanted(effect: Self::Effect) -> Wanted<Self>;

    /// Tells the log how loading goes, on broker `id`.
    fn tell(id: i32, partition: &TopicPartition, epoch: LeaderEpoch, progress: Progress);
}

/// What a core wants.
pub(crate) enum Wanted<C: Core> {
    /// Append, and report by [`Core::appended`].
    Append(Append),
    /// Answer whoever asked with this token.
    Reply(u64, C::Reply),
    /// Do, and report by an event.
    Task(C::Task),
}

/// What a coordinator wants appended to its partition, as one batch.
#[derive(Debug)]
pub(crate) struct Append {
    /// To report by.
    pub(crate) token: u64,
    /// Keys and values; no value deletes the key.
    pub(crate) records: Vec<(Bytes, Option<Bytes>)>,
    /// Set for offsets in a transaction.
    pub(crate) producer: Option<(ProducerId, ProducerEpoch)>,
    /// Of the first record: Apache's broker numbers committed offsets, of producers and of nobody, and nothing else.
    pub(crate) base_sequence: i32,
}

/// How far a coordinator is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It begins.
    Elected,
    /// What begins at this offset cannot be read, and is left out.
    Unreadable(Offset),
    /// It serves, after so many milliseconds.
    Loaded(u64),
}

/// Bytes of their own, for what a coordinator keeps: as a part of the request they would keep all of it.
pub(crate) fn apart(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// The partition of an internal topic that keeps a group or a transactional id: Java's hash, made positive as Kafka does
/// it.
pub(crate) fn partition_for(name: &str, partitions: i32) -> i32 {
    let hash = java_hash::of_text(name);
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_spread_as_java_does() {
        // `"console-consumer-1".hashCode()` and the like, from a JVM.
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("a", 50), 97 % 50);
        assert_eq!(partition_for("g1", 50), (103 * 31 + 49) % 50);
        // Its hash is Integer.MIN_VALUE.
        assert_eq!(partition_for("polygenelubricants", 50), 0);
    }
}
