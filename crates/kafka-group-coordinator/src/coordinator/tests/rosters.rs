//! Random schedules of whole consumers, static and dynamic, eager and cooperative: they join, change what they want, fall
//! silent and go on with old ids and generations, crash and come back under their names while the process that was given
//! up lives on. Beside them stands a small specification that sees only what they were told:
//!
//! * in a generation a partition has one owner, and who owns it was given it by the leader of that generation;
//! * everybody in a generation was told the same protocol;
//! * a commit out of a generation that is over, or of a static member whose place another took, is refused;
//! * what was acknowledged is there, and what is there was asked for.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::records::Record as _;
use kafka_wire::records::consumer_protocol::{self, Subscription};

use super::schedule::Dice;
use super::*;

const SEEDS: u64 = 200;
const STEPS: usize = 1_500;
const TOPICS: [&str; 2] = ["t", "u"];
const PARTITIONS: i32 = 3;

/// A partition by topic and number.
type One = (usize, i32);

#[derive(Debug, Clone, Default)]
struct Consumer {
    name: String,
    instance: Option<String>,
    id: String,
    generation: i32,
    wants: BTreeSet<usize>,
    owned: BTreeSet<One>,
    /// Ids of the generation with what they want and have; of who leads.
    members: Vec<(String, Subscription)>,
    protocol: String,
    waits_for: Option<(u64, Wait)>,
    /// Nothing is heard of it until this step.
    silent_until: usize,
    has_synced: bool,
    rejoins: bool,
    /// Another has its name: it was given up, and must achieve nothing once the other one has been answered.
    given_up: bool,
    /// The coordinator that told it of its generation.
    told_in: usize,
    fenced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wait {
    Join,
    Sync,
    Heartbeat,
    Commit { one: One, value: i64, is_over: bool },
}

/// What everybody was told.
#[derive(Debug, Default)]
struct Specification {
    /// Coordinators that there were.
    life: usize,
    owners: BTreeMap<(usize, i32, One), String>,
    protocols: BTreeMap<(usize, i32), String>,
    /// What leaders gave, by generation: of any life, for it is stored.
    given: BTreeMap<i32, Vec<BTreeMap<String, BTreeSet<One>>>>,
    /// The newest generation that somebody was told of in this life.
    newest: i32,
    /// Tokens up to this one were answered by former coordinators.
    former: u64,
    acknowledged: BTreeMap<One, i64>,
    attempted: BTreeMap<One, BTreeSet<i64>>,
    synced: usize,
    committed: usize,
    fenced: usize,
}

impl Specification {
    fn joined(&mut self, token: u64, reply: &JoinReply) {
        if token <= self.former {
            return;
        }
        self.newest = self.newest.max(reply.generation);
        let protocol = reply.protocol.clone().unwrap_or_default();
        let told = self.protocols.entry((self.life, reply.generation)).or_insert_with(|| protocol.clone());
        assert_eq!(*told, protocol, "two protocols in generation {}", reply.generation);
    }

    fn synced(&mut self, consumer: &Consumer, token: u64, assigned: &BTreeSet<One>) {
        self.synced += 1;
        let same = |id: &String| {
            // Ids of static members begin with their names, and what one was given is the next one's.
            *id == consumer.id || consumer.instance.as_ref().is_some_and(|instance| id.starts_with(instance.as_str()))
        };
        let given = self.given.get(&consumer.generation);
        let given = given.unwrap_or_else(|| panic!("{consumer:?} was told a share before its leader gave any")).iter();
        let was_given = given.clone().any(|all| all.iter().any(|(id, share)| same(id) && share == assigned));
        assert!(was_given || assigned.is_empty(), "{consumer:?} was given {assigned:?} by nobody");
        if token <= self.former {
            return;
        }
        for one in assigned {
            let key = (self.life, consumer.generation, *one);
            let owner = self.owners.entry(key).or_insert_with(|| consumer.name.clone());
            assert_eq!(*owner, consumer.name, "{one:?} has two owners in generation {}", consumer.generation);
        }
    }

