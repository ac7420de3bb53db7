//! The clients' port while the state is read from disk: four-letter words are answered, everybody else waits.
//!
//! A thread of its own does that, and only if it takes a while. Connections that are no word's are handed over when the
//! server serves, so a client that comes early has its session a little later instead of an error.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread::JoinHandle;
use std::time::Duration;

use net::Listener;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::config::ServerConfig;
use crate::four_letter::{Word, answer_unserved};

/// Reading that is done sooner needs no thread that answers.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Connections that are held; more wait in the system's queue.
const HELD_MAX: usize = 200;
/// How long an asker may take to take its answer, which fits into a socket's buffer.
const WRITE: Duration = Duration::from_millis(100);

/// The thread.
#[derive(Debug)]
pub(crate) struct NotServing {
    stop: UnixStream,
    thread: JoinHandle<Vec<TcpStream>>,
}

impl NotServing {
    /// Answers at `listener` until [`NotServing::end`].
    pub(crate) fn start(
        listener: &Listener,
        config: Arc<ServerConfig>,
        trace_mask: Arc<AtomicI64>,
    ) -> io::Result<NotServing> {
        let listener = TcpListener::from(rustix::io::dup(listener.as_fd())?);
        let (stop, stopped) = UnixStream::pair()?;
        let desk = Desk { listener, stopped, config, trace_mask, undecided: Vec::new(), held: Vec::new() };
        let thread = std::thread::Builder::new().name("NotServing".into()).spawn(move || desk.run())?;
        Ok(NotServing { stop, thread })
    }

    /// The server serves; gives the connections that wait for it.
    pub(crate) fn end(self) -> Vec<TcpStream> {
        drop(self.stop);
        // A panic there has been reported; who waited comes again.
        self.thread.join().unwrap_or_default()
    }
}

struct Desk {
    listener: TcpListener,
    stopped: UnixStream,
    config: Arc<ServerConfig>,
    trace_mask: Arc<AtomicI64>,
    /// Connections that have said nothing yet.
    undecided: Vec<TcpStream>,
    /// Connections that want a session.
    held: Vec<TcpStream>,
}

impl Desk {
    fn run(mut self) -> Vec<TcpStream> {
        let mut only_stop = [PollFd::new(&self.stopped, PollFlags::IN)];
        if !matches!(poll(&mut only_stop, Some(&PATIENCE)), Ok(0)) {
            return Vec::new();
        }
        while let Ok(false) = self.turn() {}
        self.held.append(&mut self.undecided);
        self.held
    }

    /// Waits for something to do, and does it. True at the end.
    fn turn(&mut self) -> io::Result<bool> {
        let room = self.undecided.len() + self.held.len() < HELD_MAX;
        let mut fds = vec![PollFd::new(&self.stopped, PollFlags::IN)];
        let wanted = if room { PollFlags::IN } else { PollFlags::empty() };
        fds.push(PollFd::new(&self.listener, wanted));
        fds.extend(self.undecided.iter().map(|stream| PollFd::new(stream, PollFlags::IN)));
        poll(&mut fds, None)?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[0] {
            return Ok(true);
        }
        let undecided = std::mem::take(&mut self.undecided);
        for (stream, ready) in undecided.into_iter().zip(&ready[2..]) {
            if *ready { self.decide(stream) } else { self.undecided.push(stream) }
        }
        if ready[1]
            && let Ok((stream, _)) = self.listener.accept()
            && stream.set_nonblocking(true).is_ok()
        {
            self.undecided.push(stream);
        }
        Ok(false)
    }

    /// A connection has said something, or has ended.
    fn decide(&mut self, mut stream: TcpStream) {
        let mut first = [0; 12];
        let Ok(len @ 1..) = stream.peek(&mut first) else { return };
        let word = first[..len].first_chunk::<4>().and_then(|word| Word::recognize(*word));
        let Some(word) = word else { return self.held.push(stream) };
        let mask = first.get(4..len).and_then(|mask| mask.try_into().ok()).map(i64::from_be_bytes);
        let answer = answer_unserved(&self.config, word, mask, &self.trace_mask);
        // What was peeked at has to be taken, or the system would answer the close with a reset.
        let taken = io::copy(&mut io::Read::take(&stream, len as u64), &mut io::sink());
        let answered = taken
            .and_then(|_| stream.set_nonblocking(false))
            .and_then(|()| stream.set_write_timeout(Some(WRITE)))
            .and_then(|()| stream.write_all(answer.as_bytes()));
        if let Err(error) = answered {
            tracing::debug!(target: "org.apache.zookeeper.server.NIOServerCnxn", "No answer to a word: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn words_are_answered_and_clients_wait() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let listener = Listener::bind(Some([127, 0, 0, 1].into()), 0, 50, net::Limits::none()).unwrap();
        let port = listener.local().unwrap().port();
        let mut config = ServerConfig::new("/data".into(), Some(port));
        config.whitelist = crate::config::Whitelist::All;
        let desk = NotServing::start(&listener, Arc::new(config), Arc::new(AtomicI64::new(306))).unwrap();
        let ask = |word: &[u8]| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(word).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.write_all(b"\0\0\0\x2d").unwrap();
        let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(ask(b"ruok"), "imok");
        assert_eq!(ask(b"isro"), "null");
        assert_eq!(ask(b"stmk\0\0\0\0\0\0\0\x05"), "5");
        assert_eq!(ask(b"gtmk"), "5");
        assert_eq!(ask(b"mntr"), "This ZooKeeper instance is not currently serving requests\n");
        assert!(ask(b"envi").starts_with("Environment:\n"));
        let held: Vec<_> = desk.end().iter().map(|stream| stream.peer_addr().unwrap()).collect();
        let waiting = [&client, &silent].map(|stream| stream.local_addr().unwrap());
        assert!(held.len() == 2 && waiting.iter().all(|peer| held.contains(peer)));
    }

    #[test]
    fn a_short_while_needs_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let listener = Listener::bind(Some([127, 0, 0, 1].into()), 0, 50, net::Limits::none()).unwrap();
        let config = ServerConfig::new("/data".into(), None);
        let desk = NotServing::start(&listener, Arc::new(config), Arc::new(AtomicI64::new(306))).unwrap();
        assert!(desk.end().is_empty());
    }
}
