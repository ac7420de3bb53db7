//! Settings of a broker: the table, what stands in the file and what was changed at run time, the checks that look at
//! several settings at once, and the typed form.

use std::collections::BTreeMap;

use kafka_types::BrokerId;
use properties::{Properties, SettingError, Values};

use crate::endpoint::{Endpoint, SecurityProtocol};
use crate::topic_config::TopicDefaults;

mod check;
mod describe;
mod dynamic;
mod error;
mod listeners;
mod settings;
mod support;

pub use describe::{ConfigEntry, ConfigSource, Synonym};
pub use dynamic::Layer;
pub use error::ConfigError;
pub use settings::DEFINITIONS;

const AUTHORIZER_CLASS: &str = "authorizer.class.name";
/// The one authorizer there is; its rules lie in the coordination server.
const ACL_AUTHORIZER: &str = "kafka.security.authorizer.AclAuthorizer";
/// Settings that a listener may have for itself (`listener.name.<listener>.<setting>`).
const LISTENER_LIMITS: [&str; 2] = ["max.connections", "max.connection.creation.rate"];
/// Its settings that are not in the table of the broker's; others begin with `authorizer.`.
const AUTHORIZER_SETTINGS: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];

/// A broker's settings, checked. The fields hold what needs more than one setting or a grammar of its own; everything
/// else is read from [`BrokerConfig::values`] by its name.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `broker.id`; `None` if one shall be generated.
    pub broker_id: Option<BrokerId>,
    /// `broker.rack`
    pub rack: Option<String>,
    /// `zookeeper.connect`: taken apart by `properties::grammar::connect_string` when the session is opened, as Apache
    /// does, so that its errors come then.
    pub zookeeper_connect: String,
    /// `zookeeper.session.timeout.ms`
    pub zookeeper_session_timeout_ms: i32,
    /// `zookeeper.connection.timeout.ms`, or the session timeout
    pub zookeeper_connection_timeout_ms: i32,
    /// Where to listen; an empty host is "all interfaces".
    pub listeners: Vec<Endpoint>,
    /// What to register; an empty host is "this machine's name".
    pub advertised_listeners: Vec<Endpoint>,
    /// The listener that brokers use among themselves.
    pub inter_broker_listener: String,
    /// What is spoken there.
    pub inter_broker_protocol: SecurityProtocol,
    /// `max.connections.per.ip.overrides`, by host
    pub max_connections_per_ip_overrides: Vec<(String, i32)>,
    /// `log.dirs`, or `log.dir`
    pub log_dirs: Vec<String>,
    /// Age at which segments are rolled, from `log.roll.ms` or `log.roll.hours`
    pub log_roll_ms: i64,
    /// From `log.roll.jitter.ms` or `log.roll.jitter.hours`
    pub log_roll_jitter_ms: i64,
    /// From `log.retention.ms`, `.minutes` or `.hours`; -1 for ever
    pub log_retention_ms: i64,
    /// From `log.flush.interval.ms` or `log.flush.scheduler.interval.ms`
    pub log_flush_ms: i64,
    /// What a listener has instead of what all have: its name and the setting's.
    of_listeners: BTreeMap<(String, &'static str), i32>,
    values: Values,
    texts: Texts,
}

/// What was set where, as text.
#[derive(Debug, Clone, Default)]
struct Texts {
    /// In the file or on the command line.
    fixed: BTreeMap<String, String>,
    /// In `/config/brokers/<default>`.
    dynamic_default: BTreeMap<String, String>,
    /// In `/config/brokers/N`.
    dynamic_own: BTreeMap<String, String>,
}

impl BrokerConfig {
    /// From a file and what was laid over it.
    pub fn from_properties(properties: &Properties) -> Result<BrokerConfig, ConfigError> {
        let entries = properties.entries().iter();
        let mut fixed = entries.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        name_both(&mut fixed);
        BrokerConfig::build(Texts { fixed, ..Texts::default() })
    }

