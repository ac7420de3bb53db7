//! Request and session to transaction: decides, changes nothing but the overlay of what is pending.
//!
//! Checks stand in Apache's order, because clients see the first that fails. A request that fails becomes a transaction
//! too (type -1) and takes a zxid.

use std::sync::Arc;

use bytes::Bytes;
use time_types::WallMillis;
use zk_proto::ops::{CheckVersionRequest, CreateRequest, DeleteRequest, SetAclRequest, SetDataRequest};
use zk_proto::txn::{
    CheckVersionTxn, CreateContainerTxn, CreateSessionTxn, CreateTtlTxn, CreateTxn, DIGEST_VERSION, DeleteTxn,
    SetAclTxn, SetDataTxn,
};
use zk_proto::{
    Acl, CreateMode, ErrorCode, Id, LoggedTxn, MultiOp, OpCode, Permissions, Request, SessionId, StatPersisted, Txn,
    TxnDigest, TxnHeader, Zxid,
};

use crate::acl;
use crate::auth::Schemes;
use crate::digest;
use crate::node::{NodeKind, TTL_MAX};
use crate::path;
use crate::pending::{Mark, Pending, Planned};
use crate::state::ZkState;

/// Rules that the configuration sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// ACLs are not looked at (`skipACL=yes`).
    pub skip_acl: bool,
    /// Znodes with a time to live are allowed (`extendedTypesEnabled`).
    pub extended_types: bool,
    /// Transactions carry the tree's digest (`digest.enabled`).
    pub digest: bool,
    /// Limits of quotas are held to (`enforceQuota`).
    pub enforce_quota: bool,
    /// The transaction that ends a session lists its znodes (`closeSessionTxn.enabled`).
    pub list_ephemerals: bool,
    /// Somebody may ask for another membership (`reconfigEnabled`); a server alone has none to give.
    pub reconfig: bool,
    /// Schemes that ACLs may name.
    pub schemes: Schemes,
    /// Bytes that a transaction's record may have. Apache reads none back that is longer than `jute.maxbuffer` and its
    /// `extrasize` together, so none is made.
    pub record_max: usize,
}

