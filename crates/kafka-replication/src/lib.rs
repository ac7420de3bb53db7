//! The heart of replication as arithmetic on offsets: one partition, as its leader and as its followers see it.
//!
//! Nothing in here knows a log, a socket or a clock. A shell tells a [`Leader`] what was appended and who fetched from
//! where, and performs its [`Effect`]s; three replicas in a loop are a lab exercise of a few lines (see the tests of
//! `leader.rs`).
#![deny(missing_docs)]

mod acks;
mod effect;
mod epoch;
mod follower;
mod isr;
mod leader;
mod replica;

pub use acks::{Progress, may_append};
pub use effect::{Effect, Isr};
pub use epoch::{Fencing, check_epoch, takes_over};
pub use follower::{Divergence, high_watermark, truncate_to};
pub use isr::{IsrAnswer, IsrRefusal};
pub use leader::{Leader, Leadership, Settings};
pub use replica::{Replica, Transition};
