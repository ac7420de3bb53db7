//! What is known of each producer: epochs, sequences, open transactions (KIP-98, KIP-360).
//!
//! Checking and changing are two steps, because a rejected append must leave no trace: [`ProducerState::check`] looks
//! and answers with a [`ProducerUpdate`], which [`ProducerState::apply`] takes after the bytes are in the file.

use std::collections::BTreeMap;

use kafka_record::{BatchHeader, NO_SEQUENCE};
use kafka_types::{Offset, ProducerEpoch, ProducerId, TopicPartition};
use time_types::WallMillis;

use crate::error::AppendError;
use crate::txn_index::AbortedTxn;

/// How many batches of a producer are remembered: an idempotent producer has at most so many in flight.
const BATCHES_KEPT: usize = 5;

/// A batch as far as retries need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchMark {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: Offset,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

impl BatchMark {
    /// Sequences wrap from `i32::MAX` to 0.
    pub(crate) fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        first.rem_euclid(i64::from(i32::MAX) + 1) as i32
    }

    pub(crate) fn first_offset(&self) -> Offset {
        Offset(self.last_offset.0 - i64::from(self.offset_delta))
    }
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    /// Oldest first, at most [`BATCHES_KEPT`].
    pub(crate) batches: Vec<BatchMark>,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    /// Where its open transaction began.
    pub(crate) transaction: Option<Offset>,
}

impl Producer {
    fn new(id: ProducerId) -> Producer {
        Producer {
            id,
            epoch: ProducerEpoch::NONE,
            batches: Vec::new(),
            coordinator_epoch: -1,
            last_timestamp: kafka_record::NO_TIMESTAMP,
            transaction: None,
        }
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        self.batches.last().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The remembered batch that has exactly these sequences, if the epoch is the same.
    fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMark> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let wanted = (header.base_sequence, header.last_sequence());
        self.batches.iter().find(|batch| (batch.first_sequence(), batch.last_sequence) == wanted).copied()
    }

    fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn remember(&mut self, header: &BatchHeader) {
        self.set_epoch(header.producer_epoch);
        if self.batches.len() == BATCHES_KEPT {
            self.batches.remove(0);
        }
        self.batches.push(BatchMark {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        self.last_timestamp = header.max_timestamp;
    }

    fn is_expired(&self, now: WallMillis, after_ms: i64) -> bool {
        self.transaction.is_none() && now - WallMillis(self.last_timestamp) >= after_ms
    }
}

/// What the record in a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) commit: bool,
    pub(crate) coordinator_epoch: i32,
    pub(crate) timestamp: i64,
}

/// A batch on its way into the state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateBatch {
    pub(crate) header: BatchHeader,
    /// Of control batches; an empty one (compacted away) has none.
    pub(crate) marker: Option<Marker>,
}

/// How strictly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A producer: sequences and epochs, and retries are recognised.
    Client,
    /// A coordinator: epochs only.
    Coordinator,
    /// Another broker, or our own disk, has checked already.
    Replication,
}

/// A transaction that a marker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedTxn {
    pub(crate) producer_id: ProducerId,
    pub(crate) first_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) aborted: bool,
}

/// The changes that a set of batches makes.
#[derive(Debug, Default)]
pub(crate) struct ProducerUpdate {
    producers: Vec<Producer>,
    steps: Vec<TxnStep>,
}

#[derive(Debug)]
enum TxnStep {
    Begin(ProducerId, Offset),
    End(EndedTxn),
}

/// What [`ProducerState::check`] found.
#[derive(Debug)]
pub(crate) enum Checked {
    /// Append, then apply.
    New(ProducerUpdate),
    /// A retry of this batch: do not append.
    Duplicate(BatchMark),
}

/// All producers of a log.
#[derive(Debug, Default)]
pub(crate) struct ProducerState {
    producers: BTreeMap<ProducerId, Producer>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
    /// Ended ones whose marker is not below the high watermark yet: first offset to the marker's.
    uncommitted: BTreeMap<Offset, Offset>,
    /// The state covers everything below.
    end: Offset,
}

impl ProducerState {
    /// Nobody known, up to `end`.
    pub(crate) fn empty_at(end: Offset) -> ProducerState {
        ProducerState { end, ..ProducerState::default() }
    }

