//! Settings that name a Java class: Apache's own classes are understood, any other is refused by its name, because
//! what it would do is not known here.

use properties::Entry;

use super::settings::{Settings, bad};
use super::{AuthProvider, ConfigError, ServerConfig};

const AUTH: &str = "org.apache.zookeeper.server.auth.";

/// Takes the settings that name classes.
pub(super) fn read(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    // Both of Apache's factories serve the same protocol, and both managers keep the same watches.
    one_of(
        settings,
        "zookeeper.serverCnxnFactory",
        &["org.apache.zookeeper.server.NIOServerCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory"],
    )?;
    one_of(
        settings,
        "zookeeper.watchManagerName",
        &["org.apache.zookeeper.server.watch.WatchManager", "org.apache.zookeeper.server.watch.WatchManagerOptimized"],
    )?;
    for (_, entry) in settings.starting_with("zookeeper.authProvider.") {
        config.auth_providers.push(auth_provider(&entry)?);
    }
    Ok(())
}

fn one_of(settings: &mut Settings, name: &str, known: &[&str]) -> Result<(), ConfigError> {
    match settings.entry(name) {
        Some(entry) if !known.contains(&entry.value.as_str()) => Err(refused(&entry)),
        _ => Ok(()),
    }
}

fn auth_provider(entry: &Entry) -> Result<AuthProvider, ConfigError> {
    match entry.value.strip_prefix(AUTH) {
        Some("DigestAuthenticationProvider") => Ok(AuthProvider::Digest),
        Some("IPAuthenticationProvider") => Ok(AuthProvider::Ip),
        Some("SASLAuthenticationProvider") => Ok(AuthProvider::Sasl),
        Some("X509AuthenticationProvider") => Ok(AuthProvider::X509),
        Some("EnsembleAuthenticationProvider") => Ok(AuthProvider::Ensemble),
        _ => Err(refused(entry)),
    }
}

fn refused(entry: &Entry) -> ConfigError {
    bad(entry, format!("java.io.IOException: Couldn't instantiate {}: a class that is not served here", entry.value))
}
