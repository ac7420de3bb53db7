//! `zoo.cfg` / `zookeeper.properties` to typed settings.
//!
//! Names, defaults and the texts of errors are Apache's; an error also says which line it is about. A setting that has
//! no meaning here is told of once, one that nobody knows is a warning: nothing is ignored silently.

mod classes;
mod membership;
mod operating;
mod read;
mod security;
mod settings;
mod without_meaning;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use operating::{AdminConfig, AdminTls, PrometheusConfig};
use properties::Properties;
use thiserror::Error;
use vfs::Vfs;
use zk_state::auth::DigestAlgorithm;
use zk_store::{Compression, RETAIN_MIN};

use crate::connection_throttle::ConnectionThrottleConfig;
use crate::reaper::ReaperConfig;
use crate::request_throttle::RequestThrottleConfig;
use membership::Member;

pub use security::{CertificateId, SaslSettings, Security};
pub(crate) use settings::is_property;
pub use settings::{Settings, bad, place};

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

/// A provider of identities that `authProvider.N` names; digest and address are there without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthProvider {
    /// User and password.
    Digest,
    /// The address.
    Ip,
    /// SASL.
    Sasl,
    /// Certificates of clients.
    X509,
    /// The name of the ensemble that a client wants to talk to.
    Ensemble,
}

/// When a sync of the log is put off, so that more goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushConfig {
    /// Milliseconds that a transaction may wait for others (`flushDelay`); 0: none.
    pub delay_ms: u64,
    /// Milliseconds without a new transaction after which nobody is waited for (`maxWriteQueuePollTime`).
    pub poll_ms: u64,
    /// Transactions that go with one sync (`maxBatchSize`); 0: any number.
    pub batch: usize,
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
    /// When a sync is put off.
    pub flush: FlushConfig,
    /// A sync that takes longer, in milliseconds, is warned of.
    pub sync_warning_ms: u64,
    /// ACLs are not looked at.
    pub skip_acl: bool,
    /// Znodes may have a time to live.
    pub extended_types: bool,
    /// Znodes with a time to live that servers 3.5.3 made are known as such.
    pub emulate_353_ttl: bool,
    /// Transactions and snapshots carry the tree's digest.
    pub digest: bool,
    /// Limits of quotas are held to.
    pub enforce_quota: bool,
    /// The transaction that ends a session lists its znodes.
    pub close_session_txn: bool,
    /// Membership may be changed, if there were one.
    pub reconfig: bool,
    /// Znodes that the server deletes by itself.
    pub reaper: ReaperConfig,
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
    /// How passwords are hashed; `None`: the scheme `digest` is switched off.
    pub digest_algorithm: Option<DigestAlgorithm>,
    /// Schemes that are asked for by class.
    pub auth_providers: Vec<AuthProvider>,
    /// Names that the scheme `ensemble` accepts; `None`: any.
    pub ensemble_names: Option<Vec<String>>,
    /// A connection needs an id of one of these schemes; `None`: it needs none.
    pub required_schemes: Option<Vec<String>>,
    /// Who may come in and as whom: TLS, certificates, SASL.
    pub security: Security,
    /// The largest request, in bytes.
    pub max_packet: usize,
    /// Bytes by which a record on disk may be longer than that.
    pub extra_packet: usize,
    /// How long a connection may take to get a session, milliseconds.
    pub sessionless_ms: u64,
    /// Do connections of clients have TCP keep-alive?
    pub tcp_keep_alive: bool,
    /// How many sessions may be asked for in a time.
    pub connection_throttle: ConnectionThrottleConfig,
    /// How many requests may be in process, and what waits too long.
    pub request_throttle: RequestThrottleConfig,
    /// A request above so many bytes is a large one; `None`: none is.
    pub large_request: Option<usize>,
    /// Bytes of large requests that may be in process.
    pub large_request_bytes: usize,
    /// May the data directory be made if it is missing?
    pub create_data_dir: bool,
    /// The admin server, if there is to be one.
    pub admin: Option<AdminConfig>,
    /// The metrics for Prometheus, if somebody is to fetch them.
    pub prometheus: Option<PrometheusConfig>,
    /// Is every change told of in the audit log?
    pub audit: bool,
    /// The file as it was read.
    pub text: String,
    /// Name and value of every setting as it was written, the Java system properties among them, by name.
    pub properties: Vec<(String, String)>,
    /// What is to be told of: settings without a meaning here.
    pub notices: Vec<String>,
    /// What is to be warned of.
    pub warnings: Vec<String>,
    /// What is wrong, and is passed over.
    pub mistakes: Vec<String>,
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
            flush: FlushConfig { delay_ms: 0, poll_ms: 0, batch: 1000 },
            sync_warning_ms: 1000,
            skip_acl: false,
            extended_types: false,
            emulate_353_ttl: false,
            digest: true,
            enforce_quota: false,
            close_session_txn: true,
            reconfig: false,
            reaper: ReaperConfig::default(),
            trust_empty_snapshot: false,
            compression: Compression::None,
            purge_retain: RETAIN_MIN,
            purge_interval_hours: 0,
            whitelist: Whitelist::Words(vec!["srvr".to_owned()]),
            superuser: None,
            digest_algorithm: Some(DigestAlgorithm::Sha1),
            auth_providers: Vec::new(),
            ensemble_names: None,
            required_schemes: None,
            security: Security::default(),
            max_packet: MAX_PACKET_DEFAULT,
            extra_packet: MAX_PACKET_DEFAULT,
            sessionless_ms: 10_000,
            tcp_keep_alive: false,
            connection_throttle: ConnectionThrottleConfig::default(),
            request_throttle: RequestThrottleConfig::default(),
            large_request: None,
            large_request_bytes: 100 << 20,
            create_data_dir: true,
            admin: None,
            prometheus: None,
            audit: false,
            text: String::new(),
            properties: Vec::new(),
            notices: Vec::new(),
            warnings: Vec::new(),
            mistakes: Vec::new(),
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
    /// A `server.N` that cannot be read, or contradicts the client port.
    #[error("Caused by: org.apache.zookeeper.server.quorum.QuorumPeerConfig$ConfigException: {0}")]
    Membership(String),
}

