//! LeaveGroup: members go, by themselves or removed by an administrator.

use kafka_group_coordinator::{Leave, LeaveReply, LeavingMember, Reply, Request};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::leave_group::{self as wire, MemberResponse};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    let batched = wire::Version(context.version).is_batched();
    let members = if batched {
        request
            .members
            .into_iter()
            .map(|member| LeavingMember { member_id: member.member_id, group_instance_id: member.group_instance_id })
            .collect()
    } else {
        vec![LeavingMember { member_id: request.member_id, group_instance_id: None }]
    };
    let leave = Leave { group_id: request.group_id, members };
    let group = leave.group_id.clone();
    match context.broker.ask_group(&group, Request::Leave(leave)).await {
        Ok(Reply::Leave(reply)) => response(reply, batched),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

fn response(reply: LeaveReply, batched: bool) -> wire::Response {
    if !batched {
        // One member, one code: the member's own error is the answer.
        let member = reply.members.first().map_or(ErrorCode::None, |member| member.error);
        return refused(if reply.error.is_error() { reply.error } else { member });
    }
    wire::Response {
        throttle_time_ms: 0,
        error_code: reply.error.code(),
        members: reply
            .members
            .into_iter()
            .map(|member| MemberResponse {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                error_code: member.error.code(),
            })
            .collect(),
    }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), ..Default::default() }
}
