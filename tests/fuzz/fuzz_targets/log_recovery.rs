//! A log directory whose segments are any bytes: recovery ends in a log or in an error. A log that was recovered has
//! good batches in order, takes an append, and is the same when it is opened again, after a clean stop and after a kill.
//!
//! Input: a choice, where the second segment begins, and the bytes of both.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kafka_log::{AppendOrigin, Checkpoint, CleanupPolicy, Log, LogConfig, LogDir, OffsetQuery};
use kafka_record::{BatchBuilder, BatchOptions, batches};
use kafka_types::{LeaderEpoch, TopicPartition};
use libfuzzer_sys::fuzz_target;
use time_types::{Now, Tick, WallMillis};
use vfs::{Crash, MemoryVfs, OpenMode, Vfs};

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn now() -> Now {
    Now { tick: Tick(0), wall: WallMillis(1_700_000_000_000) }
}

fn data() -> &'static Path {
    Path::new("/data")
}

fn config(compact: bool) -> LogConfig {
    LogConfig {
        segment_bytes: 64 << 10,
        segment_index_bytes: 240,
        index_interval_bytes: 100,
        segment_ms: i64::MAX,
        cleanup: CleanupPolicy { delete: !compact, compact },
        ..LogConfig::default()
    }
}

fn open(disk: &MemoryVfs, compact: bool) -> (LogDir, Option<Log>) {
    let dir = LogDir::open(Arc::new(disk.clone()), data()).expect("memory");
    let shutdown = dir.take_clean_marker().expect("memory");
    let log = dir.contents(shutdown).expect("lists").logs.pop().expect("the partition is there");
    let log = log.recover(config(compact), now()).ok();
    (dir, log)
}

/// Everything in the log; `sound` if it was checked when it was opened.
fn read(log: &Log, sound: bool) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut offset = log.log_start();
    while offset < log.log_end() {
        let read = match log.read(offset, 300, log.log_end(), true) {
            Ok(read) => read,
            Err(error) if sound => panic!("{error}"),
            Err(_) => break,
        };
        let _ = log.aborted_transactions(offset, &read);
        let Some(slice) = read.slice else { break };
        let bytes = slice.read().expect("it is there");
        let before = offset;
        for batch in batches(&bytes) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if sound => panic!("{error}"),
                Err(_) => return found,
            };
            if sound {
                batch.check_crc().expect("recovery checks");
                assert!(batch.last_offset() >= offset);
            }
            offset = batch.next_offset();
            found.push(Bytes::copy_from_slice(batch.bytes()));
        }
        if offset <= before {
            break;
        }
    }
    found
}

fn put(disk: &MemoryVfs, base: i64, bytes: &[u8]) {
    let path = data().join(tp().to_string()).join(format!("{base:020}.log"));
    let file = disk.open(&path, OpenMode::Create).expect("memory");
    file.write_at(bytes, 0).expect("memory");
}

fuzz_target!(|data: &[u8]| {
    let [choice, cut, base, bytes @ ..] = data else { return };
    let (fixed, clean, compact) = (choice & 1 == 0, choice & 2 != 0, choice & 4 != 0);
    let cut = bytes.len() * usize::from(*cut) / 255;
    let (first, second) = bytes.split_at(cut);
    let (mut first, mut second) = (first.to_vec(), second.to_vec());
    if fixed {
        fuzz::fix_checksums(&mut first);
        fuzz::fix_checksums(&mut second);
    }
    let dir = self::data().join(tp().to_string());
    let disk = MemoryVfs::with_dirs([self::data(), &dir]);
    put(&disk, 0, &first);
    if !second.is_empty() && *base > 0 {
        put(&disk, i64::from(*base), &second);
    }
    if clean {
        let dir = LogDir::open(Arc::new(disk.clone()), self::data()).expect("memory");
        dir.write_clean_marker().expect("memory");
    }
    let (dir, log) = open(&disk, compact);
    let Some(mut log) = log else { return };
    let sound = !clean;
    let before = read(&log, sound);
    let _ = log.offset_for(OffsetQuery::At(WallMillis(1)), log.log_end());
    let _ = log.offset_for(OffsetQuery::MaxTimestamp, log.log_end());
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(now().wall.0, Some(b"k"), Some(b"after"), &[]).expect("fits");
    let end = log.log_end();
    let Ok(appended) = log.append_as_leader(now(), &builder.finish(), LeaderEpoch(i32::MAX), AppendOrigin::Client) else {
        return;
    };
    assert_eq!(appended.first_offset, end);
    let with_it = read(&log, sound);
    if sound {
        assert_eq!(with_it.len(), before.len() + 1);
        assert_eq!(with_it[..before.len()], before);
    }
    let (start, end) = (log.log_start(), log.log_end());
    dir.write_checkpoint(Checkpoint::LogStart, [(&tp(), start)]).expect("memory");
    let killed = disk.fork();
    killed.crash_with(Crash::Process);
    if log.close().is_err() {
        return;
    }
    dir.write_clean_marker().expect("memory");
    drop(dir);
    for disk in [disk, killed] {
        let (_dir, log) = open(&disk, compact);
        let Some(log) = log else {
            assert!(!sound, "what was recovered once is recovered again");
            continue;
        };
        if sound {
            assert_eq!((log.log_start(), log.log_end()), (start, end));
            assert_eq!(read(&log, true), with_it);
        }
    }
});
