//! Settings of topics, brokers and loggers, changed one by one (KIP-339).

use kafka_wire::incremental_alter_configs as wire;

use super::Admin;
use super::call::Call;
use super::configs::ConfigResource;
use super::topics::left_out;
use crate::error::Error;

/// What is to be done with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterConfig {
    /// Give it this value.
    Set(String, String),
    /// Back to what stands behind it.
    Delete(String),
}

impl Admin {
    /// Changes settings of one resource: all of them, or none.
    pub async fn alter_config(&self, resource: &ConfigResource, changes: &[AlterConfig]) -> Result<(), Error> {
        let call = self.call("incrementalAlterConfigs");
        call.until_settled(async |call| try_alter(call, resource, changes).await).await?
    }
}

/// What is said of the resource is final, as for Java's client: only a call that did not get that far is made again.
async fn try_alter(
    call: &mut Call<'_>,
    resource: &ConfigResource,
    changes: &[AlterConfig],
) -> Result<Result<(), Error>, Error> {
    let connection = call.connection(resource.target()).await?;
    let (resource_type, resource_name) = resource.wire();
    let configs = changes.iter().map(|change| match change {
        AlterConfig::Set(name, value) => {
            wire::AlterableConfig { name: name.clone(), config_operation: 0, value: Some(value.clone()) }
        }
        AlterConfig::Delete(name) => wire::AlterableConfig { name: name.clone(), config_operation: 1, value: None },
    });
    let altered = wire::AlterConfigsResource { resource_type, resource_name, configs: configs.collect() };
    let request = wire::Request { resources: vec![altered], validate_only: false };
    let response = call.send::<wire::IncrementalAlterConfigs>(&connection, &request).await?;
    let result = response.responses.first().ok_or_else(left_out)?;
    Ok(Error::check_with(result.error_code, result.error_message.as_deref()))
}
