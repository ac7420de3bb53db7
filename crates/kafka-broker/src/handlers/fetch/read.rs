//! Reading what is asked for, and waiting for more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_log::Slice;
use kafka_types::{ErrorCode, TopicPartition};
use time_types::Tick;

use super::lock;
use super::request::{Planner, Scope};
use crate::broker::Broker;
use crate::fetch_sessions::Asked;
use crate::handlers::Context;
use crate::long_poll::{LongPoll, Seen};
use crate::replicas::partition::{ReadRequest, ReadResult, Reader};
use crate::replicas::{Owned, isr_updates};
use crate::shard::here;

/// One partition that is looked at.
pub(super) struct Part {
    /// Its place in the session, or in the request.
    pub(super) place: u64,
    pub(super) asked: Asked,
    /// What to read; or why nothing can be read.
    pub(super) target: Result<Target, ErrorCode>,
    pub(super) outcome: Outcome,
    /// It is to be read with a size below zero, which fails where there is something to read.
    pub(super) is_negative: bool,
}

pub(super) struct Target {
    pub(super) shard: usize,
    pub(super) topic_partition: TopicPartition,
    pub(super) read: ReadRequest,
}

/// What came of it.
pub(super) enum Outcome {
    Found(Box<ReadResult>),
    Refused(ErrorCode),
}

impl Outcome {
    fn found(&self) -> Option<&ReadResult> {
        match self {
            Outcome::Found(found) => Some(found),
            Outcome::Refused(_) => None,
        }
    }
}

/// How many bytes an answer has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) min_bytes: u64,
    pub(super) max_bytes: u64,
    /// Nothing may exceed a limit: readers that old are given the beginning of a batch. For all others the first batch
    /// of an answer comes whole, and no further one that does not fit.
    pub(super) is_hard: bool,
}

/// Bytes of a slice that has `first_batch` before others, when `room` bytes are left.
fn fitting(slice: u64, first_batch: u64, room: u64, is_first: bool, limits: Limits) -> u64 {
    if room >= first_batch || limits.is_hard {
        slice.min(room)
    } else if is_first {
        slice.min(first_batch)
    } else {
        0
    }
}

/// Partitions that are looked at, as far as that has come.
pub(super) struct Fetch {
    pub(super) planner: Planner,
    pub(super) parts: Vec<Part>,
    /// There are others in the session, of which nothing is to be told before they move.
    pub(super) has_idle: bool,
}

impl Fetch {
    /// No bytes at all are allowed, and fewer: the first partition is read so, the others find nothing left.
    pub(super) fn begin_below_zero(&mut self) {
        let readable = self.parts.iter_mut().filter(|part| part.target.is_ok());
        if let Some(first) = readable.min_by_key(|part| part.place) {
            first.is_negative = true;
        }
    }

    /// Reads, and waits until there is enough to tell.
    pub(super) async fn run(&mut self, context: &Context, scope: &Scope, limits: Limits, deadline: Tick) {
        let broker = &context.broker;
        let all: Vec<usize> = (0..self.parts.len()).collect();
        self.read(broker, &all).await;
        while self.waits(limits) && broker.clock.tick() < deadline {
            let poll = LongPoll::new(limits.min_bytes.saturating_sub(self.available()));
            self.watch(scope, &poll);
            context.effort.parked(broker.clock);
            poll.wait(broker.clock.until(deadline)).await;
            let moved = self.moved(scope, &poll);
            if moved.is_empty() {
                break;
            }
            self.read(broker, &moved).await;
            if poll.has_enough() {
                break;
            }
        }
        self.fit(limits);
    }

    /// Is there too little to tell? Errors, diverged followers and readers that are not where they think do not wait.
    fn waits(&self, limits: Limits) -> bool {
        let mut readable = self.parts.iter().filter(|part| part.target.is_ok()).peekable();
        if readable.peek().is_none() && !self.has_idle {
            return false;
        }
        let speaks = |part: &Part| match &part.outcome {
            Outcome::Found(found) => found.diverging.is_some() || found.ends_wait,
            Outcome::Refused(_) => true,
        };
        !readable.any(speaks) && self.available().max(self.fitting(limits)) < limits.min_bytes
    }

    fn available(&self) -> u64 {
        self.parts.iter().filter_map(|part| part.outcome.found()).map(|found| found.available).sum()
    }

    fn fitting(&self, limits: Limits) -> u64 {
        let mut sum = 0;
        for found in self.parts.iter().filter_map(|part| part.outcome.found()) {
            let Some(slice) = &found.slice else { continue };
            let room = limits.max_bytes.saturating_sub(sum);
            sum += fitting(slice.len, found.first_batch, room.min(found.max_bytes), sum == 0, limits);
        }
        sum
    }

    /// Cuts what was read to the limits, in the order of the partitions.
    fn fit(&mut self, limits: Limits) {
        self.parts.sort_by_key(|part| part.place);
        let mut sum = 0;
        for part in &mut self.parts {
            let Outcome::Found(found) = &mut part.outcome else { continue };
            let room = limits.max_bytes.saturating_sub(sum).min(found.max_bytes);
            if let Some(Slice { len, .. }) = &mut found.slice {
                *len = fitting(*len, found.first_batch, room, sum == 0, limits);
                sum += *len;
            }
            found.slice.take_if(|slice| slice.len == 0);
        }
    }

    /// Counts what will be sent; runs on the thread of the connection's shard.
    pub(super) fn count_sent(&self) {
        here(|owned: &mut Owned| {
            for part in &self.parts {
                if let (Ok(target), Some(Slice { len, .. })) =
                    (&part.target, part.outcome.found().and_then(|found| found.slice.as_ref()))
                {
                    owned.traffic.sent(&target.topic_partition.topic, *len);
                }
            }
        });
    }

