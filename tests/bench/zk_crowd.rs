//! Crowds of sessions on a coordination server: many connections that each do little, opened and asked in groups.

use std::collections::VecDeque;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tests::{Body, Frames};

/// Connections that are opened at a time: fewer than a listener keeps waiting.
const AT_ONCE: usize = 40;

/// One session of the crowd.
pub(crate) struct Member {
    frames: Frames,
    xid: i32,
}

/// Opens so many sessions with this timeout.
pub(crate) fn gather(port: u16, count: usize, timeout_ms: i32) -> Vec<Member> {
    let mut crowd = Vec::with_capacity(count);
    while crowd.len() < count {
        let now = AT_ONCE.min(count - crowd.len());
        let mut opened: Vec<Member> = (0..now).map(|_| Member::connect(port, timeout_ms)).collect();
        for member in &mut opened {
            assert!(member.frames.granted().expect("an answer").timeout_ms > 0, "the session was refused");
        }
        crowd.append(&mut opened);
    }
    crowd
}

impl Member {
    fn connect(port: u16, timeout_ms: i32) -> Member {
        let mut frames = Frames::connect(port, Duration::from_secs(30)).expect("it accepts");
        frames.ask_session(timeout_ms, 0, &[]).expect("it takes requests");
        Member { frames, xid: 0 }
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, op: i32, body: &Body) {
        self.xid += 1;
        self.frames.ask(self.xid, op, &body.0).expect("the server takes requests");
    }

    /// The next answer, which must be a success.
    pub(crate) fn answer(&mut self) -> Vec<u8> {
        let answer = self.frames.receive().expect("an answer");
        assert_eq!(answer[12..16], [0; 4], "an error");
        answer
    }
}

/// Each member makes so many ephemeral nodes below `parent`, all their requests under way at once.
pub(crate) fn make_ephemerals(crowd: &mut [Member], parent: &str, each: usize) {
    for (number, member) in crowd.iter_mut().enumerate() {
        for index in 0..each {
            let path = format!("{parent}/e{number}-{index}");
            let body = Body::default().text(&path).data(Some(b"")).open().int(1);
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
            member.ask(4, &Body::default().text(node).flag(true));
        }
        for _ in nodes {
            member.answer();
        }
    }
}

/// Sets all of these nodes in one transaction.
pub(crate) fn set_together(member: &mut Member, nodes: &[String]) {
    let set = |node| Body::default().text(node).data(Some(b"changed")).int(-1);
    let body = nodes.iter().fold(Body::default(), |body, node| body.operation(5, &set(node))).end();
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
            .map(|(index, _)| PollFd::from_borrowed_fd(crowd[*index].frames.stream().as_fd(), PollFlags::IN))
            .collect();
        let patience = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        poll(&mut fds, Some(&patience)).expect("it can be waited for");
        let readable: Vec<bool> = fds.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
        drop(fds);
        let mut still = VecDeque::new();
        for ((index, left), readable) in waiting.into_iter().zip(readable) {
            let read =
                if readable { crowd[index].frames.stream().read(&mut buffer).expect("the server serves") } else { 0 };
            if let Some(left) = left.checked_sub(read).filter(|left| *left > 0) {
                still.push_back((index, left));
            }
        }
        waiting = still;
    }
    waiting.len()
}
