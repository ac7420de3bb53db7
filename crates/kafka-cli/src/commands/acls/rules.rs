//! From options to rules: which resources, who, what.

use kafka_security::{
    AccessEntry, CLUSTER_NAME, Operation, PatternType, Permission, Principal, ResourceFilter, ResourceType, WILDCARD,
};

use super::Trouble;
use crate::options::Options;

/// What the options ask for: rules by the resources that they are about.
pub(super) type Plan = Vec<(ResourceFilter, Vec<AccessEntry>)>;

/// All resources of all types.
pub(super) fn every_resource() -> ResourceFilter {
    ResourceFilter { resource_type: ResourceType::Any, pattern_type: PatternType::Any, name: None }
}

fn cluster() -> ResourceFilter {
    ResourceFilter {
        resource_type: ResourceType::Cluster,
        pattern_type: PatternType::Literal,
        name: Some(CLUSTER_NAME.to_owned()),
    }
}

/// What is to be added.
pub(super) fn to_add(options: &Options) -> Result<Plan, Trouble> {
    let pattern_type = pattern_type(options)?;
    if !matches!(pattern_type, PatternType::Literal | PatternType::Prefixed) {
        return Err(Trouble::Usage(format!(
            "A '--resource-pattern-type' value of '{pattern_type}' is not valid when adding acls."
        )));
    }
    let plan = plan(options)?;
    if plan.iter().any(|(_, entries)| entries.is_empty()) {
        return Err(Trouble::Usage(
            "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.".to_owned(),
        ));
    }
    Ok(plan)
}

/// What is to be added or removed; what producers and what consumers need are put together.
pub(super) fn plan(options: &Options) -> Result<Plan, Trouble> {
    let mut plan = Plan::new();
    if !options.has("producer") && !options.has("consumer") {
        let operations = options.all("operation");
        let operations: Vec<Operation> = if operations.is_empty() {
            vec![Operation::All]
        } else {
            operations.iter().map(|name| Operation::from_name(name.trim()).unwrap_or(Operation::Unknown)).collect()
        };
        let entries = entries(options, &operations)?;
        for resource in resources(options, true)? {
            put(&mut plan, resource, &entries);
        }
    }
    let needs: [(&str, ResourceType, &[Operation]); 4] = [
        ("producer", ResourceType::Topic, &[Operation::Write, Operation::Describe, Operation::Create]),
        ("producer", ResourceType::TransactionalId, &[Operation::Write, Operation::Describe]),
        ("consumer", ResourceType::Topic, &[Operation::Read, Operation::Describe]),
        ("consumer", ResourceType::Group, &[Operation::Read]),
    ];
    for (_, kind, operations) in needs.into_iter().filter(|(role, ..)| options.has(role)) {
        let entries = entries(options, operations)?;
        for resource in resources(options, true)?.into_iter().filter(|one| one.resource_type == kind) {
            put(&mut plan, resource, &entries);
        }
    }
    if options.has("producer") && options.has("idempotent") {
        put(&mut plan, cluster(), &entries(options, &[Operation::IdempotentWrite])?);
    }
    check_operations(&plan)?;
    Ok(plan)
}

fn put(plan: &mut Plan, resource: ResourceFilter, entries: &[AccessEntry]) {
    match plan.iter_mut().find(|(known, _)| *known == resource) {
        Some((_, known)) => {
            for entry in entries {
                if !known.contains(entry) {
                    known.push(entry.clone());
                }
            }
        }
        None => plan.push((resource, entries.to_vec())),
    }
}

