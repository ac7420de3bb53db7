//! The thread that owns the transaction log: takes what has been prepared, appends it, syncs once, and tells how far
//! it is. While it syncs, the next transactions gather.
//!
//! A sync that fails ends everything: what is on disk is unknown then, so nothing more may be acknowledged.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use time_types::Tick;
use tokio::sync::watch;
use zk_proto::{LoggedTxn, Zxid};
use zk_store::{LogError, TxnLog};

use crate::clock::Clock;
use crate::config::FlushConfig;

/// Bytes that are appended between two syncs at most, beside the transaction that goes over it.
const GROUP_BYTES: usize = 4 << 20;

/// How far the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Everything up to here is durable.
    Synced(Zxid),
    /// The log cannot be written any more.
    Failed(String),
}

/// Figures of the last syncs; taken by the owner of the metrics.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SyncFigures {
    pub(crate) syncs: u64,
    pub(crate) total_ms: u64,
    pub(crate) max_ms: u64,
    pub(crate) txns: u64,
    pub(crate) max_batch: u64,
}

#[derive(Debug)]
enum Job {
    Append(Arc<LoggedTxn>),
    Roll,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    stop: bool,
    figures: SyncFigures,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner's end of the queue. What waits in it is bounded by the requests that may be in process.
#[derive(Debug)]
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread.
    pub(crate) fn start(
        log: TxnLog,
        flush: FlushConfig,
        warning_ms: u64,
        clock: Clock,
    ) -> std::io::Result<(LogWriter, watch::Receiver<Progress>)> {
        let shared = Arc::new(Shared::default());
        let (progress, receiver) = watch::channel(Progress::Synced(log.last()));
        let synced = clock.now().tick;
        let writer = Writer { shared: Arc::clone(&shared), log, progress, flush, synced, warning_ms, clock };
        let thread = std::thread::Builder::new().name("SyncThread:0".into()).spawn(move || writer.run())?;
        Ok((LogWriter { shared, thread: Some(thread) }, receiver))
    }

    /// Takes a transaction; [`Progress`] tells when it is durable.
    pub(crate) fn append(&self, txn: Arc<LoggedTxn>) {
        self.push(Job::Append(txn));
    }

    /// Begins a new file with the next transaction.
    pub(crate) fn roll(&self) {
        self.push(Job::Roll);
    }

    pub(crate) fn figures(&self) -> SyncFigures {
        self.shared.queue().figures
    }

    fn push(&self, job: Job) {
        let mut queue = self.shared.queue();
        queue.jobs.push(job);
        let first = queue.jobs.len() == 1;
        drop(queue);
        if first {
            self.shared.wake.notify_one();
        }
    }

    /// Writes what waits, and ends the thread.
    pub(crate) fn stop(&mut self) {
        self.shared.queue().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported as a failure.
            let _ = thread.join();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    log: TxnLog,
    progress: watch::Sender<Progress>,
    flush: FlushConfig,
    /// When the last sync was over.
    synced: Tick,
    warning_ms: u64,
    clock: Clock,
}

impl Writer {
    fn run(mut self) {
        let result = self.write_all();
        if let Err(error) = result {
            tracing::error!(
                target: "org.apache.zookeeper.server.ZooKeeperCriticalThread",
                exception = %error,
                "Severe unrecoverable error, from thread : SyncThread:0"
            );
            self.progress.send_replace(Progress::Failed(error.to_string()));
        }
    }

    fn write_all(&mut self) -> Result<(), LogError> {
        let mut jobs = Vec::new();
        let mut batch = 0;
        loop {
            let stop = self.take(&mut jobs);
            for job in jobs.drain(..) {
                match job {
                    Job::Append(txn) => {
                        self.log.append(&txn)?;
                        batch += 1;
                        let full = self.flush.batch > 0 && batch >= self.flush.batch as u64;
                        if full || self.log.unwritten() > GROUP_BYTES {
                            self.sync(std::mem::take(&mut batch))?;
                        }
                    }
                    Job::Roll => {
                        // The file that ends is synced with all that is in it.
                        batch = 0;
                        self.log.roll()?;
                        self.report(self.log.last());
                    }
                }
            }
            if batch > 0 && (stop || !self.more_comes()) {
                self.sync(std::mem::take(&mut batch))?;
            }
            if stop {
                return self.log.roll();
            }
        }
    }

    /// Is the sync to be put off, because the next transactions come in time to go with it?
    fn more_comes(&self) -> bool {
        let FlushConfig { delay_ms, poll_ms, .. } = self.flush;
        let left = delay_ms.saturating_sub(self.now().since(self.synced));
        if left == 0 {
            return false;
        }
        let wait = Duration::from_millis(left.min(poll_ms));
        let queue = self.shared.queue();
        let waited = self.shared.wake.wait_timeout_while(queue, wait, |queue| queue.jobs.is_empty() && !queue.stop);
        let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !queue.jobs.is_empty()
    }

    /// Waits for jobs. True at the end.
    fn take(&self, jobs: &mut Vec<Job>) -> bool {
        let mut queue = self.shared.queue();
        while queue.jobs.is_empty() && !queue.stop {
            queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.jobs, jobs);
        queue.stop
    }

    fn sync(&mut self, batch: u64) -> Result<(), LogError> {
        let before = self.now();
        let synced = self.log.sync()?;
        self.synced = self.now();
        let took = self.synced.since(before);
        self.report(synced);
        let mut queue = self.shared.queue();
        let figures = &mut queue.figures;
        figures.syncs += 1;
        figures.txns += batch;
        figures.total_ms += took;
        figures.max_ms = figures.max_ms.max(took);
        figures.max_batch = figures.max_batch.max(batch);
        drop(queue);
        if took > self.warning_ms {
            tracing::warn!(
                target: "org.apache.zookeeper.server.persistence.FileTxnLog",
                "fsync-ing the write ahead log in SyncThread:0 took {}ms which will adversely affect operation latency.File size is {} bytes. See the ZooKeeper troubleshooting guide",
                Duration::from_millis(took).as_millis(), self.log.size()
            );
        }
        Ok(())
    }

    fn report(&self, synced: Zxid) {
        self.progress.send_replace(Progress::Synced(synced));
    }

    fn now(&self) -> Tick {
        self.clock.now().tick
    }
}
