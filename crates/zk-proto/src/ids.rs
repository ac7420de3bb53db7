//! Session and transaction ids as types of their own, so that they cannot be taken for each other or for a time.

use std::fmt;

use crate::jute::{DecodeError, Jute, Reader, Writer};

/// A transaction id: epoch in the high 32 bits, counter in the low 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(pub i64);

impl Zxid {
    /// "None": what replies of refused requests carry.
    pub const NONE: Zxid = Zxid(-1);

    /// The id after this one.
    pub fn next(self) -> Zxid {
        Zxid(self.0.wrapping_add(1))
    }

    /// The high half: the leader's epoch, 0 for a standalone server.
    pub fn epoch(self) -> i64 {
        self.0 >> 32
    }

    /// The low half: the count within the epoch.
    pub fn counter(self) -> i64 {
        self.0 & 0xffff_ffff
    }
}

/// `0x1f`, as logs and four-letter words print it.
impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Jute for Zxid {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        i64::read(reader).map(Zxid)
    }

    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }
}

/// A session id: the high byte is the id of the server that made it. 0 asks for a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub i64);

impl SessionId {
    /// No session yet.
    pub const NONE: SessionId = SessionId(0);
}

/// `0x100000ef4470000`, as logs and four-letter words print it.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Jute for SessionId {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        i64::read(reader).map(SessionId)
    }

    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }
}
