//! What can be wrong with bytes that came in, or with a message that is to go out; always with the place.

use std::fmt;

/// What was wrong with the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The frame ends inside the value.
    #[error("{needed} bytes wanted where {left} are left")]
    Truncated {
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A null (length -1) where the version does not allow one, or a length that is less than that.
    #[error("length {0} where a value must be")]
    UnexpectedNull(i64),
    /// More elements announced than the bytes that are left could hold.
    #[error("{count} elements announced where {left} bytes are left")]
    CountTooLarge {
        /// Elements the peer announced.
        count: u64,
        /// Bytes that are left for them.
        left: usize,
    },
    /// The message would take far more memory than its frame (see [`Decoder`](crate::Decoder)).
    #[error("the message would take more memory than its size allows")]
    OverBudget,
    /// A variable-length number that does not end within five bytes.
    #[error("a variable-length number without an end")]
    EndlessVarint,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// A tagged field whose value is shorter than its announced size.
    #[error("{0} bytes left over in a tagged field")]
    TagNotUsedUp(usize),
    /// Bytes after the end of the message.
    #[error("{0} bytes left over after the end")]
    LeftOver(usize),
    /// The message has no such version.
    #[error("version {0} is not supported")]
    UnsupportedVersion(i16),
}

/// Bytes that are not the message they should be: what is wrong, and in which field.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Details>);

#[derive(Clone, PartialEq, Eq)]
struct Details {
    problem: Problem,
    place: String,
}

impl DecodeError {
    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// Where, outermost first, such as `FetchRequest v4: topics[0].partitions[2].fetch_offset`.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    #[cold]
    pub(crate) fn inside(mut self, outer: &str) -> DecodeError {
        let place = &mut self.0.place;
        if !place.is_empty() && !place.starts_with('[') {
            place.insert(0, '.');
        }
        place.insert_str(0, outer);
        self
    }

    #[cold]
    pub(crate) fn inside_element(self, index: usize) -> DecodeError {
        self.inside(&format!("[{index}]"))
    }

    #[cold]
    pub(crate) fn inside_message(mut self, name: &str, version: i16) -> DecodeError {
        let place = &mut self.0.place;
        let separator = if place.is_empty() { "" } else { ": " };
        place.insert_str(0, &format!("{name} v{version}{separator}"));
        self
    }
}

impl From<Problem> for DecodeError {
    #[cold]
    fn from(problem: Problem) -> DecodeError {
        DecodeError(Box::new(Details { problem, place: String::new() }))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.place.is_empty() {
            return self.0.problem.fmt(f);
        }
        write!(f, "{}: {}", self.0.place, self.0.problem)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodeError({self})")
    }
}

impl std::error::Error for DecodeError {}

/// A message that cannot be written in the version asked for. The bytes written so far are of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The field has a value that matters, and the version has no place for it.
    #[error("version {version} cannot carry `{field}`")]
    NotCarried {
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// The field is null, and the version has no null for it.
    #[error("`{field}` cannot be null in version {version}")]
    Null {
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// Longer than the length field before it can say (32767 bytes for classic strings).
    #[error("`{field}` is too long: {len} bytes or elements")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length in bytes, or its count of elements.
        len: usize,
    },
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
}
