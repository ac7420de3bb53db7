//! The cores of one shard: who waits for which reply, and which appends are not committed yet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use kafka_types::{ErrorCode, LeaderEpoch, Offset};
use time_types::{Now, Tick};
use tokio::sync::{Notify, oneshot};

use super::alarm::Alarm;
use super::{Append, Core, Wanted};

/// Something that takes longer than a call, for the core of `partition` in `epoch`.
#[derive(Debug)]
pub(crate) struct Job<C: Core> {
    pub(crate) partition: i32,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) task: C::Task,
}

/// The cores of one shard, by partition of their topic.
#[derive(Debug)]
pub(crate) struct Cores<C: Core> {
    running: BTreeMap<i32, Running<C>>,
    jobs: Vec<Job<C>>,
    /// Told when there are jobs.
    pub(crate) has_jobs: Arc<Notify>,
    /// When somebody looks what is due.
    pub(super) alarm: Alarm,
}

impl<C: Core> Default for Cores<C> {
    fn default() -> Cores<C> {
        Cores { running: BTreeMap::new(), jobs: Vec::new(), has_jobs: Arc::default(), alarm: Alarm::default() }
    }
}

#[derive(Debug)]
struct Running<C: Core> {
    core: C,
    epoch: LeaderEpoch,
    parked: HashMap<u64, oneshot::Sender<C::Reply>>,
    next_token: u64,
    /// Appends that are written and not committed yet, oldest first.
    uncommitted: VecDeque<Written>,
    effects: Vec<C::Effect>,
}

/// Where an append lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) token: u64,
    /// Its first record.
    pub(crate) first: Offset,
    /// After its last record.
    pub(crate) end: Offset,
    /// When whoever waits is told that it took too long; if it is committed later, nobody waits any more.
    pub(crate) deadline: Option<Tick>,
}

impl<C: Core> Cores<C> {
    /// This broker leads the partition from now on: a core that loads. `false` if it runs already in this epoch.
    pub(crate) fn elect(&mut self, partition: i32, epoch: LeaderEpoch, config: C::Config) -> bool {
        if self.running.get(&partition).is_some_and(|running| running.epoch >= epoch) {
            return false;
        }
        self.resign(partition);
        let running = Running {
            core: C::new(config, epoch),
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
            running.drain_effects(partition, &mut self.jobs);
        }
    }

    /// Does it run in this epoch?
    pub(crate) fn runs(&self, partition: i32, epoch: LeaderEpoch) -> bool {
        self.running.get(&partition).is_some_and(|running| running.epoch == epoch)
    }

    /// The core that runs in `epoch`; `None` if it was replaced meanwhile.
    pub(crate) fn core(&mut self, partition: i32, epoch: LeaderEpoch) -> Option<&mut C> {
        self.running.get_mut(&partition).filter(|running| running.epoch == epoch).map(|running| &mut running.core)
    }

    /// Everything is replayed.
    pub(crate) fn loaded(&mut self, now: Now, partition: i32, epoch: LeaderEpoch) -> Vec<Append> {
        if !self.runs(partition, epoch) {
            return Vec::new();
        }
        self.with(partition, |running| running.core.on_loaded(now, &mut running.effects))
    }

    /// Hands a request to the core of `partition`; `NOT_COORDINATOR` when there is none.
    pub(crate) fn request(
        &mut self,
        now: Now,
        partition: i32,
        request: C::Request,
        reply: oneshot::Sender<C::Reply>,
    ) -> Result<Vec<Append>, ErrorCode> {
        if !self.running.contains_key(&partition) {
            return Err(ErrorCode::NotCoordinator);
        }
        Ok(self.with(partition, |running| {
            let token = running.next_token;
            running.next_token += 1;
            running.parked.insert(token, reply);
            running.core.handle(now, C::asked(token, request), &mut running.effects);
        }))
    }

    /// Something happens to the core of a partition, if there is one.
    pub(crate) fn event(&mut self, now: Now, partition: i32, event: C::Event) -> Vec<Append> {
        self.with(partition, |running| running.core.handle(now, event, &mut running.effects))
    }