    fn committed(&mut self, consumer: &Consumer, one: One, value: i64, is_over: bool) {
        assert!(!is_over, "{consumer:?} committed out of what is over");
        self.committed += 1;
        let newest = self.acknowledged.entry(one).or_insert(-1);
        *newest = (*newest).max(value);
    }
}

impl Consumer {
    fn subscription(&self) -> Subscription {
        let mut owned: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in &self.owned {
            owned.entry(*topic).or_default().push(*partition);
        }
        let of_topic = |(topic, partitions): (usize, Vec<i32>)| consumer_protocol::TopicPartition {
            topic: TOPICS[topic].to_owned(),
            partitions,
        };
        Subscription {
            topics: self.wants.iter().map(|topic| TOPICS[*topic].to_owned()).collect(),
            owned_partitions: owned.into_iter().map(of_topic).collect(),
            generation_id: self.generation,
            ..Subscription::default()
        }
    }

    fn loses_all(&mut self) {
        self.owned.clear();
        self.has_synced = false;
        self.rejoins = false;
        self.generation = 0;
        self.members.clear();
    }

    /// What it asks next, if it asks anything.
    fn ask(&mut self, world: &mut World, rules: &mut Rules, specification: &mut Specification) {
        let dice = &mut rules.dice;
        let wait = if self.given_up || self.generation > 0 && self.has_synced && !self.rejoins {
            match dice.roll(10) {
                0..4 => (world.ask(Request::Heartbeat(self.heartbeat())), Wait::Heartbeat),
                4..8 => match self.commit(world, dice, specification) {
                    Some(asked) => asked,
                    None => return,
                },
                8 if !self.given_up => {
                    self.wants = wishes(dice);
                    self.rejoins = true;
                    return;
                }
                _ => return,
            }
        } else if self.generation > 0 && !self.rejoins {
            (self.sync(world, rules.cooperative, specification), Wait::Sync)
        } else {
            if !rules.cooperative {
                self.owned.clear();
            }
            (world.ask(Request::Join(self.join(world, rules))), Wait::Join)
        };
        self.waits_for = Some(wait);
    }

    fn join(&self, world: &World, rules: &mut Rules) -> Join {
        let mut random = [0; 16];
        random[..8].copy_from_slice(&rules.dice.roll(u64::MAX).to_be_bytes());
        let words = self.subscription().to_bytes().unwrap();
        let mut protocols = vec![("first".to_owned(), words.clone()), ("second".to_owned(), words)];
        if rules.dice.chance(30) {
            protocols.reverse();
        }
        Join {
            random,
            group_instance_id: self.instance.clone(),
            protocols,
            rebalance_timeout_ms: 20_000,
            ..world.join_request(&self.name, &self.id)
        }
    }

    fn heartbeat(&self) -> Heartbeat {
        Heartbeat {
            group_id: "g".into(),
            generation: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
        }
    }

    fn commit(&self, world: &mut World, dice: &mut Dice, specification: &mut Specification) -> Option<(u64, Wait)> {
        let owned: Vec<One> = self.owned.iter().copied().collect();
        let one = *owned.get(dice.roll(owned.len().max(1) as u64) as usize)?;
        let value = world.tokens as i64;
        specification.attempted.entry(one).or_default().insert(value);
        let offset =
            OffsetToCommit { topic_partition: TopicPartition::new(TOPICS[one.0], one.1), ..to_commit(one.1, value) };
        let commit = OffsetCommit {
            group_id: "g".into(),
            generation: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            retention_ms: None,
            offsets: vec![offset],
        };
        let is_over = self.generation < specification.newest || self.fenced;
        Some((world.ask(Request::OffsetCommit(commit)), Wait::Commit { one, value, is_over }))
    }

    /// Who leads shares out what everybody wants; cooperative leaders leave out what another still has.
    fn sync(&self, world: &mut World, cooperative: bool, specification: &mut Specification) -> u64 {
        let mut shares: BTreeMap<String, BTreeSet<One>> = BTreeMap::new();
        for (topic, name) in TOPICS.iter().enumerate() {
            let wanting = self.members.iter().filter(|(_, words)| words.topics.iter().any(|wanted| wanted == name));
            let wanting: Vec<&String> = wanting.map(|(id, _)| id).collect();
            for partition in 0..PARTITIONS {
                let Some(id) = wanting.get(partition as usize % wanting.len().max(1)) else { continue };
                let has = |words: &Subscription| {
                    words.owned_partitions.iter().any(|own| own.topic == **name && own.partitions.contains(&partition))
                };
                let is_held = self.members.iter().any(|(other, words)| other != *id && has(words));
                if !(cooperative && is_held) {
                    shares.entry((*id).clone()).or_default().insert((topic, partition));
                }
            }
        }
        let assignments = shares.iter().map(|(id, share)| (id.clone(), written(share))).collect();
        if !self.members.is_empty() {
            specification.given.entry(self.generation).or_default().push(shares);
        }
        world.ask(Request::Sync(Sync {
            group_id: "g".into(),
            generation: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: Some("consumer".into()),
            protocol: Some(self.protocol.clone()),
            assignments,
        }))
    }

