//! The rules of an append, one by one: code, text, and what goes to the log when they are kept.

use bytes::Bytes;
use kafka_types::{ErrorCode, LeaderEpoch, Offset, ProducerId, TopicPartition};
use time_types::WallMillis;

use super::{CODECS, rules, sample};
use crate::batch::{ATTRIBUTES_AT, BatchHeader, CRC_AT, HEADER_LEN, RecordBatch, TimestampType};
use crate::builder::{BatchBuilder, BatchOptions};
use crate::checksum::crc32c;
use crate::compression::{Codec, Compression};
use crate::control::EndTxnMarker;
use crate::reader::Batch;
use crate::validate::{
    Origin, ProduceFormats, Rejected, Rules, TargetCompression, Validated, check_produced, converts, has_transactional,
    validate,
};

const NOW: WallMillis = WallMillis(1_700_000_000_100);

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn append(batch: &Bytes, change: impl FnOnce(&mut Rules<'_>)) -> Result<Validated, Rejected> {
    let partition = partition();
    let mut rules = rules(&partition);
    change(&mut rules);
    validate(NOW, batch, Offset(100), &rules).map(|validated| validated.expect("there is a batch"))
}

fn refused(batch: &Bytes, change: impl FnOnce(&mut Rules<'_>)) -> (ErrorCode, String) {
    let rejected = append(batch, change).expect_err("it is refused");
    (rejected.code, rejected.message)
}

/// The sample with another header and a CRC that fits.
fn with_header(change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut bytes = sample(Compression::None).to_vec();
    let mut header = BatchHeader::read(&bytes).unwrap();
    change(&mut header);
    bytes[..HEADER_LEN].copy_from_slice(&header.write());
    let crc = crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(bytes)
}

#[test]
fn a_good_batch_goes_as_it_came_but_for_offset_and_epoch() {
    for codec in CODECS {
        let batch = sample(codec);
        let ours = append(&batch, |_| {}).unwrap();
        assert!(!ours.rebuilt && !converts(&batch, TargetCompression::Producer));
        assert_eq!(
            ours.temporary_bytes > 0,
            codec != Compression::None,
            "compressed ones are unpacked to be looked at"
        );
        assert_eq!((ours.first_offset(), ours.last_offset()), (Offset(100), Offset(102)));
        assert_eq!(ours.header.leader_epoch, LeaderEpoch(7));
        assert_eq!(ours.body.as_ptr(), batch[HEADER_LEN..].as_ptr(), "the body is not copied");
        let stored = ours.to_bytes();
        assert_eq!(stored[16..], batch[16..]);
        RecordBatch::read(&stored).unwrap().check_crc().unwrap();
    }
}

#[test]
fn log_append_time_is_stamped_with_a_new_crc() {
    for codec in CODECS {
        let ours = append(&sample(codec), |rules| rules.timestamp_type = TimestampType::LogAppendTime).unwrap();
        assert_eq!(ours.append_time, Some(NOW.0));
        let stored = ours.to_bytes();
        let batch = RecordBatch::read(&stored).unwrap();
        batch.check_crc().unwrap();
        assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppendTime);
        assert!(batch.records(1 << 20).unwrap().iter().all(|record| record.unwrap().timestamp == NOW.0));
    }
}

#[test]
fn another_codec_is_recompressed_with_the_producer_kept() {
    for source in CODECS {
        for target in CODECS {
            let mut builder = BatchBuilder::new(BatchOptions {
                codec: source.into(),
                producer_id: ProducerId(5),
                base_sequence: 11,
                ..BatchOptions::default()
            });
            builder.append(3, Some(b"k"), Some(&[b'v'; 500]), &[]).unwrap();
            let batch = builder.finish();
            let codec = Codec { compression: target, level: Some(4) };
            let ours = append(&batch, |rules| rules.compression = TargetCompression::Fixed(codec)).unwrap();
            assert_eq!(ours.rebuilt, source != target);
            assert_eq!(converts(&batch, TargetCompression::Fixed(codec)), source != target);
            assert!(!ours.rebuilt || ours.temporary_bytes == ours.size() as u64);
            let stored = ours.to_bytes();
            let read = RecordBatch::read(&stored).unwrap();
            read.check_crc().unwrap();
            assert_eq!(read.compression(), Ok(target));
            assert_eq!((read.header().producer_id, read.header().base_sequence), (ProducerId(5), 11));
            let records = Batch::read(&stored).unwrap().to_records(&stored, 1 << 20).unwrap();
            assert_eq!(records[0].value.as_deref(), Some(&[b'v'; 500][..]));
            assert_eq!((records[0].offset, records[0].timestamp), (Offset(100), 3));
        }
    }
}

#[test]
fn a_wrong_max_timestamp_is_put_right() {
    let ours = append(&with_header(|header| header.max_timestamp = 5), |_| {}).unwrap();
    assert_eq!(ours.header.max_timestamp, 1_700_000_000_005);
    RecordBatch::read(&ours.to_bytes()).unwrap().check_crc().unwrap();
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let invalid = |change: fn(&mut BatchHeader)| refused(&with_header(change), |_| {});
    let text = |text: &str| (ErrorCode::InvalidRecord, text.to_owned());
    assert_eq!(
        invalid(|header| header.base_offset = Offset(4)),
        text("The baseOffset of the record batch in the append to t-0 should be 0, but it is 4")
    );
    assert_eq!(
        invalid(|header| header.last_offset_delta = -1),
        text("Batch has an invalid offset range: [0, -1] in topic partition t-0")
    );
    assert_eq!(
        invalid(|header| header.count = 0),
        text("Invalid reported count for record batch: 0 in topic partition t-0")
    );
    assert_eq!(
        invalid(|header| header.count = 4),
        text("Inconsistent batch offset range [0, 2] and count of records 4 in topic partition t-0")
    );
    assert_eq!(
        invalid(|header| header.attributes |= 0x20),
        text("Clients are not allowed to write control records in topic partition t-0")
    );
    assert_eq!(
        invalid(|header| header.producer_id = ProducerId(8)),
        text("Invalid sequence number -1 in record batch with producerId 8 in topic partition t-0")
    );
    assert_eq!(
        invalid(|header| {
            header.count = 2;
            header.last_offset_delta = 1;
        }),
        text("Incorrect declared batch size, records still remaining in file")
    );
    assert_eq!(
        invalid(|header| {
            header.count = 4;
            header.last_offset_delta = 3;
        }),
        text("Incorrect declared batch size, premature EOF reached")
    );
    assert_eq!(invalid(|header| header.attributes |= 7).0, ErrorCode::UnsupportedCompressionType);
}

#[test]
fn a_wrong_crc_is_corrupt() {
    let mut batch = sample(Compression::None).to_vec();
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&1u32.to_be_bytes());
    let text = "Record is corrupt (stored crc = 1) in topic partition t-0.".to_owned();
    assert_eq!(refused(&batch.into(), |_| {}), (ErrorCode::CorruptMessage, text));
}

