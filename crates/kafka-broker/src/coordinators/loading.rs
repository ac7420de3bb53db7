//! Loads coordinators: their partition's log is read from the start and replayed, piece by piece between other work of
//! the shard.

use std::sync::Arc;

use bytes::Bytes;
use kafka_log::Slice;
use kafka_record::{Batch, batches};
use kafka_types::{LeaderEpoch, Offset, TopicPartition};
use tokio::sync::Semaphore;
use tracing::{error, warn};

use super::{Core, Progress};
use crate::broker::Broker;
use crate::replicas::Owned;
use crate::shard::here;

/// Bytes that are read and replayed in one go: some milliseconds of work, after which the shard looks at its sockets.
const PIECE: u64 = 256 << 10;
/// Partitions of a shard that are replayed at the same time. Each has its turn before the sockets have theirs: with all at
/// once a client would wait for a piece of each.
const AT_ONCE: usize = 2;

thread_local! {
    /// Of this shard's thread.
    static TURNS: Arc<Semaphore> = Arc::new(Semaphore::new(AT_ONCE));
}

/// Replays the whole partition into the core that waits for it, on the shard that owns both. What cannot be read ends
/// the replay, and the core serves what came before it, as Apache's does: groups that are never served would be worse.
pub(super) async fn load<C: Core>(broker: Arc<Broker>, index: i32, epoch: LeaderEpoch) {
    let started = broker.clock.tick();
    let partition = TopicPartition::new(C::TOPIC, index);
    let tell = |progress| C::tell(broker.id.0, &partition, epoch, progress);
    tell(Progress::Elected);
    // Nobody closes it.
    let turn = TURNS.with(Arc::clone).acquire_owned().await;
    let replayed = replay_log(&broker, &partition, |owned, bytes| {
        let core = C::on(owned).core(index, epoch)?;
        Some(replay_batches(bytes, &partition, |batch| core.replay(batch, &partition)))
    });
    match replayed.await {
        Replay::Gone => return,
        Replay::Whole => {}
        Replay::Until(from) => tell(Progress::Unreadable(from)),
    }
    drop(turn);
    here(|owned: &mut Owned| owned.coordinator_loaded::<C>(index, epoch));
    tell(Progress::Loaded(broker.clock.tick().since(started)));
}

/// How far a partition was replayed.
enum Replay {
    Whole,
    /// What begins there cannot be read.
    Until(Offset),
    /// The partition was moved or deleted meanwhile, or another core has taken over.
    Gone,
}

/// Reads a partition to its end. `replay` returns the offset after what it has replayed, if there was a whole batch, and
/// `None` if nobody waits for it any more.
async fn replay_log(
    broker: &Broker,
    topic_partition: &TopicPartition,
    mut replay: impl FnMut(&mut Owned, &Bytes) -> Option<Option<Offset>>,
) -> Replay {
    let mut offset = None;
    loop {
        let next = here(|owned: &mut Owned| next_piece(owned, topic_partition, offset));
        let (slice, from) = match next {
            Next::Piece(slice, from) => (slice, from),
            Next::End => return Replay::Whole,
            Next::Unreadable(from) => return Replay::Until(from),
            Next::Gone => return Replay::Gone,
        };
        let Ok(Ok(bytes)) = broker.background.run(move || slice.read()).await else { return Replay::Until(from) };
        match here(|owned: &mut Owned| replay(owned, &bytes)) {
            Some(Some(after)) if after > from => offset = Some(after),
            // Reads return at least one whole batch, so this one is none.
            Some(_) => return Replay::Until(from),
            None => return Replay::Gone,
        }
        tokio::task::yield_now().await;
    }
}

enum Next {
    Piece(Slice, Offset),
    End,
    Unreadable(Offset),
    /// The partition was moved or deleted meanwhile.
    Gone,
}

fn next_piece(owned: &mut Owned, topic_partition: &TopicPartition, offset: Option<Offset>) -> Next {
    let Ok(partition) = owned.partition(topic_partition) else { return Next::Gone };
    let log = &partition.log;
    let from = offset.unwrap_or_else(|| log.log_start());
    if from >= log.log_end() {
        return Next::End;
    }
    match log.read(from, PIECE, log.log_end(), true) {
        Ok(read) => read.slice.map_or(Next::End, |slice| Next::Piece(slice, from)),
        Err(error) => {
            error!(target: "kafka.coordinator", "{topic_partition} cannot be read at {from}: {error}");
            Next::Unreadable(from)
        }
    }
}

/// Returns the offset after the last whole batch.
fn replay_batches(
    bytes: &Bytes,
    topic_partition: &TopicPartition,
    mut replay: impl FnMut(&Batch<'_>) -> Result<(), kafka_record::ReadError>,
) -> Option<Offset> {
    let mut after = None;
    for batch in batches(bytes) {
        // The last one may be cut.
        let Ok(batch) = batch else { break };
        if let Err(error) = replay(&batch) {
            warn!(target: "kafka.coordinator", "A batch of {topic_partition} at {} cannot be read: {error}", batch.last_offset());
        }
        after = Some(batch.next_offset());
    }
    after
}
