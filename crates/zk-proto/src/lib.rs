//! The jute codec and every record ZooKeeper puts on a wire or on a disk. No behaviour.
//!
//! Records have Apache's names and field order (`zookeeper.jute` of release 3.8.4); all numbers are big-endian, records
//! are concatenated fields without tags or versions. Reading is [`jute::Jute::read`] on a [`jute::Reader`], writing is
//! [`jute::Jute::write`] on a [`jute::Writer`].
#![deny(missing_docs)]

pub mod acl;
pub mod connect;
pub mod error_code;
pub mod header;
pub mod ids;
pub mod jute;
pub mod multi;
pub mod ops;
pub mod request;
pub mod stat;
pub mod txn;

pub use acl::{Acl, Id, Permissions};
pub use connect::{ConnectRequest, ConnectResponse};
pub use error_code::ErrorCode;
pub use header::{ReplyHeader, RequestHeader};
pub use ids::{SessionId, Zxid};
pub use jute::{DecodeError, Jute, Reader, Writer};
pub use multi::{MultiOp, MultiResult};
pub use ops::{CreateMode, OpCode};
pub use request::{Request, Response};
pub use stat::{Stat, StatPersisted};
pub use txn::{LoggedTxn, Txn, TxnDigest, TxnHeader};
