//! Records gather in batches per partition until their leader can take them. Pure: time is told, nothing waits.
//!
//! ```text
//!            append                     drain (a leader may take)
//!  record ──────────▶ queue of its ────────────────────────────▶ sender
//!                     partition   ◀────────────────────────────
//!                                  put back (in its old place)
//! ```
//!
//! Invariants: a queue is sorted by [`Order`]; only its last batch grows; `memory_used` is the sum of what all batches
//! hold that are not released, wherever they are.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use kafka_record::batch::HEADER_LEN;
use kafka_record::{Codec, Compression};
use kafka_types::{BrokerId, TopicName};
use time_types::Tick;

use super::batch::{Batch, Order, PartitionKey, Parts, estimate};
use super::delivery::Outcome;
use super::partitioner::{Candidate, Dice, Sticky, Strategy, partition_for_key};

/// What the accumulator needs to know of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) batch_size: usize,
    pub(super) linger_ms: u64,
    pub(super) buffer_memory: usize,
    pub(super) max_request_size: usize,
    pub(super) delivery_timeout_ms: u64,
    pub(super) codec: Codec,
    pub(super) strategy: Strategy,
}

/// Why a record is not taken (yet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its topic has no partitions that we know of.
    UnknownTopic,
    /// It names a partition that the topic, having so many, does not have.
    UnknownPartition { count: usize },
    /// No memory is free for a new batch of so many bytes.
    NoMemory { needed: usize },
    /// It can never be sent.
    TooLarge { size: usize, limit: usize, setting: &'static str },
}

/// A record was taken.
#[derive(Debug)]
pub(super) struct Appended<'b> {
    /// The batch it is in.
    pub(super) batch: &'b mut Batch,
    /// Its place there.
    pub(super) index: u32,
    /// There is more to send than before: wake the sender.
    pub(super) wakes: bool,
    /// A batch became full.
    pub(super) fills: bool,
}

/// What [`Accumulator::drain`] asks before it gives out the first batch of a partition.
pub(super) trait Gate {
    /// May this batch be sent now? It is, if the answer is yes.
    fn admit(&mut self, batch: &mut Batch) -> bool;
}

#[derive(Debug, Default)]
struct Queue {
    leader: Option<BrokerId>,
    batches: VecDeque<Batch>,
    /// It is in the list of queues that are not empty.
    is_listed: bool,
}

#[derive(Debug)]
struct Topic {
    name: TopicName,
    /// How many partitions it has; queues of more may remain from before.
    count: usize,
    queues: Vec<Queue>,
    sticky: Sticky,
    /// How records compress: what came out by what went in.
    ratio: f32,
    /// When the last batch was begun.
    used: Tick,
}

/// What waits to be sent, and how much memory that takes.
#[derive(Debug)]
pub(super) struct Accumulator {
    limits: Limits,
    topics: Vec<Topic>,
    by_name: HashMap<TopicName, usize>,
    /// The topic of the record before: mostly it is this one's, too.
    last_topic: usize,
    /// Queues that have batches.
    listed: Vec<PartitionKey>,
    /// Where draining begins, so that no partition is always last.
    turn: usize,
    dice: Dice,
    next_robin: usize,
    next_number: u64,
    memory_used: usize,
    /// Memory of batches that are done, each of `batch.size`, for the next ones; as Java's producer, it keeps what it
    /// has taken of `buffer.memory`.
    spare: Vec<Vec<u8>>,
    /// Somebody waits for memory, flushes, or everything is to end: nothing lingers.
    pub(super) hurry: usize,
    /// Batches without a fate, wherever they are.
    incomplete: BTreeMap<Order, Arc<Outcome>>,
}

/// What there is to do for the queues.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ready {
    /// Leaders that have something to take now.
    pub(super) leaders: Vec<BrokerId>,
    /// A batch waits whose partition has no leader.
    pub(super) lacks_leader: bool,
    /// When to look again if nothing happens.
    pub(super) next: Option<Tick>,
}

