//! A note beside the scripts that says which process this is, so that stop and restart find it and nobody else's.

use std::path::{Path, PathBuf};

use kafka_metadata::BrokerConfig;
use tracing::warn;
use vfs::Vfs;

/// The scripts say by this where to write.
const DIRECTORY: &str = "KAFKA_PID_DIR";
const NAME: &str = "kafka.pid";

/// Removed when dropped: the process has ended in order.
pub(crate) struct PidFile(Option<PathBuf>);

impl PidFile {
    /// Writes pid, start time (field 22 of `/proc/PID/stat`, which tells a process from a later one of the same
    /// number), port and directory. Without the scripts' variable there is nothing to write.
    pub(crate) fn write(vfs: &dyn Vfs, config: &BrokerConfig) -> PidFile {
        let Some(dir) = std::env::var_os(DIRECTORY) else { return PidFile(None) };
        let path = Path::new(&dir).join(NAME);
        let port = config.listeners.first().map_or(0, |listener| listener.port);
        let text = format!("{}\n{}\n{port}\n{}\n", std::process::id(), start_time(vfs), config.log_dirs.join(","));
        match vfs::durable::write_file(vfs, &path, text.as_bytes()) {
            Ok(()) => PidFile(Some(path)),
            Err(error) => {
                warn!(target: "kafka.server.KafkaServer", "{} cannot be written, the stop script will not find this broker: {error}", path.display());
                PidFile(None)
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Gone already is as good.
            let _ = vfs::OsVfs.remove_file(path);
        }
    }
}

fn start_time(vfs: &dyn Vfs) -> String {
    // Files under /proc have no length, so they are read and not measured.
    let mut buffer = [0; 1024];
    let read = vfs
        .open(Path::new("/proc/self/stat"), vfs::OpenMode::Read)
        .and_then(|file| file.read_at(&mut buffer, 0))
        .unwrap_or(0);
    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
    // The name, in parentheses, may hold blanks; field 22 is the 20th behind it.
    let behind = text.rsplit_once(") ").map_or("", |(_, behind)| behind);
    behind.split(' ').nth(19).unwrap_or("0").to_owned()
}
