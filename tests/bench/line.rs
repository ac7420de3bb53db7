//! A connection on which requests are put together by hand and answers taken apart by position.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// One connection that sends a request and reads its answer.
pub(crate) struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Line {
    /// Connects to this machine.
    pub(crate) fn connect(port: u16) -> io::Result<Line> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Line { stream, answer: Vec::new() })
    }

    /// Sends a request (its key and version, its body behind the header) and does not wait.
    pub(crate) fn send(&mut self, call: (i16, i16), body: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(call, body))
    }

    /// The answer behind its correlation id.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        self.answer.resize(u32::from_be_bytes(len) as usize, 0);
        self.stream.read_exact(&mut self.answer)?;
        Ok(&self.answer[4..])
    }

    /// Sends a request; the answer behind its correlation id.
    pub(crate) fn ask(&mut self, call: (i16, i16), body: &[u8]) -> io::Result<&[u8]> {
        self.send(call, body)?;
        self.receive()
    }
}

/// A request as it is sent: its length, key and version, a correlation id, a client's name, its body.
pub(crate) fn frame((key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
    let mut frame = (8 + 2 + 1 + body.len() as u32).to_be_bytes().to_vec();
    frame.extend([key.to_be_bytes(), version.to_be_bytes()].concat());
    frame.extend([0, 0, 0, 1, 0, 1, b'b']);
    frame.extend(body);
    frame
}

/// A text behind its length.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// The number of two bytes that stands there.
pub(crate) fn short(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The number of four bytes that stands there.
pub(crate) fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A text, and where it ends.
pub(crate) fn text_at(bytes: &[u8], at: usize) -> (String, usize) {
    let end = at + 2 + short(bytes, at).max(0) as usize;
    (String::from_utf8_lossy(&bytes[at + 2..end]).into_owned(), end)
}
