//! A session as its client sees it, without I/O: request ids, the in-flight table, watches, pings, reconnects.
//!
//! ```text
//!                opened               accepted
//!  Connecting ----------> Handshaking --------> Connected --- close answered ---> Over
//!      ^                       |     \            ^   |
//!      |                       |      LoggingIn --+   |       (SASL, where there is a login)
//!      +---- connection lost --+-------------------+--+      refused: Over (session expired, or not authenticated)
//! ```
//!
//! Time comes in as [`Tick`]s, frames come in whole and without their length; what is to be sent stands in
//! [`Session::output`]; all else leaves as [`Effect`]s.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use properties::grammar::HostPort;
use sasl::DigestMd5Client;
use time_types::Tick;
use zk_proto::header::xid;
use zk_proto::ops::{SaslRequest, SetWatches, SetWatches2, WatcherEvent};
use zk_proto::{
    ConnectRequest, ConnectResponse, ErrorCode, Jute, OpCode, Reader, ReplyHeader, Request, RequestHeader, Response,
    SessionId, Writer, Zxid,
};

use crate::Error;
use crate::auth::Identity;
use crate::client::{SessionKey, State};
use crate::hosts::Hosts;
use crate::path::Chroot;
use crate::security::Login;
use crate::watcher::{Event, EventKind, Interest, WatchedEvent, WatcherType, Watches};

mod login;
#[cfg(test)]
mod tests;

/// A connection that is never idle for longer gets a ping, in milliseconds (Apache's bound).
const LONGEST_IDLE_MS: u64 = 10_000;

/// What the session asks its shell to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect<T> {
    /// Open a connection to this server, after so many milliseconds.
    Connect { host: HostPort, after_ms: u64 },
    /// Drop the connection, or the attempt to open one.
    Disconnect,
    /// Answer a caller.
    Reply { waiting: T, result: Result<Response, Error> },
    /// Tell the caller's event channel.
    Tell(Event),
    /// The session changed its state.
    Became(State),
}

/// What a session begins with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) hosts: Hosts,
    pub(crate) chroot: Chroot,
    pub(crate) timeout_ms: u32,
    pub(crate) existing: Option<SessionKey>,
    pub(crate) read_only: bool,
    pub(crate) login: Option<Arc<Login>>,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Connecting,
    Handshaking,
    /// The session is there; SASL comes first.
    LoggingIn,
    Connected,
    Over(Error),
}

/// A request that was sent and whose reply will come; replies come in the order of requests.
#[derive(Debug)]
struct InFlight<T> {
    xid: i32,
    op: OpCode,
    /// The server's path; empty if the request has none.
    path: String,
    watch: Option<Interest>,
    remove: Option<WatcherType>,
    /// `None` for what the session itself sends.
    waiting: Option<T>,
}

/// The core of a client. `T` is what waits for a reply.
#[derive(Debug)]
pub(crate) struct Session<T> {
    hosts: Hosts,
    chroot: Chroot,
    read_only: bool,
    wanted_timeout_ms: u32,
    key: Option<SessionKey>,
    last_zxid: Zxid,
    phase: Phase,
    /// The session's own end was asked for: no further requests.
    closing: bool,
    next_xid: i32,
    in_flight: VecDeque<InFlight<T>>,
    /// Requests that wait for a connection.
    queued: VecDeque<(Request, T)>,
    identities: Vec<Identity<T>>,
    login: Option<Arc<Login>>,
    /// The exchange with this server.
    exchange: Option<DigestMd5Client>,
    /// Which identities the next replies to authentications are about.
    authenticating: VecDeque<usize>,
    watches: Watches,
    /// When the phase began, or when the server was last heard of.
    heard: Tick,
    sent: Tick,
    output: BytesMut,
}

impl<T> Session<T> {
    pub(crate) fn new(start: Start) -> Session<T> {
        Session {
            hosts: start.hosts,
            chroot: start.chroot,
            read_only: start.read_only,
            wanted_timeout_ms: start.timeout_ms,
            key: start.existing,
            last_zxid: Zxid(0),
            phase: Phase::Connecting,
            closing: false,
            next_xid: 1,
            in_flight: VecDeque::new(),
            queued: VecDeque::new(),
            identities: Vec::new(),
            login: start.login,
            exchange: None,
            authenticating: VecDeque::new(),
            watches: Watches::default(),
            heard: Tick(0),
            sent: Tick(0),
            output: BytesMut::new(),
        }
    }

