//! The four enumerations of access rules, each with its number on the wire and its names in texts.

use std::fmt;

/// An enumeration with Kafka's codes. `UPPER_CASE` is what tools print, `PascalCase` what the coordination server keeps.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $upper:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $variant = $code,)+
        }

        impl $name {
            /// All of them, in the order of their codes.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// From the number on the wire; one that nobody knows is `Unknown`.
            pub fn from_code(code: i8) -> $name {
                match code {
                    $($code => $name::$variant,)+
                    _ => $name::Unknown,
                }
            }

            /// The number on the wire.
            pub fn code(self) -> i8 {
                self as i8
            }

            /// Such as `CLUSTER_ACTION`.
            pub fn upper_name(self) -> &'static str {
                match self {
                    $($name::$variant => $upper,)+
                }
            }

            /// Such as `ClusterAction`.
            pub fn pascal_name(self) -> &'static str {
                match self {
                    $($name::$variant => stringify!($variant),)+
                }
            }

            /// From either kind of name, in any case; `None` if nothing is called so.
            pub fn from_name(name: &str) -> Option<$name> {
                let is_named = |one: &$name| {
                    one.upper_name().eq_ignore_ascii_case(name) || one.pascal_name().eq_ignore_ascii_case(name)
                };
                $name::ALL.iter().copied().find(is_named)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.upper_name())
            }
        }
    };
}

codes! {
    /// What a rule is about.
    ResourceType {
        /// Some code of a later time.
        Unknown = 0, "UNKNOWN";
        /// In filters: all of them.
        Any = 1, "ANY";
        /// A topic.
        Topic = 2, "TOPIC";
        /// A consumer group.
        Group = 3, "GROUP";
        /// The cluster; its only name is [`crate::CLUSTER_NAME`].
        Cluster = 4, "CLUSTER";
        /// A transactional id.
        TransactionalId = 5, "TRANSACTIONAL_ID";
        /// The id of a delegation token.
        DelegationToken = 6, "DELEGATION_TOKEN";
        /// A principal that tokens are made for (KIP-373).
        User = 7, "USER";
    }
}

codes! {
    /// How the name in a rule is meant (KIP-290).
    PatternType {
        /// Some code of a later time.
        Unknown = 0, "UNKNOWN";
        /// In filters: every pattern of exactly that name.
        Any = 1, "ANY";
        /// In filters: every pattern that a resource of that name falls under.
        Match = 2, "MATCH";
        /// The name itself; `*` is every name.
        Literal = 3, "LITERAL";
        /// All names that begin so.
        Prefixed = 4, "PREFIXED";
    }
}

codes! {
    /// What is done.
    Operation {
        /// Some code of a later time.
        Unknown = 0, "UNKNOWN";
        /// In filters: all of them.
        Any = 1, "ANY";
        /// In rules: all of them.
        All = 2, "ALL";
        /// Fetch records, join groups, commit offsets.
        Read = 3, "READ";
        /// Produce.
        Write = 4, "WRITE";
        /// Create topics.
        Create = 5, "CREATE";
        /// Delete topics, records, groups.
        Delete = 6, "DELETE";
        /// Change what there is.
        Alter = 7, "ALTER";
        /// Learn that it exists.
        Describe = 8, "DESCRIBE";
        /// What brokers ask of each other.
        ClusterAction = 9, "CLUSTER_ACTION";
        /// Read settings.
        DescribeConfigs = 10, "DESCRIBE_CONFIGS";
        /// Change settings.
        AlterConfigs = 11, "ALTER_CONFIGS";
        /// Produce with a producer id.
        IdempotentWrite = 12, "IDEMPOTENT_WRITE";
        /// Make delegation tokens for others.
        CreateTokens = 13, "CREATE_TOKENS";
        /// See delegation tokens of others.
        DescribeTokens = 14, "DESCRIBE_TOKENS";
    }
}

codes! {
    /// Whether a rule gives or takes.
    Permission {
        /// Some code of a later time.
        Unknown = 0, "UNKNOWN";
        /// In filters: both.
        Any = 1, "ANY";
        /// Takes, and goes before every rule that gives.
        Deny = 2, "DENY";
        /// Gives.
        Allow = 3, "ALLOW";
    }
}

impl ResourceType {
    /// What can be done with resources of this type, in the order of the operations' codes.
    pub fn operations(self) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs,
            DescribeTokens, IdempotentWrite, Read, Write,
        };
        match self {
            ResourceType::Topic => &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs],
            ResourceType::Group => &[Read, Delete, Describe],
            ResourceType::Cluster => {
                &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite]
            }
            ResourceType::TransactionalId => &[Write, Describe],
            ResourceType::DelegationToken => &[Describe],
            ResourceType::User => &[CreateTokens, DescribeTokens],
            ResourceType::Unknown | ResourceType::Any => &[],
        }
    }

    /// The types that rules can be about.
    pub fn concrete() -> impl Iterator<Item = ResourceType> {
        ResourceType::ALL.iter().copied().filter(|one| !matches!(one, ResourceType::Unknown | ResourceType::Any))
    }
}

impl Operation {
    /// What one needs to be allowed, any of it, to do this. Refusals are not inherited.
    pub fn implied_by(self) -> &'static [Operation] {
        use Operation::{
            All, Alter, AlterConfigs, Any, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs,
            DescribeTokens, IdempotentWrite, Read, Unknown, Write,
        };
        match self {
            Describe => &[Describe, Read, Write, Delete, Alter],
            DescribeConfigs => &[DescribeConfigs, AlterConfigs],
            Read => &[Read],
            Write => &[Write],
            Create => &[Create],
            Delete => &[Delete],
            Alter => &[Alter],
            ClusterAction => &[ClusterAction],
            AlterConfigs => &[AlterConfigs],
            IdempotentWrite => &[IdempotentWrite],
            CreateTokens => &[CreateTokens],
            DescribeTokens => &[DescribeTokens],
            All | Any | Unknown => &[],
        }
    }

    /// This operation in a set of bits, as responses tell what is authorized (KIP-430).
    pub fn bit(self) -> i32 {
        1 << self.code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back() {
        for one in Operation::ALL {
            assert_eq!(Operation::from_code(one.code()), *one);
            assert_eq!(Operation::from_name(one.upper_name()), Some(*one));
            assert_eq!(Operation::from_name(one.pascal_name()), Some(*one));
        }
        assert_eq!(Operation::from_name("clusteraction"), Some(Operation::ClusterAction));
        assert_eq!(ResourceType::from_code(99), ResourceType::Unknown);
        assert_eq!(ResourceType::from_name("TransactionalId"), Some(ResourceType::TransactionalId));
        assert_eq!(PatternType::from_name("prefix"), None);
    }

    #[test]
    fn bits_are_those_of_the_protocol() {
        let bits = |kind: ResourceType| kind.operations().iter().fold(0, |bits, one| bits | one.bit());
        assert_eq!(bits(ResourceType::Topic), 0b1101_1111_1000);
        assert_eq!(bits(ResourceType::Cluster), 0b1_1111_1010_0000);
        assert_eq!(bits(ResourceType::Group), (1 << 3) | (1 << 6) | (1 << 8));
    }
}
