//! One client as the pipeline sees it: who it is, what it waits for, and the bytes that are to be sent to it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use bytes::{Buf, BytesMut};
use sasl::DigestMd5Server;
use time_types::{Now, Tick};
use zk_proto::{Acl, ErrorCode, Id, Permissions, Request, SessionId, Zxid};
use zk_state::{Rules, acl};

use crate::metrics::ConnectionFigures;
use crate::outlet::{Bell, Outlet};
use crate::reply::Replies;

/// Requests of one client that may wait, and the bytes they may have.
const QUEUE_MAX: usize = 1000;
const QUEUED_BYTES_MAX: usize = 2 << 20;
/// With so many bytes not taken by the client, its requests are left in the socket.
const UNSENT_MAX: usize = 1 << 20;
/// With so many bytes of notifications not taken, the client is given up: they come without its asking.
const UNSENT_LIMIT: usize = 64 << 20;
/// Memory for replies that a client with nothing to say keeps, in bytes.
const KEPT_OUTPUT: usize = 1 << 10;

/// How far the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its first frame, the handshake, is awaited.
    New,
    /// Its session is being made.
    Opening,
    /// It has its session.
    Open,
}

/// A request that waits for the client's earlier writes.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) xid: i32,
    pub(crate) ask: Ask,
    pub(crate) received: Tick,
    pub(crate) bytes: usize,
    /// Not to be answered before this is applied (sync).
    pub(crate) not_before: Zxid,
}

/// What waits.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A request that changes nothing.
    Read(Request),
    /// A request that cannot be carried out.
    Fail(ErrorCode),
    /// A request that nobody knows: the connection closes behind the answer.
    Unknown,
}

/// A place in the order of a client's replies.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Taken by a write that is being logged.
    Write {
        /// Bytes of the request.
        bytes: usize,
    },
    /// Taken by something that can be answered when all before it is.
    Read(Queued),
}

impl Slot {
    /// Bytes of the request.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Slot::Write { bytes } => *bytes,
            Slot::Read(queued) => queued.bytes,
        }
    }
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    pub(crate) ids: Vec<Id>,
    pub(crate) stage: Stage,
    /// Its SASL exchange, where there is SASL.
    pub(crate) sasl: Option<Box<DigestMd5Server>>,
    pub(crate) session: SessionId,
    pub(crate) timeout_ms: i32,
    /// Does the client know the read-only byte of the handshake?
    pub(crate) read_only: Option<bool>,
    /// What is to be sent to it.
    pub(crate) out: BytesMut,
    /// Some of what was in `out` is sent, and some is not.
    cut: bool,
    /// Where it is sent; `None`: its task alone does that.
    pub(crate) outlet: Option<Outlet>,
    /// It is among those whose bytes will be sent when the turn ends.
    touched: bool,
    /// Its task takes no requests until it is woken.
    pub(crate) waits: bool,
    pub(crate) queue: VecDeque<Slot>,
    queued_bytes: usize,
    /// Requests that the throttle holds, and their bytes.
    pub(crate) held: usize,
    pub(crate) held_bytes: usize,
    /// No more requests are taken.
    pub(crate) deaf: bool,
    /// To be closed when everything is sent.
    pub(crate) closing: bool,
    /// To be closed at once.
    pub(crate) dead: bool,
    /// Does it speak TLS?
    pub(crate) secure: bool,
    pub(crate) figures: ConnectionFigures,
    bell: Rc<Bell>,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, now: Now, bell: Rc<Bell>) -> Client {
        Client {
            ids: vec![Id::new("ip", &java_host(peer.ip()))],
            peer,
            stage: Stage::New,
            sasl: None,
            session: SessionId::NONE,
            timeout_ms: 0,
            read_only: None,
            out: BytesMut::new(),
            cut: false,
            outlet: None,
            touched: false,
            waits: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            held: 0,
            held_bytes: 0,
            deaf: false,
            closing: false,
            dead: false,
            secure: false,
            figures: ConnectionFigures::new(now.wall.0),
            bell,
        }
    }

    /// Has something been put into `out` for the first time since it was flushed?
    pub(crate) fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.touched, true)
    }

    /// Sends what was put into `out`, with `directly` as far as the socket takes it; its task does the rest, if there is
    /// any.
    pub(crate) fn flush(&mut self, directly: bool) {
        self.touched = false;
        while let Some(outlet) = self.outlet.as_ref().filter(|_| directly && !self.out.is_empty()) {
            match outlet.send_now(&self.out) {
                0 => break,
                sent => self.sent(sent),
            }
        }
        if !self.out.is_empty() || self.waits || self.closing || self.dead {
            self.wake();
        }
    }

    /// So many bytes of `out` are sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if bytes < self.out.len() {
            self.out.advance(bytes);
            self.cut = true;
        } else if std::mem::take(&mut self.cut) || self.out.capacity() > KEPT_OUTPUT {
            self.out = BytesMut::new();
        } else {
            self.out.clear();
        }
    }

    pub(crate) fn push(&mut self, slot: Slot) {
        if let Slot::Read(queued) = &slot {
            self.queued_bytes += queued.bytes;
        }
        self.queue.push_back(slot);
    }

    /// The next request that can be answered when everything up to `applied` is.
    pub(crate) fn pop_ready(&mut self, applied: Zxid) -> Option<Queued> {
        match self.queue.front() {
            Some(Slot::Read(queued)) if queued.not_before <= applied => {}
            _ => return None,
        }
        match self.queue.pop_front() {
            Some(Slot::Read(queued)) => {
                self.queued_bytes -= queued.bytes;
                Some(queued)
            }
            _ => None,
        }
    }

    /// May its next request be taken? `busy`: the server has enough to do.
    pub(crate) fn may_ask(&self, busy: bool) -> bool {
        !self.deaf
            && !self.closing
            && !self.dead
            && self.stage != Stage::Opening
            && self.queue.len() + self.held < QUEUE_MAX
            && self.queued_bytes + self.held_bytes < QUEUED_BYTES_MAX
            && self.out.len() < UNSENT_MAX
            && (!busy || self.queue.is_empty())
    }

    /// Tells it of a change, if it may know. The bytes that were appended; they go out when it is flushed.
    pub(crate) fn notify(&mut self, rules: Rules, kind: i32, path: &str, acls: Option<&[Acl]>) -> u64 {
        let allowed = rules.skip_acl || acls.is_none_or(|acls| acl::allows(acls, Permissions::READ, &self.ids));
        if !allowed {
            return 0;
        }
        let mut bytes = 0;
        if self.out.len() > UNSENT_LIMIT {
            self.dead = true;
        } else {
            bytes = Replies(&mut self.out).notification(kind, path);
            self.figures.sent += 1;
        }
        bytes as u64
    }

    /// Closes it when everything is sent.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.wake();
    }

    /// Tells its task that something has changed.
    pub(crate) fn wake(&self) {
        self.bell.ring();
    }
}

