//! SyncGroup: the leader's assignment is stored, then everybody gets a share; who never syncs is out.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_types::ErrorCode;

use crate::effect::{Reply, ReplyToken, SyncReply};
use crate::group::{Group, State};
use crate::pending::{Context, InFlight, Then};
use crate::records::Record;
use crate::request::Sync;

impl Group {
    /// Handles a SyncGroup.
    pub(crate) fn sync(&mut self, cx: &mut Context<'_>, token: ReplyToken, sync: &Sync) {
        let id = sync.member_id.as_str();
        if let Err(error) = self.validate_sync(sync) {
            return cx.reply(token, Reply::Sync(SyncReply::error(error)));
        }
        match self.state {
            State::Empty | State::Dead => cx.reply(token, Reply::Sync(SyncReply::error(ErrorCode::UnknownMemberId))),
            State::PreparingRebalance => {
                cx.reply(token, Reply::Sync(SyncReply::error(ErrorCode::RebalanceInProgress)));
            }
            State::CompletingRebalance => {
                // The member gave up on an earlier sync: nobody reads its answer, but it must not stay parked.
                self.answer_sync(cx, id, SyncReply::error(ErrorCode::RebalanceInProgress));
                if let Some(member) = self.members.get_mut(id) {
                    member.awaiting_sync = Some(token);
                }
                self.pending_sync.remove(id);
                if self.is_leader(id) {
                    self.store_assignment(cx, sync);
                }
            }
            State::Stable => {
                self.pending_sync.remove(id);
                let reply = self.sync_reply(id);
                cx.reply(token, Reply::Sync(reply));
                self.touch(cx, id);
            }
        }
    }

    fn validate_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        if self.is(State::Dead) {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.validate_member(&sync.member_id, sync.group_instance_id.as_deref())?;
        let differs =
            |theirs: &Option<String>, ours: &Option<Arc<str>>| theirs.is_some() && theirs.as_deref() != ours.as_deref();
        if sync.generation != self.generation {
            Err(ErrorCode::IllegalGeneration)
        } else if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            Err(ErrorCode::InconsistentGroupProtocol)
        } else {
            Ok(())
        }
    }

    fn store_assignment(&mut self, cx: &mut Context<'_>, sync: &Sync) {
        let assignments: HashMap<&str, _> =
            sync.assignments.iter().map(|(id, assignment)| (id.as_str(), assignment.clone())).collect();
        let record = Record::Group { group_id: self.id.clone(), value: Some(self.to_record(&assignments)) };
        let then = Then::Assigned { generation: self.generation };
        cx.append(InFlight { group_id: self.id.clone(), records: vec![record], producer_id: None, then }, None);
    }

    /// An assignment is stored, or could not be. If the group moved on meanwhile, nobody waits for it any more.
    pub(crate) fn assignment_stored(&mut self, cx: &mut Context<'_>, generation: i32, error: ErrorCode) {
        if !self.is(State::CompletingRebalance) || self.generation != generation {
            return;
        }
        if error.is_error() {
            self.reset_assignments(cx, error);
            return self.maybe_prepare_rebalance(cx);
        }
        self.transition(State::Stable, cx.now.wall);
        for id in self.member_ids() {
            let reply = self.sync_reply(&id);
            if self.answer_sync(cx, &id, reply) {
                self.touch(cx, &id);
            }
        }
    }

    /// The time to sync may be over: who did not is out, and the others rebalance.
    pub(crate) fn advance_sync(&mut self, cx: &mut Context<'_>) {
        if self.sync_deadline.is_none_or(|deadline| deadline > cx.now.tick) {
            return;
        }
        self.sync_deadline = None;
        if self.pending_sync.is_empty() || !matches!(self.state, State::CompletingRebalance | State::Stable) {
            return;
        }
        for (id, ()) in self.pending_sync.take() {
            self.remove(cx, &id);
        }
        self.prepare_rebalance(cx);
    }
}
