//! Stories: one rule each, told as a client would see it. `World` is a shell without sockets and disks.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kafka_types::ProducerEpoch;
use time_types::WallMillis;

use super::*;
use crate::effect::KeyValue;
use crate::request::{Heartbeat, LeavingMember, OffsetFetch, OffsetToCommit, Sync};

mod golden;
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
fn a_member_gets_an_id_then_a_generation_then_an_assignment() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(a.generation, 1);
    assert_eq!(a.leader, a.id);
    assert!(a.id.starts_with("a-") && a.id.len() == 2 + 36, "{}", a.id);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
    let described = world.describe();
    assert_eq!((described.state, &*described.protocol_type, &*described.protocol), ("Stable", "consumer", "range"));
    assert_eq!(described.members[0].assignment, "all");
    assert_eq!(described.members[0].client_host, "/127.0.0.1");
}

#[test]
fn old_clients_join_at_once() {
    let mut world = World::new();
    let request = Join { requires_known_member_id: false, rebalance_timeout_ms: -1, ..world.join_request("a", "") };
    let token = world.ask(Request::Join(request));
    assert_eq!(world.joined(token).generation, 1);
}

#[test]
fn an_id_that_is_not_used_is_forfeit_after_the_session_timeout() {
    let mut world = World::new();
    let request = world.join_request("a", "");
    let token = world.ask(Request::Join(request.clone()));
    let id = world.join_answer(token).member_id;
    assert_eq!(world.state(), "Empty");
    world.pass(10_000);
    assert_eq!(world.state(), "Dead", "nothing is left of it");
    let (_, token) = world.join("a", &id);
    assert_eq!(world.join_answer(token).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_pending_id_holds_up_the_join_until_it_is_used_or_given_back() {
    let (mut world, a) = World::with_one_member();
    let request = world.join_request("b", "");
    let token = world.ask(Request::Join(request));
    let b = world.join_answer(token).member_id;
    // The leader joins again; `b` has only an id so far, and is waited for.
    let (_, a_token) = world.join("a", &a.id);
    assert!(world.is_parked(a_token));
    assert_eq!(world.leave(&b, None), ErrorCode::None);
    assert_eq!(world.joined(a_token).generation, 2);
}

#[test]
fn the_first_join_waits_for_others_and_is_prolonged_while_they_come() {
    let mut world = World::with(Config::default());
    let (_, a) = world.join("a", "");
    world.pass(2_000);
    assert!(world.is_parked(a));
    let (_, b) = world.join("b", "");
    world.pass(2_000);
    assert!(world.is_parked(a) && world.is_parked(b), "somebody new came: another delay");
    world.pass(2_000);
    let (a, b) = (world.joined(a), world.joined(b));
    assert_eq!((a.generation, b.generation), (1, 1));
    assert_eq!(a.leader, b.leader);
}

#[test]
fn the_first_join_is_not_prolonged_beyond_the_rebalance_timeout() {
    let mut world = World::with(Config::default());
    let request = Join { rebalance_timeout_ms: 5_000, ..world.join_request("a", "") };
    let (_, first) = world.join_with(request);
    for n in 0..5 {
        world.pass(1_100);
        let request = Join { rebalance_timeout_ms: 5_000, ..world.join_request(&n.to_string(), "") };
        world.join_with(request);
    }
    assert_eq!(world.joined(first).generation, 1);
}

#[test]
fn only_the_leader_learns_of_the_members() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, b) = (world.join_answer(a_token), world.join_answer(b_token));
    assert_eq!(a.members.iter().map(|member| &*member.member_id).collect::<Vec<_>>(), [&a.member_id, &b.member_id]);
    assert!(b.members.is_empty());
}

#[test]
fn who_does_not_rejoin_in_time_is_out() {
    let (mut world, a, b) = World::with_two_members();
    let (_, token) = world.join("a", &a.id);
    // `b` beats, but does not join.
    for _ in 0..11 {
        world.pass(5_000);
        assert!(world.is_parked(token));
        assert_eq!(world.heartbeat(&b), ErrorCode::RebalanceInProgress);
    }
    world.pass(5_000);
    assert_eq!(world.joined(token).generation, 3);
    assert_eq!(world.heartbeat(&b), ErrorCode::UnknownMemberId);
}

