//! AlterUserScramCredentials: credentials for SCRAM set and deleted, all of a user or none (KIP-554).

use std::collections::{BTreeMap, BTreeSet};

use kafka_metadata::znodes::config::{self, sanitize};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::alter_user_scram_credentials::{
    self as wire, AlterUserScramCredentialsResult as UserResult, ScramCredentialUpsertion as Upsertion,
};
use sasl::{MAX_ITERATIONS, ScramCredential, ScramMechanism};

use super::Context;
use crate::broker::Broker;
use crate::settings::{self, Refusal};

/// What is to become of one user's credential: another one, or none.
type Change = (ScramMechanism, Option<ScramCredential>);

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let mut users: Vec<String> = Vec::new();
    let named = request.upsertions.iter().map(|one| &one.name).chain(request.deletions.iter().map(|one| &one.name));
    for name in named {
        if !users.contains(name) {
            users.push(name.clone());
        }
    }
    let allowed = context.may_on_cluster(Operation::Alter);
    let mut results = Vec::with_capacity(users.len());
    for user in users {
        let outcome = match changes(&request, &user) {
            _ if !allowed => Err(Refusal { code: ErrorCode::ClusterAuthorizationFailed, message: None }),
            Ok(changes) => alter(&context.broker, &user, changes).await,
            Err(refusal) => Err(refusal),
        };
        let (code, message) = match outcome {
            Ok(()) => (ErrorCode::None, Some(String::new())),
            Err(refusal) => (refusal.code, refusal.message),
        };
        results.push(UserResult { user, error_code: code.code(), error_message: message });
    }
    wire::Response { throttle_time_ms: 0, results }
}

/// What a request wants of one user, if it is legal.
fn changes(request: &wire::Request, user: &str) -> Result<Vec<Change>, Refusal> {
    if user.is_empty() {
        return Err(Refusal::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
    }
    let mechanism = |number: i8| {
        let unknown = || Refusal::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism");
        ScramMechanism::from_wire(number).ok_or_else(unknown)
    };
    let mut changes: Vec<Change> = Vec::new();
    for deletion in request.deletions.iter().filter(|one| one.name == user) {
        changes.push((mechanism(deletion.mechanism)?, None));
    }
    for upsertion in request.upsertions.iter().filter(|one| one.name == user) {
        let mechanism = mechanism(upsertion.mechanism)?;
        changes.push((mechanism, Some(credential(mechanism, upsertion)?)));
    }
    let mut seen = BTreeSet::new();
    if changes.iter().all(|(mechanism, _)| seen.insert(*mechanism)) {
        Ok(changes)
    } else {
        let message = "A user credential cannot be altered twice in the same request";
        Err(Refusal::new(ErrorCode::DuplicateResource, message))
    }
}

fn credential(mechanism: ScramMechanism, wanted: &Upsertion) -> Result<ScramCredential, Refusal> {
    let unacceptable = |message: &str| Err(Refusal::new(ErrorCode::UnacceptableCredential, message));
    if wanted.iterations < mechanism.min_iterations() {
        return unacceptable("Too few iterations");
    }
    if wanted.iterations > MAX_ITERATIONS {
        return unacceptable("Too many iterations");
    }
    if wanted.salted_password.is_empty() {
        // Java makes no key of nothing.
        return Err(Refusal::new(ErrorCode::UnknownServerError, ErrorCode::UnknownServerError.message()));
    }
    Ok(ScramCredential::of_salted(mechanism, &wanted.salted_password, &wanted.salt, wanted.iterations))
}

async fn alter(broker: &Broker, user: &str, changes: Vec<Change>) -> Result<(), Refusal> {
    let entity = format!("users/{}", sanitize(user));
    let _alone = broker.changes.alone().await;
    let stored = broker.zookeeper.get(&format!("/config/{entity}"), false).await;
    let stored = stored.map_err(|error| Refusal::storage(&error))?;
    let mut settings: BTreeMap<String, String> = match stored {
        Some((data, _)) => config::decode(&data).map_err(|error| Refusal::storage(&error))?,
        None => BTreeMap::new(),
    };
    for (mechanism, credential) in changes {
        match credential {
            Some(credential) => {
                settings.insert(mechanism.name().to_owned(), credential.to_text());
            }
            None if settings.remove(mechanism.name()).is_none() => {
                let message = "Attempt to delete a user credential that does not exist";
                return Err(Refusal::new(ErrorCode::ResourceNotFound, message));
            }
            None => {}
        }
    }
    settings::write(broker, &entity, &settings).await.map_err(|error| Refusal::storage(&error))
}
