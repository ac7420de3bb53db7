//! `zoo.cfg` / `zookeeper.properties` to typed settings.
//!
//! Names, defaults and the texts of errors are Apache's; an error also says which line it is about. A key that Apache
//! knows and this server does not serve, and one that nobody knows, is a warning: nothing is ignored silently.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use properties::{Entry, Origin, Properties};
use thiserror::Error;
use vfs::Vfs;
use zk_store::{Compression, RETAIN_MIN};

/// `jute.maxbuffer`: the largest request, in bytes.
pub const MAX_PACKET_DEFAULT: usize = 0xf_ffff;

/// Which four-letter words are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whitelist {
    /// `*`
    All,
    /// These.
    Words(Vec<String>),
}

impl Whitelist {
    /// Is `word` answered?
    pub fn allows(&self, word: &str) -> bool {
        match self {
            Whitelist::All => true,
            Whitelist::Words(words) => words.iter().any(|allowed| allowed == word),
        }
    }
}

/// The settings of a standalone server.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "settings that are switches")]
pub struct ServerConfig {
    /// Port of the clients; `None`: nobody can connect. 0 takes a free one.
    pub client_port: Option<u16>,
    /// Address of the clients' port; `None`: all.
    pub client_address: Option<IpAddr>,
    /// Connections that the system keeps waiting; -1: Java's default, 50.
    pub backlog: i32,
    /// Snapshots, and logs if `data_log_dir` is not set.
    pub data_dir: PathBuf,
    /// Transaction logs.
    pub data_log_dir: Option<PathBuf>,
    /// Width of the buckets of session deadlines, milliseconds.
    pub tick_ms: i32,
    /// Shortest session timeout, milliseconds.
    pub min_session_ms: i32,
    /// Longest session timeout, milliseconds.
    pub max_session_ms: i32,
    /// Connections from one address; 0: any number.
    pub max_client_connections: i32,
    /// Connections in all; 0: any number.
    pub max_connections: i32,
    /// Requests that may be in process before connections are slowed down.
    pub global_outstanding: usize,
    /// Transactions between two snapshots.
    pub snap_count: u64,
    /// Bytes of log between two snapshots; 0: any number.
    pub snap_bytes: u64,
    /// Bytes by which a log file is extended ahead.
    pub preallocate: u64,
    /// Bytes after which a log file is full.
    pub log_size_limit: Option<u64>,
    /// Is the log synced before an answer?
    pub force_sync: bool,
    /// A sync that takes longer, in milliseconds, is warned of.
    pub sync_warning_ms: u64,
    /// ACLs are not looked at.
    pub skip_acl: bool,
    /// Znodes may have a time to live.
    pub extended_types: bool,
    /// Transactions and snapshots carry the tree's digest.
    pub digest: bool,
    /// Logs without a snapshot are good enough to start from.
    pub trust_empty_snapshot: bool,
    /// How snapshots are packed.
    pub compression: Compression,
    /// Snapshots that a purge keeps.
    pub purge_retain: usize,
    /// Hours between purges; 0: never.
    pub purge_interval_hours: u64,
    /// Four-letter words that are answered.
    pub whitelist: Whitelist,
    /// Digest (`user:hash`) of the superuser.
    pub superuser: Option<String>,
    /// The largest request, in bytes.
    pub max_packet: usize,
    /// What is to be warned of.
    pub warnings: Vec<String>,
}

impl ServerConfig {
    /// All defaults, with this data directory and port.
    pub fn new(data_dir: PathBuf, client_port: Option<u16>) -> ServerConfig {
        ServerConfig {
            client_port,
            client_address: None,
            backlog: -1,
            data_dir,
            data_log_dir: None,
            tick_ms: 3000,
            min_session_ms: 6000,
            max_session_ms: 60_000,
            max_client_connections: 60,
            max_connections: 0,
            global_outstanding: 1000,
            snap_count: 100_000,
            snap_bytes: 4_194_304 << 10,
            preallocate: 65_536 << 10,
            log_size_limit: None,
            force_sync: true,
            sync_warning_ms: 1000,
            skip_acl: false,
            extended_types: false,
            digest: true,
            trust_empty_snapshot: false,
            compression: Compression::None,
            purge_retain: RETAIN_MIN,
            purge_interval_hours: 0,
            whitelist: Whitelist::Words(vec!["srvr".to_owned()]),
            superuser: None,
            max_packet: MAX_PACKET_DEFAULT,
            warnings: Vec::new(),
        }
    }
}

