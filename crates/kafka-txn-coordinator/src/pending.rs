//! What is decided and not yet committed: records on their way into the log, markers on their way to the partitions,
//! and what is to follow each of them.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_types::ErrorCode;

use crate::effect::{AppendToken, Effect, MarkersToken, Reply, ReplyToken};
use crate::records;
use crate::request::InitProducer;
use crate::transaction::Facts;

/// One append in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// What takes effect when it is committed; `None` forgets the id.
    pub(crate) changes: Vec<(Arc<str>, Option<Facts>)>,
    /// What follows, whether it is committed or not.
    pub(crate) then: Then,
}

/// What follows an append.
#[derive(Debug)]
pub(crate) enum Then {
    /// A producer has its id and epoch.
    Initialized(ReplyToken),
    /// Partitions are part of the transaction.
    PartitionsAdded(ReplyToken),
    /// The end is decided, and markers are to be written.
    Prepared {
        /// Who hears of it.
        who: Decider,
        /// The producer's epoch was raised for it.
        fences: bool,
    },
    /// Every partition knows the end; nobody waits.
    Completed,
    /// Ids that nobody used for long; nobody waits.
    Expired,
}

/// Who has ended a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decider {
    /// The producer, by EndTxn.
    Producer(ReplyToken),
    /// Its next incarnation, by InitProducerId: it has to ask again, until the end is complete.
    Successor(ReplyToken),
    /// Nobody: it was open for too long.
    Timeout,
}

impl Decider {
    /// The answer once the decision is stored, or could not be.
    pub(crate) fn answer(self, error: ErrorCode, effects: &mut Vec<Effect>) {
        let (token, reply) = match self {
            Decider::Producer(token) => (token, Reply::EndTransaction(error)),
            Decider::Successor(token) if error.is_error() => (token, Reply::InitProducer(Err(error))),
            Decider::Successor(token) => (token, Reply::InitProducer(Err(ErrorCode::ConcurrentTransactions))),
            Decider::Timeout => return,
        };
        effects.push(Effect::Reply { token, reply });
    }
}

/// Everything that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    last: u64,
    appends: HashMap<AppendToken, InFlight>,
    markers: HashMap<MarkersToken, Arc<str>>,
    /// Producers that wait for an id.
    ids: HashMap<ReplyToken, InitProducer>,
}

impl Pending {
    /// Has the records of a decision appended.
    pub(crate) fn append(&mut self, decision: InFlight, effects: &mut Vec<Effect>) {
        self.last += 1;
        let token = AppendToken(self.last);
        let records = decision.changes.iter().map(|(id, facts)| records::encode(id, facts.as_ref())).collect();
        self.appends.insert(token, decision);
        effects.push(Effect::Append { token, records });
    }

    /// Takes back what was to follow an append.
    pub(crate) fn take_append(&mut self, token: AppendToken) -> Option<InFlight> {
        self.appends.remove(&token)
    }

    /// A name for a set of markers of this id.
    pub(crate) fn markers_of(&mut self, id: Arc<str>) -> MarkersToken {
        self.last += 1;
        let token = MarkersToken(self.last);
        self.markers.insert(token, id);
        token
    }

    /// Whose markers they were.
    pub(crate) fn take_markers(&mut self, token: MarkersToken) -> Option<Arc<str>> {
        self.markers.remove(&token)
    }

    /// A producer waits for an id.
    pub(crate) fn await_id(&mut self, token: ReplyToken, request: InitProducer) {
        self.ids.insert(token, request);
    }

    /// Who waited for an id.
    pub(crate) fn take_awaiting_id(&mut self, token: ReplyToken) -> Option<InitProducer> {
        self.ids.remove(&token)
    }

    /// The coordinator is gone: who waits is told, in the order of the appends.
    pub(crate) fn refuse_all(&mut self, error: ErrorCode, effects: &mut Vec<Effect>) {
        let mut appends: Vec<_> = self.appends.drain().collect();
        appends.sort_by_key(|(token, _)| *token);
        for (_, in_flight) in appends {
            in_flight.then.refuse(error, effects);
        }
        let mut waiting: Vec<_> = self.ids.drain().map(|(token, _)| token).collect();
        waiting.sort();
        for token in waiting {
            effects.push(Effect::Reply { token, reply: Reply::InitProducer(Err(error)) });
        }
        self.markers.clear();
    }
}

impl Then {
    /// It could not be stored.
    pub(crate) fn refuse(&self, error: ErrorCode, effects: &mut Vec<Effect>) {
        let (token, reply) = match *self {
            Then::Initialized(token) => (token, Reply::InitProducer(Err(error))),
            Then::PartitionsAdded(token) => (token, Reply::AddPartitions(error)),
            Then::Prepared { who, .. } => return who.answer(error, effects),
            Then::Completed | Then::Expired => return,
        };
        effects.push(Effect::Reply { token, reply });
    }
}

/// What a failed append means to whoever caused it.
pub(crate) fn store_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => ErrorCode::UnknownServerError,
        other => other,
    }
}

#[cfg(test)]
impl Pending {
    /// How many records an append has.
    pub(crate) fn append_len(&self, token: AppendToken) -> usize {
        self.appends.get(&token).map_or(0, |in_flight| in_flight.changes.len())
    }
}
