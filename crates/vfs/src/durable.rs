//! Files that are there whole or not at all, and directories whose names stay.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::{OpenMode, Vfs};

/// Replaces `path` with `bytes`: written beside it as `<name>.tmp`, synced, renamed over it, directory synced. After
/// a crash at any moment the file has its old content or the new one.
pub fn write_file(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path)?;
    let file = vfs.open(&temporary, OpenMode::Create)?;
    // Left over from a crash, it may be longer than what comes now.
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    put_in_place(vfs, &temporary, path)
}

/// As [`write_file`] without waiting for the disk: other processes, and the next start after a kill, see the old or the
/// new content; after a power loss the file may be empty.
pub fn replace_file(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path)?;
    let file = vfs.open(&temporary, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    vfs.rename(&temporary, path)
}

/// As [`write_file`], readable by the owner alone (0600): passwords and session keys.
pub fn write_private_file(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path)?;
    match vfs.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = vfs.create_private(&temporary)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    put_in_place(vfs, &temporary, path)
}

/// Renames and makes the new name, and the end of the old one, durable.
pub fn rename(vfs: &dyn Vfs, from: &Path, to: &Path) -> io::Result<()> {
    vfs.rename(from, to)?;
    vfs.sync_dir(&parent_of(to))?;
    if parent_of(from) != parent_of(to) {
        vfs.sync_dir(&parent_of(from))?;
    }
    Ok(())
}

/// Makes a directory and its missing parents so that all these names survive a power loss.
pub fn create_dir_all(vfs: &dyn Vfs, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut at = path;
    while !at.as_os_str().is_empty() && !vfs.exists(at) {
        missing.push(at);
        match at.parent() {
            Some(parent) => at = parent,
            None => break,
        }
    }
    vfs.create_dir_all(path)?;
    missing.into_iter().rev().try_for_each(|made| vfs.sync_dir(&parent_of(made)))
}

/// The directory that holds the name `path`; `.` for a bare name.
pub fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) => PathBuf::from("."),
        None => path.to_path_buf(),
    }
}

fn temporary_of(path: &Path) -> io::Result<PathBuf> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, format!("{}: names no file", path.display()));
    let mut name = OsString::from(path.file_name().ok_or_else(no_name)?);
    name.push(".tmp");
    Ok(path.with_file_name(name))
}

fn put_in_place(vfs: &dyn Vfs, temporary: &Path, path: &Path) -> io::Result<()> {
    vfs.rename(temporary, path)?;
    vfs.sync_dir(&parent_of(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Crash, FaultVfs, MemoryVfs};
    use std::sync::Arc;

    #[test]
    fn a_crash_at_any_call_leaves_the_old_or_the_new_content() {
        let path = Path::new("/data/meta.properties");
        for at_change in 0.. {
            let memory = MemoryVfs::with_dirs(["/data"]);
            write_file(&memory, path, b"old and longer").unwrap();
            let faults = FaultVfs::new(Arc::new(memory.clone()));
            faults.stop_at_change(at_change);
            let done = write_file(&faults, path, b"new").is_ok();
            for crash in [Crash::Process, Crash::Power, Crash::Torn { seed: at_change }] {
                let left = memory.fork();
                left.crash_with(crash);
                let content = left.read(path).unwrap();
                assert!(content == b"new" || (!done && content == b"old and longer"), "{at_change} {crash:?}");
            }
            if done {
                assert!(at_change >= 4, "a rehearsal without crashes proves nothing");
                return;
            }
        }
    }

    #[test]
    fn made_directories_survive() {
        let memory = MemoryVfs::new();
        create_dir_all(&memory, Path::new("/a/b/c")).unwrap();
        memory.crash();
        assert!(memory.exists(Path::new("/a/b/c")));
        memory.create_dir_all(Path::new("/a/b/c/d")).unwrap();
        memory.crash();
        assert!(!memory.exists(Path::new("/a/b/c/d")));
    }

    #[test]
    fn parent_of_a_bare_name_is_here() {
        assert_eq!(parent_of(Path::new("name")), Path::new("."));
        assert_eq!(parent_of(Path::new("/name")), Path::new("/"));
    }
}
