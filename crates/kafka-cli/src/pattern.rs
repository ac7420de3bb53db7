//! Regular expressions as Java's `Pattern` reads them, for names of topics.

use fancy_regex::{Regex, RegexBuilder};

/// Steps back that one match may take; what needs more matches nothing.
const BACKTRACK_MAX: usize = 100_000;

/// An expression that has to match a whole name. Look-around, back references and `\Q..\E` work as in Java.
#[derive(Debug)]
pub struct Pattern(Regex);

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is none, with the reason on one line.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let anchored = format!("^(?:{})$", without_quotes(text));
        let compiled = RegexBuilder::new(&anchored).backtrack_limit(BACKTRACK_MAX).build();
        compiled.map(Pattern).map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            PatternError(reason.trim_start_matches("error: ").to_owned())
        })
    }

    /// Does it match all of `name`?
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name).unwrap_or(false)
    }
}

/// Java's `\Q..\E`, which takes what is in it literally, by escapes.
fn without_quotes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\Q") {
        // `\\Q` is an escaped backslash and a letter.
        let escapes = rest[..at].chars().rev().take_while(|c| *c == '\\').count();
        let (before, quoted) = (&rest[..at], &rest[at + 2..]);
        plain.push_str(before);
        if escapes % 2 == 1 {
            plain.push_str("\\Q");
            rest = quoted;
            continue;
        }
        let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        plain.push_str(&fancy_regex::escape(literal));
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_match() {
        let matches = |text, name| Pattern::new(text).unwrap().matches(name);
        assert!(matches("or.*", "orders") && !matches("or.*", "x-orders") && !matches("order", "orders"));
        assert!(matches("a|b", "b") && !matches("a|b", "ab"));
        assert!(matches("(?!__).*", "t") && !matches("(?!__).*", "__consumer_offsets"));
        assert!(matches(r"(.)\1", "aa") && !matches(r"(.)\1", "ab"));
        assert!(matches(r"[\w&&[^m]]+", "abc") && !matches(r"[\w&&[^m]]+", "amc"));
        assert!(matches(r"\p{Alpha}", "t") && !matches(r"\p{Alpha}", "7"));
    }

    #[test]
    fn quoted_parts_are_literal() {
        let matches = |text, name| Pattern::new(text).unwrap().matches(name);
        assert!(matches(r"\Qa.b\E.*", "a.bc") && !matches(r"\Qa.b\E.*", "axbc"));
        assert!(matches(r"x\Qa.b", "xa.b"));
        assert!(matches(r"\\Q", r"\Q"));
    }

    #[test]
    fn what_is_no_expression_is_told_on_one_line() {
        for text in ["(", "[", r"\p{Nope}", "(?<=", "a)"] {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(!error.is_empty() && error.lines().count() == 1, "{text}: {error}");
        }
    }

    #[test]
    fn a_match_that_never_ends_is_none() {
        let name = "a".repeat(249);
        assert!(!Pattern::new(r"(a*)*\1b").unwrap().matches(&name));
    }
}
