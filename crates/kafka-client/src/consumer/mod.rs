//! The consumer.

pub mod assignors;
mod fetched;
pub mod membership;
pub mod positions;
mod session;
