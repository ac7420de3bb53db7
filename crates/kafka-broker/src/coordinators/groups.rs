//! Group coordinators: `kafka-group-coordinator` over partitions of `__consumer_offsets`.

use std::convert::Infallible;

use kafka_group_coordinator::{
    AppendToken, Config, Coordinator, Effect, Event, GroupFacts, KeyValue, Replayed, Reply, ReplyToken, Request,
};
use kafka_record::control::ControlType;
use kafka_record::{Batch, NO_SEQUENCE, RecordRef};
use kafka_types::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use time_types::{Now, Tick};
use tracing::{error, info, warn};

use super::{Append, Core, Cores, Progress, Wanted};
use crate::replicas::Owned;

/// The topic that keeps groups and their offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The group coordinators of one shard.
pub(crate) type Groups = Cores<Coordinator>;

impl Core for Coordinator {
    type Config = Config;
    type Request = Request;
    type Reply = Reply;
    type Event = Event;
    type Effect = Effect;
    type Task = Infallible;

    const TOPIC: &'static str = OFFSETS_TOPIC;
    const APPEND_TIMEOUT: Option<&'static str> = Some("offsets.commit.timeout.ms");

    fn on(owned: &mut Owned) -> &mut Groups {
        &mut owned.groups
    }

    fn new(config: Config, _: LeaderEpoch) -> Coordinator {
        Coordinator::new(config)
    }

    fn replay(&mut self, batch: &Batch<'_>, _: &TopicPartition) -> Result<(), kafka_record::ReadError> {
        let transactional = match batch {
            Batch::V2(v2) if v2.is_transactional() => Some(v2.header().producer_id),
            _ => None,
        };
        let control = matches!(batch, Batch::V2(v2) if v2.is_control());
        batch.for_each_record(kafka_record::MAX_DECOMPRESSED_DEFAULT, |record: RecordRef<'_>| {
            let Some(key) = record.key else { return true };
            if control {
                if let (Some(producer), Ok(kind @ (ControlType::Commit | ControlType::Abort))) =
                    (transactional, ControlType::from_key(key))
                {
                    self.replay_marker(producer, kind == ControlType::Commit);
                }
                return true;
            }
            let replayed = Replayed { offset: record.offset, producer_id: transactional, key, value: record.value };
            if let Err(error) = Coordinator::replay(self, replayed) {
                warn!(target: "kafka.coordinator.group.GroupMetadataManager", "The record at offset {} is ignored: {error}", record.offset);
            }
            true
        })
    }

    fn on_loaded(&mut self, now: Now, effects: &mut Vec<Effect>) {
        Coordinator::on_loaded(self, now, effects);
    }

    fn unload(&mut self, effects: &mut Vec<Effect>) {
        Coordinator::unload(self, effects);
    }

    fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        Coordinator::handle(self, now, event, effects);
    }

    fn next_deadline(&self) -> Option<Tick> {
        Coordinator::next_deadline(self)
    }

    fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        Coordinator::on_tick(self, now, effects);
    }

    fn asked(token: u64, request: Request) -> Event {
        Event::Request { token: ReplyToken(token), request }
    }

    fn appended(token: u64, result: Result<Offset, ErrorCode>) -> Event {
        Event::Appended { token: AppendToken(token), result }
    }

    fn wanted(effect: Effect) -> Wanted<Coordinator> {
        match effect {
            Effect::Append { token, records, producer } => {
                let base_sequence = if records.first().is_some_and(KeyValue::is_commit) { 0 } else { NO_SEQUENCE };
                let records = records.into_iter().map(|record| (record.key, record.value)).collect();
                Wanted::Append(Append { token: token.0, records, producer, base_sequence })
            }
            Effect::Reply { token, reply } => Wanted::Reply(token.0, reply),
        }
    }

    fn tell(id: i32, partition: &TopicPartition, epoch: LeaderEpoch, progress: Progress) {
        match progress {
            Progress::Elected => {
                info!(target: "kafka.coordinator.group.GroupCoordinator", "[GroupCoordinator {id}]: Elected as the group coordinator for partition {} in epoch {epoch}", partition.partition);
            }
            Progress::Unreadable(from) => {
                error!(target: "kafka.coordinator.group.GroupMetadataManager", "[GroupMetadataManager brokerId={id}] Error loading offsets from {partition} at {from}: what follows is left out");
            }
            Progress::Loaded(millis) => {
                info!(target: "kafka.coordinator.group.GroupMetadataManager", "[GroupMetadataManager brokerId={id}] Finished loading offsets and group metadata from {partition} in {millis} milliseconds for epoch {epoch}");
            }
        }
    }
}

impl Groups {
    /// What is measured of the groups of a partition; nothing while they are loaded.
    pub(crate) fn facts(&self, partition: i32) -> Vec<GroupFacts> {
        self.get(partition).map(Coordinator::facts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use kafka_group_coordinator::{OffsetCommit, OffsetToCommit};
    use tokio::sync::oneshot;

    use super::*;
    use crate::coordinators::cores::Written;

    #[tokio::test]
    async fn what_is_not_committed_in_time_is_told_so() {
        let config = Config { initial_rebalance_delay_ms: 0, expiry_interval_ms: 1_000_000, ..Config::default() };
        let at = |tick| Now { tick: Tick(tick), ..Now::default() };
        let mut groups = Groups::default();
        assert!(groups.elect(0, LeaderEpoch(1), config));
        assert!(groups.loaded(at(0), 0, LeaderEpoch(1)).is_empty());
        let commit = |groups: &mut Groups, now: Now, offset| {
            let (reply, answer) = oneshot::channel();
            let to_commit = OffsetToCommit {
                topic_partition: TopicPartition::new("t", 0),
                offset: Offset(offset),
                leader_epoch: -1,
                metadata: None,
            };
            let request = OffsetCommit {
                group_id: "g".into(),
                generation: -1,
                member_id: String::new(),
                group_instance_id: None,
                retention_ms: None,
                offsets: vec![to_commit],
            };
            let wanted = groups.request(now, 0, Request::OffsetCommit(request), reply).expect("coordinated here");
            let [append] = &wanted[..] else { panic!("{wanted:?}") };
            let (first, end, deadline) = (Offset(offset), Offset(offset + 1), Some(now.tick.after(5_000)));
            groups.written(0, Written { token: append.token, first, end, deadline });
            answer
        };
        let (first, second) = (commit(&mut groups, at(10), 0), commit(&mut groups, at(4_000), 1));
        assert_eq!(groups.next_deadline(), Some(Tick(5_010)));
        assert!(groups.tick(at(5_009)).is_empty());
        groups.tick(at(5_010));
        // What is committed too late is stored all the same; nobody waits for it.
        groups.committed(at(5_020), 0, Offset(2));
        for (answer, wanted) in [(first, ErrorCode::RequestTimedOut), (second, ErrorCode::None)] {
            let Ok(Reply::OffsetCommit(stored)) = answer.await else { panic!("an answer") };
            assert_eq!(stored, [(TopicPartition::new("t", 0), wanted)]);
        }
    }
}
