//! Bytes into text, for `--key-deserializer` and its like: what Java's deserializers make of them, as it prints them.

use std::fmt::Write as _;

use crate::zk_files::java_text;

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
    /// Any bytes, of which those that are no visible ASCII show as `\x0A`.
    Bytes,
    /// Any bytes, of which Java shows how many they are.
    ByteBuffer,
    /// Any bytes, of which Java shows where it keeps them; here they are printed as they are.
    ByteArray,
    /// Nothing at all.
    Void,
}

/// The bytes are no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// A number of another length.
    #[error("Size of data received by {name} is not {wanted}")]
    Size {
        /// Who says so.
        name: &'static str,
        /// How many bytes it has.
        wanted: usize,
    },
    /// A byte that is neither 0 nor 1, as Java counts bytes.
    #[error("Unexpected byte received by BooleanDeserializer: {0}")]
    Boolean(i8),
    /// No text of a UUID.
    #[error("Error parsing data into UUID")]
    Uuid,
    /// There is something.
    #[error("Data should be null for a VoidDeserializer.")]
    Void,
}

impl Unreadable {
    /// Java's exception.
    pub(super) fn exception(&self) -> &'static str {
        match self {
            Unreadable::Void => "java.lang.IllegalArgumentException",
            _ => "org.apache.kafka.common.errors.SerializationException",
        }
    }
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
            "Bytes" => Deserializer::Bytes,
            "ByteBuffer" => Deserializer::ByteBuffer,
            "ByteArray" => Deserializer::ByteArray,
            "Void" => Deserializer::Void,
            _ => return None,
        })
    }

    /// Appends the value as Java prints it.
    pub(super) fn write(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if self == Deserializer::ByteArray {
            out.extend_from_slice(bytes);
        } else {
            out.extend_from_slice(self.text(bytes)?.as_bytes());
        }
        Ok(())
    }

    fn text(self, bytes: &[u8]) -> Result<String, Unreadable> {
        Ok(match self {
            Deserializer::String | Deserializer::ByteArray => java_text(bytes),
            Deserializer::Long => i64::from_be_bytes(sized("LongDeserializer", bytes)?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(sized("IntegerDeserializer", bytes)?).to_string(),
            Deserializer::Short => i16::from_be_bytes(sized("ShortDeserializer", bytes)?).to_string(),
            // These two do not say their names in Java, either.
            Deserializer::Double => {
                let number = f64::from_be_bytes(sized("Deserializer", bytes)?);
                floating(&format!("{number:e}"), number.abs())
            }
            Deserializer::Float => {
                let number = f32::from_be_bytes(sized("Deserializer", bytes)?);
                floating(&format!("{number:e}"), f64::from(number.abs()))
            }
            Deserializer::Boolean => match sized("BooleanDeserializer", bytes)? {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => return Err(Unreadable::Boolean(other.cast_signed())),
            },
            Deserializer::Uuid => uuid(&String::from_utf8_lossy(bytes)).ok_or(Unreadable::Uuid)?,
            Deserializer::Bytes => bytes.iter().fold(String::new(), |mut text, byte| {
                match byte {
                    b' '..=b'~' if *byte != b'\\' => text.push(char::from(*byte)),
                    byte => drop(write!(text, "\\x{byte:02X}")),
                }
                text
            }),
            Deserializer::ByteBuffer => {
                format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len())
            }
            Deserializer::Void => return Err(Unreadable::Void),
        })
    }
}

fn sized<const N: usize>(name: &'static str, bytes: &[u8]) -> Result<[u8; N], Unreadable> {
    bytes.try_into().map_err(|_| Unreadable::Size { name, wanted: N })
}