#[test]
fn who_does_not_sync_in_time_is_out() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, b) = (world.joined(a_token), world.joined(b_token));
    let token = world.sync(&a, &[(&a.id, "p0"), (&b.id, "p1")]);
    assert_eq!(world.synced(token), Ok("p0".into()));
    for _ in 0..12 {
        world.pass(5_000);
        world.heartbeat(&a);
        world.heartbeat(&b);
    }
    assert_eq!(world.heartbeat(&b), ErrorCode::UnknownMemberId);
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_silent_member_is_out_after_its_session_timeout() {
    let (mut world, a, b) = World::with_two_members();
    for _ in 0..3 {
        world.pass(3_000);
        assert_eq!(world.heartbeat(&a), ErrorCode::None);
    }
    world.pass(1_000);
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
    assert_eq!(world.heartbeat(&b), ErrorCode::UnknownMemberId);
    let (_, token) = world.join("a", &a.id);
    assert_eq!(world.joined(token).generation, 3);
}

#[test]
fn who_waits_for_an_answer_need_not_beat() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    for _ in 0..10 {
        world.pass(5_000);
        world.heartbeat(&b);
    }
    let (_, b_token) = world.join("b", &b.id);
    assert_eq!(world.joined(a_token).generation, 3, "five sessions long it waited");
    world.joined(b_token);
}

#[test]
fn a_set_clock_expires_nobody() {
    let (mut world, a) = World::with_one_member();
    world.now.wall = world.now.wall + 3_600_000;
    let mut effects = Vec::new();
    world.coordinator.on_tick(world.now, &mut effects);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_the_same_generation() {
    let (mut world, a, b) = World::with_two_members();
    let (_, token) = world.join("b", &b.id);
    assert_eq!(world.joined(token).generation, b.generation);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
    let token = world.sync(&b, &[]);
    assert_eq!(world.synced(token), Ok("p1".into()));
}

#[test]
fn a_follower_with_another_subscription_starts_a_rebalance_and_so_does_the_leader_always() {
    let (mut world, a, b) = World::with_two_members();
    let request = Join { protocols: vec![("range".into(), subscription(&["u"]))], ..world.join_request("b", &b.id) };
    let (_, token) = world.join_with(request);
    assert!(world.is_parked(token));
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);

    let (mut world, a, b) = World::with_two_members();
    let (_, token) = world.join("a", &a.id);
    assert!(world.is_parked(token));
    assert_eq!(world.heartbeat(&b), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_join_while_others_sync_sends_them_back_to_join() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, b) = (world.joined(a_token), world.joined(b_token));
    let b_sync = world.sync(&b, &[]);
    let (_, c_token) = world.join("c", "");
    assert_eq!(world.synced(b_sync), Err(ErrorCode::RebalanceInProgress));
    let a_sync = world.sync(&a, &[]);
    assert_eq!(world.synced(a_sync), Err(ErrorCode::RebalanceInProgress));
    let tokens = [c_token, world.join("a", &a.id).1, world.join("b", &b.id).1];
    for token in tokens {
        assert_eq!(world.joined(token).generation, 4);
    }
}

#[test]
fn an_assignment_counts_when_it_is_stored() {
    let mut world = World::new();
    let (_, token) = world.join("a", "");
    let a = world.joined(token);
    world.holds_appends = true;
    let token = world.sync(&a, &[(&a.id, "all")]);
    assert!(world.is_parked(token));
    assert_eq!(world.state(), "CompletingRebalance");
    world.release();
    assert_eq!(world.synced(token), Ok("all".into()));
    assert_eq!(world.state(), "Stable");
}

#[test]
fn an_assignment_that_cannot_be_stored_fails_the_sync_and_the_group_rebalances() {
    for (cause, told) in [
        (ErrorCode::NotEnoughReplicas, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::RequestTimedOut, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::NotLeaderOrFollower, ErrorCode::NotCoordinator),
        (ErrorCode::MessageTooLarge, ErrorCode::UnknownServerError),
    ] {
        let mut world = World::new();
        let (_, token) = world.join("a", "");
        let a = world.joined(token);
        world.holds_appends = true;
        let token = world.sync(&a, &[(&a.id, "all")]);
        world.fail(cause);
        assert_eq!(world.synced(token), Err(told));
        assert_eq!(world.state(), "PreparingRebalance");
    }
}

