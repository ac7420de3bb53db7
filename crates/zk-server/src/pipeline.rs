//! The owner of all state: prepares, has it logged, applies, replies.
//!
//! It lives on one thread and every call into it is short, so connections call it directly. A write is prepared when
//! it comes, and applied when the log says that it is durable; reads are answered from the applied state. Replies of
//! one client keep the order of its requests: a read waits for its own client's earlier writes only. Pings and
//! authentication are answered at once, out of that order, as clients expect.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use net::tls::Handshakes;
use rustc_hash::FxHashMap;
use time_types::{Now, Tick, WallMillis};
use tokio::sync::{Mutex, Notify};
use vfs::Vfs;
use zk_proto::{DecodeError, ErrorCode, Id, LoggedTxn, OpCode, SessionId, Zxid};
use zk_state::auth::{Authenticator, Ensemble, Schemes};
use zk_state::prepare::AROUND_RECORD;
use zk_state::session::{SessionIds, password};
use zk_state::{Asker, DigestHistory, Expiry, Outcome, Pending, Rules, WatcherId, Watches, Write, ZkState};
use zk_store::{Dirs, SnapshotTrigger};

use crate::admin::transfer::RateLimit;
use crate::audit::{self, Intent};
use crate::client::{Client, Slot, Stage, java_address};
use crate::clock::Clock;
use crate::config::{AuthProvider, ServerConfig};
use crate::connection_throttle::ConnectionThrottle;
use crate::counting::{Told, changes_of, count_waited};
use crate::environment;
use crate::log_writer::LogWriter;
use crate::metrics::definitions as measured;
use crate::metrics::{Registry, ServerFigures};
use crate::outlet::{Bell, Outlet};
use crate::reply::Replies;
use crate::request_throttle::{RequestThrottle, Verdict, Waiting};
use crate::sasl::{self, Users};
use crate::session_end::Ending;
use crate::snapshots::Place;

pub(crate) const SERVER: &str = "org.apache.zookeeper.server.ZooKeeperServer";

/// Changes and notifications in one turn, some milliseconds of it: a storm of them may not keep others waiting.
const APPLIED_PER_TURN: usize = 4000;
/// Clients that are written to at the end of one turn, about a millisecond of it; the tasks of the others do it, with
/// everything else in between.
const FLUSHED_PER_TURN: usize = 256;
/// `gtmk` before anybody has set it, as in Apache.
pub(crate) const TRACE_MASK: i64 = 306;

/// What is to be done when a transaction is applied.
#[derive(Debug)]
pub(crate) enum Then {
    /// Nobody waits for it.
    Nothing,
    /// The client gets its session.
    Connect(WatcherId),
    /// The client gets its reply.
    Reply { client: WatcherId, xid: i32, op: OpCode, received: Tick },
}

/// A transaction on its way through the log.
#[derive(Debug)]
struct Logging {
    txn: Arc<LoggedTxn>,
    then: Then,
    /// For the audit log, if there is one.
    intent: Option<Box<Intent>>,
}

impl Logging {
    /// Tells of it in the audit log.
    fn audit(&self, outcome: &Outcome) {
        if let Some(intent) = &self.intent {
            return intent.tell(outcome);
        }
        let LoggedTxn { header, txn, .. } = self.txn.as_ref();
        audit::tell_of_session_end(&environment::user(), header.client_id, txn);
    }
}

/// What a connection's task has to do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Duty {
    /// To end it at once.
    pub(crate) dead: bool,
    /// To end it when everything is sent.
    pub(crate) closing: bool,
    /// To send something.
    pub(crate) unsent: bool,
}

