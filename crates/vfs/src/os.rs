//! Real files: the system's calls, with the path in every error.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self as sys, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::error::at;
use crate::{DirEntry, File, Lock, Metadata, OpenMode, Space, Vfs};

/// Pieces that one write takes: Linux's `IOV_MAX`.
const PIECES_MAX: usize = 1024;

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsVfs;

/// A lock file that this process holds.
struct Held {
    device: u64,
    inode: u64,
    /// Name of the file, so that `open` compares a word before it asks the system.
    name: OsString,
}

/// Every lock file this process holds. A `fcntl` lock belongs to the process, not to the descriptor: a second lock
/// call would succeed, and closing *any* descriptor of the file gives the lock back. So whoever holds this table
/// decides before a descriptor is made.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_held(table: &[Held], path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    table.iter().any(|entry| entry.name == name)
        && sys::stat(path)
            .is_ok_and(|stat| table.iter().any(|entry| (entry.device, entry.inode) == (stat.st_dev, stat.st_ino)))
}

impl OsVfs {
    fn open_with(path: &Path, flags: OFlags, mode: u32) -> io::Result<Arc<dyn File>> {
        let table = held();
        if is_held(&table, path) {
            let reason = "is a lock file held by this process; a second descriptor would release it";
            return Err(at(path, io::Error::new(io::ErrorKind::WouldBlock, reason)));
        }
        drop(table);
        let fd = retry_on_intr(|| sys::open(path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode)));
        let fd = fd.map_err(|error| at(path, error))?;
        Ok(Arc::new(OsFile { fd, path: path.to_path_buf() }))
    }
}

/// Is it read from where it stands only: a pipe, a terminal, what a shell gives for `<(command)`?
fn is_stream(path: &Path) -> bool {
    let kind = sys::stat(path).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::CharacterDevice | FileType::Socket))
}

fn read_stream(path: &Path) -> io::Result<Vec<u8>> {
    const MORE: usize = 4096;
    let fd = retry_on_intr(|| sys::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()));
    let fd = fd.map_err(|error| at(path, error))?;
    let (mut bytes, mut end) = (Vec::new(), 0);
    loop {
        bytes.resize(end + MORE, 0);
        match retry_on_intr(|| rustix::io::read(&fd, &mut bytes[end..])).map_err(|error| at(path, error))? {
            0 => break,
            more => end += more,
        }
    }
    bytes.truncate(end);
    Ok(bytes)
}

