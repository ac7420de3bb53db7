//! CreateAcls: add rules. Any broker does it, straight in ZooKeeper.

use kafka_security::{
    AccessEntry, AclBinding, CLUSTER_NAME, Operation, PatternType, Permission, ResourcePattern, ResourceType,
};
use kafka_types::ErrorCode;
use kafka_wire::create_acls::{self as wire, AclCreation, AclCreationResult};

use super::Context;
use crate::authorizer::Refused;

/// `None` if the request has a code that stands for "unknown": Apache's broker cannot read such a request at all.
pub(crate) async fn handle(context: &Context, request: wire::Request) -> Option<wire::Response> {
    if request.creations.iter().any(has_unknown) {
        return None;
    }
    let all = |refused: &Refused| {
        let results = request.creations.iter().map(|_| result(&Err(refused.clone())));
        Some(wire::Response { throttle_time_ms: 0, results: results.collect() })
    };
    if !context.may_on_cluster(Operation::Alter) {
        let (code, message) = (ErrorCode::ClusterAuthorizationFailed, Some(context.not_authorized()));
        return all(&Refused { code, message });
    }
    let Some(authorizer) = &context.broker.authorizer else {
        let message = Some("No Authorizer is configured.".to_owned());
        return all(&Refused { code: ErrorCode::SecurityDisabled, message });
    };
    let bindings: Option<Vec<AclBinding>> = request.creations.iter().map(binding).collect();
    let Some(bindings) = bindings else {
        return all(&Refused { code: ErrorCode::UnknownServerError, message: None });
    };
    let (valid, places): (Vec<AclBinding>, Vec<usize>) =
        (0..).zip(&bindings).filter(|(_, one)| check(one).is_ok()).map(|(place, one)| (one.clone(), place)).unzip();
    let created = authorizer.create(&valid).await;
    let mut outcomes: Vec<Result<(), Refused>> = bindings.iter().map(check).collect();
    for (place, outcome) in places.into_iter().zip(created) {
        outcomes[place] = outcome;
    }
    Some(wire::Response { throttle_time_ms: 0, results: outcomes.iter().map(result).collect() })
}

fn has_unknown(creation: &AclCreation) -> bool {
    [creation.resource_type, creation.resource_pattern_type, creation.operation, creation.permission_type].contains(&0)
}

/// The rule, unless it has a code that only filters may have.
fn binding(creation: &AclCreation) -> Option<AclBinding> {
    let resource_type = ResourceType::from_code(creation.resource_type);
    let pattern_type = PatternType::from_code(creation.resource_pattern_type);
    let operation = Operation::from_code(creation.operation);
    let permission = Permission::from_code(creation.permission_type);
    let is_filter = resource_type == ResourceType::Any
        || matches!(pattern_type, PatternType::Any | PatternType::Match)
        || operation == Operation::Any
        || permission == Permission::Any;
    (!is_filter).then(|| AclBinding {
        pattern: ResourcePattern::new(resource_type, &creation.resource_name, pattern_type),
        entry: AccessEntry {
            principal: creation.principal.clone(),
            host: creation.host.clone(),
            operation,
            permission,
        },
    })
}

fn check(binding: &AclBinding) -> Result<(), Refused> {
    let ResourcePattern { resource_type, name, .. } = &binding.pattern;
    let message = if *resource_type == ResourceType::Cluster && name != CLUSTER_NAME {
        format!("The only valid name for the CLUSTER resource is {CLUSTER_NAME}")
    } else if name.is_empty() {
        "Invalid empty resource name".to_owned()
    } else {
        return Ok(());
    };
    Err(Refused { code: ErrorCode::InvalidRequest, message: Some(message) })
}

fn result(outcome: &Result<(), Refused>) -> AclCreationResult {
    match outcome {
        Ok(()) => AclCreationResult::default(),
        Err(refused) => AclCreationResult { error_code: refused.code.code(), error_message: refused.message.clone() },
    }
}
