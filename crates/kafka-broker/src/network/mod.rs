//! The way of a request: connection, dispatch, handler, and back.

mod acceptor;
mod connection;
mod dispatch;
mod ends;
pub(crate) mod listeners;
mod pipeline;
pub(crate) mod seats;

pub(crate) use dispatch::served_versions;
