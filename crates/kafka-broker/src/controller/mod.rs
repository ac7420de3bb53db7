//! Runs the controller core: watches and requests in, znodes and orders out. Every broker runs one; the core knows
//! whether it is the one that controls.

mod channels;
pub(crate) mod connect;
mod orders;
mod znodes;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kafka_controller::{Answer, Controller, ControllerSettings, Effect, Event, NoticeLevel, ReplyToken, Role};
use kafka_types::{BrokerId, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info, warn};

use crate::clock::Clock;
use crate::zookeeper::ZooKeeper;
use channels::Channels;

/// Events that may wait in front of the controller before their senders wait themselves.
const QUEUE: usize = 4096;

/// What comes to the controller's task.
enum Input {
    /// Something happened.
    Event(Event),
    /// Somebody asks; the event is made around the token that is handed out.
    Ask(Box<dyn FnOnce(ReplyToken) -> Event + Send>, oneshot::Sender<Answer>),
}

/// The controller as everybody else sees it.
#[derive(Clone)]
pub(crate) struct ControllerHandle {
    inputs: mpsc::Sender<Input>,
    role: watch::Receiver<Role>,
    unclean_elections: Arc<AtomicU64>,
}

impl ControllerHandle {
    /// Tells it an event.
    pub(crate) async fn tell(&self, event: Event) {
        // The task ends with the process only.
        let _ = self.inputs.send(Input::Event(event)).await;
    }

    /// Asks it something.
    pub(crate) async fn ask(
        &self,
        make: impl FnOnce(ReplyToken) -> Event + Send + 'static,
    ) -> Result<Answer, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(Input::Ask(Box::new(make), reply)).await.map_err(|_| ErrorCode::NotController)?;
        answer.await.map_err(|_| ErrorCode::NotController)
    }

    /// How many leaders it has elected that were not in sync.
    pub(crate) fn unclean_elections(&self) -> u64 {
        self.unclean_elections.load(Ordering::Relaxed)
    }

    /// Does this broker control the cluster?
    pub(crate) fn is_here(&self) -> bool {
        matches!(*self.role.borrow(), Role::Controller(_))
    }
}

/// What the controller's task owns.
pub(crate) struct Runner {
    core: Controller,
    zookeeper: Arc<ZooKeeper>,
    clock: Clock,
    channels: Channels,
    parked: HashMap<u64, oneshot::Sender<Answer>>,
    next_token: u64,
    role: watch::Sender<Role>,
    unclean_elections: Arc<AtomicU64>,
    inputs: mpsc::Receiver<Input>,
    /// For results of what it has done on its behalf.
    own: mpsc::Sender<Input>,
}

/// Makes the handle and the task behind it.
pub(crate) fn create(
    me: BrokerId,
    settings: ControllerSettings,
    zookeeper: Arc<ZooKeeper>,
    clock: Clock,
) -> (ControllerHandle, Runner) {
    let (own, inputs) = mpsc::channel(QUEUE);
    let (role, seen) = watch::channel(Role::Other(None));
    let unclean_elections = Arc::new(AtomicU64::new(0));
    let handle =
        ControllerHandle { inputs: own.clone(), role: seen, unclean_elections: Arc::clone(&unclean_elections) };
    let channels = Channels::new(me, settings.inter_broker_listener.clone(), handle.clone());
    let runner = Runner {
        core: Controller::new(me, settings),
        zookeeper,
        clock,
        channels,
        parked: HashMap::new(),
        next_token: 0,
        role,
        unclean_elections,
        inputs,
        own,
    };
    (handle, runner)
}

impl Runner {
    /// Runs until the process ends.
    pub(crate) async fn run(mut self) {
        let mut effects = Vec::new();
        loop {
            let event = tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(Input::Event(event)) => Some(event),
                    Some(Input::Ask(make, reply)) => Some(self.park(make, reply)),
                    None => return,
                },
                () = until(self.clock, self.core.next_deadline()) => None,
            };
            let now = self.clock.now();
            match event {
                Some(event) => self.core.handle(now, event, &mut effects),
                None => self.core.on_tick(now, &mut effects),
            }
            self.unclean_elections.store(self.core.unclean_elections(), Ordering::Relaxed);
            for effect in effects.drain(..) {
                self.perform(effect);
            }
        }
    }

    fn park(&mut self, make: Box<dyn FnOnce(ReplyToken) -> Event + Send>, reply: oneshot::Sender<Answer>) -> Event {
        let token = self.next_token;
        self.next_token += 1;
        self.parked.insert(token, reply);
        make(ReplyToken(token))
    }

    // Borrows all but `effects`: every effect is handed over and none is waited for.
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Read { token, reads } => {
                let (zookeeper, own) = (Arc::clone(&self.zookeeper), self.own.clone());
                tokio::spawn(async move {
                    if let Some(results) = znodes::read(&zookeeper, reads).await {
                        let _ = own.send(Input::Event(Event::ReadDone { token, results })).await;
                    }
                });
            }
            Effect::Write { token, writes } => {
                let (zookeeper, own) = (Arc::clone(&self.zookeeper), self.own.clone());
                tokio::spawn(async move {
                    if let Some(results) = znodes::write(&zookeeper, writes).await {
                        let _ = own.send(Input::Event(Event::Written { token, results })).await;
                    }
                });
            }
            Effect::Role(role) => {
                self.role.send_replace(role);
            }
            Effect::AddBroker(node) => self.channels.add(&node),
            Effect::BrokerMoved(node) => self.channels.moved(&node),
            Effect::RemoveBroker(id) => self.channels.remove(id),
            Effect::LeaderAndIsr { to, request } => self.channels.send(to, orders::leader_and_isr(request)),
            Effect::UpdateMetadata { to, request } => self.channels.send(to, orders::update_metadata(&request)),
            Effect::StopReplica { to, request } => self.channels.send(to, orders::stop_replica(request)),
            Effect::Answer { token, answer } => {
                if let Some(parked) = self.parked.remove(&token.0) {
                    let _ = parked.send(answer);
                }
            }
            Effect::Notice(notice) => log(&notice),
        }
    }
}

/// Waits for a deadline; for ever if there is none.
async fn until(clock: Clock, deadline: Option<time_types::Tick>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(clock.until(deadline)).await,
        None => std::future::pending().await,
    }
}

/// A notice's logger is a value, and `tracing` wants its target at compile time: the few loggers there are.
fn log(notice: &kafka_controller::Notice) {
    macro_rules! line {
        ($($logger:literal),*) => {
            match notice.logger {
                $($logger => match notice.level {
                    NoticeLevel::Debug => debug!(target: $logger, "{}", notice.text),
                    NoticeLevel::Info => info!(target: $logger, "{}", notice.text),
                    NoticeLevel::Warn => warn!(target: $logger, "{}", notice.text),
                    NoticeLevel::Error => error!(target: $logger, "{}", notice.text),
                },)*
                other => info!(target: "kafka.controller.KafkaController", "{} ({other})", notice.text),
            }
        };
    }
    line!(
        "kafka.controller.KafkaController",
        "kafka.controller.TopicDeletionManager",
        "kafka.controller.ZkPartitionStateMachine",
        "kafka.controller.ZkReplicaStateMachine",
        "kafka.controller.ControllerChannelManager",
        "kafka.zk.KafkaZkClient",
        "state.change.logger"
    );
}
