//! Tables of settings: what exists, of which type, with which default, and how a file's text becomes typed values.

use crate::validate::{Check, SettingError};
use crate::value::{Kind, Value};

/// What a setting is when nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Somebody must set it.
    Required,
    /// It has no value then.
    Null,
    /// It has this value, written as in a file.
    Text(&'static str),
}

/// How much a setting matters to those who read about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Importance {
    /// Look at it before you start.
    High,
    /// Look at it when you tune.
    Medium,
    /// Leave it alone.
    Low,
}

/// Where a broker's setting may be changed while the broker runs (KIP-226).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Nowhere: only in the file, and it takes a restart.
    ReadOnly,
    /// For one broker at a time (`/config/brokers/N`).
    PerBroker,
    /// For one broker or for all (`/config/brokers/<default>`).
    ClusterWide,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name as in a file.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its value when it is not set.
    pub default: Default,
    /// What its values must satisfy.
    pub check: Check,
    /// How much it matters.
    pub importance: Importance,
    /// Where it may be changed at run time.
    pub scope: Scope,
    /// Not for the public: accepted, but neither listed nor described.
    pub internal: bool,
    /// What it does.
    pub doc: &'static str,
}

impl Setting {
    /// A setting with a default; of medium importance, read-only and unchecked until told otherwise.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
        Setting {
            name,
            kind,
            default: Default::Text(default),
            check: Check::Any,
            importance: Importance::Medium,
            scope: Scope::ReadOnly,
            internal: false,
            doc,
        }
    }

    /// A setting that has no value unless it is set.
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Setting {
        Setting { default: Default::Null, ..Setting::new(name, kind, "", doc) }
    }

    /// A setting that somebody must set.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Setting {
        Setting { default: Default::Required, ..Setting::new(name, kind, "", doc) }
    }

    /// With a rule for its values.
    pub const fn check(self, check: Check) -> Setting {
        Setting { check, ..self }
    }

    /// Of high importance.
    pub const fn high(self) -> Setting {
        Setting { importance: Importance::High, ..self }
    }

    /// Of low importance.
    pub const fn low(self) -> Setting {
        Setting { importance: Importance::Low, ..self }
    }

    /// Changeable at run time for one broker at a time.
    pub const fn per_broker(self) -> Setting {
        Setting { scope: Scope::PerBroker, ..self }
    }

    /// Changeable at run time for one broker or for all.
    pub const fn cluster_wide(self) -> Setting {
        Setting { scope: Scope::ClusterWide, ..self }
    }

    /// Not for the public.
    pub const fn internal(self) -> Setting {
        Setting { internal: true, ..self }
    }

    /// Is its value never shown?
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// Text to a checked value.
    pub fn parse(&self, text: &str) -> Result<Value, SettingError> {
        let value = self.kind.parse(self.name, text)?;
        self.check.ensure(self.name, &value)?;
        Ok(value)
    }

    /// The value when it is not set, checked like any other.
    pub fn default_value(&self) -> Result<Value, SettingError> {
        let value = match self.default {
            Default::Required => return Err(SettingError::Missing { name: self.name.to_owned() }),
            Default::Null => Value::Null,
            Default::Text(text) => self.kind.parse(self.name, text)?,
        };
        // A default of "nothing" needs no rule's blessing: rules are for what is set.
        if value != Value::Null {
            self.check.ensure(self.name, &value)?;
        }
        Ok(value)
    }
}

/// A table of settings, in the order in which errors are found and lists are printed.
#[derive(Debug)]
pub struct Definitions {
    groups: &'static [&'static [Setting]],
    alone: &'static [Setting],
}

impl Definitions {
    /// The table over one list of settings; names must differ.
    pub const fn new(settings: &'static [Setting]) -> Definitions {
        Definitions { groups: &[], alone: settings }
    }

