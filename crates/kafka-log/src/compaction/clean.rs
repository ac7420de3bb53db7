//! One batch: what of it stays.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_record::batch::{ATTRIBUTES_AT, CRC_AT, HEADER_LEN};
use kafka_record::{
    Batch, BatchBuilder, BatchHeader, BatchOptions, Codec, MAX_DECOMPRESSED_DEFAULT, RecordRef, TimestampType,
};
use kafka_types::{Offset, ProducerEpoch, ProducerId};
use time_types::WallMillis;

use super::offset_map::OffsetMap;

/// The last thing that is known of a producer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastOfProducer {
    /// Last offset of its last data batch.
    pub(crate) last_data: Option<Offset>,
    pub(crate) epoch: ProducerEpoch,
}

/// What decides about records.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) map: &'a OffsetMap,
    /// The map knows everything below.
    pub(crate) mapped_to: Offset,
    pub(crate) producers: &'a HashMap<ProducerId, LastOfProducer>,
    pub(crate) now: WallMillis,
    pub(crate) delete_retention_ms: i64,
}

/// What the walk has found out about a batch before its records are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Records by the rules of keys.
    Data,
    /// Data of an aborted transaction: nothing stays.
    Aborted,
    /// A marker that is needed.
    Marker,
    /// A marker of a transaction of which nothing is left.
    UselessMarker,
}

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Stays as it is.
    Same,
    /// Nothing stays.
    Gone,
    /// Stays with fewer records, or with a time to go.
    Changed(Bytes),
}

/// Why a batch could not be cleaned.
pub(crate) type Problem = kafka_record::ReadError;

impl Rules<'_> {
    /// Decides about one batch.
    pub(crate) fn clean(&self, batch: &Batch<'_>, standing: Standing) -> Result<Outcome, Problem> {
        match batch {
            Batch::V2(v2) => self.clean_v2(batch, v2.header(), standing),
            Batch::Legacy(_) => self.clean_legacy(batch),
        }
    }

    fn clean_v2(&self, batch: &Batch<'_>, header: &BatchHeader, standing: Standing) -> Result<Outcome, Problem> {
        let over = header.delete_horizon().is_some_and(|horizon| self.now.0 >= horizon);
        let drop_all = match standing {
            Standing::Aborted => true,
            Standing::UselessMarker => over,
            Standing::Data | Standing::Marker => false,
        };
        let mut tombstones = false;
        let mut kept = 0;
        let mut builder = BatchBuilder::new(BatchOptions::default());
        if !drop_all {
            let horizon = header.delete_horizon();
            let stays = |record: &RecordRef<'_>| header.is_control() || self.stays(record, over);
            batch.for_each_record(MAX_DECOMPRESSED_DEFAULT, |record| {
                if stays(&record) {
                    kept += 1;
                    tombstones |= record.value.is_none() && !header.is_control();
                }
                true
            })?;
            let sets_horizon = horizon.is_none() && kept > 0 && (tombstones || standing == Standing::UselessMarker);
            if kept == header.count && !sets_horizon {
                return Ok(Outcome::Same);
            }
            let new_horizon = self.now.0.saturating_add(self.delete_retention_ms);
            builder = BatchBuilder::new(options_of(header, horizon.or(sets_horizon.then_some(new_horizon)))?);
            batch.for_each_record(MAX_DECOMPRESSED_DEFAULT, |record| {
                if stays(&record) {
                    builder.append_ref(record.offset, &record).expect("a part of a batch fits into one");
                }
                true
            })?;
        }
        if kept > 0 {
            return Ok(Outcome::Changed(sealed(builder, header)));
        }
        if self.is_last_of_producer(header) {
            return Ok(if header.count == 0 { Outcome::Same } else { Outcome::Changed(emptied(header)) });
        }
        Ok(Outcome::Gone)
    }

    /// A batch of format 0 or 1 that loses records, or has a tombstone, goes on in format 2.
    fn clean_legacy(&self, batch: &Batch<'_>) -> Result<Outcome, Problem> {
        let (mut total, mut kept, mut first, mut tombstones) = (0, 0, None, false);
        batch.for_each_record(MAX_DECOMPRESSED_DEFAULT, |record| {
            total += 1;
            if self.stays(&record, false) {
                kept += 1;
                first.get_or_insert(record.offset);
                tombstones |= record.value.is_none();
            }
            true
        })?;
        let Some(first) = first else { return Ok(Outcome::Gone) };
        if kept == total && !tombstones {
            return Ok(Outcome::Same);
        }
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: first,
            codec: Codec::from(batch.compression()?),
            delete_horizon: tombstones.then(|| self.now.0.saturating_add(self.delete_retention_ms)),
            ..BatchOptions::default()
        });
        batch.for_each_record(MAX_DECOMPRESSED_DEFAULT, |record| {
            if self.stays(&record, false) {
                builder.append_ref(record.offset, &record).expect("a part of a batch fits into one");
            }
            true
        })?;
        Ok(Outcome::Changed(builder.finish()))
    }

    /// Is it the last one of its key? A tombstone also goes when its time is over, a record without key always.
    fn stays(&self, record: &RecordRef<'_>, over: bool) -> bool {
        if record.offset >= self.mapped_to {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_last = self.map.get(key).is_none_or(|last| record.offset >= last);
        is_last && (record.value.is_some() || !over)
    }

    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        let Some(last) = self.producers.get(&header.producer_id).filter(|_| header.has_producer()) else {
            return false;
        };
        match last.last_data {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch == last.epoch,
        }
    }
}

fn options_of(header: &BatchHeader, delete_horizon: Option<i64>) -> Result<BatchOptions, Problem> {
    let append_time = header.timestamp_type() == TimestampType::LogAppendTime;
    Ok(BatchOptions {
        base_offset: header.base_offset,
        leader_epoch: header.leader_epoch,
        codec: Codec::from(header.compression()?),
        append_time: append_time.then_some(header.max_timestamp),
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.is_transactional(),
        control: header.is_control(),
        delete_horizon,
    })
}

/// The finished batch, whose last offset (and with it the last sequence) stays that of the one it was made of.
fn sealed(builder: BatchBuilder, of: &BatchHeader) -> Bytes {
    let mut bytes = builder.finish().to_vec();
    let mut header = BatchHeader::read(&bytes).expect("a batch that was just built");
    header.last_offset_delta = of.last_offset_delta;
    write_header(&mut bytes, &header);
    bytes.into()
}

/// The batch without records, so that its producer's sequence is not forgotten.
fn emptied(of: &BatchHeader) -> Bytes {
    let options = options_of(of, None).unwrap_or_default();
    let builder = BatchBuilder::new(BatchOptions { codec: Codec::default(), ..options });
    let mut bytes = builder.finish().to_vec();
    let mut header = BatchHeader::read(&bytes).expect("a batch that was just built");
    header.last_offset_delta = of.last_offset_delta;
    header.base_timestamp = of.max_timestamp;
    header.max_timestamp = of.max_timestamp;
    write_header(&mut bytes, &header);
    bytes.into()
}

fn write_header(bytes: &mut [u8], header: &BatchHeader) {
    bytes[..HEADER_LEN].copy_from_slice(&header.write());
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}
