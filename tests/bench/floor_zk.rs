//! The floor of the coordination server: one thread that waits for sockets, reads, appends to a file and syncs it where
//! something is written, and answers with bytes of the right form. It keeps no tree and understands next to nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::thread::gettid;

use crate::floor::listen;
use crate::zk_load::{PAYLOAD, STAT};

/// A create of 100 bytes with its transaction header, path and ACL, as ZooKeeper logs it.
const TRANSACTION: usize = 230;
const CREATE: i32 = 1;
const GET: i32 = 4;
/// The event of the listening socket.
const LISTENER: u64 = u64::MAX;

/// The running loop; it ends when this is dropped.
pub(crate) struct Bare {
    pub(crate) port: u16,
    /// Of the loop's thread, as the kernel counts threads.
    pub(crate) thread: u32,
    ends: Arc<AtomicBool>,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Bare {
    /// Starts the loop; its file is put into `dir`.
    pub(crate) fn start(dir: &Path) -> Bare {
        let (listener, port) = listen();
        let log = OpenOptions::new().create(true).write(true).truncate(true).open(dir.join("floor.txn"));
        let log = log.expect("the directory can be written");
        // ZooKeeper reserves its log in steps of 64 MiB, so that a sync need not write the length each time.
        rustix::fs::fallocate(&log, rustix::fs::FallocateFlags::empty(), 0, 1 << 30).expect("there is space");
        let ends = Arc::new(AtomicBool::new(false));
        let (tell, told) = std::sync::mpsc::channel();
        let until = Arc::clone(&ends);
        let running = thread::spawn(move || {
            let id = gettid().as_raw_nonzero().get().unsigned_abs();
            tell.send(id).map_err(io::Error::other)?;
            Loop::new(listener, log)?.run(&until)
        });
        let thread = told.recv().expect("the loop starts");
        Bare { port, thread, ends, running: Some(running) }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let ended = self.running.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.expect("it runs").expect("the loop does not panic").expect("the loop's files and sockets work");
        }
    }
}

struct Loop {
    poll: OwnedFd,
    listener: TcpListener,
    log: File,
    clients: Vec<Option<Client>>,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    has_session: bool,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Loop {
    fn new(listener: TcpListener, log: File) -> io::Result<Loop> {
        listener.set_nonblocking(true)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Loop { poll, listener, log, clients: Vec::new(), buffer: vec![0; 64 << 10] })
    }

    fn run(mut self, ends: &AtomicBool) -> io::Result<()> {
        let patience = Timespec { tv_sec: 0, tv_nsec: Duration::from_millis(50).subsec_nanos().into() };
        let mut events = Vec::with_capacity(1024);
        while !ends.load(Ordering::Relaxed) {
            events.clear();
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&patience))?;
            let mut written = 0;
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    index => written += self.receive(index as usize),
                }
            }
            if written > 0 {
                self.log.write_all(&vec![0x5a; written * TRANSACTION])?;
                self.log.sync_data()?;
            }
            for event in &events {
                if let Some(Some(client)) = self.clients.get_mut(event.data.u64() as usize)
                    && !client.output.is_empty()
                {
                    // An end is seen when there is something to be read.
                    let _ = client.stream.write_all(&client.output);
                    client.output.clear();
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(self.clients.len() as u64);
        epoll::add(&self.poll, &stream, data, EventFlags::IN)?;
        self.clients.push(Some(Client { stream, has_session: false, input: Vec::new(), output: Vec::new() }));
        Ok(())
    }

    /// Reads what has come and prepares the answers; how many of the requests write.
    fn receive(&mut self, index: usize) -> usize {
        let Some(client) = &mut self.clients[index] else { return 0 };
        match client.stream.read(&mut self.buffer) {
            Ok(len) if len > 0 => {
                client.input.extend(&self.buffer[..len]);
                client.answer()
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            // Who leaves with answers under way resets the connection.
            Ok(_) | Err(_) => {
                self.clients[index] = None;
                0
            }
        }
    }
}

impl Client {
    fn answer(&mut self) -> usize {
        let mut written = 0;
        let mut at = 0;
        while let Some(len) = self.input.get(at..at + 4) {
            let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
            let Some(frame) = self.input.get(at + 4..at + 4 + len) else { break };
            at += 4 + len;
            if !self.has_session {
                self.has_session = true;
                // Version, timeout, id, and a password of 16 bytes.
                reply(&mut self.output, &[&[0; 4], &20_000u32.to_be_bytes(), &[1; 8], &16u32.to_be_bytes(), &[0; 17]]);
                continue;
            }
            let (xid, op) = (&frame[..4], i32::from_be_bytes(frame[4..8].try_into().expect("four bytes")));
            let head: [&[u8]; 3] = [xid, &[0; 8], &[0; 4]];
            match op {
                GET => {
                    let data = (PAYLOAD as u32).to_be_bytes();
                    reply(&mut self.output, &[head[0], head[1], head[2], &data, &[b'z'; PAYLOAD], &[0; STAT]]);
                }
                CREATE => {
                    let path = 4 + u32::from_be_bytes(frame[8..12].try_into().expect("four bytes")) as usize;
                    reply(&mut self.output, &[head[0], head[1], head[2], &frame[8..8 + path]]);
                    written += 1;
                }
                _ => {
                    reply(&mut self.output, &[head[0], head[1], head[2], &[0; STAT]]);
                    written += 1;
                }
            }
        }
        self.input.drain(..at);
        written
    }
}

fn reply(output: &mut Vec<u8>, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    output.extend((len as u32).to_be_bytes());
    for part in parts {
        output.extend(*part);
    }
}
