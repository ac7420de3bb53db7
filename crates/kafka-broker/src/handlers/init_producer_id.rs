//! InitProducerId: a producer id for an idempotent producer, or id and epoch for a transactional one.

use kafka_security::{Operation, ResourceType};
use kafka_txn_coordinator::{InitProducer, Reply, Request};
use kafka_types::{ErrorCode, ProducerEpoch, ProducerId};
use kafka_wire::init_producer_id as wire;

use super::{Context, error_codes};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if let Some(id) = &request.transactional_id {
        if !context.may(Operation::Write, ResourceType::TransactionalId, id) {
            return refused(ErrorCode::TransactionalIdAuthorizationFailed);
        }
    } else if !context.may_on_cluster_quietly(Operation::IdempotentWrite)
        && !context.may_somewhere(Operation::Write, ResourceType::Topic)
    {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    if request.transactional_id.as_deref() == Some("") {
        return refused(ErrorCode::InvalidRequest);
    }
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        // Both or none of them: who had an id before had it in an epoch.
        return refused(ErrorCode::InvalidRequest);
    }
    let granted = match request.transactional_id {
        None => context.broker.producer_ids.next(&context.broker).await.map(|id| (id, ProducerEpoch(0))),
        Some(transactional_id) => {
            let expected = (request.producer_id != -1)
                .then_some((ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch)));
            let timeout_ms = request.transaction_timeout_ms;
            transactional(context, InitProducer { transactional_id, timeout_ms, expected }).await
        }
    };
    match granted {
        Ok((id, epoch)) => wire::Response { producer_id: id.0, producer_epoch: epoch.0, ..Default::default() },
        Err(error) => {
            let knows_fenced = wire::Version(context.version).knows_producer_fenced();
            refused(error_codes::fenced(error, knows_fenced))
        }
    }
}

async fn transactional(context: &Context, request: InitProducer) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
    let id = request.transactional_id.clone();
    match context.broker.ask_transactions(&id, Request::InitProducer(request)).await? {
        Reply::InitProducer(granted) => granted,
        _ => Err(ErrorCode::UnknownServerError),
    }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), producer_id: -1, producer_epoch: -1, ..Default::default() }
}
