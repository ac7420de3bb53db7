//! ControlledShutdown: a broker that wants to stop asks the controller to move its leaderships.

use kafka_controller::{Answer, Event};
use kafka_security::Operation;
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode};
use kafka_wire::controlled_shutdown::{self as wire, RemainingPartition};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::ClusterAction) {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    let (broker, broker_epoch) = (BrokerId(request.broker_id), BrokerEpoch(request.broker_epoch));
    let ask = context.broker.controller.ask(move |token| Event::ControlledShutdown { token, broker, broker_epoch });
    match ask.await {
        Ok(Answer::ControlledShutdown(Ok(remaining))) => wire::Response {
            error_code: 0,
            remaining_partitions: remaining
                .into_iter()
                .map(|left| RemainingPartition { topic_name: left.topic.to_string(), partition_index: left.partition })
                .collect(),
        },
        Ok(Answer::ControlledShutdown(Err(error))) | Err(error) => refused(error),
        Ok(_) => refused(ErrorCode::UnknownServerError),
    }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), ..Default::default() }
}