    /// As a snapshot says.
    pub(crate) fn restore(end: Offset, producers: Vec<Producer>) -> ProducerState {
        let open = producers.iter().filter_map(|one| Some((one.transaction?, one.id))).collect();
        let producers = producers.into_iter().map(|one| (one.id, one)).collect();
        ProducerState { producers, open, uncommitted: BTreeMap::new(), end }
    }

    pub(crate) fn producers(&self) -> impl ExactSizeIterator<Item = &Producer> {
        self.producers.values()
    }

    pub(crate) fn has_open_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.producers.get(&id).is_some_and(|known| known.epoch == epoch && known.transaction.is_some())
    }

    pub(crate) fn end(&self) -> Offset {
        self.end
    }

    pub(crate) fn set_end(&mut self, end: Offset) {
        self.end = end;
    }

    /// First offset that a `read_committed` consumer may not see yet.
    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        self.open.keys().chain(self.uncommitted.keys()).min().copied()
    }

    /// Checks batches against the state; nothing is changed.
    pub(crate) fn check(
        &self,
        partition: &TopicPartition,
        batches: &[StateBatch],
        strictness: Strictness,
    ) -> Result<Checked, AppendError> {
        let mut update = ProducerUpdate::default();
        for batch in batches.iter().filter(|batch| batch.header.has_producer()) {
            let known = self.producers.get(&batch.header.producer_id);
            if strictness == Strictness::Client
                && let Some(duplicate) = known.and_then(|producer| producer.duplicate_of(&batch.header))
            {
                return Ok(Checked::Duplicate(duplicate));
            }
            let known_epoch = known.map_or(ProducerEpoch::NONE, |producer| producer.epoch);
            let mut step = Step { partition, strictness, known_epoch, update: &mut update };
            step.take(batch, known)?;
        }
        Ok(Checked::New(update))
    }

    /// Makes the changes. For each transaction that was aborted, `on_abort` gets the entry of the transaction index.
    pub(crate) fn apply<E>(
        &mut self,
        update: ProducerUpdate,
        mut on_abort: impl FnMut(AbortedTxn) -> Result<(), E>,
    ) -> Result<(), E> {
        for producer in update.producers {
            self.producers.insert(producer.id, producer);
        }
        for step in update.steps {
            match step {
                TxnStep::Begin(producer, first) => {
                    self.open.insert(first, producer);
                }
                TxnStep::End(txn) => {
                    if txn.aborted {
                        on_abort(AbortedTxn {
                            producer_id: txn.producer_id,
                            first_offset: txn.first_offset,
                            last_offset: txn.last_offset,
                            last_stable_offset: self.last_stable_after(&txn),
                        })?;
                    }
                    self.open.remove(&txn.first_offset);
                    self.uncommitted.insert(txn.first_offset, txn.last_offset);
                }
            }
        }
        Ok(())
    }

    /// Takes a batch that was checked long ago: from a follower's leader or from disk.
    pub(crate) fn replay<E>(
        &mut self,
        partition: &TopicPartition,
        batch: StateBatch,
        on_abort: impl FnMut(AbortedTxn) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Ok(Checked::New(update)) = self.check(partition, &[batch], Strictness::Replication) {
            self.apply(update, on_abort)?;
        }
        self.end = batch.header.next_offset();
        Ok(())
    }

    /// Ended transactions whose marker is below it are seen by everybody now.
    pub(crate) fn on_high_watermark(&mut self, offset: Offset) {
        self.uncommitted.retain(|_, last| *last >= offset);
    }

    /// The log begins later.
    pub(crate) fn on_log_start(&mut self, offset: Offset) {
        self.on_high_watermark(offset);
        self.end = self.end.max(offset);
    }

    /// Forgets who was silent for too long.
    pub(crate) fn expire(&mut self, now: WallMillis, after_ms: i64) {
        self.producers.retain(|_, producer| !producer.is_expired(now, after_ms));
    }

    fn last_stable_after(&self, ended: &EndedTxn) -> Offset {
        let other = self.open.iter().find(|(_, producer)| **producer != ended.producer_id);
        other.map_or(ended.last_offset + 1, |(first, _)| *first)
    }
}

