//! Transactions as the partitions of one shard see them: markers, and which producers may write into which transaction
//! (KIP-890).

use std::collections::HashMap;

use bytes::Bytes;
use kafka_group_coordinator::Event as GroupEvent;
use kafka_log::AppendOrigin;
use kafka_record::control::EndTxnMarker;
use kafka_record::{Batch, NO_SEQUENCE};
use kafka_types::{Acks, ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use time_types::Tick;

use super::Owned;
use super::partition::{Produced, Refused};
use crate::coordinators::{GroupCoordinator, OFFSETS_TOPIC};

/// A verification that nobody came back with for so long is forgotten.
const FORGOTTEN_AFTER_MS: u64 = 60_000;

/// Lets its holder append the first records of a transaction to a partition, unless a marker came between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guard(u64);

/// The verifications of one partition that are under way.
#[derive(Debug, Default)]
pub(crate) struct Verifications {
    last: u64,
    by_producer: HashMap<ProducerId, Verification>,
    /// How many there may be before those that nobody came back with are forgotten.
    clean_at: usize,
}

#[derive(Debug)]
struct Verification {
    epoch: ProducerEpoch,
    guard: Guard,
    since: Tick,
    /// The lowest sequence of this epoch that was to be written. A batch after it has to wait until it is: else the first
    /// one, tried again after its verification failed, would be out of order for ever.
    lowest_sequence: i32,
}

impl Verifications {
    /// A guard for this producer, who is about to write from `sequence` on: the one that it has, or a new one.
    fn begin(&mut self, now: Tick, producer: (ProducerId, ProducerEpoch), sequence: i32) -> Guard {
        if self.by_producer.len() >= self.clean_at.max(16) {
            self.by_producer.retain(|_, one| now.since(one.since) < FORGOTTEN_AFTER_MS);
            self.clean_at = self.by_producer.len() * 2;
        }
        let (id, epoch) = producer;
        match self.by_producer.get_mut(&id) {
            Some(known) if known.epoch == epoch => {
                known.lowest_sequence = known.lowest_sequence.min(sequence);
                known.guard
            }
            // A predecessor: its records are refused when they are appended.
            Some(known) if known.epoch > epoch => known.guard,
            _ => {
                self.last += 1;
                let guard = Guard(self.last);
                self.by_producer.insert(id, Verification { epoch, guard, since: now, lowest_sequence: sequence });
                guard
            }
        }
    }

    /// The lowest sequence that this producer was to write and has not written. What somebody has tried to write in another
    /// epoch is not its affair: that may be one that no coordinator gave out.
    fn lowest_sequence(&self, (id, epoch): (ProducerId, ProducerEpoch)) -> Option<i32> {
        self.by_producer.get(&id).filter(|known| known.epoch == epoch).map(|known| known.lowest_sequence)
    }

    fn holds(&self, id: ProducerId, guard: Guard) -> bool {
        self.by_producer.get(&id).is_some_and(|known| known.guard == guard)
    }

    fn end(&mut self, id: ProducerId) {
        self.by_producer.remove(&id);
    }
}

/// Records for a transaction.
#[derive(Debug)]
pub(crate) enum Transactional {
    /// They are in.
    Appended(Produced),
    /// Nobody has written to this partition in this transaction: the coordinator has to be asked first.
    Verify(Guard),
}

impl Owned {
    /// Appends a client's records of a transaction. Without a guard it is first asked whether the transaction has
    /// written to the partition before; if not, the coordinator has to say that it may.
    pub(crate) fn produce_in_transaction(
        &mut self,
        topic_partition: &TopicPartition,
        records: &Bytes,
        acks: Acks,
        producer: (ProducerId, ProducerEpoch),
        guard: Option<Guard>,
    ) -> Result<Transactional, Refused> {
        let now = self.shared.clock.tick();
        let partition = self.partition(topic_partition)?;
        let (id, epoch) = producer;
        let sequence = first_sequence(records);
        // Apache 3.9.1's broker does not ask about the epoch here, and takes records of an open transaction with an epoch
        // that no coordinator gave out. They make the transaction's own producer, and its markers, too old for the log: a
        // commit is acknowledged and is never done, its records and all that follow are hidden from committed readers for
        // ever, and the id can begin no other (later releases ask, too). So that is not followed.
        if !partition.log.has_open_transaction(id, epoch) {
            if partition.replica.leader().is_none() {
                return Err(ErrorCode::NotLeaderOrFollower.into());
            }
            match guard {
                None => return Ok(Transactional::Verify(partition.verifications.begin(now, producer, sequence))),
                Some(guard) if !partition.verifications.holds(id, guard) => {
                    // The transaction has ended since the coordinator was asked.
                    return Err(ErrorCode::InvalidTxnState.into());
                }
                Some(_) => {}
            }
        }
        if partition.verifications.lowest_sequence(producer).is_some_and(|lowest| sequence > lowest) {
            let log_start = Some(partition.log.log_start());
            return Err(Refused { log_start, ..ErrorCode::OutOfOrderSequenceNumber.into() });
        }
        let produced = self.produce(topic_partition, records, acks)?;
        if let Ok(partition) = self.partition(topic_partition) {
            partition.verifications.end(id);
        }
        Ok(Transactional::Appended(produced))
    }

    /// Begins a verification for a write that a coordinator of this broker makes; `None` if none is needed.
    pub(crate) fn begin_verification(
        &mut self,
        topic_partition: &TopicPartition,
        producer: (ProducerId, ProducerEpoch),
    ) -> Result<Option<Guard>, ErrorCode> {
        let now = self.shared.clock.tick();
        let partition = self.partition(topic_partition)?;
        if partition.replica.leader().is_none() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if partition.log.has_open_transaction(producer.0, producer.1) {
            return Ok(None);
        }
        Ok(Some(partition.verifications.begin(now, producer, NO_SEQUENCE)))
    }

    /// Is the guard still good?
    pub(crate) fn check_verification(
        &mut self,
        topic_partition: &TopicPartition,
        producer: (ProducerId, ProducerEpoch),
        guard: Guard,
    ) -> Result<(), ErrorCode> {
        let partition = self.partition(topic_partition)?;
        let is_good = partition.log.has_open_transaction(producer.0, producer.1)
            || partition.verifications.holds(producer.0, guard);
        if is_good { Ok(()) } else { Err(ErrorCode::InvalidTxnState) }
    }

    /// Writes the end of a transaction into a partition. Whoever is verified and has not written yet comes too late.
    pub(crate) fn write_marker(
        &mut self,
        topic_partition: &TopicPartition,
        marker: EndTxnMarker,
        (id, epoch): (ProducerId, ProducerEpoch),
    ) -> Result<Produced, ErrorCode> {
        let now = self.shared.clock.now();
        let batch = marker.to_batch(now.wall.0, id, epoch);
        let partition = self.partition(topic_partition)?;
        let produced =
            partition.append(now, &batch, Acks::All, AppendOrigin::Coordinator).map_err(|refused| refused.code)?;
        partition.verifications.end(id);
        if produced.wait_for.is_none() {
            self.marker_committed(topic_partition, marker, id);
        }
        Ok(produced)
    }

    /// A marker is committed: offsets that were committed in the transaction count from here on, or never.
    pub(crate) fn marker_committed(&mut self, topic_partition: &TopicPartition, marker: EndTxnMarker, id: ProducerId) {
        if &*topic_partition.topic != OFFSETS_TOPIC {
            return;
        }
        // Commits that lie before the marker first.
        self.after_commit(topic_partition);
        let ended = GroupEvent::TransactionEnded { producer_id: id, committed: marker.commit };
        self.tell_coordinator::<GroupCoordinator>(topic_partition.partition, ended);
    }
}

/// The sequence of the first record.
fn first_sequence(records: &Bytes) -> i32 {
    match Batch::read(records) {
        Ok(Batch::V2(batch)) => batch.header().base_sequence,
        _ => NO_SEQUENCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: (ProducerId, ProducerEpoch) = (ProducerId(7), ProducerEpoch(0));

    #[test]
    fn a_guard_is_shared_by_requests_of_one_producer_and_ends_with_it() {
        let mut verifications = Verifications::default();
        let guard = verifications.begin(Tick(0), PRODUCER, 5);
        assert_eq!(verifications.begin(Tick(5), PRODUCER, 3), guard);
        assert_eq!(verifications.begin(Tick(5), PRODUCER, 4), guard);
        assert!(verifications.holds(PRODUCER.0, guard));
        assert_eq!(verifications.lowest_sequence(PRODUCER), Some(3));
        let successor = (PRODUCER.0, ProducerEpoch(1));
        let newer = verifications.begin(Tick(6), successor, 9);
        assert_eq!(verifications.begin(Tick(6), PRODUCER, 0), newer, "a predecessor changes nothing");
        assert_eq!(verifications.lowest_sequence(successor), Some(9), "sequences begin anew with an epoch");
        assert_eq!(verifications.lowest_sequence(PRODUCER), None, "and bind nobody of another");
        assert!(!verifications.holds(PRODUCER.0, guard) && verifications.holds(PRODUCER.0, newer));
        verifications.end(PRODUCER.0);
        assert!(!verifications.holds(PRODUCER.0, newer));
        assert_eq!(verifications.lowest_sequence(successor), None);
        assert_ne!(verifications.begin(Tick(7), PRODUCER, 0), newer, "an old guard opens nothing");
    }

    #[test]
    fn verifications_that_nobody_comes_back_with_are_forgotten() {
        let mut verifications = Verifications::default();
        for id in 0..100_000 {
            verifications.begin(Tick(id as u64 * 100), (ProducerId(id), ProducerEpoch(0)), 0);
        }
        assert!(verifications.by_producer.len() <= 2 * 600 + 16, "{}", verifications.by_producer.len());
    }
}
