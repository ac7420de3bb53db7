//! `zoo.cfg` / `zookeeper.properties` to typed settings.
//!
//! Names, defaults and the texts of errors are Apache's; an error also says which line it is about. A setting that has
//! no meaning here is told of once, one that nobody knows is a warning: nothing is ignored silently.

mod read;
mod settings;
mod without_meaning;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use properties::Properties;
use thiserror::Error;
use vfs::Vfs;
use zk_store::{Compression, RETAIN_MIN};

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
    /// Name and value of every setting as it was written, the Java system properties among them, by name.
    pub properties: Vec<(String, String)>,
    /// What is to be told of: settings without a meaning here.
    pub notices: Vec<String>,
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
            properties: Vec::new(),
            notices: Vec::new(),
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
    parse(&properties, system)
}

/// Turns text into settings: a `zoo.cfg`, over Java system properties.
///
/// # Errors
/// [`ConfigError`] for what makes Apache's server exit with code 2.
pub fn parse(file: &Properties, system: &Properties) -> Result<ServerConfig, ConfigError> {
    let mut settings = Settings::new(file, system);
    let mut config = ServerConfig::new(PathBuf::new(), None);
    config.properties = settings.all().to_vec();
    read::all(&mut config, &mut settings)?;
    read::tell_of_the_rest(&mut config, &settings);
    Ok(config)
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
        let config = parsed("dataDir=/d\nno.such.key=1\nsecureClientPort=1\ninitLimit=5\nserver.1=a:1:2\n").unwrap();
        assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
        assert!(config.warnings.iter().any(|warning| warning.contains("line 2: no.such.key=1: unknown setting")));
        assert_eq!(config.notices, ["zoo.cfg, line 4: initLimit=5: no meaning for a server that is alone"]);
    }
}