/// Header and digest of a transaction, which count as well.
pub const AROUND_RECORD: usize = 44;
/// Type and length of a part of a multi.
const PART: usize = 8;

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            skip_acl: false,
            extended_types: false,
            digest: true,
            enforce_quota: false,
            list_ephemerals: true,
            reconfig: false,
            schemes: Schemes::default(),
            record_max: 2 * 0xf_ffff - AROUND_RECORD,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The session; 0 for the server itself.
    pub session: SessionId,
    /// The request's xid.
    pub cxid: i32,
    /// The ids of the connection.
    pub ids: &'a [Id],
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Write<'a> {
    /// A client's request that changes something, see [`is_write`].
    Request(&'a Request),
    /// A new session with this timeout in milliseconds.
    CreateSession(i32),
    /// The end of the session: the client says so, or its time is over.
    CloseSession,
    /// The deletion of an ephemeral znode whose session is being closed, see [`ZkState::surplus_of_close`].
    DeleteOwned(&'a str),
    /// A request that failed before it came here and takes a zxid all the same.
    Refused(ErrorCode),
}

/// Does the request go through [`ZkState::prepare`]?
pub fn is_write(request: &Request) -> bool {
    matches!(
        request,
        Request::Create(_)
            | Request::Create2(_)
            | Request::CreateContainer(_)
            | Request::CreateTtl(_)
            | Request::Delete(_)
            | Request::DeleteContainer(_)
            | Request::SetData(_)
            | Request::SetAcl(_)
            | Request::Multi(_)
            | Request::Reconfig(_)
    )
}

/// Bytes of paths that a closeSession lists at most. Apache reads no transaction above 2 MiB back from its log.
const CLOSE_BYTES_MAX: usize = 1 << 20;

impl ZkState {
    /// Ephemeral znodes of a session that are to be deleted by transactions of their own ([`Write::DeleteOwned`])
    /// before it is closed, because one closeSession could not list all. Empty for nearly every session.
    pub fn surplus_of_close(&self, pending: &Pending, session: SessionId) -> Vec<String> {
        let listed = |path: &str| 4 + path.len();
        let stored: usize = self.tree().ephemerals_of(session).map(listed).sum();
        if stored + pending.owned_bytes(session) <= CLOSE_BYTES_MAX {
            return Vec::new();
        }
        let paths = pending.ephemerals_of(self, session);
        let mut bytes: usize = paths.iter().map(|path| listed(path)).sum();
        let surplus = paths.into_iter().take_while(|path| {
            let before = bytes;
            bytes = bytes.saturating_sub(listed(path));
            before > CLOSE_BYTES_MAX
        });
        surplus.collect()
    }

    /// The transaction for what is asked. It is to be logged, and applied in the order of the zxids.
    pub fn prepare(
        &self,
        pending: &mut Pending,
        rules: Rules,
        asker: Asker<'_>,
        write: Write<'_>,
        now: WallMillis,
    ) -> LoggedTxn {
        let zxid = pending.next_zxid();
        let mut preparer = Preparer { state: self, pending, rules, asker, zxid, time: now.0, mark: None, spent: 0 };
        let txn = preparer.write(write).unwrap_or_else(Txn::Error);
        let header = TxnHeader { client_id: asker.session, cxid: asker.cxid, zxid, time: now.0, op: txn.op().code() };
        let digest = (rules.digest && !matches!(txn, Txn::Error(_)))
            .then(|| TxnDigest { version: DIGEST_VERSION, tree_digest: preparer.pending.digest(self).0 });
        LoggedTxn { header, txn, digest }
    }
}

/// Bytes of a list in a record.
fn acl_len(acls: &[Acl]) -> usize {
    acls.iter().fold(4, |sum, acl| sum + 12 + acl.id.scheme.len() + acl.id.id.len())
}

struct Preparer<'a> {
    state: &'a ZkState,
    pending: &'a mut Pending,
    rules: Rules,
    asker: Asker<'a>,
    zxid: Zxid,
    time: i64,
    /// Within a multi: what to undo.
    mark: Option<Mark>,
    /// Bytes of the record so far.
    spent: usize,
}

/// A create of any kind.
struct Create<'a> {
    op: OpCode,
    path: &'a str,
    data: &'a Option<Bytes>,
    acl: &'a [Acl],
    flags: i32,
    ttl: Option<i64>,
}

impl<'a> Create<'a> {
    fn of(op: OpCode, request: &'a CreateRequest) -> Create<'a> {
        let CreateRequest { path, data, acl, flags } = request;
        Create { op, path, data, acl, flags: *flags, ttl: None }
    }
}

impl Preparer<'_> {
    fn write(&mut self, write: Write<'_>) -> Result<Txn, ErrorCode> {
        match write {
            Write::Request(request) => self.request(request),
            Write::CreateSession(timeout_ms) => {
                self.pending.open_session(self.asker.session, self.zxid);
                Ok(Txn::CreateSession(CreateSessionTxn { timeout_ms }))
            }
            Write::CloseSession => Ok(self.close_session()),
            Write::DeleteOwned(path) => self.delete_owned(path),
            Write::Refused(code) => Err(code),
        }
    }

    fn request(&mut self, request: &Request) -> Result<Txn, ErrorCode> {
        match request {
            Request::Create(create) => self.create(&Create::of(OpCode::Create, create)),
            Request::Create2(create) => self.create(&Create::of(OpCode::Create2, create)),
            Request::CreateContainer(create) => self.create(&Create::of(OpCode::CreateContainer, create)),
            Request::CreateTtl(create) => self.create(&Create {
                op: OpCode::CreateTtl,
                path: &create.path,
                data: &create.data,
                acl: &create.acl,
                flags: create.flags,
                ttl: Some(create.ttl),
            }),
            Request::Delete(delete) => self.delete(delete),
            Request::DeleteContainer(path) => self.delete_container(&String::from_utf8_lossy(path)),
            Request::SetData(set) => self.set_data(set),
            Request::SetAcl(set) => self.set_acl(set),
            Request::Check(check) => self.check(check),
            Request::Multi(ops) => Ok(self.multi(ops)),
            Request::Reconfig(_) if !self.rules.reconfig => Err(ErrorCode::ReconfigDisabled),
            // Membership is that of one server.
            Request::Reconfig(_) => self.check_session().and(Err(ErrorCode::Unimplemented)),
            _ => Err(ErrorCode::Unimplemented),
        }
    }

