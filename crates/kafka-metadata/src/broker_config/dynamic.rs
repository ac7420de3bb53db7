//! Changes of a broker's settings at run time (KIP-226): which may be made, and what they come to.

use std::collections::BTreeMap;

use properties::{Check, Kind, Scope, Setting};

use super::describe::{base_of, is_dynamic, is_security};
use super::error::ConfigError;
use super::{BrokerConfig, DEFINITIONS, LISTENER_LIMITS, Texts};
use crate::endpoint::Endpoint;

/// Limits that are known at run time only; no file has them.
static RATES: [Setting; 3] = [
    rate("leader.replication.throttled.rate", "Bytes a second that leaders send to throttled replicas."),
    rate("follower.replication.throttled.rate", "Bytes a second that throttled replicas fetch."),
    rate("replica.alter.log.dirs.io.max.bytes.per.second", "Bytes a second for moves between log directories."),
];

const fn rate(name: &'static str, doc: &'static str) -> Setting {
    Setting::new(name, Kind::Long, "9223372036854775807", doc).check(Check::at_least(0))
}

/// Sizes of pools: a step may halve or double them at most.
const POOLS: [&str; 5] = [
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
    "num.network.threads",
];

/// Changeable beside Apache's broker, and fixed here while the broker runs.
const FIXED_HERE: [&str; 1] = ["principal.builder.class"];

/// The definition of a setting that is known at run time only.
pub(super) fn rate_of(name: &str) -> Option<&'static Setting> {
    RATES.iter().find(|setting| setting.name == name)
}

/// Which settings are changed: those of one broker, or those of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// `/config/brokers/N`
    Own,
    /// `/config/brokers/<default>`
    ForAll,
}

impl BrokerConfig {
    /// The settings after `changed` has replaced everything in a layer, or why that may not be (the texts are those of
    /// Apache's broker). Changes nothing.
    pub fn propose(&self, layer: Layer, changed: &BTreeMap<String, String>) -> Result<BrokerConfig, ConfigError> {
        check_names(changed)?;
        check_values(changed)?;
        if layer == Layer::ForAll {
            let own_only = changed.keys().filter(|name| is_dynamic(name) && !super::describe::is_cluster_wide(name));
            refuse(
                "Cannot update these configs at default cluster level, broker id must be specified",
                "Set",
                &own_only.map(String::as_str).collect::<Vec<_>>(),
            )?;
        }
        if changed.get("log.cleaner.threads").is_some_and(|threads| threads.trim() == "0") {
            // Apache's broker divides the memory for keys before it looks at the number.
            return Err(ConfigError { class: "java.lang.ArithmeticException", message: "/ by zero".to_owned() });
        }
        let (for_all, own) = match layer {
            Layer::Own => (&self.texts.dynamic_default, changed),
            Layer::ForAll => (changed, &self.texts.dynamic_own),
        };
        let proposed = self.assemble_with(for_all, own)?;
        self.check_protocols(&proposed)?;
        super::support::check(&proposed)?;
        self.check_steps(&proposed)?;
        Ok(proposed)
    }

    /// What was changed at run time in a layer.
    pub fn dynamic(&self, layer: Layer) -> &BTreeMap<String, String> {
        match layer {
            Layer::Own => &self.texts.dynamic_own,
            Layer::ForAll => &self.texts.dynamic_default,
        }
    }

    /// One of the limits in bytes a second that are known at run time only, such as
    /// `leader.replication.throttled.rate`: what is set for this broker, else for all; `None` if nothing is.
    pub fn rate(&self, name: &str) -> Option<u64> {
        let text = self.texts.dynamic_own.get(name).or_else(|| self.texts.dynamic_default.get(name))?;
        text.trim().parse().ok()
    }

    /// Both layers of what was changed at run time.
    pub fn layers(&self) -> [&BTreeMap<String, String>; 2] {
        [&self.texts.dynamic_default, &self.texts.dynamic_own]
    }

