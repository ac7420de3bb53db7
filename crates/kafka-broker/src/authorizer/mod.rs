//! AclAuthorizer: the rules of the cluster as this broker knows them, kept in ZooKeeper, held in memory.
//!
//! Requests are decided from memory only. The authorizer has a session of its own, as Apache's has: its rules may lie in
//! another ensemble (`authorizer.zookeeper.url`), and the broker's expiry does not concern it.

mod changes;
mod store;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Result, anyhow};
use kafka_metadata::BrokerConfig;
use kafka_security::{AccessEntry, AclBinding, AclFilter, Authorizer, Principal, ResourcePattern, super_users};
use kafka_types::ErrorCode;
use tracing::{error, info};
use zk_client::Options;

pub(crate) use changes::start;

use crate::zookeeper::{self, ZooKeeper};

/// Where one setting of ours goes before one of the broker's.
const PREFIX: &str = "authorizer.";

/// Rules, and the way to change them.
pub(crate) struct AclAuthorizer {
    zookeeper: ZooKeeper,
    rules: RwLock<Arc<Authorizer>>,
    /// How often the rules have changed.
    changes: AtomicU64,
    /// Versions of the znodes that the rules were read from. Who holds this may change the rules.
    versions: tokio::sync::Mutex<HashMap<ResourcePattern, i32>>,
}

/// Why a rule was not added or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

/// What became of one filter of a deletion: the rules that it, before the others, removed; and those that it could not.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    pub(crate) removed: Vec<AclBinding>,
    pub(crate) failed: Vec<AclBinding>,
}

impl AclAuthorizer {
    /// The rules of this moment.
    pub(crate) fn rules(&self) -> Arc<Authorizer> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Authorizer)) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut rules));
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How often the rules have changed, read before the rules themselves.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Adds rules; one answer for each.
    pub(crate) async fn create(&self, bindings: &[AclBinding]) -> Vec<Result<(), Refused>> {
        let mut answers: Vec<Result<(), Refused>> = bindings.iter().map(check).collect();
        let mut groups: Vec<(&ResourcePattern, Vec<usize>)> = Vec::new();
        let mut places: HashMap<&ResourcePattern, usize> = HashMap::new();
        for (index, binding) in bindings.iter().enumerate().filter(|(index, _)| answers[*index].is_ok()) {
            let place = *places.entry(&binding.pattern).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, members)) => members.push(index),
                None => groups.push((&binding.pattern, vec![index])),
            }
        }
        for (pattern, members) in groups {
            let added = members.iter().map(|index| &bindings[*index].entry);
            let outcome = match added.clone().find(|entry| Principal::parse(&entry.principal).is_err()) {
                Some(_) => Err(ErrorCode::UnknownServerError),
                None => self.update(pattern, |current| with(current, added.clone())).await,
            };
            if let Err(code) = outcome {
                for index in members {
                    answers[index] = Err(Refused { code, message: None });
                }
            }
        }
        answers
    }

    /// Removes what filters choose; one answer for each filter. A rule that several choose is told of with the first.
    pub(crate) async fn delete(&self, filters: &[AclFilter]) -> Vec<Deleted> {
        let rules = self.rules();
        let mut patterns: Vec<ResourcePattern> = rules.acls.patterns().map(|(pattern, _)| pattern).collect();
        // What another broker has just added may be named without being known here.
        let named = filters.iter().filter_map(|filter| filter.pattern.single());
        patterns.extend(named.filter(|pattern| rules.acls.get(pattern).is_empty()));
        patterns.sort();
        patterns.dedup();
        let mut answers: Vec<Deleted> = filters.iter().map(|_| Deleted::default()).collect();
        for pattern in patterns {
            let matching: Vec<(usize, &AclFilter)> =
                filters.iter().enumerate().filter(|(_, filter)| filter.pattern.matches(&pattern)).collect();
            if matching.is_empty() {
                continue;
            }
            let mut removed: Vec<(usize, AccessEntry)> = Vec::new();
            let outcome = self.update(&pattern, |current| keep(current, &matching, &mut removed)).await;
            for (filter, entry) in removed {
                let binding = AclBinding { pattern: pattern.clone(), entry };
                match outcome {
                    Ok(()) => answers[filter].removed.push(binding),
                    Err(_) => answers[filter].failed.push(binding),
                }
            }
        }
        answers
    }
}

/// What is wrong with a rule before anything is looked up.
fn check(binding: &AclBinding) -> Result<(), Refused> {
    use kafka_security::{Operation, PatternType, Permission, ResourceType};
    let AclBinding { pattern, entry } = binding;
    let is_unknown = pattern.resource_type == ResourceType::Unknown
        || pattern.pattern_type == PatternType::Unknown
        || entry.operation == Operation::Unknown
        || entry.permission == Permission::Unknown;
    if is_unknown || pattern.name.contains('/') {
        return Err(Refused { code: ErrorCode::InvalidRequest, message: Some("Failed to create ACL".to_owned()) });
    }
    Ok(())
}

fn with<'a>(current: &[AccessEntry], added: impl Iterator<Item = &'a AccessEntry>) -> Vec<AccessEntry> {
    let mut all = current.to_vec();
    for entry in added {
        if !all.contains(entry) {
            all.push(entry.clone());
        }
    }
    all
}

