//! The body of the controller's loop: one event after the other, each as a list of jobs, each job step by step between
//! reads and writes of znodes.
//!
//! ```text
//!           SessionStarted              /controller is ours
//!   no session ─────────▶ standing by ─────────────────────▶ controlling
//!        ▲                     ▲                                  │
//!        │                     └── a fenced write is refused, ────┤
//!        │                         /controller names another      │
//!        └───────────────────────── SessionLost ──────────────────┘
//! ```

use std::collections::VecDeque;

use kafka_metadata::znodes;
use kafka_types::{BrokerId, ErrorCode};
use time_types::{Now, Tick};

use crate::batch::Batch;
use crate::context::Context;
use crate::effect::{Answer, Effect, Notice, NoticeLevel, Role, Write, WriteOp};
use crate::event::{Event, IoToken, ReadResult, ReplyToken, WriteError, WriteResult};
use crate::job::{Io, Job, Next};
use crate::startup::Elect;

/// Settings that a controller obeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerSettings {
    /// Name of the listener between brokers, in capitals.
    pub inter_broker_listener: String,
    /// `delete.topic.enable`
    pub delete_topics: bool,
    /// `unclean.leader.election.enable` of the broker, for topics that do not say.
    pub unclean_leader_election: bool,
    /// `auto.leader.rebalance.enable`
    pub rebalance_leaders: bool,
    /// `leader.imbalance.check.interval.seconds`, in milliseconds
    pub rebalance_interval_ms: u64,
    /// `leader.imbalance.per.broker.percentage`
    pub imbalance_percentage: u32,
}

/// Milliseconds from becoming controller to the first look at the balance of leaders.
const FIRST_REBALANCE_MS: u64 = 5_000;
/// Milliseconds until a broker that could not take over tries again.
const ELECT_AGAIN_MS: u64 = 1_000;

/// A broker's part in controlling the cluster: one of all brokers' does, the others stand by.
#[derive(Debug)]
pub struct Controller {
    pub(crate) id: BrokerId,
    pub(crate) settings: ControllerSettings,
    pub(crate) context: Context,
    pub(crate) batch: Batch,
    pub(crate) now: Now,
    has_session: bool,
    active: bool,
    inbox: VecDeque<Event>,
    jobs: VecDeque<Job>,
    waiting: Option<(IoToken, Job)>,
    next_token: u64,
    rebalance_at: Option<Tick>,
    /// When to try again after something that should not happen.
    elect_at: Option<Tick>,
    /// Leaders that were elected though they were not in sync.
    pub(crate) unclean_elections: u64,
}

impl Controller {
    /// Stands by without a session.
    pub fn new(id: BrokerId, settings: ControllerSettings) -> Controller {
        Controller {
            id,
            settings,
            context: Context::default(),
            batch: Batch::default(),
            now: Now::default(),
            has_session: false,
            active: false,
            inbox: VecDeque::new(),
            jobs: VecDeque::new(),
            waiting: None,
            next_token: 0,
            rebalance_at: None,
            elect_at: None,
            unclean_elections: 0,
        }
    }

    /// Does this broker control the cluster?
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// How many leaders it has elected that were not in sync.
    pub fn unclean_elections(&self) -> u64 {
        self.unclean_elections
    }

