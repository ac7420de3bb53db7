//! Sockets for both servers and both clients.
//!
//! Both protocols put four bytes of length before every message; so the accept loop, the frames, the way a reply
//! leaves (bytes and file ranges in order) and the way a server ends are here, once.
#![deny(missing_docs)]

pub mod backoff;
pub mod frame;
pub mod listener;
pub mod memory;
pub mod port_owner;
pub mod send;
pub mod shutdown;
pub mod stream;
pub mod tls;

pub use backoff::Backoff;
pub use frame::{FrameError, FrameReader};
pub use listener::{Accepted, Admission, Incoming, Limits, Listener, Queues, Refusal, WhenFull};
pub use memory::{Grant, Memory};
pub use port_owner::port_owner;
pub use send::{Piece, SendError, send_all};
pub use shutdown::{Shutdown, ShutdownWatch, Signals, exit_code};
pub use stream::{ReadHalf, Stream, WriteHalf};