#[test]
fn sizes_are_limited() {
    let batch = sample(Compression::None);
    let size = batch.len();
    assert!(append(&batch, |rules| rules.max_message_bytes = size).is_ok());
    let (code, text) = refused(&batch, |rules| rules.max_message_bytes = size - 1);
    assert_eq!(code, ErrorCode::MessageTooLarge);
    assert_eq!(
        text,
        format!(
            "The record batch size in the append to t-0 is {size} bytes which exceeds the maximum configured value of \
             {}.",
            size - 1
        )
    );
    let (code, text) = refused(&batch, |rules| rules.segment_bytes = size - 1);
    assert_eq!(code, ErrorCode::RecordListTooLarge);
    assert!(text.ends_with(&format!("exceeds the maximum configured segment size of {}.", size - 1)), "{text}");
    // What grows by being decompressed is measured again.
    let small = sample(Compression::Zstd);
    let (code, _) = refused(&small, |rules| {
        rules.compression = TargetCompression::Fixed(Compression::None.into());
        rules.max_message_bytes = small.len();
    });
    assert_eq!(code, ErrorCode::MessageTooLarge);
}

#[test]
fn records_without_keys_are_named_one_by_one() {
    for codec in CODECS {
        let rejected = append(&sample(codec), |rules| rules.compacted = true).unwrap_err();
        assert_eq!(rejected.code, ErrorCode::InvalidRecord);
        assert_eq!(rejected.record_errors.len(), 1);
        assert_eq!(rejected.record_errors[0].batch_index, 1);
        let text = "Compacted topic cannot accept message without key in topic partition t-0";
        assert_eq!(rejected.record_errors[0].message, text);
        assert_eq!(
            rejected.response_message(),
            Some(
                format!(
                    "One or more records have been rejected due to 1 record errors in total, and only showing the first \
                     three errors at most: [RecordError(batchIndex=1, message='{text}')]"
                )
                .as_str()
            )
        );
    }
}

