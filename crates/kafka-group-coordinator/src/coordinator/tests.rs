//! Stories: one rule each, told as a client would see it. `World` is a shell without sockets and disks.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kafka_types::ProducerEpoch;
use time_types::WallMillis;

use super::*;
use crate::effect::KeyValue;
use crate::request::{Heartbeat, LeavingMember, OffsetFetch, OffsetToCommit, Sync};

mod golden;
mod membership;
mod offsets;
mod rosters;
mod schedule;

/// A coordinator, its log and its clock.
struct World {
    coordinator: Coordinator,
    now: Now,
    log: Vec<(KeyValue, Option<ProducerId>)>,
    /// Appends wait in `held` until released.
    holds_appends: bool,
    held: VecDeque<(AppendToken, Offset)>,
    replies: HashMap<u64, Reply>,
    tokens: u64,
}

/// What a member knows after it joined.
#[derive(Debug, Clone)]
struct Joined {
    id: String,
    generation: i32,
    leader: String,
}

impl World {
    fn new() -> World {
        World::with(Config { initial_rebalance_delay_ms: 0, ..Config::default() })
    }

    fn with(config: Config) -> World {
        let mut world = World::loading(config);
        world.loaded();
        world
    }

    fn loading(config: Config) -> World {
        World {
            coordinator: Coordinator::new(config),
            now: Now { tick: Tick(1_000_000), wall: WallMillis(1_700_000_000_000) },
            log: Vec::new(),
            holds_appends: false,
            held: VecDeque::new(),
            replies: HashMap::new(),
            tokens: 0,
        }
    }

    fn loaded(&mut self) {
        let mut effects = Vec::new();
        self.coordinator.on_loaded(self.now, &mut effects);
        self.perform(effects);
    }

