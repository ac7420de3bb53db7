//! Runs transaction coordinator cores over their partitions: request, decide, append, replay, reply; and what takes
//! longer than a call (markers, producer ids) is handed out as [`Job`]s.
//!
//! The coordinator of a transactional id lives on the shard that owns the id's `__transaction_state` partition, so that
//! its appends are plain calls. A core that still loads answers so itself.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use kafka_txn_coordinator::{
    AppendToken, Config, Coordinator, Effect, Event, KeyValue, MarkersToWrite, MarkersToken, Reply, ReplyToken, Request,
};
use kafka_types::{ErrorCode, LeaderEpoch, Offset};
use time_types::{Now, Tick};
use tokio::sync::{Notify, oneshot};

/// The topic that keeps transactions.
pub(crate) const TRANSACTION_TOPIC: &str = kafka_metadata::topic_name::TRANSACTION_STATE;

/// What a coordinator wants appended to its partition.
#[derive(Debug)]
pub(crate) struct Append {
    /// To report by.
    pub(crate) token: AppendToken,
    /// The records.
    pub(crate) records: Vec<KeyValue>,
}

/// Something that takes longer than a call, for the coordinator of `partition` in `epoch`.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) partition: i32,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Get a producer id.
    AllocateProducerId(ReplyToken),
    /// Write markers until every partition has its own.
    WriteMarkers(MarkersToken, MarkersToWrite),
}

/// The coordinators of one shard, by partition of `__transaction_state`.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    running: BTreeMap<i32, Running>,
    jobs: Vec<Job>,
    /// Told when there are jobs.
    pub(crate) has_jobs: Rc<Notify>,
    /// Told when the next deadline may have become an earlier one.
    pub(crate) deadlines: Rc<Notify>,
}

#[derive(Debug)]
struct Running {
    core: Coordinator,
    epoch: LeaderEpoch,
    parked: HashMap<u64, oneshot::Sender<Reply>>,
    next_token: u64,
    /// Appends that are written and not committed yet, oldest first: the offset after them.
    uncommitted: VecDeque<(Offset, AppendToken)>,
    effects: Vec<Effect>,
}

impl Transactions {
    /// This broker leads the partition from now on: a core that loads. `false` if it runs already in this epoch.
    pub(crate) fn elect(&mut self, partition: i32, epoch: LeaderEpoch, config: Config) -> bool {
        if self.running.get(&partition).is_some_and(|running| running.epoch >= epoch) {
            return false;
        }
        self.resign(partition);
        let running = Running {
            core: Coordinator::new(config, epoch.0),
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

    /// The core of `epoch`; `None` if it was replaced meanwhile.
    pub(crate) fn core(&mut self, partition: i32, epoch: LeaderEpoch) -> Option<&mut Coordinator> {
        self.running.get_mut(&partition).filter(|running| running.epoch == epoch).map(|running| &mut running.core)
    }

    /// Does it still run in this epoch?
    pub(crate) fn runs(&self, partition: i32, epoch: LeaderEpoch) -> bool {
        self.running.get(&partition).is_some_and(|running| running.epoch == epoch)
    }

    /// Everything is replayed.
    pub(crate) fn loaded(&mut self, now: Now, partition: i32, epoch: LeaderEpoch) -> Vec<Append> {
        if !self.runs(partition, epoch) {
            return Vec::new();
        }
        self.with(partition, |running| running.core.on_loaded(now, &mut running.effects))
    }

    /// Hands a request to the coordinator of `partition`; `Err` when this broker is not that coordinator.
    pub(crate) fn request(
        &mut self,
        now: Now,
        partition: i32,
        request: Request,
        reply: oneshot::Sender<Reply>,
    ) -> Result<Vec<Append>, ErrorCode> {
        if !self.running.contains_key(&partition) {
            return Err(ErrorCode::NotCoordinator);
        }
        Ok(self.with(partition, |running| {
            let token = running.next_token;
            running.next_token += 1;
            running.parked.insert(token, reply);
            running.core.handle(now, Event::Request { token: ReplyToken(token), request }, &mut running.effects);
        }))
    }

    /// A job came to its end; nothing happens if the coordinator is another one by now.
    pub(crate) fn event(&mut self, now: Now, partition: i32, epoch: LeaderEpoch, event: Event) -> Vec<Append> {
        if !self.runs(partition, epoch) {
            return Vec::new();
        }
        self.with(partition, |running| running.core.handle(now, event, &mut running.effects))
    }

    /// An append was written up to `end` (exclusive), or was refused.
    pub(crate) fn appended(
        &mut self,
        now: Now,
        partition: i32,
        token: AppendToken,
        result: Result<Offset, ErrorCode>,
    ) -> Vec<Append> {
        self.with(partition, |running| match result {
            Ok(end) => running.uncommitted.push_back((end, token)),
            Err(error) => running.core.handle(now, Event::Appended { token, result: Err(error) }, &mut running.effects),
        })
    }

    /// Records below `high_watermark` are committed.
    pub(crate) fn committed(&mut self, now: Now, partition: i32, high_watermark: Offset) -> Vec<Append> {
        self.with(partition, |running| {
            while let Some(&(end, token)) = running.uncommitted.front()
                && end <= high_watermark
            {
                running.uncommitted.pop_front();
                running.core.handle(now, Event::Appended { token, result: Ok(()) }, &mut running.effects);
            }
        })
    }

    /// When [`Transactions::tick`] wants to be called, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.running.values().filter_map(|running| running.core.next_deadline()).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<(i32, Vec<Append>)> {
        let is_due = |running: &Running| running.core.next_deadline().is_some_and(|deadline| deadline <= now.tick);
        let due: Vec<i32> =
            self.running.iter().filter(|(_, one)| is_due(one)).map(|(partition, _)| *partition).collect();
        let tick = |running: &mut Running| running.core.on_tick(now, &mut running.effects);
        due.into_iter().map(|partition| (partition, self.with(partition, tick))).collect()
    }

    /// The partitions that are coordinated here.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.running.keys().copied().collect()
    }

    /// What is to be done outside of a call.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Lets a core act, and carries out what it wants; returns what is to be appended, in order.
    fn with(&mut self, partition: i32, act: impl FnOnce(&mut Running)) -> Vec<Append> {
        let Some(running) = self.running.get_mut(&partition) else { return Vec::new() };
        act(running);
        let wanted = running.drain_effects(partition, &mut self.jobs);
        if !self.jobs.is_empty() {
            self.has_jobs.notify_one();
        }
        wanted
    }
}

impl Running {
    fn drain_effects(&mut self, partition: i32, jobs: &mut Vec<Job>) -> Vec<Append> {
        let mut wanted = Vec::new();
        let epoch = self.epoch;
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Append { token, records } => wanted.push(Append { token, records }),
                Effect::AllocateProducerId { token } => {
                    jobs.push(Job { partition, epoch, task: Task::AllocateProducerId(token) });
                }
                Effect::WriteMarkers { token, markers } => {
                    jobs.push(Job { partition, epoch, task: Task::WriteMarkers(token, markers) });
                }
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
