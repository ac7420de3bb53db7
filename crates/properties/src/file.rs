//! A `.properties` file with the line of each entry, and what is laid over it: the last one to speak wins.
//!
//! The syntax is Java's (`java.util.Properties`): `key=value`, `key: value` or `key value`, `#` and `!` comments, a
//! backslash at the end of a line continues it, `\uXXXX` escapes, bytes are ISO-8859-1. The `java-properties` crate
//! reads it; [`prepare`] evens out where that crate and Java differ.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use java_properties::{LineContent, PropertiesIter};
use thiserror::Error;

/// Where an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file and a line in it, counted from 1.
    File {
        /// The file as the user named it.
        name: Arc<str>,
        /// The line on which the entry begins.
        line: usize,
    },
    /// An option on the command line, such as `--override`.
    Option(&'static str),
    /// An environment variable, such as `KAFKA_OPTS`.
    Variable(&'static str),
    /// The program itself.
    Program,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line } => write!(f, "{name}, line {line}"),
            Origin::Option(option) => write!(f, "option {option}"),
            Origin::Variable(variable) => write!(f, "variable {variable}"),
            Origin::Program => f.write_str("the program's own default"),
        }
    }
}

/// One setting as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// The text, escapes resolved.
    pub value: String,
    /// Who wrote it.
    pub origin: Origin,
}

/// A `.properties` text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name}, line {line}: {reason}")]
pub struct FileError {
    /// The file as the user named it.
    pub name: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, in Java's words.
    pub reason: String,
}

/// Settings as text, each name once, in the order of their first appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<Entry>,
    positions: HashMap<String, usize>,
}

impl Properties {
    /// No settings.
    pub fn new() -> Properties {
        Properties::default()
    }

    /// Reads a file's bytes; `name` is the file as the user named it. A name that occurs twice has its last value.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Properties, FileError> {
        let name: Arc<str> = name.into();
        let mut properties = Properties::new();
        for line in PropertiesIter::new(prepare(bytes).as_slice()) {
            let line = line.map_err(|error| FileError {
                name: name.clone(),
                line: error.line_number().unwrap_or(0),
                reason: error.to_string(),
            })?;
            let number = line.line_number();
            if let LineContent::KVPair(key, value) = line.consume_content() {
                properties.set(key, value, Origin::File { name: name.clone(), line: number });
            }
        }
        Ok(properties)
    }

    /// Sets one, whoever set it before.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        let entry = Entry { key: key.into(), value: value.into(), origin };
        if let Some(&position) = self.positions.get(&entry.key) {
            self.entries[position] = entry;
        } else {
            self.positions.insert(entry.key.clone(), self.entries.len());
            self.entries.push(entry);
        }
    }

    /// Lays `key=value` of an option over what is there. Without a `=` the value is empty (as Kafka takes
    /// `--override broker.id`).
    pub fn override_with(&mut self, option: &'static str, text: &str) {
        if let Some((key, value)) = key_value(text) {
            self.set(key, value, Origin::Option(option));
        }
    }

    /// The text of a setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// A setting with its origin.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.positions.get(key).map(|&position| &self.entries[position])
    }

    /// All settings, in the order of their first appearance.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Splits `key=value` at its first `=`; without one the value is empty. `None` for an empty text, which Kafka's tools
/// skip.
pub fn key_value(text: &str) -> Option<(&str, &str)> {
    (!text.is_empty()).then(|| text.split_once('=').unwrap_or((text, "")))
}

/// One `key=value` line as `java.util.Properties.store` writes it, without a line end.
pub fn escape(key: &str, value: &str) -> String {
    let mut line = String::with_capacity(key.len() + value.len() + 1);
    escape_into(&mut line, key, true);
    line.push('=');
    escape_into(&mut line, value, false);
    line
}

fn escape_into(line: &mut String, text: &str, is_key: bool) {
    for (index, unit) in text.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            // Blanks inside a value stay as they are; at its front they would be lost.
            Some(' ') if is_key || index == 0 => line.push_str("\\ "),
            Some('\t') => line.push_str("\\t"),
            Some('\n') => line.push_str("\\n"),
            Some('\r') => line.push_str("\\r"),
            Some('\x0c') => line.push_str("\\f"),
            Some(special @ ('=' | ':' | '#' | '!' | '\\')) => {
                line.push('\\');
                line.push(special);
            }
            Some(plain @ ' '..='~') => line.push(plain),
            _ => write!(line, "\\u{unit:04X}").expect("a string takes everything"),
        }
    }
}

/// Bytes that the `java-properties` crate reads as Java would.
///
/// The crate takes bytes for windows-1252 and resolves escapes in comments too (`# C:\users` would be an error), so
/// bytes above ASCII become `\u00XX` escapes and comments become blank lines. Lines keep their numbers.
fn prepare(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut continues = false;
    let mut before_backslash = 0;
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |len| at + len);
        let line = &bytes[at..end];
        let first = line.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\x0c'));
        if continues || !matches!(first, Some(b'#' | b'!')) {
            continues = prepare_line(line, &mut out);
            before_backslash = out.len().saturating_sub(1);
        }
        // A blank line cannot be continued, and Java does not let it end a continuation before it either way.
        if let Some(&end_byte) = bytes.get(end) {
            out.push(end_byte);
            let pair = end_byte == b'\r' && bytes.get(end + 1) == Some(&b'\n');
            if pair {
                out.push(b'\n');
            }
            at = end + 1 + usize::from(pair);
        } else {
            at = end;
        }
    }
    if continues {
        // Nothing follows: Java drops the backslash, the crate would drop the entry.
        out.truncate(before_backslash);
    }
    out
}

