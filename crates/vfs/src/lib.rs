//! The only door to files.
//!
//! Two on-disk formats, one question: what is left after a crash? Everything that reads or writes files takes a
//! `&dyn Vfs`, so that `memory` can forget what was not synced and `faults` can fail at a chosen call.
//!
//! # Durability contract
//!
//! * [`File::write_at`] puts bytes where a later read of this process (and of a process started after `kill -9`)
//!   sees them; a power loss may keep any part of them.
//! * [`File::sync_data`] returns only when all bytes written before it, and the length, survive a power loss. After
//!   it failed once, the file's content is unknown: nobody may retry and call the data durable.
//! * Names (created, renamed, removed) survive a power loss only after [`Vfs::sync_dir`] of their directory.
#![deny(missing_docs)]

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod durable;
mod error;
mod faults;
mod memory;
mod os;

pub use error::{is_out_of_descriptors, raw_os_error};
pub use faults::{Call, Fault, FaultVfs, On};
pub use memory::{Crash, MemoryVfs};
pub use os::OsVfs;

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reads only.
    Read,
    /// Must exist; reads and writes.
    ReadWrite,
    /// Reads and writes; made empty if it does not exist, kept as it is if it does.
    Create,
    /// Reads and writes; fails with `AlreadyExists` if it exists.
    CreateNew,
}

/// What is known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Length in bytes; 0 for directories.
    pub len: u64,
    /// Is it a directory?
    pub is_dir: bool,
    /// Milliseconds since 1970 of the last write.
    pub modified_ms: i64,
}

/// Bytes of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of them.
    pub total: u64,
    /// Those that a process without privileges may still write.
    pub usable: u64,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The last component of the path.
    pub name: String,
    /// Is it a directory?
    pub is_dir: bool,
}

/// An open file. All calls take an offset, so that readers and the one writer share a handle.
pub trait File: Send + Sync + std::fmt::Debug {
    /// Reads into `buffer` from `offset`; returns how many bytes, 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; a gap before `offset` reads as zeros.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all `pieces` at `offset`, one behind the other, in one call to the system where it has one: a batch whose
    /// header was patched goes to the file without being copied together.
    fn write_pieces_at(&self, pieces: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        for piece in pieces {
            self.write_at(piece, offset)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Is it empty?
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends (with zeros that occupy no blocks) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves blocks up to `len` bytes and extends the length to it; the reserved part reads as zeros. A file
    /// system that cannot reserve extends only.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;

    /// Reads exactly `buffer.len()` bytes or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }

    /// The descriptor for `sendfile`; `None` where there is none and bytes have to be copied.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// Holds a whole-file lock (`fcntl`, which Java's `FileChannel.tryLock` respects) until dropped.
pub trait Lock: Send + Sync + std::fmt::Debug {}

/// A file system.
pub trait Vfs: Send + Sync + std::fmt::Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// As [`OpenMode::CreateNew`], with a file that only its owner may read and write (0600) where there are owners.
    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path, OpenMode::CreateNew)
    }

    /// What is there; `NotFound` if nothing is.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// The entries of a directory, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes a directory and its missing parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Renames a file or directory, replacing a file that is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock of `path`, making the file if needed; `WouldBlock` if another process, or this one, holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;

    /// Bytes of the volume that `path` lies on.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Does something exist there?
    fn exists(&self, path: &Path) -> bool {
        self.metadata(path).is_ok()
    }

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// The paths in a directory, sorted.
    fn paths_in(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.read_dir(path)?.into_iter().map(|entry| path.join(entry.name)).collect())
    }
}
