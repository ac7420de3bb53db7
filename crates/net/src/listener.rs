//! The accept loop's inside: bind, accept, limits, and what to do when there are no descriptors left.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::stream::Stream;

/// How long accepting rests when the system has no descriptor or memory left for a connection.
const REST: Duration = Duration::from_millis(100);

/// What happens to a connection above the total limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It is closed at once (ZooKeeper's `maxCnxns`).
    #[default]
    Refuse,
    /// It waits in the system's queue until another one ends (Kafka's `max.connections`).
    Wait,
}

/// Limits and the count of what is open. Clones share the count, so several listeners can have one limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    shared: Arc<Shared>,
    /// Whose connections these are, if parts are counted for themselves.
    part: Option<usize>,
}

/// What is counted for itself beside the whole: connections of one listener.
#[derive(Debug, Default)]
struct Part {
    open: usize,
    max: Option<usize>,
    /// The total is no limit for it.
    is_exempt: bool,
}

#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Counts>,
    /// Told when a connection ends or a limit changes.
    room: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    max_total: Option<usize>,
    max_per_address: Option<usize>,
    overrides: HashMap<IpAddr, usize>,
    when_full: WhenFull,
    parts: Vec<Part>,
}

impl Counts {
    /// The limit on all connections, or on those of a part, if there are as many already.
    fn reached(&self, part: Option<usize>) -> Option<usize> {
        let part = part.and_then(|part| self.parts.get(part));
        let own = part.and_then(|part| part.max.filter(|max| part.open >= *max));
        let total = self.max_total.filter(|max| self.total >= *max && !part.is_some_and(|part| part.is_exempt));
        own.or(total)
    }
}

impl Limits {
    /// No limits.
    pub fn none() -> Limits {
        Limits::default()
    }

    /// Sets the limit on all connections together; `None` is none.
    pub fn set_total(&self, max: Option<usize>, when_full: WhenFull) {
        let mut counts = self.counts();
        counts.max_total = max;
        counts.when_full = when_full;
        drop(counts);
        self.shared.room.notify_waiters();
    }

    /// Sets the limit per address, and other limits for some addresses (`max.connections.per.ip.overrides`).
    pub fn set_per_address(&self, max: Option<usize>, overrides: HashMap<IpAddr, usize>) {
        let mut counts = self.counts();
        counts.max_per_address = max;
        counts.overrides = overrides;
    }

    /// These limits, for connections that are also counted for themselves.
    #[must_use]
    pub fn part(&self) -> Limits {
        let mut counts = self.counts();
        counts.parts.push(Part::default());
        Limits { shared: Arc::clone(&self.shared), part: Some(counts.parts.len() - 1) }
    }

    /// Sets the limit of this part; `None` is none. The limit on all connections does not hold for a part that is
    /// exempt, though its connections count. Without effect on limits that are no part.
    pub fn set_part(&self, max: Option<usize>, is_exempt: bool) {
        let mut counts = self.counts();
        if let Some(part) = self.part.and_then(|part| counts.parts.get_mut(part)) {
            (part.max, part.is_exempt) = (max, is_exempt);
        }
        drop(counts);
        self.shared.room.notify_waiters();
    }

    /// Connections above the limit on all together: there are some if a part is exempt from it, or if it was lowered.
    pub fn excess(&self) -> usize {
        let counts = self.counts();
        counts.max_total.map_or(0, |max| counts.total.saturating_sub(max))
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.counts().total
    }

    /// Connections that are open now from one address.
    pub fn open_from(&self, address: IpAddr) -> usize {
        self.counts().by_address.get(&address).copied().unwrap_or(0)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the total is reached and the wish is to wait then.
    async fn room(&self) {
        loop {
            let told = self.shared.room.notified();
            tokio::pin!(told);
            // Registered before the look, so that an end between the two is not missed.
            told.as_mut().enable();
            {
                let counts = self.counts();
                if counts.when_full == WhenFull::Refuse || counts.reached(self.part).is_none() {
                    return;
                }
            }
            told.await;
        }
    }

    fn admit(&self, address: IpAddr) -> Result<Admission, Refusal> {
        let mut counts = self.counts();
        if let Some(max) = counts.reached(self.part) {
            return Err(Refusal::Total { max });
        }
        let here = counts.by_address.get(&address).copied().unwrap_or(0);
        if let Some(max) = counts.overrides.get(&address).copied().or(counts.max_per_address)
            && here >= max
        {
            return Err(Refusal::Address { max });
        }
        counts.total += 1;
        if let Some(part) = self.part.and_then(|part| counts.parts.get_mut(part)) {
            part.open += 1;
        }
        counts.by_address.insert(address, here + 1);
        Ok(Admission { limits: self.clone(), address })
    }
}

/// A place among the open connections; dropping it gives the place back.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    address: IpAddr,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        counts.total -= 1;
        if let Some(part) = self.limits.part.and_then(|part| counts.parts.get_mut(part)) {
            part.open -= 1;
        }
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
        drop(counts);
        self.limits.shared.room.notify_waiters();
    }
}

