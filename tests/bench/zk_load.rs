//! Load on a coordination server: bare sockets in one thread, requests made by hand.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use tests::RawZk;

use crate::floor::percentile_99;
use crate::proc::cpu_seconds;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A new node each time.
    Create,
    /// One node per client.
    Set,
    /// The same, read.
    Get,
}

/// How many ask, and how many requests each has under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Connections, each with a session.
    pub(crate) clients: usize,
    /// Requests under way on each; 1 is a synchronous client.
    pub(crate) window: usize,
}

/// What came out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Operations per second.
    pub(crate) rate: f64,
    /// Operations per second of the server's processor time.
    pub(crate) per_cpu: f64,
    /// 99 of 100 answers had come after so many milliseconds.
    pub(crate) p99_ms: f64,
}

const DATA: [u8; 100] = [b'z'; 100];
/// Bytes of a stat.
const STAT: usize = 68;

/// Keeps the server busy for `warm`, then for `measured`; only the latter counts.
pub(crate) fn run(port: u16, pid: u32, operation: Operation, shape: Shape, times: (Duration, Duration)) -> Outcome {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let parent = format!("/bench-{}", RUN.fetch_add(1, Ordering::Relaxed));
    let mut root = RawZk::connect(port).expect("a session");
    assert!(root.create(&parent, b"").expect("it can be made"), "{parent} is there already");
    let mut clients: Vec<Client> =
        (0..shape.clients).map(|index| Client::connect(port, format!("{parent}/c{index}"), operation)).collect();
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor is free");
    for (index, client) in clients.iter().enumerate() {
        epoll::add(&poll, &client.stream, EventData::new_u64(index as u64), EventFlags::IN).expect("it can be watched");
    }
    let begin = Instant::now();
    let (from, end) = (begin + times.0, begin + times.0 + times.1);
    for client in &mut clients {
        (0..shape.window).for_each(|_| client.ask(begin));
        client.flush();
    }
    let mut latencies = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut cpu = None;
    let mut events = Vec::with_capacity(shape.clients);
    let mut now = begin;
    while now < end {
        let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&patience)).expect("it can be waited for");
        assert!(!events.is_empty(), "no answer for 10 s");
        now = Instant::now();
        if now >= from && cpu.is_none() {
            cpu = Some((cpu_seconds(pid), now));
            latencies.clear();
        }
        for event in &events {
            let client = &mut clients[event.data.u64() as usize];
            client.receive(&mut buffer, now, &mut latencies);
            client.flush();
        }
    }
    let (cpu, from) = cpu.expect("the load lasted beyond its warm-up");
    let (cpu, seconds) = (cpu_seconds(pid) - cpu, from.elapsed().as_secs_f64());
    let operations = latencies.len() as f64;
    // Hundredths of a second are the kernel's unit: below one nothing can be said.
    Outcome { rate: operations / seconds, per_cpu: operations / cpu.max(0.01), p99_ms: percentile_99(&mut latencies) }
}

struct Client {
    stream: TcpStream,
    operation: Operation,
    path: String,
    xid: i32,
    asked: VecDeque<(i32, Instant)>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Client {
    fn connect(port: u16, path: String, operation: Operation) -> Client {
        let mut session = RawZk::connect(port).expect("a session");
        if operation != Operation::Create {
            assert!(session.create(&path, &DATA).expect("it can be made"), "{path} is there already");
        }
        let stream = session.into_stream();
        stream.set_nonblocking(true).expect("a socket can be so");
        // The session's own requests had low numbers; these begin far above.
        let (asked, input, output) = (VecDeque::new(), Vec::new(), Vec::new());
        Client { stream, operation, path, xid: 1000, asked, input, output }
    }

    /// Puts one more request behind the others.
    fn ask(&mut self, now: Instant) {
        self.xid += 1;
        let start = self.output.len();
        self.output.extend([0; 4]);
        self.output.extend(self.xid.to_be_bytes());
        match self.operation {
            Operation::Create => {
                self.output.extend(1i32.to_be_bytes());
                let path = format!("{}-{}", self.path, self.xid);
                text(&mut self.output, path.as_bytes());
                text(&mut self.output, &DATA);
                self.output.extend(1i32.to_be_bytes());
                self.output.extend(31i32.to_be_bytes());
                text(&mut self.output, b"world");
                text(&mut self.output, b"anyone");
                self.output.extend(0i32.to_be_bytes());
            }
            Operation::Set => {
                self.output.extend(5i32.to_be_bytes());
                text(&mut self.output, self.path.as_bytes());
                text(&mut self.output, &DATA);
                self.output.extend((-1i32).to_be_bytes());
            }
            Operation::Get => {
                self.output.extend(4i32.to_be_bytes());
                text(&mut self.output, self.path.as_bytes());
                self.output.push(0);
            }
        }
        let len = (self.output.len() - start - 4) as u32;
        self.output[start..start + 4].copy_from_slice(&len.to_be_bytes());
        self.asked.push_back((self.xid, now));
    }

    /// Writes what waits. The windows are smaller than a socket's buffer, so that it never stays full for long.
    fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.stream.write(&self.output[sent..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("the server is gone: {error}"),
            }
        }
        self.output.clear();
    }

    /// Reads what has come; each answer makes room for a new request.
    fn receive(&mut self, buffer: &mut [u8], now: Instant, latencies: &mut Vec<f64>) {
        match self.stream.read(buffer) {
            Ok(0) => panic!("the server has closed a connection"),
            Ok(len) => self.input.extend(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the server is gone: {error}"),
        }
        let mut at = 0;
        while let Some(frame) = frame_at(&self.input, at) {
            at += 4 + frame.len();
            let int = |at: usize| i32::from_be_bytes(frame[at..at + 4].try_into().expect("four bytes"));
            let (xid, asked) = self.asked.pop_front().expect("an answer has a request");
            assert_eq!((int(0), int(12)), (xid, 0), "{:?} of {}: xid and error", self.operation, self.path);
            match self.operation {
                Operation::Create => assert!(frame.len() > 20, "the path comes back"),
                Operation::Set => assert_eq!(frame.len(), 16 + STAT, "the stat comes back"),
                Operation::Get => {
                    assert_eq!(
                        (frame.len(), &frame[20..120]),
                        (16 + 4 + DATA.len() + STAT, &DATA[..]),
                        "data and stat"
                    );
                }
            }
            latencies.push((now - asked).as_secs_f64() * 1e3);
            self.ask(now);
        }
        self.input.drain(..at);
    }
}

fn frame_at(input: &[u8], at: usize) -> Option<&[u8]> {
    let len = u32::from_be_bytes(input.get(at..at + 4)?.try_into().ok()?) as usize;
    input.get(at + 4..at + 4 + len)
}

fn text(output: &mut Vec<u8>, bytes: &[u8]) {
    output.extend((bytes.len() as u32).to_be_bytes());
    output.extend(bytes);
}
