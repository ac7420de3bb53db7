//! Settings of the admin server, the metrics and the audit log.

use net::tls::{ClientAuth, TlsError, TlsSettings};

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
    /// Who asks by the scheme `ip` is who a proxy says in `X-Forwarded-For`
    /// (`IPAuthenticationProvider.usexforwardedfor`, 3.9).
    pub believe_proxy: bool,
    /// TLS on its port; `None`: HTTP is plain.
    pub tls: Option<AdminTls>,
}

/// TLS on the admin server's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTls {
    /// Of the stores, which are those of the quorum (`ssl.quorum.keyStore.location` ..); all else is as it is by
    /// default, as with Apache's.
    pub settings: TlsSettings,
    /// Nothing but TLS is taken (`admin.forceHttps`); otherwise whatever a client begins with (`admin.portUnification`).
    pub force: bool,
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
            believe_proxy: false,
            tls: None,
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
        believe_proxy: settings.flag("zookeeper.IPAuthenticationProvider.usexforwardedfor").unwrap_or(false),
        tls: None,
    };
    // HTTP of one version is spoken.
    settings.entry("zookeeper.admin.httpVersion");
    let mut switch = |name: &str| settings.flag(&format!("zookeeper.admin.{name}")).unwrap_or(false);
    let (unified, force, need) = (switch("portUnification"), switch("forceHttps"), switch("needClientAuth"));
    if !enabled {
        return Ok(None);
    }
    if !unified && !force {
        if need {
            warnings
                .push("admin.needClientAuth=true: no meaning without admin.forceHttps or admin.portUnification".into());
        }
        return Ok(Some(config));
    }
    match stores(settings) {
        Ok(stores) => {
            let client_auth = if need { ClientAuth::Need } else { ClientAuth::None };
            let settings = TlsSettings { prefix: "ssl.quorum.".into(), client_auth, ..stores };
            Ok(Some(AdminConfig { tls: Some(AdminTls { settings, force }), ..config }))
        }
        Err(error) => {
            warnings.push(format!("{error}, so the admin server is not started"));
            Ok(None)
        }
    }
}

/// The stores of the quorum. What else is set of its TLS does not count here, and is left.
fn stores(settings: &mut Settings) -> Result<TlsSettings, TlsError> {
    const PREFIX: &str = "zookeeper.ssl.quorum.";
    TlsSettings::read(PREFIX, &mut |name| {
        let own = name.strip_prefix(PREFIX)?;
        let is_store = own.starts_with("keyStore.") || own.starts_with("trustStore.");
        is_store.then(|| settings.text(name)).flatten()
    })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use properties::{Origin, Properties};

    use super::super::ServerConfig;
    use super::*;

    const STORES: &str = "ssl.quorum.keyStore.location=/k.jks\nssl.quorum.keyStore.passwordPath=/k.password\n\
                          ssl.quorum.trustStore.location=/t\nssl.quorum.trustStore.type=PEM\n";

    fn parsed(text: &str, flags: &str) -> ServerConfig {
        let mut system = Properties::new();
        system.define(&Origin::Variable("SERVER_JVMFLAGS"), flags);
        let file = Properties::parse("zoo.cfg", format!("dataDir=/d\n{text}").as_bytes()).unwrap();
        super::super::parse(&file, &system).unwrap()
    }

    #[test]
    fn tls_has_the_stores_of_the_quorum() {
        let config = parsed(&format!("{STORES}admin.portUnification=true\n"), "");
        assert_eq!(config.warnings, [""; 0]);
        let tls = config.admin.unwrap().tls.unwrap();
        assert!(!tls.force && tls.settings.client_auth == ClientAuth::None);
        let (key_store, trust_store) = (tls.settings.key_store.unwrap(), tls.settings.trust_store.unwrap());
        assert_eq!((key_store.file.as_path(), trust_store.file.as_path()), (Path::new("/k.jks"), Path::new("/t")));
        assert_eq!(key_store.password_file.as_deref(), Some(Path::new("/k.password")));
        assert!(config.security.tls.is_none(), "clients have stores of their own");
    }

    #[test]
    fn properties_say_it_too() {
        let flags = "-Dzookeeper.admin.forceHttps=TRUE -Dzookeeper.admin.portUnification=true \
                     -Dzookeeper.admin.needClientAuth=true -Dzookeeper.ssl.quorum.keyStore.location=/k.p12 \
                     -Dzookeeper.ssl.quorum.trustStore.location=/t.p12";
        let tls = parsed("", flags).admin.unwrap().tls.unwrap();
        assert!(tls.force && tls.settings.client_auth == ClientAuth::Need);
        assert_eq!(tls.settings.trust_store.unwrap().file, Path::new("/t.p12"));
    }

    #[test]
    fn what_else_is_set_of_the_quorums_tls_has_no_meaning() {
        let more = "admin.forceHttps=true\nssl.quorum.protocol=TLSv1.1\nssl.quorum.ocsp=true\n";
        let config = parsed(&format!("{STORES}{more}"), "");
        assert_eq!(config.warnings, [""; 0]);
        assert!(config.admin.unwrap().tls.is_some());
        let left = format!("{:?}", config.notices);
        assert!(left.contains("ssl.quorum.protocol") && left.contains("ssl.quorum.ocsp"), "{left}");
        assert!(!left.contains("keyStore"), "{left}");
        let left = format!("{:?}", parsed(STORES, "").notices);
        assert!(left.contains("ssl.quorum.keyStore.location"), "{left}");
    }

    #[test]
    fn proxies_are_believed_if_it_is_said_so() {
        let believes = |text: &str| parsed(text, "").admin.unwrap().believe_proxy;
        assert!(believes("IPAuthenticationProvider.usexforwardedfor=true\n") && !believes(""));
    }

    #[test]
    fn without_tls_nothing_is_asked_of_clients() {
        assert_eq!(parsed("", "").admin.unwrap(), AdminConfig::default());
        let config = parsed("admin.needClientAuth=true\nadmin.forceHttps=no\n", "");
        assert!(config.admin.unwrap().tls.is_none());
        assert_eq!(
            config.warnings,
            ["admin.needClientAuth=true: no meaning without admin.forceHttps or admin.portUnification"]
        );
        assert!(parsed("admin.enableServer=false\nadmin.forceHttps=true\n", "").admin.is_none());
    }

    #[test]
    fn a_store_of_no_kind_leaves_the_server_without_it() {
        let config = parsed("admin.forceHttps=true\nssl.quorum.keyStore.location=/keys\n", "");
        assert!(config.admin.is_none());
        let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
        assert!(warning.starts_with("Bad value for zookeeper.ssl.quorum.keyStore.type"), "{warning}");
        assert!(warning.ends_with("so the admin server is not started"), "{warning}");
    }
}