    /// Begins to look for a server.
    pub(crate) fn start(&mut self, now: Tick, effects: &mut Vec<Effect<T>>) {
        self.connect(now, effects);
    }

    /// Bytes to send; the shell takes off the front what it could write.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// The session, 0 before there is one.
    pub(crate) fn id(&self) -> SessionId {
        self.key.map_or(SessionId::NONE, |key| key.id)
    }

    /// Is there nothing left to do?
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// The connection is there: ask for the session.
    pub(crate) fn opened(&mut self, now: Tick) {
        self.phase = Phase::Handshaking;
        self.heard = now;
        let key = self.key.as_ref();
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: self.wanted_timeout_ms as i32,
            session_id: key.map_or(SessionId::NONE, |key| key.id),
            password: Some(Bytes::copy_from_slice(&key.map_or([0; 16], |key| key.password))),
            read_only: Some(self.read_only),
        };
        self.write(now, |out| request.write(out));
    }

    /// The connection broke, or could not be opened.
    pub(crate) fn lost(&mut self, now: Tick, effects: &mut Vec<Effect<T>>) {
        if self.is_over() {
            return;
        }
        if matches!(self.phase, Phase::Connected | Phase::LoggingIn) {
            effects.push(Effect::Tell(Event::Disconnected));
            effects.push(Effect::Became(State::Connecting));
        }
        self.output.clear();
        self.authenticating.clear();
        self.fail_all(&Error::ConnectionLoss { path: String::new() }, effects);
        if self.closing {
            self.end(Error::Closed, State::Closed, effects);
        } else {
            self.connect(now, effects);
        }
    }

    /// A caller's request.
    pub(crate) fn request(&mut self, now: Tick, request: Request, waiting: T, effects: &mut Vec<Effect<T>>) {
        let over = match &self.phase {
            Phase::Over(error) => Some(error.clone()),
            _ if self.closing => Some(Error::Closed),
            _ => None,
        };
        if let Some(error) = over {
            let path = self.chroot.strip(parts(request).0);
            effects.push(Effect::Reply { waiting, result: Err(error.at(path)) });
            return;
        }
        self.closing = matches!(request, Request::CloseSession);
        if self.phase == Phase::Connected {
            self.send(now, request, Some(waiting));
        } else {
            self.queued.push_back((request, waiting));
        }
    }

    /// A caller's request to remove watches. Without a connection only this client has to forget them: a server learns
    /// of watches when they are set again.
    pub(crate) fn forget_watches(&mut self, now: Tick, request: Request, waiting: T, effects: &mut Vec<Effect<T>>) {
        if !matches!(self.phase, Phase::Connecting | Phase::Handshaking) || self.closing {
            self.request(now, request, waiting, effects);
            return;
        }
        let (path, _, which) = parts(request);
        let removed = which.map_or_else(Vec::new, |which| self.watches.remove(which, &path));
        let path = self.chroot.strip(path);
        let result = if removed.is_empty() {
            Err(Error::Refused { code: ErrorCode::NoWatcher, path: path.clone() })
        } else {
            Ok(Response::Empty)
        };
        for kind in removed {
            effects.push(Effect::Tell(Event::Watch(WatchedEvent { kind, path: path.clone() })));
        }
        effects.push(Effect::Reply { waiting, result });
    }

    /// A caller's identity, shown now and at every reconnect.
    pub(crate) fn authenticate(&mut self, now: Tick, identity: Identity<T>, effects: &mut Vec<Effect<T>>) {
        if let Phase::Over(error) = &self.phase {
            if let Some(waiting) = identity.waiting {
                effects.push(Effect::Reply { waiting, result: Err(error.clone()) });
            }
            return;
        }
        self.identities.push(identity);
        if self.phase == Phase::Connected {
            self.show_identity(now, self.identities.len() - 1);
        }
    }

    /// A whole frame came. An error says that the server's bytes make no sense: the shell drops the connection.
    pub(crate) fn received(&mut self, now: Tick, frame: Bytes, effects: &mut Vec<Effect<T>>) -> Result<(), Error> {
        self.heard = now;
        if self.phase == Phase::Handshaking {
            return self.handshake(now, frame, effects);
        }
        let mut reader = Reader::new(frame);
        let header = ReplyHeader::read(&mut reader)?;
        if header.zxid.0 > 0 {
            self.last_zxid = header.zxid;
        }
        match header.xid {
            xid::PING => Ok(()),
            xid::NOTIFICATION => self.notified(&mut reader, effects),
            xid::AUTH => {
                self.authenticated(ErrorCode::from(header.err), effects);
                Ok(())
            }
            _ => self.replied(now, &header, &mut reader, effects),
        }
    }

    /// When [`Session::tick`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        match self.phase {
            Phase::Over(_) => None,
            Phase::Connecting | Phase::Handshaking | Phase::LoggingIn => {
                Some(self.heard.after(self.connect_timeout_ms()))
            }
            Phase::Connected => {
                let silent = self.heard.after(self.read_timeout_ms());
                Some(silent.min(self.sent.after(self.idle_ms())))
            }
        }
    }

    /// A deadline has passed: the server is given up, or gets a ping.
    pub(crate) fn tick(&mut self, now: Tick, effects: &mut Vec<Effect<T>>) {
        match self.phase {
            Phase::Connecting | Phase::Handshaking | Phase::LoggingIn
                if now.since(self.heard) >= self.connect_timeout_ms() =>
            {
                effects.push(Effect::Disconnect);
                self.lost(now, effects);
            }
            Phase::Connected if now.since(self.heard) >= self.read_timeout_ms() => {
                effects.push(Effect::Disconnect);
                self.lost(now, effects);
            }
            Phase::Connected if now.since(self.sent) >= self.idle_ms() => {
                let ping = RequestHeader { xid: xid::PING, op: OpCode::Ping.code() };
                self.write(now, |out| ping.write(out));
            }
            Phase::Connecting | Phase::Handshaking | Phase::LoggingIn | Phase::Connected | Phase::Over(_) => {}
        }
    }

    fn timeout_ms(&self) -> u64 {
        u64::from(self.key.as_ref().map_or(self.wanted_timeout_ms, |key| key.timeout_ms))
    }

    /// Each server gets its share of the session's time.
    fn connect_timeout_ms(&self) -> u64 {
        (self.timeout_ms() / self.hosts.len() as u64).max(1)
    }

    /// Two thirds: a third remains to find another server before the session expires.
    fn read_timeout_ms(&self) -> u64 {
        (self.timeout_ms() * 2 / 3).max(1)
    }

    fn idle_ms(&self) -> u64 {
        (self.read_timeout_ms() / 2).clamp(1, LONGEST_IDLE_MS)
    }

    fn connect(&mut self, now: Tick, effects: &mut Vec<Effect<T>>) {
        let (host, after_ms) = self.hosts.try_next();
        self.phase = Phase::Connecting;
        self.heard = now.after(after_ms);
        effects.push(Effect::Connect { host, after_ms });
    }

    fn write(&mut self, now: Tick, body: impl FnOnce(&mut Writer)) {
        self.sent = now;
        let mut out = Writer::append_to(mem::take(&mut self.output));
        out.framed(body);
        self.output = out.into_inner();
    }

    fn send(&mut self, now: Tick, request: Request, waiting: Option<T>) {
        let xid = match request {
            Request::SetWatches(_) | Request::SetWatches2(_) => xid::SET_WATCHES,
            _ => {
                let xid = self.next_xid;
                // Negative numbers and 0 have a meaning of their own.
                self.next_xid = xid.checked_add(1).unwrap_or(1);
                xid
            }
        };
        let op = request.op();
        self.write(now, |out| {
            RequestHeader { xid, op: op.code() }.write(out);
            request.write(out);
        });
        let (path, watch, remove) = parts(request);
        self.in_flight.push_back(InFlight { xid, op, path, watch, remove, waiting });
    }

    fn show_identity(&mut self, now: Tick, index: usize) {
        let packet = self.identities[index].packet();
        self.write(now, |out| {
            RequestHeader { xid: xid::AUTH, op: OpCode::Auth.code() }.write(out);
            packet.write(out);
        });
        self.authenticating.push_back(index);
    }

    /// The server's word on the session: its time, or that there is no such session.
    fn handshake(&mut self, now: Tick, frame: Bytes, effects: &mut Vec<Effect<T>>) -> Result<(), Error> {
        let response = ConnectResponse::from_bytes(frame)?;
        if response.timeout_ms <= 0 {
            effects.push(Effect::Disconnect);
            effects.push(Effect::Tell(Event::Expired));
            self.end(Error::SessionExpired { path: String::new() }, State::Expired, effects);
            return Ok(());
        }
        let mut password = [0; 16];
        if let Some(given) = response.password.as_deref().filter(|given| given.len() == password.len()) {
            password.copy_from_slice(given);
        }
        let key = SessionKey { id: response.session_id, password, timeout_ms: response.timeout_ms.unsigned_abs() };
        self.key = Some(key);
        self.hosts.connected();
        let event = if response.read_only == Some(true) { Event::ConnectedReadOnly } else { Event::Connected };
        if let Some(login) = &self.login {
            effects.push(Effect::Tell(event));
            self.exchange = login.begin();
            self.phase = Phase::LoggingIn;
            self.send(now, Request::Sasl(SaslRequest { token: Some(Bytes::new()) }), None);
        } else {
            effects.push(Effect::Became(State::Connected(key)));
            effects.push(Effect::Tell(event));
            self.connected(now);
        }
        Ok(())
    }

    /// Everything that waited for the session goes out.
    fn connected(&mut self, now: Tick) {
        self.phase = Phase::Connected;
        for index in 0..self.identities.len() {
            self.show_identity(now, index);
        }
        for again in self.watches.to_set_again(self.last_zxid) {
            self.send(now, set_watches(again), None);
        }
        for (request, waiting) in mem::take(&mut self.queued) {
            self.send(now, request, Some(waiting));
        }
    }

    fn notified(&mut self, reader: &mut Reader, effects: &mut Vec<Effect<T>>) -> Result<(), Error> {
        let event = WatcherEvent::read(reader)?;
        let Some(kind) = EventKind::from_wire(event.kind) else { return Err(Error::UnexpectedReply) };
        self.watches.fired(kind, &event.path);
        effects.push(Effect::Tell(Event::Watch(WatchedEvent { kind, path: self.chroot.strip(event.path) })));
        Ok(())
    }

    fn authenticated(&mut self, verdict: ErrorCode, effects: &mut Vec<Effect<T>>) {
        let waiting = self.authenticating.pop_front().and_then(|index| self.identities[index].waiting.take());
        if verdict.is_ok() {
            if let Some(waiting) = waiting {
                effects.push(Effect::Reply { waiting, result: Ok(Response::Empty) });
            }
            return;
        }
        if let Some(waiting) = waiting {
            effects.push(Effect::Reply { waiting, result: Err(Error::AuthFailed { path: String::new() }) });
        }
        self.not_authenticated(effects);
    }

    fn replied(
        &mut self,
        now: Tick,
        header: &ReplyHeader,
        reader: &mut Reader,
        effects: &mut Vec<Effect<T>>,
    ) -> Result<(), Error> {
        let Some(call) = self.in_flight.pop_front() else { return Err(Error::UnexpectedReply) };
        if call.xid != header.xid {
            // Put back, so that the caller gets its connection loss.
            self.in_flight.push_front(call);
            return Err(Error::UnexpectedReply);
        }
        let code = ErrorCode::from(header.err);
        self.note_watches(&call, code, effects);
        let result = if code.is_ok() {
            Response::read(call.op, reader).map_err(Error::from)
        } else {
            Err(Error::Refused { code, path: self.chroot.strip(call.path) })
        };
        if call.op == OpCode::Sasl {
            self.logging_in(now, result, effects);
            return Ok(());
        }
        if let Some(waiting) = call.waiting {
            effects.push(Effect::Reply { waiting, result });
        }
        if call.op == OpCode::CloseSession {
            effects.push(Effect::Disconnect);
            self.end(Error::Closed, State::Closed, effects);
        }
        Ok(())
    }

    fn note_watches(&mut self, call: &InFlight<T>, code: ErrorCode, effects: &mut Vec<Effect<T>>) {
        if let Some(interest) = call.watch
            && (code.is_ok() || code == ErrorCode::NoNode)
        {
            self.watches.add(interest, code.is_ok(), call.path.clone());
        }
        if let Some(which) = call.remove
            && code.is_ok()
        {
            for kind in self.watches.remove(which, &call.path) {
                let path = self.chroot.strip(call.path.clone());
                effects.push(Effect::Tell(Event::Watch(WatchedEvent { kind, path })));
            }
        }
    }

    /// Nothing more will happen: whoever waits, and whoever asks from now on, gets `error`.
    fn end(&mut self, error: Error, state: State, effects: &mut Vec<Effect<T>>) {
        self.fail_all(&error, effects);
        self.output.clear();
        self.phase = Phase::Over(error);
        effects.push(Effect::Became(state));
    }

    fn fail_all(&mut self, error: &Error, effects: &mut Vec<Effect<T>>) {
        for call in mem::take(&mut self.in_flight) {
            if let Some(waiting) = call.waiting {
                effects.push(Effect::Reply { waiting, result: Err(error.at(self.chroot.strip(call.path))) });
            }
        }
        for (request, waiting) in mem::take(&mut self.queued) {
            let path = self.chroot.strip(parts(request).0);
            effects.push(Effect::Reply { waiting, result: Err(error.at(path)) });
        }
        for identity in &mut self.identities {
            if let Some(waiting) = identity.waiting.take() {
                effects.push(Effect::Reply { waiting, result: Err(error.clone()) });
            }
        }
    }
}

