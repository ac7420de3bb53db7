//! The tasks that move logs between log directories: so many at a time, and no faster than the operator wants.

use std::sync::Arc;
use std::time::Duration;

use kafka_types::TopicPartition;
use tokio::sync::Semaphore;

use crate::broker::Broker;
use crate::replicas::Owned;
use crate::replicas::moves::{MoveId, Step, Swapped};
use crate::replication_quotas::moves_rate;
use crate::shard::here;

/// Before a log whose cleaner is at work is looked at again.
const CLEANER_PAUSE: Duration = Duration::from_millis(200);
/// Before a move that has to wait looks whether it was given up.
const LOOK_EVERY_MS: u64 = 1_000;
/// Bytes that are copied in one go.
const CHUNK: u64 = 1 << 20;

/// What all moves of the broker share.
pub(crate) struct DirMoves {
    threads: Semaphore,
}

impl DirMoves {
    /// `num.replica.alter.log.dirs.threads` at a time.
    pub(crate) fn new(threads: usize) -> DirMoves {
        DirMoves { threads: Semaphore::new(threads.max(1)) }
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
    let mut changes = broker.config.changes();
    loop {
        changes.mark_unchanged();
        // Not more at once than a second may have.
        let chunk = moves_rate(&broker.config).map_or(CHUNK, |rate| rate.clamp(1, CHUNK));
        match here(|owned: &mut Owned| owned.step_move(&name, id, chunk)) {
            Step::Over => return,
            Step::Again => tokio::task::yield_now().await,
            Step::Read(slice) => {
                let pause = broker.replication_quotas.move_pause(&broker.config, broker.clock.tick());
                if pause > 0 {
                    let pause = Duration::from_millis(pause.min(LOOK_EVERY_MS));
                    // Another limit is in force at once.
                    let _ = tokio::time::timeout(pause, changes.changed()).await;
                    continue;
                }
                broker.replication_quotas.moved(&broker.config, broker.clock.tick(), slice.len);
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
