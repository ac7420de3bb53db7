//! Lines into words, and words into the options and arguments of one command.

/// Takes a line apart: words between blanks, or between quotes. A quote without its partner does not count.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            rest = &rest[1..];
            if let Some(end) = rest.find(first) {
                words.push(rest[..end].to_owned());
                rest = &rest[end + 1..];
            }
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    words
}

/// The options a command knows: letters, with `:` behind those that take a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec(pub(super) &'static str);

/// A command's options and arguments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    options: Vec<(char, Option<String>)>,
    pub(super) args: Vec<String>,
}

impl Parsed {
    pub(super) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(given, _)| *given == letter)
    }

    pub(super) fn value(&self, letter: char) -> Option<&str> {
        self.options.iter().find(|(given, _)| *given == letter).and_then(|(_, value)| value.as_deref())
    }
}

impl Spec {
    fn takes_value(self, letter: char) -> Option<bool> {
        let at = self.0.find(letter).filter(|_| letter != ':')?;
        Some(self.0[at + letter.len_utf8()..].starts_with(':'))
    }

    /// Takes the words behind the command apart as Apache's parser (commons-cli) does: options anywhere, letters
    /// joined, negative numbers are arguments.
    pub(super) fn parse(self, words: &[String]) -> Result<Parsed, String> {
        let mut parsed = Parsed::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.args.extend(words.cloned());
                break;
            }
            let letters = match word.strip_prefix('-') {
                Some(letters) if !letters.is_empty() && word.parse::<f64>().is_err() => letters,
                _ => {
                    parsed.args.push(word.clone());
                    continue;
                }
            };
            self.parse_letters(word, letters, &mut words, &mut parsed)?;
        }
        Ok(parsed)
    }

    fn parse_letters<'a>(
        self,
        word: &str,
        letters: &str,
        words: &mut impl Iterator<Item = &'a String>,
        parsed: &mut Parsed,
    ) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            let Some(takes_value) = self.takes_value(letter) else {
                return Err(format!("org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: {word}"));
            };
            if !takes_value {
                parsed.options.push((letter, None));
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { words.next().cloned() } else { Some(rest.to_owned()) };
            let Some(value) = value else {
                return Err(format!(
                    "org.apache.commons.cli.MissingArgumentException: Missing argument for option: {letter}"
                ));
            };
            parsed.options.push((letter, Some(value)));
            return Ok(());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_blanks() {
        let cases: [(&str, &[&str]); 6] = [
            ("  ls   / ", &["ls", "/"]),
            ("create /q \"two words\" 'and more'", &["create", "/q", "two words", "and more"]),
            ("create /q2 \"unterminated", &["create", "/q2", "unterminated"]),
            ("set /a it's", &["set", "/a", "it's"]),
            ("set /a ''", &["set", "/a", ""]),
            ("", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn options_stand_anywhere() {
        let parse = |line: &str| Spec("sewv:").parse(&split(line));
        let parsed = parse("-s /a -v 3 -e data").unwrap();
        assert!(parsed.has('s') && parsed.has('e') && !parsed.has('w'));
        assert_eq!((parsed.value('v'), parsed.args.join(" ").as_str()), (Some("3"), "/a data"));
        assert_eq!(parse("-sev7 /a").unwrap().value('v'), Some("7"));
        assert_eq!(parse("/a -5").unwrap().args, ["/a", "-5"]);
        assert_eq!(
            parse("-z /q").unwrap_err(),
            "org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: -z"
        );
        assert!(parse("/a -v").unwrap_err().ends_with("Missing argument for option: v"));
    }
}
