//! ListTransactions and DescribeTransactions.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_types::ErrorCode;
use time_types::WallMillis;

use crate::effect::{Description, ListReply, Listing};
use crate::request::ListFilter;
use crate::transaction::{State, Transaction};

/// Those of the names that are no state's, in their order.
pub fn unknown_states(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| State::from_name(name).is_none()).cloned().collect()
}

pub(crate) fn list(transactions: &HashMap<Arc<str>, Transaction>, filter: &ListFilter, now: WallMillis) -> ListReply {
    let states: Vec<State> = filter.states.iter().filter_map(|name| State::from_name(name)).collect();
    let is_wanted = |transaction: &Transaction| {
        let facts = &transaction.facts;
        // An id that is about to be forgotten is shown no more.
        transaction.pending != Some(State::Dead)
            && (filter.producer_ids.is_empty() || filter.producer_ids.contains(&facts.producer_id))
            && (filter.states.is_empty() || states.contains(&facts.state))
            && filter.duration_ms.is_none_or(|duration| now - facts.started > duration)
    };
    let wanted = transactions.iter().filter(|(_, transaction)| is_wanted(transaction));
    let mut listed: Vec<Listing> = wanted
        .map(|(id, transaction)| Listing {
            transactional_id: id.to_string(),
            producer_id: transaction.facts.producer_id,
            state: transaction.facts.state,
        })
        .collect();
    listed.sort_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
    ListReply { error: ErrorCode::None, transactions: listed }
}

pub(crate) fn describe(known: Option<&Transaction>) -> Result<Description, ErrorCode> {
    let known = known.filter(|transaction| transaction.pending != Some(State::Dead));
    let facts = &known.ok_or(ErrorCode::TransactionalIdNotFound)?.facts;
    Ok(Description {
        state: facts.state,
        timeout_ms: facts.timeout_ms,
        started: facts.started,
        producer_id: facts.producer_id,
        producer_epoch: facts.producer_epoch,
        partitions: facts.partitions.iter().cloned().collect(),
    })
}
