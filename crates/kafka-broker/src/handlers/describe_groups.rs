//! DescribeGroups: state and members of groups.

use kafka_group_coordinator::{GroupDescription, Reply, Request};
use kafka_types::ErrorCode;
use kafka_wire::describe_groups::{self as wire, DescribedGroup, DescribedGroupMember};

use super::{Context, NO_AUTHORIZED_OPERATIONS, authorized};

/// What anybody may do with a group as long as there is no authorizer: read, delete, describe.
const GROUP_OPERATIONS: i32 = (1 << 3) | (1 << 6) | (1 << 8);

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let authorized_operations = authorized(request.include_authorized_operations, GROUP_OPERATIONS);
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let asked = Request::Describe { group_id: group_id.clone() };
        let description = match context.broker.ask_group(&group_id, asked).await {
            Ok(Reply::Describe(description)) => description,
            Ok(_) => refused(group_id, ErrorCode::UnknownServerError),
            Err(error) => refused(group_id, error),
        };
        let allowed = if description.error.is_error() { NO_AUTHORIZED_OPERATIONS } else { authorized_operations };
        groups.push(described(description, allowed));
    }
    wire::Response { throttle_time_ms: 0, groups }
}

fn refused(group_id: String, error: ErrorCode) -> GroupDescription {
    GroupDescription {
        error,
        group_id,
        state: "",
        protocol_type: String::new(),
        protocol: String::new(),
        members: Vec::new(),
    }
}

fn described(group: GroupDescription, authorized_operations: i32) -> DescribedGroup {
    DescribedGroup {
        error_code: group.error.code(),
        group_id: group.group_id,
        group_state: group.state.to_owned(),
        protocol_type: group.protocol_type,
        protocol_data: group.protocol,
        members: group
            .members
            .into_iter()
            .map(|member| DescribedGroupMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                member_metadata: member.metadata,
                member_assignment: member.assignment,
            })
            .collect(),
        authorized_operations,
    }
}
