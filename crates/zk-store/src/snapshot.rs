//! Snapshots: Apache's layout, written in slices while transactions go on, and read back.
//!
//! ```text
//! file     := head sessions acls node* end seal [digest seal]      (packed as a whole if its name says so)
//! head     := "ZKSN" version:int=2 dbid:long=-1
//! sessions := count:int { session:long timeout:int }*
//! acls     := count:int { index:long acls:vector }*                (-1, the open list, is never listed)
//! node     := path:ustring data:buffer acl:long StatPersisted      (first the root, whose path is empty)
//! end      := "/":ustring
//! seal     := adler32:long "/":ustring                             (over everything before it, earlier seals too)
//! digest   := zxid:long version:int=2 digest:long
//! ```
//!
//! The name carries the zxid of the start, the digest that of the end: in between the tree changed, and what a
//! snapshot holds of that is made right by replay. See `zk_state::snapshot` for what makes that safe.

mod dump;
mod file;
mod load;
mod packing;
mod source;

pub use dump::SnapshotDump;
pub use file::SnapshotSink;
pub use load::{Loaded, SnapshotDigest, SnapshotError, load};

use std::fmt;
use std::io;
use std::sync::Arc;

use simd_adler32::Adler32;
use vfs::{OpenMode, Vfs};
use zk_state::ZkState;

use crate::file_names::{Compression, Dirs, SnapshotFile};

/// What every snapshot begins with.
pub(crate) const HEAD: [u8; 16] = *b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";
/// What every seal ends with: a string of one byte, `/`.
pub(crate) const SEAL_END: [u8; 5] = *b"\0\0\0\x01/";
/// Znodes between two looks at how many bytes a slice has.
pub(crate) const STEP: usize = 64;
/// Bytes of a slice when nobody waits for the tree.
const SLICE: usize = 256 << 10;

/// Writes a whole snapshot of a state that nobody changes meanwhile, as at a server's start.
pub fn write(vfs: &Arc<dyn Vfs>, dirs: &Dirs, state: &ZkState, packing: Compression) -> io::Result<SnapshotFile> {
    let mut dump = SnapshotDump::begin(state);
    let mut sink = SnapshotSink::create(Arc::clone(vfs), dirs, dump.start_zxid(), packing)?;
    while let Some(bytes) = dump.next_slice(state, SLICE) {
        sink.write(&bytes)?;
    }
    sink.finish()
}

/// Does the file end, or at least begin, as a finished snapshot does? Reads a few bytes only; Apache's question when
/// it chooses what to keep.
pub fn looks_valid(vfs: &dyn Vfs, snapshot: &SnapshotFile) -> io::Result<bool> {
    let file = vfs.open(&snapshot.path, OpenMode::Read)?;
    let len = file.len()?;
    let (at, expected): (u64, &[u8]) = match snapshot.compression {
        Compression::None => (len.saturating_sub(SEAL_END.len() as u64), &SEAL_END),
        Compression::Gzip => (0, &packing::GZIP_MAGIC),
        Compression::Snappy => (0, &packing::SNAPPY_MAGIC),
    };
    if len < at + expected.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; expected.len()];
    file.read_exact_at(&mut found, at)?;
    Ok(found == expected)
}

/// The running Adler-32.
struct Checksum(Adler32);

impl Checksum {
    fn new() -> Checksum {
        Checksum(Adler32::new())
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// As it stands in a seal.
    fn value(&self) -> i64 {
        i64::from(self.0.finish())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.value())
    }
}
