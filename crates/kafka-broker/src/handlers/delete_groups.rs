//! DeleteGroups: groups without members go, with all that they committed.

use std::collections::HashSet;

use kafka_group_coordinator::{Reply, Request};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::delete_groups::{self as wire, DeletableGroupResult};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let mut seen = HashSet::new();
    let (mut results, mut unauthorized) = (Vec::new(), Vec::new());
    for group_id in request.groups_names {
        // Who names a group twice hears of it once.
        if !seen.insert(group_id.clone()) {
            continue;
        }
        if !context.may_on_group(Operation::Delete, &group_id) {
            let error_code = ErrorCode::GroupAuthorizationFailed.code();
            unauthorized.push(DeletableGroupResult { group_id, error_code });
            continue;
        }
        let asked = Request::DeleteGroup { group_id: group_id.clone() };
        let error = match context.broker.ask_group(&group_id, asked).await {
            Ok(Reply::DeleteGroup(error)) | Err(error) => error,
            Ok(_) => ErrorCode::UnknownServerError,
        };
        results.push(DeletableGroupResult { group_id, error_code: error.code() });
    }
    results.append(&mut unauthorized);
    wire::Response { throttle_time_ms: 0, results }
}