/// Why a connection was closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections.
    Total {
        /// The limit.
        max: usize,
    },
    /// Too many connections from this address.
    Address {
        /// The limit for it.
        max: usize,
    },
}

/// A connection with its place.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// Keep it as long as the connection is open.
    pub admission: Admission,
}

/// What [`Listener::accept`] came back with.
#[derive(Debug)]
pub enum Incoming {
    /// A connection.
    Accepted(Accepted),
    /// A connection that was closed because of a limit; for the log.
    Refused {
        /// Who it was.
        peer: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
}

/// An open port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
    /// Connections that others have accepted; they come first.
    adopted: VecDeque<TcpStream>,
    /// Descriptors ran out at the last try, which was logged.
    resting: bool,
}

/// What the system keeps for a listener and its connections.
#[derive(Debug, Clone, Copy)]
pub struct Queues {
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// Bytes of a connection that wait to be sent; the system decides when it is `None`.
    pub send_buffer: Option<u32>,
    /// Bytes of a connection that wait to be read; the system decides when it is `None`.
    pub receive_buffer: Option<u32>,
}

impl From<u32> for Queues {
    fn from(backlog: u32) -> Queues {
        Queues { backlog, send_buffer: None, receive_buffer: None }
    }
}

impl Listener {
    /// Binds to one address, or to all when it is `None`: IPv4 and IPv6 where the machine has both, as Java does.
    /// Port 0 takes a free one.
    pub fn bind(address: Option<IpAddr>, port: u16, queues: impl Into<Queues>, limits: Limits) -> io::Result<Listener> {
        let queues = queues.into();
        let socket = match address {
            Some(address) => listen(SocketAddr::new(address, port), queues)?,
            None => match listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), queues) {
                // Only where there is no IPv6 at all; a taken port is taken.
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), queues)?
                }
                other => other?,
            },
        };
        Ok(Listener { socket, limits, adopted: VecDeque::new(), resting: false })
    }

    /// Where it listens, with the port that was really taken.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes connections over that were accepted at this port elsewhere: [`Listener::accept`] gives them first.
    pub fn adopt(&mut self, streams: Vec<std::net::TcpStream>) -> io::Result<()> {
        for stream in streams {
            stream.set_nonblocking(true)?;
            self.adopted.push_back(TcpStream::from_std(stream)?);
        }
        Ok(())
    }

    /// Waits for the next connection. Errors that concern one connection, or pass, do not come out. Cancel safe.
    pub async fn accept(&mut self) -> Incoming {
        loop {
            self.limits.room().await;
            if let Some(socket) = self.adopted.pop_front() {
                match self.take(socket) {
                    Some(incoming) => return incoming,
                    None => continue,
                }
            }
            match self.socket.accept().await {
                Ok((socket, _)) => {
                    self.resting = false;
                    if let Some(incoming) = self.take(socket) {
                        return incoming;
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => self.rest(&error).await,
            }
        }
    }

    /// `None` if the peer has gone already.
    fn take(&mut self, socket: TcpStream) -> Option<Incoming> {
        let stream = Stream::plain(socket).ok()?;
        Some(match self.limits.admit(stream.peer().ip()) {
            Ok(admission) => Incoming::Accepted(Accepted { stream, admission }),
            Err(Refusal::Total { .. }) if self.limits.counts().when_full == WhenFull::Wait => {
                // Another listener was faster: it waits here.
                self.adopted.push_front(stream.into_plain().ok()?);
                return None;
            }
            Err(refusal) => Incoming::Refused { peer: stream.peer(), refusal },
        })
    }

    /// The connection stays in the system's queue and accepting it would fail again at once: without a rest this
    /// would be a busy loop.
    async fn rest(&mut self, error: &io::Error) {
        if !self.resting {
            tracing::warn!(target: "net.Listener", "Cannot accept connections, trying again: {error}");
        }
        self.resting = true;
        tokio::time::sleep(REST).await;
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn listen(address: SocketAddr, queues: Queues) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server gets its port back while old connections are still in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    // Accepted connections inherit them.
    if let Some(bytes) = queues.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = queues.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(address)?;
    socket.listen(queues.backlog)
}

/// The peer went away between its connect and our accept, or a signal came.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    async fn connect(listener: &Listener) -> TcpStream {
        let port = listener.local().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap()
    }

    fn local(limits: &Limits) -> Listener {
        Listener::bind(Some(Ipv4Addr::LOCALHOST.into()), 0, 50, limits.clone()).unwrap()
    }

    #[test]
    fn connections_have_the_buffers_that_were_asked_for() {
        run(async {
            let queues = Queues { backlog: 5, send_buffer: Some(65_536), receive_buffer: Some(32_768) };
            let mut listener = Listener::bind(Some(Ipv4Addr::LOCALHOST.into()), 0, queues, Limits::none()).unwrap();
            let _client = connect(&listener).await;
            let socket = accepted(listener.accept().await).stream.into_plain().unwrap();
            // The system doubles both, for its own use.
            assert_eq!(rustix::net::sockopt::socket_send_buffer_size(&socket).unwrap(), 2 * 65_536);
            assert_eq!(rustix::net::sockopt::socket_recv_buffer_size(&socket).unwrap(), 2 * 32_768);
        });
    }

    fn accepted(incoming: Incoming) -> Accepted {
        match incoming {
            Incoming::Accepted(accepted) => accepted,
            Incoming::Refused { peer, refusal } => panic!("{peer} refused: {refusal:?}"),
        }
    }

    #[test]
    fn an_address_has_its_limit() {
        run(async {
            let limits = Limits::none();
            limits.set_per_address(Some(1), HashMap::new());
            let mut listener = local(&limits);
            let _first = connect(&listener).await;
            let one = accepted(listener.accept().await);
            let mut second = connect(&listener).await;
            let refused = listener.accept().await;
            assert!(matches!(refused, Incoming::Refused { refusal: Refusal::Address { max: 1 }, .. }));
            assert_eq!(second.read(&mut [0]).await.unwrap(), 0, "closed at once");
            assert_eq!(limits.open_from(Ipv4Addr::LOCALHOST.into()), 1);
            drop(one);
            assert_eq!((limits.open(), limits.open_from(Ipv4Addr::LOCALHOST.into())), (0, 0));
            let _third = connect(&listener).await;
            let _one = accepted(listener.accept().await);
            limits.set_per_address(Some(0), HashMap::from([(Ipv4Addr::LOCALHOST.into(), 2)]));
            let _fourth = connect(&listener).await;
            accepted(listener.accept().await);
        });
    }

    #[test]
    fn adopted_connections_come_first() {
        run(async {
            let mut listener = local(&Limits::none());
            let early = connect(&listener).await;
            let accepted_elsewhere = listener.socket.accept().await.unwrap().0.into_std().unwrap();
            let _late = connect(&listener).await;
            listener.adopt(vec![accepted_elsewhere]).unwrap();
            assert_eq!(accepted(listener.accept().await).stream.peer(), early.local_addr().unwrap());
            accepted(listener.accept().await);
        });
    }

    #[test]
    fn above_the_total_they_are_refused_or_wait() {
        run(async {
            let limits = Limits::none();
            limits.set_total(Some(1), WhenFull::Refuse);
            let mut listener = local(&limits);
            let _first = connect(&listener).await;
            let one = accepted(listener.accept().await);
            let _second = connect(&listener).await;
            let refused = listener.accept().await;
            assert!(matches!(refused, Incoming::Refused { refusal: Refusal::Total { max: 1 }, .. }));
            limits.set_total(Some(1), WhenFull::Wait);
            let _third = connect(&listener).await;
            let waiting = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
            assert!(waiting.is_err());
            let (two, ()) = tokio::join!(listener.accept(), async { drop(one) });
            accepted(two);
        });
    }

    #[test]
    fn a_part_has_its_own_limit_and_may_be_exempt_from_the_total() {
        run(async {
            let limits = Limits::none();
            limits.set_total(Some(2), WhenFull::Wait);
            let (own, exempt) = (limits.part(), limits.part());
            own.set_part(Some(1), false);
            exempt.set_part(Some(2), true);
            let (mut own, mut exempt) = (local(&own), local(&exempt));
            let waits = async |listener: &mut Listener| {
                tokio::time::timeout(Duration::from_millis(20), listener.accept()).await.is_err()
            };
            let _clients = (connect(&own).await, connect(&own).await);
            let one = accepted(own.accept().await);
            assert!(waits(&mut own).await, "its own limit is reached, the total is not");
            let _others = (connect(&exempt).await, connect(&exempt).await, connect(&exempt).await);
            let _two = (accepted(exempt.accept().await), accepted(exempt.accept().await));
            assert_eq!(limits.open(), 3);
            assert!(waits(&mut exempt).await, "what is exempt from the total has a limit too");
            drop(one);
            assert!(waits(&mut own).await, "the total is reached by the others");
            limits.set_total(Some(3), WhenFull::Wait);
            let _three = accepted(own.accept().await);
            exempt.limits.set_part(None, true);
            let _four = accepted(exempt.accept().await);
            assert_eq!((limits.open(), limits.excess()), (4, 1));
            limits.set_total(Some(2), WhenFull::Wait);
            assert_eq!(exempt.limits.excess(), 2, "of all together");
            limits.set_total(None, WhenFull::Wait);
            assert_eq!(limits.excess(), 0);
        });
    }

    #[test]
    fn all_addresses_means_both_kinds() {
        run(async {
            let mut listener = Listener::bind(None, 0, 50, Limits::none()).unwrap();
            let _client = connect(&listener).await;
            let one = accepted(listener.accept().await);
            assert_eq!(one.stream.peer().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST), "not ::ffff:127.0.0.1");
            let port = listener.local().unwrap().port();
            let error = Listener::bind(None, port, 50, Limits::none()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            let owner = crate::port_owner(port).unwrap();
            assert_eq!(owner.pid, std::process::id());
        });
    }
}
