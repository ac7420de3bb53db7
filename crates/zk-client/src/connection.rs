//! The shell of a session: one socket, one timer, one loop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use net::Stream;
use net::tls::ClientTls;
use properties::grammar::HostPort;
use time_types::Tick;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use zk_proto::{Request, Response};

use crate::Error;
use crate::auth::Identity;
use crate::client::State;
use crate::session::{Effect, Session};
use crate::watcher::Event;

const LOGGER: &str = "org.apache.zookeeper.ClientCnxn";
/// How many calls are taken over before the socket is looked at again.
const CALLS_AT_ONCE: usize = 256;

pub(crate) type Waiting = oneshot::Sender<Result<Response, Error>>;

/// What a handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Request(Request, Waiting),
    /// A request that removes watches, which is done without a server if there is none.
    ForgetWatches(Request, Waiting),
    Authenticate(Identity<Waiting>),
}

/// The socket, in the states it can be in.
#[derive(Debug)]
enum Link {
    Down,
    Opening(JoinHandle<Result<(Wire, SocketAddr), Failure>>, HostPort),
    Up(Wire, String),
}

/// A socket: the plain one can be tried without waiting.
#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<Stream>),
}

/// Why a connection could not be opened, and to which address.
#[derive(Debug)]
struct Failure {
    address: Option<SocketAddr>,
    error: io::Error,
}

#[derive(Debug)]
pub(crate) struct Shell {
    session: Session<Waiting>,
    max_frame_bytes: usize,
    tls: Option<ClientTls>,
    /// `None` once the session is over, so that the receiver sees the end.
    events: Option<mpsc::UnboundedSender<Event>>,
    state: watch::Sender<State>,
    link: Link,
    inbox: BytesMut,
    epoch: Instant,
    effects: Vec<Effect<Waiting>>,
    /// What was complained about last, so that a server that is away is told of once and not at every attempt.
    complaint: Option<(String, String)>,
}

impl Shell {
    #[expect(clippy::disallowed_methods, reason = "the one clock of a client; its core gets ticks")]
    pub(crate) fn new(
        session: Session<Waiting>,
        max_frame_bytes: usize,
        tls: Option<ClientTls>,
        events: mpsc::UnboundedSender<Event>,
        state: watch::Sender<State>,
    ) -> Shell {
        Shell {
            session,
            max_frame_bytes,
            tls,
            events: Some(events),
            state,
            link: Link::Down,
            inbox: BytesMut::new(),
            epoch: Instant::now(),
            effects: Vec::new(),
            complaint: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one clock of a client; its core gets ticks")]
    fn now(&self) -> Tick {
        Tick(Instant::now().saturating_duration_since(self.epoch).as_millis() as u64)
    }

    /// Serves the session until it is over, or until nobody holds a handle any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        self.session.start(self.now(), &mut self.effects);
        self.perform();
        while !self.session.is_over() {
            let deadline =
                self.session.next_deadline().map_or(self.epoch, |tick| self.epoch + Duration::from_millis(tick.0));
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                count = commands.recv_many(&mut batch, CALLS_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    self.take(batch);
                }
                progress = self.link.progress(&mut self.inbox, self.session.output()) => self.moved(progress),
                () = sleep_until(deadline) => self.session.tick(self.now(), &mut self.effects),
            }
            self.perform();
        }
        self.link.close();
        self.events = None;
        // Whoever calls from now on learns how the session ended.
        while let Some(command) = commands.recv().await {
            self.take(vec![command]);
            self.perform();
        }
    }

    fn take(&mut self, batch: Vec<Command>) {
        let now = self.now();
        for command in batch {
            match command {
                Command::Request(request, waiting) => self.session.request(now, request, waiting, &mut self.effects),
                Command::ForgetWatches(request, waiting) => {
                    self.session.forget_watches(now, request, waiting, &mut self.effects);
                }
                Command::Authenticate(identity) => self.session.authenticate(now, identity, &mut self.effects),
            }
        }
        // Most sockets take it at once, which saves a round through the poller. Failures show when it is polled.
        if let Link::Up(Wire::Plain(stream), _) = &self.link {
            write_some(stream, self.session.output());
        }
    }

    fn moved(&mut self, progress: Progress) {
        let now = self.now();
        match progress {
            Progress::Some => {
                if let Err(reason) = self.read_frames(now) {
                    if let Link::Up(_, server) = &self.link {
                        let server = server.clone();
                        self.complain(server, reason);
                    }
                    self.link.close();
                    self.inbox.clear();
                    self.session.lost(now, &mut self.effects);
                }
            }
            Progress::Opened(stream, server) => {
                self.link = Link::Up(stream, server);
                self.inbox.clear();
                self.session.opened(now);
            }
            Progress::Unresolved(server, reason) => {
                tracing::error!(
                    target: "org.apache.zookeeper.client.StaticHostProvider",
                    exception = reason,
                    "Unable to resolve address: {server}"
                );
                self.lost(now, server, reason);
            }
            Progress::Lost(server, reason) => self.lost(now, server, reason),
        }
    }

    fn lost(&mut self, now: Tick, server: String, reason: String) {
        self.link = Link::Down;
        self.inbox.clear();
        self.complain(server, reason);
        self.session.lost(now, &mut self.effects);
    }

