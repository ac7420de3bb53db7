//! The small files of a log directory, each replaced by any bytes: indexes, producer snapshot, epochs, topic id,
//! checkpoints, identity. A checkpoint that reads is written to the same entries. Where a log is recovered from its
//! batches, the answers are those of the log that nobody touched; where the files are trusted, nothing panics and what
//! is read are batches of the log.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use kafka_log::{AppendOrigin, Checkpoint, CleanShutdown, Log, LogConfig, LogDir, OffsetQuery};
use kafka_record::control::EndTxnMarker;
use kafka_record::{BatchBuilder, BatchOptions, batches};
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use libfuzzer_sys::fuzz_target;
use time_types::{Now, Tick, WallMillis};
use vfs::{MemoryVfs, OpenMode, Vfs};

const START: i64 = 1_700_000_000_000;

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn now() -> Now {
    Now { tick: Tick(0), wall: WallMillis(START) }
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 700, segment_index_bytes: 240, index_interval_bytes: 100, ..LogConfig::default() }
}

fn data() -> &'static Path {
    Path::new("/data")
}

fn append(log: &mut Log, batch: &Bytes, origin: AppendOrigin, epoch: i32) {
    log.append_as_leader(now(), batch, LeaderEpoch(epoch), origin).expect("good batches");
}

/// Three segments with plain, idempotent and transactional records, one transaction aborted.
static BEFORE: LazyLock<MemoryVfs> = LazyLock::new(|| {
    let disk = MemoryVfs::with_dirs(["/"]);
    let dir = LogDir::open(Arc::new(disk.clone()), data()).expect("memory");
    let mut log = dir.create(&tp(), Some(kafka_types::Uuid([7; 16])), config(), now()).expect("memory");
    for round in 0..6i32 {
        for producer in [None, Some((1, false)), Some((2, true))] {
            let options = BatchOptions {
                producer_id: producer.map_or(ProducerId(-1), |(id, _)| ProducerId(id)),
                producer_epoch: ProducerEpoch(if producer.is_some() { 0 } else { -1 }),
                base_sequence: if producer.is_some() { round } else { -1 },
                transactional: producer.is_some_and(|(_, transactional)| transactional),
                ..BatchOptions::default()
            };
            let mut builder = BatchBuilder::new(options);
            builder.append(START + i64::from(round), Some(b"k"), Some(&[b'v'; 30]), &[]).expect("fits");
            append(&mut log, &builder.finish(), AppendOrigin::Client, round / 2);
        }
        let marker = EndTxnMarker { commit: round % 2 == 0, coordinator_epoch: 0 };
        let marker = marker.to_batch(START, ProducerId(2), ProducerEpoch(0));
        append(&mut log, &marker, AppendOrigin::Coordinator, round / 2);
    }
    log.set_high_watermark(log.log_end());
    let end = log.close().expect("memory");
    dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), end)]).expect("memory");
    dir.write_checkpoint(Checkpoint::HighWatermark, [(&tp(), end)]).expect("memory");
    dir.write_clean_marker().expect("memory");
    drop(dir);
    disk
});

/// What is asked of a log.
#[derive(Debug, PartialEq)]
struct Answers {
    batches: Vec<Bytes>,
    by_time: Vec<Option<(i64, i64)>>,
    aborted: Vec<(i64, i64)>,
    producers: Vec<(i64, i32)>,
}

fn read_batches(log: &Log) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut offset = log.log_start();
    while offset < log.log_end() {
        let Ok(read) = log.read(offset, 150, log.log_end(), true) else { break };
        let Some(bytes) = read.slice.and_then(|slice| slice.read().ok()) else { break };
        let mut next = offset;
        for batch in batches(&bytes).map_while(Result::ok) {
            next = batch.next_offset();
            found.push(Bytes::copy_from_slice(batch.bytes()));
        }
        if next <= offset {
            break;
        }
        offset = next;
    }
    found
}

fn answers(log: &Log) -> Answers {
    let at = |query| log.offset_for(query, log.log_end()).ok().flatten().map(|found| (found.timestamp.0, found.offset.0));
    let times = (-1..8).map(|step| at(OffsetQuery::At(WallMillis(START + step))));
    let mut aborted = Vec::new();
    for offset in 0..log.log_end().0 {
        let Ok(read) = log.read(Offset(offset), 200, log.log_end(), true) else { continue };
        let found = log.aborted_transactions(Offset(offset), &read).unwrap_or_default();
        aborted.extend(found.iter().map(|one| (one.producer_id.0, one.first_offset.0)));
    }
    let mut producers: Vec<(i64, i32)> =
        log.active_producers().map(|producer| (producer.producer_id.0, producer.last_sequence)).collect();
    producers.sort_unstable();
    Answers { batches: read_batches(log), by_time: times.chain([at(OffsetQuery::MaxTimestamp)]).collect(), aborted, producers }
}

