//! The store as a server uses it: golden directories of the real ZooKeeper, crashes after every call, damaged files,
//! snapshots under writes.
#![allow(clippy::unwrap_used, reason = "a test that fails here has found something")]

mod crash;
mod damage;
mod fuzzy;
mod golden;
mod refusals;
mod support;
