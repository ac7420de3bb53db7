//! Rules and what chooses them.

use std::fmt;

use crate::{Operation, Permission, ResourceFilter, ResourcePattern};

/// What a rule says about the resources it is bound to. Principal and host stay texts: they are compared, not taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessEntry {
    /// Such as `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// An address; `*` is every one.
    pub host: String,
    /// What may or may not be done.
    pub operation: Operation,
    /// Whether it may.
    pub permission: Permission,
}

impl fmt::Display for AccessEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessEntry { principal, host, operation, permission } = self;
        write!(f, "(principal={principal}, host={host}, operation={operation}, permissionType={permission})")
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// On what.
    pub pattern: ResourcePattern,
    /// Says what.
    pub entry: AccessEntry,
}

/// Chooses entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessFilter {
    /// `None` chooses every principal.
    pub principal: Option<String>,
    /// `None` chooses every host.
    pub host: Option<String>,
    /// An operation or `Any`.
    pub operation: Operation,
    /// A permission or `Any`.
    pub permission: Permission,
}

impl AccessFilter {
    /// Chooses everything.
    pub const ANY: AccessFilter =
        AccessFilter { principal: None, host: None, operation: Operation::Any, permission: Permission::Any };

    /// Is this entry chosen?
    pub fn matches(&self, entry: &AccessEntry) -> bool {
        self.principal.as_ref().is_none_or(|principal| *principal == entry.principal)
            && self.host.as_ref().is_none_or(|host| *host == entry.host)
            && (self.operation == Operation::Any || self.operation == entry.operation)
            && (self.permission == Permission::Any || self.permission == entry.permission)
    }
}

/// Chooses rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AclFilter {
    /// By what they are about.
    pub pattern: ResourceFilter,
    /// By what they say.
    pub entry: AccessFilter,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PatternType, ResourceType};

    #[test]
    fn texts_are_those_of_the_tools() {
        let pattern = ResourcePattern::new(ResourceType::TransactionalId, "tx", PatternType::Prefixed);
        assert_eq!(
            pattern.to_string(),
            "ResourcePattern(resourceType=TRANSACTIONAL_ID, name=tx, patternType=PREFIXED)"
        );
        let entry = AccessEntry {
            principal: "User:a".to_owned(),
            host: "*".to_owned(),
            operation: Operation::IdempotentWrite,
            permission: Permission::Allow,
        };
        assert_eq!(entry.to_string(), "(principal=User:a, host=*, operation=IDEMPOTENT_WRITE, permissionType=ALLOW)");
        assert!(AccessFilter::ANY.matches(&entry));
        let other = AccessFilter { permission: Permission::Deny, ..AccessFilter::ANY };
        assert!(!other.matches(&entry));
        assert!(!AccessFilter { host: Some("h".to_owned()), ..AccessFilter::ANY }.matches(&entry));
    }
}
