//! Sessions as transactions make and end them, their ids and passwords.
//!
//! When a session's time is over is not decided here, see [`crate::expiry`]; what ends with it is in
//! [`crate::apply`].

use rustc_hash::FxHashMap;
use time_types::WallMillis;
use zk_proto::SessionId;
use zk_proto::connect::PASSWORD_LEN;

/// Known sessions with their timeout in milliseconds.
#[derive(Debug, Default)]
pub struct SessionTable {
    timeouts: FxHashMap<SessionId, i32>,
}

impl SessionTable {
    /// The session's timeout in milliseconds; `None` if there is no such session.
    pub fn timeout_ms(&self, session: SessionId) -> Option<i32> {
        self.timeouts.get(&session).copied()
    }

    /// Is there such a session?
    pub fn contains(&self, session: SessionId) -> bool {
        self.timeouts.contains_key(&session)
    }

    /// All sessions with their timeouts in milliseconds; in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, i32)> {
        self.timeouts.iter().map(|(session, timeout_ms)| (*session, *timeout_ms))
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.timeouts.len()
    }

    /// Is there no session?
    pub fn is_empty(&self) -> bool {
        self.timeouts.is_empty()
    }

    pub(crate) fn insert(&mut self, session: SessionId, timeout_ms: i32) {
        self.timeouts.insert(session, timeout_ms);
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        self.timeouts.remove(&session);
    }
}

/// Gives session ids: the server's id in the high byte, then 40 bits of time, then a counter.
#[derive(Debug)]
pub struct SessionIds {
    next: i64,
}

impl SessionIds {
    /// Ids of the server `server_id` that starts `now`.
    pub fn new(server_id: u8, now: WallMillis) -> SessionIds {
        let time = (now.0 << 24) as u64 >> 8;
        let next = time as i64 | (i64::from(server_id) << 56);
        SessionIds { next: if next == i64::MIN { next + 1 } else { next } }
    }

    /// The next id.
    pub fn next_id(&mut self) -> SessionId {
        let id = SessionId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// The password of a session: derived from its id, so that the session can move to any server, Apache's too.
pub fn password(session: SessionId) -> [u8; PASSWORD_LEN] {
    const SECRET: i64 = 0xb341_5c00;
    const MULTIPLIER: u64 = 0x5_deec_e66d;
    const MASK: u64 = (1 << 48) - 1;
    // `java.util.Random`: a 48-bit linear congruence, of whose state the upper 32 bits are given out.
    let mut state = ((session.0 ^ SECRET) as u64 ^ MULTIPLIER) & MASK;
    let mut bytes = [0; PASSWORD_LEN];
    for chunk in bytes.chunks_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xb) & MASK;
        chunk.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_as_apache_gave_it() {
        // From the captured conversation of zookeeper-shell.
        let expected = [0x5c, 0x3d, 0xfc, 0xa6, 0xdd, 0x8b, 0x7c, 0x36, 0x43, 0x26, 0xf6, 0x61, 0xbd, 0x80, 0x0b, 0x63];
        assert_eq!(password(SessionId(0x0100_0034_d42e_0004)), expected);
    }

    #[test]
    fn ids_carry_the_server_and_count() {
        let mut ids = SessionIds::new(1, WallMillis(1_700_000_000_000));
        let first = ids.next_id();
        assert_eq!(first.0 >> 56, 1);
        assert_eq!(first.0 & 0xffff, 0);
        assert_eq!(ids.next_id().0, first.0 + 1);
    }
}