/// The owner.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) clock: Clock,
    pub(crate) state: ZkState,
    pub(crate) pending: Pending,
    pub(crate) rules: Rules,
    pub(crate) authenticator: Authenticator,
    pub(crate) connection_throttle: ConnectionThrottle,
    request_throttle: RequestThrottle,
    /// Bytes of large requests that are in process.
    large_bytes: usize,
    /// The last quota that was told of, and when.
    quota_told: (String, Tick),
    /// Any number.
    pub(crate) random: fn() -> u64,
    pub(crate) watches: Watches,
    pub(crate) expiry: Expiry,
    pub(crate) clients: FxHashMap<WatcherId, Client>,
    /// Clients with something new to be sent, each once.
    pub(crate) touched: Vec<WatcherId>,
    by_session: FxHashMap<SessionId, WatcherId>,
    session_ids: SessionIds,
    next_client: u64,
    logging: VecDeque<Logging>,
    /// Sessions that are to be closed, and that there are some.
    pub(crate) ending: VecDeque<Ending>,
    pub(crate) ending_due: Rc<Notify>,
    /// Clients whose `sync` waits for this transaction.
    syncs: VecDeque<(Zxid, WatcherId)>,
    pub(crate) log: LogWriter,
    pub(crate) figures: ServerFigures,
    pub(crate) registry: Registry,
    /// `stmk`: kept and told, as in Apache; nothing is traced by mask here.
    pub(crate) trace_mask: Arc<AtomicI64>,
    pub(crate) digests: DigestHistory,
    /// The newest snapshot, and when it was written.
    pub(crate) last_snapshot: Option<(Zxid, WallMillis)>,
    trigger: SnapshotTrigger,
    /// It is time for a snapshot.
    pub(crate) snapshot_due: Rc<Notify>,
    /// Port that is listened on, for `conf`.
    pub(crate) local_port: Option<u16>,
    /// Where the handshakes of TLS happen.
    pub(crate) handshakes: Option<Handshakes>,
    /// Port of TLS.
    pub(crate) secure_port: Option<u16>,
    /// Who may log in by SASL; `None`: nobody is asked to.
    pub(crate) sasl_users: Option<Users>,
    /// Held by who takes a snapshot or restores one.
    pub(crate) snapshotting: Rc<Mutex<()>>,
    /// Limits of snapshots that go out, and of those that come in.
    pub(crate) transfers: [RateLimit; 2],
    /// Another state is about to take the place of this one: nobody is served.
    restoring: bool,
    /// The server ends: nobody is served any more.
    ended: bool,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dirs: Dirs,
}