/// Why there is no configuration; the first line of each is Apache's exception.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("Caused by: java.lang.IllegalArgumentException: {0} file is missing")]
    Missing(String),
    /// The file cannot be read, or is no properties file.
    #[error("Caused by: java.io.IOException: {0}")]
    Unreadable(String),
    /// A value is not what it should be.
    #[error("Caused by: {exception}\n\t{place}")]
    Bad {
        /// Apache's exception and text.
        exception: String,
        /// File, line and setting.
        place: String,
    },
    /// Settings that are missing or contradict each other.
    #[error("Caused by: java.lang.IllegalArgumentException: {0}")]
    Illegal(String),
}

/// Reads a file and lays `overrides` (`key=value`) over it.
///
/// # Errors
/// [`ConfigError`] for what makes Apache's server exit with code 2.
pub fn read(vfs: &dyn Vfs, name: &str, overrides: &[String]) -> Result<ServerConfig, ConfigError> {
    let path = Path::new(name);
    if !vfs.exists(path) {
        return Err(ConfigError::Missing(name.to_owned()));
    }
    let bytes = vfs.read(path).map_err(|error| ConfigError::Unreadable(format!("{name}: {error}")))?;
    let mut properties = Properties::parse(name, &bytes).map_err(|error| ConfigError::Unreadable(error.to_string()))?;
    for setting in overrides {
        properties.override_with("--override", setting);
    }
    parse(&properties)
}

/// Turns text into settings.
///
/// # Errors
/// [`ConfigError`] for what makes Apache's server exit with code 2.
pub fn parse(properties: &Properties) -> Result<ServerConfig, ConfigError> {
    let mut parser = Parser { config: ServerConfig::new(PathBuf::new(), None), ..Parser::default() };
    for entry in properties.entries() {
        parser.entry(entry)?;
    }
    parser.finish()
}

struct Parser {
    config: ServerConfig,
    address: Option<String>,
    address_place: String,
    min_session_ms: i32,
    max_session_ms: i32,
    servers: Vec<String>,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser {
            config: ServerConfig::new(PathBuf::new(), None),
            address: None,
            address_place: String::new(),
            min_session_ms: -1,
            max_session_ms: -1,
            servers: Vec::new(),
        }
    }
}

impl Parser {
    fn entry(&mut self, entry: &Entry) -> Result<(), ConfigError> {
        let value = entry.value.trim();
        let config = &mut self.config;
        match entry.key.as_str() {
            "dataDir" => config.data_dir = directory(entry, value)?,
            "dataLogDir" => config.data_log_dir = Some(directory(entry, value)?),
            "clientPort" => config.client_port = port(entry, value)?,
            "clientPortAddress" => {
                self.address = Some(value.to_owned());
                self.address_place = place(entry);
            }
            "clientPortListenBacklog" => config.backlog = int(entry, value)?,
            "tickTime" => config.tick_ms = positive(entry, value)?,
            "minSessionTimeout" => self.min_session_ms = int(entry, value)?,
            "maxSessionTimeout" => self.max_session_ms = int(entry, value)?,
            "maxClientCnxns" => config.max_client_connections = int(entry, value)?,
            "maxCnxns" => config.max_connections = int(entry, value)?,
            "globalOutstandingLimit" => config.global_outstanding = positive(entry, value)? as usize,
            "snapCount" => config.snap_count = u64::from(positive(entry, value)?.max(2).unsigned_abs()),
            "snapSizeLimitInKb" => config.snap_bytes = kilobytes(entry, value)?.unwrap_or(0),
            "preAllocSize" => config.preallocate = kilobytes(entry, value)?.unwrap_or(0),
            "txnLogSizeLimitInKb" => config.log_size_limit = kilobytes(entry, value)?,
            "forceSync" => config.force_sync = value != "no",
            "fsync.warningthresholdms" => config.sync_warning_ms = long(entry, value)?.max(0).unsigned_abs(),
            "skipACL" => config.skip_acl = value == "yes",
            "extendedTypesEnabled" => config.extended_types = flag(value),
            "digest.enabled" => config.digest = flag(value),
            "snapshot.trust.empty" => config.trust_empty_snapshot = flag(value),
            "snapshot.compression.method" => {
                config.compression = Compression::from_setting(value).ok_or_else(|| {
                    bad(
                        entry,
                        format!("java.lang.IllegalArgumentException: Invalid snapshot compression method: {value}"),
                    )
                })?;
            }
            "autopurge.snapRetainCount" => {
                config.purge_retain = RETAIN_MIN.max(int(entry, value)?.max(0) as usize);
            }
            "autopurge.purgeInterval" => config.purge_interval_hours = int(entry, value)?.max(0) as u64,
            "4lw.commands.whitelist" => config.whitelist = whitelist(value),
            "DigestAuthenticationProvider.superDigest" => config.superuser = Some(value.to_owned()),
            "jute.maxbuffer" => config.max_packet = positive(entry, value)? as usize,
            "admin.enableServer" if flag(value) => self.not_served(entry, "the admin server (HTTP)"),
            "admin.enableServer" => {}
            key if key.starts_with("server.") => self.servers.push(place(entry)),
            key => self.unknown(key, entry),
        }
        Ok(())
    }

