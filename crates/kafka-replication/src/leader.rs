//! One partition as its leader sees it: offsets and time come in, effects go out.

use std::collections::{BTreeMap, BTreeSet};

use kafka_types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch};
use time_types::Tick;

use crate::acks::{Progress, effective_min, progress};
use crate::effect::{Effect, Isr};
use crate::isr::{IsrAnswer, IsrRefusal, IsrState};

/// Settings that decide who is in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `replica.lag.time.max.ms`: whoever was not caught up for so long falls out of the ISR.
    pub lag_time_max_ms: u64,
    /// `min.insync.replicas` of the topic.
    pub min_in_sync: usize,
}

/// What the controller says when it makes a broker the leader, and what the broker's log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// The leader: this broker.
    pub me: BrokerId,
    /// The epoch that begins.
    pub epoch: LeaderEpoch,
    /// All replicas.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: BTreeSet<BrokerId>,
    /// Version of the partition's state.
    pub partition_epoch: PartitionEpoch,
    /// The log's end when the epoch begins.
    pub log_end: Offset,
    /// The log's high watermark then.
    pub high_watermark: Offset,
}

/// What the leader knows of a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Follower {
    /// It holds everything below; `NONE` before its first fetch.
    fetched_to: Offset,
    /// Where its log starts; `NONE` before its first fetch.
    log_start: Offset,
    /// The last time at which it held everything that the leader had; `None`: never in this epoch.
    caught_up_at: Option<Tick>,
    /// When it last fetched, and the leader's log end then.
    last_fetch: Option<(Tick, Offset)>,
    /// The life of the broker that fetched.
    broker_epoch: BrokerEpoch,
    /// May it come into sync: the controller counts it among the living, and it is not about to stop.
    eligible: bool,
}

impl Follower {
    fn new(caught_up_at: Option<Tick>) -> Follower {
        let (fetched_to, broker_epoch) = (Offset::NONE, BrokerEpoch::NONE);
        let log_start = Offset::NONE;
        Follower { fetched_to, log_start, caught_up_at, last_fetch: None, broker_epoch, eligible: true }
    }

    fn is_caught_up(&self, now: Tick, log_end: Offset, settings: Settings) -> bool {
        self.fetched_to == log_end || self.caught_up_at.is_some_and(|at| now.since(at) <= settings.lag_time_max_ms)
    }
}

/// The leader's side of a partition.
#[derive(Debug)]
pub struct Leader {
    me: BrokerId,
    epoch: LeaderEpoch,
    epoch_start: Offset,
    replicas: Vec<BrokerId>,
    isr: IsrState,
    followers: BTreeMap<BrokerId, Follower>,
    log_end: Offset,
    high_watermark: Offset,
    settings: Settings,
}

impl Leader {
    /// A leader at the beginning of its epoch. Members of the ISR count as caught up just now.
    pub fn new(now: Tick, leadership: Leadership, settings: Settings) -> Leader {
        let follower = |id: &BrokerId| Follower::new(leadership.isr.contains(id).then_some(now));
        let others = leadership.replicas.iter().filter(|id| **id != leadership.me);
        Leader {
            me: leadership.me,
            epoch: leadership.epoch,
            epoch_start: leadership.log_end,
            followers: others.map(|id| (*id, follower(id))).collect(),
            replicas: leadership.replicas,
            isr: IsrState::new(leadership.isr, leadership.partition_epoch),
            log_end: leadership.log_end,
            high_watermark: leadership.high_watermark,
            settings,
        }
    }

    /// Goes on leading in a newer epoch: what is known of the followers stays, and who is in sync counts as caught up
    /// just now.
    pub fn renew(&mut self, now: Tick, leadership: Leadership, settings: Settings) {
        let mut known = std::mem::take(&mut self.followers);
        let high_watermark = self.high_watermark.max(leadership.high_watermark);
        *self = Leader::new(now, leadership, settings);
        self.high_watermark = high_watermark;
        for (id, follower) in &mut self.followers {
            if let Some(before) = known.remove(id) {
                *follower = Follower { caught_up_at: follower.caught_up_at, last_fetch: None, ..before };
            }
        }
    }

    /// The epoch.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Version of the partition's state.
    pub fn partition_epoch(&self) -> PartitionEpoch {
        self.isr.partition_epoch
    }

    /// Is this broker a replica that follows? The leader does not follow itself.
    pub fn has_follower(&self, id: BrokerId) -> bool {
        self.followers.contains_key(&id)
    }

    /// The committed ISR.
    pub fn isr(&self) -> &BTreeSet<BrokerId> {
        &self.isr.committed
    }

    /// All replicas.
    pub fn replicas(&self) -> &[BrokerId] {
        &self.replicas
    }

    /// Records below are committed.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// May records with acks=all be appended (`NOT_ENOUGH_REPLICAS` if not)?
    pub fn has_enough_in_sync(&self) -> bool {
        self.isr.committed.len() >= self.min_in_sync()
    }

    /// Would one replica less in sync be too few for acks=all?
    pub fn is_at_min_in_sync(&self) -> bool {
        self.isr.committed.len() == self.min_in_sync()
    }

    /// How far a produce with acks=all whose records end at `end` has come.
    pub fn progress(&self, end: Offset) -> Progress {
        progress(end, self.high_watermark, self.isr.maximal().count(), self.min_in_sync())
    }

    /// Who may come into sync: brokers that the controller counts among the living and that are not about to stop. The
    /// controller would refuse others; those that are in sync stay until they lag.
    pub fn set_eligible(&mut self, is_eligible: impl Fn(BrokerId) -> bool) {
        for (id, follower) in &mut self.followers {
            follower.eligible = is_eligible(*id);
        }
    }

