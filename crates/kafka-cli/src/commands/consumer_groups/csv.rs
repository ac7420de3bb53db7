//! Plans of resets as CSV, as Jackson writes and reads it: `topic,partition,offset`, with the group before it where
//! there are several.

use kafka_types::{Offset, TopicPartition};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Whose; `None` in plans for one group.
    pub(super) group: Option<String>,
    pub(super) partition: TopicPartition,
    pub(super) offset: Offset,
}

/// Texts longer than this are put in quotes without a look.
const UNCHECKED_FROM: usize = 24;

impl Line {
    /// With its end.
    pub(super) fn written(&self) -> String {
        let group = self.group.as_ref().map_or(String::new(), |group| quoted(group) + ",");
        format!("{group}{},{},{}\n", quoted(&self.partition.topic), self.partition.partition, self.offset.0)
    }

    /// Reads a line; what is missing at its end is empty or 0, what is too much makes it unreadable.
    pub(super) fn read(line: &str, with_group: bool) -> Result<Line, String> {
        let cells = cells(line)?;
        let columns = if with_group { 4 } else { 3 };
        if cells.len() > columns {
            return Err(format!(
                "Too many entries: expected at most {columns} (value #{columns} ({} chars) \"{}\")",
                cells[columns].chars().count(),
                cells[columns]
            ));
        }
        let cell = |at: usize| cells.get(at).map(String::as_str).unwrap_or_default();
        let first = usize::from(with_group);
        let partition = number(cell(first + 1), "int")?;
        let partition =
            i32::try_from(partition).map_err(|_| format!("Numeric value ({partition}) out of range of int"))?;
        Ok(Line {
            group: with_group.then(|| cell(0).to_owned()),
            partition: TopicPartition::new(cell(first), partition),
            offset: Offset(number(cell(first + 2), "long")?),
        })
    }
}

fn number(cell: &str, kind: &str) -> Result<i64, String> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(0);
    }
    cell.parse().map_err(|_| {
        format!("Cannot deserialize value of type `{kind}` from String \"{cell}\": not a valid `{kind}` value")
    })
}

fn quoted(text: &str) -> String {
    // All that stands before `-` in the alphabet is taken for special: the comma, the quote, blanks.
    let is_plain = text.len() <= UNCHECKED_FROM && text.chars().all(|c| c > ',');
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

fn cells(line: &str) -> Result<Vec<String>, String> {
    let mut cells = Vec::new();
    let mut rest = line.strip_suffix('\r').unwrap_or(line);
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let (cell, after) = match trimmed.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => match rest.split_once(',') {
                Some((cell, after)) => (cell.to_owned(), Some(after)),
                None => (rest.to_owned(), None),
            },
        };
        cells.push(cell);
        match after {
            Some(after) => rest = after,
            None => return Ok(cells),
        }
    }
}

/// What stands up to the closing quote, and what follows the comma behind it.
fn unquoted(text: &str) -> Result<(String, Option<&str>), String> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err("Missing closing quote for value".to_owned());
        };
        cell.push_str(before);
        if let Some(after) = after.strip_prefix('"') {
            cell.push('"');
            rest = after;
            continue;
        }
        let after = after.trim_start_matches([' ', '\t']);
        return match after.chars().next() {
            None => Ok((cell, None)),
            Some(',') => Ok((cell, Some(&after[1..]))),
            Some(other) => Err(format!(
                "Unexpected character ('{other}' (code {})): Expected column separator character",
                other as u32
            )),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(topic: &str, partition: i32, offset: i64) -> Line {
        Line { group: None, partition: TopicPartition::new(topic, partition), offset: Offset(offset) }
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        for one in [line("orders", 0, 2), line("a.b_c-d", 11, 0), line(&"long".repeat(7), 1, 5)] {
            assert_eq!(Line::read(one.written().trim_end(), false), Ok(one.clone()));
            let grouped = Line { group: Some("my \"own\", group".into()), ..one };
            assert_eq!(Line::read(grouped.written().trim_end(), true), Ok(grouped));
        }
        assert_eq!(line("orders", 0, 2).written(), "orders,0,2\n");
        assert_eq!(line("a-topic-of-25-characters-", 0, 2).written(), "\"a-topic-of-25-characters-\",0,2\n");
    }

    #[test]
    fn quotes_blanks_and_holes() {
        assert_eq!(Line::read("\"orders\", 1 ,\t7\r", false), Ok(line("orders", 1, 7)));
        assert_eq!(Line::read("orders;0;2", false), Ok(line("orders;0;2", 0, 0)));
        for wrong in ["g,orders,0,2", "orders,x,2", "\"orders,0,2", "\"orders\"x,0,2", "orders,9999999999,2"] {
            assert!(Line::read(wrong, false).is_err(), "{wrong}");
        }
    }
}
