//! Each setting, taken by its name.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;

use properties::Entry;
use zk_state::auth::DigestAlgorithm;
use zk_store::{Compression, RETAIN_MIN};

use super::membership::{self, Member};
use super::settings::{Settings, bad, place};
use super::{AuthProvider, ConfigError, ServerConfig, Whitelist, operating, security, without_meaning};

/// Takes all settings into `config`; the one server that they name is returned.
pub(super) fn all(config: &mut ServerConfig, settings: &mut Settings) -> Result<Option<Member>, ConfigError> {
    files(config, settings)?;
    sessions(config, settings)?;
    network(config, settings)?;
    throttles(config, settings)?;
    rules(config, settings)?;
    authentication(config, settings)?;
    super::classes::read(config, settings)?;
    security::read(config, settings)?;
    required_schemes_are_served(config)?;
    config.admin = operating::admin(settings, &mut config.warnings)?;
    config.prometheus = operating::prometheus(settings)?;
    config.audit = operating::audit(settings)?;
    membership::read(config, settings)
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
    let flush = &mut config.flush;
    flush.delay_ms = settings.long("zookeeper.flushDelay")?.unwrap_or(0).max(0).unsigned_abs();
    let poll_ms = settings.long("zookeeper.maxWriteQueuePollTime")?;
    flush.poll_ms = poll_ms.map_or(flush.delay_ms / 3, |poll_ms| poll_ms.max(0).unsigned_abs());
    if let Some(batch) = settings.int("zookeeper.maxBatchSize")? {
        flush.batch = batch.max(0) as usize;
    }
    config.create_data_dir = settings.flag("zookeeper.datadir.autocreate").unwrap_or(true);
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
    let extra =
        settings.int("zookeeper.jute.maxbuffer.extrasize")?.map_or(config.max_packet, |extra| extra.max(0) as usize);
    config.extra_packet = extra.max(1024);
    if let Some(millis) = positive(settings, "zookeeper.nio.sessionlessCnxnTimeout")? {
        config.sessionless_ms = millis as u64;
    }
    config.tcp_keep_alive = settings.flag("zookeeper.clientTcpKeepAlive").unwrap_or(false);
    // A server alone is never read-only; that it may be is heard from `isro`.
    if settings.flag("readonlymode.enabled").unwrap_or(false) {
        config.whitelist = whitelist("srvr,isro");
    }
    if let Some(words) = settings.text("zookeeper.4lw.commands.whitelist") {
        config.whitelist = whitelist(&words);
    }
    Ok(())
}

/// What is checked before something is changed.
fn rules(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    config.skip_acl = settings.text("zookeeper.skipACL").is_some_and(|value| value == "yes");
    config.extended_types = settings.flag("zookeeper.extendedTypesEnabled").unwrap_or(false);
    config.emulate_353_ttl = settings.flag("zookeeper.emulate353TTLNodes").unwrap_or(false);
    config.enforce_quota = settings.flag("zookeeper.enforceQuota").unwrap_or(false);
    config.close_session_txn = settings.flag("zookeeper.closeSessionTxn.enabled").unwrap_or(true);
    config.reconfig = settings.strict_flag("reconfigEnabled")?.unwrap_or(false);
    let reaper = &mut config.reaper;
    if let Some(millis) = positive(settings, "znode.container.checkIntervalMs")? {
        reaper.interval_ms = u64::from(millis.unsigned_abs());
    }
    if let Some(count) = positive(settings, "znode.container.maxPerMinute")? {
        reaper.per_minute = u64::from(count.unsigned_abs());
    }
    if let Some(millis) = settings.long("znode.container.maxNeverUsedIntervalMs")? {
        reaper.never_used_ms = millis;
    }
    Ok(())
}

/// What keeps many clients, or hasty ones, from taking everything. Apache's manual names some settings otherwise than
/// its server reads them; both names are taken, the server's own one wins.
fn throttles(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    let connections = &mut config.connection_throttle;
    let set = |to: &mut i64, value: Option<i32>| *to = value.map_or(*to, i64::from);
    set(&mut connections.tokens, named(settings, "connectionMaxTokens", "connection_throttle_tokens")?);
    set(&mut connections.fill_ms, named(settings, "connectionTokenFillTime", "connection_throttle_fill_time")?);
    set(&mut connections.fill_count, named(settings, "connectionTokenFillCount", "connection_throttle_fill_count")?);
    set(&mut connections.freeze_ms, named(settings, "connectionFreezeTime", "connection_throttle_freeze_time")?);
    for (to, manual, own) in [
        (&mut connections.drop_increase, "connectionDropIncrease", "connection_throttle_drop_increase"),
        (&mut connections.drop_decrease, "connectionDropDecrease", "connection_throttle_drop_decrease"),
        (&mut connections.decrease_ratio, "connectionDecreaseRatio", "connection_throttle_decrease_ratio"),
    ] {
        for name in [manual, own] {
            *to = settings.double(&format!("zookeeper.{name}"))?.unwrap_or(*to);
        }
    }
    connections.weighted = settings.flag("zookeeper.connection_throttle_weight_enabled").unwrap_or(false);
    let above_zero = |value: Option<i32>, or: i64| value.map(i64::from).filter(|weight| *weight > 0).unwrap_or(or);
    let local = above_zero(settings.int("zookeeper.connection_throttle_local_session_weight")?, 1);
    let global = settings.int("zookeeper.connection_throttle_global_session_weight")?;
    connections.new_session = above_zero(global, 3).max(local);
    let renew = settings.int("zookeeper.connection_throttle_renew_session_weight")?;
    connections.renewed_session = above_zero(renew, 2).max(local);

    let requests = &mut config.request_throttle;
    if let Some(max) = named(settings, "requestThrottleLimit", "request_throttle_max_requests")? {
        requests.max_requests = max.max(0) as usize;
    }
    if let Some(millis) = named(settings, "throttledOpWaitTime", "throttled_op_wait_time")? {
        requests.wait_ms = millis.max(0) as u64;
    }
    for (to, manual, own) in [
        (&mut requests.drop_stale, "requestThrottleDropStale", "request_throttle_drop_stale"),
        (&mut requests.stale_by_latency, "requestStaleLatencyCheck", "request_stale_latency_check"),
    ] {
        for name in [manual, own] {
            *to = settings.flag(&format!("zookeeper.{name}")).unwrap_or(*to);
        }
    }
    // 0 and below switch it off, as Apache does with a warning.
    let threshold = settings.int("zookeeper.largeRequestThreshold")?;
    config.large_request = threshold.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
    let bytes = settings.int("zookeeper.largeRequestMaxBytes")?;
    if let Some(bytes) = bytes.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes > 0) {
        config.large_request_bytes = bytes;
    }
    Ok(())
}