    fn complain(&mut self, server: String, reason: String) {
        let session = self.session.id().0;
        let complaint = (server, reason);
        let text = format!(
            "Session {session:#x} for server {}, Closing socket connection. Attempting reconnect except it is a \
             SessionExpiredException.",
            complaint.0
        );
        if self.complaint.as_ref() == Some(&complaint) {
            tracing::debug!(target: LOGGER, exception = complaint.1, "{text}");
        } else {
            tracing::warn!(target: LOGGER, exception = complaint.1, "{text}");
            self.complaint = Some(complaint);
        }
    }

    fn read_frames(&mut self, now: Tick) -> Result<(), String> {
        while let Some(frame) = take_frame(&mut self.inbox, self.max_frame_bytes)? {
            self.session.received(now, frame, &mut self.effects).map_err(|error| error.to_string())?;
            if self.session.is_over() {
                break;
            }
        }
        Ok(())
    }

    fn perform(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Connect { host, after_ms } => {
                    self.link.close();
                    let opening = tokio::spawn(open(host.clone(), after_ms, self.tls.clone()));
                    self.link = Link::Opening(opening, host);
                }
                Effect::Disconnect => {
                    self.link.close();
                    self.inbox.clear();
                }
                // Callers may have stopped waiting, for replies as for events.
                Effect::Reply { waiting, result } => drop(waiting.send(result)),
                Effect::Tell(event) => drop(self.events.as_ref().map(|events| events.send(event))),
                Effect::Became(state) => {
                    if matches!(state, State::Connected(_)) {
                        self.complaint = None;
                    }
                    self.state.send_replace(state);
                }
            }
        }
    }
}

/// What happened on the socket.
#[derive(Debug)]
enum Progress {
    /// Bytes were read or written.
    Some,
    Opened(Wire, String),
    /// The server's name, and the reason.
    Lost(String, String),
    /// The same, for a name without an address.
    Unresolved(String, String),
}

impl Link {
    fn close(&mut self) {
        if let Link::Opening(task, _) = self {
            task.abort();
        }
        *self = Link::Down;
    }

    /// Waits for the socket to do something. Safe to be dropped at any time: nothing is lost.
    async fn progress(&mut self, inbox: &mut BytesMut, output: &mut BytesMut) -> Progress {
        match self {
            Link::Down => std::future::pending().await,
            Link::Opening(task, host) => match task.await {
                Ok(Ok((stream, address))) => Progress::Opened(stream, format!("{}/{address}", host.host)),
                Ok(Err(Failure { address: Some(address), error })) => {
                    Progress::Lost(format!("{}/{address}", host.host), error.to_string())
                }
                Ok(Err(Failure { address: None, error })) => {
                    Progress::Unresolved(format!("{}/<unresolved>:{}", host.host, host.port), error.to_string())
                }
                Err(error) => Progress::Lost(format!("{}:{}", host.host, host.port), error.to_string()),
            },
            Link::Up(wire, server) => {
                let moved = match wire {
                    Wire::Plain(stream) => transfer(stream, inbox, output).await,
                    Wire::Tls(stream) => stream.transfer(inbox, output).await,
                };
                match moved {
                    Ok(()) => Progress::Some,
                    Err(error) => Progress::Lost(server.clone(), error.to_string()),
                }
            }
        }
    }
}

/// Reads what is there and writes what the socket takes, whichever is possible first.
async fn transfer(stream: &TcpStream, inbox: &mut BytesMut, output: &mut BytesMut) -> io::Result<()> {
    loop {
        tokio::select! {
            ready = stream.readable() => {
                ready?;
                match stream.try_read_buf(inbox) {
                    Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            ready = stream.writable(), if !output.is_empty() => {
                ready?;
                match stream.try_write(output) {
                    Ok(written) => {
                        output.advance(written);
                        return Ok(());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

fn write_some(stream: &TcpStream, output: &mut BytesMut) {
    if let Ok(written) = stream.try_write(output) {
        output.advance(written);
    }
}

/// Tries the addresses of a host one after the other.
async fn open(host: HostPort, after_ms: u64, tls: Option<ClientTls>) -> Result<(Wire, SocketAddr), Failure> {
    if after_ms > 0 {
        sleep(Duration::from_millis(after_ms)).await;
    }
    let addresses =
        lookup_host((host.host.as_str(), host.port)).await.map_err(|error| Failure { address: None, error })?;
    let mut failure =
        Failure { address: None, error: io::Error::new(io::ErrorKind::NotFound, "the name has no address") };
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are small and somebody waits for each; a failure only makes them slower.
                let _ = stream.set_nodelay(true);
                let Some(tls) = &tls else { return Ok((Wire::Plain(stream), address)) };
                let secured = async { Stream::plain(stream)?.into_tls(tls, &host.host).await };
                match secured.await {
                    Ok(stream) => return Ok((Wire::Tls(Box::new(stream)), address)),
                    Err(error) => failure = Failure { address: Some(address), error },
                }
            }
            Err(error) => failure = Failure { address: Some(address), error },
        }
    }
    Err(failure)
}

/// Takes a whole frame off the front, without its length. The buffer grows with the bytes that come, not with the
/// length that is announced.
fn take_frame(inbox: &mut BytesMut, max: usize) -> Result<Option<Bytes>, String> {
    let Some(length) = inbox.first_chunk::<4>() else { return Ok(None) };
    let announced = i32::from_be_bytes(*length);
    let length = usize::try_from(announced)
        .ok()
        .filter(|length| *length <= max)
        .ok_or_else(|| format!("a reply of {announced} bytes is announced, at most {max} are read"))?;
    if inbox.len() - 4 < length {
        return Ok(None);
    }
    inbox.advance(4);
    Ok(Some(inbox.split_to(length).freeze()))
}

#[cfg(test)]
mod tests;