#[test]
fn timestamps_out_of_range_are_named_one_by_one() {
    let rejected = append(&sample(Compression::Lz4), |rules| rules.timestamp_before_max_ms = 96).unwrap_err();
    assert_eq!(rejected.code, ErrorCode::InvalidTimestamp);
    assert_eq!(rejected.message, "One or more records have been rejected due to invalid timestamp");
    let indexes: Vec<i32> = rejected.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(indexes, [0, 2]);
    assert!(rejected.record_errors[0].message.starts_with(
        "Timestamp 1700000000000 of message with offset 0 is out of range. The timestamp should be within \
         [1700000000004, "
    ));
    let early = WallMillis(1_699_999_999_999);
    let partition = partition();
    let rules = Rules { timestamp_after_max_ms: 5, ..rules(&partition) };
    let rejected = validate(early, &sample(Compression::None), Offset(0), &rules).unwrap_err();
    assert_eq!(rejected.record_errors.len(), 1);
}

#[test]
fn producers_may_not_say_log_append_time_where_the_broker_does() {
    let batch = with_header(|header| {
        header.set_max_timestamp(TimestampType::LogAppendTime, 3);
    });
    let rejected = append(&batch, |rules| rules.timestamp_type = TimestampType::LogAppendTime).unwrap_err();
    assert_eq!((rejected.code, rejected.record_errors.len()), (ErrorCode::InvalidTimestamp, 3));
    assert_eq!(
        rejected.record_errors[0].message,
        "Invalid timestamp type in message DefaultRecord(offset=0, timestamp=3, key=3 bytes, value=5 bytes). Producer \
         should not set timestamp type to LogAppendTime."
    );
}

#[test]
fn coordinators_may_write_markers_and_nothing_compresses_them() {
    let marker = EndTxnMarker { commit: true, coordinator_epoch: 4 };
    let batch = marker.to_batch(1, ProducerId(2), kafka_types::ProducerEpoch(0));
    let ours = append(&batch, |rules| {
        rules.origin = Origin::Coordinator;
        rules.compression = TargetCompression::Fixed(Compression::Gzip.into());
    })
    .unwrap();
    assert!(!ours.rebuilt && ours.header.is_control());
    let stored = ours.to_bytes();
    let record = Batch::read(&stored).unwrap().to_records(&stored, 100).unwrap().remove(0);
    assert_eq!(EndTxnMarker::read(&record.key.unwrap(), &record.value.unwrap()), Ok(Some(marker)));
}

/// Three records at 0, 1 and 7 in a batch whose header says 0 to 2.
fn with_a_gap(codec: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { codec: codec.into(), ..BatchOptions::default() });
    let source = sample(Compression::None);
    let records = RecordBatch::read(&source).unwrap().records(1 << 20).unwrap();
    for (record, offset) in records.iter().zip([0, 1, 7]) {
        builder.append_ref(Offset(offset), &record.unwrap()).unwrap();
    }
    let mut bytes = builder.finish().to_vec();
    let mut header = BatchHeader::read(&bytes).unwrap();
    header.last_offset_delta = 2;
    bytes[..HEADER_LEN].copy_from_slice(&header.write());
    let crc = crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[test]
