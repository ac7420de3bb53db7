//! DescribeAcls: the rules that a filter chooses.

use kafka_security::{AccessFilter, Operation, PatternType, Permission, ResourceFilter, ResourceType};
use kafka_types::ErrorCode;
use kafka_wire::describe_acls::{self as wire, AclDescription, DescribeAclsResource};

use super::Context;

/// `None` if the request has a code that stands for "unknown": Apache's broker cannot read such a request at all.
#[expect(clippy::unused_async, reason = "all handlers have one shape")]
pub(crate) async fn handle(context: &Context, request: wire::Request) -> Option<wire::Response> {
    let codes = [request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type];
    if codes.contains(&0) {
        return None;
    }
    if !context.may_on_cluster(Operation::Describe) {
        return Some(refused(ErrorCode::ClusterAuthorizationFailed, context.not_authorized()));
    }
    let Some(authorizer) = &context.broker.authorizer else {
        let message = "No Authorizer is configured on the broker".to_owned();
        return Some(refused(ErrorCode::SecurityDisabled, message));
    };
    let pattern = ResourceFilter {
        resource_type: ResourceType::from_code(request.resource_type_filter),
        pattern_type: PatternType::from_code(request.pattern_type_filter),
        name: request.resource_name_filter,
    };
    let filter = AccessFilter {
        principal: request.principal_filter,
        host: request.host_filter,
        operation: Operation::from_code(request.operation),
        permission: Permission::from_code(request.permission_type),
    };
    let rules = authorizer.rules();
    let chosen = rules.acls.patterns().filter(|(found, _)| pattern.matches(found));
    let described = chosen.map(|(found, entries)| DescribeAclsResource {
        resource_type: found.resource_type.code(),
        resource_name: found.name,
        pattern_type: found.pattern_type.code(),
        acls: entries
            .iter()
            .filter(|entry| filter.matches(entry))
            .map(|entry| AclDescription {
                principal: entry.principal.clone(),
                host: entry.host.clone(),
                operation: entry.operation.code(),
                permission_type: entry.permission.code(),
            })
            .collect(),
    });
    let resources = described.filter(|resource| !resource.acls.is_empty()).collect();
    Some(wire::Response { resources, ..Default::default() })
}

fn refused(error: ErrorCode, message: String) -> wire::Response {
    wire::Response { error_code: error.code(), error_message: Some(message), ..Default::default() }
}
