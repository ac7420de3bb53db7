//! The files beside the batches, deleted, emptied or filled with rubbish: the log answers as before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_record::control::EndTxnMarker;
use kafka_record::validate::Origin;
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use time_types::WallMillis;
use vfs::{MemoryVfs, OpenMode, Vfs};

use super::{Log, OffsetQuery};
use crate::LogConfig;
use crate::checkpoint::Checkpoint;
use crate::log_dir::LogDir;
use crate::testing::{DATA, at, batch, files_of, full, open_one, produced, transactional};

fn tp() -> TopicPartition {
    TopicPartition::new("d", 0)
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 900, segment_index_bytes: 240, index_interval_bytes: 100, ..LogConfig::default() }
}

/// Several segments, epochs, producers and aborted transactions; stopped in order.
fn stopped() -> MemoryVfs {
    let vfs = MemoryVfs::with_dirs([DATA]);
    let dir = LogDir::open(Arc::new(vfs.clone()), Path::new(DATA)).expect("opens");
    let mut log = dir.create(&tp(), None, config(), at(0)).expect("creates");
    let mut clock = 0;
    for round in 0..12 {
        let mut append = |records, origin| {
            clock += 1;
            let epoch = LeaderEpoch(round / 3);
            log.append_as_leader(at(clock), &records, epoch, origin).expect("appends");
        };
        let time = 1_700_000_000_000 + i64::from(round) * 10;
        append(batch(time, &[b"plain", &[b'x'; 50]]), Origin::Client);
        append(produced(1, 0, round, &[b"once"]), Origin::Client);
        append(transactional(2, 0, round, &[b"maybe"]), Origin::Client);
        append(batch(time + 5, &[b"between"]), Origin::Client);
        let marker = EndTxnMarker { commit: round % 2 == 0, coordinator_epoch: 1 };
        append(marker.to_batch(time, ProducerId(2), ProducerEpoch(0)), Origin::Coordinator);
    }
    log.append_as_leader(at(99), &transactional(3, 0, 0, &[b"open"]), LeaderEpoch(3), Origin::Client).expect("appends");
    log.set_high_watermark(log.log_end());
    let end = log.close().expect("closes");
    for which in [Checkpoint::RecoveryPoint, Checkpoint::HighWatermark] {
        dir.write_checkpoint(which, [(&tp(), end)]).expect("writes");
    }
    dir.write_clean_marker().expect("writes");
    vfs
}

/// What clients may ask.
#[derive(Debug, PartialEq)]
struct Answers {
    ends: (Offset, Offset, Offset),
    /// Position of the batch that a read from each offset begins with.
    places: Vec<Option<u64>>,
    by_time: Vec<Option<(i64, i64)>>,
    aborted: Vec<Vec<(i64, i64)>>,
    epochs: Vec<(LeaderEpoch, Offset)>,
    /// Id, last sequence, start of the open transaction.
    producers: Vec<(i64, i32, Option<Offset>)>,
}

fn answers(log: &Log) -> Answers {
    let end = log.log_end();
    let found = |query| {
        let found = log.offset_for(query, end).expect("answers");
        found.map(|found| (found.timestamp.0, found.offset.0))
    };
    let times = (1_699_999_999_990..1_700_000_000_130).step_by(3).map(|time| OffsetQuery::At(WallMillis(time)));
    // To the end of their segments: how far beyond a shorter read transactions are told of is for an index to say.
    let reads: Vec<_> = (0..end.0).map(|offset| log.read(Offset(offset), 1 << 20, end, true).expect("reads")).collect();
    let aborted = reads.iter().enumerate().map(|(offset, read)| {
        let found = log.aborted_transactions(Offset(offset as i64), read).expect("answers");
        found.iter().map(|one| (one.producer_id.0, one.first_offset.0)).collect()
    });
    let mut producers: Vec<_> = log
        .active_producers()
        .map(|producer| (producer.producer_id.0, producer.last_sequence, producer.transaction_start))
        .collect();
    producers.sort_unstable();
    Answers {
        ends: (log.log_start(), end, log.last_stable_offset()),
        aborted: aborted.collect(),
        places: reads.iter().map(|read| read.slice.as_ref().map(|slice| slice.position)).collect(),
        by_time: times.chain([OffsetQuery::MaxTimestamp]).map(found).collect(),
        epochs: log.epochs().to_vec(),
        producers,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    Deleted,
    Empty,
    Zeros,
    Half,
    Rubbish(u64),
    /// Entries grow as they should, and are those of no log.
    Foreign,
}

fn apply(vfs: &MemoryVfs, path: &Path, damage: Damage) {
    let len = vfs.metadata(path).expect("is there").len as usize;
    let bytes: Vec<u8> = match damage {
        Damage::Deleted => return vfs.remove_file(path).expect("removes"),
        Damage::Empty => Vec::new(),
        Damage::Zeros => vec![0; len.max(24)],
        Damage::Half => vfs.read(path).expect("reads")[..len / 2].to_vec(),
        Damage::Rubbish(seed) => {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            };
            (0..len.max(24)).map(|_| next()).collect()
        }
        Damage::Foreign => (1..=len.max(24) as u32 / 4).flat_map(|number| (number * 3).to_be_bytes()).collect(),
    };
    let file = vfs.open(path, OpenMode::Create).expect("opens");
    file.set_len(0).expect("empties");
    file.write_at(&bytes, 0).expect("writes");
}

