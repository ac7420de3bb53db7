//! Random schedules: clients join, sync, beat, commit, leave and fall silent in any order, appends are held up and
//! fail, coordinators are replaced. A checker that knows nothing of groups watches what clients are told: no partition
//! is owned twice in a generation, no acknowledged commit is lost, none is accepted from a generation that is over,
//! and every request is answered once.

use super::*;

const PARTITIONS: i32 = 5;
const SEEDS: u64 = 300;
const STEPS: usize = 1_000;

/// A small generator; the seed is in the message of whatever fails.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

#[derive(Debug, Default)]
struct Client {
    name: String,
    id: String,
    generation: i32,
    /// Set if it leads: who is to be assigned.
    members: Vec<String>,
    waits_for: Option<(u64, Wait)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wait {
    Join,
    Sync,
    Heartbeat,
    Commit { partition: i32, value: i64, refused_for_sure: bool },
}

/// What clients were told so far.
#[derive(Debug, Default)]
struct Checker {
    owners: HashMap<(i32, String), String>,
    /// The newest generation that a client of the present coordinator was told of.
    newest: i32,
    /// Requests up to this one were answered by former coordinators.
    former: u64,
    acknowledged: HashMap<i32, i64>,
    attempted: HashMap<i32, Vec<i64>>,
    rebalances: usize,
    commits: usize,
}

impl Checker {
    fn assigned(&mut self, client: &Client, assignment: &Bytes) {
        self.rebalances += 1;
        let text = std::str::from_utf8(assignment).unwrap();
        for partition in text.split_terminator(',') {
            let owner =
                self.owners.entry((client.generation, partition.to_owned())).or_insert_with(|| client.id.clone());
            assert_eq!(*owner, client.id, "partition {partition} has two owners in generation {}", client.generation);
        }
    }

    fn committed(&mut self, partition: i32, value: i64, error: ErrorCode, refused_for_sure: bool) {
        if error == ErrorCode::None {
            assert!(!refused_for_sure, "a commit out of a past generation was accepted");
            self.commits += 1;
            let newest = self.acknowledged.entry(partition).or_insert(-1);
            *newest = (*newest).max(value);
        }
    }

