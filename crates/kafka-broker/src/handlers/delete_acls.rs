//! DeleteAcls: remove the rules that filters choose.

use kafka_security::{
    AccessFilter, AclBinding, AclFilter, Operation, PatternType, Permission, ResourceFilter, ResourceType,
};
use kafka_types::ErrorCode;
use kafka_wire::delete_acls::{self as wire, DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl};

use super::Context;
use crate::authorizer::{Deleted, Refused};

/// `None` if the request has a code that stands for "unknown": Apache's broker cannot read such a request at all.
pub(crate) async fn handle(context: &Context, request: wire::Request) -> Option<wire::Response> {
    if request.filters.iter().any(has_unknown) {
        return None;
    }
    let refused = if context.may_on_cluster(Operation::Alter) {
        let message = Some("No Authorizer is configured.".to_owned());
        Refused { code: ErrorCode::SecurityDisabled, message }
    } else {
        Refused { code: ErrorCode::ClusterAuthorizationFailed, message: Some(context.not_authorized()) }
    };
    let filter_results = match &context.broker.authorizer {
        Some(authorizer) if refused.code == ErrorCode::SecurityDisabled => {
            let filters: Vec<AclFilter> = request.filters.into_iter().map(filter).collect();
            authorizer.delete(&filters).await.into_iter().map(told).collect()
        }
        _ => {
            let result = |_: &DeleteAclsFilter| DeleteAclsFilterResult {
                error_code: refused.code.code(),
                error_message: refused.message.clone(),
                matching_acls: Vec::new(),
            };
            request.filters.iter().map(result).collect()
        }
    };
    Some(wire::Response { throttle_time_ms: 0, filter_results })
}

fn has_unknown(filter: &DeleteAclsFilter) -> bool {
    [filter.resource_type_filter, filter.pattern_type_filter, filter.operation, filter.permission_type].contains(&0)
}

fn filter(filter: DeleteAclsFilter) -> AclFilter {
    AclFilter {
        pattern: ResourceFilter {
            resource_type: ResourceType::from_code(filter.resource_type_filter),
            pattern_type: PatternType::from_code(filter.pattern_type_filter),
            name: filter.resource_name_filter,
        },
        entry: AccessFilter {
            principal: filter.principal_filter,
            host: filter.host_filter,
            operation: Operation::from_code(filter.operation),
            permission: Permission::from_code(filter.permission_type),
        },
    }
}

fn told(deleted: Deleted) -> DeleteAclsFilterResult {
    let matching = |binding: AclBinding, error: ErrorCode| DeleteAclsMatchingAcl {
        error_code: error.code(),
        error_message: None,
        resource_type: binding.pattern.resource_type.code(),
        resource_name: binding.pattern.name,
        pattern_type: binding.pattern.pattern_type.code(),
        principal: binding.entry.principal,
        host: binding.entry.host,
        operation: binding.entry.operation.code(),
        permission_type: binding.entry.permission.code(),
    };
    let removed = deleted.removed.into_iter().map(|binding| matching(binding, ErrorCode::None));
    let failed = deleted.failed.into_iter().map(|binding| matching(binding, ErrorCode::UnknownServerError));
    DeleteAclsFilterResult { error_code: 0, error_message: None, matching_acls: removed.chain(failed).collect() }
}
