//! Access rules: found, added, removed. Any broker answers.

use kafka_security::{
    AccessEntry, AclBinding, AclFilter, Operation, PatternType, Permission, ResourcePattern, ResourceType,
};
use kafka_wire::create_acls::{self, AclCreation};
use kafka_wire::delete_acls::{self, DeleteAclsFilter, DeleteAclsFilterResult};
use kafka_wire::describe_acls;

use super::Admin;
use super::call::{Call, Target};
use crate::error::Error;

impl Admin {
    /// The rules that a filter chooses.
    ///
    /// # Errors
    /// The cluster has no authorizer, the client may not know its rules, or nobody answers in time.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclBinding>, Error> {
        let request = describe_acls::Request {
            resource_type_filter: filter.pattern.resource_type.code(),
            resource_name_filter: filter.pattern.name.clone(),
            pattern_type_filter: filter.pattern.pattern_type.code(),
            principal_filter: filter.entry.principal.clone(),
            host_filter: filter.entry.host.clone(),
            operation: filter.entry.operation.code(),
            permission_type: filter.entry.permission.code(),
        };
        let response = self.ask_any::<describe_acls::DescribeAcls>("describeAcls", &request).await?;
        Error::check_with(response.error_code, response.error_message.as_deref())?;
        let rules = response.resources.into_iter().flat_map(|resource| {
            let pattern = ResourcePattern::new(
                ResourceType::from_code(resource.resource_type),
                resource.resource_name,
                PatternType::from_code(resource.pattern_type),
            );
            resource.acls.into_iter().map(move |acl| AclBinding {
                pattern: pattern.clone(),
                entry: AccessEntry {
                    principal: acl.principal,
                    host: acl.host,
                    operation: Operation::from_code(acl.operation),
                    permission: Permission::from_code(acl.permission_type),
                },
            })
        });
        Ok(rules.collect())
    }

    /// Adds rules; those that are there stay.
    ///
    /// # Errors
    /// Nobody answers in time; or the first rule that was refused, in the order of the call.
    pub async fn create_acls(&self, bindings: &[AclBinding]) -> Result<(), Error> {
        let creation = |binding: &AclBinding| AclCreation {
            resource_type: binding.pattern.resource_type.code(),
            resource_name: binding.pattern.name.clone(),
            resource_pattern_type: binding.pattern.pattern_type.code(),
            principal: binding.entry.principal.clone(),
            host: binding.entry.host.clone(),
            operation: binding.entry.operation.code(),
            permission_type: binding.entry.permission.code(),
        };
        let request = create_acls::Request { creations: bindings.iter().map(creation).collect() };
        let response = self.ask_any::<create_acls::CreateAcls>("createAcls", &request).await?;
        response.results.iter().try_for_each(|one| Error::check_with(one.error_code, one.error_message.as_deref()))
    }

    /// Removes the rules that filters choose; returns how many each has removed.
    ///
    /// # Errors
    /// Nobody answers in time; or the first rule that could not be removed, in the order of the filters.
    pub async fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<usize>, Error> {
        let filter = |filter: &AclFilter| DeleteAclsFilter {
            resource_type_filter: filter.pattern.resource_type.code(),
            resource_name_filter: filter.pattern.name.clone(),
            pattern_type_filter: filter.pattern.pattern_type.code(),
            principal_filter: filter.entry.principal.clone(),
            host_filter: filter.entry.host.clone(),
            operation: filter.entry.operation.code(),
            permission_type: filter.entry.permission.code(),
        };
        let request = delete_acls::Request { filters: filters.iter().map(filter).collect() };
        let response = self.ask_any::<delete_acls::DeleteAcls>("deleteAcls", &request).await?;
        response.filter_results.iter().map(removed).collect()
    }

    async fn ask_any<A: kafka_wire::Api>(
        &self,
        name: &'static str,
        request: &A::Request,
    ) -> Result<A::Response, Error> {
        let attempt = async |call: &mut Call<'_>| {
            let connection = call.connection(Target::Any).await?;
            call.send::<A>(&connection, request).await
        };
        self.call(name).until_settled(attempt).await
    }
}

fn removed(result: &DeleteAclsFilterResult) -> Result<usize, Error> {
    Error::check_with(result.error_code, result.error_message.as_deref())?;
    for acl in &result.matching_acls {
        Error::check_with(acl.error_code, acl.error_message.as_deref())?;
    }
    Ok(result.matching_acls.len())
}
