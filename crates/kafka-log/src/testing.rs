//! What the tests of this crate share: golden directories in memory, batches, clocks.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kafka_record::{BatchBuilder, BatchOptions};
use kafka_types::{ProducerEpoch, ProducerId, TopicPartition};
use time_types::{Now, Tick, WallMillis};
use vfs::{MemoryVfs, OpenMode, OsVfs, Vfs};

use crate::log_dir::{CleanShutdown, LogDir};
use crate::{Log, LogConfig};

/// Where golden directories are unpacked to.
pub(crate) const DATA: &str = "/data";

/// A file below `tests/golden/log-dir`.
pub(crate) fn golden_file(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/log-dir");
    OsVfs.read(&root.join(path)).expect("golden data is in the repository")
}

pub(crate) fn golden_text(path: &str) -> String {
    String::from_utf8(golden_file(path)).expect("golden texts are UTF-8")
}

/// The directory of `<which>/data.tar.gz`, as if a broker had left it.
pub(crate) fn golden_dir(which: &str) -> MemoryVfs {
    let mut tar = Vec::new();
    let packed = golden_file(&format!("{which}/data.tar.gz"));
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).expect("is a gzip file");
    let vfs = MemoryVfs::with_dirs([DATA]);
    let mut rest = &tar[..];
    while let Some((header, after)) = rest.split_first_chunk::<512>() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned();
        let name = text(&header[..100]);
        if name.is_empty() {
            break;
        }
        let size = usize::from_str_radix(&text(&header[124..136]), 8).expect("an octal size");
        let path = PathBuf::from("/").join(&name);
        if header[156] == b'5' {
            vfs.create_dir_all(&path).expect("makes a directory");
        } else {
            let file = vfs.open(&path, OpenMode::CreateNew).expect("makes a file");
            file.write_at(&after[..size], 0).expect("writes");
            file.sync_data().expect("syncs");
        }
        rest = &after[size.next_multiple_of(512)..];
    }
    vfs
}

/// The moment of the golden records, so that no producer is expired.
pub(crate) fn golden_now() -> Now {
    Now { tick: Tick(0), wall: WallMillis(1_700_000_000_000) }
}

/// Is this the long tier?
pub(crate) fn full() -> bool {
    std::env::var_os("KAFKA_TESTS_FULL").is_some()
}

pub(crate) fn at(tick: u64) -> Now {
    Now { tick: Tick(tick), wall: WallMillis(1_700_000_000_000 + tick as i64) }
}

/// Opens every partition of a directory.
pub(crate) fn open_all(vfs: &MemoryVfs, config: impl Fn(&TopicPartition) -> LogConfig, now: Now) -> (LogDir, Vec<Log>) {
    let dir = LogDir::open(Arc::new(vfs.clone()), Path::new(DATA)).expect("opens");
    let shutdown = dir.take_clean_marker().expect("reads the marker");
    let contents = dir.contents(shutdown).expect("lists");
    let recover = |log: crate::UnrecoveredLog| {
        let config = config(log.partition());
        log.recover(config, now).expect("recovers")
    };
    let logs = contents.logs.into_iter().map(recover).collect();
    (dir, logs)
}

/// Opens one partition of a directory that was not left in order (or was, if it has the marker).
pub(crate) fn open_one(vfs: &Arc<dyn Vfs>, tp: &TopicPartition, config: &LogConfig, now: Now) -> (LogDir, Log) {
    let dir = LogDir::open(vfs.clone(), Path::new(DATA)).expect("opens");
    let shutdown = dir.take_clean_marker().expect("reads the marker");
    let log = unrecovered(&dir, tp, shutdown).recover(config.clone(), now).expect("recovers");
    (dir, log)
}

pub(crate) fn unrecovered(dir: &LogDir, tp: &TopicPartition, shutdown: CleanShutdown) -> crate::UnrecoveredLog {
    let contents = dir.contents(shutdown).expect("lists");
    contents.logs.into_iter().find(|log| log.partition() == tp).expect("the partition is there")
}

/// A batch of `values`, whose timestamps begin at `timestamp`.
pub(crate) fn batch(timestamp: i64, values: &[&[u8]]) -> Bytes {
    built(BatchOptions::default(), timestamp, values)
}

/// A batch of an idempotent producer.
pub(crate) fn produced(id: i64, epoch: i16, sequence: i32, values: &[&[u8]]) -> Bytes {
    let options = BatchOptions {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    built(options, 1_700_000_000_000, values)
}

/// A batch of a transactional producer.
pub(crate) fn transactional(id: i64, epoch: i16, sequence: i32, values: &[&[u8]]) -> Bytes {
    let options = BatchOptions {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    };
    built(options, 1_700_000_000_000, values)
}

pub(crate) fn built(options: BatchOptions, timestamp: i64, values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (index, value) in values.iter().enumerate() {
        builder.append(timestamp + index as i64, None, Some(value), &[]).expect("fits");
    }
    builder.finish()
}

/// All files of a directory with their content, without the lock.
pub(crate) fn files_of(vfs: &dyn Vfs, dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = vfs.read_dir(dir).expect("lists");
    let files = entries.into_iter().filter(|entry| !entry.is_dir);
    files.map(|entry| (entry.name.clone(), vfs.read(&dir.join(&entry.name)).expect("reads"))).collect()
}
