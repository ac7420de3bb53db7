//! The file of a snapshot: it has its name only when it is whole and durable.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use vfs::{File, OpenMode, Vfs, durable};
use zk_proto::Zxid;

use super::packing::Packer;
use crate::file_names::{Compression, Dirs, SnapshotFile, snapshot_name, unfinished_name};

/// Bytes between two syncs. The log's syncs go to the same disk: one of them should not find a whole snapshot before it.
const SYNC_EVERY: u64 = 1 << 20;

/// Takes the slices of a snapshot. Given up without [`SnapshotSink::finish`], it leaves a file that the next recovery
/// removes.
#[derive(Debug)]
pub struct SnapshotSink {
    vfs: Arc<dyn Vfs>,
    file: Arc<dyn File>,
    unfinished: PathBuf,
    target: SnapshotFile,
    packer: Packer,
    end: u64,
    synced: u64,
}

impl SnapshotSink {
    /// Begins the file for the snapshot at `zxid`.
    pub fn create(vfs: Arc<dyn Vfs>, dirs: &Dirs, zxid: Zxid, compression: Compression) -> io::Result<SnapshotSink> {
        let name = snapshot_name(zxid, compression);
        let unfinished = dirs.snapshots_dir().join(unfinished_name(&name));
        let file = vfs.open(&unfinished, OpenMode::Create)?;
        file.set_len(0)?;
        let target = SnapshotFile { zxid, compression, path: dirs.snapshots_dir().join(name) };
        Ok(SnapshotSink { vfs, file, unfinished, target, packer: Packer::new(compression), end: 0, synced: 0 })
    }

    /// Takes the next slice.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let packed = self.packer.pack(bytes)?;
        self.put(&packed)
    }

    /// Makes the file durable and gives it its name, replacing a snapshot of the same name.
    pub fn finish(mut self) -> io::Result<SnapshotFile> {
        let rest = self.packer.finish()?;
        self.put(&rest)?;
        self.file.sync_data()?;
        durable::rename(self.vfs.as_ref(), &self.unfinished, &self.target.path)?;
        Ok(self.target)
    }

    fn put(&mut self, packed: &[u8]) -> io::Result<()> {
        self.file.write_at(packed, self.end)?;
        self.end += packed.len() as u64;
        if self.end - self.synced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.synced = self.end;
        }
        Ok(())
    }
}
