//! JoinGroup: become a member of a group; the reply waits until the group has assembled.

use kafka_group_coordinator::{Join, JoinReply, Reply, Request};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::join_group::{self as wire, JoinGroupResponseMember};

use super::Context;
use crate::clock::random_bytes;
use crate::coordinators::apart;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let version = wire::Version(context.version);
    let member_id = request.member_id.clone();
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return refused(ErrorCode::GroupAuthorizationFailed, String::new());
    }
    let join = Join {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        client_id: context.client_id().to_owned(),
        client_host: context.client_host(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        protocol_type: request.protocol_type,
        protocols: request.protocols.into_iter().map(|protocol| (protocol.name, apart(&protocol.metadata))).collect(),
        requires_known_member_id: version.requires_member_id(),
        supports_skipping_assignment: version.carries_skip_assignment(),
        random: random_bytes(),
    };
    let group = join.group_id.clone();
    match context.broker.ask_group(&group, Request::Join(join)).await {
        Ok(Reply::Join(reply)) => response(reply, version),
        Ok(_) => refused(ErrorCode::UnknownServerError, member_id),
        Err(error) => refused(error, member_id),
    }
}

fn response(reply: JoinReply, version: wire::Version) -> wire::Response {
    wire::Response {
        throttle_time_ms: 0,
        error_code: reply.error.code(),
        generation_id: reply.generation,
        protocol_type: reply.protocol_type,
        protocol_name: match reply.protocol {
            None if !version.allows_null_protocol() => Some(String::new()),
            protocol => protocol,
        },
        leader: reply.leader,
        skip_assignment: reply.skip_assignment,
        member_id: reply.member_id,
        members: reply
            .members
            .into_iter()
            .map(|member| JoinGroupResponseMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                metadata: member.metadata,
            })
            .collect(),
    }
}

fn refused(error: ErrorCode, member_id: String) -> wire::Response {
    wire::Response { error_code: error.code(), protocol_name: Some(String::new()), member_id, ..Default::default() }
}
