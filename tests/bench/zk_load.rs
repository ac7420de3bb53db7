//! Load on a coordination server: bare sockets in one thread, requests made by hand.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use tests::RawZk;

use crate::floor::percentile_99;
use crate::proc::Worker;

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
    /// Bytes of data in each node.
    pub(crate) payload: usize,
    /// Requests per second of all together, if that is to be kept; as many as the server answers otherwise.
    pub(crate) rate: Option<f64>,
    /// With a rate: is a latency counted from when the request was due, or from when a client was free to send it?
    pub(crate) from_due: bool,
}

impl Shape {
    /// As fast as it goes, with 100 bytes of data.
    pub(crate) const fn new(clients: usize, window: usize) -> Shape {
        Shape { clients, window, payload: PAYLOAD, rate: None, from_due: true }
    }
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
    /// The slowest answer, in milliseconds.
    pub(crate) max_ms: f64,
}

/// Bytes of data where nothing else is said.
pub(crate) const PAYLOAD: usize = 100;
/// Bytes of a stat.
pub(crate) const STAT: usize = 68;

/// Keeps the server busy for the first time, then for the second; only the latter counts.
/// `server` is whose processor time is taken.
pub(crate) fn run(
    port: u16,
    server: Worker,
    operation: Operation,
    shape: Shape,
    times: (Duration, Duration),
) -> Outcome {
    let mut load = Load::connect(port, operation, shape);
    let begin = Instant::now();
    let (from, end) = (begin + times.0, begin + times.0 + times.1);
    load.begin(begin);
    let mut latencies = Vec::new();
    let mut cpu = None;
    let mut now = begin;
    while now < end {
        now = load.turn(&mut latencies);
        if now >= from && cpu.is_none() {
            cpu = Some((server.cpu_seconds(), now));
            latencies.clear();
        }
    }
    let (cpu, from) = cpu.expect("the load lasted beyond its warm-up");
    let (cpu, seconds) = (server.cpu_seconds() - cpu, from.elapsed().as_secs_f64());
    let operations = latencies.len() as f64;
    let max_ms = latencies.iter().copied().fold(0.0, f64::max);
    // Hundredths of a second are the kernel's unit: below one nothing can be said.
    let per_cpu = operations / cpu.max(0.01);
    Outcome { rate: operations / seconds, per_cpu, p99_ms: percentile_99(&mut latencies), max_ms }
}

/// Creates `count` nodes, 8 connections with 100 requests under way each; how many per second.
pub(crate) fn fill(port: u16, count: usize) -> f64 {
    let mut load = Load::connect(port, Operation::Create, Shape::new(8, 100));
    let begin = Instant::now();
    for client in &mut load.clients {
        client.left = count.div_ceil(8);
    }
    load.begin(begin);
    let mut latencies = Vec::new();
    while latencies.len() < count.div_ceil(8) * 8 {
        load.turn(&mut latencies);
    }
    latencies.len() as f64 / begin.elapsed().as_secs_f64()
}

/// Connections under load, waited for together.
pub(crate) struct Load {
    poll: OwnedFd,
    clients: Vec<Client>,
    shape: Shape,
    /// When the next request is due, and who could send it; for a load with a rate.
    due: Instant,
    idle: VecDeque<usize>,
    buffer: Vec<u8>,
}

impl Load {
    /// Opens the sessions and makes the nodes that they need.
    pub(crate) fn connect(port: u16, operation: Operation, shape: Shape) -> Load {
        static RUN: AtomicU32 = AtomicU32::new(0);
        // Servers are started again on the same data: the name must be new there, too.
        let parent = format!("/bench-{}-{}", std::process::id(), RUN.fetch_add(1, Ordering::Relaxed));
        let mut root = RawZk::connect(port).expect("a session");
        assert!(root.create(&parent, b"").expect("it can be made"), "{parent} is there already");
        let clients: Vec<Client> = (0..shape.clients)
            .map(|index| Client::connect(port, format!("{parent}/c{index}"), operation, shape.payload))
            .collect();
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor is free");
        for (index, client) in clients.iter().enumerate() {
            let data = EventData::new_u64(index as u64);
            epoll::add(&poll, &client.stream, data, EventFlags::IN).expect("it can be watched");
        }
        Load { poll, clients, shape, due: Instant::now(), idle: VecDeque::new(), buffer: vec![0; 64 << 10] }
    }