#[test]
fn an_assignment_that_is_stored_too_late_changes_nothing() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, _) = (world.joined(a_token), world.joined(b_token));
    world.holds_appends = true;
    let token = world.sync(&a, &[(&a.id, "late")]);
    let (_, c_token) = world.join("c", "");
    assert_eq!(world.synced(token), Err(ErrorCode::RebalanceInProgress));
    world.release();
    assert_eq!(world.state(), "PreparingRebalance");
    assert!(world.is_parked(c_token));
}

#[test]
fn sync_is_checked_against_member_generation_and_protocol() {
    let (mut world, a) = World::with_one_member();
    let ask = |world: &mut World, sync: Sync| {
        let token = world.ask(Request::Sync(Sync { group_id: "g".into(), ..sync }));
        world.synced(token)
    };
    let good = Sync { member_id: a.id.clone(), generation: 1, ..Sync::default() };
    let with_protocol = |protocol_type: &str, protocol: &str| Sync {
        protocol_type: Some(protocol_type.into()),
        protocol: Some(protocol.into()),
        ..good.clone()
    };
    assert_eq!(ask(&mut world, with_protocol("consumer", "range")), Ok("all".into()));
    assert_eq!(ask(&mut world, with_protocol("consumer", "other")), Err(ErrorCode::InconsistentGroupProtocol));
    assert_eq!(ask(&mut world, with_protocol("connect", "range")), Err(ErrorCode::InconsistentGroupProtocol));
    assert_eq!(ask(&mut world, Sync { generation: 2, ..good.clone() }), Err(ErrorCode::IllegalGeneration));
    assert_eq!(ask(&mut world, Sync { member_id: "x".into(), ..good }), Err(ErrorCode::UnknownMemberId));
    let token = world.ask(Request::Sync(Sync { group_id: "other".into(), ..Sync::default() }));
    assert_eq!(world.synced(token), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn heartbeats_are_checked() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.heartbeat(&Joined { generation: 7, ..a.clone() }), ErrorCode::IllegalGeneration);
    assert_eq!(world.heartbeat(&Joined { id: "x".into(), ..a.clone() }), ErrorCode::UnknownMemberId);
    assert_eq!(world.leave(&a.id, None), ErrorCode::None);
    assert_eq!(world.heartbeat(&a), ErrorCode::UnknownMemberId);
}

#[test]
fn the_vote_goes_to_what_most_prefer_among_what_all_can_do() {
    let mut world = World::with(Config::default());
    let joins: Vec<u64> = [["sticky", "range", "rr"], ["range", "rr", "sticky"], ["x", "range", "sticky"]]
        .into_iter()
        .enumerate()
        .map(|(n, names)| {
            let protocols = names.map(|name| (name.to_owned(), subscription(&["t"]))).into();
            let request = Join { protocols, ..world.join_request(&n.to_string(), "") };
            world.join_with(request).1
        })
        .collect();
    world.pass(6_000);
    for token in joins {
        assert_eq!(world.join_answer(token).protocol.as_deref(), Some("range"));
    }
}

#[test]
fn who_cannot_do_what_the_others_do_is_refused() {
    let (mut world, _) = World::with_one_member();
    let mut refused = |change: fn(Join) -> Join| {
        let request = change(world.join_request("b", ""));
        let token = world.ask(Request::Join(request));
        world.join_answer(token).error
    };
    let inconsistent = ErrorCode::InconsistentGroupProtocol;
    assert_eq!(refused(|join| Join { protocols: vec![("other".into(), Bytes::new())], ..join }), inconsistent);
    assert_eq!(refused(|join| Join { protocol_type: "connect".into(), ..join }), inconsistent);
    assert_eq!(refused(|join| Join { group_id: "new".into(), protocols: Vec::new(), ..join }), inconsistent);
    assert_eq!(refused(|join| Join { group_id: "new".into(), protocol_type: String::new(), ..join }), inconsistent);
    assert_eq!(refused(|join| Join { group_id: String::new(), ..join }), ErrorCode::InvalidGroupId);
    assert_eq!(refused(|join| Join { session_timeout_ms: 5_999, ..join }), ErrorCode::InvalidSessionTimeout);
    assert_eq!(refused(|join| Join { session_timeout_ms: 1_800_001, ..join }), ErrorCode::InvalidSessionTimeout);
    assert_eq!(refused(|join| Join { client_id: "x".repeat(40_000), ..join }), ErrorCode::InvalidRequest);
}

