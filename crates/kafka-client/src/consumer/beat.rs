//! The heart of a member: a task that beats while the application is busy with what it polled, and leaves the group for
//! it when it does not come back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_types::ErrorCode;
use time_types::Tick;
use tokio::sync::mpsc;

use super::driver::Event;
use super::requests::{self, Committer};
use crate::clock::Clock;
use crate::cluster::Cluster;

/// Where the coordinator's words are logged.
const COORDINATOR: &str = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";

/// What the task is told by the consumer.
#[derive(Debug, Default)]
struct Shared {
    /// Beat as this member; `None` while there is none.
    member: Option<Committer>,
    last_poll: Tick,
}

/// The consumer's end of the task; dropping it stops the heart.
#[derive(Debug)]
pub(crate) struct Heart {
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

/// What the task needs.
pub(crate) struct HeartConfig {
    pub(crate) cluster: Cluster,
    pub(crate) clock: Clock,
    pub(crate) interval_ms: u64,
    pub(crate) max_poll_interval_ms: u64,
    pub(crate) log_prefix: String,
}

impl Heart {
    /// Starts the task on the current runtime.
    pub(crate) fn start(config: HeartConfig, reports: mpsc::Sender<Event>) -> Heart {
        let shared = Arc::new(Mutex::new(Shared { member: None, last_poll: config.clock.tick() }));
        let task = tokio::spawn(beat(config, shared.clone(), reports));
        Heart { shared, task }
    }

    /// Beat as this member from now on, or not at all.
    pub(crate) fn set_member(&self, member: Option<Committer>) {
        lock(&self.shared).member = member;
    }

    /// The application is still there.
    pub(crate) fn polled(&self, now: Tick) {
        lock(&self.shared).last_poll = now;
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn beat(config: HeartConfig, shared: Arc<Mutex<Shared>>, reports: mpsc::Sender<Event>) {
    loop {
        config.clock.sleep_until(config.clock.tick().after(config.interval_ms)).await;
        let (member, last_poll) = {
            let shared = lock(&shared);
            (shared.member.clone(), shared.last_poll)
        };
        let Some(member) = member else { continue };
        if config.clock.tick().since(last_poll) > config.max_poll_interval_ms {
            leave(&config, &member).await;
            lock(&shared).member = None;
            if reports.send(Event::PollExpired).await.is_err() {
                return;
            }
            continue;
        }
        let answer = requests::beat(&config.cluster, &member).await.ok();
        // A consumer that is busy learns of a rebalance by the next beat just as well.
        let _ = reports.try_send(Event::Beaten { member, answer });
    }
}

async fn leave(config: &HeartConfig, member: &Committer) {
    tracing::warn!(
        target: COORDINATOR,
        "{}consumer poll timeout has expired. This means the time between subsequent calls to poll() was longer than \
         the configured max.poll.interval.ms, which typically implies that the poll loop is spending too much time \
         processing messages. You can address this either by increasing max.poll.interval.ms or by reducing the \
         maximum size of batches returned in poll() with max.poll.records.",
        config.log_prefix
    );
    // A static member is expected back: its session decides.
    if member.group_instance_id.is_none() {
        let reason = "consumer poll timeout has expired.";
        let _: Result<(), _> = requests::leave(&config.cluster, member, reason).await;
    }
}

/// The answer to a heartbeat; `None` if there was none.
pub(crate) type BeatAnswer = Option<ErrorCode>;
