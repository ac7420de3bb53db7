//! `key:value` pairs between commas, as in `listener.security.protocol.map` and `max.connections.per.ip.overrides`.

use nom::Parser;
use nom::bytes::complete::{is_not, tag};
use nom::character::complete::multispace0;
use nom::combinator::all_consuming;
use nom::multi::separated_list1;
use thiserror::Error;

/// An item without a `:`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not of the form key:value")]
pub struct MapError(
    /// The item as written.
    pub String,
);

/// Parses `key:value,key:value`. Each item is cut at its *last* colon, so that a key may be an IPv6 address; an empty
/// text has no pairs.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, MapError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let item = is_not::<_, _, nom::error::Error<&str>>(",");
    let separator = (multispace0, tag(","), multispace0);
    let (_, items) =
        all_consuming(separated_list1(separator, item)).parse(text).map_err(|_| MapError(text.to_owned()))?;
    items
        .into_iter()
        .map(|item| {
            let (key, value) = item.rsplit_once(':').ok_or_else(|| MapError(item.trim().to_owned()))?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_cut_at_the_last_colon() {
        let found = pairs("PLAINTEXT:PLAINTEXT , ::1:5,a : b").expect("legal");
        let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, [("PLAINTEXT", "PLAINTEXT"), ("::1", "5"), ("a", "b")]);
        assert_eq!(pairs("  ").expect("empty"), []);
    }

    #[test]
    fn an_item_without_a_colon_is_named() {
        assert_eq!(pairs("a:1,b").expect_err("illegal"), MapError("b".into()));
        assert!(pairs("a:1,,b:2").is_err());
    }
}
