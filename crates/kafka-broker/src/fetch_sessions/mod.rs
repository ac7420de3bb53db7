//! Fetch sessions (KIP-227): the broker remembers what a client reads, so that a request names only what changed and an
//! answer tells only what is news.
//!
//! Values without clock: `cache.rs` decides which sessions there are, [`Session`] what a request reads and what an answer
//! tells. There are locks around them, because a session may be continued on another connection, and so on another shard.

mod cache;
mod session;
mod shards;

pub(crate) use cache::{Origin, SessionCounts};
pub(crate) use session::{Asked, FetchTopic, News, Session, Wanted, next_epoch};
pub(crate) use shards::FetchSessions;