impl Vfs for OsVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let flags = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::ReadWrite => OFlags::RDWR,
            OpenMode::Create => OFlags::RDWR | OFlags::CREATE,
            OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        OsVfs::open_with(path, flags, 0o666)
    }

    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        OsVfs::open_with(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, 0o600)
    }

    /// To the end that is found by reading: the kernel's own files say that their length is 0, and pipes have none.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        const MORE: usize = 4096;
        if is_stream(path) {
            return read_stream(path);
        }
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        let mut end = 0;
        loop {
            if end == bytes.len() {
                bytes.resize(end + MORE, 0);
            }
            match file.read_at(&mut bytes[end..], end as u64)? {
                0 => break,
                more => end += more,
            }
        }
        bytes.truncate(end);
        Ok(bytes)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let stat = sys::stat(path).map_err(|error| at(path, error))?;
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let modified_ms = stat.st_mtime.saturating_mul(1000).saturating_add(stat.st_mtime_nsec as i64 / 1_000_000);
        Ok(Metadata { len: if is_dir { 0 } else { stat.st_size as u64 }, is_dir, modified_ms })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let fd = open_dir(path)?;
        let mut entries = Vec::new();
        for entry in sys::Dir::read_from(&fd).map_err(|error| at(path, error))? {
            let entry = entry.map_err(|error| at(path, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            let is_dir = match entry.file_type() {
                FileType::Directory => true,
                // A link is what it points to; some file systems do not tell the type here.
                FileType::Symlink | FileType::Unknown => self.metadata(&path.join(&name)).is_ok_and(|m| m.is_dir),
                _ => false,
            };
            entries.push(DirEntry { name, is_dir });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match sys::mkdir(path, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => {
                    self.create_dir_all(parent)?;
                    self.create_dir_all(path)
                }
                _ => Err(at(path, Errno::NOENT)),
            },
            Err(_) if self.metadata(path).is_ok_and(|m| m.is_dir) => Ok(()),
            Err(error) => Err(at(path, error)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        sys::rename(from, to).map_err(|error| at(from, error))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        sys::unlink(path).map_err(|error| at(path, error))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door; std's recursion does not follow swapped links")]
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path).map_err(|error| at(path, error))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let fd = open_dir(path)?;
        match retry_on_intr(|| sys::fsync(&fd)) {
            // Some network and FUSE file systems have no such call for directories and keep names at once.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(at(path, error)),
        }
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let volume = sys::statvfs(path).map_err(|error| at(path, error))?;
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        Ok(Space { total: bytes(volume.f_blocks), usable: bytes(volume.f_bavail) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut table = held();
        let would_block = |who| Err(at(path, io::Error::new(io::ErrorKind::WouldBlock, who)));
        if is_held(&table, path) {
            return would_block("already locked by this process");
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| sys::open(path, flags, Mode::from_raw_mode(0o666)));
        let fd = fd.map_err(|error| at(path, error))?;
        match retry_on_intr(|| sys::fcntl_lock(&fd, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => return would_block("already locked by another process"),
            Err(error) => return Err(at(path, error)),
        }
        let stat = sys::fstat(&fd).map_err(|error| at(path, error))?;
        let name = path.file_name().unwrap_or_default().to_os_string();
        table.push(Held { device: stat.st_dev, inode: stat.st_ino, name });
        Ok(Box::new(OsLock { fd: Some(fd), device: stat.st_dev, inode: stat.st_ino }))
    }
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let path_or_here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| sys::open(path_or_here, flags, Mode::empty())).map_err(|error| at(path, error))
}

#[derive(Debug)]
struct OsLock {
    /// `None` only while being dropped.
    fd: Option<OwnedFd>,
    device: u64,
    inode: u64,
}

impl Lock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        let mut table = held();
        // Closing gives the lock back; only then may somebody else in this process open the file.
        self.fd = None;
        table.retain(|entry| (entry.device, entry.inode) != (self.device, self.inode));
    }
}

#[derive(Debug)]
struct OsFile {
    fd: OwnedFd,
    path: PathBuf,
}

impl OsFile {
    fn done<T>(&self, result: Result<T, Errno>) -> io::Result<T> {
        result.map_err(|error| at(&self.path, error))
    }
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.done(retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buffer, offset)))
    }

    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.done(retry_on_intr(|| rustix::io::pwrite(&self.fd, bytes, offset)))?;
            if written == 0 {
                return Err(at(&self.path, io::Error::from(io::ErrorKind::WriteZero)));
            }
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }

    fn write_pieces_at(&self, pieces: &[io::IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        for pieces in pieces.chunks(PIECES_MAX) {
            let mut written = self.done(retry_on_intr(|| rustix::io::pwritev(&self.fd, pieces, offset)))?;
            // A short write is rare (a nearly full disk): the rest goes the plain way, which reports the reason.
            for piece in pieces {
                let here = written.min(piece.len());
                self.write_at(&piece[here..], offset + here as u64)?;
                offset += piece.len() as u64;
                written -= here;
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.done(sys::fstat(&self.fd))?.st_size as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.done(retry_on_intr(|| sys::ftruncate(&self.fd, len)))
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let current = self.len()?;
        if len <= current {
            return Ok(());
        }
        match retry_on_intr(|| sys::fallocate(&self.fd, sys::FallocateFlags::empty(), current, len - current)) {
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => self.set_len(len),
            other => self.done(other),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.done(retry_on_intr(|| sys::fdatasync(&self.fd)))
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

#[cfg(test)]
pub(crate) mod test_dir;
#[cfg(test)]
mod tests;
