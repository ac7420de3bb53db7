//! InitProducerId: a producer id for an idempotent producer.

use kafka_security::{Operation, ResourceType};
use kafka_types::ErrorCode;
use kafka_wire::init_producer_id as wire;

use super::Context;

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
    if request.transactional_id.is_some() {
        // FindCoordinator names no transaction coordinator, so only a client that did not ask comes here.
        return refused(ErrorCode::CoordinatorNotAvailable);
    }
    match context.broker.producer_ids.next(&context.broker).await {
        Ok(id) => wire::Response { producer_id: id.0, producer_epoch: 0, ..Default::default() },
        Err(error) => refused(error),
    }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), producer_id: -1, producer_epoch: -1, ..Default::default() }
}
