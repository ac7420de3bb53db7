//! Groups against the same appends one by one: the results and every file have to be the same.

use std::path::Path;
use std::sync::Arc;

use kafka_types::{ErrorCode, TopicPartition};
use proptest::prelude::*;
use vfs::{Call, Fault, FaultVfs, MemoryVfs, On, Vfs};

use super::*;
use crate::LogConfig;
use crate::log_dir::LogDir;
use crate::testing::{DATA, at, batch, files_of, full, produced, transactional};

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 900,
        segment_index_bytes: 96,
        segment_ms: 40,
        segment_jitter_ms: 0,
        index_interval_bytes: 150,
        max_message_bytes: 500,
        ..LogConfig::default()
    }
}

fn tp() -> TopicPartition {
    TopicPartition::new("g", 0)
}

fn log_on(vfs: Arc<dyn Vfs>, config: LogConfig) -> Log {
    let dir = LogDir::open(vfs, Path::new(DATA)).expect("opens");
    dir.create(&tp(), Some(kafka_types::Uuid([3; 16])), config, at(0)).expect("creates")
}

/// What a client may send.
#[derive(Debug, Clone)]
enum Records {
    Plain { count: usize, size: usize, age: i64 },
    Idempotent { id: i64, epoch: i16, sequence: i32 },
    Transactional { sequence: i32 },
    TooLarge,
    Corrupt,
    Nothing,
}

impl Records {
    fn bytes(&self) -> Bytes {
        match self {
            Records::Plain { count, size, age } => {
                let value = vec![b'v'; *size];
                batch(1_700_000_000_000 + age, &vec![&value[..]; *count])
            }
            Records::Idempotent { id, epoch, sequence } => produced(*id, *epoch, *sequence, &[b"once"]),
            Records::Transactional { sequence } => transactional(9, 0, *sequence, &[b"maybe"]),
            Records::TooLarge => batch(0, &[&[b'l'; 600]]),
            Records::Corrupt => {
                let mut bytes = batch(0, &[b"c"]).to_vec();
                *bytes.last_mut().expect("has some") ^= 1;
                bytes.into()
            }
            Records::Nothing => Bytes::new(),
        }
    }
}

fn records() -> impl Strategy<Value = Records> {
    prop_oneof![
        6 => (1..4usize, 0..120usize, 0..80i64).prop_map(|(count, size, age)| Records::Plain { count, size, age }),
        6 => (1..3i64, 0..2i16, 0..6i32).prop_map(|(id, epoch, sequence)| Records::Idempotent { id, epoch, sequence }),
        2 => (0..3i32).prop_map(|sequence| Records::Transactional { sequence }),
        1 => Just(Records::TooLarge),
        1 => Just(Records::Corrupt),
        1 => Just(Records::Nothing),
    ]
}

fn told(result: Result<Appended, AppendError>) -> Result<Appended, String> {
    result.map_err(|error| error.to_string())
}

