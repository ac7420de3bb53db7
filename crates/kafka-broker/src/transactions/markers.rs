//! Writes the end of transactions into partitions: those of this broker by a call to their shard, those of others by
//! WriteTxnMarkers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_record::control::EndTxnMarker;
use kafka_txn_coordinator::MarkersToWrite;
use kafka_types::{BrokerId, ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use time_types::Tick;
use tracing::{info, warn};

use crate::broker::Broker;
use crate::peers;
use crate::waiters::committed;

/// Before partitions that could not take a marker are tried again.
const RETRY: Duration = Duration::from_millis(100);

/// What became of the markers of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every partition that is still there has its own.
    Written,
    /// A partition knows a newer producer or a newer coordinator.
    Fenced,
    /// The coordinator is not here any more.
    NotWanted,
}

/// What becomes of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Done,
    Again,
    Fenced,
}

/// Writes a transaction's markers, and tries again until nothing is left or `is_wanted` says no.
pub(crate) async fn write_all(broker: &Arc<Broker>, markers: MarkersToWrite, is_wanted: impl Fn() -> bool) -> Outcome {
    let mut left = markers.partitions.clone();
    loop {
        let mut again = Vec::new();
        for (leader, partitions) in by_leader(broker, left).await {
            let errors = match leader {
                Some(leader) => write_at(broker, leader, &markers, &partitions).await,
                None => vec![ErrorCode::LeaderNotAvailable; partitions.len()],
            };
            for (partition, error) in partitions.into_iter().zip(errors) {
                match judge(error) {
                    Verdict::Done => {}
                    Verdict::Again => again.push(partition),
                    Verdict::Fenced => {
                        info!(
                            target: "kafka.coordinator.transaction.TransactionMarkerRequestCompletionHandler",
                            "Sending {}'s transaction marker for partition {partition} has permanently failed with error \
                             {} with the current coordinator epoch {}; cancel sending any more transaction markers to \
                             the brokers",
                            markers.transactional_id, error.name(), markers.coordinator_epoch
                        );
                        return Outcome::Fenced;
                    }
                }
            }
        }
        if again.is_empty() {
            return Outcome::Written;
        }
        left = again;
        tokio::time::sleep(RETRY).await;
        if !is_wanted() {
            return Outcome::NotWanted;
        }
    }
}

/// Partitions by who leads them; those that are deleted are left out, for there is nothing to end in them.
async fn by_leader(
    broker: &Broker,
    partitions: Vec<TopicPartition>,
) -> BTreeMap<Option<BrokerId>, Vec<TopicPartition>> {
    let image = broker.metadata.image();
    let mut by_leader: BTreeMap<Option<BrokerId>, Vec<TopicPartition>> = BTreeMap::new();
    for one in partitions {
        let leader = match image.partition(&one.topic, one.partition) {
            Some(partition) => Some(partition.leader).filter(|leader| *leader != BrokerId::NONE),
            None if is_deleted(broker, &one).await => continue,
            None => None,
        };
        by_leader.entry(leader).or_default().push(one);
    }
    by_leader
}

/// A broker that has just started may not have heard of a partition yet, so its word is not enough.
async fn is_deleted(broker: &Broker, partition: &TopicPartition) -> bool {
    match broker.zookeeper.topic(&partition.topic).await {
        Ok(Some((topic, _))) => !topic.partitions.contains_key(&partition.partition),
        Ok(None) => true,
        Err(_) => false,
    }
}

async fn write_at(
    broker: &Arc<Broker>,
    leader: BrokerId,
    markers: &MarkersToWrite,
    partitions: &[TopicPartition],
) -> Vec<ErrorCode> {
    if leader != broker.id {
        return peers::write_txn_markers(broker, leader, markers, partitions).await;
    }
    let marker = EndTxnMarker { commit: markers.committed, coordinator_epoch: markers.coordinator_epoch };
    let deadline = broker.clock.tick().after(broker.config.positive("request.timeout.ms"));
    write_here(broker, marker, (markers.producer_id, markers.producer_epoch), partitions, deadline).await
}

/// Writes one marker into partitions that this broker leads, and waits until it is committed there.
pub(crate) async fn write_here(
    broker: &Broker,
    marker: EndTxnMarker,
    producer: (ProducerId, ProducerEpoch),
    partitions: &[TopicPartition],
    deadline: Tick,
) -> Vec<ErrorCode> {
    let mut errors = vec![ErrorCode::None; partitions.len()];
    let mut waiting = Vec::new();
    let mut by_shard: BTreeMap<usize, Vec<(usize, TopicPartition)>> = BTreeMap::new();
    for (at, one) in partitions.iter().enumerate() {
        by_shard.entry(broker.shards.owner(one)).or_default().push((at, one.clone()));
    }
    for (shard, targets) in by_shard {
        let ats: Vec<usize> = targets.iter().map(|(at, _)| *at).collect();
        let written = broker.shards.on(shard, move |owned| {
            let write = |(_, target)| owned.write_marker(&target, marker, producer).map(|produced| produced.wait_for);
            targets.into_iter().map(write).collect::<Vec<_>>()
        });
        let written = written.await.unwrap_or_else(|_| vec![Err(ErrorCode::NotLeaderOrFollower); ats.len()]);
        for (at, result) in ats.into_iter().zip(written) {
            match result {
                Ok(None) => {}
                Ok(Some(end)) => waiting.push((at, end)),
                Err(error) => errors[at] = error,
            }
        }
    }
    for (at, end) in waiting {
        let target = partitions[at].clone();
        match committed(broker, &target, end, deadline).await {
            Ok(()) => {
                let owner = broker.shards.owner(&target);
                let tell = broker.shards.on(owner, move |owned| owned.marker_committed(&target, marker, producer.0));
                if tell.await.is_err() {
                    errors[at] = ErrorCode::NotLeaderOrFollower;
                }
            }
            Err(error) => errors[at] = error,
        }
    }
    errors
}

fn judge(error: ErrorCode) -> Verdict {
    match error {
        ErrorCode::None => Verdict::Done,
        ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => Verdict::Fenced,
        // What no repetition makes better: the rest of the transaction is not to wait for it.
        ErrorCode::UnsupportedForMessageFormat | ErrorCode::UnsupportedVersion => {
            warn!(
                target: "kafka.coordinator.transaction.TransactionMarkerRequestCompletionHandler",
                "A partition cannot take transaction markers ({}): it is left out", error.name()
            );
            Verdict::Done
        }
        _ => Verdict::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fencing_ends_the_attempts() {
        assert_eq!(judge(ErrorCode::None), Verdict::Done);
        assert_eq!(judge(ErrorCode::TransactionCoordinatorFenced), Verdict::Fenced);
        assert_eq!(judge(ErrorCode::InvalidProducerEpoch), Verdict::Fenced);
        assert_eq!(judge(ErrorCode::UnsupportedForMessageFormat), Verdict::Done);
        let again = [
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::NotEnoughReplicas,
            ErrorCode::NotEnoughReplicasAfterAppend,
            ErrorCode::RequestTimedOut,
            ErrorCode::KafkaStorageError,
            ErrorCode::LeaderNotAvailable,
        ];
        assert!(again.into_iter().all(|error| judge(error) == Verdict::Again));
    }
}
