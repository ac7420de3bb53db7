//! ZooKeeper's wire, written anew for the tests: frames with four bytes of length before them, the handshake, and the few
//! types of which requests and replies are made. What judges the server shares no code with it.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// Builds a request's body.
#[derive(Debug, Clone, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// Four bytes.
    #[must_use]
    pub fn int(mut self, value: i32) -> Body {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Eight bytes.
    #[must_use]
    pub fn long(mut self, value: i64) -> Body {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// One byte.
    #[must_use]
    pub fn flag(mut self, value: bool) -> Body {
        self.0.push(u8::from(value));
        self
    }

    /// A text with its length.
    #[must_use]
    pub fn text(self, text: &str) -> Body {
        self.data(Some(text.as_bytes()))
    }

    /// Bytes with their length; none at all has the length −1.
    #[must_use]
    pub fn data(mut self, data: Option<&[u8]>) -> Body {
        match data {
            None => self.int(-1),
            Some(data) => {
                self.0.extend(buffer(data));
                self
            }
        }
    }

    /// Texts with their number.
    #[must_use]
    pub fn texts(self, texts: &[String]) -> Body {
        texts.iter().fold(self.int(texts.len() as i32), |body, text| body.text(text))
    }

    /// Permissions, scheme and id of each.
    #[must_use]
    pub fn acl(self, acl: &[(i32, &str, &str)]) -> Body {
        acl.iter().fold(self.int(acl.len() as i32), |body, (perms, scheme, id)| body.int(*perms).text(scheme).text(id))
    }

    /// All permissions for everybody.
    #[must_use]
    pub fn open(self) -> Body {
        self.acl(&[(31, "world", "anyone")])
    }

    /// Another one behind this.
    #[must_use]
    pub fn then(mut self, other: &Body) -> Body {
        self.0.extend(&other.0);
        self
    }

    /// One operation of a multi.
    #[must_use]
    pub fn operation(self, op: i32, body: &Body) -> Body {
        self.int(op).flag(false).int(-1).then(body)
    }

    /// The end of a multi.
    #[must_use]
    pub fn end(self) -> Body {
        self.int(-1).flag(true).int(-1)
    }
}

/// Bytes with their length before them.
pub fn buffer(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Reads bytes from the front.
#[derive(Debug)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next bytes.
    ///
    /// # Panics
    /// When there are fewer; as all that follows.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(len).expect("a whole record");
        self.0 = rest;
        taken
    }

    /// Four bytes.
    pub fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// Eight bytes.
    pub fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    /// Bytes with their length.
    pub fn data(&mut self) -> Option<&'a [u8]> {
        let len = self.int();
        (len >= 0).then(|| self.take(len as usize))
    }

    /// A text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.data().unwrap_or_default()).into_owned()
    }

    /// Texts with their number.
    pub fn texts(&mut self) -> Vec<String> {
        (0..self.int()).map(|_| self.text()).collect()
    }
}

/// A connection that carries frames.
#[derive(Debug)]
pub struct Frames(TcpStream);

/// What the server grants in the handshake.
#[derive(Debug, Clone)]
pub struct Granted {
    /// 0: the session is over.
    pub timeout_ms: i32,
    /// Its id.
    pub session: i64,
    /// What proves that it is one's own.
    pub password: Vec<u8>,
}

impl Frames {
    /// Connects; what is read has to come in time.
    pub fn connect(port: u16, patience: Duration) -> io::Result<Frames> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Frames(stream))
    }

    /// Asks for a session: a new one is 0 with an empty password.
    pub fn ask_session(&mut self, timeout_ms: i32, session: i64, password: &[u8]) -> io::Result<()> {
        let password = if password.is_empty() { &[0; 16] } else { password };
        self.send(&Body::default().int(0).long(0).int(timeout_ms).long(session).data(Some(password)).flag(false).0)
    }

    /// The answer to it.
    pub fn granted(&mut self) -> io::Result<Granted> {
        let answer = self.receive()?;
        let mut cursor = Cursor(&answer);
        cursor.int();
        let (timeout_ms, session) = (cursor.int(), cursor.long());
        Ok(Granted { timeout_ms, session, password: cursor.data().unwrap_or_default().to_vec() })
    }

    /// Sends a request with its header.
    pub fn ask(&mut self, xid: i32, op: i32, body: &[u8]) -> io::Result<()> {
        let mut request = Body::default().int(xid).int(op).0;
        request.extend(body);
        self.send(&request)
    }

    /// Sends one frame.
    pub fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.0.write_all(&buffer(payload))
    }

    /// Reads one frame.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.0.read_exact(&mut len)?;
        let mut payload = vec![0; u32::from_be_bytes(len) as usize];
        self.0.read_exact(&mut payload)?;
        Ok(payload)
    }

    /// The stream below.
    pub fn stream(&self) -> &TcpStream {
        &self.0
    }

    /// The stream alone, for requests made elsewhere.
    pub fn into_stream(self) -> TcpStream {
        self.0
    }
}

/// Connections to this machine, at most so many: fewer when the server does not take them and the system has no room to
/// keep them waiting.
pub fn crowd(port: u16, at_most: usize) -> Vec<TcpStream> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    (0..at_most).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_secs(3)).ok()).collect()
}

/// Has the peer closed it? Waits for at most so long for each byte that comes before.
pub fn closes(stream: &mut TcpStream, at_most: Duration) -> bool {
    stream.set_read_timeout(Some(at_most)).expect("a timeout can be set");
    let mut rest = [0; 4096];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
