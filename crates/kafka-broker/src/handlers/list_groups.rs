//! ListGroups: every group that this broker coordinates.

use kafka_group_coordinator::{Reply, Request};
use kafka_security::{Operation, ResourceType};
use kafka_types::ErrorCode;
use kafka_wire::list_groups::{self as wire, ListedGroup};

use super::Context;
use crate::coordinators::GroupCoordinator;

/// The only type of group there is without KRaft (KIP-848 groups need it).
const CLASSIC: &str = "classic";

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let wanted =
        request.types_filter.is_empty() || request.types_filter.iter().any(|kind| kind.eq_ignore_ascii_case(CLASSIC));
    if !wanted {
        return wire::Response::default();
    }
    let asked = Request::List { states: request.states_filter };
    let Ok(replies) = context.broker.ask_all::<GroupCoordinator>(asked).await else {
        return wire::Response { error_code: ErrorCode::CoordinatorNotAvailable.code(), ..Default::default() };
    };
    let all = context.may_on_cluster_quietly(Operation::Describe);
    let mut response = wire::Response::default();
    for reply in replies {
        let Reply::List(list) = reply else { continue };
        if list.error.is_error() {
            // Some partition still loads: what is known is told all the same, as Apache does.
            response.error_code = list.error.code();
        }
        let visible = |group: &kafka_group_coordinator::GroupListing| {
            all || context.may_quietly(Operation::Describe, ResourceType::Group, &group.group_id)
        };
        response.groups.extend(list.groups.into_iter().filter(visible).map(|group| ListedGroup {
            group_id: group.group_id,
            protocol_type: group.protocol_type,
            group_state: group.state.to_owned(),
            group_type: CLASSIC.to_owned(),
        }));
    }
    response
}