impl Pipeline {
    /// Serves `state`; the sessions in it get their whole timeout from now on.
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        clock: Clock,
        place: Place,
        state: ZkState,
        (log, trigger): (LogWriter, SnapshotTrigger),
    ) -> Pipeline {
        let now = clock.now();
        let mut expiry = Expiry::new(u64::from(config.tick_ms.unsigned_abs()));
        for (session, timeout_ms) in state.sessions().iter() {
            expiry.track(session, u64::from(timeout_ms.max(0).unsigned_abs()), now.tick);
        }
        let mut pipeline = Pipeline {
            pending: Pending::new(&state),
            rules: rules(&config),
            authenticator: authenticator(&config),
            connection_throttle: ConnectionThrottle::new(config.connection_throttle, now.tick),
            request_throttle: RequestThrottle::new(config.request_throttle),
            large_bytes: 0,
            quota_told: (String::new(), now.tick),
            random: || 0,
            watches: Watches::default(),
            expiry,
            clients: FxHashMap::default(),
            touched: Vec::new(),
            by_session: FxHashMap::default(),
            session_ids: SessionIds::new(1, now.wall),
            next_client: 1,
            logging: VecDeque::new(),
            ending: VecDeque::new(),
            ending_due: Rc::new(Notify::new()),
            syncs: VecDeque::new(),
            log,
            figures: ServerFigures { started: now.tick, ..ServerFigures::default() },
            registry: Registry::new(config.prometheus.is_some(), now.tick),
            trace_mask: Arc::new(AtomicI64::new(TRACE_MASK)),
            digests: DigestHistory::default(),
            last_snapshot: None,
            snapshotting: Rc::default(),
            transfers: Default::default(),
            restoring: false,
            ended: false,
            trigger,
            snapshot_due: Rc::new(Notify::new()),
            local_port: None,
            handshakes: None,
            secure_port: None,
            sasl_users: None,
            vfs: place.vfs,
            dirs: place.dirs,
            config,
            clock,
            state,
        };
        for orphan in pipeline.state.orphaned_owners() {
            pipeline.end_session(orphan);
        }
        while pipeline.end_some_sessions() {}
        pipeline
    }

    /// Where snapshots go.
    pub(crate) fn place(&self) -> Place {
        Place { vfs: Arc::clone(&self.vfs), dirs: self.dirs.clone(), config: Arc::clone(&self.config) }
    }

    /// Ends all connections, and takes no request until [`Pipeline::restored`] or [`Pipeline::open_again`].
    pub(crate) fn close_for_restore(&mut self) {
        self.restoring = true;
        self.request_throttle.clear();
        self.close_all();
    }

    /// Ends all connections, those that are still to come, too.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.close_all();
    }

    fn close_all(&mut self) {
        for client in self.clients.values_mut() {
            client.dead = true;
            client.wake();
        }
    }

    /// Is another state about to take the place of this one?
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoring
    }

    /// Is something under way that was begun?
    pub(crate) fn is_busy(&self) -> bool {
        !self.logging.is_empty() || !self.ending.is_empty()
    }

    /// Nothing was restored.
    pub(crate) fn open_again(&mut self) {
        self.restoring = false;
    }

    /// `state` takes the place of the present one; it is on disk as a snapshot.
    pub(crate) fn restored(&mut self, mut state: ZkState) {
        debug_assert!(self.logging.is_empty(), "everything that was begun is done");
        let now = self.clock.now();
        if self.config.extended_types && self.config.emulate_353_ttl {
            state.emulate_353_ttl();
        }
        self.pending = Pending::new(&state);
        self.watches = Watches::default();
        self.by_session.clear();
        self.syncs.clear();
        self.ending.clear();
        self.expiry = Expiry::new(u64::from(self.config.tick_ms.unsigned_abs()));
        for (session, timeout_ms) in state.sessions().iter() {
            self.expiry.track(session, u64::from(timeout_ms.max(0).unsigned_abs()), now.tick);
        }
        self.digests = DigestHistory::default();
        self.last_snapshot = Some((state.last_zxid(), now.wall));
        self.state = state;
        self.log.roll();
        self.restoring = false;
        for orphan in self.state.orphaned_owners() {
            self.end_session(orphan);
        }
    }

    /// `crst`.
    pub(crate) fn reset_connections(&mut self) {
        self.clients.values_mut().for_each(|client| client.figures.reset());
    }

    /// `srst`.
    pub(crate) fn reset_figures(&mut self) {
        self.figures.reset();
        self.registry.reset();
        self.log.reset_measured();
    }

    /// A connection was accepted. `outlet` takes its replies; `bell` is rung when its task has something to do. `ids` are
    /// what its certificate makes of it.
    pub(crate) fn connect(
        &mut self,
        peer: SocketAddr,
        secure: bool,
        ids: Vec<Id>,
        (outlet, bell): (Outlet, Rc<Bell>),
    ) -> WatcherId {
        let id = WatcherId(self.next_client);
        self.next_client += 1;
        let mut client = Client::new(peer, self.clock.now(), bell);
        client.dead = self.restoring || self.ended;
        client.secure = secure;
        // What TLS takes is not sent by that alone: its task sees to it.
        client.outlet = (!secure).then_some(outlet);
        client.ids.extend(ids);
        client.sasl = self.sasl_users.as_ref().and_then(|_| sasl::begin().map(Box::new));
        self.clients.insert(id, client);
        id
    }

    /// A connection is gone. What it asked for and is being logged happens all the same.
    pub(crate) fn disconnect(&mut self, id: WatcherId) {
        self.watches.forget(id);
        self.request_throttle.forget(id);
        if let Some(client) = self.clients.remove(&id) {
            if self.by_session.get(&client.session) == Some(&id) {
                self.by_session.remove(&client.session);
            }
            self.registry.count(measured::CONNECTION_DROPS, 1);
            for slot in &client.queue {
                self.large_done(slot.bytes());
            }
        }
    }

    /// May the client's next frame be taken?
    pub(crate) fn may_ask(&self, id: WatcherId) -> bool {
        let busy = self.logging.len() > self.config.global_outstanding;
        self.clients.get(&id).is_some_and(|client| client.may_ask(busy))
    }

    /// What the client's task has to do, which is about to wait. With `waits` it takes no requests until it is woken.
    pub(crate) fn duty(&mut self, id: WatcherId, waits: bool) -> Duty {
        let Some(client) = self.clients.get_mut(&id) else { return Duty { dead: true, ..Duty::default() } };
        client.waits = waits;
        Duty { dead: client.dead, closing: client.closing, unsent: !client.out.is_empty() }
    }

    /// Sends what the calls before have put into clients' buffers. Whoever calls the pipeline does it at the end.
    pub(crate) fn flush(&mut self) {
        for (nth, id) in self.touched.drain(..).enumerate() {
            if let Some(client) = self.clients.get_mut(&id) {
                client.flush(nth < FLUSHED_PER_TURN);
            }
        }
    }

    /// Transactions that are prepared and not applied.
    pub(crate) fn outstanding(&self) -> usize {
        self.logging.len()
    }

    /// A frame came from the client.
    pub(crate) fn on_frame(&mut self, id: WatcherId, frame: Bytes) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.dead) else { return };
        client.figures.received += 1;
        self.figures.received += 1;
        self.registry.count(measured::BYTES_RECEIVED, frame.len() as u64 + 4);
        let understood = match client.stage {
            Stage::New => self.on_handshake(id, frame),
            Stage::Opening => Ok(()),
            Stage::Open => self.admit(id, frame),
        };
        if let Err(error) = understood
            && let Some(client) = self.clients.get_mut(&id)
        {
            tracing::warn!(
                target: "org.apache.zookeeper.server.NIOServerCnxn",
                "Closing connection of {} (session {}): {error}", java_address(client.peer), client.session
            );
            client.dead = true;
        }
    }

    /// Carries out a request of a client that has its session, or lets it wait.
    fn admit(&mut self, id: WatcherId, frame: Bytes) -> Result<(), DecodeError> {
        let bytes = frame.len();
        if self.large_size(bytes) > 0 && self.large_bytes + bytes > self.config.large_request_bytes {
            if let Some(client) = self.clients.get_mut(&id) {
                tracing::warn!(
                    target: "org.apache.zookeeper.server.NIOServerCnxn",
                    "Rejecting large request of {} bytes of {}", bytes, java_address(client.peer)
                );
                client.dead = true;
            }
            self.registry.count(measured::LARGE_REQUESTS_REJECTED, 1);
            return Ok(());
        }
        let received = self.clock.tick();
        // Authentication is no matter of the throttle, and pings keep the session.
        let op = frame.get(4..8).and_then(<[u8]>::first_chunk).map(|bytes| i32::from_be_bytes(*bytes));
        let free = [OpCode::Auth, OpCode::Sasl, OpCode::Ping].map(|op| Some(op.code())).contains(&op);
        if !free && self.request_throttle.holds(self.logging.len()) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.held += 1;
                client.held_bytes += bytes;
            }
            self.request_throttle.push(Waiting { client: id, frame, received });
            self.registry.count(measured::THROTTLE_WAITS, 1);
            return Ok(());
        }
        self.registry.add(measured::THROTTLE_QUEUE_TIME, 0);
        self.on_request(id, frame, received, false)
    }

    /// Carries out what the throttle held back, as far as there is room.
    fn run_waiting(&mut self) {
        while let Some(Waiting { client: id, frame, received }) = self.request_throttle.pop(self.logging.len()) {
            let waited_ms = self.clock.tick().since(received);
            let Some(client) = self.clients.get_mut(&id) else { continue };
            client.held -= 1;
            client.held_bytes -= frame.len();
            let verdict = self.request_throttle.judge(waited_ms, client.timeout_ms.max(0) as u64);
            count_waited(&mut self.registry, waited_ms, verdict);
            client.wake();
            let run = match verdict {
                Verdict::Run | Verdict::Refuse => self.on_request(id, frame, received, verdict == Verdict::Refuse),
                Verdict::Drop => {
                    client.dead = true;
                    self.request_throttle.forget(id);
                    continue;
                }
            };
            if let Err(error) = run
                && let Some(client) = self.clients.get_mut(&id)
            {
                tracing::warn!(
                    target: "org.apache.zookeeper.server.NIOServerCnxn",
                    "Closing connection of {}: {error}", java_address(client.peer)
                );
                client.dead = true;
            }
        }
    }

    /// The bytes of a request if it is a large one, 0 if not.
    fn large_size(&self, bytes: usize) -> usize {
        self.config.large_request.filter(|threshold| bytes > *threshold).map_or(0, |_| bytes)
    }

    fn large_done(&mut self, bytes: usize) {
        self.large_bytes -= self.large_size(bytes);
    }

    /// Gives a request its place in the order of the client's replies.
    pub(crate) fn push(&mut self, id: WatcherId, slot: Slot) {
        let large = self.large_size(slot.bytes());
        if let Some(client) = self.clients.get_mut(&id) {
            client.push(slot);
            self.large_bytes += large;
        }
    }

    /// Takes a write of a client into the log.
    pub(crate) fn write(&mut self, id: WatcherId, xid: i32, op: OpCode, write: Write<'_>, bytes: usize) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let asker = Asker { session: client.session, cxid: xid, ids: &client.ids };
        let txn = self.state.prepare(&mut self.pending, self.rules, asker, write, now.wall);
        let intent = if self.config.audit { Intent::of(client, write).map(Box::new) } else { None };
        self.push(id, Slot::Write { bytes });
        if self.rules.enforce_quota {
            self.tell_of_quotas(now.tick);
        }
        self.log(txn, Then::Reply { client: id, xid, op, received: now.tick }, now.tick, bytes);
        if let Some(logging) = self.logging.back_mut() {
            logging.intent = intent;
        }
    }

    /// Begins the session of a client that has none.
    pub(crate) fn begin_session(&mut self, id: WatcherId, timeout_ms: i32) {
        let now = self.clock.now();
        let session = loop {
            let session = self.session_ids.next_id();
            if !self.state.sessions().contains(session) && !self.expiry.contains(session) {
                break session;
            }
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.session = session;
        client.timeout_ms = timeout_ms;
        client.stage = Stage::Opening;
        self.count_request();
        self.by_session.insert(session, id);
        self.expiry.track(session, u64::from(timeout_ms.unsigned_abs()), now.tick);
        let asker = Asker { session, cxid: 0, ids: &[] };
        let write = Write::CreateSession(timeout_ms);
        let txn = self.state.prepare(&mut self.pending, self.rules, asker, write, now.wall);
        self.log(txn, Then::Connect(id), now.tick, 0);
    }

    /// Gives a client a session that exists; whoever had it is closed. False if it cannot have it.
    pub(crate) fn resume_session(&mut self, id: WatcherId, session: SessionId, proof: &[u8], timeout_ms: i32) -> bool {
        let lives = self.state.sessions().contains(session)
            && !self.pending.is_closing(session)
            && self.expiry.contains(session);
        if !lives || proof != password(session) {
            return false;
        }
        if let Some(other) = self.by_session.insert(session, id)
            && let Some(other) = self.clients.get_mut(&other)
        {
            other.dead = true;
            other.wake();
        }
        let now = self.clock.tick();
        self.expiry.track(session, u64::from(timeout_ms.unsigned_abs()), now);
        if let Some(client) = self.clients.get_mut(&id) {
            client.session = session;
            client.timeout_ms = timeout_ms;
            client.stage = Stage::Open;
        }
        true
    }

    /// Has a transaction made that the server itself wants.
    pub(crate) fn write_own(&mut self, session: SessionId, write: Write<'_>) {
        let asker = Asker { session, cxid: 0, ids: &[] };
        let now = self.clock.now();
        let txn = self.state.prepare(&mut self.pending, self.rules, asker, write, now.wall);
        self.log(txn, Then::Nothing, now.tick, 0);
    }

    /// Tells of quotas that were passed; of the same one not more than once in a second.
    fn tell_of_quotas(&mut self, now: Tick) {
        for exceeded in self.pending.take_quota_notices() {
            let text = exceeded.to_string();
            if self.quota_told.0 != text || now.since(self.quota_told.1) >= 1000 {
                tracing::warn!(target: SERVER, "{text}");
                self.quota_told = (text, now);
            }
        }
    }

    /// Hands over a transaction whose preparation `began`.
    pub(crate) fn log(&mut self, txn: LoggedTxn, then: Then, began: Tick, bytes: usize) {
        let txn = Arc::new(txn);
        let now = self.clock.tick();
        self.count_prepared(&txn, now.since(began));
        self.log.append(Arc::clone(&txn), now);
        self.logging.push_back(Logging { txn, then, intent: None });
        // Header, digest, checksum and end mark beside what the request brought.
        if self.trigger.on_append(bytes as u64 + 64) {
            self.snapshot_due.notify_one();
        }
    }

    /// A snapshot begins: the next one is counted from here.
    pub(crate) fn snapshot_begins(&mut self, random: u64) {
        self.trigger.restart(random);
        self.log.roll();
    }

    /// A snapshot is on disk.
    pub(crate) fn snapshot_taken(&mut self, zxid: Zxid, took_ms: u64) {
        self.registry.add(measured::SNAPSHOT_TIME, took_ms);
        self.last_snapshot = Some((zxid, self.clock.now().wall));
    }

    /// Everything up to `zxid` is durable: applies it and answers, as far as one turn goes. False if there is more.
    pub(crate) fn on_synced(&mut self, zxid: Zxid) -> bool {
        let mut left = APPLIED_PER_TURN;
        let mut now = self.clock.now();
        while left > 0
            && let Some(logging) = self.logging.pop_front_if(|logging| logging.txn.header.zxid <= zxid)
        {
            left = left.saturating_sub(1 + self.apply(&logging, &mut now));
        }
        let applied = self.state.last_zxid();
        while let Some((_, id)) = self.syncs.pop_front_if(|(until, _)| *until <= applied) {
            self.answer_ready(id);
        }
        self.run_waiting();
        if !self.ending.is_empty() {
            self.ending_due.notify_one();
        }
        self.flush();
        self.logging.front().is_none_or(|logging| logging.txn.header.zxid > zxid)
    }

    /// How many changes and notifications it brought. `now` goes on to the time when it is applied.
    fn apply(&mut self, logging: &Logging, now: &mut Now) -> usize {
        let header = &logging.txn.header;
        let began = *now;
        let applied = self.state.apply(header, &logging.txn.txn);
        self.pending.applied(header.zxid);
        let age = began.wall.0.saturating_sub(header.time);
        self.registry.add(measured::PROPAGATION_LATENCY, age.max(0).unsigned_abs());
        now.tick = self.clock.tick();
        let took = now.tick.since(began.tick);
        now.wall.0 = now.wall.0.saturating_add(took as i64);
        self.registry.add(measured::PROPOSAL_PROCESS_TIME, took);
        self.registry.count(measured::CHANGES_REMOVED, changes_of(&logging.txn.txn));
        self.registry.written(&logging.txn.txn);
        self.digests.note(header.zxid, self.state.digest());
        let (clients, rules, sent) = (&mut self.clients, self.rules, &mut self.figures.sent);
        let mut work = applied.events.len();
        let (registry, touched) = (&mut self.registry, &mut self.touched);
        for event in &applied.events {
            let mut told = Told::default();
            self.watches.fire(event, |notice| {
                work += 1;
                told.count(notice.kind);
                if let Some(client) = clients.get_mut(&notice.watcher) {
                    registry.count(measured::WATCH_BYTES, client.notify(rules, notice.kind, notice.path, notice.acl));
                    *sent += 1;
                    if client.touch() {
                        touched.push(notice.watcher);
                    }
                }
            });
            told.into_metrics(registry);
        }
        if self.config.audit {
            logging.audit(&applied.outcome);
        }
        match logging.then {
            Then::Nothing => {}
            Then::Connect(id) => self.connected(id, true),
            Then::Reply { client, xid, op, received } => {
                self.reply((client, xid, op), (received, now.tick), applied.outcome);
            }
        }
        if header.op == OpCode::CloseSession.code() {
            self.expiry.forget(header.client_id);
            if let Some(client) = self.by_session.remove(&header.client_id).and_then(|id| self.clients.get_mut(&id)) {
                client.close();
            }
        }
        work
    }

    /// Tells a client that it has its session, or that it cannot have it.
    pub(crate) fn connected(&mut self, id: WatcherId, granted: bool) {
        let zxid = self.state.last_zxid();
        let now = self.clock.tick();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let session = granted.then(|| (client.session, client.timeout_ms, password(client.session)));
        client.stage = Stage::Open;
        let read_only = client.read_only;
        let bytes = Replies(&mut client.out).connected(session, read_only);
        if !granted {
            client.closing = true;
        }
        client.figures.last_op = "SESS";
        self.count_reply(id, -1, zxid, now, bytes);
    }

    fn reply(&mut self, (id, xid, op): (WatcherId, i32, OpCode), times: (Tick, Tick), outcome: Outcome) {
        let zxid = self.state.last_zxid();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let taken = client.queue.pop_front();
        debug_assert!(matches!(taken, Some(Slot::Write { .. })), "replies keep the order of requests");
        let bytes = Replies(&mut client.out).outcome(xid, zxid, op, outcome);
        client.figures.last_op = op_name(op);
        let latency = self.count_reply_between(times, id, xid, zxid, bytes);
        self.registry.add(measured::UPDATE_LATENCY, latency);
        self.large_done(taken.map_or(0, |slot| slot.bytes()));
        self.answer_ready(id);
    }

    /// Answers what waited for a write of the same client, or for a transaction that is applied now.
    fn answer_ready(&mut self, id: WatcherId) {
        let applied = self.state.last_zxid();
        while let Some(queued) = self.clients.get_mut(&id).and_then(|client| client.pop_ready(applied)) {
            self.large_done(queued.bytes);
            self.answer(id, queued.xid, queued.ask, queued.received);
        }
    }

    /// The zxid that a sync has to wait for, and that the client is to be called then.
    pub(crate) fn wait_for_all(&mut self, id: WatcherId) -> Zxid {
        let until = self.pending.last_zxid();
        if until > self.state.last_zxid() {
            self.syncs.push_back((until, id));
        }
        until
    }

    /// Answers without a place in the order: errors that close the connection, pings, authentication.
    pub(crate) fn refuse(&mut self, id: WatcherId, xid: i32, zxid: Zxid, code: ErrorCode, received: Tick) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let bytes = Replies(&mut client.out).error(xid, zxid, code);
        client.closing = true;
        self.count_reply(id, xid, zxid, received, bytes);
    }
}