    fn multi(&mut self, ops: &[MultiOp]) -> Txn {
        self.mark = Some(self.pending.mark());
        let mut failed = false;
        let parts = ops.iter().map(|op| {
            if failed {
                return Txn::Error(ErrorCode::RuntimeInconsistency);
            }
            self.multi_op(op).unwrap_or_else(|code| {
                failed = true;
                if let Some(mark) = self.mark.take() {
                    self.pending.roll_back(mark);
                }
                Txn::Error(code)
            })
        });
        let parts = parts.collect();
        self.mark = None;
        Txn::Multi(parts)
    }

    fn multi_op(&mut self, op: &MultiOp) -> Result<Txn, ErrorCode> {
        match op {
            MultiOp::Create(create) => self.create(&Create::of(OpCode::Create, create)),
            MultiOp::Create2(create) => self.create(&Create::of(OpCode::Create2, create)),
            MultiOp::CreateContainer(create) => self.create(&Create::of(OpCode::CreateContainer, create)),
            MultiOp::CreateTtl(create) => self.create(&Create {
                op: OpCode::CreateTtl,
                path: &create.path,
                data: &create.data,
                acl: &create.acl,
                flags: create.flags,
                ttl: Some(create.ttl),
            }),
            MultiOp::Delete(delete) => self.delete(delete),
            MultiOp::SetData(set) => self.set_data(set),
            MultiOp::Check(check) => self.check(check),
            MultiOp::GetData(_) | MultiOp::GetChildren(_) => Err(ErrorCode::MarshallingError),
        }
    }

