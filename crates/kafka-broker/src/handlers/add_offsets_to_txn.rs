//! AddOffsetsToTxn: a transaction is going to commit offsets of a group, so the group's partition takes part in it.

use kafka_security::Operation;
use kafka_txn_coordinator::{AddPartitions, Reply, Request};
use kafka_types::{ErrorCode, ProducerEpoch, ProducerId};
use kafka_wire::add_offsets_to_txn as wire;

use super::{Context, error_codes};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let broker = &context.broker;
    let refused = |error: ErrorCode| wire::Response { error_code: error.code(), ..Default::default() };
    if !context.may_on_transaction(Operation::Write, &request.transactional_id) {
        return refused(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    let asked = Request::AddPartitions(AddPartitions {
        transactional_id: request.transactional_id.clone(),
        producer_id: ProducerId(request.producer_id),
        producer_epoch: ProducerEpoch(request.producer_epoch),
        partitions: vec![broker.offsets_partition(&request.group_id)],
    });
    let error = match broker.ask_transactions(&request.transactional_id, asked).await {
        Ok(Reply::AddPartitions(error)) | Err(error) => error,
        Ok(_) => ErrorCode::UnknownServerError,
    };
    let told = error_codes::fenced(error, wire::Version(context.version).knows_producer_fenced());
    wire::Response { error_code: told.code(), ..Default::default() }
}
