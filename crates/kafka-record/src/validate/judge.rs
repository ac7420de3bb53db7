//! One append being judged: each record looked at, the batch patched or rebuilt.

use bytes::Bytes;
use kafka_types::{ErrorCode, Offset};

use super::faults::{Fault, Seen, describe};
use super::{Origin, Rejected, Rules, TargetCompression, Validated};
use crate::NO_TIMESTAMP;
use crate::batch::{ATTRIBUTES_AT, BatchHeader, HEADER_LEN, MAGIC_V2, RecordBatch, TimestampType};
use crate::builder::{BatchBuilder, BatchFull, BatchOptions};
use crate::checksum::crc32c_of_two;
use crate::compression::{Codec, Compression};
use crate::glance::Glance;
use crate::legacy::LegacyEntry;
use crate::reader::{Batch, Records, batches};
use crate::record::RecordRef;

/// One append being judged.
pub(super) struct Append<'a> {
    pub(super) now: i64,
    pub(super) first_offset: Offset,
    pub(super) rules: &'a Rules<'a>,
    pub(super) source: Compression,
}

impl Append<'_> {
    fn target(&self) -> Codec {
        match self.rules.compression {
            TargetCompression::Producer => self.source.into(),
            TargetCompression::Fixed(codec) => codec,
        }
    }

    fn append_time(&self) -> Option<i64> {
        (self.rules.timestamp_type == TimestampType::LogAppendTime).then_some(self.now)
    }

    pub(super) fn v2(&self, batch: &RecordBatch<'_>, owner: &Bytes) -> Result<Validated, Rejected> {
        self.check_v2_header(batch.header())?;
        let same_codec = self.source == self.target().compression;
        // Markers stay as they are: nobody compresses ten bytes.
        let mut in_place = same_codec || (self.source == Compression::None && batch.is_control());
        let compressed = self.source != Compression::None || self.target().compression != Compression::None;
        let records = batch.records(self.rules.decompressed_max)?;
        let max_timestamp = match records.glance() {
            Some(glance) if self.agrees(&glance) => glance.latest,
            _ => {
                let (max_timestamp, counts) = self.walk(batch, &records, compressed)?;
                in_place &= counts;
                max_timestamp
            }
        };
        if in_place {
            let unpacked = if self.source == Compression::None { 0 } else { records.uncompressed_len() as u64 };
            Ok(Validated { temporary_bytes: unpacked, ..self.patched(batch, owner, max_timestamp) })
        } else {
            self.rebuilt_v2(batch, &records)
        }
    }

    /// Is there nothing to be said against any of the records? `false` is not yet a no.
    fn agrees(&self, glance: &Glance) -> bool {
        if self.rules.compacted && !glance.keyed {
            return false;
        }
        match glance.earliest {
            Some(earliest) if self.rules.timestamp_type == TimestampType::CreateTime => {
                let (oldest, youngest) = (self.now.checked_sub(earliest), glance.latest.checked_sub(self.now));
                oldest.is_some_and(|age| age <= self.rules.timestamp_before_max_ms)
                    && youngest.is_some_and(|ahead| ahead <= self.rules.timestamp_after_max_ms)
            }
            _ => true,
        }
    }

    /// Looks at each record: the latest timestamp, and whether the offsets count by 1.
    fn walk(&self, batch: &RecordBatch<'_>, records: &Records<'_>, compressed: bool) -> Result<(i64, bool), Rejected> {
        let mut seen = Seen::default();
        let mut all_count = true;
        for (index, record) in records.iter().enumerate() {
            let record = record?;
            let expected = batch.base_offset().0 + index as i64;
            let counts = record.offset.0 == expected;
            all_count &= counts;
            seen.max_timestamp = seen.max_timestamp.max(record.timestamp);
            if !counts && compressed {
                let partition = self.rules.partition.clone();
                seen.add(index, Fault::Offset { record: describe(&record), expected, partition });
            } else if let Some(fault) = self.fault_of(&record, batch.header().timestamp_type()) {
                seen.add(index, fault);
            }
        }
        seen.check()?;
        Ok((seen.max_timestamp, all_count))
    }

    fn check_v2_header(&self, header: &BatchHeader) -> Result<(), Rejected> {
        if self.rules.origin != Origin::Client {
            return Ok(());
        }
        let partition = self.rules.partition;
        let (base, last, count) = (header.base_offset, header.last_offset(), header.count);
        let span = i64::from(header.last_offset_delta) + 1;
        if span <= 0 {
            return Err(Rejected::invalid(format!(
                "Batch has an invalid offset range: [{base}, {last}] in topic partition {partition}"
            )));
        }
        if count <= 0 {
            return Err(Rejected::invalid(format!(
                "Invalid reported count for record batch: {count} in topic partition {partition}"
            )));
        }
        if span != i64::from(count) {
            return Err(Rejected::invalid(format!(
                "Inconsistent batch offset range [{base}, {last}] and count of records {count} in topic partition \
                 {partition}"
            )));
        }
        if header.is_control() {
            return Err(Rejected::invalid(format!(
                "Clients are not allowed to write control records in topic partition {partition}"
            )));
        }
        if header.has_producer() && header.base_sequence < 0 {
            return Err(Rejected::invalid(format!(
                "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
                header.base_sequence, header.producer_id
            )));
        }
        Ok(())
    }

    fn fault_of(&self, record: &RecordRef<'_>, batch_type: TimestampType) -> Option<Fault> {
        if self.rules.compacted && record.key.is_none() {
            return Some(Fault::NoKey(self.rules.partition.clone()));
        }
        if self.rules.timestamp_type == TimestampType::CreateTime && record.timestamp != NO_TIMESTAMP {
            let age = self.now.wrapping_sub(record.timestamp);
            let (before, after) = (self.rules.timestamp_before_max_ms, self.rules.timestamp_after_max_ms);
            if age > before || age.wrapping_neg() > after {
                return Some(Fault::TimestampOutOfRange {
                    timestamp: record.timestamp,
                    offset: record.offset,
                    earliest: self.now.wrapping_sub(before),
                    latest: self.now.wrapping_add(after),
                });
            }
        } else if batch_type == TimestampType::LogAppendTime {
            return Some(Fault::TimestampType(describe(record)));
        }
        None
    }

    fn patched(&self, batch: &RecordBatch<'_>, owner: &Bytes, max_timestamp: i64) -> Validated {
        let mut header = *batch.header();
        header.base_offset = self.first_offset;
        header.leader_epoch = self.rules.leader_epoch;
        let timestamps_changed =
            header.set_max_timestamp(self.rules.timestamp_type, self.append_time().unwrap_or(max_timestamp));
        if timestamps_changed {
            header.crc = crc32c_of_two(&header.write()[ATTRIBUTES_AT..], batch.payload());
        }
        Validated {
            header,
            head: header.write(),
            body: owner.slice_ref(batch.payload()),
            append_time: self.append_time(),
            rebuilt: false,
            temporary_bytes: 0,
        }
    }

    fn rebuilt_v2(&self, batch: &RecordBatch<'_>, records: &Records<'_>) -> Result<Validated, Rejected> {
        let header = batch.header();
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            transactional: header.is_transactional(),
            control: header.is_control(),
            ..self.options()
        });
        for record in records {
            builder.append_ref(builder.next_offset(), &record?).map_err(too_many)?;
        }
        self.finished(builder)
    }

    pub(super) fn legacy(&self, first: LegacyEntry<'_>, records: &[u8]) -> Result<Validated, Rejected> {
        if self.source != Compression::None && first.bytes().len() < records.len() {
            return Err(Rejected::invalid("Compressed outer record has more than one batch"));
        }
        let mut builder = BatchBuilder::new(self.options());
        let mut budget = self.rules.decompressed_max;
        for batch in batches(records) {
            let Batch::Legacy(entry) = batch? else { return Err(self.mixed(MAGIC_V2, first.magic())) };
            if entry.magic() != first.magic() {
                return Err(self.mixed(entry.magic(), first.magic()));
            }
            let messages = entry.messages(budget)?;
            budget = budget.saturating_sub(messages.remaining_len());
            let batch_type =
                if entry.is_log_append_time() { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
            let mut seen = Seen::default();
            for (index, message) in messages.enumerate() {
                let record = message.as_ref();
                if let Some(fault) = self.fault_of(&record, batch_type) {
                    seen.add(index, fault);
                }
                builder.append_ref(builder.next_offset(), &record).map_err(too_many)?;
            }
            seen.check()?;
        }
        self.finished(builder)
    }

    fn mixed(&self, magic: i8, first: i8) -> Rejected {
        Rejected::invalid(format!(
            "Batch magic {magic} is not the same as the first batch's magic byte {first} in topic partition {}",
            self.rules.partition
        ))
    }

    fn options(&self) -> BatchOptions {
        BatchOptions {
            base_offset: self.first_offset,
            leader_epoch: self.rules.leader_epoch,
            codec: self.target(),
            append_time: self.append_time(),
            ..BatchOptions::default()
        }
    }

    fn finished(&self, builder: BatchBuilder) -> Result<Validated, Rejected> {
        let bytes = builder.finish();
        let header = BatchHeader::read(&bytes)?;
        Ok(Validated {
            header,
            head: header.write(),
            body: bytes.slice(HEADER_LEN..),
            append_time: self.append_time(),
            rebuilt: true,
            temporary_bytes: bytes.len() as u64,
        })
    }
}

fn too_many(full: BatchFull) -> Rejected {
    Rejected::new(ErrorCode::RecordListTooLarge, full.to_string())
}