    /// The settings whose values are others than `before`, with the values that may be shown.
    pub fn differences<'c>(
        &'c self,
        before: &'c BrokerConfig,
    ) -> impl Iterator<Item = (&'static str, String)> + use<'c> {
        let pairs = self.values().iter().zip(before.values().iter());
        pairs.filter(|((_, now), (_, then))| now != then).map(|((setting, now), _)| {
            let shown = if setting.is_sensitive() { None } else { now.text() };
            (setting.name, shown.unwrap_or_else(|| "[hidden]".to_owned()))
        })
    }

    fn check_steps(&self, proposed: &BrokerConfig) -> Result<(), ConfigError> {
        for name in POOLS {
            let (now, then) = (self.values().int(name), proposed.values().int(name));
            let rule = match then {
                _ if then == now => continue,
                _ if then < now / 2 => format!("value should be at least half the current value {now}"),
                _ if then > now.saturating_mul(2) => {
                    format!("value should not be greater than double the current value {now}")
                }
                _ => continue,
            };
            let what = format!("Dynamic thread count update validation failed for {name}={then}");
            return Err(invalid(&format!("{what}, {rule}")));
        }
        let threads = |config: &BrokerConfig| config.values().int("log.cleaner.threads");
        let (now, then) = (threads(self), threads(proposed));
        if then < now / 2 {
            let rule = format!("Log cleaner threads cannot be reduced to less than half the current value {now}");
            return Err(invalid(&rule));
        }
        if then > now.saturating_mul(2) {
            let rule = format!("Log cleaner threads cannot be increased to more than double the current value {now}");
            return Err(invalid(&rule));
        }
        self.check_listeners(proposed)?;
        self.check_fixed(proposed)
    }

    /// What a listener speaks, it speaks as long as it is there.
    fn check_protocols(&self, proposed: &BrokerConfig) -> Result<(), ConfigError> {
        match self.staying(proposed).find(|(before, after)| before.protocol != after.protocol) {
            Some((before, _)) => Err(invalid(&format!(
                "Security protocol cannot be updated for existing listener ListenerName({})",
                before.listener
            ))),
            None => Ok(()),
        }
    }

    /// The listeners that there are before and after a change.
    pub fn staying<'c>(&'c self, proposed: &'c BrokerConfig) -> impl Iterator<Item = (&'c Endpoint, &'c Endpoint)> {
        let after = |before: &Endpoint| proposed.listeners.iter().find(|after| after.listener == before.listener);
        self.listeners.iter().filter_map(move |before| after(before).map(|after| (before, after)))
    }

    /// A listener that nobody may come to is none.
    fn check_listeners(&self, proposed: &BrokerConfig) -> Result<(), ConfigError> {
        for endpoint in &proposed.listeners {
            let limits =
                |config: &BrokerConfig| LISTENER_LIMITS.map(|name| config.listener_int(&endpoint.listener, name));
            let now = limits(proposed);
            if now == limits(self) {
                continue;
            }
            for (name, value) in LISTENER_LIMITS.iter().zip(now) {
                if value <= 0 {
                    return Err(invalid(&format!("Invalid {name} {value}")));
                }
            }
        }
        Ok(())
    }

    fn check_fixed(&self, proposed: &BrokerConfig) -> Result<(), ConfigError> {
        for name in FIXED_HERE {
            if self.values().get(name) != proposed.values().get(name) {
                return Err(cannot(name));
            }
        }
        let added = proposed.texts.dynamic_own.iter().filter(|(name, value)| {
            let before = self.texts.dynamic_own.get(*name);
            let is_limit = base_of(name).is_some_and(|base| LISTENER_LIMITS.contains(&base));
            before != Some(value) && (name.starts_with("listener.name.") && !is_limit || name.starts_with("sasl."))
        });
        match added.map(|(name, _)| name).next() {
            Some(name) => Err(cannot(name)),
            None => Ok(()),
        }
    }
}