    /// Counts what will be sent of throttled partitions to a follower.
    pub(super) fn count_throttled(&self, broker: &Broker) {
        let bytes = |part: &Part| {
            let slice = part.outcome.found().and_then(|found| found.slice.as_ref())?;
            let target = part.target.as_ref().ok()?;
            is_throttled(broker, &target.topic_partition).then_some(slice.len)
        };
        let bytes = self.parts.iter().filter_map(bytes).sum();
        broker.replication_quotas.sent(&broker.config, broker.clock.tick(), bytes);
    }

    fn watch(&self, scope: &Scope, poll: &LongPoll) {
        for part in &self.parts {
            if let Some(found) = part.outcome.found() {
                found.seen.watch(poll, part.place);
            }
        }
        if let Scope::Continues { session, .. } = scope
            && self.has_idle
        {
            for (place, cached) in lock(session).partitions() {
                if let Some(seen) = &cached.idle {
                    Seen::watch(seen, poll, place);
                }
            }
        }
    }

    /// The parts that have moved; those of the session that were idle are parts from now on.
    fn moved(&mut self, scope: &Scope, poll: &LongPoll) -> Vec<usize> {
        let mut places: BTreeSet<u64> = poll.take_moved().into_iter().collect();
        let mut moved = Vec::with_capacity(places.len());
        for (at, part) in self.parts.iter_mut().enumerate() {
            if places.remove(&part.place) {
                moved.push(at);
                if let Ok(target) = &mut part.target {
                    target.read.is_second_look = true;
                }
            }
        }
        let Scope::Continues { session, .. } = scope else { return moved };
        let mut session = lock(session);
        for place in places {
            if let Some(asked) = session.wake(place) {
                moved.push(self.parts.len());
                self.parts.push(self.planner.part(place, asked));
            }
        }
        moved
    }

    /// Reads some of the parts, one visit per shard.
    async fn read(&mut self, broker: &Arc<Broker>, which: &[usize]) {
        let mut by_shard: BTreeMap<usize, Vec<(usize, TopicPartition, ReadRequest)>> = BTreeMap::new();
        for at in which {
            if let Ok(target) = &self.parts[*at].target {
                by_shard.entry(target.shard).or_default().push((*at, target.topic_partition.clone(), target.read));
            }
        }
        for (shard, reads) in by_shard {
            let for_proposals = Arc::clone(broker);
            let visit = broker.shards.on(shard, move |owned| read_here(&for_proposals, owned, reads));
            let Ok(found) = visit.await else { continue };
            for (at, outcome) in found {
                let fails = self.parts[at].is_negative && outcome.found().is_some_and(|found| found.slice.is_some());
                self.parts[at].outcome = if fails { Outcome::Refused(ErrorCode::UnknownServerError) } else { outcome };
            }
        }
    }
}

/// Is what this broker sends of the partition to followers limited?
fn is_throttled(broker: &Broker, topic_partition: &TopicPartition) -> bool {
    let settings = broker.topic_settings.get(&topic_partition.topic);
    let throttled = settings.as_ref().and_then(|settings| settings.throttled.as_ref());
    throttled.is_some_and(|throttled| throttled.holds(topic_partition.partition, broker.id))
}

/// Runs on the shard that owns the partitions.
fn read_here(
    broker: &Arc<Broker>,
    owned: &mut Owned,
    reads: Vec<(usize, TopicPartition, ReadRequest)>,
) -> Vec<(usize, Outcome)> {
    let now = owned.shared.clock.now();
    let mut found = Vec::with_capacity(reads.len());
    for (at, topic_partition, read) in reads {
        let outcome = owned.partition(&topic_partition).and_then(|partition| {
            partition.traffic.fetches += 1;
            let mut result = partition.read(now, read).inspect_err(|_| partition.traffic.failed_fetches += 1)?;
            if let Reader::Follower(follower, _) = read.reader
                && !partition.is_in_sync(follower)
                && is_throttled(broker, &topic_partition)
                && broker.replication_quotas.leader_exceeded(&broker.config, now.tick)
            {
                result.withhold();
            }
            if let (Some(isr), Some(id)) = (result.proposal.take(), partition.topic_id) {
                // A follower that has caught up is proposed for the ISR.
                isr_updates::propose(broker, topic_partition, id, isr);
            }
            Ok(result)
        });
        found.push((at, outcome.map_or_else(Outcome::Refused, |result| Outcome::Found(Box::new(result)))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_comes_whole_and_others_only_if_they_fit() {
        let soft = Limits { min_bytes: 1, max_bytes: 1000, is_hard: false };
        assert_eq!(fitting(500, 100, 1000, true, soft), 500);
        assert_eq!(fitting(500, 100, 250, false, soft), 250);
        assert_eq!(fitting(500, 100, 99, false, soft), 0);
        assert_eq!(fitting(500, 100, 99, true, soft), 100);
        assert_eq!(fitting(500, 100, 0, true, soft), 100);
    }

    #[test]
    fn the_oldest_readers_are_given_the_beginning_of_a_batch() {
        let hard = Limits { min_bytes: 1, max_bytes: 1000, is_hard: true };
        assert_eq!(fitting(500, 100, 99, true, hard), 99);
        assert_eq!(fitting(500, 100, 30, false, hard), 30);
        assert_eq!(fitting(500, 100, 0, true, hard), 0);
    }
}
