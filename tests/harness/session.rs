//! A client for sessions that are resumed, ephemeral and sequential nodes, watches and their events.

use std::io;
use std::time::Duration;

use crate::wire::{Body, Cursor, Frames};

/// What a create makes.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// It stays.
    Persistent = 0,
    /// It goes with its session.
    Ephemeral = 1,
    /// It stays, and its name gets a number.
    Sequential = 2,
    /// Both.
    EphemeralSequential = 3,
}

/// A session with its connection; the connection can be given up and the session taken up again.
#[derive(Debug)]
pub struct Session {
    frames: Frames,
    /// Its id.
    pub id: i64,
    password: Vec<u8>,
    /// What the server granted.
    pub timeout_ms: i32,
    xid: i32,
    /// Watch events that have come: type and path.
    pub events: Vec<(i32, String)>,
}

/// `SessionExpired` of the handshake.
fn expired() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the session is expired")
}

impl Session {
    /// A new session that asks for this timeout.
    pub fn open(port: u16, timeout_ms: i32) -> io::Result<Session> {
        Session::handshake(port, timeout_ms, 0, &[], 0)
    }

    /// The same session on a new connection; the old one is dropped without a word.
    pub fn resume(&self, port: u16) -> io::Result<Session> {
        Session::handshake(port, self.timeout_ms, self.id, &self.password, self.xid)
    }

    fn handshake(port: u16, timeout_ms: i32, id: i64, password: &[u8], xid: i32) -> io::Result<Session> {
        let mut frames = Frames::connect(port, Duration::from_secs(20))?;
        frames.ask_session(timeout_ms, id, password)?;
        let granted = frames.granted()?;
        if granted.timeout_ms == 0 {
            return Err(expired());
        }
        let (id, password, timeout_ms) = (granted.session, granted.password, granted.timeout_ms);
        Ok(Session { frames, id, password, timeout_ms, xid, events: Vec::new() })
    }

    /// Creates a node; its name, or the error that the server gave.
    pub fn create(&mut self, path: &str, data: &[u8], mode: Mode) -> io::Result<Result<String, i32>> {
        let xid = self.ask_create(path, data, mode)?;
        let answer = self.answer(xid)?;
        Ok(answer.map(|body| Cursor(&body).text()))
    }

    /// Sends a create without waiting for its answer.
    pub fn ask_create(&mut self, path: &str, data: &[u8], mode: Mode) -> io::Result<i32> {
        self.ask(1, &Body::default().text(path).data(Some(data)).open().int(mode as i32).0)
    }

    /// Is it there? Leaves a watch if told to.
    pub fn exists(&mut self, path: &str, watch: bool) -> io::Result<bool> {
        Ok(self.call(3, &Body::default().text(path).flag(watch).0)?.is_ok())
    }

    /// A node's data.
    pub fn get(&mut self, path: &str, watch: bool) -> io::Result<Result<Vec<u8>, i32>> {
        let answer = self.call(4, &Body::default().text(path).flag(watch).0)?;
        Ok(answer.map(|body| Cursor(&body).data().unwrap_or_default().to_vec()))
    }

    /// Sets a node's data.
    pub fn set(&mut self, path: &str, data: &[u8]) -> io::Result<Result<(), i32>> {
        Ok(self.call(5, &Body::default().text(path).data(Some(data)).int(-1).0)?.map(|_| ()))
    }

    /// How many children a node has.
    pub fn child_count(&mut self, path: &str) -> io::Result<usize> {
        let answer = self.call(8, &Body::default().text(path).flag(false).0)?;
        Ok(answer.map_or(0, |body| Cursor(&body).int() as usize))
    }

    /// Says that the session lives.
    pub fn ping(&mut self) -> io::Result<()> {
        self.frames.ask(-2, 11, &[])?;
        self.answer(-2).map(|_| ())
    }

    /// One request and its answer: the body, or the error that the server gave.
    pub fn call(&mut self, op: i32, body: &[u8]) -> io::Result<Result<Vec<u8>, i32>> {
        let xid = self.ask(op, body)?;
        self.answer(xid)
    }

    /// Sends a request without waiting for its answer: its number.
    pub fn ask(&mut self, op: i32, body: &[u8]) -> io::Result<i32> {
        self.xid += 1;
        self.frames.ask(self.xid, op, body)?;
        Ok(self.xid)
    }

    /// The answer to a request; events that come before it are kept.
    pub fn answer(&mut self, xid: i32) -> io::Result<Result<Vec<u8>, i32>> {
        loop {
            let frame = self.frames.receive()?;
            if frame.len() < 16 {
                return Err(io::Error::other("an answer without a header"));
            }
            let mut cursor = Cursor(&frame);
            let (found, _zxid, error) = (cursor.int(), cursor.long(), cursor.int());
            if found == xid {
                return Ok(if error == 0 { Ok(cursor.0.to_vec()) } else { Err(error) });
            }
            if found != -1 {
                return Err(io::Error::other(format!("an answer to {found}, not to {xid}")));
            }
            let (kind, _state) = (cursor.int(), cursor.int());
            self.events.push((kind, cursor.text()));
        }
    }

    /// Sends one frame as it is.
    pub fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.frames.send(payload)
    }
}
