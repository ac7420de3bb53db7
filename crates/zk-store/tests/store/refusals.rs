//! When a server must not start, and what it says; failing disks; how logs are begun and ended.

use std::path::Path;
use std::sync::Arc;

use vfs::{Call, Fault, FaultVfs, MemoryVfs, On, OpenMode, Vfs};
use zk_proto::Zxid;
use zk_state::ZkState;
use zk_store::{Compression, Dirs, LogError, RecoveryError, RecoveryOptions, TxnLog, TxnLogOptions, recover, snapshot};

use crate::support::{Workload, assert_same, dirs, log, memory, put, recovered};

/// Three snapshots (0, 5, 10) with the logs between, and five transactions behind the last.
fn written() -> (MemoryVfs, Workload) {
    let memory = memory();
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    let mut workload = Workload::new(1);
    snapshot::write(&vfs, &dirs(), &workload.state, Compression::None).unwrap();
    for _ in 0..3 {
        let mut log = log(&vfs, workload.state.last_zxid());
        for txn in workload.take(5) {
            log.append(&txn).unwrap();
        }
        log.roll().unwrap();
        if workload.state.last_zxid() < Zxid(15) {
            snapshot::write(&vfs, &dirs(), &workload.state, Compression::None).unwrap();
        }
    }
    (memory, workload)
}

fn error_of(vfs: &dyn Vfs) -> RecoveryError {
    recover(vfs, &dirs(), RecoveryOptions::default()).unwrap_err()
}

fn snapshot_path(name: &str) -> std::path::PathBuf {
    dirs().snapshots_dir().join(name)
}

#[test]
fn a_new_directory_is_an_empty_server() {
    let (state, report) = recovered(&memory());
    assert_same(&state, &ZkState::new(), "");
    assert_eq!((report.snapshot, report.replayed), (None, 0));
}

#[test]
fn an_unreadable_snapshot_gives_way_to_an_older_one() {
    let (vfs, workload) = written();
    put(&vfs, &snapshot_path("snapshot.a"), b"ZKSN");
    let (state, report) = recovered(&vfs);
    assert_same(&state, &workload.state, "");
    assert_eq!(report.skipped.len(), 1);
    assert!(report.snapshot.unwrap().ends_with("snapshot.5"));
}

#[test]
fn an_older_snapshot_without_the_logs_behind_it_is_no_way() {
    let (vfs, _) = written();
    put(&vfs, &snapshot_path("snapshot.a"), b"ZKSN");
    vfs.remove_file(&dirs().logs_dir().join("log.6")).unwrap();
    let error = error_of(&vfs);
    assert!(matches!(&error, RecoveryError::LogsTooShort { reached: Zxid(5), .. }), "{error}");
    vfs.remove_file(&dirs().logs_dir().join("log.b")).unwrap();
    let error = error_of(&vfs);
    assert!(error.to_string().contains("snapshot.a: ends at byte 4"), "{error}");
}

#[test]
fn snapshots_that_all_cannot_be_read_are_listed() {
    let (vfs, _) = written();
    for name in ["snapshot.0", "snapshot.5", "snapshot.a"] {
        put(&vfs, &snapshot_path(name), b"no snapshot at all");
    }
    let text = error_of(&vfs).to_string();
    assert!(text.starts_with("Not able to find valid snapshots in /zk/version-2: "), "{text}");
    assert!(text.contains("snapshot.5: does not begin as a snapshot does"), "{text}");
}

#[test]
fn logs_without_a_snapshot_are_not_trusted() {
    let (vfs, workload) = written();
    for name in ["snapshot.0", "snapshot.5", "snapshot.a"] {
        vfs.remove_file(&snapshot_path(name)).unwrap();
    }
    let text = error_of(&vfs).to_string();
    assert_eq!(text, "No snapshot found, but there are log entries. Something is broken!");
    let trusting = RecoveryOptions { trust_empty_snapshot: true };
    let recovered = recover(&vfs, &dirs(), trusting).unwrap();
    assert_same(&recovered.state, &workload.state, "");
}

#[test]
fn a_log_that_a_crash_left_empty_is_no_log_entry() {
    let vfs = memory();
    vfs.open(&dirs().logs_dir().join("log.1"), OpenMode::Create).unwrap();
    assert_eq!(recovered(&vfs).0.last_zxid(), Zxid(0));
    assert!(dirs().logs(&vfs).unwrap().is_empty(), "its name is free for the first transaction");
}

#[test]
fn swapped_directories_are_noticed() {
    let vfs = MemoryVfs::new();
    let dirs = Dirs::new(Path::new("/data"), Some(Path::new("/logs")));
    dirs.create(&vfs).unwrap();
    put(&vfs, &dirs.logs_dir().join("snapshot.0"), b"");
    let error = recover(&vfs, &dirs, RecoveryOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("/logs/version-2/snapshot.0: "), "{error}");
}

