//! AllocateProducerIds: a broker asks the controller for a block of producer ids.

use kafka_controller::{Answer, Event};
use kafka_security::Operation;
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode};
use kafka_wire::allocate_producer_ids as wire;

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::ClusterAction) {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    let (broker, broker_epoch) = (BrokerId(request.broker_id), BrokerEpoch(request.broker_epoch));
    let ask = context.broker.controller.ask(move |token| Event::AllocateProducerIds { token, broker, broker_epoch });
    match ask.await {
        Ok(Answer::AllocateProducerIds(Ok(block))) => wire::Response {
            producer_id_start: block.first,
            producer_id_len: (block.last - block.first + 1) as i32,
            ..Default::default()
        },
        Ok(Answer::AllocateProducerIds(Err(error))) | Err(error) => refused(error),
        Ok(_) => refused(ErrorCode::UnknownServerError),
    }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), ..Default::default() }
}
