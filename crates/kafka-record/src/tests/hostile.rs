//! Bytes that nobody honest sends: cut, flipped, and small ones that claim to be large.

use bytes::Bytes;
use kafka_types::{ErrorCode, Offset, TopicPartition};
use time_types::WallMillis;

use super::{CODECS, rules, sample};
use crate::batch::{ATTRIBUTES_AT, CRC_AT, HEADER_LEN, RecordBatch, TimestampType};
use crate::checksum::crc32c;
use crate::compression::{self, Compression};
use crate::error::ReadError;
use crate::legacy::{SetOptions, write_set};
use crate::reader::{Batch, Records, batches};
use crate::validate::{Rules, validate};
use crate::{Glance, NO_TIMESTAMP};

const LIMIT: usize = 64 << 10;

/// Everything that can be asked of a record set.
fn exercise(bytes: &Bytes) -> usize {
    let mut records = 0;
    for batch in batches(bytes) {
        let Ok(batch) = batch else { break };
        let _ = (batch.check_crc(), batch.compression(), batch.last_offset(), batch.max_timestamp());
        let _ = batch.for_each_record(LIMIT, |record| {
            let _ = record.to_record();
            records += 1;
            true
        });
        let _ = batch.to_records(bytes, LIMIT);
        if let Batch::V2(batch) = batch {
            let _ = (batch.header().last_sequence(), batch.header().delete_horizon(), batch.next_offset());
            if let Ok(records) = batch.records(LIMIT) {
                assert_eq!(records.glance(), glance_of(&batch, &records), "{batch:?}");
            }
        }
    }
    let partition = TopicPartition::new("t", 0);
    let _ = validate(WallMillis(0), bytes, Offset(0), &Rules { decompressed_max: LIMIT, ..rules(&partition) });
    for timestamps in [false, true] {
        let _ = crate::legacy::down_convert(bytes, timestamps, Offset(0), LIMIT);
    }
    records
}

/// What [`Records::glance`] has to tell, by the long way.
fn glance_of(batch: &RecordBatch<'_>, records: &Records<'_>) -> Option<Glance> {
    if batch.header().timestamp_type() == TimestampType::LogAppendTime {
        return None;
    }
    let mut glance = Glance { latest: NO_TIMESTAMP, earliest: None, keyed: true };
    for (index, record) in records.iter().enumerate() {
        let record = record.ok()?;
        if record.offset.0 != batch.base_offset().0.wrapping_add(index as i64) {
            return None;
        }
        let timestamp = record.timestamp;
        glance.latest = glance.latest.max(timestamp);
        if timestamp != NO_TIMESTAMP {
            glance.earliest = Some(glance.earliest.map_or(timestamp, |earliest| earliest.min(timestamp)));
        }
        glance.keyed &= record.key.is_some();
    }
    Some(glance)
}

fn with_crc(mut batch: Vec<u8>) -> Bytes {
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(batch)
}

fn samples() -> Vec<Bytes> {
    let mut sets: Vec<Bytes> = CODECS.into_iter().map(sample).collect();
    let plain = sample(Compression::None);
    let records = RecordBatch::read(&plain).unwrap().records(LIMIT).unwrap();
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        for timestamps in [false, true] {
            let options = SetOptions { timestamps, codec: codec.into(), append_time: None };
            sets.push(write_set(options, records.iter().map(Result::unwrap)).into());
        }
    }
    sets
}

#[test]
fn a_brokers_clock_in_a_producers_batch_is_judged_record_by_record() {
    // Two fields at once, where a byte that is flipped changes one.
    let sent = sample(Compression::None);
    let partition = TopicPartition::new("t", 0);
    for time in [i64::MIN, -2, NO_TIMESTAMP, 0, i64::MAX] {
        let mut header = *RecordBatch::read(&sent).unwrap().header();
        header.set_max_timestamp(TimestampType::LogAppendTime, time);
        let batch = with_crc([&header.write()[..], &sent[HEADER_LEN..]].concat());
        assert_eq!(exercise(&batch), 3);
        // As Apache: only a clock that tells nothing is refused. The others are taken for the producer's.
        match validate(WallMillis(0), &batch, Offset(0), &rules(&partition)) {
            Err(refused) => assert_eq!((time, refused.code), (NO_TIMESTAMP, ErrorCode::InvalidTimestamp)),
            Ok(taken) => {
                let header = taken.expect("a batch").header;
                assert_eq!(header.timestamp_type(), TimestampType::CreateTime);
                assert_eq!(header.max_timestamp, time.max(NO_TIMESTAMP));
                assert_ne!(time, NO_TIMESTAMP);
            }
        }
    }
}