/// Reads a file, lays `overrides` (`key=value`) over it, and the whole over the Java system properties.
///
/// # Errors
/// [`ConfigError`] for what makes Apache's server exit with code 2.
pub fn read(vfs: &dyn Vfs, name: &str, overrides: &[String], system: &Properties) -> Result<ServerConfig, ConfigError> {
    let path = Path::new(name);
    if !vfs.exists(path) {
        return Err(ConfigError::Missing(name.to_owned()));
    }
    let bytes = vfs.read(path).map_err(|error| ConfigError::Unreadable(format!("{name}: {error}")))?;
    let mut properties = Properties::parse(name, &bytes).map_err(|error| ConfigError::Unreadable(error.to_string()))?;
    for setting in overrides {
        properties.override_with("--override", setting);
    }
    let (mut config, member) = parse_all(&properties, system)?;
    membership::take_own_port(vfs, member, &mut config)?;
    config.text = lines_of(&bytes);
    Ok(config)
}

/// A file as Apache keeps it: lines that end with a line feed.
fn lines_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().fold(String::new(), |text, line| text + line + "\n")
}

/// Turns text into settings: a `zoo.cfg`, over Java system properties.
///
/// # Errors
/// [`ConfigError`] for what makes Apache's server exit with code 2.
pub fn parse(file: &Properties, system: &Properties) -> Result<ServerConfig, ConfigError> {
    Ok(parse_all(file, system)?.0)
}

/// The same, and the one `server.N`: whether it is this server stands in the data directory.
fn parse_all(file: &Properties, system: &Properties) -> Result<(ServerConfig, Option<Member>), ConfigError> {
    let mut settings = Settings::new(file, system);
    let mut config = ServerConfig::new(PathBuf::new(), None);
    config.properties = settings.all().to_vec();
    let member = read::all(&mut config, &mut settings)?;
    read::tell_of_the_rest(&mut config, &settings);
    Ok((config, member))
}

#[cfg(test)]
mod tests {
    use super::*;

    use properties::Origin;

    fn parsed(text: &str) -> Result<ServerConfig, ConfigError> {
        parse(&Properties::parse("zoo.cfg", text.as_bytes()).unwrap(), &Properties::new())
    }

    #[test]
    fn system_properties_are_settings() {
        let mut system = Properties::new();
        let flags =
            "-Dzookeeper.snapCount=10 -Dzookeeper.extendedTypesEnabled=true -Djute.maxbuffer=4194304 -Dlog4j.debug";
        system.define(&Origin::Variable("KAFKA_OPTS"), flags);
        let config = parse(&Properties::parse("zoo.cfg", b"dataDir=/d\nsnapCount=20").unwrap(), &system).unwrap();
        assert_eq!((config.snap_count, config.extended_types, config.max_packet), (20, true, 4_194_304));
        assert_eq!(config.warnings, [""; 0]);
        assert_eq!(config.notices, ["Java properties without a meaning here: log4j.debug"]);
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
        let config =
            parsed("dataDir=/d\nno.such.key=1\nkerberos.removeRealmFromPrincipal=true\ninitLimit=5\nserver.1=a:1:2\n")
                .unwrap();
        assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
        assert_eq!(config.mistakes, ["Invalid configuration, only one server specified (ignoring)"]);
        assert!(config.warnings.iter().any(|warning| warning.contains("line 2: no.such.key=1: unknown setting")));
        assert_eq!(config.notices, ["zoo.cfg, line 4: initLimit=5: no meaning for a server that is alone"]);
    }
}
