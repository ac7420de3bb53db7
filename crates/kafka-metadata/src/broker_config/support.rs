//! Settings that ask for something which this broker does not have: it says so, instead of starting without it.

use super::BrokerConfig;
use super::error::ConfigError;
use crate::endpoint::SecurityProtocol;
use crate::features;

/// An error for the first setting that asks for what is not there.
pub(super) fn check(config: &BrokerConfig) -> Result<(), ConfigError> {
    let values = config.values();
    let mut wishes: Vec<(&str, String, &str)> = Vec::new();
    for (name, what) in [
        ("replica.selector.class", "reading from followers"),
        ("control.plane.listener.name", "a listener for the controller alone"),
        ("security.providers", "a security provider class"),
    ] {
        if let Some(text) = values.optional_string(name).filter(|text| !text.is_empty()) {
            wishes.push((name, text, what));
        }
    }
    for (name, what) in [
        ("create.topic.policy.class.name", "a policy class for new topics"),
        ("alter.config.policy.class.name", "a policy class for changed settings"),
        ("client.quota.callback.class", "a class that decides quotas"),
    ] {
        if let Some(class) = config.text(name).filter(|class| !class.is_empty()) {
            wishes.push((name, class.to_owned(), what));
        }
    }
    for (name, what) in [
        ("remote.log.storage.system.enable", "tiered storage"),
        ("zookeeper.metadata.migration.enable", "the migration to KRaft"),
        ("zookeeper.set.acl", "access rules in the coordination server"),
        ("group.share.enable", "share groups"),
        ("unstable.api.versions.enable", "unstable versions of requests"),
    ] {
        if values.boolean(name) {
            wishes.push((name, "true".to_owned(), what));
        }
    }
    for name in ["delegation.token.secret.key", "delegation.token.master.key"] {
        if values.optional_password(name).is_some() {
            wishes.push((name, "[hidden]".to_owned(), "delegation tokens"));
        }
    }
    for name in ["metric.reporters", "kafka.metrics.reporters"] {
        let classes = values.list(name);
        if !classes.is_empty() {
            wishes.push((name, classes.join(","), "reporting of metrics by classes"));
        }
    }
    let authorizer = values.string(super::AUTHORIZER_CLASS);
    if !["", super::ACL_AUTHORIZER].contains(&authorizer.as_str()) {
        let what = "an authorizer other than kafka.security.authorizer.AclAuthorizer";
        wishes.push((super::AUTHORIZER_CLASS, authorizer, what));
    }
    if let Some(providers) = config.texts.fixed.get("config.providers").filter(|providers| !providers.is_empty()) {
        wishes.push(("config.providers", providers.clone(), "fetching settings from elsewhere"));
    }
    let version = values.string("inter.broker.protocol.version");
    if features::InterBrokerVersion::parse(&version) != features::InterBrokerVersion::parse(features::CURRENT) {
        wishes.push(("inter.broker.protocol.version", version, "an inter-broker protocol other than that of 3.9"));
    }
    if let Some(endpoint) = config.listeners.iter().find(|one| one.protocol != SecurityProtocol::Plaintext) {
        wishes.push(("listeners", endpoint.connection_string(), "listeners with TLS or SASL"));
    }
    match wishes.into_iter().next() {
        None => Ok(()),
        Some((name, value, what)) => {
            Err(ConfigError::config(format!("{name}={value}: {what} is not available in this broker.")))
        }
    }
}