    fn told(&mut self, token: u64, wait: Wait, reply: Reply, cooperative: bool, specification: &mut Specification) {
        let error = match (wait, reply) {
            (Wait::Join, Reply::Join(reply)) if reply.error == ErrorCode::None => {
                specification.joined(token, &reply);
                self.id.clone_from(&reply.member_id);
                self.generation = reply.generation;
                self.told_in = specification.life - usize::from(token <= specification.former);
                self.protocol = reply.protocol.unwrap_or_default();
                let words = |member: crate::effect::JoinedMember| {
                    (member.member_id, Subscription::from_bytes(member.metadata).unwrap())
                };
                self.members =
                    if reply.skip_assignment { Vec::new() } else { reply.members.into_iter().map(words).collect() };
                (self.has_synced, self.rejoins) = (false, false);
                return;
            }
            (Wait::Join, Reply::Join(reply)) if reply.error == ErrorCode::MemberIdRequired => {
                self.id = reply.member_id;
                return;
            }
            (Wait::Sync, Reply::Sync(reply)) if reply.error == ErrorCode::None => {
                let assigned = read(&reply.assignment);
                specification.synced(self, token, &assigned);
                // What it had and has not any more is free in the next generation.
                self.rejoins = cooperative && !self.owned.is_subset(&assigned);
                self.owned = assigned;
                self.has_synced = true;
                return;
            }
            (Wait::Commit { one, value, is_over }, Reply::OffsetCommit(answers)) => {
                if answers[0].1 == ErrorCode::None {
                    return specification.committed(self, one, value, is_over);
                }
                answers[0].1
            }
            (
                _,
                Reply::Join(JoinReply { error, .. }) | Reply::Sync(SyncReply { error, .. }) | Reply::Heartbeat(error),
            ) => error,
            (wait, reply) => panic!("{wait:?} answered by {reply:?}"),
        };
        match error {
            ErrorCode::FencedInstanceId => {
                specification.fenced += 1;
                if !self.given_up {
                    // A coordinator that was replaced in a rebalance may have told an id that was not stored yet.
                    assert!(self.told_in < specification.life, "{self:?} is fenced, and nobody took its place");
                    self.loses_all();
                    self.id.clear();
                }
            }
            ErrorCode::UnknownMemberId => {
                self.loses_all();
                self.id.clear();
            }
            ErrorCode::IllegalGeneration => self.loses_all(),
            ErrorCode::RebalanceInProgress => self.rejoins = true,
            _ => {}
        }
    }
}

fn wishes(dice: &mut Dice) -> BTreeSet<usize> {
    match dice.roll(3) {
        0 => BTreeSet::from([0]),
        1 => BTreeSet::from([1]),
        _ => BTreeSet::from([0, 1]),
    }
}

fn written(share: &BTreeSet<One>) -> Bytes {
    let words: Vec<String> = share.iter().map(|(topic, partition)| format!("{topic}:{partition}")).collect();
    words.join(",").into()
}

fn read(bytes: &Bytes) -> BTreeSet<One> {
    let one = |word: &str| {
        let (topic, partition) = word.split_once(':').unwrap();
        (topic.parse().unwrap(), partition.parse().unwrap())
    };
    std::str::from_utf8(bytes).unwrap().split_terminator(',').map(one).collect()
}

/// What holds for a whole run.
struct Rules {
    dice: Dice,
    cooperative: bool,
}

/// A client stops without a word; of a static one the process may live on unseen.
fn crash(consumers: &mut Vec<Consumer>, which: usize, dice: &mut Dice) {
    let fresh = Consumer {
        name: consumers[which].name.clone(),
        instance: consumers[which].instance.clone(),
        wants: wishes(dice),
        ..Consumer::default()
    };
    let former = std::mem::replace(&mut consumers[which], fresh);
    if former.instance.is_some() && former.generation > 0 && former.waits_for.is_none() && consumers.len() < 12 {
        consumers.push(Consumer { given_up: true, ..former });
    }
}

/// Whose name another one has been answered under is fenced from now on.
fn fence(consumers: &mut [Consumer], successor: usize) {
    let (name, id) = (consumers[successor].instance.clone(), consumers[successor].id.clone());
    for former in consumers.iter_mut().filter(|one| one.given_up && one.instance == name && one.id != id) {
        former.fenced = true;
    }
}

fn step(
    world: &mut World,
    consumers: &mut Vec<Consumer>,
    at: usize,
    rules: &mut Rules,
    specification: &mut Specification,
) {
    let which = rules.dice.roll(consumers.len() as u64) as usize;
    if consumers[which].silent_until > at {
        return;
    }
    if let Some((token, wait)) = consumers[which].waits_for {
        let Some(reply) = world.answer(token) else { return };
        consumers[which].waits_for = None;
        let was_new = wait == Wait::Join && consumers[which].instance.is_some();
        let is_of_this_life = token > specification.former;
        consumers[which].told(token, wait, reply, rules.cooperative, specification);
        if was_new && is_of_this_life && consumers[which].generation > 0 && !consumers[which].given_up {
            fence(consumers, which);
        }
        return;
    }
    match rules.dice.roll(100) {
        0..2 => consumers[which].silent_until = at + 200,
        2..4 if !consumers[which].given_up => crash(consumers, which, &mut rules.dice),
        4 if !consumers[which].given_up && !consumers[which].id.is_empty() => {
            let (id, instance) = (consumers[which].id.clone(), consumers[which].instance.clone());
            world.leave(&id, instance.as_deref());
            consumers[which].loses_all();
            consumers[which].id.clear();
        }
        _ => consumers[which].ask(world, rules, specification),
    }
}

fn run(seed: u64) -> Specification {
    let mut dice = Dice::new(seed);
    let delay = if dice.chance(50) { 0 } else { 3_000 };
    let config = Config { initial_rebalance_delay_ms: delay, ..Config::default() };
    let mut world = World::with(config.clone());
    let mut consumers: Vec<Consumer> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|name| Consumer {
            name: (*name).into(),
            instance: dice.chance(50).then(|| format!("static-{name}")),
            wants: wishes(&mut dice),
            ..Consumer::default()
        })
        .collect();
    let mut rules = Rules { cooperative: dice.chance(50), dice };
    let mut specification = Specification::default();
    for at in 0..STEPS {
        step(&mut world, &mut consumers, at, &mut rules, &mut specification);
        match rules.dice.roll(200) {
            0..40 => world.pass(rules.dice.roll(1_500)),
            40 => world.pass(15_000),
            41..50 => world.holds_appends = true,
            50..75 => {
                world.holds_appends = false;
                world.release();
            }
            75 => world.fail(ErrorCode::NotEnoughReplicas),
            76 => {
                world.reloaded(config.clone());
                specification.life += 1;
                (specification.newest, specification.former) = (0, world.tokens);
                // Who took whose place is told again by those who live.
                for one in &mut consumers {
                    one.fenced = false;
                }
            }
            77..90 => {
                let one = (rules.dice.roll(2) as usize, rules.dice.roll(3) as i32);
                is_kept(&mut world, &specification, one);
            }
            _ => {}
        }
    }
    specification
}

