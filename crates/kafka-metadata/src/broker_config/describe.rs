//! Settings as DescribeConfigs tells them: the value that counts, where it comes from, and what stands behind it.

use std::collections::BTreeMap;

use properties::{Default, Kind, Scope, Setting, Values};

use super::dynamic::rate_of;
use super::{BrokerConfig, DEFINITIONS};
use crate::topic_config;

/// Where a value comes from; the numbers are those of DescribeConfigs from version 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// The topic's own settings.
    Topic = 1,
    /// The broker's own settings, changed at run time.
    DynamicBroker = 2,
    /// The settings of all brokers, changed at run time.
    DynamicDefaultBroker = 3,
    /// The file or the command line.
    StaticBroker = 4,
    /// The table's default.
    Default = 5,
    /// A level of a logger.
    DynamicBrokerLogger = 6,
}

/// A setting that stands behind another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    /// Its name.
    pub name: String,
    /// Its value; `None` if it must not be shown.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// One setting of a topic or a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` if it has none or must not be shown.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// It cannot be changed at run time.
    pub read_only: bool,
    /// Its value must not be shown.
    pub sensitive: bool,
    /// Its type; `None` for a name that is not in the table.
    pub kind: Option<Kind>,
    /// What it does; empty for a name that is not in the table.
    pub doc: &'static str,
    /// What stands behind it, the value that counts first.
    pub synonyms: Vec<Synonym>,
}

/// The settings that one goes before: itself first, for a listener's setting the plain one behind it.
pub(super) fn synonyms(name: &str) -> Vec<&str> {
    match name {
        "log.roll.ms" | "log.roll.hours" => vec!["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => vec!["log.roll.jitter.ms", "log.roll.jitter.hours"],
        "log.flush.interval.ms" => vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => {
            vec!["log.retention.ms", "log.retention.minutes", "log.retention.hours"]
        }
        _ => match base_of(name) {
            Some(base) => vec![name, base],
            None => vec![name],
        },
    }
}

/// The plain setting behind `listener.name.<listener>.<setting>`.
pub(super) fn base_of(name: &str) -> Option<&'static str> {
    let (_, base) = name.strip_prefix("listener.name.")?.split_once('.')?;
    DEFINITIONS.get(base).map(|setting| setting.name)
}

fn setting_of(name: &str) -> Option<&'static Setting> {
    DEFINITIONS.get(base_of(name).unwrap_or(name)).or_else(|| rate_of(name))
}

/// Settings of listeners that may be changed for all brokers at once.
const CLUSTER_WIDE_OF_LISTENERS: [&str; 3] = ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// A setting of TLS that is changed for one listener at a time.
pub(super) fn is_security(name: &str) -> bool {
    name.starts_with("ssl.") && is_dynamic(name)
}

/// May the setting be changed at run time?
pub(super) fn is_dynamic(name: &str) -> bool {
    let setting = DEFINITIONS.get(base_of(name).unwrap_or(name));
    setting.is_some_and(|setting| setting.scope != Scope::ReadOnly)
}

/// May the setting be changed at run time for all brokers at once?
pub(super) fn is_cluster_wide(name: &str) -> bool {
    match base_of(name) {
        Some(base) => CLUSTER_WIDE_OF_LISTENERS.contains(&base),
        None => DEFINITIONS.get(name).is_some_and(|setting| setting.scope == Scope::ClusterWide),
    }
}

impl BrokerConfig {
    /// Every setting of this broker, by name; names that are not in the table are shown without value, because nobody
    /// knows whether they are secret.
    pub fn describe(&self) -> Vec<ConfigEntry> {
        let mut entries = BTreeMap::new();
        let layers = [&self.texts.fixed, &self.texts.dynamic_default, &self.texts.dynamic_own];
        for (name, value) in layers.into_iter().flatten() {
            entries.insert(name.clone(), self.entry(name, Some(value.clone())));
        }
        for (setting, value) in self.values().iter().filter(|(setting, _)| !setting.internal) {
            entries.insert(setting.name.to_owned(), self.entry(setting.name, value.text()));
        }
        entries.into_values().collect()
    }

    /// The settings of all brokers that were changed at run time.
    pub fn describe_dynamic_default(&self) -> Vec<ConfigEntry> {
        let changed = self.texts.dynamic_default.iter();
        changed
            .map(|(name, value)| {
                let mut entry = self.entry(name, Some(value.clone()));
                entry.synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
                entry.source = ConfigSource::DynamicDefaultBroker;
                entry
            })
            .collect()
    }

    /// Every setting of a topic with its own settings `own`; `values` are the [`topic_config::resolve`]d ones.
    pub fn describe_topic(&self, values: &Values, own: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
        let entry = |(setting, value): (&'static Setting, &properties::Value)| {
            let value = value.text();
            let mut found = Vec::new();
            if own.contains_key(setting.name) {
                let name = setting.name.to_owned();
                found.push(Synonym { name, value: value.clone(), source: ConfigSource::Topic });
            }
            if let [first, ..] = topic_config::synonyms(setting.name) {
                found.extend(self.chain(first, false));
            }
            ConfigEntry {
                name: setting.name.to_owned(),
                value,
                source: found.first().map_or(ConfigSource::Default, |synonym| synonym.source),
                read_only: false,
                sensitive: false,
                kind: Some(setting.kind),
                doc: setting.doc,
                synonyms: found,
            }
        };
        let mut entries: Vec<ConfigEntry> = values.iter().filter(|(setting, _)| !setting.internal).map(entry).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }

    fn entry(&self, name: &str, value: Option<String>) -> ConfigEntry {
        let setting = setting_of(name);
        let sensitive = setting.is_none_or(Setting::is_sensitive);
        let found = self.chain(name, sensitive);
        ConfigEntry {
            name: name.to_owned(),
            value: value.filter(|_| !sensitive),
            source: found.first().map_or(ConfigSource::Default, |synonym| synonym.source),
            // Of a listener it may be changed too, and Apache tells otherwise.
            read_only: base_of(name).is_some() || !is_dynamic(name),
            sensitive,
            kind: setting.map(|setting| setting.kind),
            doc: setting.map_or("", |setting| setting.doc),
            synonyms: found,
        }
    }

    /// What stands behind a setting, layer by layer. What comes before the setting's own first entry is dropped, as
    /// Apache does it: `retention.ms` with only `log.retention.hours` in the file has no synonyms at all.
    fn chain(&self, name: &str, sensitive: bool) -> Vec<Synonym> {
        let names = synonyms(name);
        let show = |value: &str| (!sensitive).then(|| value.to_owned());
        let mut found = Vec::new();
        for (texts, source) in [
            (&self.texts.dynamic_own, ConfigSource::DynamicBroker),
            (&self.texts.dynamic_default, ConfigSource::DynamicDefaultBroker),
            (&self.texts.fixed, ConfigSource::StaticBroker),
        ] {
            for &name in &names {
                if let Some(value) = texts.get(name) {
                    found.push(Synonym { name: name.to_owned(), value: show(value), source });
                }
            }
        }
        for &name in &names {
            if let Some(Default::Text(value)) = DEFINITIONS.get(name).map(|setting| setting.default) {
                found.push(Synonym { name: name.to_owned(), value: show(value), source: ConfigSource::Default });
            }
        }
        let own = found.iter().position(|synonym| synonym.name == name).unwrap_or(found.len());
        found.split_off(own)
    }
}
