//! Loads coordinators: their partition's log is read from the start and replayed, piece by piece between other work of
//! the shard.

use std::sync::Arc;

use bytes::Bytes;
use kafka_group_coordinator::{Coordinator, Replayed};
use kafka_log::Slice;
use kafka_record::control::ControlType;
use kafka_record::{Batch, RecordRef, batches};
use kafka_types::{LeaderEpoch, Offset, TopicPartition};
use tracing::{error, info, warn};

use super::OFFSETS_TOPIC;
use super::transactions::TRANSACTION_TOPIC;
use crate::broker::Broker;
use crate::replicas::Owned;
use crate::shard::here;

/// Bytes that are read and replayed in one go.
const PIECE: u64 = 1 << 20;

/// Replays the whole partition into the core that waits for it, on the shard that owns both. What cannot be read ends
/// the replay, and the core serves what came before it, as Apache's does: groups that are never served would be worse.
pub(crate) async fn load(broker: Arc<Broker>, partition: i32, epoch: LeaderEpoch) {
    let started = broker.clock.tick();
    let topic_partition = TopicPartition::new(OFFSETS_TOPIC, partition);
    info!(target: "kafka.coordinator.group.GroupCoordinator", "[GroupCoordinator {}]: Elected as the group coordinator for partition {partition} in epoch {epoch}", broker.id);
    let replayed = replay_log(&broker, &topic_partition, |owned, bytes| {
        owned.groups.loading(partition, epoch).map(|core| replay(core, bytes, &topic_partition))
    });
    match replayed.await {
        Replay::Gone => return,
        Replay::Whole => {}
        Replay::Until(from) => {
            error!(target: "kafka.coordinator.group.GroupMetadataManager", "[GroupMetadataManager brokerId={}] Error loading offsets from {topic_partition} at {from}: what follows is left out", broker.id);
        }
    }
    here(|owned: &mut Owned| owned.group_loaded(partition, epoch));
    info!(
        target: "kafka.coordinator.group.GroupMetadataManager",
        "[GroupMetadataManager brokerId={}] Finished loading offsets and group metadata from {topic_partition} in {} milliseconds for epoch {epoch}",
        broker.id, broker.clock.tick().since(started)
    );
}

/// Replays a whole partition of `__transaction_state` likewise.
pub(crate) async fn load_transactions(broker: Arc<Broker>, partition: i32, epoch: LeaderEpoch) {
    let started = broker.clock.tick();
    let topic_partition = TopicPartition::new(TRANSACTION_TOPIC, partition);
    info!(target: "kafka.coordinator.transaction.TransactionCoordinator", "[TransactionCoordinator id={}] Elected as the txn coordinator for partition {partition} at epoch {epoch}", broker.id);
    let replayed = replay_log(&broker, &topic_partition, |owned, bytes| {
        let core = owned.transactions.core(partition, epoch)?;
        Some(replay_batches(bytes, &topic_partition, |batch| {
            batch.for_each_record(kafka_record::MAX_DECOMPRESSED_DEFAULT, |record| {
                let Some(key) = record.key else { return true };
                if let Err(error) = core.replay(key, record.value) {
                    warn!(target: "kafka.coordinator.transaction.TransactionStateManager", "The record of {topic_partition} at offset {} is ignored: {error}", record.offset);
                }
                true
            })
        }))
    });
    match replayed.await {
        Replay::Gone => return,
        Replay::Whole => {}
        Replay::Until(from) => {
            error!(target: "kafka.coordinator.transaction.TransactionStateManager", "[Transaction State Manager {}]: Error loading transactions from transaction log {topic_partition} at {from}: what follows is left out", broker.id);
        }
    }
    here(|owned: &mut Owned| owned.transactions_loaded(partition, epoch));
    info!(
        target: "kafka.coordinator.transaction.TransactionStateManager",
        "[Transaction State Manager {}]: Finished loading transaction metadata from {topic_partition} in {} milliseconds for coordinator epoch {epoch}",
        broker.id, broker.clock.tick().since(started)
    );
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

fn replay(core: &mut Coordinator, bytes: &Bytes, topic_partition: &TopicPartition) -> Option<Offset> {
    replay_batches(bytes, topic_partition, |batch| replay_batch(core, batch))
}

fn replay_batch(core: &mut Coordinator, batch: &Batch<'_>) -> Result<(), kafka_record::ReadError> {
    let transactional = match batch {
        Batch::V2(v2) if v2.is_transactional() => Some(v2.header().producer_id),
        _ => None,
    };
    let control = matches!(batch, Batch::V2(v2) if v2.is_control());
    batch.for_each_record(kafka_record::MAX_DECOMPRESSED_DEFAULT, |record: RecordRef<'_>| {
        let Some(key) = record.key else { return true };
        if control {
            if let (Some(producer), Ok(kind @ (ControlType::Commit | ControlType::Abort))) = (transactional, ControlType::from_key(key)) {
                core.replay_marker(producer, kind == ControlType::Commit);
            }
            return true;
        }
        let replayed = Replayed { offset: record.offset, producer_id: transactional, key, value: record.value };
        if let Err(error) = core.replay(replayed) {
            warn!(target: "kafka.coordinator.group.GroupMetadataManager", "The record at offset {} is ignored: {error}", record.offset);
        }
        true
    })
}