fn check_operations(plan: &Plan) -> Result<(), Trouble> {
    for (resource, entries) in plan {
        let legal = legal_operations(resource.resource_type);
        if entries.iter().any(|entry| !legal.contains(&entry.operation)) {
            let names: Vec<&str> = legal.iter().map(|operation| operation.pascal_name()).collect();
            return Err(Trouble::Usage(format!(
                "ResourceType {} only supports operations {}",
                resource.resource_type,
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// What rules about such resources may say, in the order in which Java's tool tells it.
fn legal_operations(kind: ResourceType) -> Vec<Operation> {
    use Operation::{All, Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write};
    if kind == ResourceType::Topic {
        return vec![Read, All, AlterConfigs, DescribeConfigs, Delete, Write, Alter, Create, Describe];
    }
    kind.operations().iter().copied().chain([All]).collect()
}

/// Who may or may not do these.
fn entries(options: &Options, operations: &[Operation]) -> Result<Vec<AccessEntry>, Trouble> {
    let mut all = Vec::new();
    for (who, from, permission) in
        [("allow-principal", "allow-host", Permission::Allow), ("deny-principal", "deny-host", Permission::Deny)]
    {
        let hosts = if options.has(from) {
            options.all(from).into_iter().map(|host| host.trim().to_owned()).collect()
        } else {
            vec![WILDCARD.to_owned()]
        };
        for principal in principals(options, who)? {
            for operation in operations {
                for host in &hosts {
                    let (principal, host) = (principal.clone(), host.clone());
                    let entry = AccessEntry { principal, host, operation: *operation, permission };
                    if !all.contains(&entry) {
                        all.push(entry);
                    }
                }
            }
        }
    }
    Ok(all)
}

/// The principals that an option names, each once.
pub(super) fn principals(options: &Options, name: &str) -> Result<Vec<String>, Trouble> {
    let mut found: Vec<String> = Vec::new();
    for text in options.all(name) {
        let principal = Principal::parse(text.trim())
            .map_err(|error| Trouble::thrown("java.lang.IllegalArgumentException", error.to_string()))?;
        if !found.contains(&principal.to_string()) {
            found.push(principal.to_string());
        }
    }
    Ok(found)
}

fn pattern_type(options: &Options) -> Result<PatternType, Trouble> {
    const NAME: &str = "resource-pattern-type";
    let Some(text) = options.one(NAME)? else { return Ok(PatternType::Literal) };
    match PatternType::ALL.iter().find(|known| known.upper_name().eq_ignore_ascii_case(text)) {
        Some(known) if *known != PatternType::Unknown => Ok(*known),
        _ => Err(crate::options::OptionError::Unparsable { name: NAME.to_owned(), value: text.to_owned() }.into()),
    }
}

/// The resources that the options name, each once.
pub(super) fn resources(options: &Options, required: bool) -> Result<Vec<ResourceFilter>, Trouble> {
    let pattern_type = pattern_type(options)?;
    let mut found: Vec<ResourceFilter> = Vec::new();
    if pattern_type == PatternType::Literal && (options.has("cluster") || options.has("idempotent")) {
        found.push(cluster());
    }
    for (name, resource_type) in [
        ("topic", ResourceType::Topic),
        ("group", ResourceType::Group),
        ("transactional-id", ResourceType::TransactionalId),
        ("delegation-token", ResourceType::DelegationToken),
        ("user-principal", ResourceType::User),
    ] {
        for text in options.all(name) {
            let filter = ResourceFilter { resource_type, pattern_type, name: Some(text.trim().to_owned()) };
            if !found.contains(&filter) {
                found.push(filter);
            }
        }
    }
    if found.is_empty() && required {
        return Err(Trouble::Usage(
            "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or \
             --delegation-token <Delegation Token ID>"
                .to_owned(),
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::arguments;
    use super::*;

    fn told(line: &str) -> Result<Vec<String>, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = arguments::TABLE.parse(&words).expect("options");
        let plan = to_add(&options).map_err(|trouble| match trouble {
            Trouble::Usage(message) => message,
            Trouble::Thrown { class, message } => format!("{class}: {message}"),
        })?;
        let line = |(filter, entries): &(ResourceFilter, Vec<AccessEntry>)| {
            let entries: Vec<String> =
                entries.iter().map(|entry| format!("{}@{} {}", entry.principal, entry.host, entry.operation)).collect();
            format!("{} {:?} {}: {}", filter.resource_type, filter.name, filter.pattern_type, entries.join(", "))
        };
        Ok(plan.iter().map(line).collect())
    }

    #[test]
    fn what_producers_and_consumers_need_is_put_together() {
        let lines = told("--add --allow-principal User:a --producer --consumer --topic t --group g").expect("legal");
        assert_eq!(
            lines,
            [
                "TOPIC Some(\"t\") LITERAL: User:a@* WRITE, User:a@* DESCRIBE, User:a@* CREATE, User:a@* READ",
                "GROUP Some(\"g\") LITERAL: User:a@* READ"
            ]
        );
        let lines = told("--add --allow-principal User:a --producer --idempotent --topic t --transactional-id x");
        assert_eq!(lines.expect("legal").len(), 3);
    }

    #[test]
    fn every_principal_at_every_host_may_do_every_operation() {
        let line = "--add --allow-principal User:a --deny-principal User:b --deny-host h --deny-host i \
                    --operation read --operation Write --topic t --topic t --cluster";
        assert_eq!(told(line), Err("ResourceType CLUSTER only supports operations Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, All".to_owned()));
        let lines = told(&line.replace(" --cluster", "")).expect("legal");
        let entries = "User:a@* READ, User:a@* WRITE, User:b@h READ, User:b@i READ, User:b@h WRITE, User:b@i WRITE";
        assert_eq!(lines, [format!("TOPIC Some(\"t\") LITERAL: {entries}")]);
    }

    #[test]
    fn mistakes_are_told_as_java_tells_them() {
        let of = |more: &str| told(&format!("--add --topic t {more}")).expect_err(more);
        assert_eq!(of(""), "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.");
        assert!(
            of("--allow-principal User:a --resource-pattern-type Any")
                .starts_with("A '--resource-pattern-type' value of 'ANY'")
        );
        assert_eq!(
            of("--allow-principal User:a --resource-pattern-type unknown"),
            "joptsimple.OptionArgumentConversionException: Cannot parse argument 'unknown' of option resource-pattern-type"
        );
        assert!(of("--allow-principal a").contains("but got a"));
    }
}
