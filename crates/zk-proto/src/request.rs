//! Any request, any response: the body that belongs to an op code.

use bytes::Bytes;

use crate::jute::{DecodeError, Jute, Reader, Writer};
use crate::multi::{self, MultiOp, MultiResult};
use crate::ops::{
    AddWatchRequest, AuthPacket, CheckVersionRequest, CheckWatchesRequest, Create2Response, CreateRequest,
    CreateResponse, CreateTtlRequest, DeleteRequest, ErrorResponse, ExistsRequest, ExistsResponse, GetAclRequest,
    GetAclResponse, GetAllChildrenNumberRequest, GetAllChildrenNumberResponse, GetChildren2Response,
    GetChildrenRequest, GetChildrenResponse, GetDataRequest, GetDataResponse, GetEphemeralsRequest,
    GetEphemeralsResponse, OpCode, ReconfigRequest, RemoveWatchesRequest, SaslRequest, SaslResponse, SetAclRequest,
    SetAclResponse, SetDataRequest, SetDataResponse, SetWatches, SetWatches2, SyncRequest, SyncResponse,
    WhoAmIResponse,
};

/// A request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// create.
    Create(CreateRequest),
    /// create2.
    Create2(CreateRequest),
    /// createContainer.
    CreateContainer(CreateRequest),
    /// createTTL.
    CreateTtl(CreateTtlRequest),
    /// delete.
    Delete(DeleteRequest),
    /// deleteContainer: the path, as raw bytes without a length.
    DeleteContainer(Bytes),
    /// exists.
    Exists(ExistsRequest),
    /// getData.
    GetData(GetDataRequest),
    /// setData.
    SetData(SetDataRequest),
    /// getACL.
    GetAcl(GetAclRequest),
    /// setACL.
    SetAcl(SetAclRequest),
    /// getChildren.
    GetChildren(GetChildrenRequest),
    /// getChildren2.
    GetChildren2(GetChildrenRequest),
    /// sync.
    Sync(SyncRequest),
    /// ping.
    Ping,
    /// check outside of a multi, which servers refuse.
    Check(CheckVersionRequest),
    /// multi.
    Multi(Vec<MultiOp>),
    /// multiRead.
    MultiRead(Vec<MultiOp>),
    /// reconfig.
    Reconfig(ReconfigRequest),
    /// checkWatches.
    CheckWatches(CheckWatchesRequest),
    /// removeWatches.
    RemoveWatches(RemoveWatchesRequest),
    /// auth.
    Auth(AuthPacket),
    /// setWatches.
    SetWatches(SetWatches),
    /// setWatches2.
    SetWatches2(SetWatches2),
    /// sasl.
    Sasl(SaslRequest),
    /// getEphemerals.
    GetEphemerals(GetEphemeralsRequest),
    /// getAllChildrenNumber.
    GetAllChildrenNumber(GetAllChildrenNumberRequest),
    /// addWatch.
    AddWatch(AddWatchRequest),
    /// whoAmI.
    WhoAmI,
    /// closeSession.
    CloseSession,
}

