//! A simple client of a coordination server: one request, one answer.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use crate::wire::{Body, Cursor, Frames};

/// Nodes by their paths: data, and stat as it came over the wire.
pub type Tree = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

/// One session on one connection.
#[derive(Debug)]
pub struct RawZk {
    frames: Frames,
    xid: i32,
}

impl RawZk {
    /// Opens a session of 20 s.
    pub fn connect(port: u16) -> io::Result<RawZk> {
        RawZk::connect_within(port, Duration::from_secs(30))
    }

    /// The same, if every answer comes within so much time.
    pub fn connect_within(port: u16, patience: Duration) -> io::Result<RawZk> {
        let mut frames = Frames::connect(port, patience)?;
        frames.ask_session(20_000, 0, &[])?;
        if frames.granted()?.timeout_ms == 0 {
            return Err(io::Error::other("the session was refused"));
        }
        Ok(RawZk { frames, xid: 0 })
    }

    /// Creates a persistent node; `Ok(false)` if it is there already.
    pub fn create(&mut self, path: &str, data: &[u8]) -> io::Result<bool> {
        self.create_as(path, data, 0)
    }

    /// Creates an empty node that goes with the session; `Ok(false)` if it is there already.
    pub fn create_ephemeral(&mut self, path: &str) -> io::Result<bool> {
        self.create_as(path, &[], 1)
    }

    fn create_as(&mut self, path: &str, data: &[u8], flags: i32) -> io::Result<bool> {
        match self.call(1, &Body::default().text(path).data(Some(data)).open().int(flags))? {
            (0, _) => Ok(true),
            (-110, _) => Ok(false),
            (error, _) => Err(io::Error::other(format!("create {path}: error {error}"))),
        }
    }

    /// A node's data, and its stat as it came over the wire.
    pub fn get(&mut self, path: &str) -> io::Result<(Vec<u8>, Vec<u8>)> {
        self.get_data(path, false)
    }

    /// The same, and a watch of the node is left.
    pub fn watch(&mut self, path: &str) -> io::Result<(Vec<u8>, Vec<u8>)> {
        self.get_data(path, true)
    }

    fn get_data(&mut self, path: &str, watch: bool) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (error, reply) = self.call(4, &Body::default().text(path).flag(watch))?;
        if error != 0 {
            return Err(io::Error::other(format!("getData {path}: error {error}")));
        }
        let mut cursor = Cursor(&reply);
        let data = cursor.data().unwrap_or_default().to_vec();
        Ok((data, cursor.0.to_vec()))
    }

    /// Sets a node's data, whatever its version.
    pub fn set(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        match self.call(5, &Body::default().text(path).data(Some(data)).int(-1))? {
            (0, _) => Ok(()),
            (error, _) => Err(io::Error::other(format!("setData {path}: error {error}"))),
        }
    }

    /// Deletes a node, whatever its version.
    pub fn delete(&mut self, path: &str) -> io::Result<()> {
        match self.call(2, &Body::default().text(path).int(-1))? {
            (0, _) => Ok(()),
            (error, _) => Err(io::Error::other(format!("delete {path}: error {error}"))),
        }
    }

    /// Every node below and including `path`, with data and stat.
    pub fn tree(&mut self, path: &str) -> io::Result<Tree> {
        let mut nodes = BTreeMap::new();
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            for name in self.children(&path)? {
                open.push(format!("{}/{name}", path.trim_end_matches('/')));
            }
            let node = self.get(&path)?;
            nodes.insert(path, node);
        }
        Ok(nodes)
    }

    /// The names of a node's children.
    pub fn children(&mut self, path: &str) -> io::Result<Vec<String>> {
        let (error, reply) = self.call(8, &Body::default().text(path).flag(false))?;
        if error != 0 {
            return Err(io::Error::other(format!("getChildren {path}: error {error}")));
        }
        Ok(Cursor(&reply).texts())
    }

    /// The connection itself, for requests made elsewhere. The session lives as long as it is used.
    pub fn into_stream(self) -> TcpStream {
        self.frames.into_stream()
    }

    fn call(&mut self, op: i32, body: &Body) -> io::Result<(i32, Vec<u8>)> {
        self.xid += 1;
        self.frames.ask(self.xid, op, &body.0)?;
        loop {
            let reply = self.frames.receive()?;
            if reply.len() < 16 {
                return Err(io::Error::other("a reply without a header"));
            }
            let mut cursor = Cursor(&reply);
            let (xid, _zxid, error) = (cursor.int(), cursor.long(), cursor.int());
            if xid == self.xid {
                return Ok((error, cursor.0.to_vec()));
            }
        }
    }
}
