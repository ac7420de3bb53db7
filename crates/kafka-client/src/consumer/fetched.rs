//! What a fetch brought for one partition, handed out record by record: checked, decompressed, without control records
//! and, for readers of committed data, without what was aborted.
//!
//! Records share the bytes of the response (or of the decompressed batch); nothing is copied, and a batch is
//! decompressed when its first record is wanted.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use kafka_record::control::ControlType;
use kafka_record::{Batch, MAX_DECOMPRESSED_DEFAULT, ReadError, Record, TimestampType};
use kafka_types::{LeaderEpoch, Offset, ProducerId, TopicPartition};

/// A record as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Its offset, timestamp, key, value and headers.
    pub record: Record,
    /// Whose timestamp that is; `None` in the oldest format, which has none.
    pub timestamp_type: Option<TimestampType>,
    /// In which epoch it was appended; -1 in old formats.
    pub leader_epoch: LeaderEpoch,
}

/// A batch that cannot be read: the consumer stays in front of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Record batch for partition {partition} at offset {offset} is invalid, cause: {cause}")]
pub struct InvalidBatch {
    /// Where.
    pub partition: TopicPartition,
    /// Which.
    pub offset: Offset,
    /// Why.
    pub cause: ReadError,
}

/// What a fetch brought for one partition.
#[derive(Debug)]
pub(crate) struct Fetched {
    partition: TopicPartition,
    /// [`super::positions::Positions::jumps`] when it was fetched.
    pub(crate) jumps: u64,
    records: Bytes,
    /// Where the next batch begins in `records`.
    at: usize,
    /// The next record wanted: batches may begin before it.
    next: Offset,
    current: Option<Current>,
    /// Ordered by first offset; those before the current batch are in `aborted_now`.
    aborted: VecDeque<(ProducerId, Offset)>,
    aborted_now: HashSet<ProducerId>,
    reads_committed: bool,
    checks_crcs: bool,
}

/// The batch that is being handed out.
#[derive(Debug)]
struct Current {
    records: Handout,
    timestamp_type: Option<TimestampType>,
    leader_epoch: LeaderEpoch,
    first: Offset,
    next_offset: Offset,
}

#[derive(Debug)]
enum Handout {
    Shared(kafka_record::reader::SharedRecords),
    Owned(std::vec::IntoIter<Record>),
}

/// How to read what a fetch brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `isolation.level=read_committed`
    pub(crate) reads_committed: bool,
    /// `check.crcs`
    pub(crate) checks_crcs: bool,
}

impl Fetched {
    /// `records` were fetched from `from` on, when the consumer had jumped `jumps` times.
    pub(crate) fn new(
        partition: TopicPartition,
        (from, jumps): (Offset, u64),
        records: Bytes,
        mut aborted: Vec<(ProducerId, Offset)>,
        reading: Reading,
    ) -> Fetched {
        aborted.sort_by_key(|(_, first)| *first);
        Fetched {
            partition,
            jumps,
            records,
            at: 0,
            next: from,
            current: None,
            aborted: aborted.into(),
            aborted_now: HashSet::new(),
            reads_committed: reading.reads_committed,
            checks_crcs: reading.checks_crcs,
        }
    }

    /// Of which partition.
    pub(crate) fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Bytes that are still to be handed out.
    pub(crate) fn bytes_left(&self) -> usize {
        self.records.len() - self.at
    }

    /// The offset behind the last whole batch, where the next fetch goes on; an error if the response holds no whole
    /// batch, or what holds none.
    pub(crate) fn end(&self) -> Result<Offset, InvalidBatch> {
        let mut end = self.next;
        for batch in kafka_record::batches(&self.records[self.at..]) {
            end = batch.map_err(|cause| self.invalid(end, cause))?.next_offset().max(end);
        }
        Ok(end)
    }

    fn invalid(&self, offset: Offset, cause: ReadError) -> InvalidBatch {
        InvalidBatch { partition: self.partition.clone(), offset, cause }
    }

