//! DescribeGroups: state and members of groups.

use kafka_group_coordinator::{GroupDescription, Reply, Request};
use kafka_security::{Operation, ResourceType};
use kafka_types::ErrorCode;
use kafka_wire::describe_groups::{self as wire, DescribedGroup, DescribedGroupMember};

use super::{Context, NO_AUTHORIZED_OPERATIONS};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let (mut groups, mut known) = (Vec::with_capacity(request.groups.len()), Vec::new());
    for group_id in request.groups {
        if !context.may_on_group(Operation::Describe, &group_id) {
            let refused = refused(group_id, ErrorCode::GroupAuthorizationFailed);
            groups.push(described(refused, NO_AUTHORIZED_OPERATIONS));
            continue;
        }
        let asked = Request::Describe { group_id: group_id.clone() };
        let description = match context.broker.ask_group(&group_id, asked).await {
            Ok(Reply::Describe(description)) => description,
            Ok(_) => refused(group_id, ErrorCode::UnknownServerError),
            Err(error) => refused(group_id, error),
        };
        let wanted = request.include_authorized_operations && !description.error.is_error();
        let allowed = context.operations_if(wanted, ResourceType::Group, &description.group_id);
        known.push(described(description, allowed));
    }
    groups.append(&mut known);
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
