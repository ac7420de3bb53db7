//! A crowd that joins one group at once, from one thread: a thread for each member would be measured itself.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::line::{PATIENCE, frame};
use crate::seat::{HEARTBEAT, JOIN, SYNC, Seat, is_in};

/// How often a member that has its share asks whether that is still so.
const BEAT: Duration = Duration::from_millis(10);
/// Events that are taken at a time.
const EVENTS: usize = 256;

/// What a member waits for an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Join,
    Sync,
    Beat,
    /// Nothing: it has its share, and beats when it is time.
    Nothing,
}

struct Member {
    stream: TcpStream,
    seat: Seat,
    asked: Asked,
    /// Of the answer that is under way.
    input: Vec<u8>,
}

struct Crowd {
    members: Vec<Member>,
    poll: OwnedFd,
    /// Whose heartbeat is next, and when.
    beats: VecDeque<(Instant, usize)>,
    /// The generation in which everybody is.
    generation: i32,
    /// How many have their share of it.
    settled: usize,
}

/// So many members join a group at once; how long after the last of them has asked everybody has a share of one
/// generation.
pub(crate) fn assemble(port: u16, members: usize) -> Duration {
    let mut crowd = Crowd::connect(port, members, &format!("crowd-{members}"));
    for member in 0..members {
        crowd.ask(member, Asked::Join, &[]);
    }
    let begin = Instant::now();
    while crowd.settled < members {
        assert!(begin.elapsed() < PATIENCE, "{} of {members} are in", crowd.settled);
        crowd.turn();
    }
    begin.elapsed()
}

impl Crowd {
    fn connect(port: u16, count: usize, group: &str) -> Crowd {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor is free");
        let members = (0..count).map(|index| {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker takes connections");
            stream.set_nodelay(true).expect("a socket can be so");
            stream.set_nonblocking(true).expect("a socket can be so");
            epoll::add(&poll, &stream, EventData::new_u64(index as u64), EventFlags::IN).expect("it can be watched");
            Member { stream, seat: Seat::in_group(group), asked: Asked::Nothing, input: Vec::new() }
        });
        Crowd { members: members.collect(), poll, beats: VecDeque::new(), generation: 0, settled: 0 }
    }

    /// Takes in what has come, and sends the heartbeats that are due.
    fn turn(&mut self) {
        let now = Instant::now();
        while self.beats.front().is_some_and(|(due, _)| *due <= now) {
            let (_, member) = self.beats.pop_front().expect("it was there");
            self.ask(member, Asked::Beat, &[]);
        }
        let wait = self.beats.front().map_or(Duration::from_secs(1), |(due, _)| *due - now);
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.min(Duration::from_millis(999)).as_nanos() as i64 };
        let mut events = Vec::with_capacity(EVENTS);
        epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))
            .expect("it can be waited for");
        for event in &events {
            self.read(event.data.u64() as usize);
        }
    }

    fn read(&mut self, index: usize) {
        let mut buffer = [0; 4 << 10];
        loop {
            let member = &mut self.members[index];
            match member.stream.read(&mut buffer) {
                Ok(0) => panic!("the broker has closed a connection"),
                Ok(len) => {
                    member.input.extend(&buffer[..len]);
                    if let Some(answer) = whole(&mut member.input) {
                        self.answered(index, &answer);
                    }
                    // A socket that gave less is empty.
                    if len < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the broker is gone: {error}"),
            }
        }
    }

    fn answered(&mut self, index: usize, answer: &[u8]) {
        let (count, member) = (self.members.len(), &mut self.members[index]);
        match member.asked {
            Asked::Join => {
                let all = member.seat.joined(answer).expect("the group is served");
                // Who leads knows whether everybody is there.
                if all.len() == count {
                    (self.generation, self.settled) = (member.seat.generation, 0);
                }
                self.ask(index, Asked::Sync, &all);
            }
            Asked::Sync | Asked::Beat if !is_in(answer).expect("the group is served") => {
                self.ask(index, Asked::Join, &[]);
            }
            asked => {
                assert_ne!(asked, Asked::Nothing, "an answer that nobody has asked for");
                if asked == Asked::Sync && member.seat.generation == self.generation {
                    self.settled += 1;
                }
                member.asked = Asked::Nothing;
                self.beats.push_back((Instant::now() + BEAT, index));
            }
        }
    }

    fn ask(&mut self, index: usize, asked: Asked, shares: &[String]) {
        let member = &mut self.members[index];
        let request = match asked {
            Asked::Join => frame(JOIN, &member.seat.join()),
            Asked::Sync => frame(SYNC, &member.seat.sync(shares)),
            Asked::Beat | Asked::Nothing => frame(HEARTBEAT, &member.seat.beat()),
        };
        member.asked = asked;
        // What a leader says may be more than the socket has room for.
        let mut rest = &request[..];
        while !rest.is_empty() {
            match member.stream.write(rest) {
                Ok(len) => rest = &rest[len..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("the broker is gone: {error}"),
            }
        }
    }
}

/// Takes an answer out, behind its length and correlation id, if it is there as a whole.
fn whole(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = u32::from_be_bytes(*input.first_chunk()?) as usize;
    if input.len() < 4 + len {
        return None;
    }
    let rest = input.split_off(4 + len);
    let answer = std::mem::replace(input, rest);
    Some(answer[8..].to_vec())
}
