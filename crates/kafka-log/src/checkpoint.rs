//! The small text files that map partitions to offsets, one per log directory and purpose.
//!
//! A line with the version (`0`), a line with the number of entries, then `topic partition offset` per line.

use std::path::{Path, PathBuf};

use kafka_types::{Offset, TopicPartition};
use thiserror::Error;

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checkpoint {
    /// `recovery-point-offset-checkpoint`: everything below was synced.
    RecoveryPoint,
    /// `log-start-offset-checkpoint`: log starts that DeleteRecords or retention moved inside a segment.
    LogStart,
    /// `replication-offset-checkpoint`: high watermarks.
    HighWatermark,
    /// `cleaner-offset-checkpoint`: everything below was compacted.
    Cleaner,
}

impl Checkpoint {
    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Checkpoint::RecoveryPoint => "recovery-point-offset-checkpoint",
            Checkpoint::LogStart => "log-start-offset-checkpoint",
            Checkpoint::HighWatermark => "replication-offset-checkpoint",
            Checkpoint::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

/// A checkpoint file that cannot be understood; Apache's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// A line is not what it should be.
    #[error("Malformed line in checkpoint file ({}): {line}", path.display())]
    MalformedLine {
        /// The file.
        path: PathBuf,
        /// The line.
        line: String,
    },
    /// The first line is not a version that is known.
    #[error("Unrecognized version of the checkpoint file {}: {version}", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version it names.
        version: i32,
    },
    /// The number of entries is not what the second line says.
    #[error("Expected {expected} entries in checkpoint file ({}), but found only {found}", path.display())]
    WrongCount {
        /// The file.
        path: PathBuf,
        /// The second line.
        expected: i64,
        /// How many there are.
        found: usize,
    },
}

/// Splits a checkpoint file into its entries, each line split at white space.
pub(crate) fn read_lines<'a>(path: &Path, text: &'a str) -> Result<Vec<Vec<&'a str>>, CheckpointError> {
    let malformed = |line: &str| CheckpointError::MalformedLine { path: path.to_owned(), line: line.to_owned() };
    let mut lines = text.lines();
    // Java reads an empty file as one without entries.
    let Some(first) = lines.next() else { return Ok(Vec::new()) };
    let version: i32 = first.trim().parse().map_err(|_| malformed(first))?;
    if version != 0 {
        return Err(CheckpointError::UnknownVersion { path: path.to_owned(), version });
    }
    let Some(second) = lines.next() else { return Ok(Vec::new()) };
    let expected: i64 = second.trim().parse().map_err(|_| malformed(second))?;
    let entries: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    if i64::try_from(entries.len()) != Ok(expected) {
        return Err(CheckpointError::WrongCount { path: path.to_owned(), expected, found: entries.len() });
    }
    Ok(entries)
}

/// Writes the version, the count and the lines.
pub(crate) fn write_lines(lines: &[String]) -> String {
    let mut text = format!("0\n{}\n", lines.len());
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Reads the text of a checkpoint of partitions.
pub(crate) fn decode(path: &Path, text: &str) -> Result<Vec<(TopicPartition, Offset)>, CheckpointError> {
    read_lines(path, text)?
        .into_iter()
        .map(|words| {
            let parsed = match words[..] {
                [topic, partition, offset] => partition
                    .parse()
                    .ok()
                    .zip(offset.parse().ok())
                    .map(|(partition, offset): (i32, i64)| (TopicPartition::new(topic, partition), Offset(offset))),
                _ => None,
            };
            parsed.ok_or_else(|| CheckpointError::MalformedLine { path: path.to_owned(), line: words.join(" ") })
        })
        .collect()
}

/// The text of a checkpoint of partitions.
pub(crate) fn encode<'a>(entries: impl Iterator<Item = (&'a TopicPartition, Offset)>) -> String {
    let lines: Vec<String> = entries.map(|(tp, offset)| format!("{} {} {offset}", tp.topic, tp.partition)).collect();
    write_lines(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_and_is_as_apache_writes_it() {
        let entries =
            [(TopicPartition::new("segmented", 0), Offset(10)), (TopicPartition::new("codec-none", 0), Offset(4))];
        let text = encode(entries.iter().map(|(tp, offset)| (tp, *offset)));
        assert_eq!(text, "0\n2\nsegmented 0 10\ncodec-none 0 4\n");
        assert_eq!(decode(Path::new("x"), &text).expect("own text"), entries);
        assert_eq!(decode(Path::new("x"), ""), Ok(Vec::new()));
    }

    #[test]
    fn damage_is_named() {
        let error = |text| decode(Path::new("/d/c"), text).expect_err("damaged").to_string();
        assert_eq!(error("1\n0\n"), "Unrecognized version of the checkpoint file /d/c: 1");
        assert_eq!(error("0\n2\na 0 1\n"), "Expected 2 entries in checkpoint file (/d/c), but found only 1");
        assert_eq!(error("0\n1\na zero 1\n"), "Malformed line in checkpoint file (/d/c): a zero 1");
        assert_eq!(error("0\n1\na 0\n"), "Malformed line in checkpoint file (/d/c): a 0");
        assert_eq!(error("x\n"), "Malformed line in checkpoint file (/d/c): x");
    }
}
