//! The table of options that Java's tools print: two columns in 80 characters, wrapped lines indented by two.

use super::{Argument, Opt, Table};

const WIDTH: usize = 80;
const GAP: usize = 2;
const INDENT: usize = 2;

/// The usage table, every line ended.
pub fn render(table: Table) -> String {
    let mut options: Vec<&Opt> = table.0.iter().collect();
    options.sort_by_key(|option| option.name);
    let mut rows =
        vec![("Option".to_owned(), "Description".to_owned()), ("------".to_owned(), "-----------".to_owned())];
    rows.extend(options.into_iter().map(|option| (name(option), description(option))));
    let (names, descriptions) = widths(&rows);
    let fitted: Vec<(String, String)> = rows.iter().flat_map(|row| fit(row, names, descriptions)).collect();
    let (names, descriptions) = widths(&fitted);
    let line = |(name, description): &(String, String)| format!("{name:names$}  {description:descriptions$}\n");
    fitted.iter().map(line).collect()
}

fn name(option: &Opt) -> String {
    let argument = |open, kind, what: &str, close| {
        if what.is_empty() { format!(" {open}{kind}{close}") } else { format!(" {open}{kind}: {what}{close}") }
    };
    let argument = match option.argument {
        Argument::None => String::new(),
        Argument::Required(kind, what) => argument('<', kind, what, '>'),
        Argument::Optional(kind, what) => argument('[', kind, what, ']'),
    };
    format!("--{}{argument}", option.name)
}

fn description(option: &Opt) -> String {
    match option.default {
        Some(default) => format!("{} (default: {default})", option.help),
        None => option.help.to_owned(),
    }
}

/// Both columns get what they need, the first at most half, the second at most the rest.
fn widths(rows: &[(String, String)]) -> (usize, usize) {
    let names = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min((WIDTH - GAP) / 2);
    let descriptions = rows.iter().map(|(_, text)| text.len()).max().unwrap_or(0).min(WIDTH - names - GAP);
    (names, descriptions)
}

fn fit((name, text): &(String, String), names: usize, descriptions: usize) -> Vec<(String, String)> {
    let (left, right) = (pieces(name, names), pieces(text, descriptions));
    let piece = |pieces: &[String], at: usize| pieces.get(at).cloned().unwrap_or_default();
    (0..left.len().max(right.len())).map(|at| (piece(&left, at), piece(&right, at))).collect()
}

fn pieces(text: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in words(text) {
        if piece.len() + word.len() > width {
            pieces.push(piece.trim_end().to_owned());
            piece = " ".repeat(INDENT);
        }
        piece.push_str(word);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Where Java's line breaker may break: behind blanks, and behind a hyphen or full stop inside a word.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for at in 1..bytes.len() {
        let inside = matches!(bytes[at - 1], b'-' | b'.') && bytes[at].is_ascii_alphabetic();
        let begins = at >= 2 && bytes[at - 2].is_ascii_alphanumeric();
        if (bytes[at - 1] == b' ' && bytes[at] != b' ') || (inside && begins) {
            words.push(&text[start..at]);
            start = at;
        }
    }
    words.push(&text[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_laid_out_as_javas() {
        const TABLE: Table = Table(&[
            Opt::flag("version", "Prints the version."),
            Opt::value("bootstrap-server", "String", "server to connect to", "REQUIRED: where to begin."),
            Opt::value("batch-size", "Integer", "size", "Bytes per batch.").or("16384"),
            Opt::maybe(
                "codec",
                "String",
                "codec",
                "One of none, gzip, snappy, lz4 and zstd, of which the first is used.",
            ),
        ]);
        let expected = "\
Option                                 Description                        
------                                 -----------                        
--batch-size <Integer: size>           Bytes per batch. (default: 16384)  
--bootstrap-server <String: server to  REQUIRED: where to begin.          
  connect to>                                                             
--codec [String: codec]                One of none, gzip, snappy, lz4 and 
                                         zstd, of which the first is used.
--version                              Prints the version.                
";
        assert_eq!(render(TABLE), expected);
    }

    #[test]
    fn class_names_break_at_their_stops() {
        assert_eq!(
            words("a b-c org.apache.X (default: -1) ..."),
            ["a ", "b-", "c ", "org.", "apache.", "X ", "(default: ", "-1) ", "..."]
        );
    }
}