/// An address with its port as Java prints it.
pub(crate) fn java_address(peer: SocketAddr) -> String {
    format!("/{}:{}", java_host(peer.ip()), peer.port())
}

/// An address as Java prints it: IPv6 in full.
pub(crate) fn java_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_java_prints_them() {
        assert_eq!(java_address("127.0.0.1:80".parse().unwrap()), "/127.0.0.1:80");
        assert_eq!(java_address("[::1]:80".parse().unwrap()), "/0:0:0:0:0:0:0:1:80");
    }

    #[test]
    fn a_client_with_enough_to_wait_for_is_not_asked_for_more() {
        let peer = "127.0.0.1:80".parse().unwrap();
        let client = || {
            let mut client = Client::new(peer, Now::default(), Rc::default());
            client.stage = Stage::Open;
            client
        };
        let queued =
            |bytes| Slot::Read(Queued { xid: 1, ask: Ask::Unknown, received: Tick(0), bytes, not_before: Zxid(0) });
        assert!(client().may_ask(true));
        let mut unsent = client();
        unsent.out = BytesMut::zeroed(UNSENT_MAX);
        assert!(!unsent.may_ask(false));
        let mut waiting = client();
        waiting.push(Slot::Write { bytes: 1 });
        assert!(waiting.may_ask(false) && !waiting.may_ask(true));
        waiting.push(queued(QUEUED_BYTES_MAX));
        assert!(!waiting.may_ask(false));
        assert!(waiting.pop_ready(Zxid(9)).is_none(), "a write is before it");
        waiting.queue.pop_front();
        assert!(waiting.pop_ready(Zxid(9)).is_some());
        assert!(waiting.may_ask(false));
        for stop in [|client: &mut Client| client.deaf = true, |client: &mut Client| client.stage = Stage::Opening] {
            let mut client = client();
            stop(&mut client);
            assert!(!client.may_ask(false));
        }
    }

    #[test]
    fn memory_of_large_replies_is_given_back() {
        let mut client = Client::new("127.0.0.1:80".parse().unwrap(), Now::default(), Rc::default());
        client.out.extend_from_slice(&[0; 100]);
        let kept = client.out.capacity();
        client.sent(100);
        assert_eq!((client.out.len(), client.out.capacity()), (0, kept));
        for parts in [vec![2 * KEPT_OUTPUT], vec![2 * KEPT_OUTPUT - 1, 1]] {
            client.out.extend_from_slice(&[0; 2 * KEPT_OUTPUT]);
            for part in parts {
                client.sent(part);
            }
            assert_eq!((client.out.len(), client.out.capacity()), (0, 0));
        }
    }
}
