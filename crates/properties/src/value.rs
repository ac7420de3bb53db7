//! Typed values of settings: the nine types of Kafka's *ConfigDef* and how text becomes each of them.

use std::fmt;

use crate::validate::SettingError;

/// The type of a setting; the name is the one that errors and DescribeConfigs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text without the white space around it.
    String,
    /// 32 bits, signed.
    Int,
    /// 16 bits, signed.
    Short,
    /// 64 bits, signed.
    Long,
    /// A floating-point number.
    Double,
    /// Texts between commas; white space around the commas does not count.
    List,
    /// The name of a Java class, kept as text.
    Class,
    /// Text that is never shown.
    Password,
}

impl Kind {
    /// The name in capitals, as in `Not a number of type INT`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }

    /// The number in DescribeConfigs from version 3 on (`ConfigType`; 0 is "unknown").
    pub fn wire_number(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::String => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
            Kind::Class => 8,
            Kind::Password => 9,
        }
    }

    /// Turns text into a value of this type; `name` is for the error.
    pub fn parse(self, name: &str, text: &str) -> Result<Value, SettingError> {
        let trimmed = java_trim(text);
        let not_a_number = || SettingError::invalid(name, text, format!("Not a number of type {}", self.name()));
        match self {
            Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Kind::Boolean => Err(SettingError::invalid(name, text, "Expected value to be either true or false")),
            Kind::String => Ok(Value::String(trimmed.to_owned())),
            Kind::Int => trimmed.parse().map(Value::Int).map_err(|_| not_a_number()),
            Kind::Short => trimmed.parse().map(Value::Short).map_err(|_| not_a_number()),
            Kind::Long => trimmed.parse().map(Value::Long).map_err(|_| not_a_number()),
            Kind::Double => parse_double(trimmed).map(Value::Double).ok_or_else(not_a_number),
            Kind::List => Ok(Value::List(split_list(trimmed))),
            Kind::Class => Ok(Value::Class(trimmed.to_owned())),
            Kind::Password => Ok(Value::Password(trimmed.to_owned())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value of a setting.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value at all: a default of `null`.
    Null,
    /// See [`Kind::Boolean`].
    Boolean(bool),
    /// See [`Kind::String`].
    String(String),
    /// See [`Kind::Int`].
    Int(i32),
    /// See [`Kind::Short`].
    Short(i16),
    /// See [`Kind::Long`].
    Long(i64),
    /// See [`Kind::Double`].
    Double(f64),
    /// See [`Kind::List`].
    List(Vec<String>),
    /// See [`Kind::Class`].
    Class(String),
    /// See [`Kind::Password`]; `Debug` and [`Value::text`] hide it.
    Password(String),
}

impl Value {
    /// The text as DescribeConfigs sends it and logs print it; `None` for no value, `[hidden]` for a password.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Boolean(value) => Some(value.to_string()),
            Value::String(text) | Value::Class(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            Value::Short(number) => Some(number.to_string()),
            Value::Long(number) => Some(number.to_string()),
            Value::Double(number) => Some(java_double(*number)),
            Value::List(items) => Some(items.join(",")),
            Value::Password(_) => Some("[hidden]".to_owned()),
        }
    }

    /// The number in it, whatever its width; `None` if it is none.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(f64::from(*number)),
            Value::Short(number) => Some(f64::from(*number)),
            Value::Long(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// The whole number in it; `None` if it is none.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(i64::from(*number)),
            Value::Short(number) => Some(i64::from(*number)),
            Value::Long(number) => Some(*number),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_deref().unwrap_or("null"))
    }
}

/// Java's `String.trim`: everything up to and including the blank goes, other white space of Unicode stays.
pub(crate) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// Texts between commas as *ConfigDef* cuts them: an empty text is an empty list, but `a,,b` has an empty item.
fn split_list(trimmed: &str) -> Vec<String> {
    if trimmed.is_empty() {
        return Vec::new();
    }
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    trimmed.split(',').map(|item| item.trim_matches(is_space).to_owned()).collect()
}

/// What Java's `Double.parseDouble` takes and Rust does not: a type letter at the end. What Rust takes and Java does
/// not: `inf`, `nan` and their other spellings.
fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if unsigned.starts_with(|c: char| c.is_ascii_alphabetic()) && !matches!(unsigned, "NaN" | "Infinity") {
        return None;
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    number.parse().ok()
}

/// Java's `Double.toString`: at least one digit after the point, exponent form from 10^7 and below 10^-3.
fn java_double(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN".to_owned()
        } else if number > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        };
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        Some((digits, exponent)) => format!("{digits}E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: Kind, text: &str) -> Result<Value, String> {
        kind.parse("x", text).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_say_which_type_they_should_have() {
        assert_eq!(parse(Kind::Int, " 7 "), Ok(Value::Int(7)));
        assert_eq!(parse(Kind::Int, "+7"), Ok(Value::Int(7)));
        assert_eq!(
            parse(Kind::Int, "abc"),
            Err("Invalid value abc for configuration x: Not a number of type INT".into())
        );
        assert_eq!(parse(Kind::Int, ""), Err("Invalid value  for configuration x: Not a number of type INT".into()));
        assert_eq!(
            parse(Kind::Long, "9223372036854775808"),
            Err("Invalid value 9223372036854775808 for configuration x: Not a number of type LONG".into())
        );
        assert_eq!(parse(Kind::Short, "-1"), Ok(Value::Short(-1)));
        assert!(parse(Kind::Short, "40000").is_err());
        assert_eq!(parse(Kind::Double, "1.5d"), Ok(Value::Double(1.5)));
        assert!(parse(Kind::Double, "inf").is_err());
        assert!(parse(Kind::Double, "half").is_err());
    }

    #[test]
    fn booleans_lists_and_passwords() {
        assert_eq!(parse(Kind::Boolean, " TRUE"), Ok(Value::Boolean(true)));
        assert_eq!(
            parse(Kind::Boolean, "yes"),
            Err("Invalid value yes for configuration x: Expected value to be either true or false".into())
        );
        assert_eq!(
            parse(Kind::List, "a , b,,c"),
            Ok(Value::List(vec!["a".into(), "b".into(), String::new(), "c".into()]))
        );
        assert_eq!(parse(Kind::List, "  "), Ok(Value::List(Vec::new())));
        assert_eq!(format!("{:?}", parse(Kind::Password, "secret")), "Ok([hidden])");
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (number, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (f64::MAX, "1.7976931348623157E308"),
            (1e7, "1.0E7"),
            (0.0005, "5.0E-4"),
            (0.0, "0.0"),
        ] {
            assert_eq!(Value::Double(number).text().as_deref(), Some(text));
        }
    }
}
