//! AlterConfigs: all settings of topics and brokers replaced.

use kafka_wire::alter_configs::{self as wire, AlterConfigsResourceResponse};

use super::Context;
use crate::settings::alter::{self, Resource};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let resources = request.resources.into_iter().map(resource).collect();
    let altered = alter::all(context, resources, request.validate_only).await;
    let responses = altered.into_iter().map(|altered| AlterConfigsResourceResponse {
        error_code: altered.code.code(),
        error_message: altered.message,
        resource_type: altered.kind,
        resource_name: altered.name,
    });
    wire::Response { throttle_time_ms: 0, responses: responses.collect() }
}

fn resource(resource: wire::AlterConfigsResource) -> Resource {
    let wishes = resource.configs.into_iter().map(|setting| (setting.name, 0, setting.value));
    Resource { kind: resource.resource_type, name: resource.resource_name, wishes: wishes.collect(), replaces: true }
}
