//! What a value must satisfy, and the errors of settings in Apache's words.

use thiserror::Error;

use crate::value::Value;

/// Why a setting cannot be used (Kafka's `ConfigException`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingError {
    /// There is neither a value nor a default.
    #[error("Missing required configuration \"{name}\" which has no default value.")]
    Missing {
        /// The setting's name.
        name: String,
    },
    /// The value is not of the type, or out of its range.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// The setting's name.
        name: String,
        /// What was there; `null` for no value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl SettingError {
    /// `Invalid value .. for configuration ..: reason`.
    pub fn invalid(name: &str, value: impl Into<String>, reason: impl Into<String>) -> SettingError {
        SettingError::Invalid { name: name.to_owned(), value: value.into(), reason: reason.into() }
    }

    /// The setting that is wrong.
    pub fn name(&self) -> &str {
        match self {
            SettingError::Missing { name } | SettingError::Invalid { name, .. } => name,
        }
    }
}

/// A rule for the values of one setting.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Every value of the type.
    Any,
    /// Whole numbers from `min` to `max`, both included.
    Range {
        /// The smallest; `None` if there is no smallest.
        min: Option<i64>,
        /// The largest; `None` if there is no largest.
        max: Option<i64>,
    },
    /// Fractions from `min` to `max`, both included; the texts are how Apache writes the bounds.
    Fraction {
        /// The smallest, and how it is written.
        min: Option<(f64, &'static str)>,
        /// The largest, and how it is written.
        max: Option<(f64, &'static str)>,
    },
    /// Text that is one of these.
    OneOf(&'static [&'static str]),
    /// A list whose items are among these.
    ItemsOf(&'static [&'static str]),
    /// Text may be absent but not empty.
    NotEmpty,
    /// There must be a value.
    NotNull,
    /// A rule of its own: `Err` is the reason in the error.
    Custom(fn(&Value) -> Result<(), String>),
}

impl Check {
    /// Whole numbers from `min` on.
    pub const fn at_least(min: i64) -> Check {
        Check::Range { min: Some(min), max: None }
    }

    /// Whole numbers from `min` to `max`.
    pub const fn between(min: i64, max: i64) -> Check {
        Check::Range { min: Some(min), max: Some(max) }
    }

    /// Does `value` satisfy the rule? `name` is for the error.
    pub fn ensure(&self, name: &str, value: &Value) -> Result<(), SettingError> {
        let refuse = |reason: String| Err(SettingError::invalid(name, shown(value), reason));
        match self {
            Check::Any => Ok(()),
            Check::Range { min, max } => match value.as_i64() {
                None => refuse("Value must be non-null".to_owned()),
                Some(number) => range(number, *min, *max).or_else(refuse),
            },
            Check::Fraction { min, max } => match value.as_f64() {
                None => refuse("Value must be non-null".to_owned()),
                Some(number) => match (min, max) {
                    (Some((least, text)), _) if number < *least => refuse(format!("Value must be at least {text}")),
                    (_, Some((most, text))) if number > *most => refuse(format!("Value must be no more than {text}")),
                    _ => Ok(()),
                },
            },
            Check::OneOf(words) => match value {
                Value::String(text) if words.contains(&text.as_str()) => Ok(()),
                _ => refuse(one_of(words)),
            },
            Check::ItemsOf(words) => {
                let Value::List(items) = value else { return Ok(()) };
                match items.iter().find(|item| !words.contains(&item.as_str())) {
                    Some(item) => Err(SettingError::invalid(name, item.as_str(), one_of(words))),
                    None => Ok(()),
                }
            }
            Check::NotEmpty => match value {
                Value::String(text) if text.is_empty() => refuse("String must be non-empty".to_owned()),
                _ => Ok(()),
            },
            Check::NotNull => match value {
                Value::Null => refuse("entry must be non null".to_owned()),
                _ => Ok(()),
            },
            Check::Custom(rule) => rule(value).or_else(refuse),
        }
    }

    /// The rule in words, as tables of settings show it (`[1,...]`); empty if there is none to tell.
    pub fn describe(&self) -> String {
        fn shown<T: ToString>(min: Option<T>, max: Option<T>) -> String {
            match (min, max) {
                (Some(min), Some(max)) => format!("[{},...,{}]", min.to_string(), max.to_string()),
                (Some(min), None) => format!("[{},...]", min.to_string()),
                (None, Some(max)) => format!("[...,{}]", max.to_string()),
                (None, None) => String::new(),
            }
        }
        match self {
            Check::Any | Check::Custom(_) => String::new(),
            Check::Range { min, max } => shown(*min, *max),
            Check::Fraction { min, max } => shown(min.map(|bound| bound.1), max.map(|bound| bound.1)),
            Check::OneOf(words) | Check::ItemsOf(words) => format!("[{}]", words.join(", ")),
            Check::NotEmpty => "non-empty string".to_owned(),
            Check::NotNull => "non-null string".to_owned(),
        }
    }
}

/// How Java's string concatenation shows a value inside an error: lists in brackets, no value as `null`.
fn shown(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.join(", ")),
        other => other.text().unwrap_or_else(|| "null".to_owned()),
    }
}

fn range(number: i64, min: Option<i64>, max: Option<i64>) -> Result<(), String> {
    match (min, max) {
        (Some(min), _) if number < min => Err(format!("Value must be at least {min}")),
        (_, Some(max)) if number > max => Err(format!("Value must be no more than {max}")),
        _ => Ok(()),
    }
}

fn one_of(words: &[&str]) -> String {
    format!("String must be one of: {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(check: Check, value: &Value) -> String {
        check.ensure("x", value).expect_err("refused").to_string()
    }

    #[test]
    fn ranges_speak_as_apache_does() {
        let check = Check::between(1, 9);
        assert!(check.ensure("x", &Value::Int(9)).is_ok());
        assert_eq!(error(check, &Value::Int(0)), "Invalid value 0 for configuration x: Value must be at least 1");
        assert_eq!(
            error(check, &Value::Long(10)),
            "Invalid value 10 for configuration x: Value must be no more than 9"
        );
        assert_eq!(error(check, &Value::Null), "Invalid value null for configuration x: Value must be non-null");
        let check = Check::Fraction { min: Some((0.0, "0")), max: Some((1.0, "1")) };
        assert_eq!(
            error(check, &Value::Double(1.5)),
            "Invalid value 1.5 for configuration x: Value must be no more than 1"
        );
        assert_eq!(check.describe(), "[0,...,1]");
    }

    #[test]
    fn words_and_lists_of_words() {
        let check = Check::ItemsOf(&["compact", "delete"]);
        assert!(check.ensure("x", &Value::List(vec![])).is_ok());
        assert_eq!(
            error(check, &Value::List(vec!["delete".into(), "shred".into()])),
            "Invalid value shred for configuration x: String must be one of: compact, delete"
        );
        assert_eq!(
            error(Check::OneOf(&["a", "b"]), &Value::String("c".into())),
            "Invalid value c for configuration x: String must be one of: a, b"
        );
    }
}
