//! SyncGroup: hand over or wait for the assignment of a generation.

use kafka_group_coordinator::{Reply, Request, Sync};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::sync_group as wire;

use super::Context;
use crate::coordinators::apart;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if wire::Version(context.version).carries_protocol() && !named {
        return refused(ErrorCode::InconsistentGroupProtocol);
    }
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    let sync = Sync {
        group_id: request.group_id,
        generation: request.generation_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: request.assignments.into_iter().map(|one| (one.member_id, apart(&one.assignment))).collect(),
    };
    let group = sync.group_id.clone();
    match context.broker.ask_group(&group, Request::Sync(sync)).await {
        Ok(Reply::Sync(reply)) => wire::Response {
            throttle_time_ms: 0,
            error_code: reply.error.code(),
            protocol_type: reply.protocol_type,
            protocol_name: reply.protocol,
            assignment: reply.assignment,
        },
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), ..Default::default() }
}
