//! Quotas of users, clients and addresses (KIP-546).

use kafka_wire::{alter_client_quotas, describe_client_quotas};

use super::Admin;
use super::call::{Call, Target};
use super::topics::left_out;
use crate::error::Error;

/// Types of entities (`user`, `client-id`, `ip`) with their names; no name is the default entity.
pub type QuotaEntity = Vec<(String, Option<String>)>;

/// One part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaFilter {
    /// `user`, `client-id` or `ip`
    pub entity_type: String,
    /// Whom of them.
    pub matches: QuotaMatch,
}

/// Whom a part of a filter names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This one.
    Is(String),
    /// The default.
    Default,
    /// All of them.
    Any,
}

/// An entity with its quotas.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityQuotas {
    /// Who.
    pub entity: QuotaEntity,
    /// Names of quotas with their values.
    pub quotas: Vec<(String, f64)>,
}

impl Admin {
    /// The quotas of the entities that have exactly the types of the filter.
    pub async fn describe_client_quotas(&self, filter: &[QuotaFilter]) -> Result<Vec<EntityQuotas>, Error> {
        self.call("describeClientQuotas").until_settled(async |call| try_describe(call, filter).await).await
    }

    /// Sets quotas of an entity, or removes those without value.
    pub async fn alter_client_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &[(String, Option<f64>)],
    ) -> Result<(), Error> {
        self.call("alterClientQuotas").until_settled(async |call| try_alter(call, entity, changes).await).await
    }
}

async fn try_describe(call: &mut Call<'_>, filter: &[QuotaFilter]) -> Result<Vec<EntityQuotas>, Error> {
    let connection = call.connection(Target::Any).await?;
    let component = |part: &QuotaFilter| {
        let (match_type, r#match) = match &part.matches {
            QuotaMatch::Is(name) => (0, Some(name.clone())),
            QuotaMatch::Default => (1, None),
            QuotaMatch::Any => (2, None),
        };
        describe_client_quotas::ComponentData { entity_type: part.entity_type.clone(), match_type, r#match }
    };
    let request = describe_client_quotas::Request { components: filter.iter().map(component).collect(), strict: true };
    let response = call.send::<describe_client_quotas::DescribeClientQuotas>(&connection, &request).await?;
    Error::check_with(response.error_code, response.error_message.as_deref())?;
    let entry = |entry: describe_client_quotas::EntryData| EntityQuotas {
        entity: entry.entity.into_iter().map(|part| (part.entity_type, part.entity_name)).collect(),
        quotas: entry.values.into_iter().map(|quota| (quota.key, quota.value)).collect(),
    };
    Ok(response.entries.unwrap_or_default().into_iter().map(entry).collect())
}

async fn try_alter(call: &mut Call<'_>, entity: &QuotaEntity, changes: &[(String, Option<f64>)]) -> Result<(), Error> {
    let connection = call.connection(Target::Any).await?;
    let parts = entity.iter().map(|(entity_type, entity_name)| alter_client_quotas::EntityData {
        entity_type: entity_type.clone(),
        entity_name: entity_name.clone(),
    });
    let ops = changes.iter().map(|(key, value)| alter_client_quotas::OpData {
        key: key.clone(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    });
    let entry = alter_client_quotas::EntryData { entity: parts.collect(), ops: ops.collect() };
    let request = alter_client_quotas::Request { entries: vec![entry], validate_only: false };
    let response = call.send::<alter_client_quotas::AlterClientQuotas>(&connection, &request).await?;
    let result = response.entries.first().ok_or_else(left_out)?;
    Error::check_with(result.error_code, result.error_message.as_deref())
}