impl Request {
    /// Reads the body of an `op`.
    ///
    /// # Errors
    /// `Ok(None)` if no client sends this op; [`DecodeError`] when the bytes are not its body.
    pub fn read(op: OpCode, reader: &mut Reader) -> Result<Option<Request>, DecodeError> {
        Ok(Some(match op {
            OpCode::Create => Request::Create(Jute::read(reader)?),
            OpCode::Create2 => Request::Create2(Jute::read(reader)?),
            OpCode::CreateContainer => Request::CreateContainer(Jute::read(reader)?),
            OpCode::CreateTtl => Request::CreateTtl(Jute::read(reader)?),
            OpCode::Delete => Request::Delete(Jute::read(reader)?),
            OpCode::DeleteContainer => Request::DeleteContainer(reader.rest()),
            OpCode::Exists => Request::Exists(Jute::read(reader)?),
            OpCode::GetData => Request::GetData(Jute::read(reader)?),
            OpCode::SetData => Request::SetData(Jute::read(reader)?),
            OpCode::GetAcl => Request::GetAcl(Jute::read(reader)?),
            OpCode::SetAcl => Request::SetAcl(Jute::read(reader)?),
            OpCode::GetChildren => Request::GetChildren(Jute::read(reader)?),
            OpCode::GetChildren2 => Request::GetChildren2(Jute::read(reader)?),
            OpCode::Sync => Request::Sync(Jute::read(reader)?),
            OpCode::Ping => Request::Ping,
            OpCode::Check => Request::Check(Jute::read(reader)?),
            OpCode::Multi => Request::Multi(multi::read_ops(reader, false)?),
            OpCode::MultiRead => Request::MultiRead(multi::read_ops(reader, true)?),
            OpCode::Reconfig => Request::Reconfig(Jute::read(reader)?),
            OpCode::CheckWatches => Request::CheckWatches(Jute::read(reader)?),
            OpCode::RemoveWatches => Request::RemoveWatches(Jute::read(reader)?),
            OpCode::Auth => Request::Auth(Jute::read(reader)?),
            OpCode::SetWatches => Request::SetWatches(Jute::read(reader)?),
            OpCode::SetWatches2 => Request::SetWatches2(Jute::read(reader)?),
            OpCode::Sasl => Request::Sasl(Jute::read(reader)?),
            OpCode::GetEphemerals => Request::GetEphemerals(Jute::read(reader)?),
            OpCode::GetAllChildrenNumber => Request::GetAllChildrenNumber(Jute::read(reader)?),
            OpCode::AddWatch => Request::AddWatch(Jute::read(reader)?),
            OpCode::WhoAmI => Request::WhoAmI,
            OpCode::CloseSession => Request::CloseSession,
            OpCode::Notification | OpCode::CreateSession | OpCode::Error => return Ok(None),
        }))
    }

    /// Its op code.
    pub fn op(&self) -> OpCode {
        match self {
            Request::Create(_) => OpCode::Create,
            Request::Create2(_) => OpCode::Create2,
            Request::CreateContainer(_) => OpCode::CreateContainer,
            Request::CreateTtl(_) => OpCode::CreateTtl,
            Request::Delete(_) => OpCode::Delete,
            Request::DeleteContainer(_) => OpCode::DeleteContainer,
            Request::Exists(_) => OpCode::Exists,
            Request::GetData(_) => OpCode::GetData,
            Request::SetData(_) => OpCode::SetData,
            Request::GetAcl(_) => OpCode::GetAcl,
            Request::SetAcl(_) => OpCode::SetAcl,
            Request::GetChildren(_) => OpCode::GetChildren,
            Request::GetChildren2(_) => OpCode::GetChildren2,
            Request::Sync(_) => OpCode::Sync,
            Request::Ping => OpCode::Ping,
            Request::Check(_) => OpCode::Check,
            Request::Multi(_) => OpCode::Multi,
            Request::MultiRead(_) => OpCode::MultiRead,
            Request::Reconfig(_) => OpCode::Reconfig,
            Request::CheckWatches(_) => OpCode::CheckWatches,
            Request::RemoveWatches(_) => OpCode::RemoveWatches,
            Request::Auth(_) => OpCode::Auth,
            Request::SetWatches(_) => OpCode::SetWatches,
            Request::SetWatches2(_) => OpCode::SetWatches2,
            Request::Sasl(_) => OpCode::Sasl,
            Request::GetEphemerals(_) => OpCode::GetEphemerals,
            Request::GetAllChildrenNumber(_) => OpCode::GetAllChildrenNumber,
            Request::AddWatch(_) => OpCode::AddWatch,
            Request::WhoAmI => OpCode::WhoAmI,
            Request::CloseSession => OpCode::CloseSession,
        }
    }

    /// Appends the body (not the header).
    pub fn write(&self, out: &mut Writer) {
        match self {
            Request::Create(body) | Request::Create2(body) | Request::CreateContainer(body) => body.write(out),
            Request::CreateTtl(body) => body.write(out),
            Request::Delete(body) => body.write(out),
            Request::DeleteContainer(path) => out.raw(path),
            Request::Exists(body) => body.write(out),
            Request::GetData(body) => body.write(out),
            Request::SetData(body) => body.write(out),
            Request::GetAcl(body) => body.write(out),
            Request::SetAcl(body) => body.write(out),
            Request::GetChildren(body) | Request::GetChildren2(body) => body.write(out),
            Request::Sync(body) => body.write(out),
            Request::Ping | Request::WhoAmI | Request::CloseSession => {}
            Request::Check(body) => body.write(out),
            Request::Multi(ops) | Request::MultiRead(ops) => multi::write_ops(ops, out),
            Request::Reconfig(body) => body.write(out),
            Request::CheckWatches(body) => body.write(out),
            Request::RemoveWatches(body) => body.write(out),
            Request::Auth(body) => body.write(out),
            Request::SetWatches(body) => body.write(out),
            Request::SetWatches2(body) => body.write(out),
            Request::Sasl(body) => body.write(out),
            Request::GetEphemerals(body) => body.write(out),
            Request::GetAllChildrenNumber(body) => body.write(out),
            Request::AddWatch(body) => body.write(out),
        }
    }
}

