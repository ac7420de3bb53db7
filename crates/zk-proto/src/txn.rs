//! Transactions as they are logged: header, record by type, digest of the tree behind it.
//!
//! Two records have forms of older servers: a create without `parentCVersion` (read as -1, "count up"), and a
//! closeSession without its list of paths (read as `None`, "whatever is registered").

use bytes::Bytes;

use crate::acl::Acl;
use crate::error_code::ErrorCode;
use crate::ids::{SessionId, Zxid};
use crate::jute::{DecodeError, Jute, Reader, Writer, records};
use crate::ops::OpCode;

/// The version of the digest that is in use since 3.6.
pub const DIGEST_VERSION: i32 = 2;

records! {
    /// In front of every transaction (32 bytes).
    #[derive(Copy)]
    TxnHeader {
        /// The session that asked for it.
        client_id: SessionId,
        /// The xid of its request.
        cxid: i32,
        /// The transaction's id.
        zxid: Zxid,
        /// Milliseconds since 1970.
        time: i64,
        /// The op code (`type` in Apache's record).
        op: i32,
    }

    /// The tree's digest after a transaction.
    #[derive(Copy)]
    TxnDigest {
        /// [`DIGEST_VERSION`].
        version: i32,
        /// The sum over all nodes.
        tree_digest: i64,
    }

    /// createContainer.
    CreateContainerTxn {
        /// The new znode.
        path: String,
        /// Its content.
        data: Option<Bytes>,
        /// Who may do what.
        acl: Vec<Acl>,
        /// The parent's count of created children, this one included.
        parent_cversion: i32,
    }

    /// createTTL.
    CreateTtlTxn {
        /// The new znode.
        path: String,
        /// Its content.
        data: Option<Bytes>,
        /// Who may do what.
        acl: Vec<Acl>,
        /// The parent's count of created children, this one included.
        parent_cversion: i32,
        /// Time to live in milliseconds.
        ttl: i64,
    }

    /// delete, deleteContainer.
    DeleteTxn {
        /// The znode.
        path: String,
    }

    /// setData, reconfig.
    SetDataTxn {
        /// The znode.
        path: String,
        /// Its new content.
        data: Option<Bytes>,
        /// Its new version.
        version: i32,
    }

    /// setACL.
    SetAclTxn {
        /// The znode.
        path: String,
        /// Who may do what.
        acl: Vec<Acl>,
        /// Its new ACL version.
        version: i32,
    }

    /// check, inside of a multi.
    CheckVersionTxn {
        /// The znode.
        path: String,
        /// The version that was checked.
        version: i32,
    }

    /// createSession.
    CreateSessionTxn {
        /// The session's timeout in milliseconds.
        timeout_ms: i32,
    }
}

/// create, create2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateTxn {
    /// The new znode.
    pub path: String,
    /// Its content.
    pub data: Option<Bytes>,
    /// Who may do what.
    pub acl: Vec<Acl>,
    /// Does it go with the session of the header?
    pub ephemeral: bool,
    /// The parent's count of created children, this one included; -1: one more than now.
    pub parent_cversion: i32,
}

impl Jute for CreateTxn {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(CreateTxn {
            path: Jute::read(reader)?,
            data: Jute::read(reader)?,
            acl: Jute::read(reader)?,
            ephemeral: Jute::read(reader)?,
            parent_cversion: if reader.remaining() == 0 { -1 } else { Jute::read(reader)? },
        })
    }

    fn write(&self, out: &mut Writer) {
        self.path.write(out);
        self.data.write(out);
        self.acl.write(out);
        self.ephemeral.write(out);
        self.parent_cversion.write(out);
    }
}

/// A transaction's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Txn {
    /// create.
    Create(CreateTxn),
    /// create2.
    Create2(CreateTxn),
    /// createContainer.
    CreateContainer(CreateContainerTxn),
    /// createTTL.
    CreateTtl(CreateTtlTxn),
    /// delete.
    Delete(DeleteTxn),
    /// deleteContainer.
    DeleteContainer(DeleteTxn),
    /// setData.
    SetData(SetDataTxn),
    /// reconfig.
    Reconfig(SetDataTxn),
    /// setACL.
    SetAcl(SetAclTxn),
    /// check, inside of a multi.
    Check(CheckVersionTxn),
    /// multi: its operations, or only errors if it failed.
    Multi(Vec<Txn>),
    /// createSession.
    CreateSession(CreateSessionTxn),
    /// closeSession: the ephemeral znodes that go; `None` in logs of servers before 3.6.
    CloseSession(Option<Vec<String>>),
    /// A request that failed.
    Error(ErrorCode),
}

