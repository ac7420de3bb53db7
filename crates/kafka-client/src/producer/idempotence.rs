//! The producer's id and the sequence of each partition: what makes a repeated batch count once (KIP-98). Pure.

use std::collections::{BTreeMap, HashMap};

use kafka_types::{ErrorCode, ProducerEpoch, ProducerId};

use super::accumulator::Gate;
use super::batch::{Batch, Order, PartitionKey, Stamp};

#[derive(Debug, Default)]
struct Partition {
    /// For the next new batch.
    next: i32,
    /// Sequences of batches that have one and no fate yet.
    unresolved: BTreeMap<Order, i32>,
}

/// What an error of an idempotent producer's batch means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The broker has it already.
    Written,
    /// An earlier batch is not there yet: send again, in order.
    Again,
    /// The broker does not know this producer any more: a new id, and then again.
    NewId,
    /// Nothing of its own.
    Other,
}

/// Ids and sequences.
#[derive(Debug)]
pub(super) struct Sequences {
    is_enabled: bool,
    identity: Option<(ProducerId, ProducerEpoch)>,
    partitions: HashMap<PartitionKey, Partition>,
    /// The id is to be given up as soon as nothing is on its way.
    is_ending: bool,
    in_flight: usize,
}

impl Sequences {
    pub(super) fn new(is_enabled: bool) -> Sequences {
        Sequences { is_enabled, identity: None, partitions: HashMap::new(), is_ending: false, in_flight: 0 }
    }

    /// Has a producer id to be asked for before anything can be sent?
    pub(super) fn needs_id(&self) -> bool {
        self.is_enabled && self.identity.is_none()
    }

    /// The broker gave one.
    pub(super) fn set_id(&mut self, id: ProducerId, epoch: ProducerEpoch) {
        self.identity = Some((id, epoch));
        self.partitions.clear();
        self.is_ending = false;
    }

    /// A batch came back from its leader, with whatever answer.
    pub(super) fn returned(&mut self) {
        self.in_flight -= 1;
        if self.is_ending && self.in_flight == 0 {
            self.identity = None;
        }
    }

    /// A batch has its fate.
    pub(super) fn resolved(&mut self, batch: &Batch) {
        if let Some(partition) = self.partitions.get_mut(&batch.key) {
            partition.unresolved.remove(&batch.order);
        }
    }

    /// A batch failed for good or was split: what follows it has sequences that nobody will accept, so a new id is due.
    pub(super) fn gave_up(&mut self, batch: &Batch) {
        self.resolved(batch);
        if batch.has_sequence && self.is_of_now(batch) {
            self.end_id();
        }
    }

    /// What an error says about the producer rather than about the batch.
    pub(super) fn meaning(&mut self, code: ErrorCode, batch: &Batch) -> Meaning {
        if !batch.has_sequence {
            return Meaning::Other;
        }
        match code {
            ErrorCode::DuplicateSequenceNumber => Meaning::Written,
            ErrorCode::OutOfOrderSequenceNumber if !self.is_first_unresolved(batch) => Meaning::Again,
            ErrorCode::OutOfOrderSequenceNumber
            | ErrorCode::UnknownProducerId
            | ErrorCode::InvalidProducerEpoch
            | ErrorCode::InvalidProducerIdMapping => {
                if self.is_of_now(batch) {
                    self.end_id();
                }
                Meaning::NewId
            }
            _ => Meaning::Other,
        }
    }

    fn end_id(&mut self) {
        self.is_ending = true;
        if self.in_flight == 0 {
            self.identity = None;
        }
    }

    fn is_of_now(&self, batch: &Batch) -> bool {
        self.identity == Some((batch.stamp.id, batch.stamp.epoch))
    }

    fn is_first_unresolved(&self, batch: &Batch) -> bool {
        let first = self.partitions.get(&batch.key).and_then(|partition| partition.unresolved.keys().next());
        first.is_none_or(|first| *first == batch.order)
    }
}

impl Gate for Sequences {
    fn admit(&mut self, batch: &mut Batch) -> bool {
        if self.is_enabled {
            // While the id is being given up only its own batches may still go; there is no use in new ones.
            let Some((id, epoch)) = self.identity.filter(|_| !self.is_ending) else { return false };
            let partition = self.partitions.entry(batch.key).or_default();
            if !batch.has_sequence || (batch.stamp.id, batch.stamp.epoch) != (id, epoch) {
                batch.stamp = Stamp { id, epoch, base_sequence: partition.next };
                batch.has_sequence = true;
                partition.next = after(partition.next, batch.count);
                partition.unresolved.insert(batch.order, batch.stamp.base_sequence);
            }
        }
        self.in_flight += 1;
        true
    }
}

/// Sequences go from 0 to 2^31 - 1 and then begin anew.
fn after(sequence: i32, records: i32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use kafka_record::Codec;
    use time_types::Tick;

    use super::super::batch::Parts;
    use super::*;

    fn batch(number: u64, records: i32) -> Batch {
        let key = PartitionKey { topic: 0, partition: 0 };
        let order = Order { number, first: 0 };
        let mut batch = Batch::new((key, "t".into()), order, Codec::default(), Tick(0), Vec::new());
        for _ in 0..records {
            batch.append(&Parts { timestamp: 1, key: None, value: Some(b"v"), headers: &[] });
        }
        batch
    }

    fn sequences() -> Sequences {
        let mut sequences = Sequences::new(true);
        sequences.set_id(ProducerId(7), ProducerEpoch(0));
        sequences
    }

    #[test]
    fn sequences_count_records_and_stay_with_a_retry() {
        let mut sequences = sequences();
        let (mut first, mut second) = (batch(0, 3), batch(1, 2));
        assert!(sequences.admit(&mut first) && sequences.admit(&mut second));
        assert_eq!((first.stamp.base_sequence, second.stamp.base_sequence), (0, 3));
        sequences.returned();
        assert!(sequences.admit(&mut first));
        assert_eq!(first.stamp.base_sequence, 0);
        assert_eq!(after(i32::MAX - 1, 2), 0);
    }

    #[test]
    fn out_of_order_behind_an_open_batch_is_sent_again() {
        let mut sequences = sequences();
        let (mut first, mut second) = (batch(0, 1), batch(1, 1));
        sequences.admit(&mut first);
        sequences.admit(&mut second);
        assert_eq!(sequences.meaning(ErrorCode::OutOfOrderSequenceNumber, &second), Meaning::Again);
        assert_eq!(sequences.meaning(ErrorCode::DuplicateSequenceNumber, &first), Meaning::Written);
    }

    #[test]
    fn a_forgotten_producer_gets_a_new_id_once_nothing_is_on_its_way() {
        let mut sequences = sequences();
        let (mut first, mut second) = (batch(0, 1), batch(1, 1));
        sequences.admit(&mut first);
        sequences.admit(&mut second);
        sequences.returned();
        assert_eq!(sequences.meaning(ErrorCode::UnknownProducerId, &first), Meaning::NewId);
        assert!(!sequences.needs_id());
        assert!(!sequences.admit(&mut batch(2, 1)));
        sequences.returned();
        assert!(sequences.needs_id());
        sequences.set_id(ProducerId(8), ProducerEpoch(0));
        assert!(sequences.admit(&mut first));
        assert_eq!((first.stamp.id, first.stamp.base_sequence), (ProducerId(8), 0));
    }
}
