//! Files in memory that know what a power loss would leave of them.
//!
//! Stricter than a disk on purpose: bytes survive only after their file's [`File::sync_data`], names only after
//! their directory's [`Vfs::sync_dir`]. What passes here does not lean on a habit of one file system.
//!
//! A handle or a lock from before a crash belongs to a process that is gone: all its calls fail.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::at;
use crate::{DirEntry, File, Lock, Metadata, OpenMode, Space, Vfs};

mod image;

use image::{Change, Content};

/// What the end of the process, or of the machine, leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// `kill -9`: everything written stays, handles and locks are gone.
    Process,
    /// Power loss with the emptiest result that the contract allows: nothing unsynced stays.
    Power,
    /// Power loss that kept, per file and per directory, the first so many unsynced changes, the last of them in
    /// part. The seed decides how many.
    Torn {
        /// Start of the random sequence; the same seed gives the same result.
        seed: u64,
    },
    /// Power loss that kept any of the unsynced changes, in pieces of 512 bytes: a disk writes in its own order.
    Scattered {
        /// Start of the random sequence; the same seed gives the same result.
        seed: u64,
    },
}

/// A file system in memory. Clones share the files.
#[derive(Debug, Clone, Default)]
pub struct MemoryVfs {
    shared: Arc<Mutex<Disk>>,
}

impl MemoryVfs {
    /// An empty file system that has only `/`. Relative paths count from there.
    pub fn new() -> MemoryVfs {
        MemoryVfs::default()
    }

    /// One that already has these directories, durably, as a machine has them before the program starts.
    pub fn with_dirs<P: AsRef<Path>>(dirs: impl IntoIterator<Item = P>) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        for dir in dirs {
            vfs.create_dir_all(dir.as_ref()).expect("an empty file system has no file in the way");
        }
        for node in vfs.disk().nodes.values_mut() {
            if let Node::Dir(dir) = node {
                dir.sync();
            }
        }
        vfs
    }

    /// Power loss that forgets everything unsynced: [`Crash::Power`].
    pub fn crash(&self) {
        self.crash_with(Crash::Power);
    }

    /// Ends the process or the machine; see [`Crash`].
    pub fn crash_with(&self, crash: Crash) {
        self.disk().crash(crash);
    }

    /// A copy with the same bytes, names and unsynced changes, that goes its own way: so one workload serves many
    /// crashes. Handles stay with the original.
    pub fn fork(&self) -> MemoryVfs {
        let disk = self.disk();
        let copy = Disk {
            nodes: disk.nodes.clone(),
            next: disk.next,
            generation: disk.generation,
            locks: HashSet::new(),
            now_ms: disk.now_ms,
        };
        MemoryVfs { shared: Arc::new(Mutex::new(copy)) }
    }

    /// Sets the time that writes are stamped with, in milliseconds since 1970.
    pub fn set_time(&self, now_ms: i64) {
        self.disk().now_ms = now_ms;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type NodeId = u64;
const ROOT: NodeId = 0;

#[derive(Debug, Clone)]
enum Node {
    Dir(Dir),
    File(Content),
}

#[derive(Debug, Clone, Default)]
struct Dir {
    now: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
    /// One inner list per call: a rename within a directory happens whole or not at all.
    unsynced: Vec<Vec<NameChange>>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(String, NodeId),
    Remove(String),
}

impl Dir {
    fn change(&mut self, changes: Vec<NameChange>) {
        apply_names(&mut self.now, &changes);
        self.unsynced.push(changes);
    }

    fn sync(&mut self) {
        self.durable = self.now.clone();
        self.unsynced.clear();
    }
}

fn apply_names(names: &mut BTreeMap<String, NodeId>, changes: &[NameChange]) {
    for change in changes {
        match change {
            NameChange::Put(name, id) => names.insert(name.clone(), *id),
            NameChange::Remove(name) => names.remove(name),
        };
    }
}

#[derive(Debug)]
struct Disk {
    nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
    /// Counts crashes; handles and locks carry the one they were made in.
    generation: u64,
    locks: HashSet<NodeId>,
    now_ms: i64,
}

impl Default for Disk {
    fn default() -> Disk {
        let nodes = BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]);
        Disk { nodes, next: 1, generation: 0, locks: HashSet::new(), now_ms: 0 }
    }
}

