//! A client for the fault cases: sessions that are resumed, ephemeral and sequential nodes, watches and their events.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What a create makes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Persistent = 0,
    Ephemeral = 1,
    Sequential = 2,
    EphemeralSequential = 3,
}

/// A session with its connection; the connection can be given up and the session taken up again.
#[derive(Debug)]
pub(crate) struct Session {
    stream: TcpStream,
    pub(crate) id: i64,
    password: Vec<u8>,
    pub(crate) timeout_ms: i32,
    xid: i32,
    /// Watch events that have come: type and path.
    pub(crate) events: Vec<(i32, String)>,
}

/// `SessionExpired` of the handshake.
fn expired() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the session is expired")
}

impl Session {
    /// A new session that asks for this timeout.
    pub(crate) fn open(port: u16, timeout_ms: i32) -> io::Result<Session> {
        Session::handshake(port, timeout_ms, 0, &[0; 16], 0)
    }

    /// The same session on a new connection; the old one is dropped without a word.
    pub(crate) fn resume(&self, port: u16) -> io::Result<Session> {
        Session::handshake(port, self.timeout_ms, self.id, &self.password, self.xid)
    }

    fn handshake(port: u16, timeout_ms: i32, id: i64, password: &[u8], xid: i32) -> io::Result<Session> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut session = Session { stream, id, password: password.to_vec(), timeout_ms, xid, events: Vec::new() };
        let mut request = vec![0; 12];
        request.extend(timeout_ms.to_be_bytes());
        request.extend(id.to_be_bytes());
        request.extend(buffer(password));
        request.push(0);
        session.send(&request)?;
        let answer = session.receive()?;
        session.timeout_ms = int(&answer, 4);
        session.id = i64::from_be_bytes(answer[8..16].try_into().expect("eight bytes"));
        session.password = answer[20..36].to_vec();
        if session.timeout_ms == 0 { Err(expired()) } else { Ok(session) }
    }

    /// Creates a node; its name, or the error that the server gave.
    pub(crate) fn create(&mut self, path: &str, data: &[u8], mode: Mode) -> io::Result<Result<String, i32>> {
        let xid = self.ask_create(path, data, mode)?;
        let answer = self.answer(xid)?;
        Ok(answer.map(|body| String::from_utf8_lossy(&body[4..]).into_owned()))
    }

    /// Sends a create without waiting for its answer.
    pub(crate) fn ask_create(&mut self, path: &str, data: &[u8], mode: Mode) -> io::Result<i32> {
        let acl = [&1i32.to_be_bytes()[..], &31i32.to_be_bytes(), &buffer(b"world"), &buffer(b"anyone")].concat();
        let body = [buffer(path.as_bytes()), buffer(data), acl, (mode as i32).to_be_bytes().to_vec()].concat();
        self.ask(1, &body)
    }

    /// Is it there? Leaves a watch if told to.
    pub(crate) fn exists(&mut self, path: &str, watch: bool) -> io::Result<bool> {
        let body = [buffer(path.as_bytes()), vec![u8::from(watch)]].concat();
        Ok(self.call(3, &body)?.is_ok())
    }

    /// A node's data.
    pub(crate) fn get(&mut self, path: &str, watch: bool) -> io::Result<Result<Vec<u8>, i32>> {
        let body = [buffer(path.as_bytes()), vec![u8::from(watch)]].concat();
        let answer = self.call(4, &body)?;
        Ok(answer.map(|body| body[4..4 + int(&body, 0).max(0) as usize].to_vec()))
    }

    /// Sets a node's data.
    pub(crate) fn set(&mut self, path: &str, data: &[u8]) -> io::Result<Result<(), i32>> {
        let body = [buffer(path.as_bytes()), buffer(data), (-1i32).to_be_bytes().to_vec()].concat();
        Ok(self.call(5, &body)?.map(|_| ()))
    }

    /// How many children a node has.
    pub(crate) fn child_count(&mut self, path: &str) -> io::Result<usize> {
        let body = [buffer(path.as_bytes()), vec![0]].concat();
        Ok(self.call(8, &body)?.map_or(0, |body| int(&body, 0) as usize))
    }

    /// Says that the session lives.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.send(&[&(-2i32).to_be_bytes()[..], &11i32.to_be_bytes()].concat())?;
        self.answer(-2).map(|_| ())
    }

    /// One request and its answer: the body, or the error that the server gave.
    pub(crate) fn call(&mut self, op: i32, body: &[u8]) -> io::Result<Result<Vec<u8>, i32>> {
        let xid = self.ask(op, body)?;
        self.answer(xid)
    }

    pub(crate) fn ask(&mut self, op: i32, body: &[u8]) -> io::Result<i32> {
        self.xid += 1;
        self.send(&[&self.xid.to_be_bytes()[..], &op.to_be_bytes(), body].concat())?;
        Ok(self.xid)
    }

    /// The answer to a request; events that come before it are kept.
    pub(crate) fn answer(&mut self, xid: i32) -> io::Result<Result<Vec<u8>, i32>> {
        loop {
            let frame = self.receive()?;
            if frame.len() < 16 {
                return Err(io::Error::other("an answer without a header"));
            }
            match int(&frame, 0) {
                -1 => self.events.push((int(&frame, 16), String::from_utf8_lossy(&frame[28..]).into_owned())),
                found if found == xid => {
                    let error = int(&frame, 12);
                    return Ok(if error == 0 { Ok(frame[16..].to_vec()) } else { Err(error) });
                }
                found => return Err(io::Error::other(format!("an answer to {found}, not to {xid}"))),
            }
        }
    }

    pub(crate) fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&buffer(payload))
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut payload = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(payload)
    }
}

/// Bytes with their length before them.
pub(crate) fn buffer(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
