//! FindCoordinator (10): which broker coordinates a group or a transactional id.
//!
//! Sent by consumers, transactional producers and tools to any broker.

messages! {
    FindCoordinator

    /// The keys to look up; see [`Version::is_batched`].
    struct Request {
        0..=3   key: String;
        /// 0: group; 1: transactional id; 2: share group.
        1..     key_type: i8;
        4..     coordinator_keys: Vec<String>;
    }

    /// The coordinator, or one per key.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..=3   error_code: i16;
        1..=3   error_message: Option<String>, ignorable;
        0..=3   node_id: i32;
        0..=3   host: String;
        0..=3   port: i32;
        4..     coordinators: Vec<Coordinator>;
    }

    struct Coordinator {
        4..     key: String;
        4..     node_id: i32;
        4..     host: String;
        4..     port: i32;
        4..     error_code: i16;
        4..     error_message: Option<String>, ignorable;
    }
}

questions! {
    /// Transaction coordinators may be asked for; before, the key is a group.
    carries_key_type: 1..;
    /// Several keys at once, in `coordinator_keys`, with answers in `coordinators`.
    is_batched: 4..;
    /// Coordinators of share groups may be asked for.
    knows_share_groups: 6..;
}