impl Txn {
    /// Its op code, as in [`TxnHeader::op`].
    pub fn op(&self) -> OpCode {
        match self {
            Txn::Create(_) => OpCode::Create,
            Txn::Create2(_) => OpCode::Create2,
            Txn::CreateContainer(_) => OpCode::CreateContainer,
            Txn::CreateTtl(_) => OpCode::CreateTtl,
            Txn::Delete(_) => OpCode::Delete,
            Txn::DeleteContainer(_) => OpCode::DeleteContainer,
            Txn::SetData(_) => OpCode::SetData,
            Txn::Reconfig(_) => OpCode::Reconfig,
            Txn::SetAcl(_) => OpCode::SetAcl,
            Txn::Check(_) => OpCode::Check,
            Txn::Multi(_) => OpCode::Multi,
            Txn::CreateSession(_) => OpCode::CreateSession,
            Txn::CloseSession(_) => OpCode::CloseSession,
            Txn::Error(_) => OpCode::Error,
        }
    }

    /// Reads the record of a transaction of type `op`.
    ///
    /// # Errors
    /// [`DecodeError`] when `op` is no transaction, or the bytes are not its record.
    pub fn read(op: i32, reader: &mut Reader) -> Result<Txn, DecodeError> {
        let at = reader.position();
        Ok(match OpCode::from_code(op) {
            Some(OpCode::Create) => Txn::Create(Jute::read(reader)?),
            Some(OpCode::Create2) => Txn::Create2(Jute::read(reader)?),
            Some(OpCode::CreateContainer) => Txn::CreateContainer(Jute::read(reader)?),
            Some(OpCode::CreateTtl) => Txn::CreateTtl(Jute::read(reader)?),
            Some(OpCode::Delete) => Txn::Delete(Jute::read(reader)?),
            Some(OpCode::DeleteContainer) => Txn::DeleteContainer(Jute::read(reader)?),
            Some(OpCode::SetData) => Txn::SetData(Jute::read(reader)?),
            Some(OpCode::Reconfig) => Txn::Reconfig(Jute::read(reader)?),
            Some(OpCode::SetAcl) => Txn::SetAcl(Jute::read(reader)?),
            Some(OpCode::Check) => Txn::Check(Jute::read(reader)?),
            Some(OpCode::Multi) => Txn::Multi(read_multi(reader)?),
            Some(OpCode::CreateSession) => Txn::CreateSession(Jute::read(reader)?),
            Some(OpCode::CloseSession) if reader.remaining() == 0 => Txn::CloseSession(None),
            Some(OpCode::CloseSession) => Txn::CloseSession(Jute::read(reader)?),
            Some(OpCode::Error) => Txn::Error(i32::read(reader)?.into()),
            _ => return Err(DecodeError::BadValue { at, value: op, what: "transaction type" }),
        })
    }

    /// Appends the record.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Txn::Create(record) | Txn::Create2(record) => record.write(out),
            Txn::CreateContainer(record) => record.write(out),
            Txn::CreateTtl(record) => record.write(out),
            Txn::Delete(record) | Txn::DeleteContainer(record) => record.write(out),
            Txn::SetData(record) | Txn::Reconfig(record) => record.write(out),
            Txn::SetAcl(record) => record.write(out),
            Txn::Check(record) => record.write(out),
            Txn::Multi(parts) => {
                (parts.len() as i32).write(out);
                for part in parts {
                    part.op().code().write(out);
                    out.framed(|out| part.write(out));
                }
            }
            Txn::CreateSession(record) => record.write(out),
            Txn::CloseSession(Some(paths)) => paths.write(out),
            Txn::CloseSession(None) => {}
            Txn::Error(code) => code.code().write(out),
        }
    }
}

fn read_multi(reader: &mut Reader) -> Result<Vec<Txn>, DecodeError> {
    let count = i32::read(reader)?;
    let mut parts = Vec::new();
    for _ in 0..count.max(0) {
        let at = reader.position();
        let op = i32::read(reader)?;
        if op == OpCode::Multi.code() {
            // A part is never a multi; refusing it bounds the recursion.
            return Err(DecodeError::BadValue { at, value: op, what: "part of a multi transaction" });
        }
        let record = Option::<Bytes>::read(reader)?.unwrap_or_default();
        parts.push(Txn::read(op, &mut Reader::new(record))?);
    }
    Ok(parts)
}

/// One entry of the log: what stands between its checksum and its end mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTxn {
    /// Who, when, which.
    pub header: TxnHeader,
    /// What.
    pub txn: Txn,
    /// The tree's digest behind it; older servers, and errors, have none.
    pub digest: Option<TxnDigest>,
}

impl Jute for LoggedTxn {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let header = TxnHeader::read(reader)?;
        let txn = Txn::read(header.op, reader)?;
        let digest = if reader.remaining() >= 12 { Some(TxnDigest::read(reader)?) } else { None };
        Ok(LoggedTxn { header, txn, digest })
    }

    fn write(&self, out: &mut Writer) {
        self.header.write(out);
        self.txn.write(out);
        if let Some(digest) = &self.digest {
            if self.txn == Txn::CloseSession(None) {
                // Not just left out, or the digest would be read as the list.
                (-1).write(out);
            }
            digest.write(out);
        }
    }
}

#[cfg(test)]
mod tests;