    /// Sends the first requests.
    pub(crate) fn begin(&mut self, now: Instant) {
        if self.shape.rate.is_some() {
            self.due = now;
            self.idle.extend(0..self.clients.len());
            return;
        }
        for client in &mut self.clients {
            (0..self.shape.window).for_each(|_| client.ask(now));
            client.flush();
        }
    }

    /// Waits for answers and goes on; the latencies of those that came are put into `latencies`.
    pub(crate) fn turn(&mut self, latencies: &mut Vec<f64>) -> Instant {
        let mut patience = Duration::from_secs(10);
        if let Some(rate) = self.shape.rate {
            let now = Instant::now();
            while self.due <= now
                && let Some(index) = self.idle.pop_front()
            {
                self.clients[index].ask(if self.shape.from_due { self.due } else { now });
                self.clients[index].flush();
                self.due += Duration::from_secs_f64(1.0 / rate);
            }
            if !self.idle.is_empty() {
                patience = self.due.saturating_duration_since(Instant::now());
            }
        }
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
        let mut events = Vec::with_capacity(self.clients.len());
        epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&timeout))
            .expect("it can be waited for");
        assert!(!events.is_empty() || patience < Duration::from_secs(10), "no answer for 10 s");
        let now = Instant::now();
        for event in &events {
            let index = event.data.u64() as usize;
            let client = &mut self.clients[index];
            let answers = client.receive(&mut self.buffer, now, latencies);
            if self.shape.rate.is_some() {
                self.idle.extend((0..answers).map(|_| index));
            } else {
                (0..answers).for_each(|_| client.ask(now));
                client.flush();
            }
        }
        now
    }
}

struct Client {
    stream: TcpStream,
    operation: Operation,
    path: String,
    data: Vec<u8>,
    /// Requests that may still be sent.
    left: usize,
    xid: i32,
    asked: VecDeque<(i32, Instant)>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Client {
    fn connect(port: u16, path: String, operation: Operation, payload: usize) -> Client {
        let data = vec![b'z'; payload];
        let mut session = RawZk::connect(port).expect("a session");
        if operation != Operation::Create {
            assert!(session.create(&path, &data).expect("it can be made"), "{path} is there already");
        }
        let stream = session.into_stream();
        stream.set_nonblocking(true).expect("a socket can be so");
        // The session's own requests had low numbers; these begin far above.
        let (asked, input, output) = (VecDeque::new(), Vec::new(), Vec::new());
        Client { stream, operation, path, data, left: usize::MAX, xid: 1000, asked, input, output }
    }

    /// Puts one more request behind the others.
    fn ask(&mut self, now: Instant) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        self.xid += 1;
        let start = self.output.len();
        self.output.extend([0; 4]);
        self.output.extend(self.xid.to_be_bytes());
        match self.operation {
            Operation::Create => {
                self.output.extend(1i32.to_be_bytes());
                let path = format!("{}-{}", self.path, self.xid);
                text(&mut self.output, path.as_bytes());
                text(&mut self.output, &self.data);
                self.output.extend(1i32.to_be_bytes());
                self.output.extend(31i32.to_be_bytes());
                text(&mut self.output, b"world");
                text(&mut self.output, b"anyone");
                self.output.extend(0i32.to_be_bytes());
            }
            Operation::Set => {
                self.output.extend(5i32.to_be_bytes());
                text(&mut self.output, self.path.as_bytes());
                text(&mut self.output, &self.data);
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

    /// Reads what has come; how many answers that were.
    fn receive(&mut self, buffer: &mut [u8], now: Instant, latencies: &mut Vec<f64>) -> usize {
        let before = latencies.len();
        match self.stream.read(buffer) {
            Ok(0) => panic!("the server has closed a connection"),
            Ok(len) => self.input.extend(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
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
                    let data = &frame[20..frame.len() - STAT];
                    assert_eq!(data, self.data, "data and stat");
                }
            }
            latencies.push((now - asked).as_secs_f64() * 1e3);
        }
        self.input.drain(..at);
        latencies.len() - before
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