fn open(vfs: &MemoryVfs) -> (LogDir, Log) {
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    open_one(&shared, &tp(), &config(), at(100))
}

/// No marker of a clean stop, and nothing is said to be synced.
fn forget(vfs: &MemoryVfs) {
    for name in [".kafka_cleanshutdown", Checkpoint::RecoveryPoint.file_name()] {
        vfs.remove_file(&Path::new(DATA).join(name)).expect("is there");
    }
}

fn files_named(vfs: &MemoryVfs, end: &str) -> Vec<PathBuf> {
    let dir = Path::new(DATA).join(tp().to_string());
    let names = files_of(vfs, &dir).into_iter().map(|(name, _)| name);
    let mut paths: Vec<PathBuf> = names.filter(|name| name.ends_with(end)).map(|name| dir.join(name)).collect();
    paths.sort();
    paths
}

fn damages() -> Vec<Damage> {
    let mut damages = vec![Damage::Deleted, Damage::Empty, Damage::Zeros, Damage::Half, Damage::Foreign];
    damages.extend((0..if full() { 300 } else { 8 }).map(Damage::Rubbish));
    damages
}

/// Each file of this kind alone, then all of them together; after a clean stop where that can be told, and without one.
fn survives(end: &str, clean: impl Fn(Damage) -> bool) {
    let before = stopped();
    let right = answers(&open(&before.fork()).1);
    assert!(right.aborted.iter().any(|list| !list.is_empty()) && right.epochs.len() == 4 && right.producers.len() == 3);
    let files = files_named(&before, end);
    assert!(!files.is_empty(), "{end}");
    let mut sets: Vec<Vec<PathBuf>> = files.iter().map(|file| vec![file.clone()]).collect();
    sets.push(files);
    for damage in damages() {
        for set in &sets {
            let vfs = before.fork();
            for path in set {
                apply(&vfs, path, damage);
            }
            if clean(damage) {
                let (_dir, log) = open(&vfs.fork());
                assert_eq!(answers(&log), right, "clean, {damage:?}: {set:?}");
            }
            forget(&vfs);
            let (dir, mut log) = open(&vfs);
            let found = answers(&log);
            assert_eq!(found, right, "{damage:?}: {set:?}");
            let appended = log.append_as_leader(at(101), &produced(1, 0, 12, &[b"on"]), LeaderEpoch(4), Origin::Client);
            assert_eq!(appended.expect("appends").first_offset, found.ends.1);
            let now = answers(&log);
            log.close().expect("closes");
            dir.write_clean_marker().expect("writes");
            drop(dir);
            let (_dir, log) = open(&vfs);
            assert_eq!(answers(&log), now, "again, {damage:?}: {set:?}");
        }
    }
}

#[test]
fn offset_indexes_may_be_lost() {
    survives(".index", |_| true);
}

#[test]
fn time_indexes_may_be_lost() {
    // The first half of an index is one that knows less: nothing tells that there was more.
    survives(".timeindex", |damage| damage != Damage::Half);
}

#[test]
fn transaction_indexes_may_be_lost() {
    // Most segments have none: that there was one can be told only where the batches are read anyway.
    survives(".txnindex", |damage| damage != Damage::Deleted);
}

#[test]
fn producer_snapshots_may_be_lost() {
    survives(".snapshot", |_| true);
}

#[test]
fn epochs_may_be_lost() {
    // The first half of a text may be one that reads.
    survives("leader-epoch-checkpoint", |_| true);
}

#[test]
fn checkpoints_may_be_lost_and_speak_of_others() {
    let before = stopped();
    let right = answers(&open(&before.fork()).1);
    for which in [Checkpoint::RecoveryPoint, Checkpoint::HighWatermark, Checkpoint::LogStart, Checkpoint::Cleaner] {
        let path = Path::new(DATA).join(which.file_name());
        for text in
            ["", "0\n", "0\n1\n", "1\n0\n", "0\n1\nnobody 7 99\n", "0\n1\nd 0\n", "0\n1\nd x 3\n", "\u{0}\u{1}\u{2}"]
        {
            let vfs = before.fork();
            let file = vfs.open(&path, OpenMode::Create).expect("opens");
            file.set_len(0).expect("empties");
            file.write_at(text.as_bytes(), 0).expect("writes");
            vfs.remove_file(&Path::new(DATA).join(".kafka_cleanshutdown")).expect("is there");
            let (_dir, mut log) = open(&vfs);
            log.set_high_watermark(log.log_end());
            assert_eq!(answers(&log), right, "{which:?}: {text:?}");
        }
    }
}

