//! What a producer waits for, and what a consumer may see.

/// What a producer waits for (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// 0: no reply at all.
    None,
    /// 1: the leader has written it.
    Leader,
    /// -1, `all`: every in-sync replica has written it.
    All,
}

impl Acks {
    /// From the wire; `None` if the number is not -1, 0 or 1 (`INVALID_REQUIRED_ACKS`).
    pub fn from_wire(acks: i16) -> Option<Acks> {
        match acks {
            0 => Some(Acks::None),
            1 => Some(Acks::Leader),
            -1 => Some(Acks::All),
            _ => None,
        }
    }

    /// As on the wire.
    pub fn to_wire(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Up to where a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// Up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Up to the last stable offset, without what was aborted.
    ReadCommitted,
}

impl IsolationLevel {
    /// From the wire: 1 is read_committed, all else read_uncommitted.
    pub fn from_wire(level: i8) -> IsolationLevel {
        if level == 1 { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted }
    }

    /// As on the wire.
    pub fn to_wire(self) -> i8 {
        i8::from(self == IsolationLevel::ReadCommitted)
    }
}