/// The body of a successful reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// delete, ping, auth, setWatches, checkWatches, removeWatches, closeSession.
    Empty,
    /// create.
    Create(CreateResponse),
    /// create2, createContainer, createTTL.
    Create2(Create2Response),
    /// exists.
    Exists(ExistsResponse),
    /// getData, reconfig.
    GetData(GetDataResponse),
    /// setData.
    SetData(SetDataResponse),
    /// getACL.
    GetAcl(GetAclResponse),
    /// setACL.
    SetAcl(SetAclResponse),
    /// getChildren.
    GetChildren(GetChildrenResponse),
    /// getChildren2.
    GetChildren2(GetChildren2Response),
    /// sync.
    Sync(SyncResponse),
    /// multi, multiRead.
    Multi(Vec<MultiResult>),
    /// sasl.
    Sasl(SaslResponse),
    /// getEphemerals.
    GetEphemerals(GetEphemeralsResponse),
    /// getAllChildrenNumber.
    GetAllChildrenNumber(GetAllChildrenNumberResponse),
    /// addWatch.
    AddWatch(ErrorResponse),
    /// whoAmI.
    WhoAmI(WhoAmIResponse),
}

impl Response {
    /// Reads the body of the reply to an `op`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not its body.
    pub fn read(op: OpCode, reader: &mut Reader) -> Result<Response, DecodeError> {
        Ok(match op {
            OpCode::Create => Response::Create(Jute::read(reader)?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => Response::Create2(Jute::read(reader)?),
            OpCode::Exists => Response::Exists(Jute::read(reader)?),
            OpCode::GetData | OpCode::Reconfig => Response::GetData(Jute::read(reader)?),
            OpCode::SetData => Response::SetData(Jute::read(reader)?),
            OpCode::GetAcl => Response::GetAcl(Jute::read(reader)?),
            OpCode::SetAcl => Response::SetAcl(Jute::read(reader)?),
            OpCode::GetChildren => Response::GetChildren(Jute::read(reader)?),
            OpCode::GetChildren2 => Response::GetChildren2(Jute::read(reader)?),
            OpCode::Sync => Response::Sync(Jute::read(reader)?),
            OpCode::Multi | OpCode::MultiRead => Response::Multi(multi::read_results(reader)?),
            OpCode::Sasl => Response::Sasl(Jute::read(reader)?),
            OpCode::GetEphemerals => Response::GetEphemerals(Jute::read(reader)?),
            OpCode::GetAllChildrenNumber => Response::GetAllChildrenNumber(Jute::read(reader)?),
            OpCode::AddWatch => Response::AddWatch(Jute::read(reader)?),
            OpCode::WhoAmI => Response::WhoAmI(Jute::read(reader)?),
            OpCode::Notification
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::Ping
            | OpCode::Check
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CreateSession
            | OpCode::CloseSession
            | OpCode::Error => Response::Empty,
        })
    }

    /// Appends the body (not the header).
    pub fn write(&self, out: &mut Writer) {
        match self {
            Response::Empty => {}
            Response::Create(body) => body.write(out),
            Response::Create2(body) => body.write(out),
            Response::Exists(body) => body.write(out),
            Response::GetData(body) => body.write(out),
            Response::SetData(body) => body.write(out),
            Response::GetAcl(body) => body.write(out),
            Response::SetAcl(body) => body.write(out),
            Response::GetChildren(body) => body.write(out),
            Response::GetChildren2(body) => body.write(out),
            Response::Sync(body) => body.write(out),
            Response::Multi(results) => multi::write_results(results, out),
            Response::Sasl(body) => body.write(out),
            Response::GetEphemerals(body) => body.write(out),
            Response::GetAllChildrenNumber(body) => body.write(out),
            Response::AddWatch(body) => body.write(out),
            Response::WhoAmI(body) => body.write(out),
        }
    }
}