fn all_files(memory: &MemoryVfs) -> Vec<(String, Vec<u8>)> {
    files_of(memory, &Path::new(DATA).join("g-0"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if full() { 5000 } else { 300 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_is_what_its_appends_are(
        groups in proptest::collection::vec(proptest::collection::vec(records(), 1..12), 1..12),
        flush_messages in prop_oneof![Just(1), Just(5), Just(i64::MAX)],
    ) {
        let config = LogConfig { flush_messages, ..config() };
        let memories = [(); 2].map(|()| MemoryVfs::with_dirs([DATA]));
        let [mut grouped, mut alone] = memories.each_ref().map(|memory| log_on(Arc::new(memory.clone()), config.clone()));
        for (number, group) in groups.iter().enumerate() {
            let (now, epoch) = (at(number as u64), LeaderEpoch(number as i32 / 3));
            let group: Vec<Bytes> = group.iter().map(Records::bytes).collect();
            let together = grouped.append_group(now, &group.iter().collect::<Vec<_>>(), epoch).into_iter().map(told);
            let one_by_one = group.iter().map(|records| told(alone.append_as_leader(now, records, epoch, Origin::Client)));
            prop_assert_eq!(together.collect::<Vec<_>>(), one_by_one.collect::<Vec<_>>());
            prop_assert_eq!(grouped.log_end(), alone.log_end());
            prop_assert_eq!(grouped.end_position(), alone.end_position());
            prop_assert_eq!(grouped.last_stable_offset(), alone.last_stable_offset());
            prop_assert_eq!(grouped.epochs(), alone.epochs());
            prop_assert_eq!(grouped.segments(), alone.segments());
        }
        let producers = |log: &Log| log.active_producers().collect::<Vec<_>>();
        prop_assert_eq!(producers(&grouped), producers(&alone));
        grouped.close().expect("closes");
        alone.close().expect("closes");
        let [mut together, mut one_by_one] = memories.each_ref().map(all_files);
        if flush_messages < i64::MAX {
            // Each sync leaves one, and a group has one sync.
            together.retain(|(name, _)| !name.ends_with(".snapshot"));
            one_by_one.retain(|(name, _)| !name.ends_with(".snapshot"));
        }
        prop_assert_eq!(together, one_by_one);
    }
}

/// Ten that are good and one that is not.
fn eleven() -> Vec<Bytes> {
    let mut group: Vec<Bytes> = (0..10).map(|sequence| produced(1, 0, sequence, &[b"value"])).collect();
    group.insert(4, Records::Corrupt.bytes());
    group
}

#[test]
fn when_the_disk_fails_nothing_of_the_group_was_appended() {
    // At each of the group's writes: to the file, to the next segment's.
    for skip in 0.. {
        let faults = FaultVfs::new(Arc::new(MemoryVfs::with_dirs([DATA])));
        let mut log = log_on(Arc::new(faults.clone()), LogConfig { segment_bytes: 300, ..config() });
        log.append_as_leader(at(1), &batch(0, &[b"before"]), LeaderEpoch(0), Origin::Client).expect("appends");
        faults.fail(On::Only(Call::Write), skip, Fault::ShortWrite { kept: 20 });
        let results = log.append_group(at(2), &eleven().iter().collect::<Vec<_>>(), LeaderEpoch(0));
        let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_err(AppendError::code)).collect();
        if results[0].is_ok() {
            assert!(skip > 5, "a rehearsal without failures proves nothing");
            assert_eq!(log.log_end(), Offset(11));
            return;
        }
        for (index, code) in codes.into_iter().enumerate() {
            let storage = code == Err(ErrorCode::KafkaStorageError);
            assert!(storage || (index == 4 && code == Err(ErrorCode::CorruptMessage)), "{skip} {index} {code:?}");
        }
        let after = log.append_group(at(3), &eleven().iter().collect::<Vec<_>>(), LeaderEpoch(0));
        assert!(after.iter().all(|result| matches!(result, Err(AppendError::Storage(_)))), "{after:?}");
    }
}

#[test]
fn without_a_descriptor_the_rest_of_the_group_is_appended() {
    let faults = FaultVfs::new(Arc::new(MemoryVfs::with_dirs([DATA])));
    let mut log = log_on(Arc::new(faults.clone()), config());
    log.append_as_leader(at(1), &batch(0, &[b"before"]), LeaderEpoch(0), Origin::Client).expect("appends");
    log.release_files();
    log.flush().expect("syncs");
    log.release_files();
    faults.fail(On::Only(Call::Read), 0, Fault::NoDescriptor);
    let group = [batch(0, &[b"one"]), batch(0, &[b"two"]), batch(0, &[b"three"])];
    let results = log.append_group(at(2), &group.iter().collect::<Vec<_>>(), LeaderEpoch(0));
    assert!(matches!(&results[0], Err(AppendError::Storage(_))), "{results:?}");
    let offsets: Vec<_> = results.iter().flatten().map(|appended| appended.first_offset).collect();
    assert_eq!(offsets, [Offset(1), Offset(2)]);
    assert_eq!(log.log_end(), Offset(3));
}

#[test]
fn a_retry_in_the_group_of_its_first_try_is_seen() {
    let memory = MemoryVfs::with_dirs([DATA]);
    let mut log = log_on(Arc::new(memory.clone()), config());
    let records = produced(1, 0, 0, &[b"once"]);
    let results = log.append_group(at(1), &[&records, &batch(0, &[b"other"]), &records], LeaderEpoch(0));
    let told: Vec<_> = results.into_iter().map(|result| result.expect("is in")).collect();
    assert_eq!((told[0].first_offset, told[0].duplicate), (Offset(0), false));
    assert_eq!((told[2].first_offset, told[2].duplicate), (Offset(0), true));
    assert_eq!(log.log_end(), Offset(2));
}