/// A number that Apache's manual and Apache's server name differently.
fn named(settings: &mut Settings, manual: &str, own: &str) -> Result<Option<i32>, ConfigError> {
    let manual = settings.int(&format!("zookeeper.{manual}"))?;
    Ok(settings.int(&format!("zookeeper.{own}"))?.or(manual))
}

/// Who a client may be, and must be.
fn authentication(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    config.superuser = settings.text("zookeeper.DigestAuthenticationProvider.superDigest");
    if let Some(entry) = settings.entry("zookeeper.DigestAuthenticationProvider.digestAlg") {
        let algorithm = DigestAlgorithm::from_java_name(&entry.value).ok_or_else(|| {
            let text = format!("{} MessageDigest not available", entry.value);
            bad(&entry, format!("java.security.NoSuchAlgorithmException: {text}"))
        })?;
        config.digest_algorithm = Some(algorithm);
    }
    if settings.flag("zookeeper.DigestAuthenticationProvider.enabled") == Some(false) {
        config.digest_algorithm = None;
    }
    let names = |text: String| -> Vec<String> {
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    config.ensemble_names = settings.text("zookeeper.ensembleAuthName").map(names);
    let schemes = settings.text("zookeeper.enforce.auth.schemes").map(names).filter(|schemes| !schemes.is_empty());
    let enforced = settings.flag("zookeeper.enforce.auth.enabled").unwrap_or(false);
    config.required_schemes = if settings.flag("zookeeper.sessionRequireClientSASLAuth").unwrap_or(false) {
        Some(vec!["sasl".to_owned()])
    } else if enforced {
        let missing = "zookeeper.enforce.auth.enabled is true zookeeper.enforce.auth.schemes must be configured.";
        Some(schemes.ok_or_else(|| ConfigError::Illegal(missing.to_owned()))?)
    } else {
        None
    };
    Ok(())
}

/// A connection cannot be asked for an id that no provider gives.
fn required_schemes_are_served(config: &ServerConfig) -> Result<(), ConfigError> {
    let provided = |scheme: &str| match scheme {
        "ip" => true,
        "digest" => config.digest_algorithm.is_some(),
        "sasl" => config.auth_providers.contains(&AuthProvider::Sasl),
        "x509" => config.auth_providers.contains(&AuthProvider::X509),
        _ => false,
    };
    let mut required = config.required_schemes.iter().flatten();
    match required.find(|scheme| !provided(scheme)) {
        Some(scheme) => Err(ConfigError::Illegal(format!("Authentication scheme {scheme} is not available."))),
        None => Ok(()),
    }
}

/// Parts that this server does not have; name or prefix (with a `*`).
const NOT_SERVED: &[(&str, &str)] = &[
    ("java.security.krb5.conf", "Kerberos"),
    ("zookeeper.kerberos.*", "Kerberos"),
    ("zookeeper.requireKerberosConfig", "Kerberos"),
    ("zookeeper.security.auth_to_local", "Kerberos"),
    ("zookeeper.letAnySaslUserDoX", "an ACL id that stands for all users of SASL"),
    ("zookeeper.X509ZNodeGroupAclProvider.*", "a domain of znodes per certificate"),
];

/// Tells of what nobody took: no meaning here, not served, or unknown.
pub(super) fn tell_of_the_rest(config: &mut ServerConfig, settings: &Settings) {
    for (name, entry) in settings.left() {
        let place = place(entry);
        if let Some(reason) = without_meaning::reason(name) {
            config.notices.push(format!("{place}: {reason}"));
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

pub(super) fn resolve(entry: &Entry) -> Result<IpAddr, ConfigError> {
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
pub(super) fn port(settings: &mut Settings, name: &str) -> Result<Option<u16>, ConfigError> {
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
mod tests;
