//! Starts and stops clusters, ours and Apache's, for the tests.
