//! What a client's frame means: the handshake, then one request after the other, sorted into writes, reads and what is
//! answered at once.

use bytes::Bytes;
use time_types::Tick;
use zk_proto::header::xid;
use zk_proto::ops::{
    AddWatchRequest, AuthPacket, ClientInfo, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetEphemeralsResponse, SaslRequest, SaslResponse, SetWatches2, SyncResponse, WhoAmIResponse,
};
use zk_proto::{
    ConnectRequest, DecodeError, ErrorCode, Id, Jute, MultiOp, MultiResult, OpCode, Reader, Request, RequestHeader,
    Response, SessionId, Zxid,
};
use zk_state::auth::{self, AuthRefusal};
use zk_state::read::Reader as View;
use zk_state::{NodeRef, WatchKinds, WatcherId, Watches, Write, is_write};

use crate::client::{Ask, Queued, Slot, java_address, java_host};
use crate::metrics::definitions as measured;
use crate::pipeline::{Pipeline, SERVER, op_name};
use crate::reply::Replies;
use crate::sasl::{self, Step};

impl Pipeline {
    /// The first frame of a connection.
    pub(crate) fn on_handshake(&mut self, id: WatcherId, frame: Bytes) -> Result<(), DecodeError> {
        let request = ConnectRequest::from_bytes(frame)?;
        let now = self.clock.tick();
        let random = (self.random)();
        if !self.connection_throttle.admits(request.session_id != SessionId::NONE, now, random) {
            self.registry.count(measured::CONNECTIONS_REJECTED, 1);
            if let Some(client) = self.clients.get_mut(&id) {
                tracing::info!(target: SERVER, "Refusing {}: too many ask for sessions", java_address(client.peer));
                client.dead = true;
            }
            return Ok(());
        }
        self.registry.count(measured::CONNECTION_REQUESTS, 1);
        self.registry.add(measured::CONNECTION_TOKEN_DEFICIT, 0);
        let known = self.state.last_zxid();
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        client.read_only = request.read_only;
        if request.last_zxid_seen > known {
            // The client knows a later state than this server has: it would see time go backwards here.
            tracing::info!(
                target: SERVER,
                "Refusing session request for client {} as it has seen zxid {} our last zxid is {known} client must try another server",
                java_address(client.peer), request.last_zxid_seen
            );
            client.dead = true;
            return Ok(());
        }
        let (min, max) = (self.config.min_session_ms, self.config.max_session_ms);
        let timeout_ms = request.timeout_ms.max(min).min(max);
        if request.session_id == SessionId::NONE {
            self.begin_session(id, timeout_ms);
            return Ok(());
        }
        let proof = request.password.unwrap_or_default();
        self.registry.count(measured::CONNECTIONS_REVALIDATED, 1);
        let granted = self.resume_session(id, request.session_id, &proof, timeout_ms);
        if !granted {
            tracing::info!(target: SERVER, "Invalid session {}, probably expired", request.session_id);
        }
        self.connected(id, granted);
        Ok(())
    }

