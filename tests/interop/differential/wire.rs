//! The connections of the lock step, and replies as text that can be compared.

use std::fmt::Write as _;
use std::time::Duration;

use tests::{Cursor, Frames};

/// One session on one connection.
#[derive(Debug)]
pub(super) struct Connection {
    frames: Frames,
    pub(super) session: i64,
    pub(super) password: Vec<u8>,
}

/// What came for a request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Notifications that came before it.
    pub(super) events: Vec<String>,
    /// Header and body; `None`: the connection was closed instead.
    pub(super) reply: Option<Reply>,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) zxid: i64,
    pub(super) err: i32,
    pub(super) body: Vec<u8>,
}

impl Connection {
    /// A new session (0), or one to come back to; its timeout is 0 when it was refused.
    pub(super) fn open(port: u16, session: i64, password: &[u8]) -> (Connection, i32) {
        let mut frames = Frames::connect(port, Duration::from_mins(1)).expect("it accepts");
        frames.ask_session(60_000, session, password).expect("sent");
        let granted = frames.granted().expect("an answer to the handshake");
        (Connection { frames, session: granted.session, password: granted.password }, granted.timeout_ms)
    }

    pub(super) fn ask(&mut self, xid: i32, op: i32, body: &[u8]) {
        // The other side may have closed; its answer tells.
        let _ = self.frames.ask(xid, op, body);
    }

    /// Reads up to the reply to `xid`.
    pub(super) fn answer(&mut self, xid: i32) -> Answer {
        let mut answer = Answer::default();
        while let Ok(frame) = self.frames.receive() {
            let mut cursor = Cursor(&frame);
            let (got, zxid, err) = (cursor.int(), cursor.long(), cursor.int());
            if got == xid {
                answer.reply = Some(Reply { zxid, err, body: cursor.0.to_vec() });
                return answer;
            }
            assert_eq!(got, -1, "a reply to another request");
            let (kind, state) = (cursor.int(), cursor.int());
            answer.events.push(format!("event {kind} state {state} at {}", cursor.text()));
        }
        answer
    }

    /// Is the stream at its end?
    pub(super) fn is_closed(&mut self) -> bool {
        self.frames.receive().is_err()
    }
}

/// Counters, without what differs by nature: times, and sessions by their number in `sessions`.
fn stat(cursor: &mut Cursor<'_>, sessions: &[i64]) -> String {
    let (czxid, mzxid) = (cursor.long(), cursor.long());
    let (ctime, mtime) = (cursor.long(), cursor.long());
    assert!(ctime <= mtime || ctime == 0, "changed before it was made");
    let counters: Vec<i32> = (0..3).map(|_| cursor.int()).collect();
    let owner = match cursor.long() {
        0 => "nobody".to_owned(),
        owner => sessions.iter().position(|session| *session == owner).map_or("?".into(), |at| format!("#{at}")),
    };
    let (length, children, pzxid) = (cursor.int(), cursor.int(), cursor.long());
    format!(
        "czxid {czxid} mzxid {mzxid} pzxid {pzxid} versions {counters:?} owner {owner} length {length} children {children}"
    )
}

/// In any order: `auth` stands for the ids of a connection.
fn acl(cursor: &mut Cursor<'_>) -> String {
    let count = cursor.int();
    let mut entries: Vec<String> =
        (0..count).map(|_| format!("{}:{}:{}", cursor.int(), cursor.text(), cursor.text())).collect();
    entries.sort_unstable();
    entries.join(" ")
}

/// Names in any order: Apache lists them as they lie in its hash table.
fn names(cursor: &mut Cursor<'_>) -> String {
    let mut names = cursor.texts();
    names.sort_unstable();
    names.join(" ")
}

fn multi(cursor: &mut Cursor<'_>, sessions: &[i64]) -> String {
    let mut text = String::new();
    loop {
        let (op, done, err) = (cursor.int(), cursor.take(1)[0], cursor.int());
        if done == 1 {
            return text;
        }
        let body = match op {
            -1 => cursor.int().to_string(),
            1 => cursor.text(),
            15 => format!("{} {}", cursor.text(), stat(cursor, sessions)),
            5 => stat(cursor, sessions),
            4 => format!("{:?} {}", cursor.data(), stat(cursor, sessions)),
            8 => names(cursor),
            _ => String::new(),
        };
        write!(text, "[{op} {err} {body}]").expect("a string");
    }
}

/// A reply as text that can be compared.
pub(super) fn shown(op: i32, reply: &Reply, sessions: &[i64]) -> String {
    let Reply { zxid, err, body } = reply;
    let mut cursor = Cursor(body);
    let mut text = format!("zxid {zxid} err {err} ");
    if *err == 0 {
        let body = match op {
            1 | 9 => cursor.text(),
            3 | 5 | 7 => stat(&mut cursor, sessions),
            4 | 16 => format!("{:?} {}", cursor.data(), stat(&mut cursor, sessions)),
            6 => format!("{} {}", acl(&mut cursor), stat(&mut cursor, sessions)),
            8 | 103 => names(&mut cursor),
            12 => format!("{} {}", names(&mut cursor), stat(&mut cursor, sessions)),
            14 | 22 => multi(&mut cursor, sessions),
            15 | 19 | 21 => format!("{} {}", cursor.text(), stat(&mut cursor, sessions)),
            104 | 106 => cursor.int().to_string(),
            107 => {
                let mut ids: Vec<String> =
                    (0..cursor.int()).map(|_| format!("{}:{}", cursor.text(), cursor.text())).collect();
                ids.sort_unstable();
                ids.join(" ")
            }
            _ => String::new(),
        };
        text.push_str(&body);
    }
    assert!(cursor.0.is_empty(), "bytes behind the reply to {op}: {text} {:?}", cursor.0);
    text
}
