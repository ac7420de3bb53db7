//! Async ZooKeeper client used by the broker, the tools and the tests.
//!
//! [`Client::connect`] starts a task on the current tokio runtime that keeps one session alive: it finds a server, pings,
//! finds another one when the connection breaks, and sets all watches again. Calls go out in the order in which they
//! were *made*, not awaited, and as many of them as the caller likes are on their way at the same time. Events come from
//! the [`EventReceiver`], each of them before the reply that shows its change.
//!
//! What a lost connection means is left to the caller, as with Apache's client: calls without a reply fail with
//! [`Error::ConnectionLoss`], and whether a write among them happened is unknown.
#![deny(missing_docs)]

mod auth;
mod client;
mod connection;
mod error;
mod hosts;
mod multi;
mod path;
mod security;
mod session;
mod watcher;

pub use auth::digest;
pub use client::{Call, Client, Options, SessionKey, State};
pub use error::Error;
pub use multi::{Op, OpResult};
pub use path::check as check_path;
pub use security::{Login, Security, SecurityError};
pub use watcher::{Event, EventKind, EventReceiver, WatchedEvent, WatcherType};