#[test]
fn a_full_group_takes_nobody_new() {
    let config = Config { members_max: 1, initial_rebalance_delay_ms: 0, ..Config::default() };
    let mut world = World::with(config);
    let (_, token) = world.join("a", "");
    let a = world.joined(token);
    let token = world.sync(&a, &[]);
    world.synced(token).unwrap();
    let request = world.join_request("b", "");
    let token = world.ask(Request::Join(request));
    assert_eq!(world.join_answer(token).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
}

#[test]
fn the_last_to_leave_empties_the_group() {
    let (mut world, a, b) = World::with_two_members();
    assert_eq!(world.leave(&b.id, None), ErrorCode::None);
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
    assert_eq!(world.leave(&a.id, None), ErrorCode::None);
    assert_eq!(world.leave(&a.id, None), ErrorCode::UnknownMemberId);
    let described = world.describe();
    assert_eq!((described.state, &*described.protocol_type), ("Empty", "consumer"));
    let stored = world.log.last().unwrap().0.value.as_ref().unwrap();
    assert!(matches!(
        Record::decode(&world.log.last().unwrap().0.key, Some(stored)),
        Ok(Some(Record::Group { value: Some(group), .. }))
            if group.generation == 3 && group.members.is_empty() && group.protocol.is_none() && group.leader.is_none()
    ));
}

#[test]
fn leadership_passes_to_who_came_next() {
    let (mut world, a, b) = World::with_two_members();
    assert_eq!(world.leave(&a.id, None), ErrorCode::None);
    let (_, token) = world.join("b", &b.id);
    assert_eq!(world.joined(token).leader, b.id);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let (mut world, old) = World::with_static_member();
    assert!(old.id.starts_with("instance-"));
    let request = world.static_request("instance");
    let (_, token) = world.join_with(request);
    let reply = world.join_answer(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::None, 1));
    assert_ne!(reply.member_id, old.id);
    assert!(reply.skip_assignment, "it leads, and must not assign anew");
    assert_eq!((&reply.leader, reply.members.len()), (&reply.member_id, 1));
    let new = Joined { id: reply.member_id, generation: 1, leader: reply.leader };
    let token = world.sync(&new, &[]);
    assert_eq!(world.synced(token), Ok("all".into()));

    // Its former self is fenced.
    let heartbeat = Heartbeat {
        group_id: "g".into(),
        generation: 1,
        member_id: old.id.clone(),
        group_instance_id: Some("instance".into()),
    };
    let token = world.ask(Request::Heartbeat(heartbeat));
    assert_eq!(world.answer(token), Some(Reply::Heartbeat(ErrorCode::FencedInstanceId)));
    assert_eq!(world.heartbeat(&new), ErrorCode::None);

    // The new id is in the log.
    world.reloaded(Config::default());
    assert_eq!(world.heartbeat(&new), ErrorCode::None);
    assert_eq!(world.heartbeat(&old), ErrorCode::UnknownMemberId);
}

#[test]
fn an_old_static_leader_is_told_that_somebody_else_leads() {
    let (mut world, old) = World::with_static_member();
    let request = Join { supports_skipping_assignment: false, ..world.static_request("instance") };
    let (_, token) = world.join_with(request);
    let reply = world.join_answer(token);
    assert_eq!((reply.error, reply.skip_assignment, reply.leader), (ErrorCode::None, false, old.id));
    assert!(reply.members.is_empty());
}

#[test]
fn a_static_member_that_cannot_be_stored_stays_who_it_was() {
    let (mut world, old) = World::with_static_member();
    world.holds_appends = true;
    let request = world.static_request("instance");
    let (_, token) = world.join_with(request);
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.join_answer(token).error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.heartbeat(&old), ErrorCode::None);
    assert_eq!(world.describe().members[0].member_id, old.id);
}

#[test]
fn a_static_member_with_other_protocols_rebalances_the_group() {
    let (mut world, _) = World::with_static_member();
    let protocols = vec![("sticky".into(), subscription(&["t"])), ("range".into(), subscription(&["t"]))];
    let request = Join { protocols, ..world.static_request("instance") };
    let (_, token) = world.join_with(request);
    let reply = world.join_answer(token);
    assert_eq!((reply.generation, reply.protocol.as_deref()), (2, Some("sticky")));
}

#[test]
fn a_static_member_replaced_while_it_waits_is_fenced() {
    let mut world = World::with(Config::default());
    let request = world.static_request("instance");
    let (_, first) = world.join_with(request);
    let request = world.static_request("instance");
    let (_, second) = world.join_with(request);
    assert_eq!(world.join_answer(first).error, ErrorCode::FencedInstanceId);
    world.pass(6_000);
    assert_eq!(world.joined(second).generation, 1);
}

