//! What administrators ask: describe, list, delete a group, delete offsets.

use kafka_types::{ErrorCode, TopicPartition};

use crate::effect::{DeleteOffsetsReply, GroupDescription, GroupListing, Reply, ReplyToken};
use crate::group::{CONSUMER, Group, State};
use crate::pending::{Context, InFlight, Then};

impl Group {
    /// Handles a DescribeGroups.
    pub(crate) fn describe(&self) -> GroupDescription {
        let protocol = self.protocol.as_deref().filter(|_| self.is(State::Stable));
        GroupDescription {
            error: ErrorCode::None,
            group_id: self.id.to_string(),
            state: self.state.name(),
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.members_in_order().into_iter().map(|member| member.describe(protocol)).collect(),
        }
    }

    /// One line of ListGroups.
    pub(crate) fn listing(&self) -> GroupListing {
        GroupListing {
            group_id: self.id.to_string(),
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            state: self.state.name(),
        }
    }

    /// Handles a DeleteGroups. True if there is nothing to be stored: the group may go at once.
    pub(crate) fn delete(&mut self, cx: &mut Context<'_>, token: ReplyToken) -> bool {
        match self.state {
            State::Dead => cx.reply(token, Reply::DeleteGroup(ErrorCode::GroupIdNotFound)),
            State::Empty => {
                let mut records = self.tombstones(self.offsets.all_partitions());
                records.extend(self.group_tombstone());
                if records.is_empty() {
                    cx.reply(token, Reply::DeleteGroup(ErrorCode::None));
                    return true;
                }
                self.transition(State::Dead, cx.now.wall);
                let then = Then::GroupDeleted { token };
                cx.append(InFlight { group_id: self.id.clone(), records, producer_id: None, then }, None);
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                cx.reply(token, Reply::DeleteGroup(ErrorCode::NonEmptyGroup));
            }
        }
        false
    }

    /// Handles an OffsetDelete.
    pub(crate) fn delete_offsets(&mut self, cx: &mut Context<'_>, token: ReplyToken, asked: Vec<TopicPartition>) {
        let refusal = match self.state {
            State::Dead => Some(ErrorCode::GroupIdNotFound),
            State::Empty => None,
            // Only of consumers it is known what they read.
            _ if self.protocol_type.as_deref() == Some(CONSUMER) => None,
            _ => Some(ErrorCode::NonEmptyGroup),
        };
        if let Some(error) = refusal {
            return cx.reply(token, Reply::DeleteOffsets(DeleteOffsetsReply { error, partitions: Vec::new() }));
        }
        let judge = |one: TopicPartition| {
            let is_read = !self.is(State::Empty) && self.is_subscribed_to(&one);
            let error = if is_read { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            (one, error)
        };
        let answers: Vec<_> = asked.into_iter().map(judge).collect();
        let wanted = answers.iter().filter(|(_, error)| !error.is_error()).map(|(one, _)| one);
        let deleted: Vec<_> = wanted.filter(|one| self.offsets.known(one)).cloned().collect();
        if deleted.is_empty() {
            let reply = DeleteOffsetsReply { error: ErrorCode::None, partitions: answers };
            return cx.reply(token, Reply::DeleteOffsets(reply));
        }
        let records = self.tombstones(deleted.clone());
        let then = Then::OffsetsDeleted { token, answers, deleted };
        cx.append(InFlight { group_id: self.id.clone(), records, producer_id: None, then }, None);
    }
}
