//! Bytes into text, for `--key-deserializer` and its like.

/// One of Java's deserializers whose values can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deserializer {
    /// UTF-8; what is none shows as replacement characters.
    String,
    /// Eight bytes.
    Long,
    /// Four bytes.
    Integer,
    /// Two bytes.
    Short,
    /// Eight bytes.
    Double,
    /// Four bytes.
    Float,
    /// One byte.
    Boolean,
    /// The text of a UUID.
    Uuid,
}

/// The bytes are not as many as such a value has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongSize {
    /// A number of another length.
    #[error("Size of data received by {name}Deserializer is not {wanted}")]
    Number {
        /// Which one.
        name: &'static str,
        /// How many bytes it has.
        wanted: usize,
    },
    /// A byte that is neither 0 nor 1.
    #[error("Unexpected byte received by BooleanDeserializer: {0}")]
    Boolean(u8),
}

const PACKAGE: &str = "org.apache.kafka.common.serialization.";

impl Deserializer {
    /// The deserializer of that class; `None` if we have none.
    pub(super) fn named(class: &str) -> Option<Deserializer> {
        Some(match class.trim().strip_prefix(PACKAGE)?.strip_suffix("Deserializer")? {
            "String" => Deserializer::String,
            "Long" => Deserializer::Long,
            "Integer" => Deserializer::Integer,
            "Short" => Deserializer::Short,
            "Double" => Deserializer::Double,
            "Float" => Deserializer::Float,
            "Boolean" => Deserializer::Boolean,
            "UUID" => Deserializer::Uuid,
            _ => return None,
        })
    }

    /// The value as Java prints it.
    pub(super) fn text(self, bytes: &[u8]) -> Result<String, WrongSize> {
        Ok(match self {
            Deserializer::String | Deserializer::Uuid => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Long => i64::from_be_bytes(sized("Long", bytes)?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(sized("Integer", bytes)?).to_string(),
            Deserializer::Short => i16::from_be_bytes(sized("Short", bytes)?).to_string(),
            Deserializer::Double => floating(f64::from_be_bytes(sized("Double", bytes)?)),
            Deserializer::Float => floating(f32::from_be_bytes(sized("Float", bytes)?)),
            Deserializer::Boolean => match sized("Boolean", bytes)? {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => return Err(WrongSize::Boolean(other)),
            },
        })
    }
}

fn sized<const N: usize>(name: &'static str, bytes: &[u8]) -> Result<[u8; N], WrongSize> {
    bytes.try_into().map_err(|_| WrongSize::Number { name, wanted: N })
}

/// Java writes whole numbers with `.0`; Rust's `{:?}` does so, too.
fn floating(number: impl std::fmt::Debug) -> String {
    match format!("{number:?}").as_str() {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        text => text.replace('e', "E"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, bytes: &[u8]) -> Result<String, WrongSize> {
        Deserializer::named(&format!("{PACKAGE}{name}Deserializer")).unwrap().text(bytes)
    }

    #[test]
    fn values_are_printed_as_java_prints_them() {
        assert_eq!(text("Long", &(-5i64).to_be_bytes()).unwrap(), "-5");
        assert_eq!(text("Double", &3f64.to_be_bytes()).unwrap(), "3.0");
        assert_eq!(text("Float", &f32::NEG_INFINITY.to_be_bytes()).unwrap(), "-Infinity");
        assert_eq!(text("Boolean", &[1]).unwrap(), "true");
        assert_eq!(text("String", "ä".as_bytes()).unwrap(), "ä");
        assert_eq!(text("Long", b"one").unwrap_err().to_string(), "Size of data received by LongDeserializer is not 8");
        assert_eq!(Deserializer::named("no.such.Deserializer"), None);
    }
}
