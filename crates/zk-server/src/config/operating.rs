//! Settings of the admin server, the metrics and the audit log.

use properties::Entry;

use super::ConfigError;
use super::settings::{Settings, bad};

/// The admin server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens: a name or an address.
    pub address: String,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// A connection on which nothing moves for so many milliseconds is closed.
    pub idle_ms: u64,
    /// What the URLs of commands begin with.
    pub command_url: String,
    /// May snapshots be fetched, and how many milliseconds have to lie between two; 0: any number.
    pub snapshot: Option<u64>,
    /// May a snapshot be restored, and how many milliseconds have to lie between two; 0: any number.
    pub restore: Option<u64>,
}

impl Default for AdminConfig {
    fn default() -> AdminConfig {
        AdminConfig {
            address: "0.0.0.0".to_owned(),
            port: 8080,
            idle_ms: 30_000,
            command_url: "/commands".to_owned(),
            snapshot: Some(TRANSFER_INTERVAL_MS),
            restore: Some(TRANSFER_INTERVAL_MS),
        }
    }
}

/// Five minutes.
const TRANSFER_INTERVAL_MS: u64 = 5 * 60 * 1000;

/// The metrics for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusConfig {
    /// Where it listens: a name or an address.
    pub host: String,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// Figures of the process, too (`exportJvmInfo`).
    pub process: bool,
}

impl Default for PrometheusConfig {
    fn default() -> PrometheusConfig {
        PrometheusConfig { host: "0.0.0.0".to_owned(), port: 7000, process: true }
    }
}

/// Takes the settings of the admin server. `None`: there is none. What is to be warned of goes to `warnings`.
pub(super) fn admin(settings: &mut Settings, warnings: &mut Vec<String>) -> Result<Option<AdminConfig>, ConfigError> {
    let enabled = settings.flag("zookeeper.admin.enableServer").unwrap_or(true);
    let default = AdminConfig::default();
    let port = port(settings, "zookeeper.admin.serverPort")?.unwrap_or(default.port);
    let idle_ms = settings.int("zookeeper.admin.idleTimeout")?.map(|millis| u64::from(millis.unsigned_abs()));
    let address = settings.text("zookeeper.admin.serverAddress").unwrap_or(default.address);
    let command_url = match settings.entry("zookeeper.admin.commandURL") {
        Some(entry) if !entry.value.starts_with('/') || entry.value.ends_with('/') => {
            let text = format!("a URL begins with / and does not end with it: {}", entry.value);
            return Err(bad(&entry, format!("java.lang.IllegalArgumentException: {text}")));
        }
        entry => entry.map_or(default.command_url, |entry| entry.value),
    };
    let config = AdminConfig {
        address,
        port,
        // As in Jetty, 0 and less are no limit; a day is none here.
        idle_ms: idle_ms.filter(|millis| *millis > 0).unwrap_or(default.idle_ms),
        command_url,
        snapshot: transfer(settings, "snapshot")?,
        restore: transfer(settings, "restore")?,
    };
    // HTTP of one version is spoken.
    settings.entry("zookeeper.admin.httpVersion");
    for name in ["zookeeper.admin.portUnification", "zookeeper.admin.forceHttps", "zookeeper.admin.needClientAuth"] {
        let entry = settings.peek(name).cloned();
        if settings.flag(name).unwrap_or(false)
            && let Some(Entry { key, .. }) = entry
            && enabled
        {
            warnings.push(format!(
                "{key}=true: TLS is not served on the admin server's port, so the admin server is not started"
            ));
            return Ok(None);
        }
    }
    Ok(enabled.then_some(config))
}

fn transfer(settings: &mut Settings, what: &str) -> Result<Option<u64>, ConfigError> {
    let enabled = settings.flag(&format!("zookeeper.admin.{what}.enabled")).unwrap_or(true);
    let interval = settings.long(&format!("zookeeper.admin.{what}.intervalInMS"))?;
    Ok(enabled.then_some(interval.map_or(TRANSFER_INTERVAL_MS, |millis| millis.max(0).unsigned_abs())))
}

/// Takes the settings of the metrics. `None`: they are shown by `mntr` and `monitor` only.
pub(super) fn prometheus(settings: &mut Settings) -> Result<Option<PrometheusConfig>, ConfigError> {
    const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
    const OTHERS: [&str; 3] = [
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
        "",
    ];
    let Some(entry) = settings.entry("metricsProvider.className") else { return Ok(None) };
    if OTHERS.contains(&entry.value.as_str()) {
        return Ok(None);
    }
    if entry.value != PROMETHEUS {
        let text = format!("metrics provider class was not found: {}; there is {PROMETHEUS}", entry.value);
        return Err(bad(&entry, format!("java.lang.IllegalArgumentException: {text}")));
    }
    let default = PrometheusConfig::default();
    Ok(Some(PrometheusConfig {
        host: settings.text("metricsProvider.httpHost").unwrap_or(default.host),
        port: port(settings, "metricsProvider.httpPort")?.unwrap_or(default.port),
        process: settings.text("metricsProvider.exportJvmInfo").is_none_or(|value| value.eq_ignore_ascii_case("true")),
    }))
}

/// Is there an audit log?
pub(super) fn audit(settings: &mut Settings) -> Result<bool, ConfigError> {
    const LOGGER: &str = "org.apache.zookeeper.audit.Slf4jAuditLogger";
    let enabled = settings.flag("zookeeper.audit.enable").unwrap_or(false);
    match settings.entry("zookeeper.audit.impl.class") {
        Some(entry) if entry.value != LOGGER => {
            let text = format!("the audit log is written by {LOGGER}; there is no {}", entry.value);
            Err(bad(&entry, format!("java.lang.IllegalArgumentException: {text}")))
        }
        _ => Ok(enabled),
    }
}

/// A port; 0 takes a free one.
fn port(settings: &mut Settings, name: &str) -> Result<Option<u16>, ConfigError> {
    let Some(entry) = settings.peek(name).cloned() else { return Ok(None) };
    let Some(number) = settings.int(name)? else { return Ok(None) };
    let text = format!("java.lang.IllegalArgumentException: port out of range:{number}");
    u16::try_from(number).map(Some).map_err(|_| bad(&entry, text))
}
