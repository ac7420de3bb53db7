//! Op codes, create modes, and the request and response bodies of each operation.

use bytes::Bytes;

use crate::acl::{Acl, Id};
use crate::ids::Zxid;
use crate::jute::records;
use crate::stat::Stat;

macro_rules! op_codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal,)*) => {
        /// The kind of a request or transaction (`ZooDefs.OpCode`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum OpCode {
            $($(#[$meta])* $name = $code,)*
        }

        impl OpCode {
            /// The op with this number; `None` if there is none.
            pub fn from_code(code: i32) -> Option<OpCode> {
                match code {
                    $($code => Some(OpCode::$name),)*
                    _ => None,
                }
            }
        }
    };
}

op_codes! {
    /// Server to client only.
    Notification = 0,
    /// [`CreateRequest`] -> [`CreateResponse`].
    Create = 1,
    /// [`DeleteRequest`] -> nothing.
    Delete = 2,
    /// [`ExistsRequest`] -> [`ExistsResponse`].
    Exists = 3,
    /// [`GetDataRequest`] -> [`GetDataResponse`].
    GetData = 4,
    /// [`SetDataRequest`] -> [`SetDataResponse`].
    SetData = 5,
    /// [`GetAclRequest`] -> [`GetAclResponse`].
    GetAcl = 6,
    /// [`SetAclRequest`] -> [`SetAclResponse`].
    SetAcl = 7,
    /// [`GetChildrenRequest`] -> [`GetChildrenResponse`].
    GetChildren = 8,
    /// [`SyncRequest`] -> [`SyncResponse`].
    Sync = 9,
    /// Nothing -> nothing.
    Ping = 11,
    /// [`GetChildrenRequest`] -> [`GetChildren2Response`].
    GetChildren2 = 12,
    /// [`CheckVersionRequest`], inside of a multi only.
    Check = 13,
    /// See [`crate::multi`].
    Multi = 14,
    /// [`CreateRequest`] -> [`Create2Response`].
    Create2 = 15,
    /// [`ReconfigRequest`] -> [`GetDataResponse`].
    Reconfig = 16,
    /// [`CheckWatchesRequest`] -> nothing.
    CheckWatches = 17,
    /// [`RemoveWatchesRequest`] -> nothing.
    RemoveWatches = 18,
    /// [`CreateRequest`] -> [`Create2Response`].
    CreateContainer = 19,
    /// Raw path bytes; made by servers.
    DeleteContainer = 20,
    /// [`CreateTtlRequest`] -> [`Create2Response`].
    CreateTtl = 21,
    /// See [`crate::multi`].
    MultiRead = 22,
    /// [`AuthPacket`] -> nothing.
    Auth = 100,
    /// [`SetWatches`] -> nothing.
    SetWatches = 101,
    /// [`SaslRequest`] -> [`SaslResponse`].
    Sasl = 102,
    /// [`GetEphemeralsRequest`] -> [`GetEphemeralsResponse`].
    GetEphemerals = 103,
    /// [`GetAllChildrenNumberRequest`] -> [`GetAllChildrenNumberResponse`].
    GetAllChildrenNumber = 104,
    /// [`SetWatches2`] -> nothing.
    SetWatches2 = 105,
    /// [`AddWatchRequest`] -> [`ErrorResponse`].
    AddWatch = 106,
    /// Nothing -> [`WhoAmIResponse`].
    WhoAmI = 107,
    /// Transaction: a session begins.
    CreateSession = -10,
    /// Nothing -> nothing; transaction: a session ends.
    CloseSession = -11,
    /// Transaction of a failed request; failed result inside of a multi.
    Error = -1,
}

impl OpCode {
    /// The number on the wire.
    pub fn code(self) -> i32 {
        self as i32
    }
}

/// What kind of znode to create (`flags` of the create requests).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(i32)]
pub enum CreateMode {
    /// Stays until it is deleted.
    #[default]
    Persistent = 0,
    /// Goes with its session.
    Ephemeral = 1,
    /// Persistent, with a counter of ten digits appended to its name.
    PersistentSequential = 2,
    /// Ephemeral, with a counter of ten digits appended to its name.
    EphemeralSequential = 3,
    /// May be deleted by the server once its last child is gone.
    Container = 4,
    /// May be deleted by the server once it was not changed for its time to live.
    PersistentTtl = 5,
    /// With a time to live and a counter.
    PersistentSequentialTtl = 6,
}

