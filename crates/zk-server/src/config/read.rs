//! Each setting, taken by its name.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;

use properties::Entry;
use zk_store::{Compression, RETAIN_MIN};

use super::settings::{Settings, bad, place};
use super::{ConfigError, ServerConfig, Whitelist, without_meaning};

/// Takes all settings into `config`.
pub(super) fn all(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    files(config, settings)?;
    sessions(config, settings)?;
    network(config, settings)?;
    rules(config, settings);
    membership(config, settings)
}

/// Where data lies, and how it is written.
fn files(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    config.data_dir =
        directory(settings, "dataDir")?.ok_or_else(|| ConfigError::Illegal("dataDir is not set".into()))?;
    config.data_log_dir = directory(settings, "dataLogDir")?;
    if let Some(count) = positive(settings, "zookeeper.snapCount")? {
        config.snap_count = u64::from(count.max(2).unsigned_abs());
    }
    if let Some(bytes) = kilobytes(settings, "zookeeper.snapSizeLimitInKb")? {
        config.snap_bytes = bytes;
    }
    if let Some(bytes) = kilobytes(settings, "zookeeper.preAllocSize")? {
        config.preallocate = bytes;
    }
    config.log_size_limit = kilobytes(settings, "zookeeper.txnLogSizeLimitInKb")?.filter(|bytes| *bytes > 0);
    config.force_sync = settings.text("zookeeper.forceSync").is_none_or(|value| value != "no");
    // Both names are Apache's; the longer one is the newer one.
    for name in ["fsync.warningthresholdms", "zookeeper.fsync.warningthresholdms"] {
        if let Some(millis) = settings.long(name)? {
            config.sync_warning_ms = millis.max(0).unsigned_abs();
        }
    }
    config.digest = settings.flag("zookeeper.digest.enabled").unwrap_or(true);
    config.trust_empty_snapshot = settings.flag("zookeeper.snapshot.trust.empty").unwrap_or(false);
    if let Some(entry) = settings.entry("zookeeper.snapshot.compression.method") {
        config.compression = Compression::from_setting(&entry.value).ok_or_else(|| {
            let text = format!("Invalid snapshot compression method: {}", entry.value);
            bad(&entry, format!("java.lang.IllegalArgumentException: {text}"))
        })?;
    }
    if let Some(count) = settings.int("autopurge.snapRetainCount")? {
        config.purge_retain = RETAIN_MIN.max(count.max(0) as usize);
    }
    if let Some(hours) = settings.int("autopurge.purgeInterval")? {
        config.purge_interval_hours = hours.max(0) as u64;
    }
    Ok(())
}

fn sessions(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    if let Some(tick) = positive(settings, "tickTime")? {
        config.tick_ms = tick;
    }
    let tick = config.tick_ms;
    let or_ticks = |set: Option<i32>, ticks| set.filter(|set| *set != -1).unwrap_or(tick.saturating_mul(ticks));
    config.min_session_ms = or_ticks(settings.int("minSessionTimeout")?, 2);
    config.max_session_ms = or_ticks(settings.int("maxSessionTimeout")?, 20);
    if config.min_session_ms > config.max_session_ms {
        return Err(ConfigError::Illegal("minSessionTimeout must not be larger than maxSessionTimeout".into()));
    }
    Ok(())
}

/// Ports, connections and packets.
fn network(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    config.client_port = port(settings, "clientPort")?;
    if let Some(entry) = settings.entry("clientPortAddress") {
        if config.client_port.is_none() {
            return Err(ConfigError::Illegal("clientPortAddress is set but clientPort is not set".into()));
        }
        config.client_address = Some(resolve(&entry)?);
    }
    if let Some(backlog) = settings.int("clientPortListenBacklog")? {
        config.backlog = backlog;
    }
    if let Some(limit) = settings.int("maxClientCnxns")? {
        config.max_client_connections = limit;
    }
    if let Some(limit) = settings.int("zookeeper.maxCnxns")? {
        config.max_connections = limit;
    }
    if let Some(limit) = positive(settings, "zookeeper.globalOutstandingLimit")? {
        config.global_outstanding = limit as usize;
    }
    if let Some(bytes) = positive(settings, "jute.maxbuffer")? {
        config.max_packet = bytes as usize;
    }
    if let Some(words) = settings.text("zookeeper.4lw.commands.whitelist") {
        config.whitelist = whitelist(&words);
    }
    Ok(())
}

/// What is checked before something is changed.
fn rules(config: &mut ServerConfig, settings: &mut Settings) {
    config.skip_acl = settings.text("zookeeper.skipACL").is_some_and(|value| value == "yes");
    config.extended_types = settings.flag("zookeeper.extendedTypesEnabled").unwrap_or(false);
    config.superuser = settings.text("zookeeper.DigestAuthenticationProvider.superDigest");
}