    /// Something happened.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::SessionLost => self.lose_session(effects),
            Event::ReadDone { token, results } => self.resume(token, Io::Reads(results), effects),
            Event::Written { token, results } => self.resume(token, Io::Writes(results), effects),
            other => self.inbox.push_back(other),
        }
        self.run(effects);
    }

    /// When to call [`Controller::on_tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Tick> {
        [self.rebalance_at, self.elect_at].into_iter().flatten().min()
    }

    /// Time passes.
    pub fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.now = now;
        if self.rebalance_at.is_some_and(|at| at <= now.tick) {
            self.rebalance_at = Some(now.tick.after(self.settings.rebalance_interval_ms));
            self.jobs.push_back(Job::Rebalance);
        }
        if self.elect_at.take_if(|at| *at <= now.tick).is_some() && self.has_session {
            self.jobs.push_back(Job::Elect(Elect::Look));
        }
        self.run(effects);
    }

    /// Jobs, then events, until something has to be waited for.
    fn run(&mut self, effects: &mut Vec<Effect>) {
        while self.waiting.is_none() {
            if let Some(job) = self.jobs.pop_front() {
                let next = job.step(self, Io::None, effects);
                self.proceed(next, effects);
            } else if let Some(event) = self.inbox.pop_front() {
                self.begin(event, effects);
            } else {
                return;
            }
        }
    }

    fn resume(&mut self, token: IoToken, io: Io, effects: &mut Vec<Effect>) {
        // Results of a session that is over are nobody's.
        let Some((_, job)) = self.waiting.take_if(|(waiting, _)| *waiting == token) else { return };
        let next = match io.fatal() {
            Some(reason) => {
                self.notice(NoticeLevel::Error, format!("{}: {reason}", job.name()), effects);
                let was_essential = job.is_essential();
                job.abandon(effects);
                if was_essential { Next::GiveUp } else { Next::Done }
            }
            None if io.is_fenced() => {
                job.abandon(effects);
                self.notice(NoticeLevel::Info, "the controller moved to another broker".to_owned(), effects);
                Next::Resign
            }
            None => job.step(self, io, effects),
        };
        self.proceed(next, effects);
    }

    fn proceed(&mut self, next: Next, effects: &mut Vec<Effect>) {
        match next {
            Next::Done => {}
            Next::Jobs(jobs) => {
                for job in jobs.into_iter().rev() {
                    self.jobs.push_front(job);
                }
            }
            Next::Read(reads, job) => {
                let token = self.wait_with(job);
                effects.push(Effect::Read { token, reads });
            }
            Next::Write(writes, job) => {
                let token = self.wait_with(job);
                effects.push(Effect::Write { token, writes });
            }
            Next::Resign => {
                self.resign(effects);
                if self.has_session {
                    self.jobs.push_back(Job::Elect(Elect::Look));
                }
            }
            Next::GiveUp => {
                self.resign(effects);
                self.elect_at = Some(self.now.tick.after(ELECT_AGAIN_MS));
            }
        }
    }

    fn wait_with(&mut self, job: Job) -> IoToken {
        let token = IoToken(self.next_token);
        self.next_token += 1;
        self.waiting = Some((token, job));
        token
    }

    /// An event becomes jobs.
    fn begin(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::SessionStarted => {
                self.has_session = true;
                self.jobs.push_back(Job::Elect(Elect::Look));
            }
            Event::Changed { path } if path == znodes::controller::CONTROLLER => {
                self.jobs.push_back(Job::Elect(Elect::Look));
            }
            Event::UncleanElections { allowed } => {
                self.settings.unclean_leader_election = allowed;
                if allowed && self.active {
                    self.jobs.push_back(Job::ElectMissing);
                }
            }
            event if !self.active => refuse(&event, effects),
            Event::Changed { path } => self.jobs.extend(Job::for_path(&path)),
            Event::LeaderAndIsrAnswered { broker, errors } => self.on_leader_and_isr_answer(broker, errors, effects),
            Event::StopReplicaAnswered { broker, deleted } => self.on_stop_replica_answer(broker, deleted),
            Event::AlterPartition { token, request } => self.jobs.push_back(Job::alter_partition(token, request)),
            Event::ControlledShutdown { token, broker, broker_epoch } => {
                self.on_controlled_shutdown(token, broker, broker_epoch, effects);
            }
            Event::AllocateProducerIds { token, broker, broker_epoch } => {
                self.on_allocate_producer_ids(token, broker, broker_epoch, effects);
            }
            Event::ElectLeaders { token, election, partitions } => self.on_elect_leaders(token, election, partitions),
            Event::AlterReassignments { token, moves } => self.on_alter_reassignments(token, moves),
            Event::ListReassignments { token, partitions } => self.on_list_reassignments(token, partitions, effects),
            Event::SessionLost | Event::ReadDone { .. } | Event::Written { .. } => {}
        }
    }

    pub(crate) fn push_jobs(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.jobs.extend(jobs);
    }

    /// This broker was elected.
    pub(crate) fn activate(&mut self, context: Context, effects: &mut Vec<Effect>) {
        self.active = true;
        effects.push(Effect::Role(Role::Controller(context.epoch)));
        self.context = context;
        self.batch = Batch::default();
        if self.settings.rebalance_leaders {
            self.rebalance_at = Some(self.now.tick.after(FIRST_REBALANCE_MS));
        }
    }

    /// Gives the role up, if it has it: nothing more is written or ordered under its epoch.
    pub(crate) fn resign(&mut self, effects: &mut Vec<Effect>) {
        if !self.active {
            return;
        }
        self.notice(NoticeLevel::Info, "Resigned".to_owned(), effects);
        self.active = false;
        self.rebalance_at = None;
        effects.extend(self.context.brokers.keys().map(|id| Effect::RemoveBroker(*id)));
        self.context = Context::default();
        self.batch = Batch::default();
        for job in self.jobs.drain(..) {
            job.abandon(effects);
        }
        effects.push(Effect::Role(Role::Other(None)));
    }

    fn lose_session(&mut self, effects: &mut Vec<Effect>) {
        self.has_session = false;
        self.elect_at = None;
        if let Some((_, job)) = self.waiting.take() {
            job.abandon(effects);
        }
        self.resign(effects);
        self.jobs.clear();
        // What was said before the loss is about a life that is over; a new session begins behind it.
        for event in self.inbox.drain(..) {
            refuse(&event, effects);
        }
        if effects.last() != Some(&Effect::Role(Role::Other(None))) {
            effects.push(Effect::Role(Role::Other(None)));
        }
    }

    pub(crate) fn send_batch(&mut self, effects: &mut Vec<Effect>) {
        self.batch.send(self.id, &self.settings.inter_broker_listener, &self.context, effects);
    }

    /// A write that happens only while this controller is the newest.
    pub(crate) fn fenced(&self, op: WriteOp) -> Write {
        let check = WriteOp::Check { path: znodes::controller::EPOCH.to_owned(), version: self.context.epoch_version };
        Write { ops: vec![check, op] }
    }

    pub(crate) fn notice(&self, level: NoticeLevel, mut text: String, effects: &mut Vec<Effect>) {
        text.insert_str(0, &format!("[Controller id={}] ", self.id));
        effects.push(Effect::Notice(Notice { level, logger: "kafka.controller.KafkaController", text }));
    }
}

