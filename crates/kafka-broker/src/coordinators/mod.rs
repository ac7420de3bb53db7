//! Runs group coordinator cores over their partitions: request, decide, append, replay, reply.
//!
//! The coordinator of a group lives on the shard that owns the group's `__consumer_offsets` partition, so that its
//! appends are plain calls. A core that still loads answers so itself.

pub(crate) mod loading;
pub(crate) mod transactions;

use std::collections::{BTreeMap, HashMap, VecDeque};

use kafka_group_coordinator::{
    AppendToken, Config, Coordinator, Effect, Event, GroupFacts, KeyValue, Reply, ReplyToken, Request,
};
use kafka_types::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use time_types::{Now, Tick};
use tokio::sync::oneshot;

/// The topic that keeps groups and their offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What a coordinator wants appended to its partition.
#[derive(Debug)]
pub(crate) struct Append {
    /// To report by.
    pub(crate) token: AppendToken,
    /// The records.
    pub(crate) records: Vec<KeyValue>,
    /// Set for offsets in a transaction.
    pub(crate) producer: Option<(ProducerId, ProducerEpoch)>,
}

/// The coordinators of one shard, by partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    running: BTreeMap<i32, Running>,
}

#[derive(Debug)]
struct Running {
    core: Coordinator,
    epoch: LeaderEpoch,
    parked: HashMap<u64, oneshot::Sender<Reply>>,
    next_token: u64,
    /// Appends that are written and not committed yet, oldest first: the offset after them, and the first one.
    uncommitted: VecDeque<(Offset, AppendToken, Offset)>,
    effects: Vec<Effect>,
}

impl Groups {
    /// This broker leads the partition from now on: a core that loads. `false` if it runs already in this epoch.
    pub(crate) fn elect(&mut self, partition: i32, epoch: LeaderEpoch, config: Config) -> bool {
        if self.running.get(&partition).is_some_and(|running| running.epoch >= epoch) {
            return false;
        }
        self.resign(partition);
        let running = Running {
            core: Coordinator::new(config),
            epoch,
            parked: HashMap::new(),
            next_token: 0,
            uncommitted: VecDeque::new(),
            effects: Vec::new(),
        };
        self.running.insert(partition, running);
        true
    }

    /// The partition is led elsewhere: whoever waits is told so.
    pub(crate) fn resign(&mut self, partition: i32) {
        if let Some(mut running) = self.running.remove(&partition) {
            running.core.unload(&mut running.effects);
            running.drain_effects();
        }
    }

    /// The core that loads in `epoch`, for replaying into; `None` if it was replaced meanwhile.
    pub(crate) fn loading(&mut self, partition: i32, epoch: LeaderEpoch) -> Option<&mut Coordinator> {
        self.running.get_mut(&partition).filter(|running| running.epoch == epoch).map(|running| &mut running.core)
    }

    /// Everything is replayed.
    pub(crate) fn loaded(&mut self, now: Now, partition: i32, epoch: LeaderEpoch) -> Vec<Append> {
        let Some(running) = self.running.get_mut(&partition).filter(|running| running.epoch == epoch) else {
            return Vec::new();
        };
        running.core.on_loaded(now, &mut running.effects);
        running.drain_effects()
    }

    /// Hands a request to the coordinator of `partition`; `Err` when this broker is not that coordinator.
    pub(crate) fn request(
        &mut self,
        now: Now,
        partition: i32,
        request: Request,
        reply: oneshot::Sender<Reply>,
    ) -> Result<Vec<Append>, ErrorCode> {
        let running = self.running.get_mut(&partition).ok_or(ErrorCode::NotCoordinator)?;
        let token = running.next_token;
        running.next_token += 1;
        running.parked.insert(token, reply);
        running.core.handle(now, Event::Request { token: ReplyToken(token), request }, &mut running.effects);
        Ok(running.drain_effects())
    }

    /// An append was written up to `end` (exclusive), or was refused.
    pub(crate) fn appended(
        &mut self,
        now: Now,
        partition: i32,
        token: AppendToken,
        result: Result<(Offset, Offset), ErrorCode>,
    ) -> Vec<Append> {
        let Some(running) = self.running.get_mut(&partition) else { return Vec::new() };
        match result {
            Ok((first, end)) => {
                running.uncommitted.push_back((end, token, first));
                Vec::new()
            }
            Err(error) => {
                running.core.handle(now, Event::Appended { token, result: Err(error) }, &mut running.effects);
                running.drain_effects()
            }
        }
    }

    /// Records below `high_watermark` are committed.
    pub(crate) fn committed(&mut self, now: Now, partition: i32, high_watermark: Offset) -> Vec<Append> {
        let Some(running) = self.running.get_mut(&partition) else { return Vec::new() };
        while let Some(&(end, token, first)) = running.uncommitted.front()
            && end <= high_watermark
        {
            running.uncommitted.pop_front();
            running.core.handle(now, Event::Appended { token, result: Ok(first) }, &mut running.effects);
        }
        running.drain_effects()
    }

    /// An event for the coordinator of one partition.
    pub(crate) fn event(&mut self, now: Now, partition: i32, event: Event) -> Vec<Append> {
        let Some(running) = self.running.get_mut(&partition) else { return Vec::new() };
        running.core.handle(now, event, &mut running.effects);
        running.drain_effects()
    }

    /// The same event for every coordinator of this shard.
    pub(crate) fn broadcast(&mut self, now: Now, event: &Event) -> Vec<(i32, Vec<Append>)> {
        let mut wanted = Vec::new();
        for (&partition, running) in &mut self.running {
            running.core.handle(now, event.clone(), &mut running.effects);
            wanted.push((partition, running.drain_effects()));
        }
        wanted
    }

    /// When [`Groups::tick`] wants to be called, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.running.values().filter_map(|running| running.core.next_deadline()).min()
    }

    /// Fires what is due.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<(i32, Vec<Append>)> {
        let mut wanted = Vec::new();
        for (&partition, running) in &mut self.running {
            if running.core.next_deadline().is_some_and(|deadline| deadline <= now.tick) {
                running.core.on_tick(now, &mut running.effects);
                wanted.push((partition, running.drain_effects()));
            }
        }
        wanted
    }

    /// What is measured of the groups of a partition; nothing while they are loaded.
    pub(crate) fn facts(&self, partition: i32) -> Vec<GroupFacts> {
        self.running.get(&partition).map(|running| running.core.facts()).unwrap_or_default()
    }

    /// The partitions that are coordinated here.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.running.keys().copied().collect()
    }
}

impl Running {
    /// Sends the replies; returns what is to be appended, in order.
    fn drain_effects(&mut self) -> Vec<Append> {
        let mut wanted = Vec::new();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Append { token, records, producer } => wanted.push(Append { token, records, producer }),
                Effect::Reply { token, reply } => {
                    if let Some(parked) = self.parked.remove(&token.0) {
                        // Whoever asked may have closed its connection meanwhile.
                        let _ = parked.send(reply);
                    }
                }
            }
        }
        wanted
    }
}

/// The partition of `__consumer_offsets` that keeps a group, or that of `__transaction_state` for an id: Java's `String.hashCode` over UTF-16 units, made positive
/// as Kafka does it.
pub(crate) fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_spread_as_java_does() {
        // `"console-consumer-1".hashCode()` and the like, from a JVM.
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("a", 50), 97 % 50);
        assert_eq!(partition_for("g1", 50), (103 * 31 + 49) % 50);
        // Its hash is Integer.MIN_VALUE.
        assert_eq!(partition_for("polygenelubricants", 50), 0);
    }
}
