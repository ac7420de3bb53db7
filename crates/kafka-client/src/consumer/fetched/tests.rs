//! What a reader gets out of batches: skipped, hidden, damaged and compressed ones.

use kafka_record::control::EndTxnMarker;
use kafka_record::{BatchBuilder, BatchOptions, Codec, Compression};
use kafka_types::ProducerEpoch;

use super::*;

const READING: Reading = Reading { reads_committed: false, checks_crcs: true };
const COMMITTED: Reading = Reading { reads_committed: true, checks_crcs: true };

fn batch(options: BatchOptions, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(7, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish()
}

fn plain(base: i64, values: &[&str]) -> Bytes {
    batch(BatchOptions { base_offset: Offset(base), leader_epoch: LeaderEpoch(3), ..BatchOptions::default() }, values)
}

fn transactional(base: i64, producer: i64, values: &[&str]) -> Bytes {
    let options = BatchOptions {
        base_offset: Offset(base),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
        base_sequence: 0,
        transactional: true,
        ..BatchOptions::default()
    };
    batch(options, values)
}

fn marker(base: i64, producer: i64, control: ControlType) -> Bytes {
    let marker = EndTxnMarker { commit: control == ControlType::Commit, coordinator_epoch: 0 };
    let mut batch = marker.to_batch(7, ProducerId(producer), ProducerEpoch(0)).to_vec();
    kafka_record::batch::set_base_offset(&mut batch, Offset(base));
    batch.into()
}

fn fetched(from: i64, batches: &[Bytes], aborted: &[(i64, i64)], reading: Reading) -> Fetched {
    let aborted = aborted.iter().map(|&(producer, first)| (ProducerId(producer), Offset(first))).collect();
    Fetched::new(TopicPartition::new("t", 0), (Offset(from), 1), batches.concat().into(), aborted, reading)
}

fn read(fetched: &mut Fetched) -> Vec<(i64, String)> {
    let mut records = Vec::new();
    while let Some(ConsumerRecord { record, .. }) = fetched.next().unwrap() {
        records.push((record.offset.0, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
    }
    records
}

fn texts(records: &[(i64, &str)]) -> Vec<(i64, String)> {
    records.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect()
}

#[test]
fn what_lies_before_the_wanted_offset_is_skipped() {
    let mut fetched = fetched(1, &[plain(0, &["a", "b"]), plain(2, &["c"])], &[], READING);
    assert_eq!(fetched.end(), Ok(Offset(3)));
    assert_eq!(read(&mut fetched), texts(&[(1, "b"), (2, "c")]));
    assert_eq!((fetched.position(), fetched.bytes_left()), (Offset(3), 0));
}

#[test]
fn a_batch_that_is_cut_off_waits_for_the_next_fetch() {
    let second = plain(2, &["c"]);
    let mut fetched = fetched(0, &[plain(0, &["a", "b"]), second.slice(..second.len() - 1)], &[], READING);
    assert_eq!(fetched.end(), Ok(Offset(2)));
    assert_eq!(read(&mut fetched), texts(&[(0, "a"), (1, "b")]));
    assert_eq!(fetched.position(), Offset(2));
}

#[test]
fn offsets_that_compaction_removed_are_passed() {
    let mut bytes = plain(10, &["x"]).to_vec();
    // The last offset delta, 23 bytes into the header: the batch once had more records. It lies inside the CRC.
    bytes[23..27].copy_from_slice(&9i32.to_be_bytes());
    let reading = Reading { checks_crcs: false, ..READING };
    let mut fetched = fetched(10, &[bytes.into()], &[], reading);
    assert_eq!(read(&mut fetched), texts(&[(10, "x")]));
    assert_eq!(fetched.position(), Offset(20));
}

#[test]
fn control_records_are_never_seen() {
    let log = [transactional(0, 9, &["a"]), marker(1, 9, ControlType::Commit), plain(2, &["b"])];
    for reading in [READING, COMMITTED] {
        assert_eq!(read(&mut fetched(0, &log, &[], reading)), texts(&[(0, "a"), (2, "b")]));
    }
}

#[test]
fn readers_of_committed_data_do_not_see_what_was_aborted() {
    let log = [
        transactional(0, 9, &["aborted"]),
        transactional(1, 8, &["committed"]),
        plain(2, &["plain"]),
        transactional(3, 9, &["aborted, too"]),
        marker(4, 9, ControlType::Abort),
        transactional(5, 9, &["next transaction"]),
        marker(6, 8, ControlType::Commit),
        marker(7, 9, ControlType::Commit),
    ];
    let committed = texts(&[(1, "committed"), (2, "plain"), (5, "next transaction")]);
    let mut reader = fetched(0, &log, &[(9, 0)], COMMITTED);
    assert_eq!(read(&mut reader), committed);
    assert_eq!(reader.position(), Offset(8));
    assert_eq!(read(&mut fetched(0, &log, &[(9, 0)], READING)).len(), 5);
}

#[test]
fn every_codec_is_read() {
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let options = BatchOptions { codec: Codec::from(compression), ..BatchOptions::default() };
        let value = "text that repeats ".repeat(20);
        let mut fetched = fetched(0, &[batch(options, &[&value, "b"])], &[], READING);
        assert_eq!(read(&mut fetched), texts(&[(0, &value), (1, "b")]), "{compression}");
    }
}

#[test]
fn values_share_the_response() {
    let bytes = plain(0, &["a value"]);
    let mut fetched = fetched(0, std::slice::from_ref(&bytes), &[], READING);
    let response = fetched.records.as_ptr_range();
    let record = fetched.next().unwrap().unwrap();
    assert!(response.contains(&record.record.value.unwrap().as_ptr()));
    assert_eq!(record.leader_epoch, LeaderEpoch(3));
    assert_eq!((record.record.timestamp, record.timestamp_type), (7, Some(TimestampType::CreateTime)));
}

#[test]
fn a_damaged_batch_is_an_error_each_time_and_nothing_is_skipped() {
    let mut damaged = plain(1, &["b"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let mut fetched = fetched(0, &[plain(0, &["a"]), damaged.into(), plain(2, &["c"])], &[], READING);
    assert!(fetched.next().unwrap().is_some());
    for _ in 0..2 {
        let error = fetched.next().unwrap_err();
        assert!(error.to_string().starts_with("Record batch for partition t-0 at offset 1 is invalid, cause: "));
    }
    assert_eq!(fetched.position(), Offset(1));
}
