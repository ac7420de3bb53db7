//! What compaction keeps, what it drops, and what a crash leaves of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kafka_record::control::EndTxnMarker;
use kafka_record::validate::Origin;
use kafka_record::{BatchBuilder, BatchOptions, Compression};
use kafka_types::{LeaderEpoch, ProducerEpoch, TopicPartition};
use proptest::prelude::*;
use vfs::{Crash, FaultVfs, MemoryVfs, Vfs};

use super::*;
use crate::log_dir::{CleanShutdown, LogDir};
use crate::testing::{DATA, at, full, golden_dir, golden_now, open_all, unrecovered};
use crate::{CleanupPolicy, LogConfig};

const DAY: i64 = 24 * 3_600_000;

fn tp() -> TopicPartition {
    TopicPartition::new("k", 0)
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 500,
        segment_index_bytes: 240,
        index_interval_bytes: 100,
        cleanup: CleanupPolicy { delete: false, compact: true },
        delete_retention_ms: DAY,
        ..LogConfig::default()
    }
}

type Pair<'a> = (&'a [u8], Option<&'a [u8]>);

fn records(options: BatchOptions, pairs: &[Pair<'_>]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (key, value) in pairs {
        builder.append(1_700_000_000_000, Some(key), *value, &[]).expect("fits");
    }
    builder.finish()
}

