//! Transactions across partitions (KIP-98, KIP-360, KIP-890 part 1), without I/O: a request becomes records and
//! replies, a record becomes state.
//!
//! One [`Coordinator`] serves the transactional ids of one `__transaction_state` partition. It is told what happens
//! ([`Event`]) and says what to do ([`Effect`]). A transaction changes only when its record is known to be committed,
//! through the same code that replays the log; what is decided and not yet committed is *pending*, and whoever asks
//! meanwhile is told `CONCURRENT_TRANSACTIONS`.
#![deny(missing_docs)]

mod config;
mod coordinator;
mod effect;
mod end_txn;
mod expiry;
mod init_producer;
mod partitions;
mod pending;
mod queries;
mod records;
mod request;
mod transaction;

pub use config::Config;
pub use coordinator::Coordinator;
pub use effect::{
    AppendToken, Description, Effect, Event, KeyValue, ListReply, Listing, MarkersToWrite, MarkersToken, Reply,
    ReplyToken,
};
pub use queries::unknown_states;
pub use request::{AddPartitions, EndTransaction, InitProducer, ListFilter, Request};
pub use transaction::State;

/// A record of `__transaction_state` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub String);