    fn fetched(&self, partition: i32, value: i64) {
        let acknowledged = self.acknowledged.get(&partition).copied().unwrap_or(-1);
        assert!(value >= acknowledged, "partition {partition}: {value} read, {acknowledged} was acknowledged");
        let was_asked_for = self.attempted.get(&partition).is_some_and(|values| values.contains(&value));
        assert!(value == -1 || was_asked_for, "partition {partition}: nobody committed {value}");
    }
}

fn step(world: &mut World, client: &mut Client, checker: &mut Checker, dice: &mut Dice, values: &mut i64) {
    if let Some((token, wait)) = client.waits_for {
        match world.answer(token) {
            // It may give up waiting.
            None if dice.chance(95) => return,
            None => {}
            Some(reply) => told(client, checker, (token, wait), reply),
        }
        client.waits_for = None;
        return;
    }
    let mut random = [0; 16];
    random[..8].copy_from_slice(&dice.roll(u64::MAX).to_be_bytes());
    let waits_for = match dice.roll(10) {
        0..3 => {
            let request = Join { random, ..world.join_request(&client.name, &client.id) };
            (world.ask(Request::Join(request)), Wait::Join)
        }
        3..6 => (sync(world, client), Wait::Sync),
        6 => {
            let (group_id, member_id) = ("g".into(), client.id.clone());
            let (generation, group_instance_id) = (client.generation, None);
            let heartbeat = Heartbeat { group_id, generation, member_id, group_instance_id };
            (world.ask(Request::Heartbeat(heartbeat)), Wait::Heartbeat)
        }
        7..9 if client.generation > 0 => {
            *values += 1;
            let (partition, value, generation) = (dice.roll(5) as i32, *values, client.generation);
            checker.attempted.entry(partition).or_default().push(value);
            let member = Joined { id: client.id.clone(), generation, leader: String::new() };
            let refused_for_sure = generation < checker.newest;
            let token = world.ask(Request::OffsetCommit(World::commit_request(Some(&member), partition, value)));
            (token, Wait::Commit { partition, value, refused_for_sure })
        }
        _ if dice.chance(20) && !client.id.is_empty() => {
            world.leave(&client.id.clone(), None);
            client.id.clear();
            client.generation = 0;
            return;
        }
        _ => return,
    };
    client.waits_for = Some(waits_for);
}

fn sync(world: &mut World, client: &mut Client) -> u64 {
    let mut shares: HashMap<String, String> = HashMap::new();
    for partition in 0..PARTITIONS {
        if let Some(member) = client.members.get(partition as usize % client.members.len().max(1)) {
            shares.entry(member.clone()).or_default().extend([partition.to_string(), ",".to_owned()]);
        }
    }
    let shares: Vec<(&str, &str)> = shares.iter().map(|(id, share)| (id.as_str(), share.as_str())).collect();
    let member = Joined { id: client.id.clone(), generation: client.generation, leader: String::new() };
    world.sync(&member, &shares)
}

fn told(client: &mut Client, checker: &mut Checker, (token, wait): (u64, Wait), reply: Reply) {
    match (wait, reply) {
        (Wait::Join, Reply::Join(reply)) => match reply.error {
            ErrorCode::None => {
                if token > checker.former {
                    checker.newest = checker.newest.max(reply.generation);
                }
                client.id = reply.member_id;
                client.generation = reply.generation;
                client.members = reply.members.into_iter().map(|member| member.member_id).collect();
            }
            ErrorCode::MemberIdRequired => client.id = reply.member_id,
            ErrorCode::UnknownMemberId => client.id.clear(),
            _ => {}
        },
        (Wait::Sync, Reply::Sync(reply)) if reply.error == ErrorCode::None => {
            checker.assigned(client, &reply.assignment);
        }
        (Wait::Commit { partition, value, refused_for_sure }, Reply::OffsetCommit(answers)) => {
            checker.committed(partition, value, answers[0].1, refused_for_sure);
        }
        (Wait::Sync | Wait::Heartbeat, Reply::Sync(SyncReply { error, .. }) | Reply::Heartbeat(error)) => {
            if error == ErrorCode::UnknownMemberId {
                client.id.clear();
            }
        }
        (wait, reply) => panic!("{wait:?} answered by {reply:?}"),
    }
}

fn run(seed: u64) -> (usize, usize) {
    let mut dice = Dice::new(seed);
    let delay = if dice.chance(50) { 0 } else { 3_000 };
    let config = Config { initial_rebalance_delay_ms: delay, ..Config::default() };
    let mut world = World::with(config.clone());
    let mut checker = Checker::default();
    let names = ["a", "b", "c", "d"];
    let mut clients = names.map(|name| Client { name: name.into(), ..Client::default() });
    let mut values = 0;
    for _ in 0..STEPS {
        let which = dice.roll(clients.len() as u64) as usize;
        step(&mut world, &mut clients[which], &mut checker, &mut dice, &mut values);
        match dice.roll(100) {
            0..30 => world.pass(dice.roll(3_000)),
            30..32 => world.pass(20_000),
            32..45 => world.holds_appends = true,
            45..60 => {
                world.holds_appends = false;
                world.release();
            }
            60..62 => world.fail(ErrorCode::NotEnoughReplicas),
            62..63 => {
                world.reloaded(config.clone());
                (checker.newest, checker.former) = (0, world.tokens);
            }
            63..70 => {
                let partition = dice.roll(PARTITIONS as u64) as i32;
                let value = world.committed(partition, false).unwrap();
                checker.fetched(partition, value);
            }
            _ => {}
        }
    }
    let asked = world.tokens;
    let mut effects = Vec::new();
    world.coordinator.unload(&mut effects);
    world.perform(effects);
    for client in &clients {
        if let Some((token, _)) = client.waits_for {
            assert!(token <= asked && world.replies.contains_key(&token), "{client:?} is never answered");
        }
    }
    (checker.rebalances, checker.commits)
}

#[test]
fn any_schedule_keeps_the_promises() {
    let (mut rebalances, mut commits) = (0, 0);
    for seed in 1..=SEEDS {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let Ok((some_rebalances, some_commits)) = outcome else { panic!("seed {seed}") };
        rebalances += some_rebalances;
        commits += some_commits;
    }
    // A schedule in which nothing succeeds proves nothing.
    assert!(rebalances > 1_000 && commits > 1_000, "{rebalances} assignments, {commits} commits");
}