/// An ensemble is refused; one server alone is no ensemble.
fn membership(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    let servers = settings.starting_with("server.");
    if let [_, (_, second), ..] = servers.as_slice() {
        let place = place(second);
        return Err(ConfigError::Illegal(format!(
            "{place}: more than one server: an ensemble is not served, only a standalone server"
        )));
    }
    if servers.len() == 1 {
        config.warnings.push("Invalid configuration, only one server specified (ignoring)".to_owned());
    }
    Ok(())
}

/// Parts that this server does not have; name or prefix (with a `*`).
const NOT_SERVED: &[(&str, &str)] = &[
    ("secureClientPort*", "TLS"),
    ("zookeeper.client.portUnification", "TLS"),
    ("zookeeper.ssl.*", "TLS"),
    ("zookeeper.authProvider.*", "authentication but by digest and address"),
    ("reconfigEnabled", "an ensemble"),
    ("zookeeper.enforceQuota", "enforcement of quotas"),
    ("zookeeper.audit.*", "the audit log"),
    ("metricsProvider.*", "a metrics provider"),
];

/// Tells of what nobody took: no meaning here, not served, or unknown.
pub(super) fn tell_of_the_rest(config: &mut ServerConfig, settings: &Settings) {
    for (name, entry) in settings.left() {
        let place = place(entry);
        if let Some(reason) = without_meaning::reason(name) {
            config.notices.push(format!("{place}: {reason}"));
        } else if name.starts_with("zookeeper.admin.") {
            if name == "zookeeper.admin.enableServer" && entry.value.eq_ignore_ascii_case("true") {
                config.warnings.push(format!("{place}: the admin server (HTTP) is not served, the setting is ignored"));
            }
        } else if let Some((_, what)) = NOT_SERVED.iter().find(|(pattern, _)| without_meaning::matches(pattern, name)) {
            config.warnings.push(format!("{place}: {what} is not served, the setting is ignored"));
        } else {
            config.warnings.push(format!("{place}: unknown setting, ignored"));
        }
    }
    if !settings.foreign().is_empty() {
        let names = settings.foreign().join(", ");
        config.notices.push(format!("Java properties without a meaning here: {names}"));
    }
}

fn resolve(entry: &Entry) -> Result<IpAddr, ConfigError> {
    let address = entry.value.as_str();
    let unknown = |reason: String| bad(entry, format!("java.net.UnknownHostException: {address}: {reason}"));
    let mut found = (address, 0).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    found.next().map(|found| found.ip()).ok_or_else(|| unknown("no address".into()))
}

fn positive(settings: &mut Settings, name: &str) -> Result<Option<i32>, ConfigError> {
    let Some(entry) = settings.peek(name).cloned() else { return Ok(None) };
    match settings.int(name)? {
        Some(number) if number <= 0 => {
            let text = format!("{} must be above 0, not {number}", entry.key);
            Err(bad(&entry, format!("java.lang.IllegalArgumentException: {text}")))
        }
        number => Ok(number),
    }
}

/// Kilobytes as bytes; 0 for what is below 0.
fn kilobytes(settings: &mut Settings, name: &str) -> Result<Option<u64>, ConfigError> {
    Ok(settings.long(name)?.map(|number| number.max(0).unsigned_abs().saturating_mul(1024)))
}

/// `None` for 0, too: no port.
fn port(settings: &mut Settings, name: &str) -> Result<Option<u16>, ConfigError> {
    let Some(entry) = settings.peek(name).cloned() else { return Ok(None) };
    let Some(number) = settings.int(name)? else { return Ok(None) };
    match u16::try_from(number) {
        Ok(0) => Ok(None),
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(bad(&entry, format!("java.lang.IllegalArgumentException: port out of range:{number}"))),
    }
}

fn directory(settings: &mut Settings, name: &str) -> Result<Option<PathBuf>, ConfigError> {
    match settings.entry(name) {
        Some(entry) if entry.value.is_empty() => {
            Err(bad(&entry, format!("java.lang.IllegalArgumentException: {name} is empty")))
        }
        entry => Ok(entry.map(|entry| PathBuf::from(entry.value))),
    }
}

fn whitelist(value: &str) -> Whitelist {
    if value.split(',').any(|word| word.trim() == "*") {
        return Whitelist::All;
    }
    Whitelist::Words(value.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_words() {
        assert_eq!(whitelist("stat, ruok,*"), Whitelist::All);
        assert!(whitelist("stat, ruok").allows("ruok"));
        assert!(!whitelist("").allows("srvr"));
    }
}