    /// A request of a client that has its session.
    ///
    /// `refused`: it has waited too long and is only answered.
    pub(crate) fn on_request(
        &mut self,
        id: WatcherId,
        frame: Bytes,
        received: Tick,
        refused: bool,
    ) -> Result<(), DecodeError> {
        let bytes = frame.len();
        let mut reader = Reader::new(frame);
        let RequestHeader { xid, op } = RequestHeader::read(&mut reader)?;
        self.count_request();
        if let Some(client) = self.clients.get(&id) {
            self.expiry.touch(client.session, received);
        }
        if self.lacks_authentication(id, op) {
            self.refuse(id, xid, Zxid(0), ErrorCode::SessionClosedRequireSaslAuth, received);
            return Ok(());
        }
        if refused && op != OpCode::CloseSession.code() {
            self.ask(id, xid, Ask::Fail(ErrorCode::ThrottledOp), received, bytes);
            return Ok(());
        }
        let op = match OpCode::from_code(op) {
            // `check` is an operation of a multi only; logged alone, it would keep Apache's server from starting.
            None | Some(OpCode::Notification | OpCode::CreateSession | OpCode::Error | OpCode::Check) => {
                self.ask(id, xid, Ask::Unknown, received, bytes);
                return Ok(());
            }
            Some(op) => op,
        };
        match op {
            OpCode::Ping => self.pong(id, received),
            OpCode::Auth => self.authenticate(id, xid, &AuthPacket::read(&mut reader)?, received),
            OpCode::CloseSession => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.deaf = true;
                }
                self.close_session(id, xid, received, bytes);
            }
            OpCode::Sasl => {
                let SaslRequest { token } = SaslRequest::read(&mut reader)?;
                self.answer_sasl(id, xid, token.as_ref(), received);
            }
            // Containers are deleted by the server itself; from a client, Apache finds no path in it.
            OpCode::DeleteContainer => self.write(id, xid, op, Write::Refused(ErrorCode::BadArguments), bytes),
            op => match Request::read(op, &mut reader) {
                Ok(Some(request)) if is_write(&request) => {
                    self.write(id, xid, op, Write::Request(&request), bytes);
                }
                Ok(Some(request)) => self.ask(id, xid, Ask::Read(request), received, bytes),
                // Apache takes a zxid before it reads what is to be written, so the failure is logged.
                Err(_) if writes(op) => {
                    self.write(id, xid, op, Write::Refused(ErrorCode::MarshallingError), bytes);
                }
                Ok(None) | Err(_) => self.ask(id, xid, Ask::Fail(ErrorCode::MarshallingError), received, bytes),
            },
        }
        Ok(())
    }

    /// Answers now, or when the client's earlier writes are done.
    fn ask(&mut self, id: WatcherId, xid: i32, ask: Ask, received: Tick, bytes: usize) {
        let not_before = match &ask {
            Ask::Read(Request::Sync(_)) => self.wait_for_all(id),
            _ => Zxid(0),
        };
        let applied = self.state.last_zxid();
        let Some(client) = self.clients.get_mut(&id) else { return };
        if matches!(ask, Ask::Unknown) {
            client.deaf = true;
        }
        if client.queue.is_empty() && not_before <= applied {
            self.answer(id, xid, ask, received);
        } else {
            self.push(id, Slot::Read(Queued { xid, ask, received, bytes, not_before }));
        }
    }

    /// Does the client need an id that it has not (`enforce.auth.schemes`)?
    fn lacks_authentication(&self, id: WatcherId, op: i32) -> bool {
        let Some(required) = &self.config.required_schemes else { return false };
        let proves = [OpCode::Auth, OpCode::Sasl].iter().any(|proof| proof.code() == op);
        let Some(client) = self.clients.get(&id).filter(|_| !proves) else { return false };
        let lacks = !client.ids.iter().any(|id| required.contains(&id.scheme));
        if lacks {
            let has: Vec<&str> = client.ids.iter().map(|id| id.scheme.as_str()).collect();
            tracing::error!(
                target: "org.apache.zookeeper.server.AuthenticationHelper",
                "Client authentication scheme(s) [{}] does not match with any of the expected authentication scheme [{}], closing session.",
                has.join(", "), required.join(", ")
            );
        }
        lacks
    }

    /// Under the xid that clients give to pings, whatever this one has.
    fn pong(&mut self, id: WatcherId, received: Tick) {
        let xid = xid::PING;
        let zxid = self.state.last_zxid();
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.figures.last_op = op_name(OpCode::Ping);
        let bytes = Replies(&mut client.out).response(xid, zxid, &Response::Empty);
        self.count_reply(id, xid, zxid, received, bytes);
    }

    /// One token of a SASL exchange. Without SASL there is an empty answer, and the client stays who it was; without a
    /// token Apache's server closes the connection.
    fn answer_sasl(&mut self, id: WatcherId, xid: i32, token: Option<&Bytes>, received: Tick) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(token) = token else {
            client.dead = true;
            return;
        };
        let step = match client.sasl.as_mut().zip(self.sasl_users.as_ref()) {
            Some((exchange, users)) => sasl::step(exchange, users, token, &java_address(client.peer)),
            None => Step::Kept,
        };
        let answer = match step {
            Step::Answer(answer) => Some(answer),
            Step::LoggedIn(answer, ids) => {
                for id in &ids {
                    let session = client.session;
                    tracing::info!(target: SERVER, "Session {session}: adding SASL authorization for {}: {}", id.scheme, id.id);
                }
                client.ids.extend(ids);
                Some(answer)
            }
            Step::Kept => None,
            Step::Refused(required) => {
                let code = if required { ErrorCode::SessionClosedRequireSaslAuth } else { ErrorCode::AuthFailed };
                self.figures.auth_failed += 1;
                let none = Response::Sasl(SaslResponse { token: None });
                let bytes = Replies(&mut client.out).error_with(xid, code, &none);
                client.deaf = true;
                client.closing = true;
                self.count_reply(id, xid, Zxid(0), received, bytes);
                return;
            }
        };
        let response = Response::Sasl(SaslResponse { token: answer });
        let bytes = Replies(&mut client.out).response(xid, Zxid(0), &response);
        self.count_reply(id, xid, Zxid(0), received, bytes);
    }

    fn authenticate(&mut self, id: WatcherId, xid: i32, packet: &AuthPacket, received: Tick) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let scheme = packet.scheme.as_deref().unwrap_or_default();
        let proof = packet.auth.as_deref().unwrap_or_default();
        match self.authenticator.authenticate(scheme, proof, &java_host(client.peer.ip())) {
            Ok(ids) => {
                for id in ids {
                    if !client.ids.contains(&id) {
                        client.ids.push(id);
                    }
                }
                let bytes = Replies(&mut client.out).response(xid, Zxid(0), &Response::Empty);
                self.count_reply(id, xid, Zxid(0), received, bytes);
            }
            Err(AuthRefusal::Failed) => {
                tracing::warn!(target: SERVER, "Authentication failed for scheme: {scheme}");
                self.figures.auth_failed += 1;
                self.refuse(id, xid, Zxid(0), ErrorCode::AuthFailed, received);
            }
            Err(AuthRefusal::WrongEnsemble) => {
                tracing::warn!(
                    target: "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider",
                    "Unexpected ensemble name: ensemble name: {} client ip: {}",
                    String::from_utf8_lossy(proof), java_host(client.peer.ip())
                );
                client.dead = true;
            }
        }
    }

    /// Answers a request whose turn it is.
    pub(crate) fn answer(&mut self, id: WatcherId, xid: i32, ask: Ask, received: Tick) {
        let zxid = self.state.last_zxid();
        let request = match ask {
            Ask::Read(request) => request,
            Ask::Fail(code) => return self.fail(id, xid, code, received),
            Ask::Unknown => return self.refuse(id, xid, Zxid::NONE, ErrorCode::Unimplemented, received),
        };
        let Some(client) = self.clients.get(&id) else { return };
        let session = client.session;
        if !self.state.sessions().contains(session) || self.pending.is_closing(session) {
            return self.fail(id, xid, ErrorCode::SessionExpired, received);
        }
        let op = request.op();
        match self.read(id, xid, request) {
            Ok(bytes) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.figures.last_op = op_name(op);
                }
                let latency = self.count_reply(id, xid, zxid, received, bytes);
                self.registry.add(measured::READ_LATENCY, latency);
            }
            Err(code) => self.fail(id, xid, code, received),
        }
    }

    fn fail(&mut self, id: WatcherId, xid: i32, code: ErrorCode, received: Tick) {
        let zxid = self.state.last_zxid();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let bytes = Replies(&mut client.out).error(xid, zxid, code);
        self.count_reply(id, xid, zxid, received, bytes);
    }

    /// Appends the reply to a read; its length.
    fn read(&mut self, id: WatcherId, xid: i32, request: Request) -> Result<usize, ErrorCode> {
        let zxid = self.state.last_zxid();
        let rules = self.rules;
        let client = self.clients.get_mut(&id).ok_or(ErrorCode::ConnectionLoss)?;
        let session = client.session;
        let view = View { state: &self.state, rules, ids: &client.ids };
        let mut replies = Replies(&mut client.out);
        let (watches, registry) = (&mut self.watches, &mut self.registry);
        let mut watch = |path: &str, wanted: bool, kind| {
            if wanted {
                watches.add(path, id, kind);
            }
        };
        let response = match request {
            Request::Exists(request) => {
                let node = view.exists(&request.path)?;
                watch(&request.path, request.watch, WatchKinds::DATA);
                let stat = node.ok_or(ErrorCode::NoNode)?.stat();
                registry.read_at(&request.path, 0);
                Response::Exists(zk_proto::ops::ExistsResponse { stat })
            }
            Request::GetData(request) => {
                let node = view.get(&request.path)?;
                watch(&request.path, request.watch, WatchKinds::DATA);
                registry.read_at(&request.path, node.data().map_or(0, <[u8]>::len));
                return Ok(replies.data(xid, zxid, node));
            }
            Request::GetChildren(request) => {
                let node = view.get(&request.path)?;
                watch(&request.path, request.watch, WatchKinds::CHILD);
                let bytes = replies.children(xid, zxid, node, None);
                registry.read_at(&request.path, names_in(bytes, node));
                return Ok(bytes);
            }
            Request::GetChildren2(request) => {
                let node = view.get(&request.path)?;
                watch(&request.path, request.watch, WatchKinds::CHILD);
                let bytes = replies.children(xid, zxid, node, Some(node.stat()));
                registry.read_at(&request.path, names_in(bytes, node).saturating_sub(STAT_BYTES));
                return Ok(bytes);
            }
            Request::GetAcl(request) => {
                let (node, acl) = view.acl(&request.path)?;
                Response::GetAcl(GetAclResponse { acl, stat: node.stat() })
            }
            Request::Sync(request) => Response::Sync(SyncResponse { path: request.path }),
            Request::MultiRead(ops) => Response::Multi(ops.into_iter().map(|op| read_op(view, &op)).collect()),
            Request::GetEphemerals(request) => {
                let ephemerals = view.ephemerals(session, request.prefix_path.trim());
                Response::GetEphemerals(GetEphemeralsResponse { ephemerals })
            }
            Request::GetAllChildrenNumber(request) => {
                let total_number = view.all_children_number(&request.path)?;
                Response::GetAllChildrenNumber(GetAllChildrenNumberResponse { total_number })
            }
            Request::WhoAmI => Response::WhoAmI(who_is(&client.ids)),
            Request::SetWatches(request) => return Ok(self.set_watches(id, xid, &request.into())),
            Request::SetWatches2(request) => return Ok(self.set_watches(id, xid, &request)),
            request => watch_request(watches, id, &request)?,
        };
        Ok(replies.response(xid, zxid, &response))
    }

    /// Tells a client that came back what it missed, then answers.
    fn set_watches(&mut self, id: WatcherId, xid: i32, old: &SetWatches2) -> usize {
        let zxid = self.state.last_zxid();
        let rules = self.rules;
        let Some(client) = self.clients.get_mut(&id) else { return 0 };
        let (mut notices, mut bytes) = (0, 0);
        self.watches.set_again(&self.state, id, old, |notice| {
            bytes += client.notify(rules, notice.kind, notice.path, notice.acl);
            notices += 1;
        });
        self.figures.sent += notices;
        self.registry.count(measured::WATCH_BYTES, bytes);
        Replies(&mut client.out).response(xid, zxid, &Response::Empty)
    }
}

