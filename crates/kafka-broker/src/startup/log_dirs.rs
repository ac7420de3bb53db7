//! Opens the directories of `log.dirs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use kafka_log::{DirError, LogDir};
use tracing::error;
use vfs::Vfs;

use crate::config::Config;
use crate::replicas::log_dirs::LogDirs;

/// Opens and locks each. One that the disk does not give is left out, and told to the controller later; one that
/// somebody else holds, or with none left, the broker does not start.
pub(super) fn open(vfs: &Arc<dyn Vfs>, config: &Config) -> Result<LogDirs> {
    let mut opened: Vec<(PathBuf, Option<LogDir>)> = Vec::new();
    for path in &config.broker().log_dirs {
        let path = absolute(Path::new(path));
        match LogDir::open(Arc::clone(vfs), &path) {
            Ok(dir) => opened.push((path, Some(dir))),
            Err(locked @ DirError::Locked(_)) => {
                return Err(anyhow!(
                    "org.apache.kafka.common.KafkaException: {locked}\n\
                     Another broker uses this directory: stop it, or give this one another log.dirs."
                ));
            }
            Err(error) => {
                let exception = format!("java.io.IOException: {error}");
                error!(
                    target: "org.apache.kafka.storage.internals.log.LogDirFailureChannel",
                    exception, "Failed to create or validate data directory {}", path.display()
                );
                opened.push((path, None));
            }
        }
    }
    if opened.iter().all(|(_, dir)| dir.is_none()) {
        let paths: Vec<String> = opened.iter().map(|(path, _)| path.display().to_string()).collect();
        error!(
            target: "kafka.log.LogManager",
            "Shutdown broker because none of the specified log dirs from {} can be created or validated",
            paths.join(", ")
        );
        return Err(anyhow!(
            "none of the directories in log.dirs can be used: look for the reason of each above\n(log.dirs={})",
            paths.join(",")
        ));
    }
    Ok(LogDirs::new(opened))
}

/// As seen from the directory that the broker was started in.
fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Without a slash at its end, as messages and answers name it.
    whole.components().collect()
}