/// Java writes numbers between a thousandth and ten millions plainly, others as `1.0E7`; always with a fraction.
/// `scientific` is the number as Rust writes it with an exponent.
fn floating(scientific: &str, magnitude: f64) -> String {
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific.replace("inf", "Infinity");
    };
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let fraction = if digits.contains('.') { "" } else { ".0" };
        return format!("{digits}{fraction}E{exponent}");
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut digits: String = digits.chars().filter(|c| *c != '.').collect();
    // Where the point stands in the digits: -2 to 7 here.
    let mut point = exponent.parse::<i32>().unwrap_or(0) + 1;
    while point < 1 {
        digits.insert(0, '0');
        point += 1;
    }
    let point = point.unsigned_abs() as usize;
    while digits.len() < point + 1 {
        digits.push('0');
    }
    digits.insert(point, '.');
    format!("{sign}{digits}")
}

/// `UUID.fromString` and back: five hexadecimal numbers, each cut to the digits that it has room for.
fn uuid(text: &str) -> Option<String> {
    const WIDTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    if text.len() > 36 || parts.len() != WIDTHS.len() {
        return None;
    }
    let mut shown = Vec::with_capacity(WIDTHS.len());
    for (part, width) in parts.into_iter().zip(WIDTHS) {
        let number = i64::from_str_radix(part, 16).ok()?;
        let digits = format!("{number:016x}");
        shown.push(digits[digits.len() - width..].to_owned());
    }
    Some(shown.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, bytes: &[u8]) -> Result<String, Unreadable> {
        Deserializer::named(&format!("{PACKAGE}{name}Deserializer")).unwrap().text(bytes)
    }

    #[test]
    fn values_are_printed_as_java_prints_them() {
        assert_eq!(text("Long", &(-5i64).to_be_bytes()).unwrap(), "-5");
        assert_eq!(text("Float", &f32::NEG_INFINITY.to_be_bytes()).unwrap(), "-Infinity");
        assert_eq!(text("Double", &f64::NAN.to_be_bytes()).unwrap(), "NaN");
        assert_eq!(text("Boolean", &[1]).unwrap(), "true");
        assert_eq!(text("String", "ä".as_bytes()).unwrap(), "ä");
        assert_eq!(text("String", b"\xed\xbd\t").unwrap(), "\u{fffd}\t");
        assert_eq!(text("Bytes", b"a\\b\xe4\x01 ~").unwrap(), "a\\x5Cb\\xE4\\x01 ~");
        assert_eq!(text("ByteBuffer", b"abc").unwrap(), "java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]");
        assert_eq!(text("UUID", b"1-2-3-4-5").unwrap(), "00000001-0002-0003-0004-000000000005");
        let full = "123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(text("UUID", full.as_bytes()).unwrap(), full);
        assert_eq!(Deserializer::named("no.such.Deserializer"), None);
    }

    #[test]
    fn numbers_with_a_fraction_are_written_as_in_java() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (3.0, "3.0"),
            (-2.5, "-2.5"),
            (0.001, "0.001"),
            (0.012_3, "0.0123"),
            (0.000_1, "1.0E-4"),
            (1_234_567.5, "1234567.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.0, "1.2345678E7"),
            (1e21, "1.0E21"),
        ] {
            assert_eq!(text("Double", &f64::to_be_bytes(number)).unwrap(), expected);
        }
        assert_eq!(text("Float", &3.3f32.to_be_bytes()).unwrap(), "3.3");
        assert_eq!(text("Float", &1.5e10f32.to_be_bytes()).unwrap(), "1.5E10");
    }

    #[test]
    fn what_cannot_be_read_is_told_in_javas_words() {
        let error = |name: &str, bytes: &[u8]| text(name, bytes).unwrap_err().to_string();
        assert_eq!(error("Long", b"one"), "Size of data received by LongDeserializer is not 8");
        assert_eq!(error("Short", b"one"), "Size of data received by ShortDeserializer is not 2");
        assert_eq!(error("Double", b"one"), "Size of data received by Deserializer is not 8");
        assert_eq!(error("Boolean", &[0xff]), "Unexpected byte received by BooleanDeserializer: -1");
        for text in ["", "one", "1-2-3-4", "1-2-3-4-5-6", "1-2-3-4-x"] {
            assert_eq!(error("UUID", text.as_bytes()), "Error parsing data into UUID");
        }
        assert_eq!(text("Void", b"").unwrap_err().exception(), "java.lang.IllegalArgumentException");
    }
}
