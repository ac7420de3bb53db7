//! Consumer groups and committed offsets, without I/O: a request becomes records and replies, a record becomes state.
//!
//! One [`Coordinator`] serves the groups of one `__consumer_offsets` partition. It is told what happens ([`Event`])
//! and says what to do ([`Effect`]). Offsets and stored assignments change only when a record is known to be
//! committed, through the same code that replays the log; membership, timers and parked replies live in memory and are
//! lost with the coordinator, as the protocol expects.
#![deny(missing_docs)]

mod administration;
mod config;
mod coordinator;
mod effect;
mod group;
mod heartbeat;
mod join;
mod member;
mod names;
mod offsets;
mod pending;
mod records;
mod request;
mod small_map;
mod sync;
mod timers;

pub use config::Config;
pub use coordinator::{Coordinator, Replayed};
pub use effect::{
    AppendToken, DeleteOffsetsReply, Effect, Event, FetchedOffset, GroupDescription, GroupFacts, GroupListing,
    JoinReply, JoinedMember, KeyValue, LeaveReply, LeftMember, ListReply, MemberDescription, OffsetFetchReply, Reply,
    ReplyToken, SyncReply,
};
pub use request::{
    Heartbeat, Join, Leave, LeavingMember, OffsetCommit, OffsetFetch, OffsetToCommit, Request, Sync, TxnOffsetCommit,
};

/// A record of `__consumer_offsets` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub String);
