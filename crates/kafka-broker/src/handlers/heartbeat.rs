//! Heartbeat: a member says that it lives, and hears whether the group rebalances.

use kafka_group_coordinator::{Heartbeat, Reply, Request};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::heartbeat as wire;

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return wire::Response { throttle_time_ms: 0, error_code: ErrorCode::GroupAuthorizationFailed.code() };
    }
    let heartbeat = Heartbeat {
        group_id: request.group_id,
        generation: request.generation_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
    };
    let group = heartbeat.group_id.clone();
    let error = match context.broker.ask_group(&group, Request::Heartbeat(heartbeat)).await {
        Ok(Reply::Heartbeat(error)) | Err(error) => error,
        Ok(_) => ErrorCode::UnknownServerError,
    };
    wire::Response { throttle_time_ms: 0, error_code: error.code() }
}
