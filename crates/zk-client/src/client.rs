//! The handle that callers hold.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use properties::grammar::{ConnectString, ConnectStringError, connect_string};
use tokio::sync::{mpsc, oneshot, watch};
use zk_proto::ops::{
    AddWatchRequest, ClientInfo, CreateRequest, CreateTtlRequest, DeleteRequest, ExistsRequest, GetAclRequest,
    GetAllChildrenNumberRequest, GetChildrenRequest, GetDataRequest, GetEphemeralsRequest, ReconfigRequest,
    RemoveWatchesRequest, SetAclRequest, SetDataRequest, SyncRequest,
};
use zk_proto::{Acl, CreateMode, ErrorCode, Request, Response, SessionId, Stat};

use crate::Error;
use crate::auth::Identity;
use crate::connection::{self, Command};
use crate::hosts::Hosts;
use crate::multi::{Op, OpResult};
use crate::path::{self, Chroot};
use crate::security::Security;
use crate::session::{Session, Start};
use crate::watcher::{EventReceiver, WatcherType};

/// How to reach a ZooKeeper.
#[derive(Debug, Clone)]
pub struct Options {
    /// The servers, and the path that all paths of this client lie under.
    pub hosts: ConnectString,
    /// How long the session lives without a sign of this client, in milliseconds; servers keep it within bounds.
    pub session_timeout_ms: u32,
    /// A session that exists already, to be taken over; else a new one is made.
    pub existing: Option<SessionKey>,
    /// Would a server do that has lost the others of its ensemble, and only reads?
    pub read_only: bool,
    /// Decides in which order the servers are tried.
    pub seed: u64,
    /// The longest reply that is read, in bytes.
    pub max_frame_bytes: usize,
    /// TLS and SASL.
    pub security: Security,
}

impl Options {
    /// Options for a connect string (`host:port,host:port/chroot`): a session of 30 s, replies of up to 64 MiB.
    ///
    /// # Errors
    /// When the text is no connect string.
    pub fn new(hosts: &str) -> Result<Options, ConnectStringError> {
        Ok(Options {
            hosts: connect_string(hosts)?,
            session_timeout_ms: 30_000,
            existing: None,
            read_only: false,
            seed: 0,
            max_frame_bytes: 64 << 20,
            security: Security::default(),
        })
    }
}

/// What it takes to come back to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionKey {
    /// The session.
    pub id: SessionId,
    /// Its password.
    pub password: [u8; 16],
    /// Its timeout in milliseconds, as the server has set it.
    pub timeout_ms: u32,
}

/// How it stands with the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no connection (yet, or any more).
    Connecting,
    /// A server serves the session.
    Connected(SessionKey),
    /// The session is over.
    Expired,
    /// The server did not accept an authentication.
    AuthFailed,
    /// [`Client::close`] was called.
    Closed,
}

/// A session with ZooKeeper. Clones share it; when the last one is dropped without [`Client::close`], the connection
/// closes and the session lives on until its time is over.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<State>,
    chroot: Arc<Chroot>,
}

impl Client {
    /// Starts a session, or takes one over, in a task on the current tokio runtime. Returns at once; calls made before
    /// there is a connection wait for the first attempt.
    pub fn connect(options: Options) -> (Client, EventReceiver) {
        let (commands, commands_in) = mpsc::unbounded_channel();
        let (events_out, events) = mpsc::unbounded_channel();
        let (state_out, state) = watch::channel(State::Connecting);
        let chroot = Chroot::new(options.hosts.chroot);
        let session = Session::new(Start {
            hosts: Hosts::new(options.hosts.hosts, options.seed),
            chroot: chroot.clone(),
            timeout_ms: options.session_timeout_ms,
            existing: options.existing,
            read_only: options.read_only,
            login: options.security.login,
        });
        let shell =
            connection::Shell::new(session, options.max_frame_bytes, options.security.tls, events_out, state_out);
        tokio::spawn(shell.run(commands_in));
        (Client { commands, state, chroot: Arc::new(chroot) }, EventReceiver(events))
    }

