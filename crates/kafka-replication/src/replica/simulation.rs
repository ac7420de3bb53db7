//! Three replicas in a loop with failing leaders: what some leader called committed is never lost or replaced.

use std::collections::BTreeSet;

use kafka_types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch};
use time_types::Tick;

use super::*;
use crate::{Divergence, Effect, Fencing, Isr, IsrAnswer, IsrRefusal, check_epoch, high_watermark, truncate_to};

const SETTINGS: Settings = Settings { lag_time_max_ms: 10, min_in_sync: 2 };

/// A record is the number it was given when it was produced; it carries the epoch of its leader.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    id: u64,
    epoch: LeaderEpoch,
}

struct Member {
    replica: Replica,
    log: Vec<Record>,
    high_watermark: Offset,
    up: bool,
}

impl Member {
    fn end(&self) -> Offset {
        Offset(self.log.len() as i64)
    }

    /// Where the epoch ends, or the largest one below it; `None` if there is none.
    fn end_of(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let last = self.log.iter().rposition(|record| record.epoch <= epoch)?;
        Some((self.log[last].epoch, Offset(last as i64 + 1)))
    }
}

/// Three replicas, a controller that is a few lines, and a checker.
struct World {
    members: Vec<Member>,
    seed: u64,
    now: u64,
    leader: usize,
    epoch: i32,
    isr: BTreeSet<BrokerId>,
    version: i32,
    next_id: u64,
    /// What some leader has called committed, by offset.
    committed: Vec<Record>,
}

fn all() -> Vec<BrokerId> {
    vec![BrokerId(0), BrokerId(1), BrokerId(2)]
}

