//! The way of a request: connection, dispatch, handler, and back.

pub(crate) mod acceptor;
mod connection;
mod dispatch;

pub(crate) use dispatch::served_versions;