impl CreateMode {
    /// The mode of these flags; `None` if there is none.
    pub fn from_flags(flags: i32) -> Option<CreateMode> {
        Some(match flags {
            0 => CreateMode::Persistent,
            1 => CreateMode::Ephemeral,
            2 => CreateMode::PersistentSequential,
            3 => CreateMode::EphemeralSequential,
            4 => CreateMode::Container,
            5 => CreateMode::PersistentTtl,
            6 => CreateMode::PersistentSequentialTtl,
            _ => return None,
        })
    }

    /// The number on the wire.
    pub fn flags(self) -> i32 {
        self as i32
    }

    /// Does it go with its session?
    pub fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }

    /// Does it get a counter?
    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential | CreateMode::PersistentSequentialTtl
        )
    }

    /// Is it a container?
    pub fn is_container(self) -> bool {
        self == CreateMode::Container
    }

    /// Has it a time to live?
    pub fn is_ttl(self) -> bool {
        matches!(self, CreateMode::PersistentTtl | CreateMode::PersistentSequentialTtl)
    }
}

/// Numbers in [`WatcherEvent`].
pub mod event {
    /// A change of the session's state only; made by clients.
    pub const NONE: i32 = -1;
    /// The znode was created.
    pub const NODE_CREATED: i32 = 1;
    /// The znode was deleted.
    pub const NODE_DELETED: i32 = 2;
    /// The znode's data was set.
    pub const NODE_DATA_CHANGED: i32 = 3;
    /// A child was created or deleted.
    pub const NODE_CHILDREN_CHANGED: i32 = 4;
    /// The only state a server sends.
    pub const STATE_SYNC_CONNECTED: i32 = 3;
}