impl World {
    fn new(seed: u64) -> World {
        let member = |_| Member { replica: Replica::new(), log: Vec::new(), high_watermark: Offset(0), up: true };
        let mut world = World {
            members: (0..3).map(member).collect(),
            seed: seed | 1,
            now: 0,
            leader: 0,
            epoch: 0,
            isr: all().into_iter().collect(),
            version: 0,
            next_id: 0,
            committed: Vec::new(),
        };
        world.announce();
        world
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 20) % below
    }

    /// LeaderAndIsr to everybody who lives.
    fn announce(&mut self) {
        for index in 0..3 {
            let (epoch, leader) = (LeaderEpoch(self.epoch), self.leader);
            let member = &mut self.members[index];
            if !member.up {
                continue;
            }
            if index != leader {
                member.replica.follow(BrokerId(leader as i32), epoch);
                continue;
            }
            let leadership = Leadership {
                me: BrokerId(index as i32),
                epoch,
                replicas: all(),
                isr: self.isr.clone(),
                partition_epoch: PartitionEpoch(self.version),
                log_end: member.end(),
                high_watermark: member.high_watermark,
            };
            member.replica.lead(Tick(self.now), leadership, SETTINGS);
            self.log_end_moved(index);
        }
    }

    fn log_end_moved(&mut self, index: usize) {
        let member = &mut self.members[index];
        let (end, mut effects) = (member.end(), Vec::new());
        if let Some(leader) = member.replica.leader_mut() {
            leader.on_append(Tick(self.now), end, &mut effects);
        }
        self.perform(index, effects);
    }

    fn perform(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Commit(offset) => self.commit(index, offset),
                Effect::ProposeIsr(proposal) => self.alter(index, &proposal),
            }
        }
    }

    fn commit(&mut self, index: usize, offset: Offset) {
        let member = &mut self.members[index];
        member.high_watermark = offset;
        let log = &member.log[..offset.0 as usize];
        let both = self.committed.len().min(log.len());
        assert_eq!(log[..both], self.committed[..both], "a committed record was replaced");
        if log.len() > both {
            self.committed = log.to_vec();
        }
    }

    /// The controller: agrees if the leader and its version are the current ones and everybody proposed lives.
    fn alter(&mut self, index: usize, proposal: &Isr) {
        let current = index == self.leader
            && proposal.leader_epoch == LeaderEpoch(self.epoch)
            && proposal.partition_epoch == PartitionEpoch(self.version)
            && proposal.members.keys().all(|id| self.members[id.0 as usize].up);
        let mut effects = Vec::new();
        if current {
            self.isr = proposal.members.keys().copied().collect();
            self.version += 1;
        }
        let answer = IsrAnswer {
            leader_epoch: proposal.leader_epoch,
            isr: self.isr.clone(),
            partition_epoch: PartitionEpoch(self.version),
        };
        if let Some(leader) = self.members[index].replica.leader_mut() {
            if current {
                leader.on_isr(Tick(self.now), answer, &mut effects);
            } else {
                leader.on_isr_refused(IsrRefusal::Drop, &mut effects);
            }
        }
        self.perform(index, effects);
    }

    fn produce(&mut self) {
        let member = &mut self.members[self.leader];
        let Some(leader) = member.replica.leader().filter(|leader| member.up && leader.has_enough_in_sync()) else {
            return;
        };
        member.log.push(Record { id: self.next_id, epoch: leader.epoch() });
        self.next_id += 1;
        self.log_end_moved(self.leader);
    }

    fn fetch(&mut self, index: usize) {
        let from = self.leader;
        let (own, leader) = (&self.members[index], &self.members[from]);
        let Replica::Follower { epoch, .. } = own.replica else { return };
        let Some(core) = leader.replica.leader() else { return };
        if !own.up || !leader.up || check_epoch(core.epoch(), epoch) != Fencing::Current {
            return;
        }
        let (offset, end) = (own.end(), own.end());
        if let Some(last) = own.log.last() {
            let Some((found, found_end)) = leader.end_of(last.epoch) else {
                self.members[index].log.clear();
                return;
            };
            if found < last.epoch || found_end < offset {
                let cut = truncate_to(Divergence { epoch: found, end: found_end }, own.end_of(found), end);
                self.members[index].log.truncate(cut.0 as usize);
                return;
            }
        }
        let records: Vec<Record> = leader.log[offset.0 as usize..].iter().copied().take(2).collect();
        let mut effects = Vec::new();
        if let Some(leader) = self.members[from].replica.leader_mut() {
            leader.on_fetch(Tick(self.now), BrokerId(index as i32), offset, BrokerEpoch(1), &mut effects);
        }
        self.perform(from, effects);
        let leaders = self.members[from].high_watermark;
        let own = &mut self.members[index];
        own.log.extend(records);
        own.high_watermark = high_watermark(leaders, own.end());
    }

    fn stop_one(&mut self, index: usize) {
        let others = self.members.iter().enumerate().filter(|(other, member)| *other != index && member.up).count();
        if !self.members[index].up || others == 0 {
            return;
        }
        self.members[index].up = false;
        self.members[index].replica.stop();
        if self.isr.len() > 1 {
            self.isr.remove(&BrokerId(index as i32));
        }
        self.elect();
    }

    fn start_one(&mut self, index: usize) {
        if self.members[index].up {
            return;
        }
        // A crash of the machine may lose what was not known to be committed. Not of the last one in sync: what nobody
        // else holds is safe only on its disk, and Kafka promises no more than that.
        let in_sync = self.isr.contains(&BrokerId(index as i32));
        let member = &self.members[index];
        let keep = if in_sync { member.log.len() } else { member.high_watermark.0 as usize };
        let spare = self.members[index].log.len() - keep;
        let kept = keep + self.random(spare as u64 + 1) as usize;
        let member = &mut self.members[index];
        member.log.truncate(kept);
        member.up = true;
        self.elect();
    }

    /// A clean election: only who is in sync may lead.
    fn elect(&mut self) {
        if let Some(id) = self.isr.iter().find(|id| self.members[id.0 as usize].up) {
            self.leader = id.0 as usize;
        }
        self.epoch += 1;
        self.version += 1;
        self.announce();
    }

    fn tick(&mut self) {
        let mut effects = Vec::new();
        if let Some(leader) = self.members[self.leader].replica.leader_mut() {
            leader.on_tick(Tick(self.now), &mut effects);
        }
        self.perform(self.leader, effects);
    }

    fn check(&self, seed: u64) {
        let leader = &self.members[self.leader];
        if leader.up && leader.replica.leader().is_some() {
            let held = leader.log.len().min(self.committed.len());
            assert_eq!(leader.log[..held], self.committed[..held], "seed {seed}: another record was committed");
            assert!(leader.log.len() >= self.committed.len(), "seed {seed}: the leader lacks committed records");
        }
    }
}

#[test]
fn three_replicas_with_failing_leaders_lose_nothing_committed() {
    let mut committed = 0;
    for seed in 1..=300_u64 {
        let mut world = World::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..400 {
            world.now += world.random(4);
            let index = world.random(3) as usize;
            match world.random(40) {
                0 => world.stop_one(index),
                1..=3 => world.start_one(index),
                4..=18 => world.produce(),
                19 => world.tick(),
                _ => world.fetch(index),
            }
            world.check(seed);
        }
        committed += world.committed.len();
    }
    assert!(committed > 3000, "only {committed} records were committed: the world does not move");
}
