//! DescribeTransactions: where the transactions of some ids stand.

use kafka_security::{Operation, ResourceType};
use kafka_txn_coordinator::{Description, Reply, Request};
use kafka_types::ErrorCode;
use kafka_wire::describe_transactions::{self as wire, TopicData, TransactionState};

use super::Context;
use crate::transactions::verification::by_topic;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for transactional_id in request.transactional_ids {
        if !context.may_on_transaction(Operation::Describe, &transactional_id) {
            let error_code = ErrorCode::TransactionalIdAuthorizationFailed.code();
            transaction_states.push(TransactionState { error_code, transactional_id, ..Default::default() });
            continue;
        }
        let asked = Request::Describe { transactional_id: transactional_id.clone() };
        let described = match context.broker.ask_transactions(&transactional_id, asked).await {
            Ok(Reply::Describe(described)) => described,
            Ok(_) => Err(ErrorCode::UnknownServerError),
            Err(error) => Err(error),
        };
        transaction_states.push(match described {
            Ok(description) => {
                let mut state = state(transactional_id, &description);
                state.topics.retain(|one| context.may_quietly(Operation::Describe, ResourceType::Topic, &one.topic));
                state
            }
            Err(error) => TransactionState { error_code: error.code(), transactional_id, ..Default::default() },
        });
    }
    wire::Response { throttle_time_ms: 0, transaction_states }
}

fn state(transactional_id: String, description: &Description) -> TransactionState {
    let topics = by_topic(&description.partitions).into_iter();
    TransactionState {
        error_code: 0,
        transactional_id,
        transaction_state: description.state.name().to_owned(),
        transaction_timeout_ms: description.timeout_ms,
        transaction_start_time_ms: description.started.0,
        producer_id: description.producer_id.0,
        producer_epoch: description.producer_epoch.0,
        topics: topics.map(|(topic, partitions)| TopicData { topic, partitions }).collect(),
    }
}