/// The rules that the configuration sets.
fn rules(config: &ServerConfig) -> Rules {
    let provides = |provider| config.auth_providers.contains(&provider);
    let schemes = [
        (true, Schemes::IP),
        (config.digest_algorithm.is_some(), Schemes::DIGEST),
        (provides(AuthProvider::Sasl), Schemes::SASL),
        (provides(AuthProvider::X509), Schemes::X509),
    ];
    Rules {
        skip_acl: config.skip_acl,
        extended_types: config.extended_types,
        digest: config.digest,
        enforce_quota: config.enforce_quota,
        list_ephemerals: config.close_session_txn,
        reconfig: config.reconfig,
        schemes: schemes.iter().filter(|(has, _)| *has).fold(Schemes::IP, |all, (_, scheme)| all | *scheme),
        record_max: (config.max_packet + config.extra_packet).saturating_sub(AROUND_RECORD),
    }
}

fn authenticator(config: &ServerConfig) -> Authenticator {
    let ensemble = match &config.ensemble_names {
        Some(names) => Ensemble::Names(names.clone()),
        None => Ensemble::AnyName,
    };
    let has_ensemble = config.auth_providers.contains(&AuthProvider::Ensemble);
    Authenticator {
        digest: config.digest_algorithm,
        superuser: config.superuser.clone(),
        ensemble: has_ensemble.then_some(ensemble),
    }
}

/// The code of an operation in `cons`.
pub(crate) fn op_name(op: OpCode) -> &'static str {
    match op {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::SetData => "SETD",
        OpCode::SetAcl => "SETA",
        OpCode::Multi => "MULT",
        OpCode::Reconfig => "RECO",
        OpCode::CloseSession => "CLOS",
        OpCode::Ping => "PING",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetAcl => "GETA",
        OpCode::Sync => "SYNC",
        OpCode::MultiRead => "MLTR",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::GetEphemerals => "GETE",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::WhoAmI => "HOMI",
        OpCode::Check => "CHEC",
        _ => "NA",
    }
}