impl Accumulator {
    pub(super) fn new(limits: Limits, seed: u64) -> Accumulator {
        Accumulator {
            limits,
            topics: Vec::new(),
            by_name: HashMap::new(),
            last_topic: 0,
            listed: Vec::new(),
            turn: 0,
            dice: Dice::new(seed),
            next_robin: seed as usize % 1024,
            next_number: 0,
            memory_used: 0,
            spare: Vec::new(),
            hurry: 0,
            incomplete: BTreeMap::new(),
        }
    }

    /// What the cluster says of a topic: the leader of each partition, or nothing if it is not there any more.
    pub(super) fn set_topic(&mut self, name: &TopicName, leaders: &[Option<BrokerId>]) {
        let index = self.topic_index(name).unwrap_or_else(|| {
            self.by_name.insert(name.clone(), self.topics.len());
            self.topics.push(Topic {
                name: name.clone(),
                count: 0,
                queues: Vec::new(),
                sticky: Sticky::default(),
                ratio: 1.0,
                used: Tick::default(),
            });
            self.topics.len() - 1
        });
        let topic = &mut self.topics[index];
        topic.count = leaders.len();
        if topic.queues.len() < leaders.len() {
            topic.queues.resize_with(leaders.len(), Queue::default);
        }
        for (at, queue) in topic.queues.iter_mut().enumerate() {
            queue.leader = leaders.get(at).copied().flatten();
        }
    }

    /// Topics that got a batch within `idle_ms`, or that have one to send.
    pub(super) fn topics_in_use(&self, now: Tick, idle_ms: u64) -> Vec<TopicName> {
        let has_batches = |topic: &Topic| topic.queues.iter().any(|queue| !queue.batches.is_empty());
        let in_use = |topic: &&Topic| now.since(topic.used) < idle_ms || has_batches(topic);
        self.topics.iter().filter(in_use).map(|topic| topic.name.clone()).collect()
    }

