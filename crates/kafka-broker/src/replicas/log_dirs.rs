//! The directories of `log.dirs`: which are usable, how many logs are in each, and the news that one has failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_log::{Log, LogDir, is_out_of_descriptors};
use tokio::sync::Notify;

/// One of them.
pub(crate) struct DataDir {
    /// `None`: it could not even be opened at the start.
    dir: Option<LogDir>,
    health: Arc<Health>,
    /// Logs in it, future ones too.
    logs: AtomicUsize,
}

/// All of them, in the order of the setting.
pub(crate) struct LogDirs {
    all: Vec<DataDir>,
    failed: Arc<Notify>,
}

/// Whether a directory may be used; every log in it has a share.
#[derive(Debug)]
pub(crate) struct Health {
    path: PathBuf,
    offline: AtomicBool,
    failed: Arc<Notify>,
}

impl Health {
    /// Has the disk failed under anything in it?
    pub(crate) fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// The disk failed: from now on nothing in this directory is used. A failed sync is never tried again, for nobody
    /// knows what it left. Only the first failure is told.
    ///
    /// Without a descriptor left for a file the disk is as good as before, and whoever asked may ask again.
    pub(crate) fn fail(&self, doing: &str, error: &(dyn std::error::Error + 'static)) {
        if is_out_of_descriptors(error) {
            tracing::warn!(target: "kafka.log.LogManager", "{doing} in dir {}: {error}", self.path.display());
            return;
        }
        if self.offline.swap(true, Ordering::AcqRel) {
            return;
        }
        let (path, exception) = (self.path.display(), format!("java.io.IOException: {error}"));
        tracing::error!(
            target: "org.apache.kafka.storage.internals.log.LogDirFailureChannel",
            exception, "{doing} in dir {path}"
        );
        self.failed.notify_one();
    }
}

impl DataDir {
    pub(crate) fn path(&self) -> &Path {
        &self.health.path
    }

    /// The directory itself, if it is usable.
    pub(crate) fn online(&self) -> Option<&LogDir> {
        self.dir.as_ref().filter(|_| !self.health.is_offline())
    }

    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// A log was made in it, or found.
    pub(crate) fn count(&self) {
        self.logs.fetch_add(1, Ordering::Relaxed);
    }

    /// A log in it is gone.
    pub(crate) fn discount(&self) {
        self.logs.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LogDirs {
    /// From paths, and what opening them gave; a failure has been told already.
    pub(crate) fn new(opened: Vec<(PathBuf, Option<LogDir>)>) -> LogDirs {
        let failed = Arc::new(Notify::new());
        let all = opened.into_iter().map(|(path, dir)| DataDir {
            health: Arc::new(Health { path, offline: AtomicBool::new(dir.is_none()), failed: Arc::clone(&failed) }),
            dir,
            logs: AtomicUsize::new(0),
        });
        let all: Vec<DataDir> = all.collect();
        if all.iter().any(|dir| dir.health.is_offline()) {
            failed.notify_one();
        }
        LogDirs { all, failed }
    }

    /// All, usable or not.
    pub(crate) fn all(&self) -> &[DataDir] {
        &self.all
    }

    /// Those that are usable.
    pub(crate) fn online(&self) -> impl Iterator<Item = (&DataDir, &LogDir)> {
        self.all.iter().filter_map(|one| Some((one, one.online()?)))
    }

    /// Is there one that is not usable?
    pub(crate) fn any_offline(&self) -> bool {
        self.all.iter().any(|one| one.health.is_offline())
    }

    /// Index of the directory that holds a log.
    pub(crate) fn index_of(&self, log: &Log) -> usize {
        let parent = log.dir().parent();
        self.all.iter().position(|one| parent == Some(one.path())).unwrap_or_default()
    }

    /// The directory that holds a log.
    pub(crate) fn of(&self, log: &Log) -> &DataDir {
        &self.all[self.index_of(log)]
    }

    /// Where a new log goes: the usable directory with the fewest, the first of them.
    pub(crate) fn emptiest(&self) -> Option<(&DataDir, &LogDir)> {
        self.online().min_by_key(|(one, _)| one.logs.load(Ordering::Relaxed))
    }

    /// Resolves when a directory has failed since the last call, or one is about to be told.
    pub(crate) async fn failure(&self) {
        self.failed.notified().await;
    }

    /// The paths of those that are not usable, as messages name them.
    pub(crate) fn offline_paths(&self) -> String {
        let offline = self.all.iter().filter(|one| one.health.is_offline());
        offline.map(|one| one.path().display().to_string()).collect::<Vec<_>>().join(",")
    }

    /// The paths, as messages name them.
    pub(crate) fn paths(&self) -> String {
        self.all.iter().map(|one| one.path().display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::MemoryVfs;

    fn dirs(usable: &[bool]) -> LogDirs {
        let vfs: Arc<dyn vfs::Vfs> = Arc::new(MemoryVfs::new());
        let open = |(index, usable): (usize, &bool)| {
            let path = PathBuf::from(format!("/d{index}"));
            let dir = usable.then(|| LogDir::open(Arc::clone(&vfs), &path).expect("opens"));
            (path, dir)
        };
        LogDirs::new(usable.iter().enumerate().map(open).collect())
    }

    fn no_disk() -> std::io::Error {
        std::io::Error::from_raw_os_error(5)
    }

    #[test]
    fn without_descriptors_the_disk_is_as_good_as_before() {
        let dirs = dirs(&[true]);
        dirs.all()[0].health().fail("Error while testing", &std::io::Error::from_raw_os_error(24));
        assert!(!dirs.any_offline());
        dirs.all()[0].health().fail("Error while testing", &no_disk());
        assert!(dirs.any_offline());
    }

    #[test]
    fn new_logs_go_where_the_fewest_are_among_those_that_are_usable() {
        let dirs = dirs(&[true, true, false]);
        let chosen = || dirs.emptiest().map(|(one, _)| one.path().to_owned());
        assert_eq!(chosen(), Some(PathBuf::from("/d0")));
        dirs.all()[0].count();
        assert_eq!(chosen(), Some(PathBuf::from("/d1")));
        dirs.all()[1].count();
        dirs.all()[1].count();
        assert_eq!(chosen(), Some(PathBuf::from("/d0")));
        dirs.all()[0].health().fail("Error while testing", &no_disk());
        assert_eq!(chosen(), Some(PathBuf::from("/d1")));
        dirs.all()[1].health().fail("Error while testing", &no_disk());
        assert_eq!(chosen(), None);
    }

    #[tokio::test]
    async fn a_failure_is_told_once() {
        let dirs = dirs(&[true, true]);
        assert!(!dirs.any_offline());
        let health = dirs.all()[1].health();
        health.fail("Error while testing", &no_disk());
        health.fail("Error while testing", &no_disk());
        dirs.failure().await;
        assert!(health.is_offline() && dirs.any_offline());
        assert_eq!(dirs.online().count(), 1);
        let again = tokio::time::timeout(std::time::Duration::from_millis(5), dirs.failure()).await;
        assert!(again.is_err(), "the second failure is no news");
    }
}
