//! The consumer.

pub mod assignors;
mod fetched;
mod fetcher;
pub mod membership;
pub mod positions;
mod session;
