//! Record batches of every format and codec: read, checked as a broker does, brought down to old formats and up again.
//! What a broker takes has good checksums, reads to the same records in every format, and is taken again; what comes
//! out of a codec stays within its limit.
#![no_main]

use bytes::Bytes;
use fuzz::{Counted, bytes_taken, fix_checksums};
use kafka_record::legacy::{DownConvertError, down_convert};
use kafka_record::validate::{Origin, Rules, TargetCompression, Validated, validate};
use kafka_record::reader::Records;
use kafka_record::{Batch, Compression, Glance, NO_TIMESTAMP, Record, TimestampType, batches};
use kafka_types::{LeaderEpoch, Offset, TopicPartition};
use libfuzzer_sys::fuzz_target;
use time_types::WallMillis;

#[global_allocator]
static MEMORY: Counted = Counted;

/// The most that a batch may decompress to.
const LIMIT: usize = 256 << 10;
/// Memory that may be taken beside it: tables and windows of the codecs.
const BESIDE: usize = 8 << 20;
const NOW: WallMillis = WallMillis(1_700_000_000_000);

fn rules<'a>(partition: &'a TopicPartition, choice: u8) -> Rules<'a> {
    let codecs = [None, Some(0), Some(1), Some(2), Some(3), Some(4)];
    let codec = codecs[usize::from(choice) % codecs.len()].and_then(Compression::from_id);
    Rules {
        partition,
        origin: Origin::Client,
        leader_epoch: LeaderEpoch(3),
        compacted: choice & 0x40 != 0,
        timestamp_type: if choice & 0x80 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        compression: codec.map_or(TargetCompression::Producer, |codec| TargetCompression::Fixed(codec.into())),
        max_message_bytes: 4 << 20,
        segment_bytes: 4 << 20,
        decompressed_max: LIMIT,
    }
}

/// Everything that can be asked of bytes nobody has checked.
fn read_all(set: &Bytes) {
    for batch in batches(set) {
        let Ok(batch) = batch else { return };
        let _ = (batch.check_crc(), batch.compression(), batch.next_offset(), batch.first_known_offset());
        let _ = (batch.max_timestamp(), batch.leader_epoch());
        let mut seen = 0;
        let read = batch.for_each_record(LIMIT, |_| {
            seen += 1;
            true
        });
        if let Batch::V2(batch) = &batch
            && let Ok(records) = batch.records(LIMIT)
        {
            let long_way = match batch.header().timestamp_type() {
                TimestampType::CreateTime => glance_of(&records, batch.base_offset()),
                TimestampType::LogAppendTime => None,
            };
            assert_eq!(records.glance(), long_way);
        }
        let owned = batch.to_records(set, LIMIT);
        if let (Ok(()), Ok(records)) = (read, owned) {
            assert_eq!(records.len(), seen);
        }
    }
}

/// What a glance at records has to tell, by the long way.
fn glance_of(records: &Records<'_>, base: Offset) -> Option<Glance> {
    let mut glance = Glance { latest: NO_TIMESTAMP, earliest: None, keyed: true };
    for (index, record) in records.iter().enumerate() {
        let record = record.ok().filter(|record| record.offset.0 == base.0.wrapping_add(index as i64))?;
        glance.latest = glance.latest.max(record.timestamp);
        if record.timestamp != NO_TIMESTAMP {
            glance.earliest = Some(glance.earliest.map_or(record.timestamp, |least| least.min(record.timestamp)));
        }
        glance.keyed &= record.key.is_some();
    }
    Some(glance)
}

/// The records of what a broker has taken.
fn records(set: &Bytes) -> Vec<Record> {
    let mut found = Vec::new();
    for batch in batches(set) {
        let batch = batch.expect("whole batches");
        batch.check_crc().expect("a good checksum");
        found.extend(batch.to_records(set, LIMIT).expect("readable records"));
    }
    found
}

fn taken(set: &Bytes, rules: &Rules<'_>) -> Option<Validated> {
    validate(NOW, set, Offset(100), rules).ok().flatten()
}

/// Down to a format without headers, and up again.
fn through_old_format(stored: &Bytes, timestamps: bool, rules: &Rules<'_>) {
    let down = match down_convert(stored, timestamps, Offset(100), LIMIT) {
        Ok(down) => down,
        Err(DownConvertError::Zstd) => return,
        // What an old format makes of many small records may be larger than the limit.
        Err(DownConvertError::Read(kafka_record::ReadError::TooLarge { .. })) => return,
        Err(error) => panic!("{error}"),
    };
    let plain = records(stored);
    let mut read = Vec::new();
    for entry in batches(&down) {
        let entry = entry.expect("whole entries");
        entry.check_crc().expect("a good checksum");
        assert_eq!(entry.magic(), i8::from(timestamps));
        match entry.to_records(&down, LIMIT) {
            Ok(records) => read.extend(records),
            Err(kafka_record::ReadError::TooLarge { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
    let view = |record: &Record| (record.offset, record.key.clone(), record.value.clone());
    assert_eq!(read.iter().map(view).collect::<Vec<_>>(), plain.iter().map(view).collect::<Vec<_>>());
    if timestamps {
        assert!(read.iter().zip(&plain).all(|(old, new)| old.timestamp == new.timestamp));
    }
    let Some(up) = taken(&down, rules) else { return };
    let again = records(&up.to_bytes());
    let content = |record: &Record| (record.key.clone(), record.value.clone());
    assert_eq!(again.iter().map(content).collect::<Vec<_>>(), plain.iter().map(content).collect::<Vec<_>>());
}

fuzz_target!(|data: &[u8]| {
    let [choice, fixed, set @ ..] = data else { return };
    let mut set = set.to_vec();
    if fixed & 1 == 0 {
        fix_checksums(&mut set);
    }
    let set = Bytes::from(set);
    let ((), memory) = bytes_taken(|| read_all(&set));
    assert!(memory <= 64 * set.len() + 64 * LIMIT + BESIDE, "{memory} bytes for {}", set.len());
    let partition = TopicPartition::new("t", 0);
    let rules = rules(&partition, *choice);
    let Some(validated) = taken(&set, &rules) else { return };
    let stored = validated.to_bytes();
    let Ok(Batch::V2(batch)) = Batch::read(&stored) else { panic!("what is stored is of format 2") };
    assert_eq!((batch.size(), batch.base_offset()), (stored.len(), Offset(100)));
    assert_eq!(batch.leader_epoch(), rules.leader_epoch);
    let found = records(&stored);
    assert!(found.iter().all(|record| (100..=validated.last_offset().0).contains(&record.offset.0)));
    if validated.rebuilt {
        assert_eq!(validated.last_offset().0 - 99, found.len() as i64, "no gaps in what was rebuilt");
    }
    if batch.is_control() {
        return;
    }
    // The same again, as a producer would send it; which may not say that the broker's clock was used.
    if rules.timestamp_type == TimestampType::CreateTime {
        let mut sent = stored.to_vec();
        kafka_record::batch::set_base_offset(&mut sent, Offset(0));
        let again = taken(&Bytes::from(sent), &rules).expect("what was taken once is taken again");
        assert_eq!(records(&again.to_bytes()), found);
    }
    for timestamps in [false, true] {
        through_old_format(&stored, timestamps, &rules);
    }
});
