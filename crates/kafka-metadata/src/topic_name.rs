//! Which names topics may have, and which topics are Kafka's own.

use thiserror::Error;

/// Where groups and committed offsets are kept.
pub const GROUP_METADATA: &str = "__consumer_offsets";
/// Where transactions are kept.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// Characters of the longest name: with `-partition` behind it, it is a directory's name.
pub const MAX_LEN: usize = 249;

/// A name that no topic can have (`InvalidTopicException`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicNameError {
    /// Nothing.
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// `.` or `..`, which are directories.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    /// More than [`MAX_LEN`] characters.
    #[error("Topic name is invalid: the length of '{0}' is longer than the max allowed length 249")]
    TooLong(String),
    /// A character that a file's name or a metric's name should not have.
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    Character(String),
}

/// May a topic have this name?
pub fn validate(name: &str) -> Result<(), TopicNameError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Err(TopicNameError::Empty),
        "." | ".." => Err(TopicNameError::Dots(name.to_owned())),
        // Java counts UTF-16 units.
        _ if name.encode_utf16().count() > MAX_LEN => Err(TopicNameError::TooLong(name.to_owned())),
        _ if !name.chars().all(legal) => Err(TopicNameError::Character(name.to_owned())),
        _ => Ok(()),
    }
}

/// Does the name have a character that metrics cannot tell from another (`.` and `_`)? Tools warn then.
pub fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

/// Would two names be the same name of a metric?
pub fn collide(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.replace('.', "_") == other.replace('.', "_")
}

/// Is the topic Kafka's own?
pub fn is_internal(name: &str) -> bool {
    name == GROUP_METADATA || name == TRANSACTION_STATE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str) -> String {
        validate(name).expect_err("illegal").to_string()
    }

    #[test]
    fn legal_and_illegal_names_in_apaches_words() {
        for name in ["a", "test-topic", "A.b_c-9", "...", &"x".repeat(249)] {
            assert_eq!(validate(name), Ok(()), "{name}");
        }
        assert_eq!(error(""), "Topic name is invalid: the empty string is not allowed");
        assert_eq!(error(".."), "Topic name is invalid: '..' is not allowed");
        assert_eq!(
            error("a/b"),
            "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        );
        assert!(error("é").contains("'é' contains one or more"));
        assert!(error(&"x".repeat(250)).ends_with("is longer than the max allowed length 249"));
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert!(collide("a.b", "a_b"));
        assert!(!collide("a.b", "a-b"));
        assert!(!collide("a.b", "a.bc"));
        assert!(has_collision_chars("a.b") && !has_collision_chars("a-b"));
    }
}