/// Bytes of a stat on the wire.
const STAT_BYTES: usize = 68;

/// Bytes of the names in a reply of so many: without its length, its header, their count and their lengths.
fn names_in(reply: usize, node: NodeRef<'_>) -> usize {
    reply.saturating_sub(4 + 16 + 4 + 4 * node.child_count())
}

/// Who the client is, as `whoAmI` tells it.
fn who_is(ids: &[Id]) -> WhoAmIResponse {
    let client_info = ids.iter().map(|id| {
        let user = auth::user_of(&id.scheme, &id.id).to_owned();
        ClientInfo { auth_scheme: id.scheme.clone(), user }
    });
    WhoAmIResponse { client_info: client_info.collect() }
}

/// A request that is about a client's watches and nothing else.
fn watch_request(watches: &mut Watches, id: WatcherId, request: &Request) -> Result<Response, ErrorCode> {
    let found = match request {
        Request::AddWatch(AddWatchRequest { path, mode }) => {
            let kind = match mode {
                0 => WatchKinds::PERSISTENT,
                1 => WatchKinds::RECURSIVE,
                _ => return Err(ErrorCode::MarshallingError),
            };
            watches.add(path, id, kind);
            return Ok(Response::AddWatch(ErrorResponse { err: 0 }));
        }
        Request::CheckWatches(request) => watches.has(&request.path, id, kinds_of(request.kind)?),
        Request::RemoveWatches(request) => watches.remove(&request.path, id, kinds_of(request.kind)?),
        _ => return Err(ErrorCode::Unimplemented),
    };
    if found { Ok(Response::Empty) } else { Err(ErrorCode::NoWatcher) }
}

/// One operation of a multiRead; each fails alone. Apache drops the wish for a watch when it takes the request apart.
fn read_op(view: View<'_>, op: &MultiOp) -> MultiResult {
    let result = match op {
        MultiOp::GetData(request) => view
            .get(&request.path)
            .map(|node| MultiResult::GetData { data: node.data().map(Bytes::copy_from_slice), stat: node.stat() }),
        MultiOp::GetChildren(request) => {
            view.get(&request.path).map(|node| MultiResult::GetChildren(node.children().map(str::to_owned).collect()))
        }
        _ => Err(ErrorCode::MarshallingError),
    };
    result.unwrap_or_else(MultiResult::Error)
}

/// Does an operation of this kind take a zxid?
fn writes(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Multi
            | OpCode::Reconfig
    )
}

/// The kinds that `checkWatches` and `removeWatches` name by number.
fn kinds_of(kind: i32) -> Result<WatchKinds, ErrorCode> {
    Ok(match kind {
        1 => WatchKinds::CHILD,
        2 => WatchKinds::DATA,
        3 => WatchKinds::ANY,
        4 => WatchKinds::PERSISTENT,
        5 => WatchKinds::RECURSIVE,
        _ => return Err(ErrorCode::MarshallingError),
    })
}