records! {
    /// create, create2, createContainer.
    CreateRequest {
        /// Where, for sequential znodes without the counter.
        path: String,
        /// Content; null is not empty.
        data: Option<Bytes>,
        /// Who may do what.
        acl: Vec<Acl>,
        /// See [`CreateMode`].
        flags: i32,
    }

    /// createTTL.
    CreateTtlRequest {
        /// Where, for sequential znodes without the counter.
        path: String,
        /// Content; null is not empty.
        data: Option<Bytes>,
        /// Who may do what.
        acl: Vec<Acl>,
        /// See [`CreateMode`].
        flags: i32,
        /// Time to live in milliseconds.
        ttl: i64,
    }

    /// create.
    CreateResponse {
        /// The name it got.
        path: String,
    }

    /// create2, createContainer, createTTL.
    Create2Response {
        /// The name it got.
        path: String,
        /// Its counters.
        stat: Stat,
    }

    /// delete.
    DeleteRequest {
        /// Which znode.
        path: String,
        /// Expected version, -1 for any.
        version: i32,
    }

    /// exists.
    ExistsRequest {
        /// Which znode.
        path: String,
        /// Leave a watch.
        watch: bool,
    }

    /// exists.
    ExistsResponse {
        /// Its counters.
        stat: Stat,
    }

    /// getData.
    GetDataRequest {
        /// Which znode.
        path: String,
        /// Leave a watch.
        watch: bool,
    }

    /// getData, reconfig.
    GetDataResponse {
        /// Content; null is not empty.
        data: Option<Bytes>,
        /// Its counters.
        stat: Stat,
    }

    /// setData.
    SetDataRequest {
        /// Which znode.
        path: String,
        /// New content; null is not empty.
        data: Option<Bytes>,
        /// Expected version, -1 for any.
        version: i32,
    }

    /// setData.
    SetDataResponse {
        /// Its counters.
        stat: Stat,
    }

    /// getACL.
    GetAclRequest {
        /// Which znode.
        path: String,
    }

    /// getACL.
    GetAclResponse {
        /// Who may do what.
        acl: Vec<Acl>,
        /// Its counters.
        stat: Stat,
    }

    /// setACL.
    SetAclRequest {
        /// Which znode.
        path: String,
        /// Who may do what.
        acl: Vec<Acl>,
        /// Expected ACL version, -1 for any.
        version: i32,
    }

    /// setACL.
    SetAclResponse {
        /// Its counters.
        stat: Stat,
    }

    /// getChildren, getChildren2.
    GetChildrenRequest {
        /// Which znode.
        path: String,
        /// Leave a watch.
        watch: bool,
    }

    /// getChildren.
    GetChildrenResponse {
        /// Names without the parent's path, in any order.
        children: Vec<String>,
    }

    /// getChildren2.
    GetChildren2Response {
        /// Names without the parent's path, in any order.
        children: Vec<String>,
        /// Counters of the parent.
        stat: Stat,
    }

    /// sync.
    SyncRequest {
        /// Comes back in the reply.
        path: String,
    }

    /// sync.
    SyncResponse {
        /// As in the request.
        path: String,
    }

    /// check, inside of a multi.
    CheckVersionRequest {
        /// Which znode.
        path: String,
        /// Expected version, -1 for any.
        version: i32,
    }

    /// reconfig.
    ReconfigRequest {
        /// Servers to add.
        joining_servers: Option<String>,
        /// Servers to remove.
        leaving_servers: Option<String>,
        /// The whole new membership.
        new_members: Option<String>,
        /// Expected configuration id, -1 for any.
        cur_config_id: i64,
    }

    /// checkWatches.
    CheckWatchesRequest {
        /// Which znode.
        path: String,
        /// 1 children, 2 data, 3 any.
        kind: i32,
    }

    /// removeWatches.
    RemoveWatchesRequest {
        /// Which znode.
        path: String,
        /// 1 children, 2 data, 3 any.
        kind: i32,
    }

    /// auth.
    AuthPacket {
        /// Always 0.
        kind: i32,
        /// Which kind of identity.
        scheme: Option<String>,
        /// The proof.
        auth: Option<Bytes>,
    }

    /// setWatches: the one-shot watches a client had before it reconnected.
    SetWatches {
        /// The last transaction the client knows.
        relative_zxid: Zxid,
        /// Paths with data watches on znodes that existed.
        data_watches: Vec<String>,
        /// Paths with watches on znodes that did not exist.
        exist_watches: Vec<String>,
        /// Paths with child watches.
        child_watches: Vec<String>,
    }

    /// setWatches2.
    SetWatches2 {
        /// The last transaction the client knows.
        relative_zxid: Zxid,
        /// Paths with data watches on znodes that existed.
        data_watches: Vec<String>,
        /// Paths with watches on znodes that did not exist.
        exist_watches: Vec<String>,
        /// Paths with child watches.
        child_watches: Vec<String>,
        /// Paths with persistent watches.
        persistent_watches: Vec<String>,
        /// Paths with persistent recursive watches.
        persistent_recursive_watches: Vec<String>,
    }

    /// sasl.
    SaslRequest {
        /// The mechanism's token.
        token: Option<Bytes>,
    }

    /// sasl.
    SaslResponse {
        /// The mechanism's token.
        token: Option<Bytes>,
    }

    /// getEphemerals.
    GetEphemeralsRequest {
        /// Only paths that begin so; empty and `/` are all.
        prefix_path: String,
    }

    /// getEphemerals.
    GetEphemeralsResponse {
        /// Paths of the session's ephemeral znodes.
        ephemerals: Vec<String>,
    }

    /// getAllChildrenNumber.
    GetAllChildrenNumberRequest {
        /// Which znode.
        path: String,
    }

    /// getAllChildrenNumber.
    GetAllChildrenNumberResponse {
        /// How many znodes are below it, at any depth.
        total_number: i32,
    }

    /// addWatch.
    AddWatchRequest {
        /// Which znode.
        path: String,
        /// 0 persistent, 1 persistent and recursive.
        mode: i32,
    }

    /// addWatch; failed results inside of a multi.
    ErrorResponse {
        /// See [`ErrorCode`](crate::ErrorCode).
        err: i32,
    }

    /// Part of [`WhoAmIResponse`].
    ClientInfo {
        /// Which kind of identity.
        auth_scheme: String,
        /// Who.
        user: String,
    }

    /// whoAmI.
    WhoAmIResponse {
        /// The ids of the connection.
        client_info: Vec<ClientInfo>,
    }

    /// Body of a notification.
    WatcherEvent {
        /// See [`event`].
        kind: i32,
        /// See [`event::STATE_SYNC_CONNECTED`].
        state: i32,
        /// Which znode.
        path: String,
    }
}

impl From<Id> for ClientInfo {
    fn from(id: Id) -> ClientInfo {
        ClientInfo { auth_scheme: id.scheme, user: id.id }
    }
}

impl From<SetWatches> for SetWatches2 {
    fn from(old: SetWatches) -> SetWatches2 {
        SetWatches2 {
            relative_zxid: old.relative_zxid,
            data_watches: old.data_watches,
            exist_watches: old.exist_watches,
            child_watches: old.child_watches,
            ..SetWatches2::default()
        }
    }
}

impl From<CreateTtlRequest> for CreateRequest {
    fn from(with_ttl: CreateTtlRequest) -> CreateRequest {
        CreateRequest { path: with_ttl.path, data: with_ttl.data, acl: with_ttl.acl, flags: with_ttl.flags }
    }
}