fn plain(pairs: &[Pair<'_>]) -> Bytes {
    records(BatchOptions::default(), pairs)
}

fn of_producer(id: i64, sequence: i32, transactional: bool, pairs: &[Pair<'_>]) -> Bytes {
    let options = BatchOptions {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        transactional,
        ..BatchOptions::default()
    };
    records(options, pairs)
}

struct World {
    dir: LogDir,
    log: Log,
    clean_to: Option<Offset>,
}

impl World {
    fn new(vfs: Arc<dyn Vfs>) -> World {
        let dir = LogDir::open(vfs, Path::new(DATA)).expect("opens");
        let log = dir.create(&tp(), None, config(), at(0)).expect("creates");
        World { dir, log, clean_to: None }
    }

    fn memory() -> World {
        World::new(Arc::new(MemoryVfs::with_dirs([DATA])))
    }

    fn put(&mut self, records: &Bytes) {
        self.log.append_as_leader(at(1), records, LeaderEpoch(0), Origin::Client).expect("appends");
        self.log.set_high_watermark(self.log.log_end());
    }

    fn mark(&mut self, id: i64, commit: bool) {
        let marker = EndTxnMarker { commit, coordinator_epoch: 0 };
        let bytes = marker.to_batch(1_700_000_000_000, ProducerId(id), ProducerEpoch(0));
        self.log.append_as_leader(at(1), &bytes, LeaderEpoch(0), Origin::Coordinator).expect("appends");
        self.log.set_high_watermark(self.log.log_end());
    }

    /// Rolls, so that everything so far may be compacted, and compacts it.
    fn compact(&mut self, now: Now, map_bytes: usize) -> CompactionStats {
        self.log.roll(now).expect("rolls");
        let what = self.log.cleanable(now.wall, self.clean_to).expect("looks");
        let done =
            self.log.compaction_job(now.wall, &what, map_bytes).expect("prepares").run(&mut |_| ()).expect("compacts");
        let compacted = self.log.swap_compacted(now, done).expect("swaps").expect("fits");
        self.clean_to = Some(compacted.clean_to);
        compacted.removal.run().expect("removes");
        compacted.stats
    }

    fn reopen(self) -> World {
        let vfs = self.dir.vfs().clone();
        let shutdown = CleanShutdown::No;
        drop((self.log, self.dir));
        let dir = LogDir::open(vfs, Path::new(DATA)).expect("opens");
        let mut log = unrecovered(&dir, &tp(), shutdown).recover(config(), at(2)).expect("recovers");
        log.set_high_watermark(log.log_end());
        World { dir, log, clean_to: self.clean_to }
    }
}

/// Files of an unfinished compaction.
fn leftovers(world: &World) -> Vec<String> {
    let files = crate::testing::files_of(&**world.dir.vfs(), world.log.dir());
    let names = files.into_iter().map(|(name, _)| name);
    names
        .filter(|name| [crate::names::SWAP, crate::names::CLEANED].iter().any(|suffix| name.ends_with(suffix)))
        .collect()
}

/// Offset, key and value of every record that is not of a control batch.
fn all(log: &Log) -> Vec<(i64, Vec<u8>, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut offset = log.log_start();
    while offset < log.log_end() {
        let read = log.read(offset, 300, log.log_end(), true).expect("reads");
        let Some(slice) = read.slice else { break };
        for one in kafka_record::batches(&slice.read().expect("reads")) {
            let one = one.expect("a batch");
            one.check_crc().expect("a good checksum");
            assert!(one.next_offset() > offset, "offsets rise");
            offset = one.next_offset();
            if matches!(&one, kafka_record::Batch::V2(v2) if v2.is_control()) {
                continue;
            }
            one.for_each_record(1 << 20, |record| {
                let key = record.key.unwrap_or_default().to_vec();
                found.push((record.offset.0, key, record.value.map(<[u8]>::to_vec)));
                true
            })
            .expect("records");
        }
    }
    found
}

/// What a reader of everything ends up with.
fn table(log: &Log) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut table = BTreeMap::new();
    for (_, key, value) in all(log) {
        match value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
    }
    table
}

fn offsets(log: &Log) -> Vec<i64> {
    all(log).into_iter().map(|(offset, ..)| offset).collect()
}

#[test]
fn of_each_key_the_last_record_stays_where_it_was() {
    let mut world = World::memory();
    for round in 0..10u8 {
        for key in [b"a", b"b", b"c"] {
            world.put(&plain(&[(key, Some(&[round; 40])), (b"common", Some(&[round]))]));
        }
    }
    let before = table(&world.log);
    let segments = world.log.segments();
    let stats = world.compact(at(2), 1 << 20);
    assert_eq!(stats.keys, 4);
    assert!(stats.bytes_written < stats.bytes_read / 5);
    assert_eq!(offsets(&world.log), [54, 56, 58, 59]);
    assert_eq!(table(&world.log), before);
    assert_eq!(world.log.segments(), segments + 1, "groups are made by the sizes of before");
    let end = world.log.log_end();
    let what = world.log.cleanable(at(3).wall, world.clean_to).expect("looks");
    assert_eq!((what.dirty_bytes, what.dirty_to), (0, end));
    assert!(!what.is_due(0.0));
    let mut world = world.reopen();
    assert_eq!((offsets(&world.log), world.log.log_end()), (vec![54, 56, 58, 59], end));
    world.put(&plain(&[(b"a", Some(b"last"))]));
    world.compact(at(3), 1 << 20);
    assert_eq!(world.log.segments(), 2, "small ones come together");
    assert_eq!(offsets(&world.log), [56, 58, 59, 60]);
}

#[test]
fn tombstones_stay_for_their_time() {
    let mut world = World::memory();
    world.put(&plain(&[(b"a", Some(b"1")), (b"b", Some(b"2"))]));
    world.put(&plain(&[(b"a", None)]));
    world.compact(at(2), 1 << 20);
    assert_eq!(offsets(&world.log), [1, 2], "the value is gone, the tombstone not yet");
    world.put(&plain(&[(b"c", Some(b"3"))]));
    let almost = Now { wall: at(2).wall + (DAY - 1), ..at(2) };
    world.compact(almost, 1 << 20);
    assert_eq!(offsets(&world.log), [1, 2, 3]);
    world.put(&plain(&[(b"d", Some(b"4"))]));
    let later = Now { wall: at(2).wall + DAY, ..at(2) };
    world.compact(later, 1 << 20);
    assert_eq!(offsets(&world.log), [1, 3, 4]);
}

#[test]
fn the_last_sequence_of_a_producer_is_not_forgotten() {
    let mut world = World::memory();
    world.put(&of_producer(7, 0, false, &[(b"a", Some(b"1")), (b"a", Some(b"2"))]));
    world.put(&plain(&[(b"a", Some(b"3"))]));
    world.compact(at(2), 1 << 20);
    assert_eq!(offsets(&world.log), [2]);
    let read = world.log.read(Offset(0), 1 << 20, Offset(3), true).expect("reads");
    let bytes = read.slice.expect("the empty batch").read().expect("reads");
    let Ok(kafka_record::Batch::V2(empty)) = kafka_record::Batch::read(&bytes) else { panic!("a batch") };
    assert_eq!((empty.header().count, empty.base_offset(), empty.last_offset()), (0, Offset(0), Offset(1)));
    assert_eq!(empty.header().last_sequence(), 1);
    // A replay from the front knows it still.
    let snapshot = world.log.dir().join("00000000000000000003.snapshot");
    world.dir.vfs().remove_file(&snapshot).expect("is there");
    let world = world.reopen();
    assert_eq!(world.log.active_producers().next().expect("is known").last_sequence, 1);
}

#[test]
fn aborted_data_goes_at_once_and_markers_when_nothing_is_left_of_their_transaction() {
    let mut world = World::memory();
    world.put(&plain(&[(b"a", Some(b"before"))]));
    world.put(&of_producer(1, 0, true, &[(b"a", Some(b"aborted"))]));
    world.put(&of_producer(2, 0, true, &[(b"b", Some(b"committed"))]));
    world.mark(1, false);
    world.mark(2, true);
    world.put(&of_producer(1, 1, true, &[(b"c", Some(b"committed later"))]));
    world.mark(1, true);
    world.compact(at(2), 1 << 20);
    assert_eq!(offsets(&world.log), [0, 2, 5]);
    let read = world.log.read(Offset(0), 1 << 20, world.log.log_end(), true).expect("reads");
    let aborted = world.log.aborted_transactions(Offset(0), &read).expect("reads");
    assert_eq!(aborted.len(), 1, "its marker is still there");
    let markers = |log: &Log| {
        let mut count = 0;
        let mut offset = log.log_start();
        while let Some(slice) = log.read(offset, 1 << 20, log.log_end(), true).expect("reads").slice {
            for one in kafka_record::batches(&slice.read().expect("reads")) {
                let kafka_record::Batch::V2(v2) = one.expect("a batch") else { panic!("an old format") };
                count += usize::from(v2.is_control());
                offset = v2.next_offset();
            }
        }
        count
    };
    assert_eq!(markers(&world.log), 3);
    // The second pass meets no data of the aborted transaction: its marker gets a time to go. The third lets it go.
    world.put(&plain(&[(b"d", Some(b"x"))]));
    world.compact(at(3), 1 << 20);
    assert_eq!(markers(&world.log), 3);
    world.put(&plain(&[(b"d", Some(b"y"))]));
    world.compact(Now { wall: at(3).wall + DAY, ..at(3) }, 1 << 20);
    assert_eq!(markers(&world.log), 2);
    let read = world.log.read(Offset(0), 1 << 20, world.log.log_end(), true).expect("reads");
    assert!(world.log.aborted_transactions(Offset(0), &read).expect("reads").is_empty());
    assert_eq!(table(&world.log).len(), 4);
}

#[test]
fn what_is_open_young_or_active_is_left_alone() {
    let mut world = World::memory();
    world.put(&plain(&[(b"a", Some(b"1"))]));
    world.log.roll(at(1)).expect("rolls");
    world.put(&of_producer(1, 0, true, &[(b"a", Some(b"open"))]));
    world.log.roll(at(1)).expect("rolls");
    let what = world.log.cleanable(at(2).wall, None).expect("looks");
    assert_eq!((what.dirty_from, what.dirty_to), (Offset(0), Offset(1)));
    world.mark(1, true);
    world.log.set_config(LogConfig { min_compaction_lag_ms: 1000, ..config() });
    let what = world.log.cleanable(at(2).wall, None).expect("looks");
    assert_eq!(what.dirty_to, Offset(0));
    let what = world.log.cleanable(at(2000).wall, None).expect("looks");
    assert_eq!(what.dirty_to, Offset(2));
    assert!(!what.is_overdue);
    world.log.set_config(LogConfig { max_compaction_lag_ms: 1000, ..config() });
    let what = world.log.cleanable(at(2000).wall, None).expect("looks");
    assert!(what.is_overdue && what.is_due(1.0));
}

#[test]
fn a_small_memory_compacts_in_steps() {
    let mut world = World::memory();
    for round in 0..6u8 {
        for key in 0..20u8 {
            world.put(&plain(&[(&[key], Some(&[round]))]));
        }
    }
    let before = table(&world.log);
    let mut last = Offset(0);
    for _ in 0..60 {
        world.compact(at(2), 5 * 65);
        assert_eq!(table(&world.log), before);
        let clean_to = world.clean_to.expect("was compacted");
        assert!(clean_to > last || clean_to == world.log.active_base(), "{clean_to}");
        last = clean_to;
    }
    assert_eq!(last, world.log.active_base());
    world.clean_to = None;
    world.compact(at(2), 1 << 20);
    assert_eq!(all(&world.log).len(), 20);
}

#[test]
fn compressed_batches_keep_their_codec() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut world = World::memory();
        let options = BatchOptions { codec: codec.into(), ..BatchOptions::default() };
        world.put(&records(options, &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"a", Some(b"3")), (b"c", None)]));
        world.put(&plain(&[(b"b", Some(b"4"))]));
        world.compact(at(2), 1 << 20);
        assert_eq!(offsets(&world.log), [2, 3, 4]);
        let read = world.log.read(Offset(0), 1, Offset(5), true).expect("reads");
        let bytes = read.slice.expect("a batch").read().expect("reads");
        assert_eq!(kafka_record::Batch::read(&bytes).expect("a batch").compression(), Ok(codec));
    }
}

