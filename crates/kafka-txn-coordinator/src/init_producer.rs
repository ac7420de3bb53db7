//! InitProducerId: who produces under a transactional id from now on. Whoever did before is fenced by the epoch.

use std::collections::BTreeSet;

use kafka_types::{ErrorCode, ProducerEpoch, ProducerId};
use time_types::WallMillis;

use crate::request::InitProducer;
use crate::transaction::{Facts, State, Transaction, is_exhausted};

/// What is to be done for a producer that comes.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// It is refused.
    Refuse(ErrorCode),
    /// A new producer id is needed first.
    NeedsId,
    /// It gets what stands here, when that is stored.
    Initialize(Facts),
    /// There is an open transaction of another incarnation: fence that by this epoch and abort, and let the new one ask
    /// again.
    Fence(ProducerEpoch),
}

/// Decides. `fresh` is a producer id that nobody has, if one was asked for already.
pub(crate) fn decide(
    known: Option<&Transaction>,
    request: &InitProducer,
    fresh: Option<ProducerId>,
    now: WallMillis,
) -> Decision {
    let Some(transaction) = known else {
        let Some(fresh) = fresh else { return Decision::NeedsId };
        return initialize(&Facts::new(fresh), request, now);
    };
    let facts = &transaction.facts;
    if transaction.pending.is_some() {
        return Decision::Refuse(ErrorCode::ConcurrentTransactions);
    }
    if request.expected.is_some_and(|(id, epoch)| !may_be(facts, id, epoch)) {
        return Decision::Refuse(ErrorCode::ProducerFenced);
    }
    match facts.state {
        State::Empty | State::CompleteCommit | State::CompleteAbort => {
            let is_current = request.expected.is_none_or(|(_, epoch)| epoch == facts.producer_epoch);
            if !is_current || !is_exhausted(facts.producer_epoch) {
                return initialize(facts, request, now);
            }
            fresh.map_or(Decision::NeedsId, |fresh| rotate(facts, request, fresh, now))
        }
        State::Ongoing => {
            transaction.fencing_epoch().map_or(Decision::Refuse(ErrorCode::UnknownServerError), Decision::Fence)
        }
        State::PrepareCommit | State::PrepareAbort | State::Dead | State::PrepareEpochFence => {
            Decision::Refuse(ErrorCode::ConcurrentTransactions)
        }
    }
}

/// May a producer that believes to have this id and epoch be the one that is known, as far as the id tells? Its epoch
/// is looked at when it is raised.
fn may_be(facts: &Facts, id: ProducerId, epoch: ProducerEpoch) -> bool {
    facts.producer_epoch == ProducerEpoch::NONE
        || id == facts.producer_id
        // It may have got a new id for its last epoch, and not heard of that.
        || (id == facts.previous_id && is_exhausted(epoch))
}

/// The next epoch of the same id.
fn initialize(facts: &Facts, request: &InitProducer, now: WallMillis) -> Decision {
    let current = facts.producer_epoch;
    let (producer_epoch, previous_epoch, previous_id) = match request.expected {
        None => (current.next(), ProducerEpoch::NONE, facts.producer_id),
        Some((_, epoch)) if current == ProducerEpoch::NONE || epoch == current => {
            (current.next(), current, facts.producer_id)
        }
        // A retry of a request that was granted: a producer that came between would have left no previous epoch.
        Some((_, epoch)) if epoch == facts.previous_epoch => (current, facts.previous_epoch, facts.previous_id),
        Some(_) => return Decision::Refuse(ErrorCode::ProducerFenced),
    };
    let initialized = Facts { producer_epoch, previous_id, previous_epoch, ..facts.clone() };
    Decision::Initialize(at_rest(&initialized, request, now))
}

/// A new id, because the epochs of the old one are used up.
fn rotate(facts: &Facts, request: &InitProducer, fresh: ProducerId, now: WallMillis) -> Decision {
    let previous_epoch = if request.expected.is_some() { facts.producer_epoch } else { ProducerEpoch::NONE };
    let rotated = Facts {
        producer_epoch: ProducerEpoch(0),
        previous_epoch,
        previous_id: facts.producer_id,
        started: facts.started,
        ..Facts::new(fresh)
    };
    Decision::Initialize(at_rest(&rotated, request, now))
}

fn at_rest(facts: &Facts, request: &InitProducer, now: WallMillis) -> Facts {
    Facts {
        state: State::Empty,
        timeout_ms: request.timeout_ms,
        partitions: BTreeSet::new(),
        updated: now,
        ..facts.clone()
    }
}
