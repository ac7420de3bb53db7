//! Snapshots taken while transactions go on: loaded and replayed they give the live state.

use std::sync::Arc;

use proptest::prelude::*;
use vfs::Vfs;
use zk_proto::Zxid;
use zk_state::ZkState;
use zk_store::{Compression, SnapshotDump, SnapshotSink, snapshot};

use crate::support::{Workload, assert_same, dirs, log, memory, recovered};

fn check(seed: u64, before: usize, slice: usize, writes: usize, compression: Compression) {
    let memory = memory();
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    snapshot::write(&vfs, &dirs(), &ZkState::new(), Compression::None).unwrap();
    let mut workload = Workload::new(seed);
    let mut log = log(&vfs, Zxid(0));
    for txn in workload.take(before) {
        log.append(&txn).unwrap();
    }
    log.roll().unwrap();
    let mut dump = SnapshotDump::begin(&workload.state);
    let start = dump.start_zxid();
    let mut sink = SnapshotSink::create(Arc::clone(&vfs), &dirs(), start, compression).unwrap();
    while let Some(bytes) = dump.next_slice(&workload.state, slice) {
        sink.write(&bytes).unwrap();
        for txn in workload.take(writes) {
            log.append(&txn).unwrap();
        }
    }
    let file = sink.finish().unwrap();
    for txn in workload.take(5) {
        log.append(&txn).unwrap();
    }
    log.sync().unwrap();
    let (state, report) = recovered(&memory);
    assert_eq!(report.snapshot, Some(file.path));
    assert_same(&state, &workload.state, "");
    assert_eq!(report.digest_mismatch, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn loaded_and_replayed_it_is_the_live_state(
        seed in any::<u64>(),
        before in 0..300usize,
        slice in prop_oneof![Just(1usize), 1..3000usize],
        writes in 0..40usize,
    ) {
        check(seed, before, slice, writes, Compression::None);
    }
}

#[test]
fn packed_ones_too() {
    for seed in 0..5 {
        check(seed, 200, 1000, 10, Compression::Gzip);
        check(seed, 200, 1000, 10, Compression::Snappy);
    }
}