#[test]
fn a_failing_disk_is_not_a_bad_snapshot() {
    let (memory, _) = written();
    let reads = {
        let counting = FaultVfs::new(Arc::new(memory.clone()));
        recovered(&counting);
        counting.calls()
    };
    let mut refused = 0;
    for call in 0..reads {
        let faults = FaultVfs::new(Arc::new(memory.fork()));
        faults.fail(On::Any, call, Fault::Io);
        let result = recover(&faults, &dirs(), RecoveryOptions::default());
        assert!(result.is_err(), "call {call}");
        refused += 1;
    }
    assert!(refused > 10);
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    for (call, fault) in [
        (Call::Sync, Fault::Io),
        (Call::Write, Fault::ShortWrite { kept: 7 }),
        (Call::Resize, Fault::NoSpace),
        (Call::Rename, Fault::Io),
        (Call::SyncDir, Fault::Io),
        (Call::Create, Fault::NoSpace),
    ] {
        let faults = FaultVfs::new(Arc::new(memory()));
        let vfs: Arc<dyn Vfs> = Arc::new(faults.clone());
        snapshot::write(&vfs, &dirs(), &ZkState::new(), Compression::None).unwrap();
        let mut workload = Workload::new(2);
        let mut log = log(&vfs, Zxid(0));
        faults.fail(On::Only(call), 0, fault);
        log.append(&workload.next()).unwrap();
        assert!(matches!(log.sync(), Err(LogError::Io(_))), "{call:?}");
        assert!(matches!(log.append(&workload.next()), Err(LogError::Failed)));
        assert!(matches!(log.sync(), Err(LogError::Failed)));
        assert!(matches!(log.roll(), Err(LogError::Failed)));
        // Apache's server does not start beside a log that is empty.
        let begun = vfs.read_dir(dirs().logs_dir()).unwrap().iter().any(|entry| entry.name.starts_with("log."));
        assert_eq!(begun, call == Call::SyncDir, "{call:?}");
        recovered(vfs.as_ref());
        let left = vfs.read_dir(dirs().logs_dir()).unwrap();
        assert!(!left.iter().any(|entry| entry.name.starts_with('.')), "{call:?}: {left:?}");
    }
}

#[test]
fn transactions_come_in_order() {
    let vfs: Arc<dyn Vfs> = Arc::new(memory());
    let mut workload = Workload::new(2);
    let first = workload.next();
    let mut log = log(&vfs, Zxid(0));
    log.append(&first).unwrap();
    assert!(matches!(log.append(&first), Err(LogError::Order { zxid: Zxid(1), last: Zxid(1) })));
}

#[test]
fn files_begin_with_the_first_transaction_and_roll_by_size() {
    let vfs: Arc<dyn Vfs> = Arc::new(memory());
    let options = TxnLogOptions { preallocate: 0, force_sync: true, size_limit: Some(2000) };
    let mut log = TxnLog::new(Arc::clone(&vfs), dirs().logs_dir().to_path_buf(), options, Zxid(0));
    assert!(dirs().logs(vfs.as_ref()).unwrap().is_empty());
    log.sync().unwrap();
    log.roll().unwrap();
    let mut workload = Workload::new(9);
    for _ in 0..60 {
        log.append(&workload.next()).unwrap();
        log.sync().unwrap();
    }
    let files = dirs().logs(vfs.as_ref()).unwrap();
    assert!(files.len() > 3);
    assert_eq!(files[0].first, Zxid(1));
    for file in &files[..files.len() - 1] {
        let len = vfs.metadata(&file.path).unwrap().len;
        assert!((2000..6000).contains(&len), "{len}");
    }
    snapshot::write(&vfs, &dirs(), &ZkState::new(), Compression::None).unwrap();
    assert_same(&recovered(vfs.as_ref()).0, &workload.state, "");
}

#[test]
fn a_fresh_file_has_apaches_length() {
    let vfs: Arc<dyn Vfs> = Arc::new(memory());
    let logs = dirs().logs_dir().to_path_buf();
    let mut log = TxnLog::new(Arc::clone(&vfs), logs.clone(), TxnLogOptions::default(), Zxid(0));
    log.append(&Workload::new(1).next()).unwrap();
    log.sync().unwrap();
    assert_eq!(vfs.metadata(&logs.join("log.1")).unwrap().len, 67_108_880);
    log.roll().unwrap();
    assert!(vfs.metadata(&logs.join("log.1")).unwrap().len < 200);
}
