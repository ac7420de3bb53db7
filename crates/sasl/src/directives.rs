//! `key=value,key="quoted value"`: the form of all messages of DIGEST-MD5 (RFC 2831, section 7.1).

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{escaped_transform, is_not, tag, take_while1};
use nom::character::complete::{anychar, char, multispace0};
use nom::combinator::{map, map_opt, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, separated_pair};

use crate::SaslError;

/// A message taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directives(Vec<(String, String)>);

impl Directives {
    /// Reads a message. Keys do not tell upper from lower case; empty items between commas are allowed.
    pub(crate) fn parse(message: &[u8]) -> Result<Directives, SaslError> {
        let text = text_of(message);
        let mut rest = text.as_str();
        let mut found = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
            if rest.is_empty() {
                return Ok(Directives(found));
            }
            let (left, items) = directives(rest).map_err(|_| SaslError::Malformed("no list of key=value"))?;
            found.extend(items);
            if !left.is_empty() && !left.starts_with(',') {
                return Err(SaslError::Malformed("something else than a comma behind a value"));
            }
            rest = left;
        }
    }

    /// The value of a key that may stand once at most.
    pub(crate) fn one(&self, key: &'static str) -> Result<Option<&str>, SaslError> {
        let mut found = self.all(key);
        let first = found.next();
        if found.next().is_some() { Err(SaslError::Twice(key)) } else { Ok(first) }
    }

    /// The value of a key that has to stand there.
    pub(crate) fn required(&self, key: &'static str) -> Result<&str, SaslError> {
        self.one(key)?.ok_or(SaslError::Missing(key))
    }

    /// All values of a key.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }
}

/// UTF-8 where it is, ISO 8859-1 otherwise: which of the two is meant stands inside the message.
fn text_of(message: &[u8]) -> String {
    match std::str::from_utf8(message) {
        Ok(text) => text.to_owned(),
        Err(_) => message.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn directives(text: &str) -> nom::IResult<&str, Vec<(String, String)>> {
    let key = take_while1(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let quoted = alt((
        value(String::new(), tag("\"\"")),
        delimited(char('"'), escaped_transform(is_not("\\\""), '\\', map_opt(anychar, Some)), char('"')),
    ));
    let bare = map(is_not(",\" \t\r\n"), str::to_owned);
    let item =
        separated_pair(map(key, str::to_owned), delimited(multispace0, char('='), multispace0), alt((quoted, bare)));
    separated_list1(delimited(multispace0, char(','), multispace0), item).parse(text)
}

/// A value between quotes.
pub(crate) fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        Directives::parse(text.as_bytes()).expect("legal").0
    }

    #[test]
    fn quoted_and_bare_values() {
        let found = parsed("realm=\"a \\\"b\\\"\", nonce=\"x=y,z\",qop=auth , charset=utf-8,empty=\"\"");
        let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            found,
            [("realm", "a \"b\""), ("nonce", "x=y,z"), ("qop", "auth"), ("charset", "utf-8"), ("empty", "")]
        );
        assert_eq!(parsed(",a=1,,b=2,").len(), 2);
        assert_eq!(quote("a\"\\"), "\"a\\\"\\\\\"");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in ["x", "=1", "a=\"open", "a=1 b=2", "a=\"x\"y"] {
            assert!(Directives::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn once_means_once() {
        let list = Directives::parse(b"Nonce=1,nonce=2,cnonce=3").unwrap();
        assert_eq!(list.one("nonce"), Err(SaslError::Twice("nonce")));
        assert_eq!(list.required("cnonce"), Ok("3"));
        assert_eq!(list.required("uri"), Err(SaslError::Missing("uri")));
    }
}
