//! ConsumerGroupHeartbeat: announced by ZooKeeper-mode brokers, whose coordinator has no such groups.

use kafka_types::ErrorCode;
use kafka_wire::consumer_group_heartbeat as wire;

use super::Context;

#[expect(clippy::unused_async, reason = "all handlers have one shape")]
pub(crate) async fn handle(_context: &Context, _request: wire::Request) -> wire::Response {
    wire::Response { error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() }
}
