//! What rules are about.

use std::fmt;

use crate::{PatternType, ResourceType};

/// The name that stands for every name.
pub const WILDCARD: &str = "*";

/// The only name a cluster has.
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// A set of resources: one name, all names, or all that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourcePattern {
    /// Which type of resources.
    pub resource_type: ResourceType,
    /// `Literal` or `Prefixed`.
    pub pattern_type: PatternType,
    /// The name or the prefix.
    pub name: String,
}

impl ResourcePattern {
    /// A pattern.
    pub fn new(resource_type: ResourceType, name: impl Into<String>, pattern_type: PatternType) -> ResourcePattern {
        ResourcePattern { resource_type, pattern_type, name: name.into() }
    }

    /// One resource.
    pub fn literal(resource_type: ResourceType, name: impl Into<String>) -> ResourcePattern {
        ResourcePattern::new(resource_type, name, PatternType::Literal)
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResourcePattern { resource_type, pattern_type, name } = self;
        write!(f, "ResourcePattern(resourceType={resource_type}, name={name}, patternType={pattern_type})")
    }
}

/// Chooses patterns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceFilter {
    /// A type, or `Any`.
    pub resource_type: ResourceType,
    /// A type of pattern, `Any` or `Match`.
    pub pattern_type: PatternType,
    /// `None` chooses every name.
    pub name: Option<String>,
}

impl ResourceFilter {
    /// Is this pattern chosen?
    pub fn matches(&self, pattern: &ResourcePattern) -> bool {
        if self.resource_type != ResourceType::Any && self.resource_type != pattern.resource_type {
            return false;
        }
        let open = matches!(self.pattern_type, PatternType::Any | PatternType::Match);
        if !open && self.pattern_type != pattern.pattern_type {
            return false;
        }
        let Some(name) = &self.name else { return true };
        if self.pattern_type != PatternType::Match {
            return *name == pattern.name;
        }
        match pattern.pattern_type {
            PatternType::Prefixed => name.starts_with(&pattern.name),
            _ => *name == pattern.name || pattern.name == WILDCARD,
        }
    }

    /// The one pattern that this can choose, if it is one.
    pub fn single(&self) -> Option<ResourcePattern> {
        let named = !matches!(self.resource_type, ResourceType::Any | ResourceType::Unknown);
        let exact = matches!(self.pattern_type, PatternType::Literal | PatternType::Prefixed);
        let name = self.name.as_ref().filter(|_| named && exact)?;
        Some(ResourcePattern::new(self.resource_type, name, self.pattern_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose() {
        use PatternType::{Any, Literal, Match, Prefixed};
        let filter = |name: Option<&str>, pattern_type| ResourceFilter {
            resource_type: ResourceType::Topic,
            pattern_type,
            name: name.map(str::to_owned),
        };
        let of = |name: &str, kind| ResourcePattern::new(ResourceType::Topic, name, kind);
        let orders = of("orders", Literal);
        let (all, ord, or_prefix) = (of("*", Literal), of("ord", Prefixed), of("orders", Prefixed));
        let chosen = |filter: ResourceFilter| [&orders, &all, &ord, &or_prefix].map(|pattern| filter.matches(pattern));
        assert_eq!(chosen(filter(Some("orders"), Literal)), [true, false, false, false]);
        assert_eq!(chosen(filter(Some("orders"), Any)), [true, false, false, true]);
        assert_eq!(chosen(filter(Some("orders"), Match)), [true, true, true, true]);
        assert_eq!(chosen(filter(Some("ordinal"), Match)), [false, true, true, false]);
        assert_eq!(chosen(filter(Some("*"), Literal)), [false, true, false, false]);
        assert_eq!(chosen(filter(None, Prefixed)), [false, false, true, true]);
        assert!(!filter(None, Any).matches(&ResourcePattern::literal(ResourceType::Group, "orders")));
        assert_eq!(filter(Some("orders"), Literal).single(), Some(orders));
        assert_eq!(filter(Some("orders"), Any).single(), None);
    }
}