static RIGHT: LazyLock<Answers> = LazyLock::new(|| answers(&open(&BEFORE.fork(), None).expect("untouched")));

/// Opens the log; `None` for the recovery point is what the files say.
fn open(disk: &MemoryVfs, unclean_from: Option<Offset>) -> Option<Log> {
    let dir = LogDir::open(Arc::new(disk.clone()), data()).expect("memory");
    let mut shutdown = dir.take_clean_marker().expect("memory");
    if let Some(point) = unclean_from {
        shutdown = CleanShutdown::No;
        dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), point)]).expect("memory");
    }
    let log = dir.contents(shutdown).ok()?.logs.pop()?;
    log.recover(config(), now()).ok()
}

fn replace(disk: &MemoryVfs, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, OpenMode::Create).expect("memory");
    file.set_len(0).expect("memory");
    file.write_at(bytes, 0).expect("memory");
}

fn checkpoint(which: Checkpoint, bytes: &[u8]) {
    let disk = MemoryVfs::with_dirs(["/data"]);
    replace(&disk, &data().join(which.file_name()), bytes);
    let dir = LogDir::open(Arc::new(disk), data()).expect("memory");
    let Ok(first) = dir.read_checkpoint(which) else { return };
    dir.write_checkpoint(which, first.iter().map(|(partition, offset)| (partition, *offset))).expect("memory");
    assert_eq!(dir.read_checkpoint(which).expect("what was written is read"), first);
}

fn identity(bytes: &[u8]) {
    let disk = MemoryVfs::with_dirs(["/data"]);
    replace(&disk, &data().join("meta.properties"), bytes);
    let dir = LogDir::open(Arc::new(disk), data()).expect("memory");
    let Ok(Some(first)) = dir.read_meta() else { return };
    dir.write_meta(&first, "Sun Nov 22 08:06:24 UTC 2026").expect("memory");
    assert_eq!(dir.read_meta().expect("what was written is read"), Some(first));
}

/// Files of the partition with this extension or name, in order.
fn files(extension: &str) -> Vec<PathBuf> {
    let dir = data().join(tp().to_string());
    let mut names: Vec<String> = BEFORE.read_dir(&dir).expect("memory").into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name.ends_with(extension));
    names.sort();
    names.into_iter().map(|name| dir.join(name)).collect()
}

fuzz_target!(|data: &[u8]| {
    let [kind, which, bytes @ ..] = data else { return };
    let checkpoints = [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::HighWatermark, Checkpoint::Cleaner];
    let extension = match kind % 12 {
        number @ 0..4 => return checkpoint(checkpoints[usize::from(number)], bytes),
        4 => return identity(bytes),
        5 => ".index",
        6 => ".timeindex",
        7 => ".txnindex",
        8 => ".snapshot",
        9 => "leader-epoch-checkpoint",
        10 => "partition.metadata",
        _ => "-offset-checkpoint",
    };
    let disk = BEFORE.fork();
    if extension == "-offset-checkpoint" {
        let which = checkpoints[usize::from(*which) % 4];
        replace(&disk, &self::data().join(which.file_name()), bytes);
        // Whatever it says: the log opens, and what can be read of it are its batches.
        let log = open(&disk, (which == Checkpoint::LogStart).then_some(Offset(0))).expect("checkpoints are hints");
        assert!(log.log_start() <= log.log_end());
        assert!(read_batches(&log).iter().all(|batch| RIGHT.batches.contains(batch)));
        return;
    }
    let files = files(extension);
    replace(&disk, &files[usize::from(*which) % files.len()], bytes);
    if let Some(log) = open(&disk.fork(), None) {
        let found = answers(&log);
        assert!(found.batches.iter().all(|batch| RIGHT.batches.contains(batch)));
    } else {
        assert_eq!(extension, "partition.metadata", "a file that can be made anew keeps no log from being opened");
        return;
    }
    let recovered = open(&disk, Some(Offset(0))).expect("a log is recovered from its batches");
    assert_eq!(answers(&recovered), *RIGHT);
});
