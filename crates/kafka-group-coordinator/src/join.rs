//! JoinGroup, and the rebalance that it starts: who may join, when the join phase ends, and what the next generation is.

use std::sync::Arc;

use kafka_types::ErrorCode;
use time_types::Tick;

use crate::effect::{JoinReply, Reply, ReplyToken, SyncReply};
use crate::group::{Group, Round, State};
use crate::member::{Member, MemberId, NEW_MEMBER_JOIN_TIMEOUT_MS, new_member_id};
use crate::pending::{Context, InFlight, Replacement, Then};
use crate::records::Record;
use crate::request::Join;
use crate::small_map::SmallMap;
use crate::timers::Timer;

/// A group of so many members waits a millisecond longer for the next newcomer ..
const MEMBERS_PER_MS: u64 = 50;
/// .. and no group longer than so many.
const CROWD_MAX_MS: u64 = 10;

impl Group {
    /// Handles a JoinGroup whose timeouts are in range.
    pub(crate) fn join(&mut self, cx: &mut Context<'_>, token: ReplyToken, join: &Join) {
        if !self.has_room_for(cx.config.members_max, &join.member_id) {
            let id = join.member_id.as_str();
            self.remove(cx, id);
            refuse(cx, token, ErrorCode::GroupMaxSizeReached, "");
        } else if self.is(State::Dead) {
            // The group is being deleted: the client looks for its coordinator again and finds a new group.
            refuse(cx, token, ErrorCode::CoordinatorNotAvailable, &join.member_id);
        } else if !self.supports(join) {
            refuse(cx, token, ErrorCode::InconsistentGroupProtocol, &join.member_id);
        } else if join.member_id.is_empty() {
            self.join_as_new(cx, token, join);
        } else {
            self.join_again(cx, token, join);
        }
        self.advance_join(cx);
    }