fn cannot(name: &str) -> ConfigError {
    ConfigError::config(format!(
        "{name} cannot be changed while this broker runs: set it in its file and start it anew."
    ))
}

/// Apache's broker wraps what a part of it has against a change.
fn invalid(message: &str) -> ConfigError {
    ConfigError::config(format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: {message} for configuration Invalid dynamic \
         configuration"
    ))
}

fn refuse(message: &str, set: &str, names: &[&str]) -> Result<(), ConfigError> {
    if names.is_empty() {
        return Ok(());
    }
    Err(ConfigError::config(format!("{message}: {set}({})", names.join(", "))))
}

fn check_names(changed: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    // The order of the table is the order in which Apache's broker names them.
    let named = || DEFINITIONS.settings().filter(|setting| changed.contains_key(setting.name));
    let fixed = named().filter(|setting| setting.scope == Scope::ReadOnly);
    let fixed: Vec<&str> = fixed.map(|setting| setting.name).collect();
    // Scala's name of a small set and of a larger one.
    let set = if fixed.len() > 4 { "HashSet" } else { "Set" };
    refuse("Cannot update these configs dynamically", set, &fixed)?;
    let secret: Vec<&str> = named().map(|setting| setting.name).filter(|name| is_security(name)).collect();
    refuse(
        "These security configs can be dynamically updated only per-listener using the listener prefix",
        "HashSet",
        &secret,
    )
}

fn check_values(changed: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let value_of = |setting: &Setting| {
        let prefixed = |(name, value): (&String, &String)| (base_of(name) == Some(setting.name)).then(|| value.clone());
        changed.get(setting.name).cloned().or_else(|| changed.iter().find_map(prefixed))
    };
    for setting in RATES.iter().chain(DEFINITIONS.settings()) {
        if let Some(value) = value_of(setting) {
            setting.parse(&value).map_err(|error| ConfigError::from(Some(error)))?;
        }
    }
    Ok(())
}

