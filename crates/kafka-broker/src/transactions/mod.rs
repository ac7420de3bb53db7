//! Transactions across shards and brokers: what their coordinators want done, and who may write.

pub(crate) mod markers;
pub(crate) mod tasks;
pub(crate) mod verification;
