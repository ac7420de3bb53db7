//! What is wrong with single records, and how a broker says so.

use std::fmt::Write as _;

use kafka_types::{ErrorCode, Offset, TopicPartition};

use super::{RecordError, Rejected};
use crate::NO_TIMESTAMP;
use crate::record::RecordRef;

/// A record as Java prints it.
pub(super) fn describe(record: &RecordRef<'_>) -> String {
    let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    format!(
        "DefaultRecord(offset={}, timestamp={}, key={} bytes, value={} bytes)",
        record.offset,
        record.timestamp,
        len(record.key),
        len(record.value)
    )
}

/// What is wrong with one record.
pub(super) enum Fault {
    NoKey(TopicPartition),
    /// Inside compression the offsets have to count from 0 by 1.
    Offset {
        record: String,
        expected: i64,
        partition: TopicPartition,
    },
    TimestampOutOfRange {
        timestamp: i64,
        offset: Offset,
        earliest: i64,
        latest: i64,
    },
    TimestampType(String),
}

impl Fault {
    fn is_timestamp(&self) -> bool {
        matches!(self, Fault::TimestampOutOfRange { .. } | Fault::TimestampType(_))
    }

    fn text(&self) -> String {
        match self {
            Fault::NoKey(partition) => {
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            }
            Fault::Offset { record, expected, partition } => format!(
                "Inner record {record} inside the compressed record batch does not have incremental offsets, expected \
                 offset is {expected} in topic partition {partition}."
            ),
            Fault::TimestampOutOfRange { timestamp, offset, earliest, latest } => format!(
                "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within \
                 [{earliest}, {latest}]"
            ),
            Fault::TimestampType(record) => format!(
                "Invalid timestamp type in message {record}. Producer should not set timestamp type to LogAppendTime."
            ),
        }
    }
}

/// How many wrong records are told one by one: a response must not grow with what a batch decompresses to.
const RECORD_ERRORS_MAX: usize = 10_000;

/// What was seen while walking a batch.
pub(super) struct Seen {
    pub(super) max_timestamp: i64,
    faults: Vec<(i32, Fault)>,
    fault_count: usize,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { max_timestamp: NO_TIMESTAMP, faults: Vec::new(), fault_count: 0 }
    }
}

impl Seen {
    pub(super) fn add(&mut self, index: usize, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < RECORD_ERRORS_MAX {
            self.faults.push((index as i32, fault));
        }
    }

    /// One wrong record fails the batch.
    pub(super) fn check(&self) -> Result<(), Rejected> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let record_errors: Vec<RecordError> = self
            .faults
            .iter()
            .map(|(index, fault)| RecordError { batch_index: *index, message: fault.text() })
            .collect();
        if self.faults.iter().any(|(_, fault)| fault.is_timestamp()) {
            let message = "One or more records have been rejected due to invalid timestamp".to_owned();
            return Err(Rejected { code: ErrorCode::InvalidTimestamp, message, record_errors, told: true });
        }
        let mut message = format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three \
             errors at most: [",
            self.fault_count
        );
        for (index, error) in record_errors.iter().take(3).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(message, "{comma}RecordError(batchIndex={}, message='{}')", error.batch_index, error.message)
                .expect("writing to a string does not fail");
        }
        message.push(']');
        Err(Rejected { code: ErrorCode::InvalidRecord, message, record_errors, told: true })
    }
}