    /// New settings, obeyed at once: a lower `min.insync.replicas` may commit what was held back.
    pub fn on_settings(&mut self, now: Tick, settings: Settings, effects: &mut Vec<Effect>) {
        self.settings = settings;
        self.advance_high_watermark(now, effects);
    }

    /// New settings, obeyed from the next append, fetch or tick on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Records were appended up to `log_end`. With no other replica in sync they are committed at once.
    pub fn on_append(&mut self, now: Tick, log_end: Offset, effects: &mut Vec<Effect>) {
        self.log_end = log_end;
        self.advance_high_watermark(now, effects);
    }

    /// A follower asks for `offset`, which says that it holds everything below. Not a replica: ignored.
    pub fn on_fetch(
        &mut self,
        now: Tick,
        from: BrokerId,
        offset: Offset,
        life: BrokerEpoch,
        effects: &mut Vec<Effect>,
    ) {
        let log_end = self.log_end;
        let Some(follower) = self.followers.get_mut(&from) else { return };
        if offset >= log_end {
            follower.caught_up_at = Some(now);
        } else if let Some((then, end_then)) = follower.last_fetch
            && offset >= end_then
        {
            // It holds what there was at its last fetch, so it was caught up at that time.
            follower.caught_up_at = follower.caught_up_at.max(Some(then));
        }
        follower.fetched_to = offset;
        follower.last_fetch = Some((now, log_end));
        follower.broker_epoch = life;
        self.expand(from, effects);
        self.advance_high_watermark(now, effects);
    }

    /// Where a follower's log starts, as it says itself. Not a replica: ignored.
    pub fn on_follower_log_start(&mut self, from: BrokerId, log_start: Offset) {
        if let Some(follower) = self.followers.get_mut(&from) {
            follower.log_start = log_start;
        }
    }

    /// Below this offset no living replica holds records any more, the leader's log starting at `log_start`; `NONE` while
    /// a follower has not said where its log starts.
    pub fn low_watermark(&self, log_start: Offset) -> Offset {
        let living = self.followers.values().filter(|follower| follower.eligible);
        living.map(|follower| follower.log_start).fold(log_start, Offset::min)
    }

    /// Time passes: members that lag are proposed out.
    pub fn on_tick(&mut self, now: Tick, effects: &mut Vec<Effect>) {
        if self.isr.proposed.is_some() {
            return;
        }
        let out: BTreeSet<BrokerId> = self.isr.committed.iter().copied().filter(|id| self.lags(now, *id)).collect();
        if !out.is_empty() {
            let isr = self.isr.committed.difference(&out).copied().collect();
            self.propose(isr, effects);
        }
    }

    /// The controller said yes, or told what holds.
    pub fn on_isr(&mut self, now: Tick, answer: IsrAnswer, effects: &mut Vec<Effect>) {
        if answer.leader_epoch == self.epoch && self.isr.adopt(answer.isr, answer.partition_epoch) {
            self.advance_high_watermark(now, effects);
        }
    }

    /// The controller said no, or nothing.
    pub fn on_isr_refused(&mut self, refusal: IsrRefusal, effects: &mut Vec<Effect>) {
        if refusal == IsrRefusal::Outdated {
            return;
        }
        if let (IsrRefusal::Retry, Some(isr)) = (refusal, self.isr.proposed.take()) {
            self.propose(isr, effects);
        }
    }

    fn min_in_sync(&self) -> usize {
        effective_min(self.settings.min_in_sync, self.replicas.len())
    }

    fn lags(&self, now: Tick, id: BrokerId) -> bool {
        let Some(follower) = self.followers.get(&id) else { return false };
        !follower.is_caught_up(now, self.log_end, self.settings)
    }

    /// A follower outside of the ISR that has reached the high watermark, and all that this epoch began with, may join.
    fn expand(&mut self, from: BrokerId, effects: &mut Vec<Effect>) {
        let Some(follower) = self.followers.get(&from) else { return };
        let caught_up = follower.fetched_to >= self.high_watermark && follower.fetched_to >= self.epoch_start;
        if caught_up && follower.eligible && !self.isr.may_hold(from) && self.isr.proposed.is_none() {
            let mut isr = self.isr.committed.clone();
            isr.insert(from);
            self.propose(isr, effects);
        }
    }

    fn propose(&mut self, isr: BTreeSet<BrokerId>, effects: &mut Vec<Effect>) {
        let life = |id: &BrokerId| self.followers.get(id).map_or(BrokerEpoch::NONE, |follower| follower.broker_epoch);
        effects.push(Effect::ProposeIsr(Isr {
            leader_epoch: self.epoch,
            partition_epoch: self.isr.partition_epoch,
            members: isr.iter().map(|id| (*id, life(id))).collect(),
        }));
        self.isr.proposed = Some(isr);
    }

    /// The high watermark is what every replica holds that is in sync, or about to be: a replica outside of the ISR
    /// that is caught up in time is waited for, or the watermark would run away from it for ever. It stands still
    /// while there are fewer in sync than `min.insync.replicas`.
    fn advance_high_watermark(&mut self, now: Tick, effects: &mut Vec<Effect>) {
        if !self.has_enough_in_sync() {
            return;
        }
        let in_sync: BTreeSet<BrokerId> = self.isr.maximal().collect();
        let mut reached = self.log_end;
        for (id, follower) in &self.followers {
            let joining = follower.eligible && follower.is_caught_up(now, self.log_end, self.settings);
            if in_sync.contains(id) || joining {
                reached = reached.min(follower.fetched_to);
            }
        }
        debug_assert!(in_sync.contains(&self.me) || in_sync.is_empty(), "a leader is in its own ISR");
        if reached > self.high_watermark {
            self.high_watermark = reached;
            effects.push(Effect::Commit(reached));
        }
    }
}

#[cfg(test)]
mod tests;