/// Who asks one that does not control is told so; all else is forgotten.
fn refuse(event: &Event, effects: &mut Vec<Effect>) {
    let (token, answer): (&ReplyToken, Answer) = match event {
        Event::AlterPartition { token, .. } => (token, Answer::AlterPartition(Err(ErrorCode::NotController))),
        Event::ControlledShutdown { token, .. } => (token, Answer::ControlledShutdown(Err(ErrorCode::NotController))),
        Event::AllocateProducerIds { token, .. } => (token, Answer::AllocateProducerIds(Err(ErrorCode::NotController))),
        Event::ElectLeaders { token, .. } => (token, Answer::ElectLeaders(Err(ErrorCode::NotController))),
        Event::AlterReassignments { token, .. } => (token, Answer::AlterReassignments(Err(ErrorCode::NotController))),
        Event::ListReassignments { token, .. } => (token, Answer::ListReassignments(Err(ErrorCode::NotController))),
        _ => return,
    };
    effects.push(Effect::Answer { token: *token, answer });
}

impl Io {
    /// An error that no repetition cures.
    fn fatal(&self) -> Option<&str> {
        match self {
            Io::None => None,
            Io::Reads(results) => results.iter().find_map(|result| match result {
                ReadResult::Failed(reason) => Some(reason.as_str()),
                _ => None,
            }),
            Io::Writes(results) => results.iter().find_map(|result| match result {
                WriteResult::Refused { error: WriteError::Failed(reason), .. } => Some(reason.as_str()),
                _ => None,
            }),
        }
    }

    /// Was a write refused by its check of the controller's epoch? Only that check is ever first with a version.
    fn is_fenced(&self) -> bool {
        let Io::Writes(results) = self else { return false };
        let by_check =
            |result: &WriteResult| matches!(result, WriteResult::Refused { at: 0, error: WriteError::BadVersion });
        results.iter().any(by_check)
    }
}

#[cfg(test)]
mod tests;
