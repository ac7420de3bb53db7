//! Every byte of a log's end, and of a small snapshot, cut or changed.

use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use vfs::{MemoryVfs, Vfs};
use zk_proto::Zxid;
use zk_state::ZkState;
use zk_store::{
    Compression, LogReader, ReadError, RecoveryError, RecoveryOptions, SnapshotFile, Tail, recover, snapshot,
};

use crate::support::{Workload, dirs, full, log, memory, put, recovered};

struct Written {
    vfs: MemoryVfs,
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where each record begins, and where the last one ends.
    bounds: Vec<usize>,
    workload: Workload,
}

/// A log of `count` transactions behind an empty snapshot.
fn written(count: usize, padded: bool) -> Written {
    let memory = memory();
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    snapshot::write(&vfs, &dirs(), &ZkState::new(), Compression::None).unwrap();
    let mut workload = Workload::new(5);
    let mut log = log(&vfs, Zxid(0));
    for txn in workload.take(count) {
        log.append(&txn).unwrap();
    }
    log.sync().unwrap();
    if !padded {
        log.roll().unwrap();
    }
    let path = dirs().logs_dir().join("log.1");
    let mut reader = LogReader::open(&memory, &path).unwrap();
    let mut bounds = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        bounds.push(entry.offset as usize);
    }
    bounds.push(reader.position() as usize);
    let bytes = memory.read(&path).unwrap();
    Written { vfs: memory, path, bytes, bounds, workload }
}

#[test]
fn every_cut_keeps_all_whole_transactions() {
    let written = written(12, false);
    let end = *written.bounds.last().unwrap();
    assert_eq!(written.bytes.len(), end, "a rolled log has no padding");
    for len in 0..=end {
        put(&written.vfs, &written.path, &written.bytes[..len]);
        let whole = written.bounds.iter().skip(1).filter(|bound| **bound <= len).count();
        let (state, report) = recovered(&written.vfs);
        assert_eq!(state.last_zxid(), Zxid(whole as i64), "cut at {len}");
        assert_eq!(state.digest().0, written.workload.digests[whole]);
        let last = written.bounds.iter().rposition(|bound| *bound <= len).map_or(0, |index| written.bounds[index]);
        let rest_shows = written.bytes[last..len].iter().any(|byte| *byte != 0);
        assert_eq!(report.torn.is_some(), rest_shows, "cut at {len}");
    }
}

#[test]
fn every_change_of_the_last_record_loses_at_most_it() {
    for padded in [false, true] {
        let written = written(6, padded);
        let [.., start, end] = written.bounds[..] else { panic!("six records") };
        for at in start..end {
            for change in [0x01, 0x80, 0xff, written.bytes[at]] {
                let mut bytes = written.bytes.clone();
                bytes[at] ^= change;
                if change == 0 {
                    continue;
                }
                put(&written.vfs, &written.path, &bytes);
                let (state, report) = recovered(&written.vfs);
                assert_eq!(state.last_zxid(), Zxid(5), "byte {at} changed by {change:#x}");
                assert_eq!(state.digest().0, written.workload.digests[5]);
                assert!(report.torn.is_some());
                // It was cut, so the name is free for what comes, and the next start is clean.
                assert_eq!(recovered(&written.vfs).1.torn, None);
            }
        }
    }
}