fn kind(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

impl Disk {
    fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at_node = ROOT;
        for name in names_of(path) {
            at_node = *self.dir(at_node)?.now.get(&name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
        }
        Ok(at_node)
    }

    /// The directory that holds the last name of `path`, and that name.
    fn find_parent(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let mut names = names_of(path);
        let last = names.pop().ok_or_else(|| kind(io::ErrorKind::InvalidInput))?;
        let mut at_node = ROOT;
        for name in names {
            at_node = *self.dir(at_node)?.now.get(&name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
        }
        self.dir(at_node)?;
        Ok((at_node, last))
    }

    fn dir(&self, id: NodeId) -> io::Result<&Dir> {
        match self.nodes.get(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(kind(io::ErrorKind::NotADirectory)),
            None => Err(kind(io::ErrorKind::NotFound)),
        }
    }

    fn dir_mut(&mut self, id: NodeId) -> &mut Dir {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => dir,
            _ => unreachable!("the caller looked this directory up under the same lock"),
        }
    }

    fn make(&mut self, parent: NodeId, name: String, node: Node) -> NodeId {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        self.dir_mut(parent).change(vec![NameChange::Put(name, id)]);
        id
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<NodeId> {
        let (parent, name) = self.find_parent(path)?;
        match (self.dir(parent)?.now.get(&name).copied(), mode) {
            (Some(_), OpenMode::CreateNew) => Err(kind(io::ErrorKind::AlreadyExists)),
            (Some(id), _) => match &self.nodes[&id] {
                Node::Dir(_) => Err(kind(io::ErrorKind::IsADirectory)),
                Node::File(_) => Ok(id),
            },
            (None, OpenMode::Read | OpenMode::ReadWrite) => Err(kind(io::ErrorKind::NotFound)),
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                let content = Content::new(self.now_ms);
                Ok(self.make(parent, name, Node::File(content)))
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_dir, from_name) = self.find_parent(from)?;
        let (to_dir, to_name) = self.find_parent(to)?;
        let id = *self.dir(from_dir)?.now.get(&from_name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
        if let Some(old) = self.dir(to_dir)?.now.get(&to_name) {
            match (&self.nodes[&id], &self.nodes[old]) {
                (Node::File(_), Node::Dir(_)) => return Err(kind(io::ErrorKind::IsADirectory)),
                (Node::Dir(_), Node::File(_)) => return Err(kind(io::ErrorKind::NotADirectory)),
                (Node::Dir(_), Node::Dir(dir)) if !dir.now.is_empty() => {
                    return Err(kind(io::ErrorKind::DirectoryNotEmpty));
                }
                _ => {}
            }
        }
        let remove = NameChange::Remove(from_name);
        let put = NameChange::Put(to_name, id);
        if from_dir == to_dir {
            self.dir_mut(from_dir).change(vec![remove, put]);
        } else {
            self.dir_mut(to_dir).change(vec![put]);
            self.dir_mut(from_dir).change(vec![remove]);
        }
        Ok(())
    }

    fn crash(&mut self, crash: Crash) {
        self.generation += 1;
        self.locks.clear();
        let mut random = match crash {
            Crash::Process => return,
            Crash::Power => Random(0),
            Crash::Torn { seed } | Crash::Scattered { seed } => Random(seed),
        };
        for node in self.nodes.values_mut() {
            match node {
                Node::Dir(dir) => {
                    let all = dir.unsynced.len();
                    let kept = if crash == Crash::Power { 0 } else { random.below(all + 1) };
                    let mut names = std::mem::take(&mut dir.durable);
                    dir.unsynced[..kept].iter().for_each(|changes| apply_names(&mut names, changes));
                    dir.now.clone_from(&names);
                    dir.durable = names;
                    dir.unsynced.clear();
                }
                Node::File(content) => content.crash(crash, &mut random),
            }
        }
        self.forget_unreachable();
    }

    fn forget_unreachable(&mut self) {
        let mut reached = HashSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(id) = open.pop() {
            if let Some(Node::Dir(dir)) = self.nodes.get(&id) {
                open.extend(dir.now.values().filter(|child| reached.insert(**child)));
            }
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }
}

/// The names from the root on; `.` and `..` are resolved as text.
fn names_of(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}

/// SplitMix64: enough for choosing what a crash keeps, and the same on every machine.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

impl Vfs for MemoryVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        let id = disk.open(path, mode).map_err(|error| at(path, error))?;
        let generation = disk.generation;
        let writes = mode != OpenMode::Read;
        Ok(Arc::new(MemoryFile { vfs: self.clone(), id, generation, writes, path: path.to_path_buf() }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let disk = self.disk();
        let id = disk.find(path).map_err(|error| at(path, error))?;
        Ok(match &disk.nodes[&id] {
            Node::Dir(_) => Metadata { len: 0, is_dir: true, modified_ms: 0 },
            Node::File(content) => Metadata { len: content.len(), is_dir: false, modified_ms: content.modified_ms },
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let disk = self.disk();
        let id = disk.find(path).map_err(|error| at(path, error))?;
        let dir = disk.dir(id).map_err(|error| at(path, error))?;
        let is_dir = |id| matches!(disk.nodes[id], Node::Dir(_));
        Ok(dir.now.iter().map(|(name, id)| DirEntry { name: name.clone(), is_dir: is_dir(id) }).collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let mut at_node = ROOT;
        for name in names_of(path) {
            at_node = match disk.dir(at_node).map_err(|error| at(path, error))?.now.get(&name) {
                Some(id) => *id,
                None => disk.make(at_node, name, Node::Dir(Dir::default())),
            };
        }
        disk.dir(at_node).map(|_| ()).map_err(|_| at(path, kind(io::ErrorKind::AlreadyExists)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk().rename(from, to).map_err(|error| at(from, error))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let found = disk.find_parent(path).and_then(|(parent, name)| {
            let id = *disk.dir(parent)?.now.get(&name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
            match disk.nodes[&id] {
                Node::Dir(_) => Err(kind(io::ErrorKind::IsADirectory)),
                Node::File(_) => Ok((parent, name)),
            }
        });
        let (parent, name) = found.map_err(|error| at(path, error))?;
        disk.dir_mut(parent).change(vec![NameChange::Remove(name)]);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let found = disk.find_parent(path).and_then(|(parent, name)| {
            let id = *disk.dir(parent)?.now.get(&name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
            disk.dir(id).map(|_| (parent, name))
        });
        let (parent, name) = found.map_err(|error| at(path, error))?;
        disk.dir_mut(parent).change(vec![NameChange::Remove(name)]);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let id = disk.find(path).and_then(|id| disk.dir(id).map(|_| id)).map_err(|error| at(path, error))?;
        disk.dir_mut(id).sync();
        Ok(())
    }

    /// As large as can be, and nearly empty.
    fn space(&self, path: &Path) -> io::Result<Space> {
        let disk = self.disk();
        disk.find(path).map_err(|error| at(path, error))?;
        Ok(Space { total: u64::MAX, usable: u64::MAX })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut disk = self.disk();
        let id = disk.open(path, OpenMode::Create).map_err(|error| at(path, error))?;
        if !disk.locks.insert(id) {
            return Err(at(path, io::Error::new(io::ErrorKind::WouldBlock, "already locked by this process")));
        }
        Ok(Box::new(MemoryLock { vfs: self.clone(), id, generation: disk.generation }))
    }
}

#[derive(Debug)]
struct MemoryLock {
    vfs: MemoryVfs,
    id: NodeId,
    generation: u64,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut disk = self.vfs.disk();
        if disk.generation == self.generation {
            disk.locks.remove(&self.id);
        }
    }
}

#[derive(Debug)]
struct MemoryFile {
    vfs: MemoryVfs,
    id: NodeId,
    generation: u64,
    writes: bool,
    path: PathBuf,
}

impl MemoryFile {
    fn with<T>(&self, act: impl FnOnce(&mut Content, i64) -> T) -> io::Result<T> {
        let mut disk = self.vfs.disk();
        if disk.generation != self.generation {
            return Err(at(&self.path, io::Error::other("handle of a process that has crashed")));
        }
        let now_ms = disk.now_ms;
        match disk.nodes.get_mut(&self.id) {
            Some(Node::File(content)) => Ok(act(content, now_ms)),
            _ => unreachable!("nodes go away in a crash only, and the generation has not changed"),
        }
    }

    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writes {
            return Err(at(&self.path, io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading")));
        }
        self.with(|content, now_ms| content.change(change, now_ms))
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|content, _| content.read_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.change(Change::Write { offset, bytes: bytes.to_vec() })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|content, _| content.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(len))
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        if len <= self.len()? {
            return Ok(());
        }
        self.change(Change::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|content, _| content.sync())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests;
