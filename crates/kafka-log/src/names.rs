//! Names of partition directories and of the files in them.

use std::path::Path;

use kafka_types::{Offset, TopicPartition};

/// The batches.
pub(crate) const LOG: &str = "log";
/// Offset to position.
pub(crate) const OFFSET_INDEX: &str = "index";
/// Timestamp to offset.
pub(crate) const TIME_INDEX: &str = "timeindex";
/// Aborted transactions.
pub(crate) const TXN_INDEX: &str = "txnindex";
/// Producer state up to the offset in the name.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// A file that only waits to be unlinked.
pub(crate) const DELETED: &str = ".deleted";
/// A compaction is writing it.
pub(crate) const CLEANED: &str = ".cleaned";
/// A compaction finished it; it replaces the segments it was made of.
pub(crate) const SWAP: &str = ".swap";

/// Longest name of a directory.
const NAME_MAX: usize = 255;

/// `00000000000000000042.log`: 20 digits, so that names sort as offsets do.
pub(crate) fn segment_file(base: Offset, extension: &str) -> String {
    format!("{:020}.{extension}", base.0)
}

/// The offset and the rest of the name (`log`, `index`, `log.swap` ..) of a segment's file.
pub(crate) fn parse_segment_file(name: &str) -> Option<(Offset, &str)> {
    let (digits, rest) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((Offset(digits.parse().ok()?), rest))
}

/// What the name of a directory in a log directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirName {
    /// `topic-0`: a partition.
    Partition(TopicPartition),
    /// `topic-0.<32 hex digits>-delete`: was deleted, its files wait to be unlinked.
    Deleted(TopicPartition),
    /// `topic-0.<32 hex digits>-future`: will replace the partition in another log directory.
    Future(TopicPartition),
    /// `topic-0.<32 hex digits>-stray`: nobody asked for this partition.
    Stray(TopicPartition),
}

impl DirName {
    /// The partition that the name speaks of.
    pub fn partition(&self) -> &TopicPartition {
        match self {
            DirName::Partition(tp) | DirName::Deleted(tp) | DirName::Future(tp) | DirName::Stray(tp) => tp,
        }
    }
}

/// Reads the name of a directory; `None` if it is not one that a broker makes.
pub fn parse_dir_name(name: &str) -> Option<DirName> {
    type Wrap = fn(TopicPartition) -> DirName;
    let kinds: [(&str, Wrap); 3] =
        [("-delete", DirName::Deleted), ("-future", DirName::Future), ("-stray", DirName::Stray)];
    for (suffix, wrap) in kinds {
        if let Some(rest) = name.strip_suffix(suffix) {
            let (partition, unique) = rest.rsplit_once('.')?;
            return (!unique.is_empty()).then(|| parse_partition(partition))?.map(wrap);
        }
    }
    parse_partition(name).map(DirName::Partition)
}

fn parse_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    // Java's Integer.parseInt takes a sign; nothing ever wrote one.
    if topic.is_empty() || partition.is_empty() || !partition.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// `topic-0.<unique>-delete`; a long topic is cut so that the name stays within 255 bytes.
pub(crate) fn deleted_dir_name(tp: &TopicPartition, unique: [u8; 16]) -> String {
    let suffix = format!("-{}.{:032x}-delete", tp.partition, u128::from_be_bytes(unique));
    let keep = tp.topic.len().min(NAME_MAX - suffix.len());
    format!("{}{suffix}", &tp.topic[..keep])
}

/// `topic-0.<unique>-future`, uncut: a topic whose name is too long for that cannot be moved.
pub(crate) fn future_dir_name(tp: &TopicPartition, unique: [u8; 16]) -> String {
    format!("{tp}.{:032x}-future", u128::from_be_bytes(unique))
}

/// Is the name of a partition's future directory too long for a file system?
pub fn is_too_long_to_move(tp: &TopicPartition) -> bool {
    future_dir_name(tp, [0; 16]).len() > NAME_MAX
}

/// Apache's words for a directory that does not belong there.
pub(crate) fn unknown_dir_text(path: &Path, name: &str) -> String {
    format!(
        "Found directory {}, '{name}' is not in the form of topic-partition or topic-partition.uniqueId-delete (if \
         marked for deletion).\nKafka's log directories (and children) should only contain Kafka topic data.",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_are_read_as_apache_writes_them() {
        let tp = TopicPartition::new("a-b.c", 12);
        assert_eq!(parse_dir_name("a-b.c-12"), Some(DirName::Partition(tp.clone())));
        let deleted = deleted_dir_name(&tp, [0xab; 16]);
        assert_eq!(deleted, "a-b.c-12.abababababababababababababababab-delete");
        assert_eq!(parse_dir_name(&deleted), Some(DirName::Deleted(tp.clone())));
        assert_eq!(parse_dir_name(&future_dir_name(&tp, [1; 16])), Some(DirName::Future(tp.clone())));
        assert!(!is_too_long_to_move(&tp) && is_too_long_to_move(&TopicPartition::new("t".repeat(214), 0)));
        assert_eq!(parse_dir_name("a-b.c-12.x-stray"), Some(DirName::Stray(tp)));
        for wrong in ["", "x", "-0", "x-", "x-y", "x-+1", "x-0-delete", "lost+found", "x-99999999999"] {
            assert_eq!(parse_dir_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_deleted_directory_of_the_longest_topic_fits() {
        let tp = TopicPartition::new("t".repeat(249), 1_000_000);
        assert_eq!(deleted_dir_name(&tp, [1; 16]).len(), 255);
    }

    #[test]
    fn segment_names_sort_as_offsets() {
        assert_eq!(segment_file(Offset(42), LOG), "00000000000000000042.log");
        assert_eq!(parse_segment_file("00000000000000000042.log.swap"), Some((Offset(42), "log.swap")));
        assert_eq!(parse_segment_file("42.log"), None);
        assert_eq!(parse_segment_file("leader-epoch-checkpoint"), None);
        assert_eq!(parse_segment_file("99999999999999999999.log"), None);
    }
}
