//! ConsumerGroupDescribe: announced by ZooKeeper-mode brokers, whose coordinator has no such groups.

use kafka_types::ErrorCode;
use kafka_wire::consumer_group_describe::{self as wire, DescribedGroup};

use super::Context;

#[expect(clippy::unused_async, reason = "all handlers have one shape")]
pub(crate) async fn handle(_context: &Context, request: wire::Request) -> wire::Response {
    let unsupported =
        |group_id| DescribedGroup { group_id, error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() };
    wire::Response { groups: request.group_ids.into_iter().map(unsupported).collect(), ..Default::default() }
}
