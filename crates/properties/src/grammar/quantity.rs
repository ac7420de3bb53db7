//! Sizes and durations with a unit, for options of our own: `64MiB`, `1.5s`.

use nom::Parser;
use nom::character::complete::{alpha0, multispace0};
use nom::combinator::all_consuming;
use nom::number::complete::recognize_float;
use thiserror::Error;

/// A text that is no size or duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {expected}")]
pub struct QuantityError {
    /// What was there.
    pub text: String,
    /// What should be there.
    pub expected: &'static str,
}

/// Bytes: a number with `B`, `kB`/`MB`/`GB` (thousands) or `KiB`/`MiB`/`GiB` (powers of 1024), in any case; no unit is
/// bytes.
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    let units: &[(&str, f64)] = &[
        ("", 1.0),
        ("b", 1.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("kib", 1024.0),
        ("mib", 1024.0 * 1024.0),
        ("gib", 1024.0 * 1024.0 * 1024.0),
    ];
    quantity(text, units)
        .ok_or_else(|| QuantityError { text: text.to_owned(), expected: "a size such as 4096, 100kB or 64MiB" })
}

/// Milliseconds: a number with `ms`, `s`, `m`, `h` or `d`; no unit is milliseconds.
pub fn duration_ms(text: &str) -> Result<u64, QuantityError> {
    let units: &[(&str, f64)] = &[("", 1.0), ("ms", 1.0), ("s", 1e3), ("m", 6e4), ("h", 3.6e6), ("d", 8.64e7)];
    quantity(text, units)
        .ok_or_else(|| QuantityError { text: text.to_owned(), expected: "a duration such as 500ms, 1.5s or 2h" })
}

fn quantity(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let number = recognize_float::<_, nom::error::Error<&str>>;
    let (_, (number, _, unit)) = all_consuming((number, multispace0, alpha0)).parse(text.trim()).ok()?;
    let factor = units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?.1;
    let value = number.parse::<f64>().ok()? * factor;
    (value >= 0.0 && value < 2f64.powi(63)).then_some(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_none() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("1.5 KiB"), Ok(1536));
        assert_eq!(bytes("2MB"), Ok(2_000_000));
        assert_eq!(duration_ms("1.5s"), Ok(1500));
        assert_eq!(duration_ms("2h"), Ok(7_200_000));
        for bad in ["", "x", "-1", "1 parsec", "1e40", "1 2"] {
            assert!(bytes(bad).is_err(), "{bad}");
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }
}