    /// The next record; `None` when all are handed out. After an error the same batch is met again.
    pub(crate) fn next(&mut self) -> Result<Option<ConsumerRecord>, InvalidBatch> {
        loop {
            let Some(current) = &mut self.current else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            let record = match &mut current.records {
                Handout::Shared(records) => records.next().transpose(),
                Handout::Owned(records) => Ok(records.next()),
            };
            let (first, next_offset) = (current.first, current.next_offset);
            match record {
                Ok(Some(record)) if record.offset < self.next => {}
                Ok(Some(record)) => {
                    self.next = record.offset + 1;
                    let (timestamp_type, leader_epoch) = (current.timestamp_type, current.leader_epoch);
                    return Ok(Some(ConsumerRecord { record, timestamp_type, leader_epoch }));
                }
                // Offsets that compaction removed at the end of a batch are passed, too.
                Ok(None) => {
                    self.next = self.next.max(next_offset);
                    self.current = None;
                }
                Err(cause) => {
                    // The next call meets the end of the iterator; so that nothing is skipped, nothing follows.
                    self.at = self.records.len();
                    self.current = None;
                    return Err(self.invalid(first, cause));
                }
            }
        }
    }

    /// The offset after what was handed out and passed over, and what epoch that is of.
    pub(crate) fn position(&self) -> Offset {
        self.next
    }

    /// Opens the next batch that has records for the reader; false at the end.
    fn open_next(&mut self) -> Result<bool, InvalidBatch> {
        let records = self.records.clone();
        while let Some(batch) = kafka_record::batches(&records[self.at..]).next() {
            let batch = batch.map_err(|cause| self.invalid(self.next, cause))?;
            if self.checks_crcs {
                batch.check_crc().map_err(|cause| self.invalid(batch.first_known_offset(), cause))?;
            }
            if batch.next_offset() <= self.next || self.is_hidden(&batch, &records)? {
                self.next = self.next.max(batch.next_offset());
                self.at += batch.size();
                continue;
            }
            self.current =
                Some(open(&batch, &records).map_err(|cause| self.invalid(batch.first_known_offset(), cause))?);
            self.at += batch.size();
            return Ok(true);
        }
        // A last batch that is cut off is fetched again.
        self.at = self.records.len();
        Ok(false)
    }

    /// Is the batch control data, or part of a transaction that was aborted?
    fn is_hidden(&mut self, batch: &Batch<'_>, owner: &Bytes) -> Result<bool, InvalidBatch> {
        let Batch::V2(batch) = batch else { return Ok(false) };
        let producer_id = batch.header().producer_id;
        if self.reads_committed && batch.header().has_producer() {
            while self.aborted.front().is_some_and(|(_, first)| *first <= batch.last_offset()) {
                self.aborted_now.extend(self.aborted.pop_front().map(|(producer_id, _)| producer_id));
            }
            if batch.is_control() {
                let mut records = batch
                    .shared_records(owner, MAX_DECOMPRESSED_DEFAULT)
                    .map_err(|cause| self.invalid(batch.base_offset(), cause))?;
                let key = records.next().and_then(Result::ok).and_then(|record| record.key);
                let is_abort = key.is_some_and(|key| ControlType::from_key(&key) == Ok(ControlType::Abort));
                if is_abort {
                    self.aborted_now.remove(&producer_id);
                }
            } else if batch.is_transactional() && self.aborted_now.contains(&producer_id) {
                return Ok(true);
            }
        }
        Ok(batch.is_control())
    }
}

fn open(batch: &Batch<'_>, owner: &Bytes) -> Result<Current, ReadError> {
    let (records, timestamp_type) = match batch {
        Batch::V2(v2) => {
            let records = v2.shared_records(owner, MAX_DECOMPRESSED_DEFAULT)?;
            (Handout::Shared(records), Some(v2.header().timestamp_type()))
        }
        Batch::Legacy(legacy) => {
            let records = batch.to_records(owner, MAX_DECOMPRESSED_DEFAULT)?;
            let timestamp_type = (legacy.magic() > 0).then_some(TimestampType::CreateTime);
            (Handout::Owned(records.into_iter()), timestamp_type)
        }
    };
    Ok(Current {
        records,
        timestamp_type,
        leader_epoch: batch.leader_epoch(),
        first: batch.first_known_offset(),
        next_offset: batch.next_offset(),
    })
}

#[cfg(test)]
mod tests;
