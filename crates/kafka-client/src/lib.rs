//! Producer, consumer, admin, and the connection brokers use between themselves.
pub mod consumer;
