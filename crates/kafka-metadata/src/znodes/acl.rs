//! `/kafka-acl`, `/kafka-acl-extended` and their notices: who may do what. Names of operations, types and patterns stay
//! texts here; what they mean is for those who check them.

use serde::{Deserialize, Serialize};

use super::{ZnodeError, from_json, to_json};

/// Parent of the ACLs on literal names: `/kafka-acl/Topic/name`.
pub const LITERAL: &str = "/kafka-acl";
/// Parent of the ACLs on prefixes: `/kafka-acl-extended/prefixed/Topic/name`.
pub const PREFIXED: &str = "/kafka-acl-extended/prefixed";
/// Path of a notice about a literal ACL (data: `TOPIC:name`) up to the number that the server appends.
pub const CHANGE_PREFIX: &str = "/kafka-acl-changes/acl_changes_";
/// Path of a notice about a prefixed ACL up to the number that the server appends.
pub const EXTENDED_CHANGE_PREFIX: &str = "/kafka-acl-extended-changes/acl_changes_";

/// One rule on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AclEntry {
    /// Such as `User:alice`.
    pub principal: String,
    /// `Allow` or `Deny`.
    #[serde(rename = "permissionType")]
    pub permission: String,
    /// An address, or `*`.
    pub host: String,
    /// Such as `Read`.
    pub operation: String,
}

#[derive(Serialize, Deserialize)]
struct Json {
    acls: Vec<AclEntry>,
    version: i32,
}

/// Data of a resource's rules.
pub fn encode(rules: &[AclEntry]) -> Vec<u8> {
    to_json(&Json { acls: rules.to_vec(), version: 1 })
}

/// A resource's rules; a node without data has none.
pub fn decode(data: &[u8]) -> Result<Vec<AclEntry>, ZnodeError> {
    const WHAT: &str = "rules in /kafka-acl";
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let json: Json = from_json(WHAT, data)?;
    if json.version == 1 { Ok(json.acls) } else { Err(ZnodeError::version(WHAT, json.version)) }
}

/// Which resource a notice is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclChange {
    version: i32,
    /// Such as `TOPIC`.
    #[serde(rename = "resourceType")]
    pub resource_type: String,
    /// The resource's name, or the prefix.
    pub name: String,
    /// `LITERAL` or `PREFIXED`.
    #[serde(rename = "patternType")]
    pub pattern_type: String,
}

impl AclChange {
    /// A notice about one resource.
    pub fn new(resource_type: &str, name: &str, pattern_type: &str) -> AclChange {
        AclChange {
            version: 1,
            resource_type: resource_type.to_owned(),
            name: name.to_owned(),
            pattern_type: pattern_type.to_owned(),
        }
    }

    /// Data of the notice: text for literal names, JSON for prefixes.
    pub fn encode(&self) -> Vec<u8> {
        if self.pattern_type == "LITERAL" {
            format!("{}:{}", self.resource_type, self.name).into_bytes()
        } else {
            to_json(self)
        }
    }

    /// Reads either form.
    pub fn decode(data: &[u8]) -> Result<AclChange, ZnodeError> {
        const WHAT: &str = "notice about a rule";
        if data.first() == Some(&b'{') {
            return from_json(WHAT, data);
        }
        let text = std::str::from_utf8(data).map_err(|error| ZnodeError::new(WHAT, error))?;
        match text.split_once(':') {
            Some((kind, name)) => Ok(AclChange::new(kind, name, "LITERAL")),
            None => Err(ZnodeError::new(WHAT, "it has no `:`")),
        }
    }
}
