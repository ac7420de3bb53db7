//! One transactional id and its latest transaction.
//!
//! ```text
//!            InitProducerId                AddPartitions                 EndTxn, timeout, fencing
//!  (nothing) -------------> Empty -----------------------> Ongoing -----------------------------.
//!                             ^                              ^  |                               |
//!                             | InitProducerId               |  '--> PrepareCommit   PrepareAbort <'
//!                             |                              |             | markers written |
//!                             '---- CompleteCommit, CompleteAbort <--------'-----------------'
//! ```
//!
//! A producer is fenced in the middle of a transaction by raising its epoch while the abort is decided; that is the
//! pending state `PrepareEpochFence`, which no record ever says.

use std::collections::BTreeSet;

use kafka_types::{ProducerEpoch, ProducerId, TopicPartition};
use time_types::WallMillis;

/// "Has not begun", as records and answers say it.
pub(crate) const NOT_STARTED: WallMillis = WallMillis(-1);

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The producer is there, and nothing has begun.
    Empty,
    /// Partitions are added.
    Ongoing,
    /// It is decided to commit; markers are on their way.
    PrepareCommit,
    /// It is decided to abort; markers are on their way.
    PrepareAbort,
    /// Committed, and every partition knows.
    CompleteCommit,
    /// Aborted, and every partition knows.
    CompleteAbort,
    /// The id is about to be forgotten.
    Dead,
    /// The producer is being fenced.
    PrepareEpochFence,
}

const ALL: [State; 8] = [
    State::Empty,
    State::Ongoing,
    State::PrepareCommit,
    State::PrepareAbort,
    State::CompleteCommit,
    State::CompleteAbort,
    State::Dead,
    State::PrepareEpochFence,
];

impl State {
    /// As tools and filters call it.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
            State::Dead => "Dead",
            State::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// By its name, to the letter.
    pub fn from_name(name: &str) -> Option<State> {
        ALL.into_iter().find(|state| state.name() == name)
    }

    /// As records have it.
    pub(crate) fn code(self) -> i8 {
        ALL.iter().position(|state| *state == self).map_or(-1, |at| at as i8)
    }

    /// A state that a record may be in.
    pub(crate) fn from_code(code: i8) -> Option<State> {
        let state = ALL.get(usize::try_from(code).ok()?).copied()?;
        (!matches!(state, State::Dead | State::PrepareEpochFence)).then_some(state)
    }

    /// Nothing is open and nothing on its way.
    pub(crate) fn is_at_rest(self) -> bool {
        matches!(self, State::Empty | State::CompleteCommit | State::CompleteAbort)
    }

    /// Decided, and not all partitions know.
    pub(crate) fn is_prepared(self) -> bool {
        matches!(self, State::PrepareCommit | State::PrepareAbort)
    }
}

/// What a record says of a transactional id, and beside it what only memory has: the producer's id and epoch before the
/// last change, by which a retry is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) producer_id: ProducerId,
    pub(crate) producer_epoch: ProducerEpoch,
    /// Not stored.
    pub(crate) previous_id: ProducerId,
    /// Not stored.
    pub(crate) previous_epoch: ProducerEpoch,
    pub(crate) timeout_ms: i32,
    pub(crate) state: State,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    /// When the present transaction began, or the last one: that is still told when the producer has come again, and only
    /// not stored then.
    pub(crate) started: WallMillis,
    pub(crate) updated: WallMillis,
}

impl Facts {
    /// An id that nobody has used yet.
    pub(crate) fn new(producer_id: ProducerId) -> Facts {
        Facts {
            producer_id,
            producer_epoch: ProducerEpoch::NONE,
            previous_id: ProducerId::NONE,
            previous_epoch: ProducerEpoch::NONE,
            timeout_ms: 0,
            state: State::Empty,
            partitions: BTreeSet::new(),
            started: NOT_STARTED,
            updated: NOT_STARTED,
        }
    }

    /// With these partitions too; begins a transaction if none is open.
    pub(crate) fn with_partitions(&self, more: &[TopicPartition], now: WallMillis) -> Facts {
        let mut next = self.clone();
        if self.state.is_at_rest() {
            next.started = now;
        }
        next.partitions.extend(more.iter().cloned());
        next.state = State::Ongoing;
        next.updated = now;
        next
    }

    /// Decided: all that is left is to tell the partitions.
    pub(crate) fn prepared(&self, committed: bool, now: WallMillis) -> Facts {
        let state = if committed { State::PrepareCommit } else { State::PrepareAbort };
        Facts { state, updated: now, ..self.clone() }
    }

    /// Every partition knows.
    pub(crate) fn completed(&self, now: WallMillis) -> Facts {
        let state = if self.state == State::PrepareCommit { State::CompleteCommit } else { State::CompleteAbort };
        Facts { state, updated: now, partitions: BTreeSet::new(), ..self.clone() }
    }
}

/// A transactional id, as the coordinator keeps it.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// As of the last committed record; only the producer's epoch runs ahead of it while the producer is fenced.
    pub(crate) facts: Facts,
    /// Decided, and on its way into the log or to the partitions.
    pub(crate) pending: Option<State>,
    /// An epoch was raised to fence the producer and could not be stored: nobody has seen it, so it will do for the
    /// next attempt, and epochs are not used up by a log that refuses.
    pub(crate) has_failed_fence: bool,
}

impl Transaction {
    /// Nothing is pending.
    pub(crate) fn new(facts: Facts) -> Transaction {
        Transaction { facts, pending: None, has_failed_fence: false }
    }
}

/// No epoch is left after this one but the one that fences it.
pub(crate) fn is_exhausted(epoch: ProducerEpoch) -> bool {
    epoch.0 >= i16::MAX - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_codes_of_the_log_format() {
        let codes: Vec<i8> = ALL.iter().map(|state| state.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(State::from_code(5), Some(State::CompleteAbort));
        assert_eq!([6, 7, 8, -1].map(State::from_code), [None; 4]);
        assert_eq!(State::from_name("PrepareAbort"), Some(State::PrepareAbort));
        assert_eq!(State::from_name("prepareabort"), None);
    }
}
