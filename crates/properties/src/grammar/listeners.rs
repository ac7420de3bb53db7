//! Kafka's listener lists: `PLAINTEXT://:9092,SSL://[::1]:9093`.

use nom::bytes::complete::{tag, take_while};
use nom::character::complete::{char, digit1};
use nom::combinator::{all_consuming, opt, recognize};
use nom::{IResult, Parser};
use thiserror::Error;

/// One place to listen at, or to be reached at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The listener's name in capitals, such as `PLAINTEXT` or `INTERNAL`.
    pub name: String,
    /// A name or an address (IPv6 without brackets); empty where the text had none: all interfaces to listen at, this
    /// machine's own name to be reached at.
    pub host: String,
    /// The port as written: any number that fits; 0 lets the system choose, what is above 65535 fails when it is bound.
    pub port: i32,
}

impl Listener {
    /// As in the setting: `NAME://host:port`, IPv6 in brackets.
    pub fn connection_string(&self) -> String {
        if self.host.contains(':') {
            format!("{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            format!("{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// A text that is no listener.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Unable to parse {0} to a broker endpoint")]
pub struct ListenerError(
    /// The item as written.
    pub String,
);

/// Parses a list of listeners; items may be empty, white space around them does not count.
pub fn listeners(text: &str) -> Result<Vec<Listener>, ListenerError> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(listener).collect()
}

/// Parses one listener.
pub fn listener(text: &str) -> Result<Listener, ListenerError> {
    // Everything up to the last `://` that lets the rest match is the name: Apache's expression is greedy there.
    text.rmatch_indices("://")
        .find_map(|(at, _)| {
            let (host, port) = endpoint(&text[at..]).ok()?.1;
            let port = port.parse().ok()?;
            Some(Listener { name: text[..at].to_uppercase(), host: host.to_owned(), port })
        })
        .ok_or_else(|| ListenerError(text.to_owned()))
}

/// `://`, a host that may be empty and may stand in brackets, `:`, a number.
fn endpoint(text: &str) -> IResult<&str, (&str, &str)> {
    let (text, _) = (tag("://"), opt(char('['))).parse(text)?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
    let (_, run) = take_while(is_host)(text)?;
    // The host's own colons: the longest host that still leaves `]`, `:` and a port behind it.
    for (at, _) in run.char_indices().rev().chain(std::iter::once((run.len(), ' '))) {
        let (host, left) = text.split_at(at);
        let port = recognize((opt(char('-')), digit1));
        let mut tail = all_consuming((opt(char(']')), char(':'), port));
        if let Ok((left, (_, _, port))) = tail.parse(left) as IResult<&str, _> {
            return Ok((left, (host, port)));
        }
    }
    Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::Tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, String, i32) {
        let listener = listener(text).expect("legal");
        (listener.name, listener.host, listener.port)
    }

    #[test]
    fn names_hosts_ports() {
        assert_eq!(one("PLAINTEXT://:9092"), ("PLAINTEXT".into(), String::new(), 9092));
        assert_eq!(one("internal://kafka-1.example:0"), ("INTERNAL".into(), "kafka-1.example".into(), 0));
        assert_eq!(one("SSL://[::1]:9093"), ("SSL".into(), "::1".into(), 9093));
        assert_eq!(one("SSL://::1:9093"), ("SSL".into(), "::1".into(), 9093));
        assert_eq!(one("A://h:99999").2, 99999);
        assert_eq!(one("A://h:-1").2, -1);
    }

    #[test]
    fn lists_and_back() {
        let list = listeners("PLAINTEXT://:9092, SSL://[fe80::1]:9093,").expect("legal");
        let texts: Vec<String> = list.iter().map(Listener::connection_string).collect();
        assert_eq!(texts, ["PLAINTEXT://:9092", "SSL://[fe80::1]:9093"]);
        assert_eq!(listeners("").expect("empty"), []);
    }

    #[test]
    fn mistakes_name_the_item() {
        for text in ["PLAINTEXT//:9092", "PLAINTEXT://localhost", "PLAINTEXT://h:x", "A://h h:1", "A://h:99999999999"] {
            let error = listeners(text).expect_err("illegal");
            assert_eq!(error.to_string(), format!("Unable to parse {text} to a broker endpoint"));
        }
    }
}
