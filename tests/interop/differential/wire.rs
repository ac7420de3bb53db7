//! The bytes of the lock step: requests are built and replies are read here in words of their own, so that the judge
//! shares no code with what it judges.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Builds a request's body.
#[derive(Debug, Clone, Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn int(mut self, value: i32) -> Body {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: i64) -> Body {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn flag(mut self, value: bool) -> Body {
        self.0.push(u8::from(value));
        self
    }

    pub(super) fn text(self, text: &str) -> Body {
        self.data(Some(text.as_bytes()))
    }

    pub(super) fn data(mut self, data: Option<&[u8]>) -> Body {
        match data {
            None => self.int(-1),
            Some(data) => {
                self.0.extend((data.len() as i32).to_be_bytes());
                self.0.extend(data);
                self
            }
        }
    }

    pub(super) fn texts(self, texts: &[String]) -> Body {
        texts.iter().fold(self.int(texts.len() as i32), |body, text| body.text(text))
    }

    /// Permissions, scheme and id.
    pub(super) fn acl(self, acl: &[(i32, &str, &str)]) -> Body {
        acl.iter().fold(self.int(acl.len() as i32), |body, (perms, scheme, id)| body.int(*perms).text(scheme).text(id))
    }

    pub(super) fn then(mut self, other: &Body) -> Body {
        self.0.extend(&other.0);
        self
    }
}

/// One session on one connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
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
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("an option");
        let mut connection = Connection { stream, session, password: password.to_vec() };
        let request = Body::default().int(0).long(0).int(60_000).long(session).data(Some(password)).flag(false);
        connection.send(&request.0);
        let answer = connection.frame().expect("an answer to the handshake");
        let mut cursor = Cursor(&answer);
        cursor.int();
        let timeout = cursor.int();
        connection.session = cursor.long();
        connection.password = cursor.data().unwrap_or_default().to_vec();
        (connection, timeout)
    }

    pub(super) fn ask(&mut self, xid: i32, op: i32, body: &[u8]) {
        let mut request = Body::default().int(xid).int(op).0;
        request.extend(body);
        self.send(&request);
    }

    /// Reads up to the reply to `xid`.
    pub(super) fn answer(&mut self, xid: i32) -> Answer {
        let mut answer = Answer::default();
        while let Some(frame) = self.frame() {
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
        self.frame().is_none()
    }

    fn send(&mut self, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
        frame.extend(payload);
        // The other side may have closed; its answer tells.
        let _ = self.stream.write_all(&frame);
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len).ok()?;
        let mut payload = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(payload)
    }
}

/// Reads bytes from the front.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(len).expect("a whole record");
        self.0 = rest;
        taken
    }

    pub(super) fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    pub(super) fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    pub(super) fn data(&mut self) -> Option<&'a [u8]> {
        let len = self.int();
        (len >= 0).then(|| self.take(len as usize))
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.data().unwrap_or_default()).into_owned()
    }

    pub(super) fn texts(&mut self) -> Vec<String> {
        (0..self.int()).map(|_| self.text()).collect()
    }

    /// Counters, without what differs by nature: times, and sessions by their number in `sessions`.
    fn stat(&mut self, sessions: &[i64]) -> String {
        let (czxid, mzxid) = (self.long(), self.long());
        let (ctime, mtime) = (self.long(), self.long());
        assert!(ctime <= mtime || ctime == 0, "changed before it was made");
        let counters: Vec<i32> = (0..3).map(|_| self.int()).collect();
        let owner = match self.long() {
            0 => "nobody".to_owned(),
            owner => sessions.iter().position(|session| *session == owner).map_or("?".into(), |at| format!("#{at}")),
        };
        let (length, children, pzxid) = (self.int(), self.int(), self.long());
        format!(
            "czxid {czxid} mzxid {mzxid} pzxid {pzxid} versions {counters:?} owner {owner} length {length} children {children}"
        )
    }

    /// In any order: `auth` stands for the ids of a connection.
    fn acl(&mut self) -> String {
        let count = self.int();
        let mut entries: Vec<String> =
            (0..count).map(|_| format!("{}:{}:{}", self.int(), self.text(), self.text())).collect();
        entries.sort_unstable();
        entries.join(" ")
    }

    /// Names in any order: Apache lists them as they lie in its hash table.
    fn names(&mut self) -> String {
        let mut names = self.texts();
        names.sort_unstable();
        names.join(" ")
    }

    fn multi(&mut self, sessions: &[i64]) -> String {
        let mut text = String::new();
        loop {
            let (op, done, err) = (self.int(), self.take(1)[0], self.int());
            if done == 1 {
                return text;
            }
            let body = match op {
                -1 => self.int().to_string(),
                1 => self.text(),
                15 => format!("{} {}", self.text(), self.stat(sessions)),
                5 => self.stat(sessions),
                4 => format!("{:?} {}", self.data(), self.stat(sessions)),
                8 => self.names(),
                _ => String::new(),
            };
            write!(text, "[{op} {err} {body}]").expect("a string");
        }
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
            3 | 5 | 7 => cursor.stat(sessions),
            4 | 16 => format!("{:?} {}", cursor.data(), cursor.stat(sessions)),
            6 => format!("{} {}", cursor.acl(), cursor.stat(sessions)),
            8 | 103 => cursor.names(),
            12 => format!("{} {}", cursor.names(), cursor.stat(sessions)),
            14 | 22 => cursor.multi(sessions),
            15 | 19 | 21 => format!("{} {}", cursor.text(), cursor.stat(sessions)),
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
