//! Settings of brokers.