    /// An append was written, and is reported when it is committed.
    pub(crate) fn written(&mut self, partition: i32, written: Written) {
        if let Some(running) = self.running.get_mut(&partition) {
            running.uncommitted.push_back(written);
        }
    }

    /// Is anything written that is not committed?
    pub(crate) fn awaits_commit(&self, partition: i32) -> bool {
        self.running.get(&partition).is_some_and(|running| !running.uncommitted.is_empty())
    }

    /// Records below `high_watermark` are committed.
    pub(crate) fn committed(&mut self, now: Now, partition: i32, high_watermark: Offset) -> Vec<Append> {
        self.with(partition, |running| {
            while let Some(written) = running.uncommitted.pop_front_if(|written| written.end <= high_watermark) {
                running.core.handle(now, C::appended(written.token, Ok(written.first)), &mut running.effects);
            }
        })
    }

    /// When [`Cores::tick`] wants to be called, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.running.values().filter_map(Running::next_deadline).min()
    }

    /// There may be a deadline of this partition's core that is earlier than all.
    pub(super) fn rouse(&mut self, partition: i32) {
        self.alarm.at_latest(self.running.get(&partition).and_then(|running| running.core.next_deadline()));
    }

    /// Does what is due; what each core wants appended, by partition.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<(i32, Vec<Append>)> {
        let is_due = |running: &Running<C>| running.next_deadline().is_some_and(|deadline| deadline <= now.tick);
        let due: Vec<i32> =
            self.running.iter().filter(|(_, one)| is_due(one)).map(|(partition, _)| *partition).collect();
        let tick = |running: &mut Running<C>| {
            running.give_up(now);
            running.core.on_tick(now, &mut running.effects);
        };
        due.into_iter().map(|partition| (partition, self.with(partition, tick))).collect()
    }

    /// The partitions that are coordinated here.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.running.keys().copied().collect()
    }

    /// The core of a partition, to be looked at.
    pub(crate) fn get(&self, partition: i32) -> Option<&C> {
        self.running.get(&partition).map(|running| &running.core)
    }

    /// What is to be done outside of a call.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job<C>> {
        std::mem::take(&mut self.jobs)
    }

    /// Lets a core act, and carries out what it wants; returns what is to be appended, in order.
    fn with(&mut self, partition: i32, act: impl FnOnce(&mut Running<C>)) -> Vec<Append> {
        let Some(running) = self.running.get_mut(&partition) else { return Vec::new() };
        act(running);
        let wanted = running.drain_effects(partition, &mut self.jobs);
        if !self.jobs.is_empty() {
            self.has_jobs.notify_one();
        }
        wanted
    }
}

impl<C: Core> Running<C> {
    fn next_deadline(&self) -> Option<Tick> {
        let oldest = self.uncommitted.front().and_then(|written| written.deadline);
        self.core.next_deadline().into_iter().chain(oldest).min()
    }

    /// Appends that are not committed in time.
    fn give_up(&mut self, now: Now) {
        let is_over = |written: &mut Written| written.deadline.is_some_and(|deadline| deadline <= now.tick);
        while let Some(written) = self.uncommitted.pop_front_if(is_over) {
            self.core.handle(now, C::appended(written.token, Err(ErrorCode::RequestTimedOut)), &mut self.effects);
        }
    }

    fn drain_effects(&mut self, partition: i32, jobs: &mut Vec<Job<C>>) -> Vec<Append> {
        let mut wanted = Vec::new();
        for effect in self.effects.drain(..) {
            match C::wanted(effect) {
                Wanted::Append(append) => wanted.push(append),
                Wanted::Task(task) => jobs.push(Job { partition, epoch: self.epoch, task }),
                Wanted::Reply(token, reply) => {
                    if let Some(parked) = self.parked.remove(&token) {
                        // Whoever asked may have closed its connection meanwhile.
                        let _ = parked.send(reply);
                    }
                }
            }
        }
        wanted
    }
}
