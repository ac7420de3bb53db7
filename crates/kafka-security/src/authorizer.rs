//! Who may do what: a lookup over a set of rules.

use std::collections::HashSet;

use crate::{AccessEntry, AclSet, Operation, PatternType, Permission, Principal, ResourceType, WILDCARD};

/// Everybody, as rules name it.
const EVERYBODY: &str = "User:*";

/// Who asks, in the texts that rules have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client {
    /// Such as `User:alice`.
    pub principal: String,
    /// An address.
    pub host: String,
}

impl Client {
    /// Somebody at an address.
    pub fn new(principal: &Principal, host: impl Into<String>) -> Client {
        Client { principal: principal.to_string(), host: host.into() }
    }
}

/// The rules with what the broker's settings say about them.
#[derive(Debug, Clone, Default)]
pub struct Authorizer {
    super_users: HashSet<String>,
    allow_if_no_rule: bool,
    /// The rules.
    pub acls: AclSet,
}

impl Authorizer {
    /// Without rules: super users may do everything; others nothing, or with `allow_if_no_rule` whatever no rule is about.
    pub fn new(super_users: &[Principal], allow_if_no_rule: bool) -> Authorizer {
        let super_users = super_users.iter().map(Principal::to_string).collect();
        Authorizer { super_users, allow_if_no_rule, acls: AclSet::default() }
    }

    /// May the client do this with that resource? A rule that denies goes before all that allow.
    pub fn is_allowed(&self, client: &Client, operation: Operation, kind: ResourceType, name: &str) -> bool {
        if self.super_users.contains(&client.principal) {
            return true;
        }
        let (mut has_rules, mut allowed) = (false, false);
        for entry in self.acls.applying(kind, name) {
            has_rules = true;
            if !is_about(entry, client) {
                continue;
            }
            match entry.permission {
                Permission::Deny if covers(entry, operation) => return false,
                Permission::Allow if !allowed => {
                    allowed = operation.implied_by().iter().any(|operation| covers(entry, *operation));
                }
                _ => {}
            }
        }
        allowed || (!has_rules && self.allow_if_no_rule)
    }

    /// What of all that can be done with a resource the client may do, as a set of bits.
    pub fn allowed_operations(&self, client: &Client, kind: ResourceType, name: &str) -> i32 {
        let allowed = kind.operations().iter().filter(|one| self.is_allowed(client, **one, kind, name));
        allowed.fold(0, |bits, operation| bits | operation.bit())
    }

    /// Is there any resource of this type with which the client may do this (KIP-679)? Whoever may write to some topic
    /// may have a producer id.
    pub fn is_allowed_somewhere(&self, client: &Client, operation: Operation, kind: ResourceType) -> bool {
        if self.super_users.contains(&client.principal) {
            return true;
        }
        let with = |permission: Permission, pattern_type: PatternType| {
            let rules = self.acls.of_type(kind, pattern_type);
            rules.filter(move |(_, entries)| {
                let says = |entry: &AccessEntry| {
                    entry.permission == permission && is_about(entry, client) && covers(entry, operation)
                };
                entries.iter().any(says)
            })
        };
        let denied: HashSet<&str> = with(Permission::Deny, PatternType::Literal).map(|(name, _)| name).collect();
        if denied.contains(WILDCARD) {
            return false;
        }
        if self.allow_if_no_rule {
            return true;
        }
        let denied_prefixes: Vec<&str> = with(Permission::Deny, PatternType::Prefixed).map(|(name, _)| name).collect();
        let is_covered = |name: &str| denied_prefixes.iter().any(|prefix| name.starts_with(prefix));
        let open_prefix = with(Permission::Allow, PatternType::Prefixed).any(|(prefix, _)| !is_covered(prefix));
        open_prefix
            || with(Permission::Allow, PatternType::Literal)
                .any(|(name, _)| name == WILDCARD || (!denied.contains(name) && !is_covered(name)))
    }
}

fn is_about(entry: &AccessEntry, client: &Client) -> bool {
    (entry.principal == client.principal || entry.principal == EVERYBODY)
        && (entry.host == client.host || entry.host == WILDCARD)
}

fn covers(entry: &AccessEntry, operation: Operation) -> bool {
    entry.operation == operation || entry.operation == Operation::All
}

#[cfg(test)]
mod tests {
    use Operation::{All, Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write};
    use Permission::{Allow, Deny};

    use super::*;
    use crate::ResourcePattern;

    struct Rules(Authorizer);

    impl Rules {
        fn new(allow_if_no_rule: bool) -> Rules {
            Rules(Authorizer::new(&[Principal::user("root")], allow_if_no_rule))
        }

