//! Transactions: several writes that happen together or not at all.

use bytes::Bytes;
use zk_proto::ops::{CheckVersionRequest, CreateRequest, DeleteRequest, SetDataRequest};
use zk_proto::{Acl, CreateMode, ErrorCode, MultiOp, MultiResult, Stat};

use crate::Error;
use crate::path::{self, Chroot};

/// One operation of [`Client::multi`](crate::Client::multi).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Create a znode.
    Create {
        /// Where.
        path: String,
        /// Content; null is not empty.
        data: Option<Bytes>,
        /// Who may do what.
        acl: Vec<Acl>,
        /// Which kind; those with a time to live are not possible here.
        mode: CreateMode,
    },
    /// Delete a znode.
    Delete {
        /// Which.
        path: String,
        /// Expected version, -1 for any.
        version: i32,
    },
    /// Set a znode's data.
    Set {
        /// Which.
        path: String,
        /// Content; null is not empty.
        data: Option<Bytes>,
        /// Expected version, -1 for any.
        version: i32,
    },
    /// Do nothing, but let all fail unless the znode has this version.
    Check {
        /// Which.
        path: String,
        /// Expected version, -1 for any.
        version: i32,
    },
}

/// What came of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// Created, under this path.
    Created(String),
    /// Deleted.
    Deleted,
    /// Set; the znode's counters after it.
    Set(Stat),
    /// The version was the expected one.
    Checked,
    /// Nothing happened, to any znode: this operation failed with this code, or another one did, and then this is
    /// [`ErrorCode::Ok`] before it and [`ErrorCode::RuntimeInconsistency`] behind it.
    Failed(ErrorCode),
}

impl OpResult {
    /// The reason for which a whole transaction failed: the first code that is one. `None` if it succeeded.
    pub fn failure(results: &[OpResult]) -> Option<(usize, ErrorCode)> {
        let codes = results.iter().enumerate().filter_map(|(at, result)| match result {
            OpResult::Failed(code) => Some((at, *code)),
            _ => None,
        });
        codes.clone().find(|(_, code)| !code.is_ok()).or_else(|| codes.clone().next())
    }
}

impl Op {
    pub(crate) fn into_wire(self, chroot: &Chroot) -> Result<MultiOp, Error> {
        let sequential = matches!(&self, Op::Create { mode, .. } if mode.is_sequential());
        let (Op::Create { path: at, .. }
        | Op::Delete { path: at, .. }
        | Op::Set { path: at, .. }
        | Op::Check { path: at, .. }) = &self;
        path::check(at, sequential)?;
        let at = chroot.prepend(at);
        Ok(match self {
            Op::Create { data, acl, mode, .. } => {
                let request = CreateRequest { path: at, data, acl, flags: mode.flags() };
                if mode.is_container() { MultiOp::CreateContainer(request) } else { MultiOp::Create(request) }
            }
            Op::Delete { version, .. } => MultiOp::Delete(DeleteRequest { path: at, version }),
            Op::Set { data, version, .. } => MultiOp::SetData(SetDataRequest { path: at, data, version }),
            Op::Check { version, .. } => MultiOp::Check(CheckVersionRequest { path: at, version }),
        })
    }
}

impl OpResult {
    pub(crate) fn from_wire(result: MultiResult, chroot: &Chroot) -> Result<OpResult, Error> {
        Ok(match result {
            MultiResult::Create(path) | MultiResult::Create2 { path, .. } => OpResult::Created(chroot.strip(path)),
            MultiResult::Delete => OpResult::Deleted,
            MultiResult::SetData(stat) => OpResult::Set(stat),
            MultiResult::Check => OpResult::Checked,
            MultiResult::Error(code) => OpResult::Failed(code),
            MultiResult::GetData { .. } | MultiResult::GetChildren(_) => return Err(Error::UnexpectedReply),
        })
    }
}