    /// Another broker takes over and reads the log.
    fn reloaded(&mut self, config: Config) {
        let mut effects = Vec::new();
        self.coordinator.unload(&mut effects);
        self.perform(effects);
        self.coordinator = Coordinator::new(config);
        for (index, (record, producer_id)) in self.log.iter().enumerate() {
            let (key, value) = (&record.key[..], record.value.as_deref());
            let replayed = Replayed { offset: Offset(index as i64), producer_id: *producer_id, key, value };
            self.coordinator.replay(replayed).unwrap();
        }
        self.loaded();
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { token, reply } => {
                    let earlier = self.replies.insert(token.0, reply);
                    assert_eq!(earlier, None, "answered twice");
                }
                Effect::Append { token, records, producer } => {
                    let base = Offset(self.log.len() as i64);
                    self.log.extend(records.into_iter().map(|record| (record, producer.map(|(id, _)| id))));
                    self.held.push_back((token, base));
                }
            }
        }
        if !self.holds_appends {
            self.release();
        }
    }

    /// Everything appended so far is committed.
    fn release(&mut self) {
        while let Some((token, base)) = self.held.pop_front() {
            self.event(Event::Appended { token, result: Ok(base) });
        }
    }

    /// Everything appended so far fails.
    fn fail(&mut self, error: ErrorCode) {
        while let Some((token, _)) = self.held.pop_front() {
            self.event(Event::Appended { token, result: Err(error) });
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

    fn answer(&mut self, token: u64) -> Option<Reply> {
        self.replies.remove(&token)
    }

    fn is_parked(&self, token: u64) -> bool {
        !self.replies.contains_key(&token)
    }

    /// Lets time go by, firing what is due when it is due.
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

    fn join_request(&self, client: &str, member_id: &str) -> Join {
        let mut random = [0; 16];
        random[..8].copy_from_slice(&self.tokens.to_be_bytes());
        Join {
            group_id: "g".into(),
            member_id: member_id.into(),
            group_instance_id: None,
            client_id: client.into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), subscription(&["t"]))],
            requires_known_member_id: true,
            supports_skipping_assignment: true,
            random,
        }
    }

    /// Sends a join, going through the dance for an id first if there is none; the token of the join proper.
    fn join(&mut self, client: &str, member_id: &str) -> (String, u64) {
        let request = self.join_request(client, member_id);
        self.join_with(request)
    }

    fn join_with(&mut self, mut request: Join) -> (String, u64) {
        let first = self.ask(Request::Join(request.clone()));
        if !request.member_id.is_empty() || request.group_instance_id.is_some() || !request.requires_known_member_id {
            return (request.member_id, first);
        }
        let Some(Reply::Join(reply)) = self.answer(first) else { panic!("no id") };
        assert_eq!(reply.error, ErrorCode::MemberIdRequired);
        request.member_id.clone_from(&reply.member_id);
        (reply.member_id, self.ask(Request::Join(request)))
    }

    fn joined(&mut self, token: u64) -> Joined {
        let reply = self.join_answer(token);
        assert_eq!(reply.error, ErrorCode::None);
        Joined { id: reply.member_id, generation: reply.generation, leader: reply.leader }
    }

    fn join_answer(&mut self, token: u64) -> JoinReply {
        match self.answer(token) {
            Some(Reply::Join(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn sync(&mut self, member: &Joined, assignments: &[(&str, &str)]) -> u64 {
        let assignments = assignments.iter().map(|(id, text)| ((*id).to_owned(), text.to_string().into())).collect();
        let (group_id, member_id) = ("g".into(), member.id.clone());
        self.ask(Request::Sync(Sync {
            group_id,
            member_id,
            generation: member.generation,
            assignments,
            ..Sync::default()
        }))
    }

    fn synced(&mut self, token: u64) -> Result<Bytes, ErrorCode> {
        match self.answer(token) {
            Some(Reply::Sync(SyncReply { error: ErrorCode::None, assignment, .. })) => Ok(assignment),
            Some(Reply::Sync(reply)) => Err(reply.error),
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &Joined) -> ErrorCode {
        let (group_id, member_id) = ("g".into(), member.id.clone());
        let heartbeat = Heartbeat { group_id, member_id, generation: member.generation, group_instance_id: None };
        let token = self.ask(Request::Heartbeat(heartbeat));
        match self.answer(token) {
            Some(Reply::Heartbeat(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, member_id: &str, instance: Option<&str>) -> ErrorCode {
        let leaving = LeavingMember { member_id: member_id.into(), group_instance_id: instance.map(Into::into) };
        let token = self.ask(Request::Leave(Leave { group_id: "g".into(), members: vec![leaving] }));
        match self.answer(token) {
            Some(Reply::Leave(reply)) => reply.members.first().map_or(reply.error, |member| member.error),
            other => panic!("{other:?}"),
        }
    }

    fn commit_request(member: Option<&Joined>, partition: i32, offset: i64) -> OffsetCommit {
        OffsetCommit {
            group_id: "g".into(),
            generation: member.map_or(-1, |member| member.generation),
            member_id: member.map(|member| member.id.clone()).unwrap_or_default(),
            group_instance_id: None,
            retention_ms: None,
            offsets: vec![to_commit(partition, offset)],
        }
    }

    fn commit(&mut self, member: Option<&Joined>, partition: i32, offset: i64) -> ErrorCode {
        let token = self.ask(Request::OffsetCommit(World::commit_request(member, partition, offset)));
        self.commit_answer(token)
    }

    fn commit_answer(&mut self, token: u64) -> ErrorCode {
        match self.answer(token) {
            Some(Reply::OffsetCommit(answers)) => answers[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn committed(&mut self, partition: i32, require_stable: bool) -> Result<i64, ErrorCode> {
        let fetch = OffsetFetch { group_id: "g".into(), partitions: Some(vec![tp(partition)]), require_stable };
        let token = self.ask(Request::OffsetFetch(fetch));
        match self.answer(token) {
            Some(Reply::OffsetFetch(reply)) if reply.error.is_error() => Err(reply.error),
            Some(Reply::OffsetFetch(reply)) if reply.offsets[0].error.is_error() => Err(reply.offsets[0].error),
            Some(Reply::OffsetFetch(reply)) => Ok(reply.offsets[0].offset.0),
            other => panic!("{other:?}"),
        }
    }

    fn describe(&mut self) -> GroupDescription {
        let token = self.ask(Request::Describe { group_id: "g".into() });
        match self.answer(token) {
            Some(Reply::Describe(description)) => description,
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self) -> &'static str {
        self.describe().state
    }

    /// A stable group of one dynamic member.
    fn with_one_member() -> (World, Joined) {
        let mut world = World::new();
        let (_, token) = world.join("a", "");
        let a = world.joined(token);
        let token = world.sync(&a, &[(&a.id, "all")]);
        assert_eq!(world.synced(token), Ok("all".into()));
        (world, a)
    }

    /// A stable group of two dynamic members; the first one leads.
    fn with_two_members() -> (World, Joined, Joined) {
        let (mut world, a) = World::with_one_member();
        let (_, b_token) = world.join("b", "");
        assert!(world.is_parked(b_token));
        assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
        let (_, a_token) = world.join("a", &a.id);
        let (a, b) = (world.joined(a_token), world.joined(b_token));
        assert_eq!((a.generation, &a.leader, &b.leader), (b.generation, &a.id, &a.id));
        let b_token = world.sync(&b, &[]);
        assert!(world.is_parked(b_token));
        let a_token = world.sync(&a, &[(&a.id, "p0"), (&b.id, "p1")]);
        assert_eq!(world.synced(a_token), Ok("p0".into()));
        assert_eq!(world.synced(b_token), Ok("p1".into()));
        assert_eq!(world.state(), "Stable");
        (world, a, b)
    }

    /// A stable group of one static member, `instance`, with a long session.
    fn with_static_member() -> (World, Joined) {
        let mut world = World::new();
        let request = world.static_request("instance");
        let (_, token) = world.join_with(request);
        let member = world.joined(token);
        let token = world.sync(&member, &[(&member.id, "all")]);
        assert_eq!(world.synced(token), Ok("all".into()));
        (world, member)
    }

    fn static_request(&self, instance: &str) -> Join {
        let request = self.join_request("client", "");
        Join { group_instance_id: Some(instance.into()), session_timeout_ms: 30_000, ..request }
    }

    fn txn_commit(&mut self, producer: i64, partition: i32, offset: i64) -> ErrorCode {
        let commit = TxnOffsetCommit {
            group_id: "g".into(),
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            generation: -1,
            member_id: String::new(),
            group_instance_id: None,
            offsets: vec![to_commit(partition, offset)],
        };
        let token = self.ask(Request::TxnOffsetCommit(commit));
        self.commit_answer(token)
    }
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn to_commit(partition: i32, offset: i64) -> OffsetToCommit {
    OffsetToCommit { topic_partition: tp(partition), offset: Offset(offset), leader_epoch: 5, metadata: None }
}

/// A version-0 subscription of the consumer protocol.
fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend([0, 0, 0, 0]);
    bytes.into()
}

#[test]
fn while_loading_each_request_has_its_own_answer() {
    let mut world = World::loading(Config::default());
    let member = Joined { id: "a".into(), generation: 1, leader: String::new() };
    assert_eq!(world.heartbeat(&member), ErrorCode::None);
    let token = world.sync(&member, &[]);
    assert_eq!(world.synced(token), Err(ErrorCode::RebalanceInProgress));
    let (_, token) = world.join("a", "a");
    assert_eq!(world.join_answer(token).error, ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(world.commit(None, 0, 1), ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(world.committed(0, true), Err(ErrorCode::CoordinatorLoadInProgress));
    assert_eq!(world.leave("a", None), ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(world.describe().error, ErrorCode::CoordinatorLoadInProgress);
    let token = world.ask(Request::List { states: Vec::new() });
    assert!(matches!(
        world.answer(token),
        Some(Reply::List(ListReply { error: ErrorCode::CoordinatorLoadInProgress, .. }))
    ));
}

#[test]
fn unloading_answers_all_that_waits() {
    let (mut world, a, b) = World::with_two_members();
    let (_, join) = world.join("a", &a.id);
    world.holds_appends = true;
    let commit = world.ask(Request::OffsetCommit(World::commit_request(Some(&b), 0, 1)));
    let mut effects = Vec::new();
    world.coordinator.unload(&mut effects);
    world.perform(effects);
    assert_eq!(world.join_answer(join).error, ErrorCode::NotCoordinator);
    assert_eq!(world.commit_answer(commit), ErrorCode::NotCoordinator);
    world.release();
    assert_eq!(world.heartbeat(&a), ErrorCode::NotCoordinator);
    assert_eq!(world.coordinator.next_deadline(), None);
}

#[test]
fn groups_are_listed_by_state() {
    let (mut world, _) = World::with_one_member();
    let request = OffsetCommit { group_id: "simple".into(), ..World::commit_request(None, 0, 1) };
    world.ask(Request::OffsetCommit(request));
    let mut list = |states: &[&str]| {
        let token = world.ask(Request::List { states: states.iter().map(|s| (*s).to_owned()).collect() });
        let Some(Reply::List(reply)) = world.answer(token) else { panic!() };
        reply.groups.into_iter().map(|group| (group.group_id, group.state)).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), [("g".to_owned(), "Stable"), ("simple".to_owned(), "Empty")]);
    assert_eq!(list(&["stable"]), [("g".to_owned(), "Stable")]);
    assert_eq!(list(&["Dead"]), []);
}

#[test]
fn unreadable_records_are_errors_and_change_nothing() {
    let mut coordinator = Coordinator::new(Config::default());
    let mut replay = |key: &[u8], value: Option<&[u8]>| {
        coordinator.replay(Replayed { offset: Offset(0), producer_id: None, key, value })
    };
    assert!(replay(b"", None).is_err());
    assert!(replay(b"\0\x01\0\x05g", None).is_err());
    assert!(replay(b"\0\x02\0\x01g", Some(b"\0\x63")).is_err(), "a version from the future");
    assert!(
        replay(b"\0\x02\0\x01g", Some(b"\0\x03\0\x00\0\0\0\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x7f\xff\xff\xff"))
            .is_err()
    );
    assert!(replay(b"\0\x03whatever", None).is_ok(), "a kind that is not ours");
}

#[test]
fn a_group_that_could_not_be_written_again_is_unreadable() {
    use kafka_wire::records::Record as _;
    use kafka_wire::records::groups::{GroupMetadataKey, GroupMetadataValue, Key};
    let mut coordinator = Coordinator::new(Config::default());
    let key = Key::Group(GroupMetadataKey { group: "g".into() }).to_bytes().unwrap();
    for (len, readable) in [(100, true), (40_000, false)] {
        let value =
            GroupMetadataValue { protocol_type: "x".repeat(len), generation: 3, ..GroupMetadataValue::default() };
        let value = value.to_bytes_in(4).unwrap();
        let replayed = Replayed { offset: Offset(0), producer_id: None, key: &key, value: Some(&value) };
        assert_eq!(coordinator.replay(replayed).is_ok(), readable, "{len}");
    }
}

#[test]
fn ten_thousand_groups_that_beat_cost_no_heap() {
    let mut world = World::new();
    let mut members = Vec::new();
    for n in 0..10_000 {
        let group_id = format!("g{n}");
        let request =
            Join { group_id: group_id.clone(), requires_known_member_id: false, ..world.join_request("a", "") };
        let token = world.ask(Request::Join(request));
        let member = world.joined(token);
        let sync = Sync { group_id: group_id.clone(), member_id: member.id.clone(), generation: 1, ..Sync::default() };
        world.ask(Request::Sync(sync));
        members.push((group_id, member.id));
    }
    world.replies.clear();
    for _ in 0..20 {
        world.pass(3_000);
        for (group_id, member_id) in &members {
            let (group_id, member_id) = (group_id.clone(), member_id.clone());
            let heartbeat = Heartbeat { group_id, member_id, generation: 1, group_instance_id: None };
            let token = world.ask(Request::Heartbeat(heartbeat));
            assert_eq!(world.answer(token), Some(Reply::Heartbeat(ErrorCode::None)));
        }
    }
    assert!(world.coordinator.timers.len() <= 3 * members.len(), "{}", world.coordinator.timers.len());
}
