//! Snapshots, plain and packed: any bytes load or do not; what loads is written again and loads to the same.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vfs::{MemoryVfs, OpenMode, Vfs};
use zk_proto::Zxid;
use zk_store::{Compression, Dirs, SnapshotFile, snapshot};

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let compression = [Compression::None, Compression::Gzip, Compression::Snappy][usize::from(kind % 3)];
    let memory = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    let dirs = Dirs::new(Path::new("/data"), None);
    dirs.create(&memory).expect("memory");
    let path = dirs.snapshots_dir().join("snapshot.1");
    let file = vfs.open(&path, OpenMode::Create).expect("memory");
    file.write_at(bytes, 0).expect("memory");
    // All that is in it was there when it was begun: what is younger would be left out when it is written.
    let given = SnapshotFile { zxid: Zxid(i64::MAX), compression, path };
    let _ = snapshot::looks_valid(&memory, &given);
    let Ok(first) = snapshot::load(&memory, &given) else { return };
    let written = snapshot::write(&vfs, &dirs, &first.state, Compression::None).expect("memory");
    let second = snapshot::load(&memory, &written).expect("what was written loads");
    assert_eq!(second.state.digest(), first.state.digest());
    assert_eq!(second.state.tree().node_count(), first.state.tree().node_count());
    assert_eq!(second.state.tree().approximate_data_size(), first.state.tree().approximate_data_size());
    assert_eq!(second.state.sessions().len(), first.state.sessions().len());
});
