//! DeleteGroups (42): delete groups that have no members.
//!
//! Sent by admin clients to the groups' coordinator.

messages! {
    DeleteGroups

    /// Which groups.
    struct Request {
        0..     groups_names: Vec<String>;
    }

    /// One result per group.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     results: Vec<DeletableGroupResult>;
    }

    struct DeletableGroupResult {
        0..     group_id: String;
        0..     error_code: i16;
    }
}
