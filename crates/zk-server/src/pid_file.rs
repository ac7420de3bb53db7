//! The note that the stop scripts read: which process this is, and what it serves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vfs::{Vfs, durable};

use crate::environment;

/// The note; removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
}

impl PidFile {
    /// Writes `dir/zookeeper.pid`: process id, start time in ticks since boot, port, data directory, one per line.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(vfs: Arc<dyn Vfs>, dir: &Path, port: Option<u16>, data_dir: &Path) -> io::Result<PidFile> {
        vfs.create_dir_all(dir)?;
        let path = dir.join("zookeeper.pid");
        let note = format!(
            "{}\n{}\n{}\n{}\n",
            std::process::id(),
            environment::start_ticks().unwrap_or(0),
            port.map_or_else(String::new, |port| port.to_string()),
            data_dir.display()
        );
        durable::write_file(vfs.as_ref(), &path, note.as_bytes())?;
        Ok(PidFile { vfs, path })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // The scripts check the process behind a note, so one that stays does no harm.
        let _ = self.vfs.remove_file(&self.path);
    }
}
