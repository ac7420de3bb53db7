//! Leader and follower rules of one partition.
