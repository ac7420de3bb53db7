//! Memory that many connections share: who wants some for a request waits while there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

/// So many bytes for all requests that are read or served at the same time (Kafka's `queued.max.request.bytes`).
///
/// As Kafka's pool, it is not strict: whoever comes while a byte is free gets all it needs. So it is exceeded by one
/// request at most, and a request that is larger than the whole is served, too, when nothing else is.
#[derive(Debug)]
pub struct Memory {
    /// Below zero by what was granted too much.
    free: AtomicI64,
    freed: Notify,
}

/// Bytes that are in use until this is dropped.
#[derive(Debug)]
pub struct Grant {
    memory: Arc<Memory>,
    bytes: i64,
}

impl Memory {
    /// `bytes` in all.
    pub fn new(bytes: u64) -> Arc<Memory> {
        Arc::new(Memory { free: AtomicI64::new(i64::try_from(bytes).unwrap_or(i64::MAX)), freed: Notify::new() })
    }

    /// Takes `bytes`, when there are any. Cancel safe.
    pub async fn take(self: &Arc<Self>, bytes: usize) -> Grant {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // What is freed from here on is heard of.
            freed.as_mut().enable();
            let taken =
                self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| (free > 0).then(|| free - bytes));
            if taken.is_ok() {
                return Grant { memory: Arc::clone(self), bytes };
            }
            freed.await;
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let before = self.memory.free.fetch_add(self.bytes, Ordering::AcqRel);
        if before <= 0 && before + self.bytes > 0 {
            self.memory.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn who_comes_while_a_byte_is_free_gets_all_and_others_wait() {
        let memory = Memory::new(100);
        let first = memory.take(99).await;
        let second = memory.take(500).await;
        assert!(timeout(SOON, memory.take(1)).await.is_err(), "it is exceeded");
        drop(first);
        assert!(timeout(SOON, memory.take(1)).await.is_err(), "still");
        let waiting = tokio::spawn({
            let memory = Arc::clone(&memory);
            async move { drop(memory.take(1).await) }
        });
        tokio::task::yield_now().await;
        drop(second);
        timeout(Duration::from_mins(1), waiting).await.expect("woken").expect("no panic");
        assert_eq!(memory.free.load(Ordering::Relaxed), 100, "all is given back");
    }
}
