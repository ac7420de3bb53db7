//! Errors that say which file they are about.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the system with the path it happened at; the kind stays what the system said.
#[derive(Debug)]
struct AtPath {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for AtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl Error for AtPath {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Adds the path to an error of the system.
pub(crate) fn at(path: &Path, source: impl Into<io::Error>) -> io::Error {
    let source = source.into();
    io::Error::new(source.kind(), AtPath { path: path.to_path_buf(), source })
}

/// The `errno` behind an error of this crate: `io::Error::raw_os_error` is `None` once a path was added.
pub fn raw_os_error(error: &io::Error) -> Option<i32> {
    if let Some(code) = error.raw_os_error() {
        return Some(code);
    }
    let at_path = error.get_ref()?.downcast_ref::<AtPath>()?;
    raw_os_error(&at_path.source)
}

/// Did the system only have no descriptor left? That says nothing of the disk, and passes.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    raw_os_error(error).is_some_and(|code| codes.iter().any(|known| known.raw_os_error() == code))
}
