//! The way of a request: connection, dispatch, handler, and back.

pub(crate) mod acceptor;
mod connection;
mod dispatch;
mod ends;

pub(crate) use dispatch::served_versions;