/// What no filter chooses. What one chooses is added to `removed`, once, also if this is called again with other rules:
/// an attempt whose answer was lost may have been the one that removed it.
fn keep(
    current: &[AccessEntry],
    filters: &[(usize, &AclFilter)],
    removed: &mut Vec<(usize, AccessEntry)>,
) -> Vec<AccessEntry> {
    let mut kept = Vec::new();
    for entry in current {
        match filters.iter().find(|(_, filter)| filter.entry.matches(entry)) {
            None => kept.push(entry.clone()),
            Some((index, _)) => {
                if !removed.iter().any(|(_, known)| known == entry) {
                    removed.push((*index, entry.clone()));
                }
            }
        }
    }
    kept
}

/// What the settings say: users above all rules, and what holds without rules.
fn empty_rules(config: &BrokerConfig) -> Result<Authorizer> {
    let super_users = super_users(config.text("super.users").unwrap_or_default())
        .map_err(|error| anyhow!("java.lang.IllegalArgumentException: {error}\n(super.users)"))?;
    let open = config.text("allow.everyone.if.no.acl.found").map_or("false", str::trim);
    let open = match open.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        _ => {
            let message = format!("java.lang.IllegalArgumentException: For input string: \"{open}\"");
            return Err(anyhow!("{message}\n(allow.everyone.if.no.acl.found)"));
        }
    };
    Ok(Authorizer::new(&super_users, open))
}

/// How to reach the ensemble with the rules, and for how long to try.
fn options(config: &BrokerConfig, seed: u64) -> Result<(Options, Duration)> {
    let url = config.text("authorizer.zookeeper.url").unwrap_or(&config.zookeeper_connect);
    let millis = |name: &str, otherwise: i32| -> Result<u64> {
        let Some(text) = config.text(&format!("{PREFIX}{name}")) else { return Ok(otherwise.max(1) as u64) };
        let number: Result<i32, _> = text.trim().parse();
        number
            .map(|millis| millis.max(1) as u64)
            .map_err(|_| anyhow!("java.lang.NumberFormatException: For input string: \"{text}\"\n({PREFIX}{name})"))
    };
    let mut options =
        zookeeper::options_for(url, |name| config.text(&format!("{PREFIX}{name}")).or_else(|| config.text(name)))?;
    options.session_timeout_ms = millis("zookeeper.session.timeout.ms", config.zookeeper_session_timeout_ms)? as u32;
    options.seed = seed;
    let patience = millis("zookeeper.connection.timeout.ms", config.zookeeper_connection_timeout_ms)?;
    Ok((options, Duration::from_millis(patience)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_security::{AccessFilter, Operation, PatternType, Permission, ResourceFilter, ResourceType};
    use properties::Properties;

    fn entry(who: &str, operation: Operation) -> AccessEntry {
        AccessEntry { principal: format!("User:{who}"), host: "*".to_owned(), operation, permission: Permission::Allow }
    }

    #[test]
    fn a_removed_rule_is_told_once_and_with_the_first_filter() {
        let pattern = ResourceFilter { resource_type: ResourceType::Any, pattern_type: PatternType::Any, name: None };
        let filter = |entry| AclFilter { pattern: pattern.clone(), entry };
        let of_a = filter(AccessFilter { principal: Some("User:a".to_owned()), ..AccessFilter::ANY });
        let reads = filter(AccessFilter { operation: Operation::Read, ..AccessFilter::ANY });
        let current = [entry("a", Operation::Read), entry("b", Operation::Read), entry("b", Operation::Write)];
        let (filters, mut removed) = ([(0, &of_a), (1, &reads)], Vec::new());
        let kept = keep(&current, &filters, &mut removed);
        assert_eq!(kept, [entry("b", Operation::Write)]);
        assert_eq!(removed, [(0, entry("a", Operation::Read)), (1, entry("b", Operation::Read))]);
        assert_eq!(keep(&current[1..], &filters, &mut removed), kept);
        assert_eq!(removed.len(), 2);
        assert_eq!(with(&kept, [entry("b", Operation::Write), entry("c", Operation::All)].iter()).len(), 2);
    }

    #[test]
    fn settings_are_read() {
        let config = |more: &str| {
            let text = format!("zookeeper.connect=h:1\n{more}\n");
            let properties = Properties::parse("test", text.as_bytes()).expect("well formed");
            BrokerConfig::from_properties(&properties).expect("legal")
        };
        assert!(empty_rules(&config("super.users=User:a;User:b\nallow.everyone.if.no.acl.found=TRUE")).is_ok());
        let error = empty_rules(&config("super.users=a")).expect_err("no principal");
        assert!(error.to_string().contains("but got a\n(super.users)"), "{error}");
        let error = empty_rules(&config("allow.everyone.if.no.acl.found=yes")).expect_err("no boolean");
        assert!(error.to_string().contains("For input string: \"yes\""), "{error}");
        let (own, patience) = options(&config(""), 1).expect("legal");
        assert_eq!((own.session_timeout_ms, patience), (18_000, Duration::from_secs(18)));
        let other = "authorizer.zookeeper.url=o:2/c\nauthorizer.zookeeper.session.timeout.ms=7000\n\
                     authorizer.zookeeper.connection.timeout.ms=9000";
        let (other, patience) = options(&config(other), 1).expect("legal");
        assert_eq!((other.session_timeout_ms, patience), (7000, Duration::from_secs(9)));
        assert_eq!(other.hosts.chroot.as_deref(), Some("/c"));
        assert!(options(&config("authorizer.zookeeper.session.timeout.ms=x"), 1).is_err());
    }
}