impl Texts {
    /// What of a stored layer counts; the rest was written by somebody who knows other settings, or none.
    pub(super) fn pick(stored: &BTreeMap<String, String>, layer: Layer) -> BTreeMap<String, String> {
        let known = |name: &str| DEFINITIONS.get(base_of(name).unwrap_or(name)).is_some();
        let counts = |name: &str| {
            !known(name)
                || is_dynamic(name)
                    && !is_security(name)
                    && (layer == Layer::Own || super::describe::is_cluster_wide(name))
        };
        stored.iter().filter(|(name, _)| counts(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use properties::{Origin, Properties};

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file() -> BrokerConfig {
        let mut properties = Properties::new();
        for (name, value) in [("zookeeper.connect", "localhost:2181"), ("broker.id", "0")] {
            properties.set(name, value, Origin::Program);
        }
        BrokerConfig::from_properties(&properties).expect("legal")
    }

    fn answer(layer: Layer, pairs: &[(&str, &str)]) -> String {
        match file().propose(layer, &map(pairs)) {
            Ok(_) => "OK".to_owned(),
            Err(error) => error.message,
        }
    }

    fn wrapped(text: &str) -> String {
        format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {text} for configuration Invalid dynamic configuration"
        )
    }

    fn pool(name: &str, value: i32, rule: &str) -> String {
        wrapped(&format!("Dynamic thread count update validation failed for {name}={value}, value should {rule}"))
    }

    #[test]
    fn answers_are_those_of_release_3_9_1() {
        let own_only = "Cannot update these configs at default cluster level, broker id must be specified: Set";
        for (layer, name, value, expected) in [
            (
                Layer::Own,
                "log.cleaner.threads",
                "abc",
                "Invalid value abc for configuration log.cleaner.threads: Not a number of type INT".to_owned(),
            ),
            (Layer::Own, "log.cleaner.threads", "0", "/ by zero".to_owned()),
            (
                Layer::Own,
                "log.cleaner.threads",
                "5",
                wrapped("Log cleaner threads cannot be increased to more than double the current value 1"),
            ),
            (
                Layer::Own,
                "num.io.threads",
                "17",
                pool("num.io.threads", 17, "not be greater than double the current value 8"),
            ),
            (
                Layer::ForAll,
                "num.io.threads",
                "3",
                pool("num.io.threads", 3, "be at least half the current value 8"),
            ),
            (Layer::Own, "num.io.threads", "4", "OK".to_owned()),
            (
                Layer::Own,
                "num.io.threads",
                "0",
                "Invalid value 0 for configuration num.io.threads: Value must be at least 1".to_owned(),
            ),
            (Layer::ForAll, "advertised.listeners", "PLAINTEXT://h:1", format!("{own_only}(advertised.listeners)")),
            (
                Layer::Own,
                "advertised.listeners",
                "PLAINTEXT://h:x",
                "Error creating broker listeners from 'PLAINTEXT://h:x': Unable to parse PLAINTEXT://h:x to a broker endpoint".to_owned(),
            ),
            (Layer::Own, "advertised.listeners", "PLAINTEXT://h:1", "OK".to_owned()),
            (
                Layer::Own,
                "ssl.keystore.location",
                "x",
                "These security configs can be dynamically updated only per-listener using the listener prefix: HashSet(ssl.keystore.location)".to_owned(),
            ),
            (
                Layer::ForAll,
                "listener.name.plaintext.ssl.keystore.location",
                "x",
                format!("{own_only}(listener.name.plaintext.ssl.keystore.location)"),
            ),
            (
                Layer::Own,
                "listener.name.plaintext.num.network.threads",
                "x",
                "Invalid value x for configuration num.network.threads: Not a number of type INT".to_owned(),
            ),
            (Layer::Own, "made.up", "7", "OK".to_owned()),
            (
                Layer::Own,
                "leader.replication.throttled.rate",
                "-1",
                "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0".to_owned(),
            ),
            (Layer::Own, "log.retention.ms", "-5", "OK".to_owned()),
            (
                Layer::Own,
                "log.roll.ms",
                "0",
                "requirement failed: log.roll.ms must be greater than or equal to 1".to_owned(),
            ),
            (
                Layer::Own,
                "log.cleaner.dedupe.buffer.size",
                "5",
                "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.".to_owned(),
            ),
            (
                Layer::Own,
                "log.message.format.version",
                "2.8",
                "Cannot update these configs dynamically: Set(log.message.format.version)".to_owned(),
            ),
        ] {
            assert_eq!(answer(layer, &[(name, value)]), expected, "{name}={value}");
        }
        assert_eq!(
            answer(Layer::Own, &[("broker.id", "3"), ("zookeeper.connect", "x")]),
            "Cannot update these configs dynamically: Set(zookeeper.connect, broker.id)"
        );
    }

    #[test]
    fn what_this_broker_cannot_change_is_refused_by_name() {
        for (name, value) in [
            ("listener.name.plaintext.num.network.threads", "4"),
            ("listener.name.plaintext.ssl.keystore.location", "x"),
            ("sasl.enabled.mechanisms", "PLAIN,GSSAPI"),
        ] {
            let expected =
                format!("{name} cannot be changed while this broker runs: set it in its file and start it anew.");
            assert_eq!(answer(Layer::Own, &[(name, value)]), expected);
        }
    }

    #[test]
    fn a_listener_may_get_another_address() {
        let config = file().propose(Layer::Own, &map(&[("listeners", "PLAINTEXT://here:1")])).expect("legal");
        let addresses: Vec<_> =
            file().staying(&config).map(|(then, now)| [then.connection_string(), now.connection_string()]).collect();
        assert_eq!(addresses, [["PLAINTEXT://:9092", "PLAINTEXT://here:1"]]);
        assert_eq!(config.advertised_listeners, config.listeners, "clients are told");
        assert_eq!(answer(Layer::Own, &[("listeners", "PLAINTEXT://:9092")]), "OK", "as it is");
    }

    #[test]
    fn listeners_come_and_go_but_for_that_of_brokers() {
        let (both, named) = ("PLAINTEXT://:9092,OTHER://:9093", "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT");
        let map_name = "listener.security.protocol.map";
        assert_eq!(
            answer(Layer::Own, &[("listeners", both)]),
            format!("Error creating broker listeners from '{both}': No security protocol defined for listener OTHER")
        );
        let changed = [("listeners", both), (map_name, named), ("listener.name.other.max.connections", "7")];
        let config = file().propose(Layer::Own, &map(&changed)).expect("legal");
        assert_eq!(config.listeners.len(), 2);
        assert_eq!((config.listener_int("OTHER", "max.connections"), config.is_protected("PLAINTEXT")), (7, true));
        let refused = config.propose(Layer::Own, &map(&[("listeners", "OTHER://:9093"), (map_name, named)]));
        assert!(refused.unwrap_err().message.contains("inter.broker.listener.name must be a listener name defined in"));
        let other_tongue = [("listeners", both), (map_name, "PLAINTEXT:PLAINTEXT,OTHER:SSL")];
        assert_eq!(
            config.propose(Layer::Own, &map(&other_tongue)).unwrap_err().message,
            wrapped("Security protocol cannot be updated for existing listener ListenerName(OTHER)")
        );
        let gone = config.propose(Layer::Own, &map(&[])).expect("legal");
        assert_eq!(gone.listeners.len(), 1);
    }

    #[test]
    fn a_layer_is_replaced_whole_and_the_other_stays() {
        let config = file().propose(Layer::ForAll, &map(&[("log.retention.ms", "5"), ("num.io.threads", "9")]));
        let config = config.and_then(|config| config.propose(Layer::Own, &map(&[("num.io.threads", "12")])));
        let config = config.expect("legal");
        assert_eq!((config.log_retention_ms, config.values().int("num.io.threads")), (5, 12));
        assert_eq!(config.dynamic(Layer::Own), &map(&[("num.io.threads", "12")]));
        let config = config.propose(Layer::Own, &map(&[])).expect("legal");
        assert_eq!((config.log_retention_ms, config.values().int("num.io.threads")), (5, 9));
    }

    #[test]
    fn a_listener_has_limits_of_its_own() {
        let (connections, rate) = ("max.connections", "max.connection.creation.rate");
        let own = "listener.name.plaintext.max.connections";
        assert_eq!(answer(Layer::Own, &[(rate, "0")]), wrapped("Invalid max.connection.creation.rate 0"));
        assert_eq!(answer(Layer::ForAll, &[(own, "0")]), wrapped("Invalid max.connections 0"));
        let invalid = "Invalid value x for configuration max.connections: Not a number of type INT";
        assert_eq!(answer(Layer::Own, &[(own, "x")]), invalid);
        let config = file().propose(Layer::ForAll, &map(&[(own, "9"), (connections, "20"), (rate, "3")]));
        let config = config.expect("legal");
        assert_eq!((config.listener_int("PLAINTEXT", connections), config.values().int(connections)), (9, 20));
        assert_eq!(config.listener_int("PLAINTEXT", rate), 3, "as all have it");
        let config = config.propose(Layer::Own, &map(&[(own, "7")])).expect("legal");
        assert_eq!(config.listener_int("PLAINTEXT", connections), 7);
    }

    #[test]
    fn a_rate_of_this_broker_goes_before_that_of_all() {
        let name = "leader.replication.throttled.rate";
        assert_eq!(file().rate(name), None);
        let for_all = file().propose(Layer::ForAll, &map(&[(name, "5")])).expect("legal");
        assert_eq!(for_all.rate(name), Some(5));
        let own = for_all.propose(Layer::Own, &map(&[(name, " 7 ")])).expect("legal");
        assert_eq!(own.rate(name), Some(7));
    }
}
