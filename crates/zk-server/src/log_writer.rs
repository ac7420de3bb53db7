//! The thread that owns the transaction log: takes what has been prepared, appends it, syncs once, and tells how far
//! it is. While it syncs, the next transactions gather. It is woken when the owner of the state has nothing else ready,
//! not for the first transaction of many.
//!
//! A sync that fails ends everything: what is on disk is unknown then, so nothing more may be acknowledged.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use time_types::Tick;
use tokio::sync::watch;
use zk_proto::{LoggedTxn, Zxid};
use zk_store::{LogError, TxnLog};

use crate::clock::Clock;
use crate::config::FlushConfig;
use crate::metrics::Registry;
use crate::metrics::definitions::{self as measured, SummaryId};
use crate::outlet::Bell;

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

/// What this thread measures.
const MEASURED: [SummaryId; 7] = [
    measured::FSYNC_TIME,
    measured::SYNC_BATCH_SIZE,
    measured::SYNC_FLUSH_TIME,
    measured::SYNC_PROCESS_TIME,
    measured::SYNC_QUEUE_AND_FLUSH_TIME,
    measured::SYNC_QUEUE_SIZE,
    measured::SYNC_QUEUE_TIME,
];

#[derive(Debug)]
enum Job {
    /// A transaction, and when it was handed over.
    Append(Arc<LoggedTxn>, Tick),
    Roll,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    stop: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    registry: Mutex<Registry>,
    /// Syncs that took longer than is good.
    slow: AtomicU64,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner's end of the queue. What waits in it is bounded by the requests that may be in process.
#[derive(Debug)]
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Rung when something waits that the thread has not been told of.
    due: Rc<Bell>,
}

impl LogWriter {
    /// Starts the thread. With `window`, the spread of the last minutes is measured.
    pub(crate) fn start(
        log: TxnLog,
        flush: FlushConfig,
        warning_ms: u64,
        window: bool,
        clock: Clock,
    ) -> std::io::Result<(LogWriter, watch::Receiver<Progress>)> {
        let registry = Mutex::new(Registry::new(window, clock.tick()));
        let shared =
            Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new(), registry, slow: AtomicU64::new(0) });
        let (progress, receiver) = watch::channel(Progress::Synced(log.last()));
        let synced = clock.tick();
        let writer = Writer { shared: Arc::clone(&shared), log, progress, flush, synced, warning_ms, clock };
        let thread = std::thread::Builder::new().name("SyncThread:0".into()).spawn(move || writer.run())?;
        Ok((LogWriter { shared, thread: Some(thread), due: Rc::default() }, receiver))
    }

    /// Takes a transaction; [`Progress`] tells when it is durable. A thread that has nothing to do is told of it by
    /// [`LogWriter::hand_over`].
    pub(crate) fn append(&self, txn: Arc<LoggedTxn>, now: Tick) {
        self.push(Job::Append(txn, now));
    }

    /// Begins a new file with the next transaction.
    pub(crate) fn roll(&self) {
        self.push(Job::Roll);
    }

    /// Puts what was measured into the registry of the whole server.
    pub(crate) fn measured_into(&self, registry: &mut Registry) {
        registry.adopt(&self.shared.registry(), &MEASURED);
    }

    /// Syncs that were warned of.
    pub(crate) fn slow_syncs(&self) -> u64 {
        self.shared.slow.load(Ordering::Relaxed)
    }

    /// `srst`: forgets what was measured.
    pub(crate) fn reset_measured(&self) {
        self.shared.registry().reset();
    }

    /// Lets what is too old leave the windows.
    pub(crate) fn turn_measured(&self, now: Tick) {
        self.shared.registry().turn(now);
    }

    fn push(&self, job: Job) {
        let mut queue = self.shared.queue();
        queue.jobs.push(job);
        let first = queue.jobs.len() == 1;
        drop(queue);
        if first {
            self.due.ring();
        }
    }

    /// Tells the thread that something waits. To be called when [`LogWriter::due`] was rung.
    pub(crate) fn hand_over(&self) {
        self.shared.wake.notify_one();
    }

    /// How much the thread has not taken yet.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.queue().jobs.len()
    }

    /// Rung when it is time for [`LogWriter::hand_over`].
    pub(crate) fn due(&self) -> Rc<Bell> {
        Rc::clone(&self.due)
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

/// The transactions of one sync: when each was handed over, and when its turn came.
#[derive(Debug, Default)]
struct Batch {
    /// Jobs that were taken together.
    waiting: usize,
    txns: Vec<(Tick, Tick)>,
}

impl Batch {
    fn begin(&mut self, handed_over: Tick, now: Tick) {
        self.txns.push((handed_over, now));
    }

    /// Puts it into the registry: a sync from `before` to `now`. The next batch is empty.
    fn measure(&mut self, registry: &mut Registry, before: Tick, now: Tick) {
        registry.add(measured::FSYNC_TIME, now.since(before));
        registry.add(measured::SYNC_BATCH_SIZE, self.txns.len() as u64);
        if let Some((_, first)) = self.txns.first() {
            registry.add(measured::SYNC_FLUSH_TIME, now.since(*first));
        }
        let ends = self.txns.iter().skip(1).map(|(_, begin)| *begin).chain([before]);
        for ((handed_over, begin), end) in self.txns.iter().zip(ends) {
            self.waiting = self.waiting.saturating_sub(1);
            registry.add(measured::SYNC_QUEUE_SIZE, self.waiting as u64);
            registry.add(measured::SYNC_QUEUE_TIME, begin.since(*handed_over));
            registry.add(measured::SYNC_PROCESS_TIME, end.since(*begin));
            registry.add(measured::SYNC_QUEUE_AND_FLUSH_TIME, now.since(*handed_over));
        }
        self.txns.clear();
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
        let mut batch = Batch::default();
        loop {
            let stop = self.take(&mut jobs);
            batch.waiting = jobs.len();
            for job in jobs.drain(..) {
                match job {
                    Job::Append(txn, handed_over) => {
                        batch.begin(handed_over, self.now());
                        self.log.append(&txn)?;
                        let full = self.flush.batch > 0 && batch.txns.len() >= self.flush.batch;
                        if full || self.log.unwritten() > GROUP_BYTES {
                            self.sync(&mut batch)?;
                        }
                    }
                    Job::Roll => {
                        // The file that ends is synced with all that is in it.
                        batch.txns.clear();
                        self.log.roll()?;
                        self.report(self.log.last());
                    }
                }
            }
            if !batch.txns.is_empty() && (stop || !self.more_comes()) {
                self.sync(&mut batch)?;
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

    fn sync(&mut self, batch: &mut Batch) -> Result<(), LogError> {
        let before = self.now();
        let synced = self.log.sync()?;
        let now = self.now();
        self.synced = now;
        let took = now.since(before);
        self.report(synced);
        batch.measure(&mut self.shared.registry(), before, now);
        if took > self.warning_ms {
            self.shared.slow.fetch_add(1, Ordering::Relaxed);
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
        self.clock.tick()
    }
}
