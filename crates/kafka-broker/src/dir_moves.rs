//! The tasks that move logs between log directories: so many at a time, and no faster than the operator wants.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kafka_metadata::znodes::config::{DEFAULT_ENTITY, EntityType};
use kafka_types::TopicPartition;
use time_types::Tick;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::broker::Broker;
use crate::replicas::Owned;
use crate::replicas::moves::{MoveId, Step, Swapped};
use crate::shard::here;

/// Before a log whose cleaner is at work is looked at again.
const CLEANER_PAUSE: Duration = Duration::from_millis(200);
/// How often the operator's limit is asked for.
const LIMIT_EVERY_MS: u64 = 5_000;
/// The dynamic setting with the limit in bytes per second.
const LIMIT: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// What all moves of the broker share.
pub(crate) struct DirMoves {
    threads: Semaphore,
    pace: Mutex<Pace>,
}

/// Bytes that are copied in one go.
const CHUNK: u64 = 1 << 20;

/// When the next chunk may be read.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    bytes_per_second: Option<u64>,
    asked: Option<Tick>,
    next: Tick,
}

impl Pace {
    /// Takes `bytes` out of what is allowed; how many ms to wait before they may be read.
    fn take(&mut self, now: Tick, bytes: u64) -> u64 {
        let Some(rate) = self.bytes_per_second else { return 0 };
        self.next = self.next.max(now).after(bytes.saturating_mul(1000) / rate.max(1));
        self.next.since(now)
    }

    /// Bytes of one step: not more than a second may have.
    fn chunk(&self) -> u64 {
        self.bytes_per_second.map_or(CHUNK, |rate| rate.clamp(1, CHUNK))
    }
}

impl DirMoves {
    /// `num.replica.alter.log.dirs.threads` at a time.
    pub(crate) fn new(threads: usize) -> DirMoves {
        DirMoves { threads: Semaphore::new(threads.max(1)), pace: Mutex::default() }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the task of a move on the shard that owns the partition.
pub(crate) async fn start(broker: &Arc<Broker>, name: TopicPartition, id: MoveId) {
    let (owner, for_task) = (broker.shards.owner(&name), Arc::clone(broker));
    // A shard that has ended moves nothing any more; the next start goes on.
    let _ = broker.shards.spawn_on(owner, move || run(for_task, name, id)).await;
}

async fn run(broker: Arc<Broker>, name: TopicPartition, id: MoveId) {
    let Ok(_permit) = broker.moves.threads.acquire().await else { return };
    loop {
        learn_limit(&broker).await;
        let chunk = broker.moves.pace().chunk();
        match here(|owned: &mut Owned| owned.step_move(&name, id, chunk)) {
            Step::Over => return,
            Step::Again => tokio::task::yield_now().await,
            Step::Read(slice) => {
                throttle(&broker, slice.len).await;
                let Ok(records) = broker.background.run(move || slice.read()).await else { return };
                here(|owned: &mut Owned| owned.fill_move(&name, id, records));
            }
            Step::Sync(job) => {
                let Ok(done) = broker.background.run(move || job.run()).await else { return };
                here(|owned: &mut Owned| owned.move_synced(&name, id, done));
            }
            Step::Swap => match here(|owned: &mut Owned| owned.swap_move(&name, id)) {
                Swapped::Done | Swapped::Over => return,
                Swapped::Later => tokio::time::sleep(CLEANER_PAUSE).await,
            },
        }
    }
}

/// Asks for the operator's limit from time to time.
async fn learn_limit(broker: &Broker) {
    let now = broker.clock.tick();
    let is_old = broker.moves.pace().asked.is_none_or(|asked| now.since(asked) >= LIMIT_EVERY_MS);
    if is_old {
        broker.moves.pace().asked = Some(now);
        match limit(broker).await {
            Ok(limit) => broker.moves.pace().bytes_per_second = limit,
            Err(error) => {
                warn!(target: "kafka.server.ReplicaAlterLogDirsManager", "The limit of {LIMIT} cannot be read: {error:#}");
            }
        }
    }
}

/// Waits until `bytes` more may be copied.
async fn throttle(broker: &Broker, bytes: u64) {
    let wait = broker.moves.pace().take(broker.clock.tick(), bytes);
    if wait > 0 {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// What the cluster says of this broker, else of all brokers.
async fn limit(broker: &Broker) -> anyhow::Result<Option<u64>> {
    for entity in [broker.id.to_string(), DEFAULT_ENTITY.to_owned()] {
        let settings = broker.zookeeper.settings(EntityType::Brokers, &entity).await?;
        if let Some(limit) = settings.get(LIMIT).and_then(|text| text.trim().parse::<u64>().ok()) {
            return Ok(Some(limit));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_at_the_pace_that_is_allowed() {
        let mut pace = Pace { bytes_per_second: Some(1000), ..Pace::default() };
        assert_eq!(pace.chunk(), 1000);
        assert_eq!(pace.take(Tick(50), 500), 500);
        assert_eq!(pace.take(Tick(50), 500), 1000);
        assert_eq!(pace.take(Tick(2000), 2000), 2000);
        assert_eq!(pace.take(Tick(2001), 1), 2000);
        assert_eq!(Pace::default().take(Tick(0), u64::MAX), 0, "without a limit nobody waits");
    }
}