    /// How it stands with the session now.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// The session, while a server serves it.
    pub fn session(&self) -> Option<SessionKey> {
        match self.state() {
            State::Connected(key) => Some(key),
            _ => None,
        }
    }

    /// Waits until a server serves the session.
    ///
    /// # Errors
    /// [`Error::SessionExpired`], [`Error::AuthFailed`] or [`Error::Closed`] when none ever will.
    pub async fn connected(&self) -> Result<SessionKey, Error> {
        let mut state = self.state.clone();
        loop {
            let path = String::new();
            match *state.borrow_and_update() {
                State::Connected(key) => return Ok(key),
                State::Expired => return Err(Error::SessionExpired { path }),
                State::AuthFailed => return Err(Error::AuthFailed { path }),
                State::Closed => return Err(Error::Closed),
                State::Connecting => {}
            }
            state.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    /// Creates a znode; the result is its path, which for sequential ones ends in the number the server chose.
    pub fn create(&self, path: &str, data: Option<Bytes>, acl: Vec<Acl>, mode: CreateMode) -> Call<String> {
        let request = |path| {
            let request = CreateRequest { path, data, acl, flags: mode.flags() };
            if mode.is_container() { Request::CreateContainer(request) } else { Request::Create(request) }
        };
        self.call_at(path, mode.is_sequential(), request, created)
    }

    /// Creates a znode that the server may delete once it has no children and was not changed for `ttl_ms`.
    pub fn create_ttl(
        &self,
        path: &str,
        data: Option<Bytes>,
        acl: Vec<Acl>,
        sequential: bool,
        ttl_ms: i64,
    ) -> Call<String> {
        let mode = if sequential { CreateMode::PersistentSequentialTtl } else { CreateMode::PersistentTtl };
        let request = |path| Request::CreateTtl(CreateTtlRequest { path, data, acl, flags: mode.flags(), ttl: ttl_ms });
        self.call_at(path, sequential, request, created)
    }

    /// Deletes a znode without children, if it has this version (-1: any).
    pub fn delete(&self, path: &str, version: i32) -> Call<()> {
        self.call_at(path, false, |path| Request::Delete(DeleteRequest { path, version }), empty)
    }

    /// The znode's counters, or `None` if it does not exist. `watch`: tell when it is created, set or deleted.
    pub fn exists(&self, path: &str, watch: bool) -> Call<Option<Stat>> {
        let mut call = self.call_at(
            path,
            false,
            |path| Request::Exists(ExistsRequest { path, watch }),
            |response, _| match response {
                Response::Exists(body) => Ok(Some(body.stat)),
                _ => Err(Error::UnexpectedReply),
            },
        );
        call.missing = Some(|| None);
        call
    }

    /// The znode's data and counters. `watch`: tell when it is set or deleted.
    pub fn get(&self, path: &str, watch: bool) -> Call<(Option<Bytes>, Stat)> {
        self.call_at(path, false, |path| Request::GetData(GetDataRequest { path, watch }), data)
    }

    /// Sets the znode's data, if it has this version (-1: any).
    pub fn set(&self, path: &str, data: Option<Bytes>, version: i32) -> Call<Stat> {
        let request = |path| Request::SetData(SetDataRequest { path, data, version });
        self.call_at(path, false, request, |response, _| match response {
            Response::SetData(body) => Ok(body.stat),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// The names of the znode's children, in any order, and its counters. `watch`: tell when a child is created or
    /// deleted, or the znode itself deleted.
    pub fn children(&self, path: &str, watch: bool) -> Call<(Vec<String>, Stat)> {
        let request = |path| Request::GetChildren2(GetChildrenRequest { path, watch });
        self.call_at(path, false, request, |response, _| match response {
            Response::GetChildren2(body) => Ok((body.children, body.stat)),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// Who may do what with the znode, and its counters.
    pub fn get_acl(&self, path: &str) -> Call<(Vec<Acl>, Stat)> {
        self.call_at(
            path,
            false,
            |path| Request::GetAcl(GetAclRequest { path }),
            |response, _| match response {
                Response::GetAcl(body) => Ok((body.acl, body.stat)),
                _ => Err(Error::UnexpectedReply),
            },
        )
    }

    /// Sets who may do what, if the ACL has this version (-1: any).
    pub fn set_acl(&self, path: &str, acl: Vec<Acl>, version: i32) -> Call<Stat> {
        let request = |path| Request::SetAcl(SetAclRequest { path, acl, version });
        self.call_at(path, false, request, |response, _| match response {
            Response::SetAcl(body) => Ok(body.stat),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// Waits until the server has caught up with its leader.
    pub fn sync(&self, path: &str) -> Call<()> {
        self.call_at(
            path,
            false,
            |path| Request::Sync(SyncRequest { path }),
            |response, _| match response {
                Response::Sync(_) => Ok(()),
                _ => Err(Error::UnexpectedReply),
            },
        )
    }

    /// Does all operations, or none. When one fails, the call still succeeds: its results are then all
    /// [`OpResult::Failed`], see [`OpResult::failure`].
    pub fn multi(&self, ops: Vec<Op>) -> Call<Vec<OpResult>> {
        let ops = ops.into_iter().map(|op| op.into_wire(&self.chroot)).collect::<Result<Vec<_>, _>>();
        self.call(ops.map(Request::Multi), |response, chroot| match response {
            Response::Multi(results) => results.into_iter().map(|result| OpResult::from_wire(result, chroot)).collect(),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// Leaves a watch that stays when it fires: on the znode and its children, or (`recursive`) on all below it.
    pub fn add_watch(&self, path: &str, recursive: bool) -> Call<()> {
        let mode = i32::from(recursive);
        self.call_at(
            path,
            false,
            |path| Request::AddWatch(AddWatchRequest { path, mode }),
            |response, _| match response {
                Response::AddWatch(_) => Ok(()),
                _ => Err(Error::UnexpectedReply),
            },
        )
    }

    /// Removes watches of this session; each kind that was there is told as an event. `local`: this client forgets
    /// them also when no server can be asked.
    pub fn remove_watches(&self, path: &str, which: WatcherType, local: bool) -> Call<()> {
        let kind = which.wire();
        let request = path::check(path, false)
            .map(|()| Request::RemoveWatches(RemoveWatchesRequest { path: self.chroot.prepend(path), kind }));
        let (waiting, reply) = oneshot::channel();
        match request {
            Ok(request) if local => self.submit(Command::ForgetWatches(request, waiting), reply, empty),
            request => self.call(request, empty),
        }
    }

    /// The ensemble's configuration, which stands outside of any chroot, and its counters. `watch`: tell when it
    /// changes.
    pub fn config(&self, watch: bool) -> Call<(Option<Bytes>, Stat)> {
        let request = Request::GetData(GetDataRequest { path: CONFIG_NODE.to_owned(), watch });
        self.call(Ok(request), data)
    }

    /// Changes the ensemble's configuration: servers to add and to remove, or all that are to be in it, as comma
    /// separated lists; `from` is the version that it must have now (-1: any). The result is the new one.
    pub fn reconfigure(
        &self,
        joining: Option<String>,
        leaving: Option<String>,
        members: Option<String>,
        from: i64,
    ) -> Call<(Option<Bytes>, Stat)> {
        let request = Request::Reconfig(ReconfigRequest {
            joining_servers: joining,
            leaving_servers: leaving,
            new_members: members,
            cur_config_id: from,
        });
        self.call(Ok(request), data)
    }

    /// Paths of this session's ephemeral znodes that begin with `prefix`.
    pub fn ephemerals(&self, prefix: &str) -> Call<Vec<String>> {
        let request = |path| Request::GetEphemerals(GetEphemeralsRequest { prefix_path: path });
        self.call_at(prefix, false, request, |response, chroot| match response {
            Response::GetEphemerals(body) => Ok(body.ephemerals.into_iter().map(|path| chroot.strip(path)).collect()),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// How many znodes lie below this one, at any depth.
    pub fn all_children_number(&self, path: &str) -> Call<i32> {
        let request = |path| Request::GetAllChildrenNumber(GetAllChildrenNumberRequest { path });
        self.call_at(path, false, request, |response, _| match response {
            Response::GetAllChildrenNumber(body) => Ok(body.total_number),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// The identities that the server knows this connection by.
    pub fn who_am_i(&self) -> Call<Vec<ClientInfo>> {
        self.call(Ok(Request::WhoAmI), |response, _| match response {
            Response::WhoAmI(body) => Ok(body.client_info),
            _ => Err(Error::UnexpectedReply),
        })
    }

    /// Shows an identity to the server, and to every server this session moves to. The call ends with the first
    /// server's verdict; if that is no, the session cannot be used any more.
    pub fn add_auth(&self, scheme: &str, proof: Bytes) -> Call<()> {
        let (waiting, reply) = oneshot::channel();
        let identity = Identity { scheme: scheme.to_owned(), proof, waiting: Some(waiting) };
        self.submit(Command::Authenticate(identity), reply, empty)
    }

    /// Ends the session: its ephemeral znodes are gone when this returns. Calls made before are answered first.
    pub fn close(&self) -> Call<()> {
        self.call(Ok(Request::CloseSession), empty)
    }

    fn call_at<R>(
        &self,
        path: &str,
        sequential: bool,
        request: impl FnOnce(String) -> Request,
        convert: Convert<R>,
    ) -> Call<R> {
        let request = path::check(path, sequential).map(|()| request(self.chroot.prepend(path)));
        self.call(request, convert)
    }

    fn call<R>(&self, request: Result<Request, Error>, convert: Convert<R>) -> Call<R> {
        let (waiting, reply) = oneshot::channel();
        match request {
            Ok(request) => self.submit(Command::Request(request, waiting), reply, convert),
            Err(error) => Call { reply: Err(Some(error)), convert, missing: None, chroot: Arc::clone(&self.chroot) },
        }
    }

    fn submit<R>(&self, command: Command, reply: Reply, convert: Convert<R>) -> Call<R> {
        // When the task is gone, the sender inside the command is dropped, and the call ends as closed.
        let _ = self.commands.send(command);
        Call { reply: Ok(reply), convert, missing: None, chroot: Arc::clone(&self.chroot) }
    }
}

/// Where the ensemble's configuration is.
const CONFIG_NODE: &str = "/zookeeper/config";

type Reply = oneshot::Receiver<Result<Response, Error>>;
type Convert<R> = fn(Response, &Chroot) -> Result<R, Error>;

fn data(response: Response, _: &Chroot) -> Result<(Option<Bytes>, Stat), Error> {
    match response {
        Response::GetData(body) => Ok((body.data, body.stat)),
        _ => Err(Error::UnexpectedReply),
    }
}

fn created(response: Response, chroot: &Chroot) -> Result<String, Error> {
    match response {
        Response::Create(body) => Ok(chroot.strip(body.path)),
        Response::Create2(body) => Ok(chroot.strip(body.path)),
        _ => Err(Error::UnexpectedReply),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of several conversions, and others can fail")]
fn empty(_: Response, _: &Chroot) -> Result<(), Error> {
    Ok(())
}

/// A call on its way: it was handed over when it was made, so the order of calls is the order of requests, and
/// dropping this does not take it back.
#[derive(Debug)]
#[must_use = "the result of a call says whether it worked"]
pub struct Call<R> {
    reply: Result<Reply, Option<Error>>,
    convert: Convert<R>,
    /// The result when the znode does not exist, where that is no error.
    missing: Option<fn() -> R>,
    chroot: Arc<Chroot>,
}

impl<R> Future for Call<R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.reply {
            Ok(reply) => ready!(Pin::new(reply).poll(context)).unwrap_or(Err(Error::Closed)),
            Err(error) => Err(error.take().expect("a call is not polled again after its end")),
        };
        Poll::Ready(match (result, self.missing) {
            (Ok(response), _) => (self.convert)(response, &self.chroot),
            (Err(Error::Refused { code: ErrorCode::NoNode, .. }), Some(missing)) => Ok(missing()),
            (Err(error), _) => Err(error),
        })
    }
}