fn odd_offsets_are_numbered_anew() {
    let ours = append(&with_a_gap(Compression::None), |_| {}).unwrap();
    assert!(ours.rebuilt);
    let stored = ours.to_bytes();
    let offsets: Vec<i64> = Batch::read(&stored)
        .unwrap()
        .to_records(&stored, 1 << 20)
        .unwrap()
        .iter()
        .map(|record| record.offset.0)
        .collect();
    assert_eq!(offsets, [100, 101, 102]);
}

#[test]
fn odd_offsets_are_refused_where_compression_is() {
    let compressed = append(&with_a_gap(Compression::Gzip), |_| {}).unwrap_err();
    let to_compress = append(&with_a_gap(Compression::None), |rules| {
        rules.compression = TargetCompression::Fixed(Compression::Lz4.into());
    });
    for rejected in [compressed, to_compress.unwrap_err()] {
        assert_eq!(rejected.code, ErrorCode::InvalidRecord);
        let [error] = &rejected.record_errors[..] else { panic!("{rejected:?}") };
        assert_eq!(error.batch_index, 2);
        assert!(error.message.ends_with(
            "inside the compressed record batch does not have incremental offsets, expected offset is 2 in topic \
             partition t-0."
        ));
    }
}

#[test]
fn what_is_no_batch_is_told_and_a_wrong_sum_is_not() {
    let formats = ProduceFormats { old: false, zstd: true, version: 9 };
    let mut bytes = sample(Compression::None).to_vec();
    bytes[16] = 3;
    let rejected = check_produced(&bytes, formats).unwrap_err();
    assert_eq!(rejected.response_message(), Some("Invalid magic found in record: 3"));
    bytes[16] = 2;
    bytes[8..12].copy_from_slice(&10_i32.to_be_bytes());
    let rejected = check_produced(&bytes, formats).unwrap_err();
    assert_eq!(rejected.response_message(), Some("Record size 10 is less than the minimum record overhead (14)"));
    let mut bytes = sample(Compression::None).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let rejected = append(&bytes.into(), |_| {}).unwrap_err();
    assert_eq!((rejected.code, rejected.response_message()), (ErrorCode::CorruptMessage, None));
}

#[test]
fn batches_of_transactions_are_recognised() {
    assert!(!has_transactional(&sample(Compression::None)));
    let transactional = with_header(|header| header.attributes |= 1 << 4);
    assert!(has_transactional(&transactional));
    assert!(!has_transactional(&transactional[..40]), "what cannot be read says nothing");
}

#[test]
fn only_what_the_version_allows_is_looked_at() {
    let new = ProduceFormats { old: false, zstd: true, version: 9 };
    let before_zstd = ProduceFormats { old: false, zstd: false, version: 6 };
    let old = ProduceFormats { old: true, zstd: false, version: 2 };
    let batch = sample(Compression::Zstd);
    assert_eq!(check_produced(&batch, new), Ok(()));
    assert_eq!(check_produced(&batch, before_zstd).unwrap_err().code, ErrorCode::UnsupportedCompressionType);
    let two = [batch.clone(), batch.clone()].concat();
    assert_eq!(
        check_produced(&two, new).unwrap_err().message,
        "Produce requests with version 9 are only allowed to contain exactly one record batch per partition"
    );
    assert_eq!(
        check_produced(&[], new).unwrap_err().message,
        "Produce requests with version 9 must have at least one record batch per partition"
    );
    assert_eq!(check_produced(&[], old), Ok(()));
    let partition = partition();
    assert_eq!(validate(NOW, &Bytes::new(), Offset(0), &rules(&partition)), Ok(None));
    assert_eq!(refused(&two.into(), |_| {}).1, "Compressed outer record has more than one batch");
}
