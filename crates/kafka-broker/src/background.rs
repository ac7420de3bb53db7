//! A small pool for long work on closed files: sync at roll, deletion, compaction, recovery, cold reads.
//!
//! An owner that did such work itself would stop half of all partitions, and heartbeats with them. A job owns what it
//! works on and its result comes back as a value; it never touches a shard's state.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Hands jobs to the pool's threads; they end when the last handle is gone and the queue is empty.
#[derive(Clone)]
pub(crate) struct Background {
    jobs: Sender<Job>,
}

impl Background {
    /// Starts `threads` threads.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts the pool's threads")]
    pub(crate) fn start(threads: usize) -> (Background, Vec<JoinHandle<()>>) {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let threads =
            (0..threads.max(1)).map(|_| Arc::clone(&queue)).map(|queue| std::thread::spawn(move || work(&queue)));
        (Background { jobs }, threads.collect())
    }

    /// Runs `job` on the pool; the receiver gets its result. It fails only when the pool has ended.
    pub(crate) fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> oneshot::Receiver<R> {
        let (done, result) = oneshot::channel();
        // A pool that has ended drops the job, and with it `done`: the receiver sees that.
        let _ = self.jobs.send(Box::new(move || {
            let _ = done.send(job());
        }));
        result
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: one idle thread takes the next job, the others wait for the lock.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_and_the_pool_ends_with_its_last_handle() {
        let (pool, threads) = Background::start(2);
        let results: Vec<_> = (0..10).map(|n| pool.run(move || n * n)).collect();
        for (n, result) in results.into_iter().enumerate() {
            assert_eq!(result.blocking_recv().expect("the pool runs"), n * n);
        }
        drop(pool);
        for thread in threads {
            thread.join().expect("no job panicked");
        }
    }
}
