//! Loads a group coordinator: its partition's log is read from the start and replayed, piece by piece between other
//! work of the shard.

use std::sync::Arc;

use bytes::Bytes;
use kafka_group_coordinator::{Coordinator, Replayed};
use kafka_log::Slice;
use kafka_record::control::ControlType;
use kafka_record::{Batch, RecordRef, batches};
use kafka_types::{LeaderEpoch, Offset, TopicPartition};
use tracing::{error, info, warn};

use super::OFFSETS_TOPIC;
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
    let mut offset = None;
    loop {
        let next = here(|owned: &mut Owned| next_piece(owned, &topic_partition, offset));
        let (slice, from) = match next {
            Next::Piece(slice, from) => (slice, from),
            Next::End => break,
            Next::Gone => return,
        };
        let read = broker.background.run(move || slice.read()).await;
        let Ok(Ok(bytes)) = read else {
            unreadable(&broker, &topic_partition, from);
            break;
        };
        let after = here(|owned: &mut Owned| {
            owned.groups.loading(partition, epoch).map(|core| replay(core, &bytes, &topic_partition))
        });
        match after {
            Some(Some(after)) if after > from => offset = Some(after),
            // Reads return at least one whole batch, so this one is none.
            Some(_) => {
                unreadable(&broker, &topic_partition, from);
                break;
            }
            None => return,
        }
        tokio::task::yield_now().await;
    }
    here(|owned: &mut Owned| owned.group_loaded(partition, epoch));
    info!(
        target: "kafka.coordinator.group.GroupMetadataManager",
        "[GroupMetadataManager brokerId={}] Finished loading offsets and group metadata from {topic_partition} in {} milliseconds for epoch {epoch}",
        broker.id, broker.clock.tick().since(started)
    );
}

fn unreadable(broker: &Broker, partition: &TopicPartition, from: Offset) {
    error!(target: "kafka.coordinator.group.GroupMetadataManager", "[GroupMetadataManager brokerId={}] Error loading offsets from {partition} at {from}: what follows is left out", broker.id);
}

enum Next {
    Piece(Slice, Offset),
    End,
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
            error!(target: "kafka.coordinator.group.GroupMetadataManager", "Error loading offsets from {topic_partition}: {error}");
            Next::Gone
        }
    }
}

/// Returns the offset after the last whole batch.
fn replay(core: &mut Coordinator, bytes: &Bytes, topic_partition: &TopicPartition) -> Option<Offset> {
    let mut after = None;
    for batch in batches(bytes) {
        // The last one may be cut.
        let Ok(batch) = batch else { break };
        if let Err(error) = replay_batch(core, &batch) {
            warn!(target: "kafka.coordinator.group.GroupMetadataManager", "A batch of {topic_partition} at {} cannot be read: {error}", batch.last_offset());
        }
        after = Some(batch.next_offset());
    }
    after
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
