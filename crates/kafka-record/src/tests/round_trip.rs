//! Random records through every codec and format, and back.

use bytes::Bytes;
use kafka_types::{Offset, ProducerEpoch, ProducerId};
use proptest::prelude::*;

use crate::batch::{self, RecordBatch, TimestampType};
use crate::builder::{BatchBuilder, BatchOptions};
use crate::compression::{self, Codec, Compression};
use crate::legacy::{SetOptions, down_convert, write_set};
use crate::reader::{Batch, batches};
use crate::record::{Header, Record};

const LIMIT: usize = 1 << 20;

fn bytes(max: usize) -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from))
}

fn header() -> impl Strategy<Value = Header> {
    ("[a-zé]{0,5}", bytes(20)).prop_map(|(key, value)| Header { key, value })
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let record = (any::<i32>(), bytes(40), bytes(300), prop::collection::vec(header(), 0..4));
    prop::collection::vec(record, 1..30).prop_map(|records| {
        let records = records.into_iter().enumerate();
        records
            .map(|(index, (timestamp, key, value, headers))| Record {
                offset: Offset(index as i64),
                timestamp: i64::from(timestamp).abs(),
                key,
                value,
                headers,
            })
            .collect()
    })
}

fn codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(Compression::ALL.to_vec())
}

fn build(records: &[Record], options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers).unwrap();
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn batches_read_back(records in records(), codec in codec(), base in 0i64..i64::MAX / 2, sequence in 0i32..) {
        let options = BatchOptions {
            base_offset: Offset(base),
            codec: codec.into(),
            producer_id: ProducerId(9),
            producer_epoch: ProducerEpoch(3),
            base_sequence: sequence,
            transactional: true,
            ..BatchOptions::default()
        };
        let bytes = build(&records, options);
        let batch = RecordBatch::read(&bytes).unwrap();
        batch.check_crc().unwrap();
        let header = batch.header();
        prop_assert_eq!(header.size, bytes.len());
        prop_assert_eq!(header.count as usize, records.len());
        prop_assert_eq!(header.max_timestamp, records.iter().map(|record| record.timestamp).max().unwrap());
        prop_assert_eq!((header.producer_id, header.base_sequence), (ProducerId(9), sequence));
        prop_assert!(header.last_sequence() >= 0);
        prop_assert!(header.is_transactional() && !header.is_control());
        let read: Vec<Record> = batch.shared_records(&bytes, LIMIT).unwrap().map(Result::unwrap).collect();
        let moved: Vec<Record> =
            records.iter().map(|record| Record { offset: record.offset + base, ..record.clone() }).collect();
        prop_assert_eq!(read, moved);
    }

    #[test]
    fn patching_in_place_leaves_the_records(records in records(), codec in codec(), base in any::<i64>(), epoch in any::<i32>()) {
        let bytes = build(&records, BatchOptions { codec: codec.into(), ..BatchOptions::default() });
        let mut patched = bytes.to_vec();
        batch::set_base_offset(&mut patched, Offset(base));
        batch::set_leader_epoch(&mut patched, kafka_types::LeaderEpoch(epoch));
        prop_assert!(RecordBatch::read(&patched).unwrap().is_crc_valid());
        batch::set_max_timestamp(&mut patched, TimestampType::LogAppendTime, 77).unwrap();
        let batch = RecordBatch::read(&patched).unwrap();
        prop_assert!(batch.is_crc_valid());
        prop_assert_eq!((batch.base_offset().0, batch.leader_epoch().0, batch.max_timestamp()), (base, epoch, 77));
        let stamped = batch.records(LIMIT).unwrap();
        prop_assert!(stamped.iter().all(|record| record.unwrap().timestamp == 77));
        prop_assert_eq!(&patched[batch::HEADER_LEN..], &bytes[batch::HEADER_LEN..]);
    }

    #[test]
    fn codecs_return_what_they_got(data in prop::collection::vec(any::<u8>(), 0..2000), repeat in 1usize..80, codec in codec(), level in 1i32..9) {
        let data = data.repeat(repeat);
        let mut packed = vec![1, 2, 3];
        compression::compress(Codec { compression: codec, level: Some(level) }, &data, &mut packed);
        prop_assert_eq!(compression::decompress(codec, &packed[3..], data.len()).unwrap(), data);
    }

    #[test]
    fn message_sets_read_back(records in records(), timestamps in any::<bool>(), codec in prop::sample::select(vec![
        Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4,
    ]), base in 0i64..1_000_000) {
        let bytes = build(&records, BatchOptions { base_offset: Offset(base), codec: codec.into(), ..BatchOptions::default() });
        let down = down_convert(&bytes, timestamps, Offset(base), LIMIT).unwrap();
        let mut read = Vec::new();
        for batch in batches(&down) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            prop_assert_eq!(batch.magic(), i8::from(timestamps));
            read.extend(batch.to_records(&down, LIMIT).unwrap());
        }
        let kept: Vec<Record> = records.iter().map(|record| Record {
            offset: record.offset + base,
            timestamp: if timestamps { record.timestamp } else { -1 },
            headers: Vec::new(),
            ..record.clone()
        }).collect();
        prop_assert_eq!(read, kept);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), codec in codec()) {
        let _ = compression::decompress(codec, &bytes, 10_000);
        let bytes = Bytes::from(bytes);
        for batch in batches(&bytes).flatten() {
            let _ = batch.to_records(&bytes, 10_000);
        }
    }
}

#[test]
fn old_lz4_frames_carry_the_odd_checksum() {
    let record = Record { value: Some(Bytes::from_static(b"payload payload payload")), ..Record::default() };
    let bytes = build(std::slice::from_ref(&record), BatchOptions::default());
    let batch = RecordBatch::read(&bytes).unwrap();
    let records = batch.records(LIMIT).unwrap();
    let set = |timestamps| {
        let options = SetOptions { timestamps, codec: Compression::Lz4.into(), append_time: None };
        write_set(options, records.iter().map(Result::unwrap))
    };
    let frame = |set: &[u8]| {
        let Batch::Legacy(entry) = Batch::read(set).unwrap() else { panic!("an old entry was written") };
        entry.key_and_value().unwrap().1.unwrap().to_vec()
    };
    let (odd, right) = (frame(&set(false)), frame(&set(true)));
    assert_eq!(odd[..6], right[..6]);
    assert_ne!(odd[6], right[6]);
    assert!(compression::decompress(Compression::Lz4, &odd, LIMIT).is_err());
    assert_eq!(Batch::read(&set(false)).unwrap().to_records(&Bytes::new(), LIMIT).unwrap()[0].value, record.value);
}
