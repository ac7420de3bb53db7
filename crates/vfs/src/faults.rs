//! A file system that fails when told to: at the n-th call, with the error of a bad or full disk, or for good.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::{DirEntry, File, Lock, Metadata, OpenMode, Space, Vfs};

/// The calls that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Vfs::open`] that makes no file, [`Vfs::metadata`], [`Vfs::read_dir`], [`File::read_at`], [`File::len`].
    Read,
    /// [`Vfs::open`] that may make a file, [`Vfs::create_private`], [`Vfs::create_dir_all`], [`Vfs::lock`].
    Create,
    /// [`File::write_at`].
    Write,
    /// [`File::set_len`] and [`File::reserve`].
    Resize,
    /// [`File::sync_data`].
    Sync,
    /// [`Vfs::rename`].
    Rename,
    /// [`Vfs::remove_file`] and [`Vfs::remove_dir_all`].
    Remove,
    /// [`Vfs::sync_dir`].
    SyncDir,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A bad disk (`EIO`); nothing is done.
    Io,
    /// A full disk (`ENOSPC`); nothing is done.
    NoSpace,
    /// No descriptor is left (`EMFILE`); nothing is done.
    NoDescriptor,
    /// A write keeps so many of its bytes, then the disk is full. Other calls fail as with [`Fault::NoSpace`].
    ShortWrite {
        /// Bytes that are written; more than the call has means all of them.
        kept: usize,
    },
}

/// Which calls a fault counts and hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// All calls.
    Any,
    /// Calls that change something: all but [`Call::Read`].
    Change,
    /// Calls of one kind.
    Only(Call),
}

impl On {
    fn matches(self, call: Call) -> bool {
        match self {
            On::Any => true,
            On::Change => call != Call::Read,
            On::Only(kind) => kind == call,
        }
    }
}

#[derive(Debug)]
struct Planned {
    on: On,
    /// Matching calls that still succeed.
    left: u64,
    fault: Fault,
    /// Goes on failing until [`FaultVfs::clear`].
    lasting: bool,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    changes: u64,
    planned: Vec<Planned>,
    stop_at_change: Option<u64>,
}

/// Wraps another file system; clones share plan and counters.
#[derive(Debug, Clone)]
pub struct FaultVfs {
    inner: Arc<dyn Vfs>,
    state: Arc<Mutex<State>>,
}

impl FaultVfs {
    /// Passes everything on until told otherwise.
    pub fn new(inner: Arc<dyn Vfs>) -> FaultVfs {
        FaultVfs { inner, state: Arc::default() }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Calls so far that change something; a crash rehearsal needs to stop at each of these only.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Lets one call fail: the matching one after `skip` more of its kind.
    pub fn fail(&self, on: On, skip: u64, fault: Fault) {
        self.state().planned.push(Planned { on, left: skip, fault, lasting: false });
    }

    /// As [`FaultVfs::fail`], and all matching calls after it fail too, until [`FaultVfs::clear`].
    pub fn fail_from(&self, on: On, skip: u64, fault: Fault) {
        self.state().planned.push(Planned { on, left: skip, fault, lasting: true });
    }

    /// Ends the process at the changing call number `number` (0 is the first since the start): it and every call
    /// after it, reads too, fail and do nothing.
    pub fn stop_at_change(&self, number: u64) {
        self.state().stop_at_change = Some(number);
    }

    /// Forgets all planned faults; counters stay.
    pub fn clear(&self) {
        let mut state = self.state();
        state.planned.clear();
        state.stop_at_change = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call; an error when it is to fail without doing anything.
    fn before(&self, call: Call) -> io::Result<()> {
        self.fault_of(call).map_or(Ok(()), |fault| Err(error_of(fault)))
    }

    fn fault_of(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        let number = state.changes;
        state.calls += 1;
        state.changes += u64::from(call != Call::Read);
        if state.stop_at_change.is_some_and(|stop| number >= stop && (call != Call::Read || number > stop)) {
            return Some(Fault::Io);
        }
        let mut hit = None;
        state.planned.retain_mut(|planned| {
            if !planned.on.matches(call) {
                return true;
            }
            if planned.left > 0 {
                planned.left -= 1;
                return true;
            }
            hit = hit.or(Some(planned.fault));
            planned.lasting
        });
        hit
    }

    fn wrap(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FaultFile { inner: file, vfs: self.clone() })
    }
}

fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::Io => Errno::IO.into(),
        Fault::NoDescriptor => Errno::MFILE.into(),
        Fault::NoSpace | Fault::ShortWrite { .. } => Errno::NOSPC.into(),
    }
}

