//! Settings of topics.
