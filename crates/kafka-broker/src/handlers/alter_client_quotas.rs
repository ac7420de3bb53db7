//! AlterClientQuotas: quotas of users, clients and addresses set and removed.

use std::net::ToSocketAddrs as _;

use kafka_metadata::client_quotas::{self, Name, QuotaEntity};
use kafka_metadata::znodes::config;
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::alter_client_quotas::{self as wire, EntryData, ResponseEntityData, ResponseEntryData};

use super::Context;
use crate::broker::Broker;
use crate::settings::{self, Refusal};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let allowed = context.may_on_cluster(Operation::AlterConfigs);
    let mut entries: Vec<ResponseEntryData> = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        let outcome = if allowed {
            alter(&context.broker, entry, request.validate_only).await
        } else {
            let code = ErrorCode::ClusterAuthorizationFailed;
            Err(Refusal::new(code, code.message()))
        };
        let (code, error_message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, refusal.message),
        };
        let result = ResponseEntryData { error_code: code.code(), error_message, entity: parts(entry) };
        // One entity, one result: the last.
        match entries.iter_mut().find(|there| there.entity == result.entity) {
            Some(there) => *there = result,
            None => entries.push(result),
        }
    }
    wire::Response { throttle_time_ms: 0, entries }
}

/// Each type once, with the last name it was given, in the order in which Apache's broker tells them.
fn parts(entry: &EntryData) -> Vec<ResponseEntityData> {
    let mut parts: Vec<ResponseEntityData> = Vec::with_capacity(entry.entity.len());
    for part in &entry.entity {
        let told = ResponseEntityData { entity_type: part.entity_type.clone(), entity_name: part.entity_name.clone() };
        match parts.iter_mut().find(|there| there.entity_type == told.entity_type) {
            Some(there) => *there = told,
            None => parts.push(told),
        }
    }
    let place = |kind: &str| {
        [client_quotas::CLIENT_ID, client_quotas::USER, client_quotas::IP].iter().position(|known| *known == kind)
    };
    parts.sort_by_key(|part| place(&part.entity_type));
    parts
}

async fn alter(broker: &Broker, entry: &EntryData, validate_only: bool) -> Result<(), Refusal> {
    let parts = entry.entity.iter().map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
    let refuse = |error: client_quotas::QuotaError| Refusal::request(error.to_string());
    let entity = QuotaEntity::from_parts(parts).map_err(refuse)?;
    if let QuotaEntity::Ip(Name::Is(address)) = &entity {
        check_address(broker, address).await?;
    }
    let path = entity.path();
    let _alone = broker.changes.alone().await;
    let stored = broker.zookeeper.get(&format!("/config/{path}"), false).await;
    let stored = stored.map_err(|error| Refusal::storage(&error))?;
    let mut settings = match stored {
        Some((data, _)) => config::decode(&data).map_err(|error| Refusal::storage(&error))?,
        None => std::collections::BTreeMap::new(),
    };
    for op in &entry.ops {
        let value = (!op.remove).then_some(op.value);
        client_quotas::change(&entity, &mut settings, &op.key, value).map_err(refuse)?;
    }
    if validate_only {
        return Ok(());
    }
    settings::write(broker, &path, &settings).await.map_err(|error| Refusal::storage(&error))?;
    let quotas = client_quotas::quotas(&entity, &settings);
    broker.quotas.set(entity, &quotas);
    Ok(())
}

async fn check_address(broker: &Broker, address: &str) -> Result<(), Refusal> {
    let host = address.to_owned();
    // A name server may take its time, and nobody else shall wait for it.
    let found =
        broker.background.run(move || (host.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.next().is_some()));
    if found.await.unwrap_or(false) {
        Ok(())
    } else {
        Err(Refusal::request(format!("{address} is not a valid IP or resolvable host.")))
    }
}