    /// Settings of a standalone server that change nothing here, settings that are not served, and all others.
    fn unknown(&mut self, key: &str, entry: &Entry) {
        const NO_DIFFERENCE: &[&str] = &[
            "initLimit",
            "syncLimit",
            "electionAlg",
            "peerType",
            "leaderServes",
            "connectToLearnerMasterLimit",
            "standaloneEnabled",
            "commitLogCount",
            "serverCnxnFactory",
            "maxResponseCacheSize",
            "maxGetChildrenResponseCacheSize",
            "maxBatchSize",
            "flushDelay",
            "closeSessionTxn.enabled",
            "tcpKeepAlive",
            "zookeeper.jute.maxbuffer",
            "watchManagerName",
        ];
        if NO_DIFFERENCE.contains(&key) || key.starts_with("admin.") {
            return;
        }
        match key {
            "secureClientPort" | "secureClientPortAddress" => self.not_served(entry, "TLS"),
            _ if key.starts_with("ssl.") => self.not_served(entry, "TLS"),
            _ if key.starts_with("authProvider.") => self.not_served(entry, "authentication but by digest and address"),
            _ if key.starts_with("quorum.") || key == "reconfigEnabled" => self.not_served(entry, "an ensemble"),
            "enforceQuota" => self.not_served(entry, "enforcement of quotas"),
            "audit.enable" => self.not_served(entry, "the audit log"),
            _ if key.starts_with("metricsProvider.") => self.not_served(entry, "a metrics provider"),
            _ => self.config.warnings.push(format!("{}: unknown setting, ignored", place(entry))),
        }
    }

    fn not_served(&mut self, entry: &Entry, what: &str) {
        self.config.warnings.push(format!("{}: {what} is not served, the setting is ignored", place(entry)));
    }

    fn finish(mut self) -> Result<ServerConfig, ConfigError> {
        if self.config.data_dir.as_os_str().is_empty() {
            return Err(ConfigError::Illegal("dataDir is not set".into()));
        }
        if let [_, second, ..] = self.servers.as_slice() {
            return Err(ConfigError::Illegal(format!(
                "{second}: more than one server: an ensemble is not served, only a standalone server"
            )));
        }
        if self.servers.len() == 1 {
            let warning = "Invalid configuration, only one server specified (ignoring)";
            self.config.warnings.push(warning.to_owned());
        }
        if self.config.client_port.is_none() && self.address.is_some() {
            return Err(ConfigError::Illegal("clientPortAddress is set but clientPort is not set".into()));
        }
        if let Some(address) = &self.address {
            self.config.client_address = Some(resolve(address, &self.address_place)?);
        }
        let tick = self.config.tick_ms;
        self.config.min_session_ms =
            if self.min_session_ms == -1 { tick.saturating_mul(2) } else { self.min_session_ms };
        self.config.max_session_ms =
            if self.max_session_ms == -1 { tick.saturating_mul(20) } else { self.max_session_ms };
        if self.config.min_session_ms > self.config.max_session_ms {
            return Err(ConfigError::Illegal("minSessionTimeout must not be larger than maxSessionTimeout".into()));
        }
        Ok(self.config)
    }
}

fn resolve(address: &str, place: &str) -> Result<IpAddr, ConfigError> {
    let unknown = |reason: String| ConfigError::Bad {
        exception: format!("java.net.UnknownHostException: {address}: {reason}"),
        place: place.to_owned(),
    };
    let mut found = (address, 0).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    found.next().map(|found| found.ip()).ok_or_else(|| unknown("no address".into()))
}

/// `file, line 3: key=value`
fn place(entry: &Entry) -> String {
    let Entry { key, value, origin } = entry;
    match origin {
        Origin::File { name, line } => format!("{name}, line {line}: {key}={value}"),
        _ => format!("--override {key}={value}"),
    }
}

