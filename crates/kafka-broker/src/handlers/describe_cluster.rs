//! DescribeCluster: cluster id, controller, brokers.

use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::describe_cluster::{self as wire, DescribeClusterBroker};

use super::Context;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

#[expect(clippy::unused_async, reason = "all handlers have one shape")]
pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if request.endpoint_type == CONTROLLERS {
        return wire::Response {
            error_code: ErrorCode::MismatchedEndpointType.code(),
            error_message: Some(
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                    .to_owned(),
            ),
            ..Default::default()
        };
    }
    if request.endpoint_type != BROKERS {
        return wire::Response {
            error_code: ErrorCode::UnsupportedEndpointType.code(),
            error_message: Some(format!("Unsupported endpoint type {}", request.endpoint_type)),
            ..Default::default()
        };
    }
    let image = context.broker.metadata.image();
    let reachable = image.brokers().values().filter_map(|broker| {
        let endpoint = broker.endpoint(&context.listener.name)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id.0,
            host: endpoint.host.clone(),
            port: endpoint.port,
            rack: broker.rack.clone(),
        })
    });
    wire::Response {
        endpoint_type: BROKERS,
        cluster_id: context.broker.cluster_id.clone(),
        controller_id: image.controller().unwrap_or(BrokerId::NONE).0,
        brokers: reachable.collect(),
        cluster_authorized_operations: context.cluster_operations_if(request.include_cluster_authorized_operations),
        ..Default::default()
    }
}
