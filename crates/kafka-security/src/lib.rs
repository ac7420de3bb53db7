//! Who may do what, as values: principals, access rules, and the lookup that decides.
//!
//! Rules bind a *resource pattern* (a name, a prefix, or all resources of a type) to an *entry* (principal, host, operation,
//! allow or deny). [`Authorizer`] answers from a set of them without I/O; who keeps the set is the broker.
//! The codes on the wire and the names in texts are Kafka's (KIP-11, KIP-290, KIP-679).
#![deny(missing_docs)]

mod acl;
mod acl_set;
mod authorizer;
mod codes;
mod principal;
mod resource;

pub use acl::{AccessEntry, AccessFilter, AclBinding, AclFilter};
pub use acl_set::AclSet;
pub use authorizer::{Authorizer, Client};
pub use codes::{Operation, PatternType, Permission, ResourceType};
pub use principal::{Principal, PrincipalError, host_address, super_users};
pub use resource::{CLUSTER_NAME, ResourceFilter, ResourcePattern, WILDCARD};