    fn create(&mut self, create: &Create<'_>) -> Result<Txn, ErrorCode> {
        let mode = CreateMode::from_flags(create.flags).ok_or(ErrorCode::BadArguments)?;
        self.check_ttl(mode, create.ttl)?;
        self.check_session()?;
        let (parent_path, _) = path::split(create.path).ok_or(ErrorCode::BadArguments)?;
        if create.path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let acl = acl::fix_up(create.acl, self.asker.ids, self.rules.schemes)?;
        let mut parent = self.existing(parent_path)?;
        self.check_acl(&parent.acl, Permissions::CREATE)?;
        let mut path = create.path.to_owned();
        if mode.is_sequential() {
            // Java's `%010d`: the sign takes one of the ten places.
            path = format!("{path}{:010}", parent.stat.cversion);
        }
        path::validate(&path).map_err(|_| ErrorCode::BadArguments)?;
        if self.pending.planned(self.state, &path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if matches!(self.state.tree().kind_of(parent.stat.ephemeral_owner), NodeKind::Ephemeral(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let data_len = create.data.as_ref().map_or(0, Bytes::len);
        self.check_quota(&path, 1, data_len as i64)?;
        self.spend(path.len() + data_len + acl_len(&acl) + 21)?;
        let parent_was = parent.digest();
        parent.stat.cversion = parent.stat.cversion.wrapping_add(1);
        parent.stat.pzxid = self.zxid;
        parent.children += 1;
        let parent_cversion = parent.stat.cversion;
        self.plan(parent_path, Some(parent_was), Some(parent));
        let data = create.data.clone();
        // What the transaction's type says, apply will make; the flags only chose the name and whose it is.
        let (txn, kind) = match create.op {
            OpCode::CreateContainer => {
                let txn = CreateContainerTxn { path: path.clone(), data, acl: acl.clone(), parent_cversion };
                (Txn::CreateContainer(txn), NodeKind::Container)
            }
            OpCode::CreateTtl => {
                let ttl = create.ttl.unwrap_or_default();
                let txn = CreateTtlTxn { path: path.clone(), data, acl: acl.clone(), parent_cversion, ttl };
                (Txn::CreateTtl(txn), NodeKind::Ttl(ttl))
            }
            op => {
                let ephemeral = mode.is_ephemeral();
                let txn = CreateTxn { path: path.clone(), data, acl: acl.clone(), ephemeral, parent_cversion };
                let kind = if ephemeral { NodeKind::Ephemeral(self.asker.session) } else { NodeKind::Persistent };
                (if op == OpCode::Create2 { Txn::Create2(txn) } else { Txn::Create(txn) }, kind)
            }
        };
        let stat = StatPersisted {
            czxid: self.zxid,
            mzxid: self.zxid,
            pzxid: self.zxid,
            ctime: self.time,
            mtime: self.time,
            ephemeral_owner: kind.owner(),
            ..StatPersisted::default()
        };
        let content = digest::content(&path, create.data.as_deref());
        self.plan(&path, None, Some(Planned { stat, children: 0, acl: acl.into(), content, data_len }));
        Ok(txn)
    }

    fn check_ttl(&self, mode: CreateMode, ttl: Option<i64>) -> Result<(), ErrorCode> {
        if mode.is_ttl() && !self.rules.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        match (mode.is_ttl(), ttl) {
            (true, Some(1..=TTL_MAX)) | (false, None) => Ok(()),
            _ => Err(ErrorCode::BadArguments),
        }
    }

    fn delete(&mut self, request: &DeleteRequest) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        let (parent_path, parent) = self.parent_of_deletable(&request.path)?;
        self.check_acl(&parent.acl, Permissions::DELETE)?;
        let node = self.existing(&request.path)?;
        next_version(node.stat.version, request.version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.spend(request.path.len() + 4)?;
        self.plan_delete(parent_path, parent, &request.path, Some(node.digest()));
        Ok(Txn::Delete(DeleteTxn { path: request.path.clone() }))
    }

    fn delete_container(&mut self, path: &str) -> Result<Txn, ErrorCode> {
        let (parent_path, parent) = self.parent_of_deletable(path)?;
        let node = self.existing(path)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        if matches!(self.state.tree().kind_of(node.stat.ephemeral_owner), NodeKind::Ephemeral(_)) {
            return Err(ErrorCode::BadVersion);
        }
        self.plan_delete(parent_path, parent, path, Some(node.digest()));
        Ok(Txn::DeleteContainer(DeleteTxn { path: path.to_owned() }))
    }

    /// Nobody's permission is asked: the session that owns it is over.
    fn delete_owned(&mut self, path: &str) -> Result<Txn, ErrorCode> {
        let (parent_path, parent) = self.parent_of_deletable(path)?;
        let node = self.existing(path)?;
        if node.stat.ephemeral_owner != self.asker.session.0 {
            return Err(ErrorCode::NoNode);
        }
        self.plan_delete(parent_path, parent, path, Some(node.digest()));
        Ok(Txn::Delete(DeleteTxn { path: path.to_owned() }))
    }

    fn parent_of_deletable<'p>(&self, path: &'p str) -> Result<(&'p str, Planned), ErrorCode> {
        let (parent_path, _) = path::split(path).ok_or(ErrorCode::BadArguments)?;
        if path.contains('\0') || path::is_special(path) {
            return Err(ErrorCode::BadArguments);
        }
        Ok((parent_path, self.existing(parent_path)?))
    }

    fn plan_delete(&mut self, parent_path: &str, mut parent: Planned, path: &str, was: Option<u32>) {
        let parent_was = parent.digest();
        parent.children = parent.children.saturating_sub(1);
        parent.stat.pzxid = self.zxid;
        self.plan(parent_path, Some(parent_was), Some(parent));
        self.plan(path, was, None);
    }

    fn set_data(&mut self, request: &SetDataRequest) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        let mut node = self.valid_existing(&request.path)?;
        self.check_acl(&node.acl, Permissions::WRITE)?;
        let data_len = request.data.as_ref().map_or(0, Bytes::len);
        self.check_quota(path::stored(&request.path), 0, data_len as i64 - node.data_len as i64)?;
        let version = next_version(node.stat.version, request.version)?;
        self.spend(request.path.len() + data_len + 12)?;
        let was = node.digest();
        node.data_len = data_len;
        node.stat.version = version;
        node.stat.mtime = self.time;
        node.stat.mzxid = self.zxid;
        node.content = digest::content(path::stored(&request.path), request.data.as_deref());
        self.plan(&request.path, Some(was), Some(node));
        Ok(Txn::SetData(SetDataTxn { path: request.path.clone(), data: request.data.clone(), version }))
    }

    fn set_acl(&mut self, request: &SetAclRequest) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        path::validate(&request.path).map_err(|_| ErrorCode::BadArguments)?;
        let acl = acl::fix_up(&request.acl, self.asker.ids, self.rules.schemes)?;
        let mut node = self.existing(&request.path)?;
        self.check_acl(&node.acl, Permissions::ADMIN)?;
        let version = next_version(node.stat.aversion, request.version)?;
        self.spend(request.path.len() + acl_len(&acl) + 8)?;
        let was = node.digest();
        node.stat.aversion = version;
        node.acl = Arc::from(acl.as_slice());
        self.plan(&request.path, Some(was), Some(node));
        Ok(Txn::SetAcl(SetAclTxn { path: request.path.clone(), acl, version }))
    }

