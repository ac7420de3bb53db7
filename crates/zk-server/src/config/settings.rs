//! Where settings come from, before anybody knows what they mean.
//!
//! Apache's server has two kinds. Some keys are read from `zoo.cfg` only ([`is_file_key`]). All others are Java system
//! properties: `-Dzookeeper.snapCount=..` on the command line or in a variable, or `snapCount=..` in `zoo.cfg`, which
//! sets the property `zookeeper.snapCount` and wins. A few properties have no such prefix ([`BARE`]); Apache reads
//! them from the command line only, this server from `zoo.cfg` as well.
//!
//! Each part of the configuration takes its settings out by name; what is left at the end nobody knows, or has no
//! meaning here. So there is no list of names beside the code that reads them.

use std::collections::BTreeMap;

use properties::{Entry, Origin, Properties};

use crate::config::ConfigError;

/// Prefix of the properties that a key of `zoo.cfg` sets.
const PREFIX: &str = "zookeeper.";

/// Properties without the prefix, as Apache names them.
const BARE: &[&str] = &[
    "fsync.warningthresholdms",
    "java.security.auth.login.config",
    "java.security.krb5.conf",
    "jute.maxbuffer",
    "readonlymode.enabled",
    "znode.container.checkIntervalMs",
    "znode.container.maxNeverUsedIntervalMs",
    "znode.container.maxPerMinute",
];

/// Keys that are read from the file only (`QuorumPeerConfig`).
const FILE_KEYS: &[&str] = &[
    "autopurge.purgeInterval",
    "autopurge.snapRetainCount",
    "clientPort",
    "clientPortAddress",
    "clientPortListenBacklog",
    "connectToLearnerMasterLimit",
    "dataDir",
    "dataLogDir",
    "dynamicConfigFile",
    "electionAlg",
    "initLimit",
    "jvm.pause.info-threshold.ms",
    "jvm.pause.monitor",
    "jvm.pause.sleep.time.ms",
    "jvm.pause.warn-threshold.ms",
    "localSessionsEnabled",
    "localSessionsUpgradingEnabled",
    "maxClientCnxns",
    "maxSessionTimeout",
    "minSessionTimeout",
    "multiAddress.enabled",
    "multiAddress.reachabilityCheckEnabled",
    "multiAddress.reachabilityCheckTimeoutMs",
    "observerMasterPort",
    "oraclePath",
    "peerType",
    "portUnification",
    "quorum.auth.enableSasl",
    "quorum.auth.kerberos.servicePrincipal",
    "quorum.auth.learner.saslLoginContext",
    "quorum.auth.learnerRequireSasl",
    "quorum.auth.server.saslLoginContext",
    "quorum.auth.serverRequireSasl",
    "quorum.cnxn.threads.size",
    "quorumListenOnAllIPs",
    "reconfigEnabled",
    "secureClientPort",
    "secureClientPortAddress",
    "sslQuorum",
    "sslQuorumReloadCertFiles",
    "standaloneEnabled",
    "syncEnabled",
    "syncLimit",
    "tickTime",
];

/// Prefixes of such keys.
const FILE_PREFIXES: &[&str] = &["group.", "metricsProvider.", "server.", "weight."];

/// Is this the name of a Java system property of Apache's server?
pub(crate) fn is_property(name: &str) -> bool {
    name.starts_with(PREFIX) || BARE.contains(&name)
}

/// Is this key read from the file only?
fn is_file_key(key: &str) -> bool {
    FILE_KEYS.contains(&key) || FILE_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// The settings that nobody has taken yet, under the names that [`Settings::text`] and its like take: a key of the file,
/// or a property with its prefix.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    left: BTreeMap<String, Entry>,
    all: Vec<(String, String)>,
    foreign: Vec<String>,
}

impl Settings {
    /// The settings of a `zoo.cfg`, over the system properties.
    pub fn new(file: &Properties, system: &Properties) -> Settings {
        let mut settings = Settings::default();
        for entry in system.entries() {
            if entry.key.starts_with(PREFIX) || BARE.contains(&entry.key.as_str()) {
                settings.left.insert(entry.key.clone(), trimmed(entry));
            } else {
                settings.foreign.push(entry.key.clone());
            }
        }
        for entry in file.entries() {
            let entry = trimmed(entry);
            let own = is_file_key(&entry.key) || BARE.contains(&entry.key.as_str());
            let name = if own { entry.key.clone() } else { format!("{PREFIX}{}", entry.key) };
            settings.left.insert(name, entry);
        }
        let of = |(name, entry): (&String, &Entry)| (name.clone(), entry.value.clone());
        settings.all = settings.left.iter().map(of).collect();
        settings
    }

    /// Takes a setting, with where it was written.
    pub fn entry(&mut self, name: &str) -> Option<Entry> {
        self.left.remove(name)
    }

    /// Looks at a setting and leaves it.
    pub fn peek(&self, name: &str) -> Option<&Entry> {
        self.left.get(name)
    }

