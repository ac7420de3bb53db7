//! `/kafka-acl`, `/kafka-acl-extended` and their notices: who may do what.

use kafka_security::{AccessEntry, Operation, PatternType, Permission, ResourcePattern, ResourceType};
use serde::{Deserialize, Serialize};

use super::{ZnodeError, from_json, to_json};

/// Parent of the ACLs on literal names: `/kafka-acl/Topic/name`.
pub const LITERAL: &str = "/kafka-acl";
/// Parent of the ACLs on prefixes: `/kafka-acl-extended/prefixed/Topic/name`.
pub const PREFIXED: &str = "/kafka-acl-extended/prefixed";
/// Parent of the notices about literal ACLs.
pub const CHANGES: &str = "/kafka-acl-changes";
/// Parent of the notices about prefixed ACLs.
pub const EXTENDED_CHANGES: &str = "/kafka-acl-extended-changes";
/// What the names of notices begin with; the server appends a number.
pub const CHANGE_PREFIX: &str = "acl_changes_";

/// Where the rules on all patterns of a type lie.
pub fn parent(resource_type: ResourceType, pattern_type: PatternType) -> String {
    let root = if pattern_type == PatternType::Prefixed { PREFIXED } else { LITERAL };
    format!("{root}/{}", resource_type.pascal_name())
}

/// Where the rules on a pattern lie.
pub fn path(pattern: &ResourcePattern) -> String {
    format!("{}/{}", parent(pattern.resource_type, pattern.pattern_type), pattern.name)
}

/// The paths that an authorizer creates at its start if they are not there (no data), parents first.
pub fn persistent_paths() -> Vec<String> {
    let mut paths = vec![CHANGES.to_owned(), EXTENDED_CHANGES.to_owned()];
    paths.extend([LITERAL, "/kafka-acl-extended", PREFIXED].map(str::to_owned));
    for pattern_type in [PatternType::Literal, PatternType::Prefixed] {
        paths.extend(ResourceType::concrete().map(|kind| parent(kind, pattern_type)));
    }
    paths
}

#[derive(Serialize, Deserialize)]
struct JsonEntry {
    principal: String,
    #[serde(rename = "permissionType")]
    permission: String,
    host: String,
    operation: String,
}

#[derive(Serialize, Deserialize)]
struct Json {
    acls: Vec<JsonEntry>,
    version: i32,
}

/// Data of a resource's rules.
pub fn encode(rules: &[AccessEntry]) -> Vec<u8> {
    let acls = rules.iter().map(|rule| JsonEntry {
        principal: rule.principal.clone(),
        permission: rule.permission.pascal_name().to_owned(),
        host: rule.host.clone(),
        operation: rule.operation.pascal_name().to_owned(),
    });
    to_json(&Json { acls: acls.collect(), version: 1 })
}

/// A resource's rules; a node without data has none. An operation or permission that nobody knows becomes one that
/// nothing matches.
pub fn decode(data: &[u8]) -> Result<Vec<AccessEntry>, ZnodeError> {
    const WHAT: &str = "rules in /kafka-acl";
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let json: Json = from_json(WHAT, data)?;
    if json.version != 1 {
        return Err(ZnodeError::version(WHAT, json.version));
    }
    let rule = |entry: JsonEntry| AccessEntry {
        principal: entry.principal,
        host: entry.host,
        operation: Operation::from_name(&entry.operation).unwrap_or(Operation::Unknown),
        permission: Permission::from_name(&entry.permission).unwrap_or(Permission::Unknown),
    };
    Ok(json.acls.into_iter().map(rule).collect())
}

/// Which pattern a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclChange {
    /// The pattern.
    pub pattern: ResourcePattern,
}

#[derive(Serialize, Deserialize)]
struct JsonChange {
    version: i32,
    #[serde(rename = "resourceType")]
    resource_type: String,
    name: String,
    #[serde(rename = "patternType")]
    pattern_type: String,
}

impl AclChange {
    /// Path of the notice up to the number that the server appends.
    pub fn path_prefix(&self) -> String {
        let literal = self.pattern.pattern_type == PatternType::Literal;
        format!("{}/{CHANGE_PREFIX}", if literal { CHANGES } else { EXTENDED_CHANGES })
    }

    /// Data of the notice: text for literal names, JSON for prefixes.
    pub fn encode(&self) -> Vec<u8> {
        let ResourcePattern { resource_type, pattern_type, name } = &self.pattern;
        if *pattern_type == PatternType::Literal {
            return format!("{resource_type}:{name}").into_bytes();
        }
        to_json(&JsonChange {
            version: 1,
            resource_type: resource_type.to_string(),
            name: name.clone(),
            pattern_type: pattern_type.to_string(),
        })
    }

    /// Reads either form.
    pub fn decode(data: &[u8]) -> Result<AclChange, ZnodeError> {
        const WHAT: &str = "notice about a rule";
        let unknown = |text: &str| ZnodeError::new(WHAT, format!("{text} is not known"));
        let kind = |text: &str| ResourceType::from_name(text).ok_or_else(|| unknown(text));
        if data.first() == Some(&b'{') {
            let json: JsonChange = from_json(WHAT, data)?;
            let pattern_type = PatternType::from_name(&json.pattern_type).ok_or_else(|| unknown(&json.pattern_type))?;
            return Ok(AclChange {
                pattern: ResourcePattern::new(kind(&json.resource_type)?, json.name, pattern_type),
            });
        }
        let text = std::str::from_utf8(data).map_err(|error| ZnodeError::new(WHAT, error))?;
        let (resource_type, name) = text.split_once(':').ok_or_else(|| ZnodeError::new(WHAT, "it has no `:`"))?;
        Ok(AclChange { pattern: ResourcePattern::literal(kind(resource_type)?, name) })
    }
}
