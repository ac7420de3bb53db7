//! ApiVersions: which requests are served, in which versions.

use kafka_types::ErrorCode;
use kafka_wire::ApiKey;
use kafka_wire::api_versions::{self as wire, ApiVersion};

use super::Context;
use crate::network::served_versions;

/// Software names and versions are made of these (KIP-511); anything else is an invalid request.
fn is_legal_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let ends = |c: char| c.is_ascii_alphanumeric();
    name.chars().all(inner) && name.starts_with(ends) && name.ends_with(ends)
}

#[expect(clippy::unused_async, reason = "all handlers have one shape")]
pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let named = wire::Version(context.version).names_the_client();
    if named && !(is_legal_name(&request.client_software_name) && is_legal_name(&request.client_software_version)) {
        return wire::Response { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    wire::Response {
        api_keys: served_versions(),
        finalized_features_epoch: context.broker.features_epoch(),
        ..Default::default()
    }
}

/// The answer to a version that nobody knows: the range of ApiVersions itself, in the oldest form.
pub(crate) fn unsupported() -> wire::Response {
    let range = ApiKey::ApiVersions.served_versions();
    wire::Response {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![ApiVersion {
            api_key: ApiKey::ApiVersions.code(),
            min_version: *range.start(),
            max_version: *range.end(),
        }],
        ..Default::default()
    }
}