    fn check(&mut self, request: &CheckVersionRequest) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        let node = self.valid_existing(&request.path)?;
        self.check_acl(&node.acl, Permissions::READ)?;
        let version = next_version(node.stat.version, request.version)?;
        self.spend(request.path.len() + 8)?;
        Ok(Txn::Check(CheckVersionTxn { path: request.path.clone(), version }))
    }

    /// No session check: the server itself closes expired sessions, and to close twice does no harm.
    fn close_session(&mut self) -> Txn {
        let paths = self.pending.ephemerals_of(self.state, self.asker.session);
        for path in &paths {
            self.plan_end(path);
        }
        self.pending.close_session(self.asker.session, self.zxid);
        Txn::CloseSession(self.rules.list_ephemerals.then_some(paths))
    }

    fn plan_end(&mut self, path: &str) {
        let parent = path::split(path).and_then(|(parent, _)| Some((parent, self.existing(parent).ok()?)));
        if let Some((parent_path, parent)) = parent {
            let was = self.existing(path).ok().map(|node| node.digest());
            self.plan_delete(parent_path, parent, path, was);
        }
    }

    /// Takes room in the record.
    fn spend(&mut self, bytes: usize) -> Result<(), ErrorCode> {
        let spent = self.spent.saturating_add(bytes).saturating_add(if self.mark.is_some() { PART } else { 0 });
        if spent > self.rules.record_max {
            return Err(ErrorCode::MarshallingError);
        }
        self.spent = spent;
        Ok(())
    }

    fn check_quota(&mut self, path: &str, nodes: i64, bytes: i64) -> Result<(), ErrorCode> {
        if !self.rules.enforce_quota {
            return Ok(());
        }
        let pending = &mut *self.pending;
        self.state.tree().check_quota(path, nodes, bytes, |exceeded| pending.tell_of_quota(exceeded))
    }

    fn check_session(&self) -> Result<(), ErrorCode> {
        let known = self.pending.has_session(self.state, self.asker.session);
        if known { Ok(()) } else { Err(ErrorCode::SessionExpired) }
    }

    fn existing(&self, path: &str) -> Result<Planned, ErrorCode> {
        self.pending.planned(self.state, path).ok_or(ErrorCode::NoNode)
    }

    fn valid_existing(&self, path: &str) -> Result<Planned, ErrorCode> {
        path::validate(path).map_err(|_| ErrorCode::BadArguments)?;
        self.existing(path)
    }

    fn check_acl(&self, acls: &[Acl], wanted: Permissions) -> Result<(), ErrorCode> {
        let allowed = self.rules.skip_acl || acl::allows(acls, wanted, self.asker.ids);
        if allowed { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    /// `before`: [`Planned::digest`] of what was found at `path`.
    fn plan(&mut self, path: &str, before: Option<u32>, node: Option<Planned>) {
        self.pending.plan(self.state, self.zxid, path, (before, node), self.mark.as_mut());
    }
}

/// The version behind `current`, if that is what the client expects (-1: anything).
fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected != -1 && expected != current { Err(ErrorCode::BadVersion) } else { Ok(current.wrapping_add(1)) }
}

#[cfg(test)]
mod tests;