/// Copies one line with its bytes above ASCII escaped; returns whether a backslash at its end continues it.
fn prepare_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    let mut escaped = false;
    for &byte in line {
        if byte.is_ascii() {
            out.push(byte);
            escaped = byte == b'\\' && !escaped;
        } else {
            // `\é` means `é`, but a backslash before our own escape would take it for a literal `u`.
            if escaped {
                out.pop();
            }
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            escaped = false;
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parse(text: &[u8]) -> Vec<(String, String, usize)> {
        let properties = Properties::parse("f", text).expect("legal");
        let line = |entry: &Entry| match entry.origin {
            Origin::File { line, .. } => line,
            _ => 0,
        };
        properties.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone(), line(entry))).collect()
    }

    fn pair(key: &str, value: &str, line: usize) -> (String, String, usize) {
        (key.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn the_three_separators_comments_and_continuations() {
        let text = b"# one\n  ! two\na=1\nb : 2\nc 3\nd\\\n   =4\\\n   5\n\ne=\nf\n";
        assert_eq!(
            parse(text),
            [
                pair("a", "1", 3),
                pair("b", "2", 4),
                pair("c", "3", 5),
                pair("d", "45", 6),
                pair("e", "", 10),
                pair("f", "", 11)
            ]
        );
    }

    #[test]
    fn escapes_and_bytes_above_ascii_as_in_java() {
        assert_eq!(parse(b"a=\\u00e9\\t\\:x"), [pair("a", "\u{e9}\t:x", 1)]);
        assert_eq!(parse(b"a=\xe9 \x80 \\\xe9"), [pair("a", "\u{e9} \u{80} \u{e9}", 1)]);
        assert_eq!(parse(b"# C:\\users\na=1"), [pair("a", "1", 2)]);
        assert_eq!(
            parse(b"# continued? \\\na=1\r\nb=2\rc=3"),
            [pair("a", "1", 2), pair("b", "2", 3), pair("c", "3", 4)]
        );
        assert_eq!(parse(b"a=x\\\n# no comment\nb=1"), [pair("a", "x# no comment", 1), pair("b", "1", 3)]);
    }

    #[test]
    fn a_broken_escape_names_file_and_line() {
        let error = Properties::parse("server.properties", b"a=1\nb=\\u12").expect_err("broken");
        assert_eq!((&*error.name, error.line), ("server.properties", 2));
        assert!(error.to_string().starts_with("server.properties, line 2: Malformed \\uxxxx encoding"), "{error}");
    }

    #[test]
    fn the_last_one_wins_and_is_known() {
        let mut properties = Properties::parse("f", b"a=1\nb=2\na=3").expect("legal");
        assert_eq!(properties.get("a"), Some("3"));
        assert_eq!(properties.entry("a").map(|entry| entry.origin.to_string()), Some("f, line 3".to_owned()));
        properties.override_with("--override", "a=4=5");
        properties.override_with("--override", "c");
        properties.override_with("--override", "");
        assert_eq!(properties.get("a"), Some("4=5"));
        assert_eq!(properties.get("c"), Some(""));
        assert_eq!(properties.entries().iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_written_reads_back() {
        for (key, value) in
            [("cluster.id", "a b"), (" k:=", "  x#!"), ("\u{e9}", "tab\there\nand \\"), ("log", "C:\\x")]
        {
            let line = escape(key, value);
            assert!(line.is_ascii());
            assert_eq!(parse(line.as_bytes()), [pair(key, value, 1)], "{line}");
        }
        assert_eq!(escape("a b", " c d"), "a\\ b=\\ c d");
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    b"\\u0a=: #!\n\r\xe9x\x0c\t\0"[(seed >> 33) as usize % 16]
                })
                .collect();
            let _ = Properties::parse("f", &bytes);
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn what_java_reads_from_the_same_bytes() {
        let captured =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/properties/java-properties.txt"));
        for line in captured.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split(' ');
            let input = bytes(fields.next().expect("an input"));
            let text = |hex: &str| String::from_utf8(bytes(hex)).expect("text");
            let mut expected: BTreeMap<String, String> =
                fields.filter_map(|pair| pair.split_once('=')).map(|(key, value)| (text(key), text(value))).collect();
            let properties = Properties::parse("f", &input).expect("legal");
            // A backslash alone on its line is an entry without name and value to Java, and nothing to us.
            if expected.get("").is_some_and(String::is_empty) && properties.get("").is_none() {
                expected.remove("");
            }
            let ours = properties.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
            assert_eq!(expected, ours, "{:?}", String::from_utf8_lossy(&input));
        }
    }
}
