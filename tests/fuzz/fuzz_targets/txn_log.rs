//! Transaction logs: any bytes as the last of two files. Recovery ends in a state or in an error; what it cut off stays
//! cut, and a second recovery finds the same.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use vfs::{MemoryVfs, OpenMode, Vfs};
use zk_proto::{LoggedTxn, SessionId, Txn, TxnHeader, Zxid};
use zk_store::{Compression, Dirs, RecoveryOptions, TxnLog, TxnLogOptions, recover, snapshot};

fn dirs() -> Dirs {
    Dirs::new(Path::new("/data"), None)
}

/// An empty snapshot and a log of three transactions.
static BEFORE: LazyLock<MemoryVfs> = LazyLock::new(|| {
    let memory = MemoryVfs::new();
    dirs().create(&memory).expect("memory");
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    snapshot::write(&vfs, &dirs(), &empty(), Compression::None).expect("memory");
    let options = TxnLogOptions { preallocate: 0, ..TxnLogOptions::default() };
    let mut log = TxnLog::new(vfs, dirs().logs_dir().to_path_buf(), options, Zxid(0));
    for zxid in 1..=3 {
        let header = TxnHeader { client_id: SessionId(1), cxid: 0, zxid: Zxid(zxid), time: zxid, op: -1 };
        let txn = Txn::Error(zk_proto::ErrorCode::NoNode);
        log.append(&LoggedTxn { header, txn, digest: None }).expect("memory");
    }
    log.roll().expect("memory");
    memory
});

fn empty() -> zk_state::ZkState {
    zk_state::ZkState::new()
}

fuzz_target!(|data: &[u8]| {
    let disk = BEFORE.fork();
    let file = disk.open(&dirs().logs_dir().join("log.4"), OpenMode::Create).expect("memory");
    file.write_at(data, 0).expect("memory");
    let Ok(first) = recover(&disk, &dirs(), RecoveryOptions::default()) else { return };
    let second =
        recover(&disk, &dirs(), RecoveryOptions::default()).expect("what was recovered once is recovered again");
    assert_eq!(second.state.last_zxid(), first.state.last_zxid());
    assert_eq!(second.state.digest(), first.state.digest());
    assert_eq!(second.report.torn, None, "what was torn is cut");
});
