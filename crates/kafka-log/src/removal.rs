//! Unlinking files that were renamed away, later and elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time_types::Tick;
use vfs::Vfs;

use crate::error::{IoContext, LogError};

/// Files, or a directory, that nobody uses any more and that [`FileRemoval::run`] unlinks. They carry a name that the
/// next start removes, so losing this value loses only disk space until then.
#[derive(Debug)]
pub struct FileRemoval {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) paths: Vec<PathBuf>,
    /// Not before this time (`file.delete.delay.ms`).
    pub due: Tick,
}

impl FileRemoval {
    /// What goes.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Unlinks; a file that is gone already is no error.
    pub fn run(&self) -> Result<(), LogError> {
        self.paths.iter().try_for_each(|path| remove(&*self.vfs, path))
    }
}

/// Removes a file or directory; one that is not there is no error.
pub(crate) fn remove(vfs: &dyn Vfs, path: &Path) -> Result<(), LogError> {
    let removed = match vfs.metadata(path) {
        Ok(metadata) if metadata.is_dir => vfs.remove_dir_all(path),
        Ok(_) => vfs.remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.context("removing", path),
    }
}
