//! JAAS: sections of login modules with their options, as a file or as the value of one setting.
//!
//! ```text
//! Server {
//!     org.apache.zookeeper.server.auth.DigestLoginModule required
//!     user_alice="secret";
//! };
//! ```
//!
//! What a word is follows Java's `StreamTokenizer` as `ConfigFile` sets it up; comments are `//`, `/* */` and, as that
//! tokenizer has it, a lone `/` up to the end of the line.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_until, take_while};
use nom::character::complete::{char, multispace1, one_of, satisfy};
use nom::combinator::{map, opt, recognize, value, verify};
use nom::multi::{fold_many0, many0};
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser};
use thiserror::Error;

/// The sections of a file, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Jaas(
    /// The sections.
    pub Vec<JaasSection>,
);

impl Jaas {
    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&JaasSection> {
        self.0.iter().find(|section| section.name == name)
    }
}

/// One section: who logs in how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JaasSection {
    /// Its name.
    pub name: String,
    /// Its login modules, in order.
    pub entries: Vec<JaasEntry>,
}

/// One login module with its options.
#[derive(Clone, PartialEq, Eq)]
pub struct JaasEntry {
    /// The module's class.
    pub module: String,
    /// `required`, `requisite`, `sufficient` or `optional`, as written.
    pub flag: String,
    /// The options, in order.
    pub options: Vec<(String, String)>,
}

impl JaasEntry {
    /// The value of an option; the last one counts, as in a map.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Options hold passwords, so only their names are shown.
impl std::fmt::Debug for JaasEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.options.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("JaasEntry").field("module", &self.module).field("options", &names).finish_non_exhaustive()
    }
}

/// Why a text is no JAAS configuration, in Java's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JaasError {
    /// Something else stands where this belongs.
    #[error("Configuration Error:\n\tLine {line}: expected [{expected}], found [{found}]")]
    Expected {
        /// The line, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The text ends before this.
    #[error("Configuration Error:\n\texpected [{0}], read [end of file]")]
    End(&'static str),
    /// Not one of Java's four flags.
    #[error("Configuration Error:\n\tInvalid control flag, {0}")]
    Flag(String),
    /// A section twice.
    #[error("Configuration Error:\n\tCan not specify multiple entries for {0}")]
    Duplicate(String),
    /// `${name}` inside a value stands for a property of a JVM.
    #[error(
        "Configuration Error:\n\tLine {line}: the value of {option} refers to a property of the JVM, which is not looked up"
    )]
    Property {
        /// The line, from 1.
        line: usize,
        /// The option.
        option: String,
    },
}

/// Reads a whole file.
///
/// # Errors
/// [`JaasError`] with the line, where Java's reader gives one.
pub fn jaas(text: &str) -> Result<Jaas, JaasError> {
    let mut reader = Reader { text, rest: text };
    let mut sections: Vec<JaasSection> = Vec::new();
    reader.skip();
    while !reader.rest.is_empty() {
        let name = reader.word("entry name")?;
        reader.symbol('{', "{")?;
        let mut entries = Vec::new();
        while !reader.takes('}') {
            entries.push(reader.entry()?);
        }
        reader.symbol(';', ";")?;
        if sections.iter().any(|section| section.name == name) {
            return Err(JaasError::Duplicate(name));
        }
        sections.push(JaasSection { name, entries });
    }
    Ok(Jaas(sections))
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn entry(&mut self) -> Result<JaasEntry, JaasError> {
        let module = self.word("module class name")?;
        let flag = self.word("controlFlag")?;
        if !["required", "requisite", "sufficient", "optional"].iter().any(|known| flag.eq_ignore_ascii_case(known)) {
            return Err(JaasError::Flag(flag));
        }
        let mut options = Vec::new();
        while !self.takes(';') {
            let line = self.line();
            let key = self.word("option key")?;
            self.symbol('=', "=")?;
            let value = self.word("option value")?;
            if value.contains("${") {
                return Err(JaasError::Property { line, option: key });
            }
            options.push((key, value));
        }
        Ok(JaasEntry { module, flag, options })
    }

    fn word(&mut self, expected: &'static str) -> Result<String, JaasError> {
        let found = alt((quoted, map(word, str::to_owned))).parse(self.rest);
        self.take(found, expected)
    }

    fn symbol(&mut self, symbol: char, expected: &'static str) -> Result<(), JaasError> {
        let found = value((), char::<_, nom::error::Error<&str>>(symbol)).parse(self.rest);
        self.take(found, expected)
    }

    fn takes(&mut self, symbol: char) -> bool {
        self.symbol(symbol, "").is_ok()
    }

    fn take<T>(&mut self, found: IResult<&str, T>, expected: &'static str) -> Result<T, JaasError> {
        match found {
            Ok((rest, value)) => {
                // The rest is a part of the text, so its length says where it begins.
                self.rest = &self.text[self.text.len() - rest.len()..];
                self.skip();
                Ok(value)
            }
            Err(_) if self.rest.is_empty() => Err(JaasError::End(expected)),
            Err(_) => {
                let found = word(self.rest).map_or_else(|_| self.rest.chars().take(1).collect(), |(_, w)| w.to_owned());
                Err(JaasError::Expected { line: self.line(), expected, found })
            }
        }
    }

    fn skip(&mut self) {
        if let Ok((rest, ())) = blank(self.rest) {
            self.rest = &self.text[self.text.len() - rest.len()..];
        }
    }

    fn line(&self) -> usize {
        let read = self.text.len() - self.rest.len();
        1 + self.text[..read].bytes().filter(|byte| *byte == b'\n').count()
    }
}

