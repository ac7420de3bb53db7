//! Stories: one rule each, told as a producer would see it. `World` is a shell without sockets and disks.

use std::collections::VecDeque;

use kafka_types::{ProducerEpoch, TopicPartition};
use time_types::WallMillis;

use super::*;
use crate::effect::{Description, KeyValue, MarkersToWrite};
use crate::request::ListFilter;

mod ends;
mod golden;
mod hostile;
mod producers;
mod schedule;
mod time;

const ID: &str = "tx";

/// What a producer has been given.
type Granted = (ProducerId, ProducerEpoch);

/// A coordinator, its log, its clock, and partitions that take markers.
struct World {
    coordinator: Coordinator,
    epoch: i32,
    now: Now,
    log: Vec<KeyValue>,
    holds_appends: bool,
    /// Appended and not committed yet: how long the log is with it.
    held: VecDeque<(AppendToken, usize)>,
    holds_markers: bool,
    markers: VecDeque<(MarkersToken, MarkersToWrite)>,
    /// Every set of markers that was written, in order.
    written: Vec<MarkersToWrite>,
    replies: HashMap<u64, Reply>,
    tokens: u64,
    next_id: i64,
    id_error: Option<ErrorCode>,
}

impl World {
    fn new() -> World {
        let mut world = World {
            coordinator: Coordinator::new(Config::default(), 3),
            epoch: 3,
            now: Now { tick: Tick(1_000_000), wall: WallMillis(1_700_000_000_000) },
            log: Vec::new(),
            holds_appends: false,
            held: VecDeque::new(),
            holds_markers: false,
            markers: VecDeque::new(),
            written: Vec::new(),
            replies: HashMap::new(),
            tokens: 0,
            next_id: 1000,
            id_error: None,
        };
        world.loaded();
        world
    }

    fn loaded(&mut self) {
        let mut effects = Vec::new();
        self.coordinator.on_loaded(self.now, &mut effects);
        self.perform(effects);
    }