    /// The table over several lists, one after the other; names must differ.
    pub const fn grouped(groups: &'static [&'static [Setting]]) -> Definitions {
        Definitions { groups, alone: &[] }
    }

    /// Every setting, in order.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> + use<> {
        self.groups.iter().copied().flatten().chain(self.alone)
    }

    /// The setting of that name.
    pub fn get(&self, name: &str) -> Option<&'static Setting> {
        // A few hundred names, nearly all of another length: looking at each costs less than a map would.
        self.settings().find(|setting| setting.name == name)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.settings().position(|setting| setting.name == name)
    }

    /// The typed values of all settings, with `text` asked for each name. Every error is reported, in the order of the
    /// table: the first is the one that Apache stops at.
    pub fn parse<'t>(&'static self, text: impl Fn(&str) -> Option<&'t str>) -> Result<Values, Vec<SettingError>> {
        let mut values = Vec::new();
        let mut errors = Vec::new();
        for setting in self.settings() {
            let value = match text(setting.name) {
                Some(text) => setting.parse(text),
                None => setting.default_value(),
            };
            match value {
                Ok(value) => values.push(value),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Values { definitions: self, values }) } else { Err(errors) }
    }

    /// Every setting at its default; the errors name those that somebody must set.
    pub fn defaults(&'static self) -> Result<Values, Vec<SettingError>> {
        self.parse(|_| None)
    }
}

/// A checked value for every setting of a table.
///
/// The typed getters take names that the program wrote itself, so a name that is not in the table, or a type that is
/// not the setting's, is a mistake in the program: they panic and say which.
#[derive(Debug, Clone)]
pub struct Values {
    definitions: &'static Definitions,
    values: Vec<Value>,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident / $optional:ident: $variant:ident($ty:ty);)*) => {
        impl Values {
            $(
                $(#[$doc])*
                ///
                /// # Panics
                /// If the table has no such setting of this type with a value.
                pub fn $name(&self, name: &str) -> $ty {
                    match self.value(name) {
                        Value::$variant(value) => value.clone(),
                        other => panic!("setting {name} has the value {other:?} and not one of {}", stringify!($variant)),
                    }
                }

                /// The same where the value may be absent.
                ///
                /// # Panics
                /// If the table has no such setting of this type.
                pub fn $optional(&self, name: &str) -> Option<$ty> {
                    (*self.value(name) != Value::Null).then(|| self.$name(name))
                }
            )*
        }
    };
}

getters! {
    /// A BOOLEAN setting.
    boolean / optional_boolean: Boolean(bool);
    /// An INT setting.
    int / optional_int: Int(i32);
    /// A SHORT setting.
    short / optional_short: Short(i16);
    /// A LONG setting.
    long / optional_long: Long(i64);
    /// A DOUBLE setting.
    double / optional_double: Double(f64);
    /// A STRING setting.
    string / optional_string: String(String);
    /// A LIST setting.
    list / optional_list: List(Vec<String>);
    /// A CLASS setting: the class's name.
    class / optional_class: Class(String);
    /// A PASSWORD setting, in clear.
    password / optional_password: Password(String);
}

impl Values {
    /// The value of a setting; `None` if the table has no such setting.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.definitions.position(name).map(|position| &self.values[position])
    }

    /// Every setting with its value, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        self.definitions.settings().zip(&self.values)
    }

    fn value(&self, name: &str) -> &Value {
        match self.get(name) {
            Some(value) => value,
            None => panic!("no setting {name} in the table"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Definitions = Definitions::new(&[
        Setting::required("id", Kind::Int, "who").high(),
        Setting::new("threads", Kind::Int, "3", "how many").check(Check::at_least(1)).cluster_wide(),
        Setting::optional("rack", Kind::String, "where").low(),
        Setting::new("dirs", Kind::List, "/tmp", "which"),
    ]);

    fn parse(pairs: &[(&str, &'static str)]) -> Result<Values, Vec<String>> {
        TABLE
            .parse(|name| pairs.iter().rev().find(|pair| pair.0 == name).map(|pair| pair.1))
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn values_defaults_and_nothing() {
        let values = parse(&[("id", "7"), ("dirs", "/a, /b")]).expect("legal");
        assert_eq!(values.int("id"), 7);
        assert_eq!(values.int("threads"), 3);
        assert_eq!(values.optional_string("rack"), None);
        assert_eq!(values.list("dirs"), ["/a", "/b"]);
        assert!(values.get("nothing").is_none());
    }

    #[test]
    fn all_errors_at_once_in_the_order_of_the_table() {
        let errors = parse(&[("threads", "0")]).expect_err("two mistakes");
        assert_eq!(
            errors,
            [
                "Missing required configuration \"id\" which has no default value.",
                "Invalid value 0 for configuration threads: Value must be at least 1",
            ]
        );
    }
}