fn blank(text: &str) -> IResult<&str, ()> {
    let line = value((), pair(char('/'), take_till(|c| c == '\n')));
    let block = value((), (tag("/*"), take_until("*/"), tag("*/")));
    // A comment that is never closed reaches to the end, as in Java.
    let open = value((), pair(tag("/*"), nom::combinator::rest));
    let comment = alt((block, open, line));
    value((), many0(alt((value((), multispace1), comment)))).parse(text)
}

fn word(text: &str) -> IResult<&str, &str> {
    let begins = |c: char| c.is_ascii_alphabetic() || "$_-*".contains(c) || c >= '\u{a0}';
    let goes_on = move |c: char| begins(c) || c.is_ascii_digit() || c == '.';
    recognize(pair(satisfy(begins), take_while(goes_on))).parse(text)
}

/// Between double or single quotes, on one line, with the escapes of Java's tokenizer.
fn quoted(text: &str) -> IResult<&str, String> {
    let (text, quote) = one_of("\"'")(text)?;
    let plain = satisfy(move |c| c != quote && c != '\\' && c != '\n' && c != '\r');
    let escape = preceded(
        char('\\'),
        alt((octal, value('\u{7}', char('a')), value('\u{8}', char('b')), value('\u{c}', char('f')), whitespace, any)),
    );
    let body = fold_many0(alt((plain, escape)), String::new, |mut text, c| {
        text.push(c);
        text
    });
    terminated(body, char(quote)).parse(text)
}

fn whitespace(text: &str) -> IResult<&str, char> {
    alt((value('\n', char('n')), value('\r', char('r')), value('\t', char('t')), value('\u{b}', char('v')))).parse(text)
}

fn any(text: &str) -> IResult<&str, char> {
    satisfy(|c| c != '\n' && c != '\r').parse(text)
}

/// One to three octal digits, up to 377.
fn octal(text: &str) -> IResult<&str, char> {
    let digit = |text| one_of::<_, _, nom::error::Error<&str>>("01234567").parse(text);
    let three = recognize((one_of("0123"), digit, digit));
    let two = recognize((digit, opt(digit)));
    let digits = alt((three, two));
    map(verify(digits, |digits: &str| !digits.is_empty()), |digits: &str| {
        char::from(digits.bytes().fold(0, |number: u8, digit| number * 8 + (digit - b'0')))
    })
    .parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

    #[test]
    fn sections_modules_and_options() {
        let text = format!(
            "// ours\nServer {{\n  {DIGEST} required\n  user_super=\"adminsecret\" /* two\n lines */\n  user_bob='b\\\"\\101'\n  debug=true;\n  com.x.Other OPTIONAL;\n}};\nClient {{ {DIGEST} required username=bob password=\"\"; }};\n"
        );
        let read = jaas(&text).expect("legal");
        let server = read.section("Server").expect("there");
        assert_eq!((server.entries.len(), server.entries[0].module.as_str()), (2, DIGEST));
        assert_eq!(server.entries[0].option("user_super"), Some("adminsecret"));
        assert_eq!(server.entries[0].option("user_bob"), Some("b\"A"));
        assert_eq!(server.entries[0].option("user_eve"), None);
        let client = read.section("Client").expect("there");
        assert_eq!(client.entries[0].option("password"), Some(""));
        assert!(!format!("{read:?}").contains("adminsecret"), "passwords do not get into a log");
        assert_eq!(jaas(" \n"), Ok(Jaas::default()));
    }

    #[test]
    fn mistakes_in_javas_words() {
        let error = |text: &str| jaas(text).expect_err("illegal").to_string();
        assert_eq!(
            error("Server {\n M required user=;\n};"),
            "Configuration Error:\n\tLine 2: expected [option value], found [;]"
        );
        assert_eq!(
            error("Server {\n M required user_a=\"x\"\n"),
            "Configuration Error:\n\texpected [option key], read [end of file]"
        );
        assert_eq!(error("Server {\n M sometimes;\n};"), "Configuration Error:\n\tInvalid control flag, sometimes");
        assert_eq!(error("Server M required;"), "Configuration Error:\n\tLine 1: expected [{], found [M]");
        assert!(error("S { M required; }; S { M required; };").ends_with("multiple entries for S"));
        assert!(error("S { M required a=\"${user.home}\"; };").contains("the value of a refers to"));
        assert!(error("S { M required a=\"x").contains("expected [option value]"));
        assert!(error("1S { };").contains("expected [entry name], found [1]"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9 \"'\\\\{};=/*\n$_.-]{0,80}") {
            let _ = jaas(&text);
            let _ = jaas(&format!("S {{ M required a={text};}};"));
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[^\\r\\n$]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let read = jaas(&format!("S {{ M required a=\"{quoted}\"; }};")).expect("legal");
            proptest::prop_assert_eq!(read.0[0].entries[0].option("a"), Some(value.as_str()));
        }
    }
}