impl Vfs for FaultVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.before(match mode {
            OpenMode::Read | OpenMode::ReadWrite => Call::Read,
            OpenMode::Create | OpenMode::CreateNew => Call::Create,
        })?;
        Ok(self.wrap(self.inner.open(path, mode)?))
    }

    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.before(Call::Create)?;
        Ok(self.wrap(self.inner.create_private(path)?))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.before(Call::Read)?;
        self.inner.metadata(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.before(Call::Read)?;
        self.inner.read_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.before(Call::Create)?;
        self.inner.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Call::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.before(Call::Remove)?;
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.before(Call::Remove)?;
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Call::SyncDir)?;
        self.inner.sync_dir(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.before(Call::Read)?;
        self.inner.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.before(Call::Create)?;
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct FaultFile {
    inner: Arc<dyn File>,
    vfs: FaultVfs,
}

impl File for FaultFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.vfs.before(Call::Read)?;
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.vfs.fault_of(Call::Write) {
            None => self.inner.write_at(bytes, offset),
            Some(fault) => {
                if let Fault::ShortWrite { kept } = fault {
                    self.inner.write_at(&bytes[..kept.min(bytes.len())], offset)?;
                }
                Err(error_of(fault))
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.vfs.before(Call::Read)?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.vfs.before(Call::Resize)?;
        self.inner.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.vfs.before(Call::Resize)?;
        self.inner.reserve(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.vfs.before(Call::Sync)?;
        self.inner.sync_data()
    }

    /// Passed on: what `sendfile` does with the descriptor cannot be made to fail here.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryVfs;

    fn faulty() -> (MemoryVfs, FaultVfs) {
        let memory = MemoryVfs::new();
        (memory.clone(), FaultVfs::new(Arc::new(memory)))
    }

    #[test]
    fn the_chosen_call_fails_and_only_that() {
        let (memory, vfs) = faulty();
        let file = vfs.open(Path::new("/f"), OpenMode::Create).unwrap();
        vfs.fail(On::Only(Call::Write), 1, Fault::Io);
        file.write_at(b"a", 0).unwrap();
        let error = file.write_at(b"b", 1).unwrap_err();
        assert_eq!(crate::raw_os_error(&error), Some(Errno::IO.raw_os_error()));
        file.write_at(b"c", 1).unwrap();
        assert_eq!(memory.read(Path::new("/f")).unwrap(), b"ac");
        assert_eq!((vfs.calls(), vfs.changes()), (4, 4));
    }

    #[test]
    fn a_full_disk_stays_full_and_keeps_a_part() {
        let (memory, vfs) = faulty();
        let file = vfs.open(Path::new("/f"), OpenMode::Create).unwrap();
        vfs.fail_from(On::Only(Call::Write), 0, Fault::ShortWrite { kept: 2 });
        assert_eq!(file.write_at(b"abcd", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.write_at(b"efgh", 2).unwrap_err().kind(), io::ErrorKind::StorageFull);
        vfs.clear();
        file.write_at(b"!", 4).unwrap();
        assert_eq!(memory.read(Path::new("/f")).unwrap(), b"abef!");
    }

    #[test]
    fn after_the_stop_nothing_happens_any_more() {
        let (memory, vfs) = faulty();
        vfs.stop_at_change(1);
        let file = vfs.open(Path::new("/f"), OpenMode::Create).unwrap();
        assert_eq!(file.len().unwrap(), 0);
        file.write_at(b"a", 0).unwrap_err();
        file.len().unwrap_err();
        file.sync_data().unwrap_err();
        assert_eq!(memory.read(Path::new("/f")).unwrap(), b"");
    }
}
