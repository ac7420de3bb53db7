//! Crowds of sessions on a coordination server: many connections that each do little, opened and asked in groups.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Connections that are opened at a time: fewer than a listener keeps waiting.
const AT_ONCE: usize = 40;

/// One session of the crowd.
pub(crate) struct Member {
    stream: TcpStream,
    xid: i32,
}

/// Opens so many sessions with this timeout.
pub(crate) fn gather(port: u16, count: usize, timeout_ms: i32) -> Vec<Member> {
    let mut crowd = Vec::with_capacity(count);
    while crowd.len() < count {
        let now = AT_ONCE.min(count - crowd.len());
        let mut opened: Vec<Member> =
            (0..now).map(|_| Member::connect(port, timeout_ms).expect("it accepts")).collect();
        for member in &mut opened {
            let answer = member.receive().expect("an answer");
            assert!(i32::from_be_bytes(answer[4..8].try_into().expect("four bytes")) > 0, "the session was refused");
        }
        crowd.append(&mut opened);
    }
    crowd
}

impl Member {
    fn connect(port: u16, timeout_ms: i32) -> io::Result<Member> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut member = Member { stream, xid: 0 };
        let mut request = vec![0; 12];
        request.extend(timeout_ms.to_be_bytes());
        request.extend([0; 8]);
        request.extend(16i32.to_be_bytes());
        request.extend([0; 17]);
        member.send(&request)?;
        Ok(member)
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, op: i32, body: &[u8]) {
        self.xid += 1;
        let request = [&self.xid.to_be_bytes()[..], &op.to_be_bytes(), body].concat();
        self.send(&request).expect("the server takes requests");
    }

    /// The next answer, which must be a success.
    pub(crate) fn answer(&mut self) -> Vec<u8> {
        let answer = self.receive().expect("an answer");
        assert_eq!(answer[12..16], [0; 4], "an error");
        answer
    }

    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let frame = [&(payload.len() as u32).to_be_bytes()[..], payload].concat();
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

/// Each member makes so many ephemeral nodes below `parent`, all their requests under way at once.
pub(crate) fn make_ephemerals(crowd: &mut [Member], parent: &str, each: usize) {
    for (number, member) in crowd.iter_mut().enumerate() {
        for index in 0..each {
            let mut body = text(format!("{parent}/e{number}-{index}").as_bytes());
            body.extend(text(b""));
            body.extend(1i32.to_be_bytes());
            body.extend(31i32.to_be_bytes());
            body.extend(text(b"world"));
            body.extend(text(b"anyone"));
            body.extend(1i32.to_be_bytes());
            member.ask(1, &body);
        }
        for _ in 0..each {
            member.answer();
        }
    }
}

/// Each member watches all of these nodes.
pub(crate) fn watch(crowd: &mut [Member], nodes: &[String]) {
    for member in crowd {
        for node in nodes {
            let mut body = text(node.as_bytes());
            body.push(1);
            member.ask(4, &body);
        }
        for _ in nodes {
            member.answer();
        }
    }
}

/// Sets all of these nodes in one transaction.
pub(crate) fn set_together(member: &mut Member, nodes: &[String]) {
    let mut body = Vec::new();
    for node in nodes {
        body.extend(5i32.to_be_bytes());
        body.push(0);
        body.extend((-1i32).to_be_bytes());
        body.extend(text(node.as_bytes()));
        body.extend(text(b"changed"));
        body.extend((-1i32).to_be_bytes());
    }
    body.extend((-1i32).to_be_bytes());
    body.push(1);
    body.extend((-1i32).to_be_bytes());
    member.ask(14, &body);
}

/// Reads until each member has got so many bytes, or until time is over; how many have not.
pub(crate) fn drain(crowd: &mut [Member], bytes: usize, at_most: Duration) -> usize {
    let end = Instant::now() + at_most;
    let mut waiting: VecDeque<(usize, usize)> = (0..crowd.len()).map(|index| (index, bytes)).collect();
    let mut buffer = vec![0; 64 << 10];
    while !waiting.is_empty() && Instant::now() < end {
        let mut fds: Vec<PollFd<'_>> = waiting
            .iter()
            .map(|(index, _)| PollFd::from_borrowed_fd(crowd[*index].stream.as_fd(), PollFlags::IN))
            .collect();
        let patience = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        poll(&mut fds, Some(&patience)).expect("it can be waited for");
        let readable: Vec<bool> = fds.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
        drop(fds);
        let mut still = VecDeque::new();
        for ((index, left), readable) in waiting.into_iter().zip(readable) {
            let read = if readable { (&crowd[index].stream).read(&mut buffer).expect("the server serves") } else { 0 };
            if let Some(left) = left.checked_sub(read).filter(|left| *left > 0) {
                still.push_back((index, left));
            }
        }
        waiting = still;
    }
    waiting.len()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}