    /// With settings changed at run time: for all brokers, and for this one, which go before them. Settings that may not
    /// be changed at run time are left out; unknown ones are kept, for somebody may know them.
    pub fn with_dynamic(
        &self,
        for_all: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> Result<BrokerConfig, ConfigError> {
        let config = self.assemble_with(for_all, own)?;
        support::check(&config)?;
        Ok(config)
    }

    /// As [`BrokerConfig::with_dynamic`], whether this broker has what is asked for or not.
    fn assemble_with(
        &self,
        for_all: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> Result<BrokerConfig, ConfigError> {
        BrokerConfig::assemble(Texts {
            fixed: self.texts.fixed.clone(),
            dynamic_default: Texts::pick(for_all, Layer::ForAll),
            dynamic_own: Texts::pick(own, Layer::Own),
        })
    }

    fn build(texts: Texts) -> Result<BrokerConfig, ConfigError> {
        let config = BrokerConfig::assemble(texts)?;
        support::check(&config)?;
        Ok(config)
    }

    fn assemble(texts: Texts) -> Result<BrokerConfig, ConfigError> {
        let effective = texts.effective();
        let get = |name: &str| effective.get(name).map(String::as_str);
        let values = DEFINITIONS.parse(get).map_err(|errors| ConfigError::from(errors.into_iter().next()))?;
        check::classes(&values)?;
        let is_set = |name: &str| effective.contains_key(name);
        let broker_id = check::broker_id(&values)?;
        let found = listeners::find(&values, &is_set)?;
        let of_listeners = listeners::limits(&found.own, &get)?;
        let config = BrokerConfig {
            broker_id,
            rack: values.optional_string("broker.rack"),
            zookeeper_connect: values.optional_string("zookeeper.connect").unwrap_or_default(),
            zookeeper_session_timeout_ms: values.int("zookeeper.session.timeout.ms"),
            zookeeper_connection_timeout_ms: values
                .optional_int("zookeeper.connection.timeout.ms")
                .unwrap_or_else(|| values.int("zookeeper.session.timeout.ms")),
            listeners: found.own,
            advertised_listeners: found.advertised,
            inter_broker_listener: found.inter_broker,
            inter_broker_protocol: found.inter_broker_protocol,
            max_connections_per_ip_overrides: listeners::connection_overrides(&values)?,
            log_dirs: log_dirs(&values),
            log_roll_ms: first_set(&values, "log.roll.ms", &[("log.roll.hours", HOUR_MS)]),
            log_roll_jitter_ms: first_set(&values, "log.roll.jitter.ms", &[("log.roll.jitter.hours", HOUR_MS)]),
            log_retention_ms: retention_ms(&values),
            log_flush_ms: values
                .optional_long("log.flush.interval.ms")
                .unwrap_or_else(|| values.long("log.flush.scheduler.interval.ms")),
            of_listeners,
            values,
            texts,
        };
        check::together(&config)?;
        Ok(config)
    }

    /// Every setting by its name.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// A setting of type INT as a listener has it: `listener.name.<listener>.<name>` goes before `<name>`. The name is
    /// `max.connections` or `max.connection.creation.rate`.
    pub fn listener_int(&self, listener: &str, name: &str) -> i32 {
        let own = self.of_listeners.iter().find(|((whose, what), _)| whose == listener && *what == name);
        own.map_or_else(|| self.values.int(name), |(_, value)| *value)
    }

    /// Is it the brokers' own listener beside others? The limits of all connections do not keep brokers out then.
    pub fn is_protected(&self, listener: &str) -> bool {
        self.listeners.len() > 1 && listener == self.inter_broker_listener
    }

    /// What is not in the table, such as misspelt names: Apache ignores it, a warning helps.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let authorizes = self.has_acl_authorizer();
        let is_known = move |name: &str| {
            DEFINITIONS.get(name).is_some()
                || name.starts_with("listener.name.")
                || (authorizes && (AUTHORIZER_SETTINGS.contains(&name) || name.starts_with("authorizer.")))
        };
        self.texts.fixed.keys().map(String::as_str).filter(move |name| !is_known(name))
    }

    /// Does `authorizer.class.name` ask for access rules?
    pub fn has_acl_authorizer(&self) -> bool {
        self.values.string(AUTHORIZER_CLASS) == ACL_AUTHORIZER
    }

    /// The text of a setting as it stands in the file, if it stands there.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.fixed.get(name).map(String::as_str)
    }

    /// What the broker's settings make of each topic setting.
    pub fn topic_defaults(&self) -> TopicDefaults {
        let mut defaults = TopicDefaults::new();
        for setting in crate::topic_config::DEFINITIONS.settings() {
            if let [name, ..] = crate::topic_config::synonyms(setting.name)
                && let Some(text) = self.values.get(name).and_then(properties::Value::text)
            {
                defaults.insert(setting.name, text);
            }
        }
        defaults.insert("segment.ms", self.log_roll_ms.to_string());
        defaults.insert("segment.jitter.ms", self.log_roll_jitter_ms.to_string());
        defaults.insert("retention.ms", self.log_retention_ms.to_string());
        defaults.insert("flush.ms", self.log_flush_ms.to_string());
        defaults
    }
}

impl Texts {
    /// What counts: the broker's own dynamic settings, then those for all, then the file. A dynamic setting also hides
    /// its synonyms below it (`log.retention.ms` hides `log.retention.hours`).
    fn effective(&self) -> BTreeMap<String, String> {
        let mut effective = self.fixed.clone();
        for layer in [&self.dynamic_default, &self.dynamic_own] {
            for (name, value) in layer {
                for synonym in describe::synonyms(name) {
                    effective.remove(synonym);
                }
                effective.insert(name.clone(), value.clone());
            }
        }
        name_both(&mut effective);
        effective
    }
}

/// KRaft's name of the same setting: either one sets both.
fn name_both(texts: &mut BTreeMap<String, String>) {
    for (one, other) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
        if let (Some(value), None) = (texts.get(one), texts.get(other)) {
            let value = value.clone();
            texts.insert(other.to_owned(), value);
        }
    }
}

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The setting in milliseconds if it is set, else the first of the coarser ones that is.
fn first_set(values: &Values, millis: &str, coarser: &[(&str, i64)]) -> i64 {
    let coarse = || coarser.iter().find_map(|(name, unit)| Some(i64::from(values.optional_int(name)?) * unit));
    values.optional_long(millis).or_else(coarse).unwrap_or(-1)
}

fn retention_ms(values: &Values) -> i64 {
    let coarser = [("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS)];
    match first_set(values, "log.retention.ms", &coarser) {
        negative if negative < 0 => -1,
        millis => millis,
    }
}

fn log_dirs(values: &Values) -> Vec<String> {
    let text = values.optional_string("log.dirs").unwrap_or_else(|| values.string("log.dir"));
    text.split(',').map(str::trim).filter(|dir| !dir.is_empty()).map(str::to_owned).collect()
}

impl From<Option<SettingError>> for ConfigError {
    fn from(error: Option<SettingError>) -> ConfigError {
        ConfigError::config(error.map(|error| error.to_string()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