    /// A full group takes back whom it knows. While it prepares a rebalance those count that came back first.
    fn has_room_for(&self, members_max: usize, member_id: &str) -> bool {
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                let awaited = self.members.get(member_id).is_some_and(|member| member.awaiting_join.is_some());
                awaited || self.awaiting_join() < members_max
            }
            State::CompletingRebalance | State::Stable => {
                self.members.contains_key(member_id) || self.members.len() < members_max
            }
        }
    }

    /// Somebody without a member id.
    fn join_as_new(&mut self, cx: &mut Context<'_>, token: ReplyToken, join: &Join) {
        let new_id = new_member_id(join);
        let holder = join.group_instance_id.as_ref().map(|instance| self.static_members.get(instance).cloned());
        match holder {
            Some(Some(old_id)) => self.replace_and_rebalance(cx, token, join, (&old_id, &new_id)),
            None if join.requires_known_member_id => {
                let deadline = cx.now.tick.after(u64::try_from(join.session_timeout_ms).unwrap_or(0));
                self.pending_members.insert(new_id.clone(), deadline);
                cx.timers.arm(deadline, Timer::PendingMember(self.id.clone(), new_id.clone()));
                refuse(cx, token, ErrorCode::MemberIdRequired, &new_id);
            }
            Some(None) | None => self.add_and_rebalance(cx, token, join, &new_id),
        }
    }

    /// Somebody with a member id: back from the id dance, or a member that joins again.
    fn join_again(&mut self, cx: &mut Context<'_>, token: ReplyToken, join: &Join) {
        let id: MemberId = Arc::from(join.member_id.as_str());
        if self.pending_members.contains_key(&id) {
            if join.group_instance_id.is_some() {
                // Ids are handed out in advance to dynamic members only.
                return refuse(cx, token, ErrorCode::UnknownMemberId, &id);
            }
            return self.add_and_rebalance(cx, token, join, &id);
        }
        if let Err(error) = self.validate_member(&id, join.group_instance_id.as_deref()) {
            return refuse(cx, token, error, &id);
        }
        let unchanged = self.members.get(&id).is_some_and(|member| member.matches(join));
        match self.state {
            // It may have missed the answer to its first join: the same answer again.
            State::CompletingRebalance if unchanged => {
                let reply = self.join_reply(&id, self.is_leader(&id));
                cx.reply(token, Reply::Join(reply));
            }
            // A leader that joins again wants to assign again, for it has seen the cluster change.
            State::Stable if unchanged && !self.is_leader(&id) => {
                let reply = self.join_reply(&id, false);
                cx.reply(token, Reply::Join(reply));
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update_and_rebalance(cx, token, join);
            }
            State::Empty | State::Dead => refuse(cx, token, ErrorCode::UnknownMemberId, &id),
        }
    }

    fn add_and_rebalance(&mut self, cx: &mut Context<'_>, token: ReplyToken, join: &Join, id: &MemberId) {
        if self.is(State::PreparingRebalance) && self.generation == 0 {
            self.new_member_added = true;
        }
        let mut member = Member::new(id.clone(), join, cx.names);
        member.awaiting_join = Some(token);
        self.add(member, &cx.names.share(&join.protocol_type));
        self.maybe_prepare_rebalance(cx);
        if self.members.get(id).is_some_and(|member| member.awaiting_join.is_some()) {
            self.arm_session(cx, id, NEW_MEMBER_JOIN_TIMEOUT_MS);
        }
        if let Some(round) = &mut self.round {
            round.newcomer_at = Some(cx.now.tick);
        }
    }

    fn update_and_rebalance(&mut self, cx: &mut Context<'_>, token: ReplyToken, join: &Join) {
        self.update_member(cx, &join.member_id, join, token);
        self.maybe_prepare_rebalance(cx);
    }

    /// A static member came back without its id: a new id takes the old one's place. If that changes nothing for the
    /// others, the group stays as it is and the new id is stored.
    fn replace_and_rebalance(
        &mut self,
        cx: &mut Context<'_>,
        token: ReplyToken,
        join: &Join,
        (old_id, new_id): (&MemberId, &MemberId),
    ) {
        let Some(previous) = self.members.get(old_id).cloned() else { return };
        let previous_leader = self.leader.clone();
        self.replace_static(cx, old_id, new_id);
        self.update_member(cx, new_id, join, token);
        self.touch(cx, new_id);
        match self.state {
            State::Stable if self.protocol == self.select_protocol() => {
                let supports_skipping_assignment = join.supports_skipping_assignment;
                let new_id = new_id.clone();
                let then = Replacement { new_id, previous: *previous, previous_leader, supports_skipping_assignment };
                self.store_replacement(cx, then);
            }
            // While a rebalance completes, the leader may already assign to the old id: start over.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(cx),
            State::PreparingRebalance | State::Empty | State::Dead => {}
        }
    }

    fn store_replacement(&mut self, cx: &mut Context<'_>, then: Replacement) {
        let assignments = self.members.values().map(|member| (&*member.id, member.assignment.clone())).collect();
        let record = Record::Group { group_id: self.id.clone(), value: Some(self.to_record(&assignments)) };
        let then = Then::StaticMemberReplaced(Box::new(then));
        cx.append(InFlight { group_id: self.id.clone(), records: vec![record], producer_id: None, then }, None);
    }

    /// The replacement of a static member is stored, or could not be.
    pub(crate) fn replacement_stored(&mut self, cx: &mut Context<'_>, then: &Replacement, error: ErrorCode) {
        let new_id = &then.new_id;
        if error.is_error() {
            let mut reply = self.join_reply("", false);
            reply.error = error;
            then.previous_leader.as_deref().unwrap_or_default().clone_into(&mut reply.leader);
            self.answer_join(cx, new_id, reply);
            if self.members.contains_key(new_id) {
                self.restore_member_words(new_id, &then.previous);
                self.replace_static(cx, new_id, &then.previous.id);
                self.touch(cx, &then.previous.id);
            }
            return;
        }
        let is_leader = self.is_leader(new_id);
        let mut reply = self.join_reply(new_id, is_leader && then.supports_skipping_assignment);
        if then.supports_skipping_assignment {
            reply.skip_assignment = is_leader;
        } else {
            // An old client that sees itself lead would assign anew: it is told the former leader's id.
            then.previous_leader.as_deref().unwrap_or_default().clone_into(&mut reply.leader);
        }
        self.answer_join(cx, new_id, reply);
    }

    /// Begins a join phase unless one is going on.
    pub(crate) fn maybe_prepare_rebalance(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Empty | State::CompletingRebalance | State::Stable) {
            self.prepare_rebalance(cx);
        }
    }

    /// Begins a join phase: who waits for an assignment has to join again.
    pub(crate) fn prepare_rebalance(&mut self, cx: &mut Context<'_>) {
        if self.is(State::CompletingRebalance) {
            self.reset_assignments(cx, ErrorCode::RebalanceInProgress);
        }
        self.sync_deadline = None;
        let timeout = self.rebalance_timeout_ms();
        if self.is(State::Empty) {
            let delay = cx.config.initial_rebalance_delay_ms;
            self.begin_round(cx, delay, Some(timeout.saturating_sub(delay)));
        } else {
            self.begin_round(cx, timeout, None);
        }
        self.transition(State::PreparingRebalance, cx.now.wall);
        self.advance_join(cx);
    }

    fn begin_round(&mut self, cx: &mut Context<'_>, after_ms: u64, initial_remaining_ms: Option<u64>) {
        let deadline = cx.now.tick.after(after_ms);
        self.round = Some(Box::new(Round { deadline, initial_remaining_ms, newcomer_at: None }));
        // Without a delay it is over before anybody can wait for it.
        if deadline > cx.now.tick {
            cx.timers.arm(deadline, Timer::Join(self.id.clone()));
        }
    }

    /// Ends the join phase if it can end: everybody is there (but for a first join, which waits for its time), or the
    /// time is over.
    pub(crate) fn advance_join(&mut self, cx: &mut Context<'_>) {
        let Some(round) = self.round.as_deref().copied().filter(|_| self.is(State::PreparingRebalance)) else { return };
        let is_over = round.deadline <= cx.now.tick;
        match round.initial_remaining_ms {
            Some(remaining) if is_over && self.new_member_added && remaining > 0 => {
                self.new_member_added = false;
                let delay = cx.config.initial_rebalance_delay_ms.clamp(1, remaining);
                self.begin_round(cx, delay, Some(remaining - delay));
            }
            None if self.has_all_members_joined() && !is_over => match self.awaits_crowd(round, cx.now.tick) {
                Some(until) => cx.timers.arm(until, Timer::Join(self.id.clone())),
                None => self.complete_join(cx),
            },
            _ if is_over => self.complete_join(cx),
            _ => {}
        }
    }

    /// Where hundreds join at once, the next of them is on its way, and each generation without it is work for all of them:
    /// until when its join is waited for, a few milliseconds at most after the one before.
    fn awaits_crowd(&self, round: Round, now: Tick) -> Option<Tick> {
        let last = round.newcomer_at?;
        let until = last.after((self.members.len() as u64 / MEMBERS_PER_MS).min(CROWD_MAX_MS));
        (now < until).then_some(until)
    }

    fn complete_join(&mut self, cx: &mut Context<'_>) {
        for id in self.member_ids() {
            if self.members.get(&id).is_some_and(|member| member.awaiting_join.is_none() && !member.is_static()) {
                self.remove(cx, &id);
            }
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Static members only, and none came back: their sessions decide how long the group waits.
            let timeout = self.rebalance_timeout_ms();
            return self.begin_round(cx, timeout, None);
        }
        self.round = None;
        self.pending_sync = SmallMap::default();
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.refresh_subscribed_topics();
            self.transition(State::Empty, cx.now.wall);
            self.store_empty(cx);
        } else {
            self.protocol = self.select_protocol();
            self.refresh_subscribed_topics();
            self.transition(State::CompletingRebalance, cx.now.wall);
            self.announce_generation(cx);
        }
    }

    /// Makes sure that the leader is somebody who joined; false if there is nobody to choose.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &Member| member.awaiting_join.is_some();
        let Some(leader) = &self.leader else { return true };
        if self.members.get(leader).is_some_and(|member| joined(member)) {
            return true;
        }
        let next = self.members_in_order().into_iter().find(|member| joined(member)).map(|member| member.id.clone());
        let found = next.is_some();
        if found {
            self.leader = next;
        }
        found
    }

    fn store_empty(&mut self, cx: &mut Context<'_>) {
        let value = Some(self.to_record(&std::collections::HashMap::new()));
        let record = Record::Group { group_id: self.id.clone(), value };
        let then = Then::Emptied;
        cx.append(InFlight { group_id: self.id.clone(), records: vec![record], producer_id: None, then }, None);
    }

    fn announce_generation(&mut self, cx: &mut Context<'_>) {
        for id in self.member_ids() {
            let reply = self.join_reply(&id, self.is_leader(&id));
            self.answer_join(cx, &id, reply);
            self.touch(cx, &id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.pending_sync.insert(id, ());
        }
        let deadline = cx.now.tick.after(self.rebalance_timeout_ms());
        self.sync_deadline = Some(deadline);
        cx.timers.arm(deadline, Timer::Sync(self.id.clone()));
    }

    /// Takes all assignments back and tells who waits for one why.
    pub(crate) fn reset_assignments(&mut self, cx: &mut Context<'_>, error: ErrorCode) {
        for id in self.member_ids() {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = bytes::Bytes::new();
            }
            if self.answer_sync(cx, &id, SyncReply::error(error)) {
                self.touch(cx, &id);
            }
        }
    }
}

/// Refuses a join.
pub(crate) fn refuse(cx: &mut Context<'_>, token: ReplyToken, error: ErrorCode, member_id: &str) {
    cx.reply(token, Reply::Join(JoinReply::error(error, member_id)));
}