#[test]
fn every_truncation_is_an_end_or_an_error() {
    for set in samples() {
        let whole = exercise(&set);
        assert_eq!(whole, 3);
        for end in 0..set.len() {
            let cut = set.slice(..end);
            let first_size = Batch::read(&set).unwrap().size();
            if end < first_size {
                assert_eq!(exercise(&cut), 0, "cut at {end}");
                assert!(Batch::read(&cut).is_err());
            }
        }
    }
}

#[test]
fn no_truncated_payload_passes_with_a_crc_that_fits() {
    for codec in CODECS {
        let set = sample(codec);
        for end in HEADER_LEN..set.len() {
            let mut cut = set[..end].to_vec();
            cut[8..12].copy_from_slice(&((end - 12) as u32).to_be_bytes());
            let cut = with_crc(cut);
            let batch = RecordBatch::read(&cut).unwrap();
            batch.check_crc().unwrap();
            let read: Result<Vec<_>, _> = batch.shared_records(&cut, LIMIT).and_then(Iterator::collect);
            // An LZ4 or gzip stream may lack its end mark and checksum and still hold all records.
            assert!(read.is_err() || (codec != Compression::None && read.unwrap().len() == 3), "{codec} cut at {end}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic_and_never_keep_the_crc() {
    for set in samples() {
        for at in 0..set.len() {
            for bit in [0x01, 0x80, 0xff] {
                let mut flipped = set.to_vec();
                flipped[at] ^= bit;
                let flipped = Bytes::from(flipped);
                exercise(&flipped);
                if at >= 16
                    && let Ok(batch) = Batch::read(&flipped)
                    && at < batch.size()
                {
                    assert!(batch.check_crc().is_err(), "byte {at} of {} bytes", set.len());
                }
            }
        }
    }
}

#[test]
fn flipped_bytes_with_a_fitting_crc_never_panic() {
    for codec in CODECS {
        let set = sample(codec);
        for at in ATTRIBUTES_AT..set.len() {
            for bit in [0x01, 0x10, 0x80, 0xff] {
                let mut flipped = set.to_vec();
                flipped[at] ^= bit;
                exercise(&with_crc(flipped));
            }
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0; 32 << 20];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut bomb = Vec::new();
        compression::compress(codec.into(), &zeros, &mut bomb);
        assert_eq!(compression::decompress(codec, &bomb, LIMIT), Err(ReadError::TooLarge { codec, limit: LIMIT }));
        assert_eq!(
            compression::decompress(codec, &bomb, zeros.len() - 1),
            Err(ReadError::TooLarge { codec, limit: zeros.len() - 1 })
        );
        assert_eq!(compression::decompress(codec, &bomb, zeros.len()).unwrap().len(), zeros.len());
    }
}

#[test]
fn announced_sizes_are_not_believed() {
    // Raw snappy that announces 2^32 - 1 bytes in six.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    assert!(matches!(
        compression::decompress(Compression::Snappy, &lie, usize::MAX),
        Err(ReadError::Decompress { codec: Compression::Snappy, .. })
    ));
    // A record whose header count is the largest there is.
    let mut body = vec![0, 0, 0, 1, 1];
    kafka_types::varint::write_i32(i32::MAX, &mut body);
    let mut record = Vec::new();
    kafka_types::varint::write_i32(body.len() as i32, &mut record);
    record.extend_from_slice(&body);
    let mut batch = sample(Compression::None)[..HEADER_LEN].to_vec();
    batch[57..61].copy_from_slice(&1i32.to_be_bytes());
    batch.extend_from_slice(&record);
    let size = (batch.len() - 12) as u32;
    batch[8..12].copy_from_slice(&size.to_be_bytes());
    let batch = with_crc(batch);
    let records = RecordBatch::read(&batch).unwrap().records(LIMIT).unwrap();
    assert!(matches!(records.iter().next(), Some(Err(ReadError::Malformed(text))) if text.contains("headers")));
}

#[test]
fn a_batch_that_decompresses_to_too_much_is_refused() {
    let partition = TopicPartition::new("t", 0);
    let batch = sample(Compression::Zstd);
    let rules = Rules { decompressed_max: 100, ..rules(&partition) };
    let rejected = validate(WallMillis(0), &batch, Offset(0), &rules).unwrap_err();
    assert_eq!(rejected.code, ErrorCode::InvalidRecord);
    assert_eq!(rejected.message, "zstd data decompresses to more than 100 bytes");
}