#[test]
fn static_members_are_removed_by_name() {
    let (mut world, member) = World::with_static_member();
    assert_eq!(world.leave("", Some("nobody")), ErrorCode::UnknownMemberId);
    assert_eq!(world.leave("other-id", Some("instance")), ErrorCode::FencedInstanceId);
    assert_eq!(world.leave("", Some("instance")), ErrorCode::None);
    assert_eq!(world.heartbeat(&member), ErrorCode::UnknownMemberId);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn static_members_that_do_not_rejoin_are_waited_for_until_their_session_ends() {
    let (mut world, member) = World::with_static_member();
    let (_, token) = world.join("b", "");
    world.pass(29_000);
    assert!(world.is_parked(token));
    world.pass(1_500);
    assert_eq!(world.joined(token).generation, 2);
    assert_eq!(world.heartbeat(&member), ErrorCode::UnknownMemberId);
}

#[test]
fn a_second_join_of_the_same_member_sends_the_first_away() {
    let (mut world, a, _) = World::with_two_members();
    let (_, first) = world.join("a", &a.id);
    let (_, second) = world.join("a", &a.id);
    assert_eq!(world.join_answer(first).error, ErrorCode::RebalanceInProgress);
    assert!(world.is_parked(second));
}

#[test]
fn commits_come_back_and_survive_a_reload() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.committed(0, true), Ok(-1));
    assert_eq!(world.commit(Some(&a), 0, 42), ErrorCode::None);
    assert_eq!(world.committed(0, true), Ok(42));
    world.reloaded(Config::default());
    assert_eq!(world.committed(0, true), Ok(42));
    assert_eq!(world.heartbeat(&a), ErrorCode::None, "members are in the log");
    let token = world.sync(&a, &[]);
    assert_eq!(world.synced(token), Ok("all".into()));
    assert_eq!(world.describe().protocol, "range");
    world.pass(10_000);
    assert_eq!(world.heartbeat(&a), ErrorCode::UnknownMemberId, "their sessions go on");
}

#[test]
fn a_commit_counts_when_it_is_in_the_log() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.commit(Some(&a), 0, 1), ErrorCode::None);
    world.holds_appends = true;
    let token = world.ask(Request::OffsetCommit(World::commit_request(Some(&a), 0, 2)));
    assert!(world.is_parked(token));
    assert_eq!(world.committed(0, false), Ok(1));
    assert_eq!(world.committed(0, true), Err(ErrorCode::UnstableOffsetCommit));
    world.release();
    assert_eq!(world.commit_answer(token), ErrorCode::None);
    assert_eq!(world.committed(0, true), Ok(2));
}

#[test]
fn a_commit_that_fails_changes_nothing_and_says_why() {
    for (cause, told) in [
        (ErrorCode::NotEnoughReplicasAfterAppend, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::KafkaStorageError, ErrorCode::NotCoordinator),
        (ErrorCode::RecordListTooLarge, ErrorCode::InvalidCommitOffsetSize),
        (ErrorCode::RequestTimedOut, ErrorCode::RequestTimedOut),
    ] {
        let (mut world, a) = World::with_one_member();
        world.holds_appends = true;
        let token = world.ask(Request::OffsetCommit(World::commit_request(Some(&a), 0, 2)));
        world.fail(cause);
        assert_eq!(world.commit_answer(token), told);
        assert_eq!(world.committed(0, true), Ok(-1));
    }
}

