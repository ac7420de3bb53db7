//! A few lines of ZooKeeper's wire, written anew for the tests: what judges the server shares no code with it.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Nodes by their paths: data, and stat as it came over the wire.
pub type Tree = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

/// One session on one connection.
#[derive(Debug)]
pub struct RawZk {
    stream: TcpStream,
    xid: i32,
}

impl RawZk {
    /// Opens a session of 20 s.
    pub fn connect(port: u16) -> io::Result<RawZk> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut session = RawZk { stream, xid: 0 };
        let mut connect = Vec::new();
        connect.extend(0i32.to_be_bytes());
        connect.extend(0i64.to_be_bytes());
        connect.extend(20_000i32.to_be_bytes());
        connect.extend(0i64.to_be_bytes());
        connect.extend(16i32.to_be_bytes());
        connect.extend([0; 16]);
        connect.push(0);
        session.send(&connect)?;
        let answer = session.receive()?;
        let timeout = i32::from_be_bytes(answer[4..8].try_into().expect("four bytes"));
        if timeout == 0 {
            return Err(io::Error::other("the session was refused"));
        }
        Ok(session)
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
        let mut body = text(path);
        body.extend((data.len() as u32).to_be_bytes());
        body.extend(data);
        body.extend(1i32.to_be_bytes());
        body.extend(31i32.to_be_bytes());
        body.extend(text("world"));
        body.extend(text("anyone"));
        body.extend(flags.to_be_bytes());
        match self.call(1, &body)? {
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
        let mut body = text(path);
        body.push(u8::from(watch));
        let (error, reply) = self.call(4, &body)?;
        if error != 0 {
            return Err(io::Error::other(format!("getData {path}: error {error}")));
        }
        let len = i32::from_be_bytes(reply[..4].try_into().expect("four bytes"));
        let end = 4 + len.max(0) as usize;
        Ok((reply[4..end].to_vec(), reply[end..].to_vec()))
    }

    /// Sets a node's data, whatever its version.
    pub fn set(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        let mut body = text(path);
        body.extend((data.len() as u32).to_be_bytes());
        body.extend(data);
        body.extend((-1i32).to_be_bytes());
        match self.call(5, &body)? {
            (0, _) => Ok(()),
            (error, _) => Err(io::Error::other(format!("setData {path}: error {error}"))),
        }
    }

    /// Deletes a node, whatever its version.
    pub fn delete(&mut self, path: &str) -> io::Result<()> {
        let mut body = text(path);
        body.extend((-1i32).to_be_bytes());
        match self.call(2, &body)? {
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
        let mut body = text(path);
        body.push(0);
        let (error, reply) = self.call(8, &body)?;
        if error != 0 {
            return Err(io::Error::other(format!("getChildren {path}: error {error}")));
        }
        let int = |at: usize| i32::from_be_bytes(reply[at..at + 4].try_into().expect("four bytes")) as usize;
        let mut at = 4;
        let mut names = Vec::with_capacity(int(0));
        for _ in 0..int(0) {
            let len = int(at);
            names.push(String::from_utf8_lossy(&reply[at + 4..at + 4 + len]).into_owned());
            at += 4 + len;
        }
        Ok(names)
    }

    /// The connection itself, for requests made elsewhere. The session lives as long as it is used.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn call(&mut self, op: i32, body: &[u8]) -> io::Result<(i32, Vec<u8>)> {
        self.xid += 1;
        let mut request = Vec::with_capacity(8 + body.len());
        request.extend(self.xid.to_be_bytes());
        request.extend(op.to_be_bytes());
        request.extend(body);
        self.send(&request)?;
        loop {
            let reply = self.receive()?;
            if reply.len() < 16 {
                return Err(io::Error::other("a reply without a header"));
            }
            if reply[..4] == self.xid.to_be_bytes() {
                let error = i32::from_be_bytes(reply[12..16].try_into().expect("four bytes"));
                return Ok((error, reply[16..].to_vec()));
            }
        }
    }

    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
        frame.extend(payload);
        self.stream.write_all(&frame)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut payload = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(payload)
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u32).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}