fn is_kept(world: &mut World, specification: &Specification, one: One) {
    let partitions = Some(vec![TopicPartition::new(TOPICS[one.0], one.1)]);
    let token =
        world.ask(Request::OffsetFetch(OffsetFetch { group_id: "g".into(), partitions, require_stable: false }));
    let Some(Reply::OffsetFetch(reply)) = world.answer(token) else { panic!("no offsets") };
    let found = reply.offsets[0].offset.0;
    let acknowledged = specification.acknowledged.get(&one).copied().unwrap_or(-1);
    assert!(found >= acknowledged, "{one:?}: {found} read, {acknowledged} was acknowledged");
    let was_asked_for = specification.attempted.get(&one).is_some_and(|values| values.contains(&found));
    assert!(found == -1 || was_asked_for, "{one:?}: nobody committed {found}");
}

#[test]
fn consumers_of_every_kind_share_out_what_there_is() {
    let (mut synced, mut committed, mut fenced) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let Ok(specification) = outcome else { panic!("seed {seed}") };
        synced += specification.synced;
        committed += specification.committed;
        fenced += specification.fenced;
    }
    // A schedule in which nothing succeeds proves nothing.
    assert!(
        synced > 3_000 && committed > 3_000 && fenced > 200,
        "{synced} shares, {committed} commits, {fenced} fenced"
    );
}
