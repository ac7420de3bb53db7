//! Files of JSON that options name, taken apart with the complaints of Apache's tools (their `Json` over Jackson).

use serde_json::Value;

use crate::exit::Failure;

/// What Java throws for a value of another shape.
pub const MAPPING: &str = "com.fasterxml.jackson.databind.JsonMappingException";

/// A value is not what it should be, or not there; shown in Jackson's words, without the class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl Unfit {
    fn new(wanted: &str, value: &Value) -> Unfit {
        Unfit(format!("Expected {wanted}, received {value}"))
    }

    /// As tools end that let the exception pass as it is.
    pub fn thrown(&self) -> Failure {
        Failure::new(self.to_string()).hint(format!("{MAPPING}: {self}"))
    }

    /// As tools end that wrap it in an exception of their own: that one's message is the whole of this one.
    pub fn wrapped(&self) -> Failure {
        Failure::new(format!("{MAPPING}: {self}")).hint(format!("java.lang.RuntimeException: {MAPPING}: {self}"))
    }
}

/// The value is an object.
///
/// # Errors
/// If it is something else.
pub fn object(value: &Value) -> Result<&Value, Unfit> {
    if value.is_object() { Ok(value) } else { Err(Unfit::new("JSON object", value)) }
}

/// The value as a list.
///
/// # Errors
/// If it is something else.
pub fn array(value: &Value) -> Result<&[Value], Unfit> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Unfit::new("JSON array", value))
}

/// A field of an object.
///
/// # Errors
/// If it is no object, or has no such field.
pub fn field<'v>(value: &'v Value, name: &str) -> Result<&'v Value, Unfit> {
    object(value)?.get(name).ok_or_else(|| Unfit(format!("No such field exists: `{name}`")))
}

/// The value as a text.
///
/// # Errors
/// If it is something else.
pub fn string(value: &Value) -> Result<&str, Unfit> {
    value.as_str().ok_or_else(|| Unfit::new("`String` value", value))
}

/// The value as a number of 32 bits.
///
/// # Errors
/// If it is something else.
pub fn int(value: &Value) -> Result<i32, Unfit> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| Unfit::new("`Integer` value", value))
}

/// The value as a number of 64 bits.
///
/// # Errors
/// If it is something else.
pub fn long(value: &Value) -> Result<i64, Unfit> {
    value.as_i64().ok_or_else(|| Unfit::new("`Long` value", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_jacksons() {
        let value = serde_json::json!({"a": 1.5, "b": [], "c": 99_999_999_999_i64});
        let told = |result: Result<i32, Unfit>| result.unwrap_err().to_string();
        assert_eq!(told(int(&value["a"])), "Expected `Integer` value, received 1.5");
        assert_eq!(told(int(&value["c"])), "Expected `Integer` value, received 99999999999");
        assert_eq!(string(&value["b"]).unwrap_err().to_string(), "Expected `String` value, received []");
        assert_eq!(field(&value["b"], "x").unwrap_err().to_string(), "Expected JSON object, received []");
        assert_eq!(field(&value, "x").unwrap_err().to_string(), "No such field exists: `x`");
        assert_eq!(array(&value["a"]).unwrap_err().to_string(), "Expected JSON array, received 1.5");
        assert_eq!(long(&value["c"]), Ok(99_999_999_999));
    }
}