#[test]
fn a_log_that_changed_meanwhile_is_not_touched() {
    let mut world = World::memory();
    for round in 0..20u8 {
        world.put(&plain(&[(b"a", Some(&[round; 50]))]));
    }
    world.log.roll(at(1)).expect("rolls");
    let what = world.log.cleanable(at(2).wall, None).expect("looks");
    let job = world.log.compaction_job(at(2).wall, &what, 1 << 20).expect("prepares");
    world.log.append_as_leader(at(1), &plain(&[(b"a", None)]), LeaderEpoch(0), Origin::Client).expect("appends");
    world.log.truncate_to(at(2), Offset(20)).expect("cuts").expect("something was there");
    let left = offsets(&world.log);
    assert!(world.log.swap_compacted(at(2), job.run(&mut |_| ()).expect("runs")).expect("drops it").is_none());
    assert_eq!(offsets(&world.log), left);
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

#[test]
fn a_job_tells_of_what_it_reads_and_writes_and_ends_with_its_log() {
    let mut world = World::memory();
    for round in 0..20u8 {
        world.put(&plain(&[(&[round / 2], Some(&[round; 50]))]));
    }
    world.log.roll(at(1)).expect("rolls");
    let what = world.log.cleanable(at(2).wall, None).expect("looks");
    let job = world.log.compaction_job(at(2).wall, &what, 1 << 20).expect("prepares");
    let (mut told, mut times) = (0, 0);
    let done = job
        .run(&mut |bytes| {
            told += bytes;
            times += 1;
        })
        .expect("compacts");
    // Each batch is read for its keys and once more to be copied, if it is.
    assert_eq!(told, 2 * done.stats.bytes_read + done.stats.bytes_written);
    assert_eq!(times, 20 + 20 + 10);
    let job = world.log.compaction_job(at(2).wall, &what, 1 << 20).expect("prepares");
    let life = job.life.clone();
    let mut times = 0;
    let error = job.run(&mut |_| {
        times += 1;
        if times == 3 {
            life.end();
        }
    });
    assert!(matches!(error, Err(super::CompactionError::Deleted)), "{error:?}");
    assert_eq!(times, 3);
}

#[test]
fn damage_and_a_full_disk_leave_the_log_as_it_was() {
    let memory = MemoryVfs::with_dirs([DATA]);
    let faults = FaultVfs::new(Arc::new(memory));
    let mut world = World::new(Arc::new(faults.clone()));
    for round in 0..20u8 {
        world.put(&plain(&[(b"a", Some(&[round; 50]))]));
    }
    world.log.roll(at(1)).expect("rolls");
    let before = offsets(&world.log);
    let what = world.log.cleanable(at(2).wall, None).expect("looks");
    for skip in 0..8 {
        let job = world.log.compaction_job(at(2).wall, &what, 1 << 20).expect("prepares");
        faults.fail(vfs::On::Change, skip, vfs::Fault::NoSpace);
        job.run(&mut |_| ()).expect_err("the disk is full");
        faults.clear();
        assert_eq!(leftovers(&world), Vec::<String>::new(), "{skip}");
    }
    assert_eq!(offsets(&world.log), before);
    let path = world.log.dir().join("00000000000000000000.log");
    let file = world.dir.vfs().open(&path, vfs::OpenMode::ReadWrite).expect("opens");
    file.write_at(&[0xff], 100).expect("writes");
    let job = world.log.compaction_job(at(2).wall, &what, 1 << 20).expect("prepares");
    let error = job.run(&mut |_| ()).expect_err("damaged");
    assert!(error.to_string().contains("00000000000000000000.log is damaged at position 0"), "{error}");
}

#[test]
fn golden_logs_keep_their_tables() {
    for (which, names) in [
        ("clean", &["compacted-0", "txn-0", "codec-zstd-0", "__consumer_offsets-2", "__transaction_state-0"][..]),
        ("old-message-formats", &["format-v0-0", "format-v1-0", "format-v2-0", "changed-0"][..]),
    ] {
        let vfs = golden_dir(which);
        let (_dir, logs) = open_all(&vfs, |_| config(), golden_now());
        for mut log in logs {
            if !names.contains(&log.partition().to_string().as_str()) {
                continue;
            }
            let name = log.partition().to_string();
            log.roll(at(1)).expect("rolls");
            let keyed = |log: &Log| {
                let mut records = all(log);
                records.retain(|(_, key, _)| !key.is_empty());
                records
            };
            let aborted: Vec<i64> = if name == "txn-0" { vec![4, 5, 12, 13, 20, 21] } else { Vec::new() };
            let what = log.cleanable(at(1).wall, None).expect("looks");
            let mut expected = BTreeMap::new();
            for (offset, key, value) in keyed(&log).into_iter().filter(|(offset, ..)| !aborted.contains(offset)) {
                if Offset(offset) < what.dirty_to {
                    expected.insert(key, (offset, value));
                }
            }
            let done =
                log.compaction_job(at(1).wall, &what, 1 << 20).expect("prepares").run(&mut |_| ()).expect("compacts");
            log.swap_compacted(at(1), done).expect("swaps").expect("fits");
            let mut found = BTreeMap::new();
            for (offset, key, value) in keyed(&log).into_iter().filter(|(offset, ..)| Offset(*offset) < what.dirty_to) {
                assert!(found.insert(key, (offset, value)).is_none(), "{name}: a key twice");
            }
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// A workload with a compaction; sets `synced` when the records are. `None` if it was stopped.
fn rehearse(vfs: Arc<dyn Vfs>, synced: &mut bool) -> Option<()> {
    let dir = LogDir::open(vfs, Path::new(DATA)).ok()?;
    let mut log = dir.create(&tp(), None, config(), at(0)).ok()?;
    for round in 0..12u8 {
        let batch =
            plain(&[(&[round % 3], Some(&[round; 60])), (b"x", if round % 4 == 3 { None } else { Some(b"y") })]);
        log.append_as_leader(at(1), &batch, LeaderEpoch(0), Origin::Client).ok()?;
    }
    log.set_high_watermark(log.log_end());
    log.roll(at(1)).ok()?;
    let job = log.sync_job().ok()??;
    log.on_synced(job.run()).ok()?;
    *synced = true;
    let what = log.cleanable(at(2).wall, None).ok()?;
    let done = log.compaction_job(at(2).wall, &what, 1 << 20).ok()?.run(&mut |_| ()).ok()?;
    let compacted = log.swap_compacted(at(2), done).ok()??;
    compacted.removal.run().ok()?;
    let job = log.sync_job().ok()??;
    log.on_synced(job.run()).ok()?;
    Some(())
}

#[test]
fn a_crash_at_any_call_loses_nothing() {
    let expected: BTreeMap<Vec<u8>, Vec<u8>> = (9..12u8).map(|round| (vec![round % 3], vec![round; 60])).collect();
    let mut synced_stops = 0;
    for stop in 0.. {
        let memory = MemoryVfs::with_dirs(["/"]);
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        faults.stop_at_change(stop);
        let mut synced = false;
        let done = rehearse(Arc::new(faults), &mut synced).is_some();
        let mut crashes = vec![Crash::Process, Crash::Power];
        crashes.extend((0..4).map(|seed| Crash::Torn { seed: stop * 17 + seed }));
        crashes.extend((0..4).map(|seed| Crash::Scattered { seed: stop * 17 + seed }));
        for crash in crashes {
            let left = memory.fork();
            left.crash_with(crash);
            let shared: Arc<dyn Vfs> = Arc::new(left);
            if !shared.exists(&Path::new(DATA).join("k-0")) {
                continue;
            }
            let what = format!("stopped at {stop}, {crash:?}");
            let dir = LogDir::open(shared, Path::new(DATA)).expect("opens");
            let mut log = unrecovered(&dir, &tp(), CleanShutdown::No).recover(config(), at(2)).expect(&what);
            if synced {
                assert_eq!(log.log_end(), Offset(24), "{what}");
                assert_eq!(table(&log), expected, "{what}");
                synced_stops += 1;
            }
            log.set_high_watermark(log.log_end());
            log.append_as_leader(at(3), &plain(&[(b"n", Some(b"new"))]), LeaderEpoch(1), Origin::Client).expect(&what);
            log.roll(at(3)).expect(&what);
            log.set_high_watermark(log.log_end());
            let todo = log.cleanable(at(3).wall, None).expect(&what);
            let again = log.compaction_job(at(3).wall, &todo, 1 << 20).expect(&what).run(&mut |_| ()).expect(&what);
            log.swap_compacted(at(3), again).expect(&what).expect(&what);
            assert_eq!(table(&log).get(&b"n"[..]), Some(&b"new".to_vec()), "{what}");
        }
        if done {
            break;
        }
    }
    assert!(synced_stops > 300, "{synced_stops} prove little");
}

#[test]
fn a_log_that_was_compacted_once_keeps_what_is_behind_its_holes() {
    let mut world = World::memory();
    for round in 0..40u8 {
        world.put(&plain(&[(&[round % 20], Some(&[round; 60])), (b"common", Some(&[round; 40]))]));
    }
    world.compact(at(2), 1 << 20);
    let before = all(&world.log);
    let segments = world.log.segments();
    let vfs = world.dir.vfs().clone();
    let clean_to = world.clean_to.expect("compacted");
    world.dir.write_checkpoint(crate::checkpoint::Checkpoint::Cleaner, [(&tp(), clean_to)]).expect("writes");
    drop((world.log, world.dir));
    let dir = LogDir::open(vfs, Path::new(DATA)).expect("opens");
    // Nothing is known to be synced, and the topic is not compacted any more.
    let config = LogConfig { cleanup: CleanupPolicy { delete: true, compact: false }, retention_ms: -1, ..config() };
    let log = unrecovered(&dir, &tp(), CleanShutdown::No).recover(config, at(3)).expect("recovers");
    assert!(segments > 2 && log.segments() == segments, "{segments} segments became {}", log.segments());
    assert_eq!(all(&log), before);
}

#[test]
fn a_crash_while_a_swap_is_finished_loses_nothing_either() {
    let expected: BTreeMap<Vec<u8>, Vec<u8>> = (9..12u8).map(|round| (vec![round % 3], vec![round; 60])).collect();
    let mut stops = 0;
    for stop in 0.. {
        let memory = MemoryVfs::with_dirs(["/"]);
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        faults.stop_at_change(stop);
        let mut synced = false;
        let done = rehearse(Arc::new(faults), &mut synced).is_some();
        // From the first file of the compaction on; each stop counts there, as names change from one to the next.
        for crash in [Crash::Process, Crash::Power, Crash::Torn { seed: stop }].into_iter().filter(|_| synced) {
            let left = memory.fork();
            left.crash_with(crash);
            for again in 0.. {
                let second = left.fork();
                let faults = FaultVfs::new(Arc::new(second.clone()));
                faults.stop_at_change(again);
                let recover = |vfs: Arc<dyn Vfs>| {
                    let dir = LogDir::open(vfs, Path::new(DATA)).ok()?;
                    let contents = dir.contents(CleanShutdown::No).ok()?;
                    contents.logs.into_iter().next()?.recover(config(), at(2)).ok()
                };
                let recovered = recover(Arc::new(faults)).is_some();
                second.crash_with(if crash == Crash::Process { crash } else { Crash::Torn { seed: again } });
                let what = format!("stopped at {stop}, {crash:?}, recovery at {again}");
                let log = recover(Arc::new(second)).expect(&what);
                assert_eq!((log.log_end(), table(&log)), (Offset(24), expected.clone()), "{what}");
                stops += 1;
                if recovered {
                    break;
                }
            }
        }
        if done {
            break;
        }
    }
    assert!(stops > 500, "{stops} stops prove little");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if full() { 2000 } else { 60 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compaction_never_changes_the_table(
        writes in proptest::collection::vec((0..12u8, proptest::option::of(0..100usize), 0..30u8), 1..120),
        budget in 100..3000usize,
    ) {
        let mut world = World::memory();
        let mut model = BTreeMap::new();
        for (key, size, dice) in writes {
            let value = size.map(|size| vec![dice; size]);
            match &value {
                Some(value) => model.insert(vec![key], value.clone()),
                None => model.remove(&vec![key]),
            };
            let sequence = world.log.active_producers().next().map_or(0, |producer| producer.last_sequence + 1);
            let pairs = [(&[key][..], value.as_deref())];
            world.put(&if dice % 3 == 0 { of_producer(4, sequence, false, &pairs) } else { plain(&pairs) });
            match dice {
                0..3 => {
                    let now = Now { wall: at(1).wall + i64::from(dice) * DAY, ..at(1) };
                    world.compact(now, budget);
                }
                3 => world = world.reopen(),
                _ => {}
            }
            prop_assert_eq!(table(&world.log), model.clone());
        }
    }
}