    /// Adds a record to the batch of its partition, or says what stands in the way. The clock is read for a new batch
    /// only: for each record it would be a third of the work.
    pub(super) fn append(
        &mut self,
        clock: impl FnOnce() -> Tick,
        name: &str,
        partition: Option<i32>,
        parts: &Parts<'_>,
    ) -> Result<Appended<'_>, Refused> {
        let size = parts.size_bound();
        let index = self.topic_index(name).filter(|&index| self.topics[index].count > 0);
        let index = index.ok_or(Refused::UnknownTopic)?;
        self.check_size(size + HEADER_LEN)?;
        let (partition, is_sticky) = self.partition_of(index, partition, parts, size)?;
        let key = PartitionKey { topic: index as u32, partition };
        let had_room = self.has_room(key, size);
        let mut fills = false;
        if had_room {
            self.grow_reserved(key, size)?;
        } else {
            fills = self.close_last(key);
            self.start_batch(clock(), key, size)?;
        }
        let limits = self.limits;
        let topic = &mut self.topics[index];
        let ratio = topic.ratio;
        let queue = &mut topic.queues[partition as usize];
        let is_first = queue.batches.len() == 1;
        let batch = queue.batches.back_mut().expect("there is one with room now");
        let before = batch.estimated_size(ratio);
        let Some(at) = batch.append(parts) else {
            // Above 2^31 bytes: only a batch.size of that order comes here.
            batch.is_closed = true;
            return Err(Refused::TooLarge { size, limit: i32::MAX as usize, setting: "batch.size" });
        };
        let after = batch.estimated_size(ratio);
        let is_full = after >= limits.batch_size;
        if is_sticky {
            topic.sticky.add(after - if had_room { before } else { 0 });
        }
        // Full batches behind the first are no news to the sender.
        let wakes = !had_room || (is_full && is_first);
        Ok(Appended { batch, index: at, wakes, fills: fills || is_full })
    }

    /// Which leaders have something to take, and when to look again.
    pub(super) fn ready(&mut self, now: Tick) -> Ready {
        let mut ready = Ready::default();
        let mut next = |at: Tick| ready.next = Some(ready.next.map_or(at, |before: Tick| before.min(at)));
        let mut leaders = Vec::new();
        let mut lacks_leader = false;
        self.unlist_empty();
        for key in &self.listed {
            let queue = &self.topics[key.topic as usize].queues[key.partition as usize];
            let Some(first) = queue.batches.front() else { continue };
            next(first.created.after(self.limits.delivery_timeout_ms));
            let Some(leader) = queue.leader else {
                lacks_leader = true;
                continue;
            };
            let is_full = first.is_closed
                || queue.batches.len() > 1
                || first.estimated_size(self.topics[key.topic as usize].ratio) >= self.limits.batch_size;
            let lingers = !(is_full || self.hurry > 0 || first.attempts > 0);
            let due = if lingers { first.created.after(self.limits.linger_ms) } else { Tick(0) }.max(first.not_before);
            if due > now {
                next(due);
            } else if !leaders.contains(&leader) {
                leaders.push(leader);
            }
        }
        Ready { leaders, lacks_leader, next: ready.next }
    }

    /// Takes the first batch of each partition of a leader that `gate` admits, as many as fit into one request (one at
    /// least). As in Java, a partition need not be ready itself to go along.
    pub(super) fn drain(&mut self, now: Tick, leader: BrokerId, gate: &mut impl Gate) -> Vec<Batch> {
        let mut drained = Vec::new();
        let mut size = 0;
        let start = self.turn;
        self.turn = self.turn.wrapping_add(1);
        for at in 0..self.listed.len() {
            let key = self.listed[(start.wrapping_add(at)) % self.listed.len()];
            let topic = &mut self.topics[key.topic as usize];
            let queue = &mut topic.queues[key.partition as usize];
            let Some(first) = queue.batches.front_mut().filter(|_| queue.leader == Some(leader)) else { continue };
            let first_size = first.estimated_size(topic.ratio);
            if first.not_before > now || (size > 0 && size + first_size > self.limits.max_request_size) {
                continue;
            }
            if gate.admit(first) {
                size += first_size;
                let mut batch = queue.batches.pop_front().expect("it has a first one");
                batch.is_closed = true;
                drained.push(batch);
            }
        }
        drained
    }

    /// A batch that is to be sent again: it takes its old place, before all that was sent later.
    pub(super) fn put_back(&mut self, batch: Batch) {
        let key = batch.key;
        let queue = &mut self.topics[key.topic as usize].queues[key.partition as usize];
        let at = queue.batches.partition_point(|other| other.order < batch.order);
        queue.batches.insert(at, batch);
        self.list(key);
    }

    /// The parts of a batch that was too large take its place.
    pub(super) fn replace(&mut self, whole: &mut Batch, parts: Vec<Batch>) {
        self.release(whole);
        for part in parts {
            self.memory_used += part.reserved;
            self.incomplete.insert(part.order, part.outcome.clone());
            self.put_back(part);
        }
    }

    /// Takes out the batches whose time is over.
    pub(super) fn take_expired(&mut self, now: Tick) -> Vec<Batch> {
        let timeout = self.limits.delivery_timeout_ms;
        self.take_while_front(|batch| now.since(batch.created) >= timeout)
    }

    /// Takes out everything.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        self.take_while_front(|_| true)
    }

    fn take_while_front(&mut self, is_taken: impl Fn(&Batch) -> bool) -> Vec<Batch> {
        let mut taken = Vec::new();
        for key in &self.listed {
            let queue = &mut self.topics[key.topic as usize].queues[key.partition as usize];
            while queue.batches.front().is_some_and(&is_taken) {
                taken.extend(queue.batches.pop_front());
            }
        }
        taken
    }

    /// A batch has its fate: its memory is free again.
    pub(super) fn release(&mut self, batch: &mut Batch) {
        self.memory_used -= batch.reserved;
        let kept = (self.spare.len() + 1) * self.limits.batch_size;
        if self.memory_used + kept <= self.limits.buffer_memory {
            let buffer = batch.take_buffer().filter(|buffer| buffer.capacity() == self.limits.batch_size);
            self.spare.extend(buffer);
        }
        self.incomplete.remove(&batch.order);
    }

    /// Learns how well the records of a topic compress. Slow to hope and quick to despair, as in Java, because a batch
    /// that is too large costs another round.
    pub(super) fn observe_ratio(&mut self, topic: u32, observed: f32) {
        let ratio = &mut self.topics[topic as usize].ratio;
        *ratio = if observed > *ratio { (*ratio + 0.05).max(observed) } else { (*ratio - 0.005).max(observed) };
    }

    /// After a batch was too large, the next ones are not compressed on credit.
    pub(super) fn reset_ratio(&mut self, topic: u32) {
        self.topics[topic as usize].ratio = 1.0;
    }

    /// The outcomes of all batches that have no fate yet.
    pub(super) fn incomplete(&self) -> Vec<Arc<Outcome>> {
        self.incomplete.values().cloned().collect()
    }

    /// Bytes of `buffer.memory` that are free.
    pub(super) fn memory_free(&self) -> usize {
        self.limits.buffer_memory.saturating_sub(self.memory_used)
    }

    fn topic_index(&mut self, name: &str) -> Option<usize> {
        if self.topics.get(self.last_topic).is_some_and(|topic| &*topic.name == name) {
            return Some(self.last_topic);
        }
        let index = *self.by_name.get(name)?;
        self.last_topic = index;
        Some(index)
    }

    fn check_size(&self, size: usize) -> Result<(), Refused> {
        let too_large = |limit, setting| Err(Refused::TooLarge { size, limit, setting });
        if size > self.limits.max_request_size {
            return too_large(self.limits.max_request_size, "max.request.size");
        }
        if size > self.limits.buffer_memory {
            return too_large(self.limits.buffer_memory, "buffer.memory");
        }
        Ok(())
    }

    /// The partition, and whether it is the sticky one.
    fn partition_of(
        &mut self,
        index: usize,
        partition: Option<i32>,
        parts: &Parts<'_>,
        size: usize,
    ) -> Result<(i32, bool), Refused> {
        let count = self.topics[index].count;
        if let Some(partition) = partition {
            let is_there = usize::try_from(partition).is_ok_and(|partition| partition < count);
            return if is_there { Ok((partition, false)) } else { Err(Refused::UnknownPartition { count }) };
        }
        match (self.limits.strategy, parts.key) {
            (Strategy::RoundRobin, _) => Ok((self.next_in_turn(index), false)),
            (Strategy::Default { ignores_keys: false, .. }, Some(key)) => {
                Ok((partition_for_key(key, count as u32), false))
            }
            (Strategy::Default { adaptive, .. }, _) => Ok((self.sticky_partition(index, size, adaptive), true)),
        }
    }

    /// Stays until `batch.size` bytes were produced to the partition, and then until its batch is full, so that no
    /// batch is left behind half full only because it was another's turn.
    fn sticky_partition(&mut self, index: usize, size: usize, adaptive: bool) -> i32 {
        let topic = &self.topics[index];
        let key = |partition| PartitionKey { topic: index as u32, partition };
        if let Some(current) = topic.sticky.current(topic.count) {
            let stays = self.has_room(key(current), size) || !topic.sticky.is_due(size, self.limits.batch_size);
            if stays {
                return current;
            }
        }
        let topic = &mut self.topics[index];
        let candidates = topic.queues[..topic.count]
            .iter()
            .map(|queue| Candidate { is_available: queue.leader.is_some(), queued: queue.batches.len() });
        topic.sticky.switch(&mut self.dice, adaptive, &candidates)
    }

    /// Partitions with a leader in turn; all in turn if none has one.
    fn next_in_turn(&mut self, index: usize) -> i32 {
        let topic = &self.topics[index];
        for _ in 0..topic.count {
            self.next_robin = self.next_robin.wrapping_add(1);
            let partition = self.next_robin % topic.count;
            if topic.queues[partition].leader.is_some() {
                return partition as i32;
            }
        }
        self.next_robin = self.next_robin.wrapping_add(1);
        (self.next_robin % topic.count) as i32
    }

    fn has_room(&self, key: PartitionKey, size: usize) -> bool {
        let topic = &self.topics[key.topic as usize];
        let Some(last) = topic.queues[key.partition as usize].batches.back() else { return false };
        let estimated = estimate(self.limits.codec.compression, last.uncompressed + size, topic.ratio);
        !last.is_closed && estimated <= self.limits.batch_size
    }

    /// A compressed batch grows beyond what was reserved for it.
    fn grow_reserved(&mut self, key: PartitionKey, size: usize) -> Result<(), Refused> {
        if self.limits.codec.compression == Compression::None {
            return Ok(());
        }
        let free = self.memory_free();
        let queue = &mut self.topics[key.topic as usize].queues[key.partition as usize];
        let batch = queue.batches.back_mut().expect("it has room, so it is there");
        let more = (batch.uncompressed + size).saturating_sub(batch.reserved);
        if more == 0 {
            return Ok(());
        }
        let more = more.max(self.limits.batch_size);
        if more > free {
            return Err(Refused::NoMemory { needed: more });
        }
        batch.reserved += more;
        self.memory_used += more;
        Ok(())
    }

    /// True if there was a batch that takes no more now.
    fn close_last(&mut self, key: PartitionKey) -> bool {
        let queue = &mut self.topics[key.topic as usize].queues[key.partition as usize];
        queue.batches.back_mut().is_some_and(|last| !std::mem::replace(&mut last.is_closed, true))
    }

    fn start_batch(&mut self, now: Tick, key: PartitionKey, size: usize) -> Result<(), Refused> {
        /// More is not taken from the system before it is needed.
        const CAPACITY_MAX: usize = 1 << 24;
        let needed = self.limits.batch_size.max(size + HEADER_LEN);
        // A memory below one batch holds one batch all the same, as it holds nothing else.
        if needed > self.memory_free() && self.memory_used > 0 {
            return Err(Refused::NoMemory { needed });
        }
        let order = Order { number: self.next_number, first: 0 };
        self.next_number += 1;
        let topic = &mut self.topics[key.topic as usize];
        topic.used = now;
        let spare = self.spare.pop().filter(|buffer| buffer.capacity() >= needed);
        let buffer = spare.unwrap_or_else(|| Vec::with_capacity(needed.min(CAPACITY_MAX)));
        // What is used and what is spare is one memory.
        let left = self.limits.buffer_memory.saturating_sub(self.memory_used + needed);
        self.spare.truncate(left / self.limits.batch_size.max(1));
        let mut batch = Batch::new((key, topic.name.clone()), order, self.limits.codec, now, buffer);
        batch.reserved = needed;
        self.memory_used += needed;
        self.incomplete.insert(order, batch.outcome.clone());
        self.topics[key.topic as usize].queues[key.partition as usize].batches.push_back(batch);
        self.list(key);
        Ok(())
    }

    fn list(&mut self, key: PartitionKey) {
        let queue = &mut self.topics[key.topic as usize].queues[key.partition as usize];
        if !std::mem::replace(&mut queue.is_listed, true) {
            self.listed.push(key);
        }
    }

    fn unlist_empty(&mut self) {
        let topics = &mut self.topics;
        self.listed.retain(|key| {
            let queue = &mut topics[key.topic as usize].queues[key.partition as usize];
            queue.is_listed = !queue.batches.is_empty();
            queue.is_listed
        });
    }
}

#[cfg(test)]
#[path = "accumulator/tests.rs"]
mod tests;
