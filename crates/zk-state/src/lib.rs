//! The replicated state machine: znodes, sessions, ephemerals, plus the server-local watch tables. Pure.
//!
//! A write goes through two halves. [`ZkState::prepare`] looks (at the state and at what is [`Pending`]) and decides: it
//! gives the transaction, a failed request's too, with its zxid and the digest that the tree will have behind it.
//! [`ZkState::apply`] takes a transaction and changes state, and decides nothing: live traffic and recovery share it.
//! Reads are answered from the applied state by [`read`]; who is to be told of a change, [`Watches`] knows.
#![deny(missing_docs)]

mod distinguished_name;
pub mod path;

pub mod acl;
mod arena;
pub mod auth;
mod children;
pub mod digest;
pub mod digest_history;
pub mod node;
mod nodes;
pub mod tree;

pub mod expiry;
pub mod session;

pub mod apply;
pub mod pending;
pub mod prepare;
pub mod quota;
pub mod read;
pub mod snapshot;
pub mod watch;

mod state;

pub use apply::{Applied, NodeEvent, Outcome};
pub use auth::Schemes;
pub use digest_history::DigestHistory;
pub use expiry::Expiry;
pub use node::NodeRef;
pub use pending::Pending;
pub use prepare::{Asker, Rules, Write, is_write};
pub use quota::QuotaExceeded;
pub use snapshot::{DumpCursor, DumpNode, LoadError, Loader};
pub use state::ZkState;
pub use watch::{Notice, WatchKinds, WatcherId, Watches};
