//! ListTransactions: the transactions that this broker coordinates.

use kafka_security::{Operation, ResourceType};
use kafka_txn_coordinator::{ListFilter, Reply, Request, unknown_states};
use kafka_types::{ErrorCode, ProducerId};
use kafka_wire::list_transactions::{self as wire, TransactionState};

use super::Context;
use crate::coordinators::TransactionCoordinator;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let unknown_state_filters = unknown_states(&request.state_filters);
    let asked = Request::List(ListFilter {
        states: request.state_filters,
        producer_ids: request.producer_id_filters.into_iter().map(ProducerId).collect(),
        duration_ms: (request.duration_filter >= 0).then_some(request.duration_filter),
    });
    let Ok(replies) = context.broker.ask_all::<TransactionCoordinator>(asked).await else {
        return wire::Response { error_code: ErrorCode::CoordinatorNotAvailable.code(), ..Default::default() };
    };
    let mut response = wire::Response { unknown_state_filters, ..Default::default() };
    for reply in replies {
        let Reply::List(list) = reply else { continue };
        if list.error.is_error() {
            // A list without some would be taken for the whole.
            return wire::Response { error_code: list.error.code(), ..Default::default() };
        }
        response.transaction_states.extend(
            list.transactions
                .into_iter()
                .filter(|one| {
                    context.may_quietly(Operation::Describe, ResourceType::TransactionalId, &one.transactional_id)
                })
                .map(|one| TransactionState {
                    transactional_id: one.transactional_id,
                    producer_id: one.producer_id.0,
                    transaction_state: one.state.name().to_owned(),
                }),
        );
    }
    response
}