fn bad(entry: &Entry, exception: String) -> ConfigError {
    ConfigError::Bad { exception, place: place(entry) }
}

fn not_a_number(entry: &Entry, value: &str) -> ConfigError {
    bad(entry, format!("java.lang.NumberFormatException: For input string: \"{value}\""))
}

fn int(entry: &Entry, value: &str) -> Result<i32, ConfigError> {
    value.parse().map_err(|_| not_a_number(entry, value))
}

fn long(entry: &Entry, value: &str) -> Result<i64, ConfigError> {
    value.parse().map_err(|_| not_a_number(entry, value))
}

fn positive(entry: &Entry, value: &str) -> Result<i32, ConfigError> {
    match int(entry, value)? {
        number if number > 0 => Ok(number),
        number => {
            Err(bad(entry, format!("java.lang.IllegalArgumentException: {} must be above 0, not {number}", entry.key)))
        }
    }
}

/// Kilobytes as bytes; `None` for 0 and below, which switch the setting off.
fn kilobytes(entry: &Entry, value: &str) -> Result<Option<u64>, ConfigError> {
    let number = long(entry, value)?;
    Ok(u64::try_from(number).ok().filter(|number| *number > 0).map(|number| number.saturating_mul(1024)))
}

fn port(entry: &Entry, value: &str) -> Result<Option<u16>, ConfigError> {
    let number = int(entry, value)?;
    match u16::try_from(number) {
        Ok(0) => Ok(None),
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(bad(entry, format!("java.lang.IllegalArgumentException: port out of range:{number}"))),
    }
}

fn directory(entry: &Entry, value: &str) -> Result<PathBuf, ConfigError> {
    if value.is_empty() {
        return Err(bad(entry, format!("java.lang.IllegalArgumentException: {} is empty", entry.key)));
    }
    Ok(PathBuf::from(value))
}

fn flag(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
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

    fn parsed(text: &str) -> Result<ServerConfig, ConfigError> {
        parse(&Properties::parse("zoo.cfg", text.as_bytes()).unwrap())
    }

    #[test]
    fn kafkas_file() {
        let text = "dataDir=/tmp/zookeeper\nclientPort=2181\nmaxClientCnxns=0\nadmin.enableServer=false\n";
        let config = parsed(text).unwrap();
        assert_eq!((config.client_port, config.max_client_connections), (Some(2181), 0));
        assert_eq!((config.tick_ms, config.min_session_ms, config.max_session_ms), (3000, 6000, 60_000));
        assert_eq!(config.warnings, [""; 0]);
        assert!(config.whitelist.allows("srvr") && !config.whitelist.allows("ruok"));
    }

    #[test]
    fn mistakes_name_file_and_line() {
        let of = |text: &str| parsed(&format!("dataDir=/d\n{text}\n")).unwrap_err().to_string();
        assert_eq!(
            of("clientPort=abc"),
            "Caused by: java.lang.NumberFormatException: For input string: \"abc\"\n\tzoo.cfg, line 2: clientPort=abc"
        );
        assert!(
            of("clientPort=99999")
                .starts_with("Caused by: java.lang.IllegalArgumentException: port out of range:99999")
        );
        assert!(of("tickTime=0").contains("line 2"));
        assert!(of("maxClientCnxns=x").contains("line 2"));
        assert!(of("server.1=a:1:2\nserver.2=b:1:2").contains("line 3"));
        assert!(
            of("minSessionTimeout=9000\nmaxSessionTimeout=5000").ends_with("must not be larger than maxSessionTimeout")
        );
        assert!(of("clientPortAddress=localhost").ends_with("clientPortAddress is set but clientPort is not set"));
        assert!(parsed("clientPort=1").unwrap_err().to_string().ends_with("dataDir is not set"));
    }

    #[test]
    fn what_is_unknown_or_not_served_is_said() {
        let config = parsed("dataDir=/d\nno.such.key=1\nsecureClientPort=1\ninitLimit=5\nserver.1=a:1:2\n").unwrap();
        assert_eq!(config.warnings.len(), 3);
        assert!(config.warnings[0].contains("line 2: no.such.key=1: unknown setting"), "{:?}", config.warnings);
    }

    #[test]
    fn lists_of_words() {
        assert_eq!(whitelist("stat, ruok,*"), Whitelist::All);
        assert!(whitelist("stat, ruok").allows("ruok"));
        assert!(!whitelist("").allows("srvr"));
    }
}
