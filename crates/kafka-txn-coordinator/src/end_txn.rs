//! The end of a transaction in two phases: the decision is stored, then every partition is told, then that is stored.

use std::sync::Arc;

use kafka_types::{ErrorCode, ProducerEpoch};
use time_types::WallMillis;

use crate::effect::{Effect, MarkersToWrite};
use crate::pending::{Decider, InFlight, Pending, Then};
use crate::request::EndTransaction;
use crate::transaction::{State, Transaction};

/// Is the end that a producer asks for to be decided now? `Ok(false)` if it was before.
pub(crate) fn check(known: Option<&Transaction>, request: &EndTransaction) -> Result<bool, ErrorCode> {
    let transaction = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
    let facts = &transaction.facts;
    if facts.producer_id != request.producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if facts.producer_epoch != request.producer_epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    if transaction.pending.is_some() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    match (facts.state, request.committed) {
        (State::Ongoing, _) => Ok(true),
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(false),
        (State::PrepareCommit, true) | (State::PrepareAbort, false) => Err(ErrorCode::ConcurrentTransactions),
        _ => Err(ErrorCode::InvalidTxnState),
    }
}

impl Transaction {
    /// Decides on the end of an open transaction.
    pub(crate) fn prepare(
        &mut self,
        id: &Arc<str>,
        committed: bool,
        (who, now): (Decider, WallMillis),
        pending: &mut Pending,
        effects: &mut Vec<Effect>,
    ) {
        let next = self.facts.prepared(committed, now);
        self.pending = Some(next.state);
        let fences = false;
        let decision = InFlight { changes: vec![(id.clone(), Some(next))], then: Then::Prepared { who, fences } };
        pending.append(decision, effects);
    }

    /// Raises the producer's epoch and decides to abort. The epoch counts at once, so that the producer cannot end the
    /// transaction otherwise meanwhile.
    pub(crate) fn fence(
        &mut self,
        id: &Arc<str>,
        epoch: ProducerEpoch,
        (who, now): (Decider, WallMillis),
        pending: &mut Pending,
        effects: &mut Vec<Effect>,
    ) {
        self.facts.producer_epoch = epoch;
        self.facts.previous_epoch = ProducerEpoch::NONE;
        let next = self.facts.prepared(false, now);
        self.pending = Some(next.state);
        let fences = true;
        let decision = InFlight { changes: vec![(id.clone(), Some(next))], then: Then::Prepared { who, fences } };
        pending.append(decision, effects);
    }

    /// The epoch by which an open transaction's producer is fenced; `None` if there is none left.
    pub(crate) fn fencing_epoch(&self) -> Option<ProducerEpoch> {
        match self.facts.producer_epoch {
            epoch if self.has_failed_fence => Some(epoch),
            ProducerEpoch(i16::MAX) => None,
            epoch => Some(epoch.next()),
        }
    }

    /// The decision is stored: the partitions are to be told.
    pub(crate) fn write_markers(
        &mut self,
        id: &Arc<str>,
        coordinator_epoch: i32,
        pending: &mut Pending,
        effects: &mut Vec<Effect>,
    ) {
        let committed = self.facts.state == State::PrepareCommit;
        self.pending = Some(if committed { State::CompleteCommit } else { State::CompleteAbort });
        let markers = MarkersToWrite {
            transactional_id: id.to_string(),
            producer_id: self.facts.producer_id,
            producer_epoch: self.facts.producer_epoch,
            coordinator_epoch,
            committed,
            partitions: self.facts.partitions.iter().cloned().collect(),
        };
        effects.push(Effect::WriteMarkers { token: pending.markers_of(id.clone()), markers });
    }

    /// Every partition knows: that is stored.
    pub(crate) fn complete(
        &mut self,
        id: &Arc<str>,
        now: WallMillis,
        pending: &mut Pending,
        effects: &mut Vec<Effect>,
    ) {
        let next = self.facts.completed(now);
        self.pending = Some(next.state);
        pending.append(InFlight { changes: vec![(id.clone(), Some(next))], then: Then::Completed }, effects);
    }
}