#[test]
fn retention_does_not_believe_a_time_index() {
    let before = stopped();
    let times = files_named(&before, ".timeindex");
    for damage in damages() {
        let vfs = before.fork();
        for path in &times {
            apply(&vfs, path, damage);
        }
        let shared: Arc<dyn Vfs> = Arc::new(vfs);
        let config = LogConfig { retention_ms: 1000, ..config() };
        let (_dir, mut log) = open_one(&shared, &tp(), &config, at(100));
        let removal = log.apply_retention(at(200)).expect("looks");
        assert!(removal.is_none(), "{damage:?}: young records are deleted");
    }
}

#[test]
fn a_segment_that_begins_below_the_end_of_another_is_no_part_of_the_log() {
    let before = stopped();
    let logs = files_named(&before, ".log");
    let right = answers(&open(&before.fork()).1);
    // Bytes of an earlier segment, or hardly any, under a name within another.
    for bytes in [before.read(&logs[0]).expect("reads"), vec![0; 15]] {
        let vfs = before.fork();
        forget(&vfs);
        let stray = logs[0].with_file_name(format!("{:020}.log", right.ends.1.0 - 8));
        let file = vfs.open(&stray, OpenMode::Create).expect("opens");
        file.write_at(&bytes, 0).expect("writes");
        let (_dir, log) = open(&vfs);
        assert_eq!(answers(&log), right);
        assert!(!vfs.exists(&stray));
    }
}

/// Every byte of the last batches: cut before it, zeros from it on, one bit of it turned.
#[test]
fn whatever_happens_to_a_tail_whole_batches_before_it_stay() {
    let before = stopped();
    forget(&before);
    let mut paths = files_named(&before, ".log");
    paths.retain(|path| before.read(path).is_ok_and(|bytes| bytes.len() > 300));
    let path = paths.pop().expect("a segment with some batches");
    for later in files_named(&before, ".log").into_iter().filter(|other| *other > path) {
        before.remove_file(&later).expect("removes");
    }
    let whole = before.read(&path).expect("reads");
    let mut ends = vec![0];
    let mut lasts =
        vec![path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).expect("a base")];
    for batch in kafka_record::batches(&whole) {
        let batch = batch.expect("a batch");
        ends.push(ends.last().expect("one") + batch.size());
        lasts.push(batch.next_offset().0);
    }
    let from = ends[ends.len() - 1 - 3.min(ends.len() - 1)];
    for at_byte in from..whole.len() {
        let cut = whole[..at_byte].to_vec();
        let zeros = [&whole[..at_byte], &vec![0; whole.len() - at_byte][..]].concat();
        let flips = (0..8).map(|bit| {
            let mut flipped = whole.clone();
            flipped[at_byte] ^= 1 << bit;
            flipped
        });
        for bytes in [cut, zeros].into_iter().chain(flips) {
            let vfs = before.fork();
            let file = vfs.open(&path, OpenMode::Create).expect("opens");
            file.set_len(0).expect("empties");
            file.write_at(&bytes, 0).expect("writes");
            let (_dir, mut log) = open(&vfs);
            // Where nothing but zeros was, zeros are no damage.
            let differs = bytes.iter().zip(&whole).position(|(left, right)| left != right).unwrap_or(bytes.len());
            let index = ends.partition_point(|end| *end <= differs) - 1;
            // Base offset and leader epoch lie outside the checksum: what they become may be believed, if it is in order.
            let in_head = differs - ends[index] < 16;
            let end = log.log_end().0;
            assert!(end == lasts[index] || in_head, "byte {at_byte}: ends at {end}");
            assert!(log.size() >= ends[index] as u64);
            let read = log.read(Offset(lasts[0]), 1 << 20, log.log_end(), true).expect("reads");
            let served = read.slice.map(|slice| slice.read().expect("reads")).unwrap_or_default();
            assert!(
                served.starts_with(&whole[..ends[index]]),
                "byte {at_byte}: what is before the damage is not served"
            );
            log.append_as_leader(at(101), &batch(1_700_000_000_500, &[b"on"]), LeaderEpoch(i32::MAX), Origin::Client)
                .expect("appends");
            assert_eq!(log.log_end(), Offset(end + 1));
        }
    }
}
