//! Parked replies (Kafka's purgatory): woken by effects only, or by their deadline.
//!
//! A parked produce costs one entry in the partition it waits for and nothing else. Waking says only "look again": the
//! one who waits looks anew and parks again if it is still not enough. Fetches wait in `long_poll.rs`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use kafka_replication::Progress;
use kafka_types::{ErrorCode, Offset, TopicPartition};
use time_types::Tick;
use tokio::sync::Notify;

use crate::broker::Broker;
use crate::replicas::Owned;

/// The one who waits; shared with every partition it waits for.
#[derive(Clone, Default, Debug)]
pub(crate) struct Waiter(Arc<Notify>);

impl Waiter {
    /// Waits until somebody calls [`Waiters::wake`], or until the time is over; says whether it was woken.
    pub(crate) async fn wait(&self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, self.0.notified()).await.is_ok()
    }
}

/// Those who wait for one partition to move.
#[derive(Default, Debug)]
pub(crate) struct Waiters {
    parked: Vec<Weak<Notify>>,
    /// When the list was last cleared of those that gave up, doubled: keeps the clean-up amortised.
    clean_at: usize,
}

impl Waiters {
    /// Parks somebody.
    pub(crate) fn park(&mut self, waiter: &Waiter) {
        if self.parked.len() >= self.clean_at.max(16) {
            // Who timed out has dropped its half; its entries here would otherwise stay until the partition moves.
            self.parked.retain(|waiter| waiter.strong_count() > 0);
            self.clean_at = self.parked.len() * 2;
        }
        self.parked.push(Arc::downgrade(&waiter.0));
    }

    /// Wakes all.
    pub(crate) fn wake(&mut self) {
        for waiter in self.parked.drain(..).filter_map(|waiter| waiter.upgrade()) {
            // A permit is kept if it does not wait yet, so a move between its look and its wait is not lost.
            waiter.notify_one();
        }
    }
}

impl Owned {
    /// How far records below `end` are on their way to be committed; parks the one who has to wait.
    pub(crate) fn look_or_park(
        &mut self,
        topic_partition: &TopicPartition,
        end: Offset,
        waiter: &Waiter,
    ) -> Result<Progress, ErrorCode> {
        let partition = self.partition(topic_partition)?;
        if partition.has_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        let progress = partition.progress(end).ok_or(ErrorCode::NotLeaderOrFollower)?;
        if progress == Progress::Waiting {
            partition.park(waiter);
        }
        Ok(progress)
    }
}

/// Waits until records below `end` are committed, or `deadline` has passed.
pub(crate) async fn committed(
    broker: &Broker,
    topic_partition: &TopicPartition,
    end: Offset,
    deadline: Tick,
) -> Result<(), ErrorCode> {
    let owner = broker.shards.owner(topic_partition);
    loop {
        let (target, waiter) = (topic_partition.clone(), Waiter::default());
        let parked = waiter.clone();
        let progress = broker.shards.on(owner, move |owned| owned.look_or_park(&target, end, &parked));
        match progress.await.map_err(|_| ErrorCode::NotLeaderOrFollower)?? {
            Progress::Done => return Ok(()),
            Progress::TooFew => return Err(ErrorCode::NotEnoughReplicasAfterAppend),
            Progress::Waiting => {}
        }
        let left = broker.clock.until(deadline);
        if left.is_zero() || !waiter.wait(left).await {
            return Err(ErrorCode::RequestTimedOut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_before_the_wait_counts() {
        let (mut waiters, waiter) = (Waiters::default(), Waiter::default());
        waiters.park(&waiter);
        waiters.wake();
        assert!(waiter.wait(Duration::from_secs(5)).await);
        assert!(!waiter.wait(Duration::from_millis(1)).await);
    }

    #[test]
    fn those_who_gave_up_do_not_pile_up() {
        let mut waiters = Waiters::default();
        for _ in 0..10_000 {
            waiters.park(&Waiter::default());
        }
        assert!(waiters.parked.len() < 64);
    }
}