    /// Another broker takes over and reads the log.
    fn reloaded(&mut self) {
        let mut effects = Vec::new();
        self.coordinator.unload(&mut effects);
        self.held.clear();
        self.markers.clear();
        self.perform(effects);
        self.epoch += 1;
        self.coordinator = Coordinator::new(Config::default(), self.epoch);
        for record in &self.log {
            self.coordinator.replay(&record.key, record.value.as_deref()).unwrap();
        }
        self.loaded();
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { token, reply } => {
                    assert_eq!(self.replies.insert(token.0, reply), None, "answered twice");
                }
                Effect::Append { token, records } => {
                    self.log.extend(records);
                    self.held.push_back((token, self.log.len()));
                }
                Effect::AllocateProducerId { token } => {
                    self.next_id += 1;
                    let result = self.id_error.map_or(Ok(ProducerId(self.next_id)), Err);
                    self.event(Event::ProducerId { token, result });
                }
                Effect::WriteMarkers { token, markers } => self.markers.push_back((token, markers)),
            }
        }
        if !self.holds_appends {
            self.release();
        }
        if !self.holds_markers {
            self.release_markers();
        }
    }

    /// Everything appended so far is committed.
    fn release(&mut self) {
        while let Some((token, _)) = self.held.pop_front() {
            self.event(Event::Appended { token, result: Ok(()) });
        }
    }

    /// Everything appended so far fails, and is not in the log.
    fn fail(&mut self, error: ErrorCode) {
        let kept = self.held.front().map_or(self.log.len(), |(token, end)| {
            let in_flight = self.coordinator.pending.append_len(*token);
            end - in_flight
        });
        self.log.truncate(kept);
        for (token, _) in std::mem::take(&mut self.held) {
            self.event(Event::Appended { token, result: Err(error) });
        }
    }

    /// Every partition takes its markers.
    fn release_markers(&mut self) {
        while let Some((token, markers)) = self.markers.pop_front() {
            self.written.push(markers);
            self.event(Event::MarkersWritten { token });
        }
    }

    fn event(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.coordinator.handle(self.now, event, &mut effects);
        self.perform(effects);
    }

    /// Asks; the answer may come later.
    fn ask(&mut self, request: Request) -> u64 {
        self.tokens += 1;
        let token = self.tokens;
        self.event(Event::Request { token: ReplyToken(token), request });
        token
    }

    fn is_parked(&self, token: u64) -> bool {
        !self.replies.contains_key(&token)
    }

    /// Lets time go by, doing what is due when it is due.
    fn pass(&mut self, millis: u64) {
        let end = self.now.tick.after(millis);
        while let Some(due) = self.coordinator.next_deadline().filter(|due| *due <= end) {
            self.advance_to(due.max(self.now.tick));
            let mut effects = Vec::new();
            self.coordinator.on_tick(self.now, &mut effects);
            self.perform(effects);
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, tick: Tick) {
        self.now.wall = self.now.wall + tick.since(self.now.tick) as i64;
        self.now.tick = tick;
    }

    fn init_request(expected: Option<Granted>) -> Request {
        let transactional_id = ID.to_owned();
        Request::InitProducer(InitProducer { transactional_id, timeout_ms: 60_000, expected })
    }

    fn init_with(&mut self, expected: Option<Granted>) -> Result<Granted, ErrorCode> {
        let token = self.ask(World::init_request(expected));
        self.initialized(token)
    }

    fn init(&mut self) -> Result<Granted, ErrorCode> {
        self.init_with(None)
    }

    fn initialized(&mut self, token: u64) -> Result<Granted, ErrorCode> {
        match self.replies.remove(&token) {
            Some(Reply::InitProducer(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    fn add_request((producer_id, producer_epoch): Granted, partitions: &[i32]) -> AddPartitions {
        let partitions = partitions.iter().map(|partition| tp(*partition)).collect();
        AddPartitions { transactional_id: ID.to_owned(), producer_id, producer_epoch, partitions }
    }

    fn add(&mut self, who: Granted, partitions: &[i32]) -> ErrorCode {
        let token = self.ask(Request::AddPartitions(World::add_request(who, partitions)));
        self.error(token)
    }

    fn verify(&mut self, who: Granted, partition: i32) -> ErrorCode {
        let token = self.ask(Request::VerifyPartitions(World::add_request(who, &[partition])));
        match self.replies.remove(&token) {
            Some(Reply::VerifyPartitions(answers)) => answers[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn end_request((producer_id, producer_epoch): Granted, committed: bool) -> Request {
        let transactional_id = ID.to_owned();
        Request::EndTransaction(EndTransaction { transactional_id, producer_id, producer_epoch, committed })
    }

    fn end(&mut self, who: Granted, committed: bool) -> ErrorCode {
        let token = self.ask(World::end_request(who, committed));
        self.error(token)
    }

    fn error(&mut self, token: u64) -> ErrorCode {
        match self.replies.remove(&token) {
            Some(Reply::AddPartitions(error) | Reply::EndTransaction(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    fn describe(&mut self) -> Result<Description, ErrorCode> {
        let token = self.ask(Request::Describe { transactional_id: ID.to_owned() });
        match self.replies.remove(&token) {
            Some(Reply::Describe(description)) => description,
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self) -> &'static str {
        self.describe().map_or("none", |description| description.state.name())
    }

    fn list(&mut self, filter: ListFilter) -> usize {
        let token = self.ask(Request::List(filter));
        match self.replies.remove(&token) {
            Some(Reply::List(reply)) => reply.transactions.len(),
            other => panic!("{other:?}"),
        }
    }

    /// A producer with an open transaction that has written to partition 0.
    fn with_open_transaction() -> (World, Granted) {
        let mut world = World::new();
        let producer = world.init().unwrap();
        assert_eq!(world.add(producer, &[0]), ErrorCode::None);
        (world, producer)
    }
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn bumped((id, epoch): Granted, by: i16) -> Granted {
    (id, ProducerEpoch(epoch.0 + by))
}
