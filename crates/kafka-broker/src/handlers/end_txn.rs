//! EndTxn: commit or abort. The answer comes when that is decided; the partitions are told afterwards.

use kafka_security::Operation;
use kafka_txn_coordinator::{EndTransaction, Reply, Request};
use kafka_types::{ErrorCode, ProducerEpoch, ProducerId};
use kafka_wire::end_txn as wire;

use super::{Context, error_codes};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_transaction(Operation::Write, &request.transactional_id) {
        let error_code = ErrorCode::TransactionalIdAuthorizationFailed.code();
        return wire::Response { error_code, ..Default::default() };
    }
    let asked = Request::EndTransaction(EndTransaction {
        transactional_id: request.transactional_id.clone(),
        producer_id: ProducerId(request.producer_id),
        producer_epoch: ProducerEpoch(request.producer_epoch),
        committed: request.committed,
    });
    let error = match context.broker.ask_transactions(&request.transactional_id, asked).await {
        Ok(Reply::EndTransaction(error)) | Err(error) => error,
        Ok(_) => ErrorCode::UnknownServerError,
    };
    let told = error_codes::fenced(error, wire::Version(context.version).knows_producer_fenced());
    wire::Response { error_code: told.code(), ..Default::default() }
}