        fn add(mut self, pattern: &str, who: &str, host: &str, operation: Operation, permission: Permission) -> Rules {
            let pattern = match pattern.strip_suffix("**") {
                Some(prefix) => ResourcePattern::new(ResourceType::Topic, prefix, PatternType::Prefixed),
                None => ResourcePattern::literal(ResourceType::Topic, pattern),
            };
            let mut entries = self.0.acls.get(&pattern).to_vec();
            let (principal, host) = (format!("User:{who}"), host.to_owned());
            entries.push(AccessEntry { principal, host, operation, permission });
            self.0.acls.set(&pattern, entries);
            self
        }

        fn may(&self, who: &str, operation: Operation, topic: &str) -> bool {
            self.0.is_allowed(&at_home(who), operation, ResourceType::Topic, topic)
        }

        fn may_somewhere(&self, who: &str) -> bool {
            self.0.is_allowed_somewhere(&at_home(who), Write, ResourceType::Topic)
        }
    }

    fn at_home(who: &str) -> Client {
        Client::new(&Principal::user(who), "10.0.0.1")
    }

    #[test]
    fn nobody_may_but_super_users() {
        let rules = Rules::new(false);
        assert!(!rules.may("a", Read, "t") && rules.may("root", Read, "t"));
        let rules = rules.add("t", "*", "*", All, Deny);
        assert!(rules.may("root", Read, "t"));
    }

    #[test]
    fn a_refusal_goes_before_every_permission() {
        let rules = Rules::new(false).add("t", "a", "*", All, Allow).add("*", "*", "*", Write, Deny);
        assert!(rules.may("a", Read, "t") && rules.may("a", Describe, "t") && !rules.may("a", Write, "t"));
        let rules = Rules::new(false).add("*", "a", "*", Read, Allow).add("te**", "a", "10.0.0.1", All, Deny);
        assert!(rules.may("a", Read, "t") && !rules.may("a", Read, "test"));
        let rules = Rules::new(false).add("t", "a", "*", Read, Allow).add("t", "a", "10.0.0.2", Read, Deny);
        assert!(rules.may("a", Read, "t"), "refused at another host");
    }

    #[test]
    fn permissions_imply_describing_and_refusals_do_not() {
        for operation in [Read, Write, Delete, Alter, Describe, All] {
            assert!(Rules::new(false).add("t", "a", "*", operation, Allow).may("a", Describe, "t"), "{operation}");
        }
        for operation in [Create, DescribeConfigs, AlterConfigs] {
            assert!(!Rules::new(false).add("t", "a", "*", operation, Allow).may("a", Describe, "t"), "{operation}");
        }
        assert!(Rules::new(false).add("t", "a", "*", AlterConfigs, Allow).may("a", DescribeConfigs, "t"));
        let rules = Rules::new(false).add("t", "a", "*", Read, Deny).add("t", "a", "*", Describe, Allow);
        assert!(rules.may("a", Describe, "t"));
    }

    #[test]
    fn whatever_has_no_rule_may_be_open() {
        let rules = Rules::new(true).add("t", "a", "*", Read, Allow).add("pre**", "b", "*", Read, Deny);
        assert!(rules.may("b", Read, "other"));
        assert!(!rules.may("b", Read, "t") && !rules.may("a", Write, "t"), "a rule closes it for all others");
        assert!(!rules.may("c", Read, "prefix"));
    }

    #[test]
    fn operations_are_bits() {
        let rules = Rules::new(false).add("t", "a", "*", Write, Allow);
        let bits = rules.0.allowed_operations(&at_home("a"), ResourceType::Topic, "t");
        assert_eq!(bits, Write.bit() | Describe.bit());
        assert_eq!(rules.0.allowed_operations(&at_home("root"), ResourceType::Topic, "t"), 0b1101_1111_1000);
    }

    #[test]
    fn somewhere_is_where_no_refusal_covers_it() {
        assert!(!Rules::new(false).may_somewhere("a"));
        assert!(Rules::new(false).may_somewhere("root"));
        assert!(Rules::new(true).may_somewhere("a"));
        assert!(!Rules::new(true).add("*", "*", "*", Write, Deny).may_somewhere("a"));
        let one = Rules::new(false).add("t", "a", "*", Write, Allow);
        assert!(one.may_somewhere("a") && !one.may_somewhere("b"));
        assert!(!one.add("t", "*", "*", All, Deny).may_somewhere("a"));
        let prefix = Rules::new(false).add("te**", "a", "*", All, Allow);
        assert!(prefix.may_somewhere("a"));
        let prefix = prefix.add("tes**", "a", "*", Write, Deny);
        assert!(prefix.may_somewhere("a"), "`te` itself is still open");
        assert!(!prefix.add("t**", "a", "*", Write, Deny).may_somewhere("a"));
        let literal = Rules::new(false).add("test", "a", "*", Write, Allow).add("t**", "a", "*", Write, Deny);
        assert!(!literal.may_somewhere("a"));
        let all = Rules::new(false).add("*", "a", "*", Write, Allow).add("t**", "a", "*", Write, Deny);
        assert!(all.may_somewhere("a"));
    }
}
