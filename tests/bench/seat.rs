//! What a member of a group says and hears: JoinGroup, SyncGroup, Heartbeat.

use std::io;

use crate::line::{int, short, text, text_at};

// Before version 4 members are taken without an id.
pub(crate) const JOIN: (i16, i16) = (11, 3);
pub(crate) const HEARTBEAT: (i16, i16) = (12, 1);
pub(crate) const SYNC: (i16, i16) = (14, 1);

const REBALANCE_IN_PROGRESS: i16 = 27;

/// A member's place in its group, as far as it has come.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seat {
    pub(crate) group: String,
    /// Empty before the first answer.
    pub(crate) id: String,
    pub(crate) generation: i32,
}

impl Seat {
    /// None yet.
    pub(crate) fn in_group(group: &str) -> Seat {
        Seat { group: group.to_owned(), ..Seat::default() }
    }

    /// The body of a JoinGroup.
    pub(crate) fn join(&self) -> Vec<u8> {
        let mut body = text(&self.group);
        body.extend([60_000i32.to_be_bytes(), 120_000i32.to_be_bytes()].concat());
        body.extend(text(&self.id));
        body.extend([text("consumer"), 1i32.to_be_bytes().to_vec(), text("range")].concat());
        body.extend([0, 0, 0, 0]);
        body
    }

    /// Takes the answer to it in; the ids of all members, if this one leads.
    pub(crate) fn joined(&mut self, answer: &[u8]) -> io::Result<Vec<String>> {
        let error = short(answer, 4);
        if error != 0 {
            return Err(io::Error::other(format!("join: error {error}")));
        }
        let generation = int(answer, 6);
        let (_protocol, at) = text_at(answer, 10);
        let (_leader, at) = text_at(answer, at);
        let (id, mut at) = text_at(answer, at);
        let count = int(answer, at);
        at += 4;
        let mut members = Vec::new();
        for _ in 0..count {
            let (member, end) = text_at(answer, at);
            at = end + 4 + int(answer, end).max(0) as usize;
            members.push(member);
        }
        (self.id, self.generation) = (id, generation);
        Ok(members)
    }

    /// The body of a SyncGroup, with shares for those.
    pub(crate) fn sync(&self, members: &[String]) -> Vec<u8> {
        let mut body = self.beat();
        body.extend((members.len() as i32).to_be_bytes());
        for member in members {
            body.extend([text(member), 1i32.to_be_bytes().to_vec(), vec![7]].concat());
        }
        body
    }

    /// The body of a Heartbeat.
    pub(crate) fn beat(&self) -> Vec<u8> {
        let mut body = text(&self.group);
        body.extend(self.generation.to_be_bytes());
        body.extend(text(&self.id));
        body
    }
}

/// Does the answer to a SyncGroup or a Heartbeat say that the member is in? If not, it has to join again.
pub(crate) fn is_in(answer: &[u8]) -> io::Result<bool> {
    match short(answer, 4) {
        0 => Ok(true),
        REBALANCE_IN_PROGRESS => Ok(false),
        error => Err(io::Error::other(format!("a member is refused: error {error}"))),
    }
}
