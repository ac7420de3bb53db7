//! A record's place in its partition.

use std::fmt;
use std::ops::{Add, Sub};

/// A record's place in its partition. The log end, the high watermark and the last stable offset are the offset of
/// the record *after* the last one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// "No offset" where the protocol has no null: -1.
    pub const NONE: Offset = Offset(-1);
}

impl Add<i64> for Offset {
    type Output = Offset;

    fn add(self, records: i64) -> Offset {
        Offset(self.0 + records)
    }
}

impl Sub for Offset {
    type Output = i64;

    fn sub(self, other: Offset) -> i64 {
        self.0 - other.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