#[test]
fn commits_out_of_the_past_or_from_strangers_are_refused() {
    let (mut world, a) = World::with_one_member();
    let stale = Joined { generation: 0, ..a.clone() };
    assert_eq!(world.commit(Some(&stale), 0, 1), ErrorCode::IllegalGeneration);
    assert_eq!(world.commit(Some(&Joined { id: "x".into(), ..a.clone() }), 0, 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit(None, 0, 1), ErrorCode::UnknownMemberId, "the group has members");
    let (_, token) = world.join("a", &a.id);
    let a = world.joined(token);
    assert_eq!(world.commit(Some(&a), 0, 1), ErrorCode::RebalanceInProgress, "it has not synced yet");
    let token = world.sync(&a, &[]);
    world.synced(token).unwrap();
    let (_, b_token) = world.join("b", "");
    assert!(world.is_parked(b_token));
    assert_eq!(world.commit(Some(&a), 0, 9), ErrorCode::None, "before a rebalance one may still commit");
    let request = OffsetCommit { group_id: "none".into(), ..World::commit_request(Some(&a), 0, 1) };
    let token = world.ask(Request::OffsetCommit(request));
    assert_eq!(world.commit_answer(token), ErrorCode::IllegalGeneration);
}

#[test]
fn simple_consumers_commit_without_a_group() {
    let mut world = World::new();
    assert_eq!(world.commit(None, 3, 7), ErrorCode::None);
    assert_eq!(world.committed(3, true), Ok(7));
    let described = world.describe();
    assert_eq!((described.state, &*described.protocol_type), ("Empty", ""));
}

#[test]
fn metadata_that_is_too_long_is_refused_alone() {
    let mut world = World::new();
    let mut request = World::commit_request(None, 0, 1);
    request.offsets.push(OffsetToCommit { metadata: Some("é".repeat(4_096)), ..to_commit(1, 2) });
    request.offsets.push(OffsetToCommit { metadata: Some("e".repeat(4_097)), ..to_commit(2, 3) });
    let token = world.ask(Request::OffsetCommit(request));
    let Some(Reply::OffsetCommit(answers)) = world.answer(token) else { panic!() };
    let errors: Vec<_> = answers.iter().map(|(_, error)| *error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::None, ErrorCode::OffsetMetadataTooLarge]);
    assert_eq!((world.committed(1, true), world.committed(2, true)), (Ok(2), Ok(-1)));
}

#[test]
fn offsets_in_a_transaction_count_when_it_commits() {
    let mut world = World::new();
    assert_eq!(world.commit(None, 0, 1), ErrorCode::None);
    assert_eq!(world.txn_commit(9, 0, 5), ErrorCode::None);
    assert_eq!(world.committed(0, false), Ok(1));
    assert_eq!(world.committed(0, true), Err(ErrorCode::UnstableOffsetCommit));
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: true });
    assert_eq!(world.committed(0, true), Ok(5));

    assert_eq!(world.txn_commit(9, 0, 6), ErrorCode::None);
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: false });
    assert_eq!(world.committed(0, true), Ok(5));
}

#[test]
fn a_plain_commit_after_a_transactional_one_wins() {
    let mut world = World::new();
    assert_eq!(world.txn_commit(9, 0, 5), ErrorCode::None);
    assert_eq!(world.commit(None, 0, 8), ErrorCode::None);
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: true });
    assert_eq!(world.committed(0, true), Ok(8), "its record lies behind the other in the log");
}

#[test]
fn open_transactions_survive_a_reload() {
    let mut world = World::new();
    assert_eq!(world.txn_commit(9, 0, 5), ErrorCode::None);
    world.reloaded(Config::default());
    assert_eq!(world.committed(0, true), Err(ErrorCode::UnstableOffsetCommit));
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: true });
    assert_eq!(world.committed(0, true), Ok(5));
}

const RETENTION: u64 = 10_080 * 60_000;

#[test]
fn an_empty_group_keeps_its_offsets_for_the_retention_time_and_then_dies() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.commit(Some(&a), 0, 1), ErrorCode::None);
    for _ in 0..3 {
        world.pass(RETENTION / 2);
    }
    // Its session ended long ago, so it has been empty for more than the retention time.
    assert_eq!(world.state(), "Dead");
    assert_eq!(world.committed(0, true), Ok(-1));
    let tombstones = world.log.iter().rev().take(2).filter(|(record, _)| record.value.is_none()).count();
    assert_eq!(tombstones, 2, "of the offset and of the group");
}

