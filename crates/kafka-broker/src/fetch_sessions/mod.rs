//! Fetch sessions (KIP-227): the broker remembers what a client reads, so that a request names only what changed and an
//! answer tells only what is news.
//!
//! Plain values without clock and locks: [`SessionCache`] decides which sessions there are, [`Session`] what a request
//! reads and what an answer tells. `handlers/fetch.rs` puts locks around them, because a session may be continued on
//! another connection, and so on another shard.

mod cache;
mod session;

pub(crate) use cache::{Origin, SessionCache};
pub(crate) use session::{Asked, FetchTopic, News, Session, Wanted, next_epoch};