/// One batch against what is known of its producer.
struct Step<'a> {
    partition: &'a TopicPartition,
    strictness: Strictness,
    /// The producer's epoch before this append.
    known_epoch: ProducerEpoch,
    update: &'a mut ProducerUpdate,
}

impl Step<'_> {
    fn take(&mut self, batch: &StateBatch, known: Option<&Producer>) -> Result<(), AppendError> {
        let id = batch.header.producer_id;
        let mut producer = match self.update.producers.iter().position(|one| one.id == id) {
            Some(index) => self.update.producers.swap_remove(index),
            None => known.cloned().unwrap_or_else(|| Producer::new(id)),
        };
        let taken = if batch.header.is_control() {
            batch.marker.map_or(Ok(()), |marker| self.end_transaction(&mut producer, &batch.header, marker))
        } else {
            self.add_data(&mut producer, &batch.header)
        };
        self.update.producers.push(producer);
        taken
    }

    fn add_data(&mut self, producer: &mut Producer, header: &BatchHeader) -> Result<(), AppendError> {
        self.check_epoch(producer, header)?;
        if self.strictness == Strictness::Client {
            self.check_sequence(producer, header)?;
        }
        producer.remember(header);
        match producer.transaction {
            Some(_) if !header.is_transactional() => Err(AppendError::InvalidTransactionState(format!(
                "Expected transactional write from producer {} at offset {} in partition {}",
                producer.id, header.base_offset, self.partition
            ))),
            None if header.is_transactional() => {
                producer.transaction = Some(header.base_offset);
                self.update.steps.push(TxnStep::Begin(producer.id, header.base_offset));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_transaction(
        &mut self,
        producer: &mut Producer,
        header: &BatchHeader,
        marker: Marker,
    ) -> Result<(), AppendError> {
        self.check_epoch(producer, header)?;
        if producer.coordinator_epoch > marker.coordinator_epoch && self.strictness != Strictness::Replication {
            return Err(AppendError::CoordinatorFenced(format!(
                "Invalid coordinator epoch for producerId {} at offset {} in partition {}: {} (zombie), {} (current)",
                producer.id, header.base_offset, self.partition, marker.coordinator_epoch, producer.coordinator_epoch
            )));
        }
        if let Some(first_offset) = producer.transaction.take() {
            self.update.steps.push(TxnStep::End(EndedTxn {
                producer_id: producer.id,
                first_offset,
                last_offset: header.base_offset,
                aborted: !marker.commit,
            }));
        }
        producer.set_epoch(header.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = marker.timestamp;
        Ok(())
    }

    fn check_epoch(&self, producer: &Producer, header: &BatchHeader) -> Result<(), AppendError> {
        if header.producer_epoch >= producer.epoch || self.strictness == Strictness::Replication {
            return Ok(());
        }
        Err(AppendError::InvalidProducerEpoch(format!(
            "Epoch of producer {} at offset {} in {} is {}, which is smaller than the last seen epoch {}",
            producer.id, header.base_offset, self.partition, header.producer_epoch, producer.epoch
        )))
    }

    fn check_sequence(&self, producer: &Producer, header: &BatchHeader) -> Result<(), AppendError> {
        let (id, offset, first) = (producer.id, header.base_offset, header.base_sequence);
        if header.producer_epoch != producer.epoch {
            if first == 0 || producer.epoch == ProducerEpoch::NONE {
                return Ok(());
            }
            return Err(AppendError::OutOfOrderSequence(format!(
                "Invalid sequence number for new epoch of producer {id} at offset {offset} in partition {}: {} (request \
                 epoch), {first} (seq. number), {} (current producer epoch)",
                self.partition, header.producer_epoch, producer.epoch
            )));
        }
        let last = producer.last_sequence();
        let follows = i64::from(first) == i64::from(last) + 1 || (first == 0 && last == i32::MAX);
        // Nothing known of the producer: its records were deleted by retention, any sequence may come next.
        if follows || self.known_epoch == ProducerEpoch::NONE && producer.batches.is_empty() {
            return Ok(());
        }
        Err(AppendError::OutOfOrderSequence(format!(
            "Out of order sequence number for producer {id} at offset {offset} in partition {}: {first} (incoming seq. \
             number), {last} (current end sequence number)",
            self.partition
        )))
    }
}