#[test]
fn a_living_group_forgets_only_what_nobody_reads() {
    let mut world = World::new();
    let request = Join { session_timeout_ms: 1_800_000, ..world.join_request("a", "") };
    let (_, token) = world.join_with(request);
    let a = world.joined(token);
    let token = world.sync(&a, &[]);
    world.synced(token).unwrap();
    let mut request = World::commit_request(Some(&a), 0, 1);
    request.offsets.push(OffsetToCommit { topic_partition: TopicPartition::new("old", 0), ..to_commit(0, 2) });
    let token = world.ask(Request::OffsetCommit(request));
    assert_eq!(world.commit_answer(token), ErrorCode::None);
    let end = world.now.tick.after(RETENTION + 700_000);
    while world.now.tick < end {
        world.pass(1_500_000);
        assert_eq!(world.heartbeat(&a), ErrorCode::None);
    }
    let partitions = None;
    let token = world.ask(Request::OffsetFetch(OffsetFetch { group_id: "g".into(), partitions, require_stable: true }));
    let Some(Reply::OffsetFetch(reply)) = world.answer(token) else { panic!() };
    assert_eq!(reply.offsets.iter().map(|one| &*one.topic_partition.topic).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn a_simple_group_forgets_by_the_time_of_the_commit_or_the_clients_retention() {
    let mut world = World::new();
    assert_eq!(world.commit(None, 0, 1), ErrorCode::None);
    let short = OffsetCommit { retention_ms: Some(1_000_000), ..World::commit_request(None, 1, 2) };
    let token = world.ask(Request::OffsetCommit(short));
    assert_eq!(world.commit_answer(token), ErrorCode::None);
    world.pass(1_300_000);
    assert_eq!((world.committed(0, true), world.committed(1, true)), (Ok(1), Ok(-1)));
    world.pass(RETENTION);
    assert_eq!(world.state(), "Dead");
    assert!(!world.log.iter().any(|(record, _)| record.key.starts_with(&[0, 2])), "it was never stored as a group");
}

#[test]
fn deleted_partitions_take_their_offsets_with_them() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    world.commit(Some(&a), 1, 1);
    world.event(Event::PartitionsDeleted(vec![tp(0), TopicPartition::new("x", 0)]));
    assert_eq!((world.committed(0, true), world.committed(1, true)), (Ok(-1), Ok(1)));
    world.reloaded(Config::default());
    assert_eq!((world.committed(0, true), world.committed(1, true)), (Ok(-1), Ok(1)));
}

#[test]
fn only_empty_groups_are_deleted() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    let delete = |world: &mut World, group: &str| {
        let token = world.ask(Request::DeleteGroup { group_id: group.into() });
        match world.answer(token) {
            Some(Reply::DeleteGroup(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(delete(&mut world, "g"), ErrorCode::NonEmptyGroup);
    assert_eq!(delete(&mut world, "none"), ErrorCode::GroupIdNotFound);
    world.leave(&a.id, None);
    assert_eq!(delete(&mut world, "g"), ErrorCode::None);
    assert_eq!(delete(&mut world, "g"), ErrorCode::GroupIdNotFound);
    assert_eq!(world.state(), "Dead");
    world.reloaded(Config::default());
    assert_eq!((world.state(), world.committed(0, true)), ("Dead", Ok(-1)));
}

#[test]
fn a_group_lives_on_if_its_deletion_cannot_be_stored() {
    let mut world = World::new();
    world.commit(None, 0, 1);
    world.holds_appends = true;
    let token = world.ask(Request::DeleteGroup { group_id: "g".into() });
    let request = world.join_request("a", "");
    let join = world.ask(Request::Join(request));
    assert_eq!(world.join_answer(join).error, ErrorCode::CoordinatorNotAvailable, "in the middle of its deletion");
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.answer(token), Some(Reply::DeleteGroup(ErrorCode::CoordinatorNotAvailable)));
    assert_eq!((world.state(), world.committed(0, true)), ("Empty", Ok(1)));
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    let old = TopicPartition::new("old", 0);
    let mut request = World::commit_request(Some(&a), 0, 1);
    request.offsets[0].topic_partition = old.clone();
    world.ask(Request::OffsetCommit(request));
    let partitions = vec![tp(0), old.clone(), TopicPartition::new("never", 0)];
    let token = world.ask(Request::DeleteOffsets { group_id: "g".into(), partitions });
    let Some(Reply::DeleteOffsets(reply)) = world.answer(token) else { panic!() };
    let errors: Vec<_> = reply.partitions.iter().map(|(_, error)| *error).collect();
    assert_eq!(errors, [ErrorCode::GroupSubscribedToTopic, ErrorCode::None, ErrorCode::None]);
    assert_eq!(world.committed(0, true), Ok(1));
    let token = world.ask(Request::DeleteOffsets { group_id: "none".into(), partitions: vec![old] });
    let Some(Reply::DeleteOffsets(reply)) = world.answer(token) else { panic!() };
    assert_eq!(reply.error, ErrorCode::GroupIdNotFound);
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