/// The older request where it will do: servers before 3.6 do not know the newer one.
fn set_watches(again: SetWatches2) -> Request {
    if again.persistent_watches.is_empty() && again.persistent_recursive_watches.is_empty() {
        Request::SetWatches(SetWatches {
            relative_zxid: again.relative_zxid,
            data_watches: again.data_watches,
            exist_watches: again.exist_watches,
            child_watches: again.child_watches,
        })
    } else {
        Request::SetWatches2(again)
    }
}

/// What the in-flight table keeps of a request: its path, the watch it leaves, the watches it removes.
fn parts(request: Request) -> (String, Option<Interest>, Option<WatcherType>) {
    let plain = |path| (path, None, None);
    match request {
        Request::Create(body) | Request::Create2(body) | Request::CreateContainer(body) => plain(body.path),
        Request::CreateTtl(body) => plain(body.path),
        Request::Delete(body) => plain(body.path),
        Request::Exists(body) => (body.path, body.watch.then_some(Interest::Exists), None),
        Request::GetData(body) => (body.path, body.watch.then_some(Interest::Data), None),
        Request::SetData(body) => plain(body.path),
        Request::GetAcl(body) => plain(body.path),
        Request::SetAcl(body) => plain(body.path),
        Request::GetChildren(body) | Request::GetChildren2(body) => {
            (body.path, body.watch.then_some(Interest::Children), None)
        }
        Request::Sync(body) => plain(body.path),
        Request::Check(body) => plain(body.path),
        Request::CheckWatches(body) => plain(body.path),
        Request::RemoveWatches(body) => (body.path, None, Some(WatcherType::from_wire(body.kind))),
        Request::AddWatch(body) => {
            let interest = if body.mode == 0 { Interest::Persistent } else { Interest::Recursive };
            (body.path, Some(interest), None)
        }
        Request::GetAllChildrenNumber(body) => plain(body.path),
        Request::GetEphemerals(body) => plain(body.prefix_path),
        Request::DeleteContainer(_)
        | Request::Ping
        | Request::Multi(_)
        | Request::MultiRead(_)
        | Request::Reconfig(_)
        | Request::Auth(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::Sasl(_)
        | Request::WhoAmI
        | Request::CloseSession => plain(String::new()),
    }
}