    /// Takes a text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.entry(name).map(|entry| entry.value)
    }

    /// Takes a number of 32 bits.
    ///
    /// # Errors
    /// [`ConfigError::Bad`] for anything else.
    pub fn int(&mut self, name: &str) -> Result<Option<i32>, ConfigError> {
        self.number(name)
    }

    /// Takes a number of 64 bits.
    ///
    /// # Errors
    /// [`ConfigError::Bad`] for anything else.
    pub fn long(&mut self, name: &str) -> Result<Option<i64>, ConfigError> {
        self.number(name)
    }

    /// Takes a number with a fraction.
    ///
    /// # Errors
    /// [`ConfigError::Bad`] for anything else.
    pub fn double(&mut self, name: &str) -> Result<Option<f64>, ConfigError> {
        self.number(name)
    }

    /// Takes a switch: `true` in any case is on, everything else is off (`Boolean.parseBoolean`).
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.entry(name).map(|entry| entry.value.eq_ignore_ascii_case("true"))
    }

    /// Takes a switch of the file, which is `true` or `false`.
    ///
    /// # Errors
    /// [`ConfigError::Bad`] for anything else.
    pub fn strict_flag(&mut self, name: &str) -> Result<Option<bool>, ConfigError> {
        let Some(entry) = self.entry(name) else { return Ok(None) };
        match entry.value.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => {
                let text = format!("Invalid option {} for {}. Choose 'true' or 'false.'", entry.value, entry.key);
                Err(bad(&entry, format!("{CONFIG_EXCEPTION}: {text}")))
            }
        }
    }

    /// Takes all settings whose names begin so, by name.
    pub fn starting_with(&mut self, prefix: &str) -> Vec<(String, Entry)> {
        let names: Vec<String> = self.left.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        names.into_iter().filter_map(|name| self.left.remove_entry(&name)).collect()
    }

    /// Name and value of every setting, taken or not, by name (for the admin command `system_properties`).
    pub fn all(&self) -> &[(String, String)] {
        &self.all
    }

    /// What nobody has taken, by name.
    pub fn left(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.left.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Properties that are none of ZooKeeper's: they speak to Java or to one of its libraries.
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    fn number<N: std::str::FromStr>(&mut self, name: &str) -> Result<Option<N>, ConfigError> {
        let Some(entry) = self.entry(name) else { return Ok(None) };
        entry
            .value
            .parse()
            .map(Some)
            .map_err(|_| bad(&entry, format!("java.lang.NumberFormatException: For input string: \"{}\"", entry.value)))
    }
}

/// Apache's exception for a value that is not legal.
pub(crate) const CONFIG_EXCEPTION: &str = "org.apache.zookeeper.server.quorum.QuorumPeerConfig$ConfigException";

/// An error about one setting: Apache's exception with its text, and the place.
pub fn bad(entry: &Entry, exception: String) -> ConfigError {
    ConfigError::Bad { exception, place: place(entry) }
}

/// `file, line 3: key=value`, `KAFKA_OPTS: -Dkey=value` ..
pub fn place(entry: &Entry) -> String {
    let Entry { key, value, origin } = entry;
    match origin {
        Origin::File { name, line } => format!("{name}, line {line}: {key}={value}"),
        Origin::Option("-D") | Origin::Program => format!("-D{key}={value}"),
        Origin::Option(option) => format!("{option} {key}={value}"),
        Origin::Variable(variable) => format!("{variable}: -D{key}={value}"),
    }
}

fn trimmed(entry: &Entry) -> Entry {
    let Entry { key, value, origin } = entry;
    Entry { key: key.trim().to_owned(), value: value.trim().to_owned(), origin: origin.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: &str, flags: &str) -> Settings {
        let mut system = Properties::new();
        system.define(&Origin::Variable("KAFKA_OPTS"), flags);
        Settings::new(&Properties::parse("zoo.cfg", file.as_bytes()).unwrap(), &system)
    }

    #[test]
    fn the_file_sets_properties_and_wins() {
        let mut settings = settings(
            "snapCount=7\ntickTime = 5 \njute.maxbuffer=1\n",
            "-Dzookeeper.snapCount=8 -Dzookeeper.preAllocSize=9 -DtickTime=6 -Djute.maxbuffer=2",
        );
        assert_eq!(settings.int("zookeeper.snapCount"), Ok(Some(7)));
        assert_eq!(settings.int("zookeeper.snapCount"), Ok(None), "taken");
        assert_eq!(settings.int("zookeeper.preAllocSize"), Ok(Some(9)));
        assert_eq!(settings.int("tickTime"), Ok(Some(5)), "no property");
        assert_eq!(settings.int("jute.maxbuffer"), Ok(Some(1)));
        assert_eq!(settings.foreign(), ["tickTime"]);
        assert_eq!(settings.left().count(), 0);
        assert_eq!(settings.all().len(), 4);
    }

    #[test]
    fn mistakes_name_their_place() {
        let of = |error: ConfigError| error.to_string().lines().nth(1).unwrap_or_default().trim().to_owned();
        let mut settings = settings("reconfigEnabled=yes\na.long=x", "-Dzookeeper.snapCount=many");
        assert_eq!(of(settings.int("zookeeper.snapCount").unwrap_err()), "KAFKA_OPTS: -Dzookeeper.snapCount=many");
        assert_eq!(of(settings.long("zookeeper.a.long").unwrap_err()), "zoo.cfg, line 2: a.long=x");
        let error = settings.strict_flag("reconfigEnabled").unwrap_err();
        assert!(error.to_string().contains("Invalid option yes for reconfigEnabled. Choose 'true' or 'false.'"));
    }

    #[test]
    fn families_are_taken_whole() {
        let mut settings = settings("authProvider.1=a\nauthProvider.2=b\nmetricsProvider.httpPort=1", "");
        let taken: Vec<_> =
            settings.starting_with("zookeeper.authProvider.").into_iter().map(|(name, _)| name).collect();
        assert_eq!(taken, ["zookeeper.authProvider.1", "zookeeper.authProvider.2"]);
        assert_eq!(settings.starting_with("metricsProvider.").len(), 1);
        assert_eq!(settings.left().count(), 0);
    }
}
