//! What is decided and not yet committed: records on their way into the log, and what is to follow each of them.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_types::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use time_types::Now;

use crate::config::Config;
use crate::effect::{AppendToken, Effect, KeyValue, Reply, ReplyToken};
use crate::member::{Member, MemberId};
use crate::names::Names;
use crate::records::Record;
use crate::timers::Timers;

/// One append in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Whose records.
    pub(crate) group_id: Arc<str>,
    /// What takes effect when it is committed.
    pub(crate) records: Vec<Record>,
    /// Set for offsets in a transaction.
    pub(crate) producer_id: Option<ProducerId>,
    /// What follows, whether it is committed or not.
    pub(crate) then: Then,
}

/// What follows an append.
#[derive(Debug)]
pub(crate) enum Then {
    /// The leader's assignment of a generation is stored: everybody who waits for it gets it.
    Assigned {
        /// The generation that it is for.
        generation: i32,
    },
    /// The group's last member is gone; nobody waits for the record.
    Emptied,
    /// A static member came back under a new id while the group was stable.
    StaticMemberReplaced(Box<Replacement>),
    /// Offsets: the answers if all goes well.
    Committed {
        /// Who waits.
        token: ReplyToken,
        /// Per partition of the request; those with an error are not in the records.
        answers: Vec<(TopicPartition, ErrorCode)>,
    },
    /// The group is deleted on request.
    GroupDeleted {
        /// Who waits.
        token: ReplyToken,
    },
    /// Offsets are deleted on request: the answers if all goes well.
    OffsetsDeleted {
        /// Who waits.
        token: ReplyToken,
        /// Per partition of the request.
        answers: Vec<(TopicPartition, ErrorCode)>,
        /// Those that were there and are deleted.
        deleted: Vec<TopicPartition>,
    },
    /// Offsets outlived their retention or their topic; nobody waits.
    Expired,
}

/// How to go back if the replacement of a static member cannot be stored.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// The id it has now.
    pub(crate) new_id: MemberId,
    /// The member as it was.
    pub(crate) previous: Member,
    /// Who led before; a leader replaced so must not assign anew.
    pub(crate) previous_leader: Option<MemberId>,
    /// Can it be told to skip the assignment?
    pub(crate) supports_skipping_assignment: bool,
}

/// The appends in flight.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    last: u64,
    in_flight: HashMap<AppendToken, InFlight>,
}

impl Pending {
    /// Takes back what was to follow `token`.
    pub(crate) fn take(&mut self, token: AppendToken) -> Option<InFlight> {
        self.in_flight.remove(&token)
    }

    /// Takes back everything, in the order of the appends.
    pub(crate) fn take_all(&mut self) -> Vec<InFlight> {
        let mut all: Vec<_> = self.in_flight.drain().collect();
        all.sort_by_key(|(token, _)| *token);
        all.into_iter().map(|(_, in_flight)| in_flight).collect()
    }
}

/// What a group needs of its coordinator to act.
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a Config,
    pub(crate) timers: &'a mut Timers,
    pub(crate) names: &'a mut Names,
    pub(crate) pending: &'a mut Pending,
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    /// Answers a parked request.
    pub(crate) fn reply(&mut self, token: ReplyToken, reply: Reply) {
        self.effects.push(Effect::Reply { token, reply });
    }

    /// Has the records of a decision appended.
    pub(crate) fn append(&mut self, decision: InFlight, producer_epoch: Option<ProducerEpoch>) {
        self.pending.last += 1;
        let token = AppendToken(self.pending.last);
        let records: Vec<KeyValue> = decision.records.iter().map(Record::encode).collect();
        let producer = decision.producer_id.zip(producer_epoch);
        self.pending.in_flight.insert(token, decision);
        self.effects.push(Effect::Append { token, records, producer });
    }
}
