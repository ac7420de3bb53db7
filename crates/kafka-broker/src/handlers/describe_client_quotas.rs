//! DescribeClientQuotas: the quotas of those that a filter names.

use anyhow::Result;
use kafka_metadata::client_quotas::{self, Filter, QuotaEntity, QuotaError};
use kafka_metadata::znodes::config;
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::describe_client_quotas::{self as wire, EntityData, EntryData, ValueData};

use super::Context;
use crate::zookeeper::ZooKeeper;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::DescribeConfigs) {
        return refused(ErrorCode::ClusterAuthorizationFailed, None);
    }
    let parts = request.components.iter();
    let parts = parts.map(|part| (part.entity_type.as_str(), part.match_type, part.r#match.as_deref()));
    let filter = match Filter::new(parts, request.strict) {
        Ok(filter) => filter,
        Err(error) => {
            let (code, message) = match &error {
                QuotaError::CustomType(_) => (ErrorCode::UnsupportedVersion, Some(error.to_string())),
                QuotaError::Match(_) => (ErrorCode::UnknownServerError, None),
                _ => (ErrorCode::InvalidRequest, Some(error.to_string())),
            };
            return refused(code, message);
        }
    };
    match stored(&context.broker.zookeeper).await {
        Ok(all) => {
            let entries = all.into_iter().filter(|(entity, _)| filter.fits(entity));
            let entries = entries.map(|(entity, values)| told(&entity, values)).collect();
            wire::Response {
                throttle_time_ms: 0,
                error_code: 0,
                error_message: Some(String::new()),
                entries: Some(entries),
            }
        }
        Err(error) => refused(ErrorCode::UnknownServerError, Some(error.to_string())),
    }
}

fn refused(code: ErrorCode, error_message: Option<String>) -> wire::Response {
    wire::Response { throttle_time_ms: 0, error_code: code.code(), error_message, entries: None }
}

fn told(entity: &QuotaEntity, values: Vec<(&'static str, f64)>) -> EntryData {
    let parts = entity.parts().into_iter();
    EntryData {
        entity: parts
            .map(|(kind, name)| EntityData { entity_type: kind.to_owned(), entity_name: name.map(str::to_owned) })
            .collect(),
        values: values.into_iter().map(|(key, value)| ValueData { key: key.to_owned(), value }).collect(),
    }
}

/// Everybody who has quotas, with them.
pub(crate) async fn stored(zookeeper: &ZooKeeper) -> Result<Vec<(QuotaEntity, Vec<(&'static str, f64)>)>> {
    let mut paths = Vec::new();
    for kind in ["users", "clients", "ips"] {
        for name in zookeeper.children(&format!("/config/{kind}"), false).await? {
            if kind == "users" {
                for client in zookeeper.children(&format!("/config/users/{name}/clients"), false).await? {
                    paths.push(format!("users/{name}/clients/{client}"));
                }
            }
            paths.push(format!("{kind}/{name}"));
        }
    }
    let mut all = Vec::new();
    for path in paths {
        let Some(entity) = QuotaEntity::from_path(&path) else { continue };
        let Some((data, _)) = zookeeper.get(&format!("/config/{path}"), false).await? else { continue };
        let quotas = client_quotas::quotas(&entity, &config::decode(&data)?);
        if !quotas.is_empty() {
            all.push((entity, quotas));
        }
    }
    Ok(all)
}
