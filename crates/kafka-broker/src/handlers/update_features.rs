//! UpdateFeatures: a ZooKeeper-mode broker supports no features and has finalized none, so that there is nothing to
//! change; the words of the refusal tell which rule it breaks first.

use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::update_features::{self as wire, UpdatableFeatureResult};

use super::Context;

/// `upgrade_type` of changes that only go up, and of those that may go down (safely, or not).
const UPGRADE: i8 = 1;
const DOWNGRADES: [i8; 2] = [2, 3];

#[expect(clippy::unused_async, reason = "all handlers have one shape")]
pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::Alter) {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    if !context.broker.is_controller() {
        return refused(ErrorCode::NotController);
    }
    let version = wire::Version(context.version);
    let mut results: Vec<UpdatableFeatureResult> = Vec::new();
    for update in request.feature_updates {
        let only_up = if !version.carries_upgrade_type() {
            Some(!update.allow_downgrade)
        } else if update.upgrade_type == UPGRADE {
            Some(true)
        } else {
            DOWNGRADES.contains(&update.upgrade_type).then_some(false)
        };
        let result = UpdatableFeatureResult {
            error_code: ErrorCode::InvalidRequest.code(),
            error_message: Some(reason(&update.feature, update.max_version_level, only_up)),
            feature: update.feature,
        };
        match results.iter_mut().find(|known| known.feature == result.feature) {
            Some(known) => *known = result,
            None => results.push(result),
        }
    }
    wire::Response { throttle_time_ms: 0, error_code: 0, error_message: None, results }
}

/// Why a feature cannot have this level; nothing is known of whether it may only go up if that is said with an unknown
/// number.
fn reason(feature: &str, level: i16, only_up: Option<bool>) -> String {
    if feature.is_empty() {
        return "Feature name can not be empty.".to_owned();
    }
    let Some(only_up) = only_up else { return "Received unknown upgrade type.".to_owned() };
    if level < 1 && !only_up {
        "Can not delete non-existing finalized feature.".to_owned()
    } else if level < 1 {
        format!(
            "Can not provide versionLevel: {level} less than 1 without setting the SAFE downgradeType in the request."
        )
    } else {
        "Could not apply finalized feature update because the provided feature is not supported.".to_owned()
    }
}

fn refused(code: ErrorCode) -> wire::Response {
    let error_message = Some(code.message().to_owned());
    wire::Response { error_code: code.code(), error_message, ..Default::default() }
}
