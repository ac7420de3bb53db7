//! IncrementalAlterConfigs: single settings of topics, brokers and loggers changed.

use kafka_types::ErrorCode;
use kafka_wire::incremental_alter_configs::{self as wire, AlterConfigsResourceResponse};

use super::Context;
use crate::settings::alter::{self, Resource};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let resources: Vec<Resource> = request.resources.into_iter().map(resource).collect();
    let results = alter::all(context, &resources, request.validate_only).await;
    let responses = resources.into_iter().zip(results).map(|(resource, result)| {
        let (code, error_message) = match result {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, refusal.message),
        };
        AlterConfigsResourceResponse {
            error_code: code.code(),
            error_message,
            resource_type: resource.kind,
            resource_name: resource.name,
        }
    });
    wire::Response { throttle_time_ms: 0, responses: responses.collect() }
}

fn resource(resource: wire::AlterConfigsResource) -> Resource {
    let wishes = resource.configs.into_iter().map(|setting| (setting.name, setting.config_operation, setting.value));
    Resource { kind: resource.resource_type, name: resource.resource_name, wishes: wishes.collect(), replaces: false }
}
