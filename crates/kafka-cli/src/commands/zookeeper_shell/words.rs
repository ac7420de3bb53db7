//! A line into words, as the pattern of Apache's shell does: words between blanks, or between quotes.

use std::collections::VecDeque;

/// Takes a line apart. A quote without its partner does not count, unless blanks stand before it: then both belong to
/// the word. A line of blanks is one word, a blank.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest: VecDeque<char> = line.chars().collect();
    loop {
        let blanks = rest.iter().take_while(|letter| is_blank(**letter)).count();
        if let Some(word) = quoted(&rest, blanks) {
            rest.drain(..blanks + word.chars().count() + 2);
            words.push(word);
        } else if rest.get(blanks).is_some_and(|letter| !is_quote(*letter)) {
            rest.drain(..blanks);
            words.push(take_word(&mut rest, 0));
        } else if blanks > 0 {
            rest.drain(..blanks - 1);
            words.push(take_word(&mut rest, 1));
        } else if rest.pop_front().is_none() {
            return words;
        } else {
            // A quote that opens nothing.
            continue;
        }
        while rest.front().is_some_and(|letter| is_blank(*letter)) {
            rest.pop_front();
        }
    }
}

/// The text between quotes that begin at `at`.
fn quoted(letters: &VecDeque<char>, at: usize) -> Option<String> {
    let quote = *letters.get(at).filter(|letter| is_quote(**letter))?;
    let inner = letters.iter().skip(at + 1);
    let len = inner.clone().position(|letter| *letter == quote)?;
    Some(inner.take(len).collect())
}

/// Takes `first` letters, whatever they are, and all up to the next blank.
fn take_word(rest: &mut VecDeque<char>, first: usize) -> String {
    let len = first + rest.iter().skip(first).take_while(|letter| !is_blank(**letter)).count();
    rest.drain(..len).collect()
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '"' | '\'')
}

/// Java's `\s`.
fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_blanks() {
        let cases: [(&str, &[&str]); 11] = [
            ("  ls   / ", &["ls", "/"]),
            ("create /q \"two words\" 'and more'", &["create", "/q", "two words", "and more"]),
            ("create /q2 \"unterminated", &["create", "/q2", "unterminated"]),
            ("set /a it's", &["set", "/a", "it's"]),
            ("set /a ''", &["set", "/a", ""]),
            ("set \"a\"'b'c", &["set", "a", "b", "c"]),
            ("set \"it's one\"", &["set", "it's one"]),
            (" 'open", &[" 'open"]),
            ("   ", &[" "]),
            ("'", &[]),
            ("", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line), expected, "{line}");
        }
    }
}
