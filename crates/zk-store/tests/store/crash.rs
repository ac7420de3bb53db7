//! The machine stops at every single call that changes something; whatever the disk kept, nothing acknowledged is gone.

use std::sync::Arc;

use vfs::{Crash, FaultVfs, MemoryVfs, Vfs};
use zk_proto::{LoggedTxn, Zxid};
use zk_state::ZkState;
use zk_store::{Compression, SnapshotDump, SnapshotSink, purge, snapshot};

use crate::support::{Workload, assert_same, dirs, full, log, memory, recovered};

/// A server's life: start, groups of writes, snapshots in slices with rolled logs, purges. Acknowledged is what `acked`
/// says when the life ends.
fn live(vfs: &Arc<dyn Vfs>, groups: &[Vec<LoggedTxn>], acked: &mut Zxid) -> Result<(), Box<dyn std::error::Error>> {
    let mut state = ZkState::new();
    snapshot::write(vfs, &dirs(), &state, Compression::None)?;
    let mut log = log(vfs, Zxid(0));
    let mut dump: Option<(SnapshotDump, SnapshotSink)> = None;
    for (number, group) in groups.iter().enumerate() {
        for txn in group {
            log.append(txn)?;
        }
        *acked = log.sync()?;
        for txn in group {
            state.apply(&txn.header, &txn.txn);
        }
        if number % 4 == 1 {
            log.roll()?;
            let begun = SnapshotDump::begin(&state);
            let sink = SnapshotSink::create(Arc::clone(vfs), &dirs(), begun.start_zxid(), Compression::None)?;
            dump = Some((begun, sink));
        }
        if let Some((running, sink)) = &mut dump {
            if let Some(bytes) = running.next_slice(&state, 600) {
                sink.write(&bytes)?;
            } else {
                dump.take().expect("it is running").1.finish()?;
                purge(vfs.as_ref(), &dirs(), 3)?;
            }
        }
    }
    log.roll()?;
    Ok(())
}

fn groups(seed: u64, count: usize) -> (Vec<Vec<LoggedTxn>>, Workload) {
    let mut workload = Workload::new(seed);
    let groups = (0..count).map(|n| workload.take(1 + n % 5)).collect();
    (groups, workload)
}

fn crashes(seed: u64) -> Vec<Crash> {
    let torn = (0..4).map(|n| Crash::Torn { seed: seed * 10 + n });
    let scattered = (0..4).map(|n| Crash::Scattered { seed: seed * 10 + n });
    [Crash::Process, Crash::Power].into_iter().chain(torn).chain(scattered).collect()
}

fn assert_nothing_lost(state: &ZkState, acked: Zxid, workload: &Workload, where_: &str) {
    let last = state.last_zxid();
    assert!(last >= acked, "{where_}: acknowledged {acked}, there is {last}");
    assert_eq!(state.digest().0, workload.digests[last.0 as usize], "{where_}: another tree at {last}");
}

#[test]
fn a_crash_at_every_call() {
    crash_at_every_call(7, 60);
    // Other workloads in the long tier.
    (0..if full() { 40 } else { 0 }).for_each(|seed| crash_at_every_call(1000 + seed, 30));
}

fn crash_at_every_call(seed: u64, count: usize) {
    let (groups, workload) = groups(seed, count);
    let mut stops = 0;
    for stop in 0.. {
        let disk = memory();
        let faults = FaultVfs::new(Arc::new(disk.clone()));
        faults.stop_at_change(stop);
        let vfs: Arc<dyn Vfs> = Arc::new(faults);
        let mut acked = Zxid(0);
        let ended = live(&vfs, &groups, &mut acked).is_ok();
        for crash in crashes(stop) {
            let left = disk.fork();
            left.crash_with(crash);
            let (state, report) = recovered(&left);
            let place = format!("stopped at {stop}, {crash:?}");
            assert_nothing_lost(&state, acked, &workload, &place);
            assert_eq!((report.digest_mismatch, report.gap), (None, None), "{place}");
        }
        if ended {
            break;
        }
        stops += 1;
    }
    assert!(stops > 2 * count, "only {stops} crashes");
}

#[test]
fn a_crash_during_recovery_changes_nothing() {
    let (groups, workload) = groups(11, 12);
    for seed in 0..40 {
        let disk = memory();
        let faults = FaultVfs::new(Arc::new(disk.clone()));
        faults.stop_at_change(25 + seed);
        let mut acked = Zxid(0);
        let vfs: Arc<dyn Vfs> = Arc::new(faults);
        live(&vfs, &groups, &mut acked).unwrap_err();
        disk.crash_with(Crash::Scattered { seed });
        let (expected, _) = recovered(&disk.fork());
        for stop in 0.. {
            let left = disk.fork();
            let faults = FaultVfs::new(Arc::new(left.clone()));
            faults.stop_at_change(stop);
            let ended = zk_store::recover(&faults, &dirs(), zk_store::RecoveryOptions::default()).is_ok();
            left.crash_with(Crash::Torn { seed });
            let (state, _) = recovered(&left);
            assert_same(&state, &expected, "");
            assert_nothing_lost(&state, acked, &workload, "second recovery");
            if ended {
                break;
            }
        }
    }
}

#[test]
fn life_goes_on_after_each_crash() {
    let mut workload = Workload::new(23);
    let disk: MemoryVfs = memory();
    let mut acked = Zxid(0);
    for round in 0..60u64 {
        let (state, _) = recovered(&disk);
        assert_nothing_lost(&state, acked, &workload, &format!("round {round}"));
        // What was not acknowledged and is gone was never: the next transactions take its numbers.
        workload.forget_after(state);
        let faults = FaultVfs::new(Arc::new(disk.clone()));
        let vfs: Arc<dyn Vfs> = Arc::new(faults.clone());
        snapshot::write(&vfs, &dirs(), &workload.state, Compression::None).unwrap();
        purge(vfs.as_ref(), &dirs(), 3).unwrap();
        let mut log = log(&vfs, workload.state.last_zxid());
        faults.stop_at_change(faults.changes() + round % 23);
        loop {
            let group = workload.take(1 + round as usize % 4);
            let appended = group.iter().try_for_each(|txn| log.append(txn));
            match appended.and_then(|()| log.sync()) {
                Ok(zxid) => acked = zxid,
                Err(_) => break,
            }
        }
        log.append(&workload.next()).unwrap_err();
        disk.crash_with(crashes(round)[round as usize % 10]);
    }
    assert!(acked > Zxid(100), "{acked}");
    assert!(dirs().snapshots(&disk).unwrap().len() <= 5);
}

#[test]
fn what_recovery_counted_stays() {
    let disk = memory();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut workload = Workload::new(4);
    snapshot::write(&vfs, &dirs(), &workload.state, Compression::None).unwrap();
    let options = zk_store::TxnLogOptions { force_sync: false, ..zk_store::TxnLogOptions::default() };
    let mut log = zk_store::TxnLog::new(Arc::clone(&vfs), dirs().logs_dir().to_path_buf(), options, Zxid(0));
    for txn in workload.take(20) {
        log.append(&txn).unwrap();
    }
    log.sync().unwrap();
    let lost = disk.fork();
    lost.crash();
    assert_eq!(recovered(&lost).0.last_zxid(), Zxid(0), "nothing of it was synced");
    disk.crash_with(Crash::Process);
    assert_same(&recovered(&disk).0, &workload.state, "after the end of the process");
    disk.crash();
    assert_same(&recovered(&disk).0, &workload.state, "after a power loss behind that");
}
