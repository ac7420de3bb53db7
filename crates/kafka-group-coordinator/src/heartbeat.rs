//! Who is alive: Heartbeat, LeaveGroup, sessions that end, ids that nobody came back with.

use kafka_types::ErrorCode;

use crate::effect::{LeaveReply, LeftMember};
use crate::group::{Group, State};
use crate::pending::Context;
use crate::request::{Heartbeat, Leave, LeavingMember};

impl Group {
    /// Handles a Heartbeat.
    pub(crate) fn heartbeat(&mut self, cx: &mut Context<'_>, heartbeat: &Heartbeat) -> ErrorCode {
        let id = heartbeat.member_id.as_str();
        if self.is(State::Dead) {
            return ErrorCode::CoordinatorNotAvailable;
        }
        if let Err(error) = self.validate_member(id, heartbeat.group_instance_id.as_deref()) {
            return error;
        }
        if heartbeat.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.state {
            State::Empty | State::Dead => ErrorCode::UnknownMemberId,
            State::PreparingRebalance => {
                self.touch(cx, id);
                ErrorCode::RebalanceInProgress
            }
            // Consumers beat between their join and their sync: that is no error.
            State::CompletingRebalance | State::Stable => {
                self.touch(cx, id);
                ErrorCode::None
            }
        }
    }

    /// Handles a LeaveGroup.
    pub(crate) fn leave(&mut self, cx: &mut Context<'_>, leave: &Leave) -> LeaveReply {
        if self.is(State::Dead) {
            return LeaveReply { error: ErrorCode::CoordinatorNotAvailable, members: Vec::new() };
        }
        let members = leave.members.iter().map(|leaving| {
            let error = self.leave_one(cx, leaving);
            LeftMember {
                member_id: leaving.member_id.clone(),
                group_instance_id: leaving.group_instance_id.clone(),
                error,
            }
        });
        LeaveReply { error: ErrorCode::None, members: members.collect() }
    }

    fn leave_one(&mut self, cx: &mut Context<'_>, leaving: &LeavingMember) -> ErrorCode {
        let instance = leaving.group_instance_id.as_deref();
        if leaving.member_id.is_empty() {
            let Some(id) = instance.and_then(|instance| self.static_members.get(instance)).cloned() else {
                return ErrorCode::UnknownMemberId;
            };
            self.remove_and_rebalance(cx, &id);
        } else if self.pending_members.remove(leaving.member_id.as_str()).is_some() {
            self.advance_join(cx);
        } else {
            if let Err(error) = self.validate_member(&leaving.member_id, instance) {
                return error;
            }
            self.remove_and_rebalance(cx, &leaving.member_id);
        }
        ErrorCode::None
    }

    /// Removes a member; the others share out its partitions.
    pub(crate) fn remove_and_rebalance(&mut self, cx: &mut Context<'_>, member_id: &str) {
        self.remove(cx, member_id);
        match self.state {
            State::Empty | State::Dead => {}
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(cx),
            State::PreparingRebalance => self.advance_join(cx),
        }
    }

    /// A session timer of this member is due.
    pub(crate) fn session_timer(&mut self, cx: &mut Context<'_>, member_id: &str, armed: time_types::Tick) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if member.armed != Some(armed) {
            return;
        }
        member.armed = None;
        if member.deadline > cx.now.tick {
            let left = member.deadline.since(cx.now.tick);
            return self.arm_session(cx, member_id, left);
        }
        // Who is excused is armed again with the answer that it waits for.
        if !member.is_excused() && !self.is(State::Dead) {
            self.remove_and_rebalance(cx, member_id);
        }
    }

    /// An id that was handed out may be forfeit.
    pub(crate) fn pending_member_timer(&mut self, cx: &mut Context<'_>, member_id: &str) {
        if self.pending_members.get(member_id).is_some_and(|deadline| *deadline <= cx.now.tick) {
            self.pending_members.remove(member_id);
            self.advance_join(cx);
        }
    }
}