/// The next of a row of numbers that look like chance.
fn chance(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// Cuts, zeroes, flips or overwrites somewhere in the last records.
fn damage(bytes: &mut Vec<u8>, from: usize, end: usize, random: &mut u64) {
    let at = from + chance(random) % (end - from);
    let len = 1 + chance(random) % (end - at);
    match chance(random) % 4 {
        0 => bytes.truncate(at),
        1 => bytes[at..at + len].fill(0),
        2 => bytes[at] ^= 1 << (chance(random) % 8),
        _ => bytes[at..at + len].iter_mut().for_each(|byte| *byte = chance(random) as u8),
    }
}

#[test]
fn whatever_happens_to_the_last_records_what_is_before_them_stays() {
    const RECORDS: usize = 12;
    let logs = [written(RECORDS, false), written(RECORDS, true)];
    for seed in 0..if full() { 10_000 } else { 400 } {
        let mut random = seed;
        let written = &logs[chance(&mut random) % 2];
        let end = written.bounds[RECORDS];
        let mut bytes = written.bytes.clone();
        let from = written.bounds[RECORDS - 1 - chance(&mut random) % 4];
        for _ in 0..=chance(&mut random) % 3 {
            let end = end.min(bytes.len());
            if from < end {
                damage(&mut bytes, from, end, &mut random);
            }
        }
        put(&written.vfs, &written.path, &bytes);
        let changed = (0..end).find(|at| bytes.get(*at) != Some(&written.bytes[*at])).unwrap_or(end);
        let whole = written.bounds.iter().skip(1).filter(|bound| **bound <= changed).count();
        match recover(&written.vfs, &dirs(), RecoveryOptions::default()) {
            Ok(recovered) => {
                assert_eq!(recovered.state.last_zxid(), Zxid(whole as i64), "seed {seed}");
                assert_eq!(recovered.state.digest().0, written.workload.digests[whole], "seed {seed}");
            }
            // Only where good records stand behind the damage.
            Err(RecoveryError::Log(ReadError::Damaged { last, .. })) => {
                assert_eq!(last, Zxid(whole as i64), "seed {seed}");
                assert!(whole + 1 < RECORDS, "seed {seed}: the last record is a torn end, whatever is in it");
            }
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}

#[test]
fn every_change_before_the_last_record_is_refused() {
    let written = written(4, true);
    for at in written.bounds[0]..written.bounds[3] {
        for change in [0x01, 0x80, 0xff, written.bytes[at]] {
            if change == 0 {
                continue;
            }
            let mut bytes = written.bytes.clone();
            bytes[at] ^= change;
            put(&written.vfs, &written.path, &bytes);
            let error = recover(&written.vfs, &dirs(), RecoveryOptions::default()).unwrap_err();
            let RecoveryError::Log(ReadError::Damaged { offset, last, .. }) = error else { panic!("{error}") };
            let record = written.bounds.iter().rposition(|bound| *bound <= at).unwrap();
            assert_eq!((offset as usize, last), (written.bounds[record], Zxid(record as i64)));
            assert_eq!(written.vfs.read(&written.path).unwrap(), bytes, "nothing was cut");
        }
    }
}

#[test]
fn garbage_behind_the_last_record_is_cut() {
    let written = written(3, false);
    let garbage: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    put(&written.vfs, &written.path, &[&written.bytes[..], &garbage].concat());
    let (state, report) = recovered(&written.vfs);
    assert_eq!(state.last_zxid(), Zxid(3));
    assert_eq!(report.torn_bytes(), 5000);
    assert_eq!(written.vfs.metadata(&written.path).unwrap().len, written.bytes.len() as u64);
}

#[test]
fn a_lost_sector_of_the_last_group_is_a_torn_end_and_many_records_behind_it_are_not() {
    let few = written(60, true);
    let lost = few.bounds[2].next_multiple_of(512);
    let mut bytes = few.bytes.clone();
    bytes[lost..lost + 512].fill(0);
    put(&few.vfs, &few.path, &bytes);
    let whole = few.bounds.iter().skip(1).filter(|bound| **bound <= lost).count();
    let (state, report) = recovered(&few.vfs);
    assert_eq!(state.last_zxid(), Zxid(whole as i64));
    assert!(matches!(report.torn.unwrap().tail, Tail::Torn { records_behind, .. } if records_behind > 10));

    let many = written(1100, true);
    let mut bytes = many.bytes.clone();
    bytes[lost..lost + 512].fill(0);
    put(&many.vfs, &many.path, &bytes);
    let error = recover(&many.vfs, &dirs(), RecoveryOptions::default()).unwrap_err();
    assert!(matches!(error, RecoveryError::Log(ReadError::Damaged { .. })), "{error}");
}

#[test]
fn a_long_length_allocates_nothing() {
    let written = written(2, false);
    let mut bytes = written.bytes.clone();
    let length = written.bounds[1] + 8;
    bytes[length..length + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    put(&written.vfs, &written.path, &bytes);
    assert_eq!(recovered(&written.vfs).0.last_zxid(), Zxid(1));
}

#[test]
fn another_file_is_not_a_log() {
    let written = written(1, false);
    put(&written.vfs, &written.path, b"something else entirely");
    let error = recover(&written.vfs, &dirs(), RecoveryOptions::default()).unwrap_err();
    assert!(matches!(error, RecoveryError::Log(ReadError::NotALog { .. })), "{error}");
}

/// Found by the fuzzer.
#[test]
fn a_file_that_ends_within_its_head_is_torn_or_another_file() {
    let written = written(1, false);
    let path = dirs().logs_dir().join("log.2");
    for torn in [&b"ZKLG\0\0\0\x02\0\0\xfa"[..], b"ZKLG\0\0\0\x02\0", b"ZKLG\0\0", b"ZK\0\0\0\0\0\0\0", b""] {
        put(&written.vfs, &path, torn);
        assert_eq!(recovered(&written.vfs).0.last_zxid(), Zxid(1), "{torn:?}");
        assert!(!written.vfs.exists(&path), "{torn:?} is removed");
    }
    for other in [&b"hello"[..], b"ZKLG\0\0\0\x03", b"ZKLGhello", b"x"] {
        put(&written.vfs, &path, other);
        let error = recover(&written.vfs, &dirs(), RecoveryOptions::default()).unwrap_err();
        assert!(matches!(error, RecoveryError::Log(ReadError::NotALog { .. })), "{other:?}: {error}");
    }
}

#[test]
fn an_undamaged_record_that_is_no_transaction_is_refused() {
    let written = written(1, false);
    let body = [&[0; 28][..], &77i32.to_be_bytes()].concat();
    let checksum = i64::from(simd_adler32::adler32(&body.as_slice()));
    let record = [&checksum.to_be_bytes()[..], &32i32.to_be_bytes(), &body, b"B"].concat();
    put(&written.vfs, &written.path, &[&written.bytes[..], &record].concat());
    let error = recover(&written.vfs, &dirs(), RecoveryOptions::default()).unwrap_err();
    assert!(matches!(error, RecoveryError::Log(ReadError::Unknown { .. })), "{error}");
}

#[test]
fn no_damaged_snapshot_is_loaded() {
    let memory = memory();
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    let mut workload = Workload::new(3);
    workload.take(30);
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        let file: SnapshotFile = snapshot::write(&vfs, &dirs(), &workload.state, compression).unwrap();
        let bytes = memory.read(&file.path).unwrap();
        let loads = |bytes: &[u8]| {
            put(&memory, &file.path, bytes);
            snapshot::load(&memory, &file).is_ok()
        };
        assert!(loads(&bytes));
        let step = if bytes.len() > 4000 { 3 } else { 1 };
        for len in (0..bytes.len()).step_by(step) {
            // Without its digest and the second seal (33 bytes) it is a snapshot of an older server.
            let of_an_older_server = compression == Compression::None && len == bytes.len() - 33;
            assert_eq!(loads(&bytes[..len]), of_an_older_server, "cut at {len} {compression:?}");
        }
        if compression == Compression::None {
            for at in (0..bytes.len()).step_by(step) {
                // The version's number, the unused number behind it and the text of the seals are not looked at.
                let mut changed = bytes.clone();
                changed[at] ^= 0x10;
                let in_seal_text = at >= bytes.len() - 1 || at == bytes.len() - 34;
                assert!(!loads(&changed) || in_seal_text, "byte {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn arbitrary_bytes_are_an_error_or_a_torn_end(
        bytes in proptest::collection::vec(prop_oneof![3 => Just(0u8), 1 => Just(b'B'), 2 => any::<u8>()], 0..3000),
    ) {
        let vfs = memory();
        let path = dirs().logs_dir().join("log.1");
        put(&vfs, &path, &[&b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"[..], &bytes].concat());
        let mut reader = LogReader::open(&vfs, &path).unwrap();
        prop_assert!(reader.next().unwrap().is_none());
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let magic: &[u8] = match compression {
                Compression::None => b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff",
                Compression::Gzip => b"\x1f\x8b\x08",
                Compression::Snappy => b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01",
            };
            let file = SnapshotFile { zxid: Zxid(1), compression, path: dirs().snapshots_dir().join("snapshot.1") };
            put(&vfs, &file.path, &[magic, &bytes].concat());
            prop_assert!(snapshot::load(&vfs, &file).is_err());
        }
    }
}
