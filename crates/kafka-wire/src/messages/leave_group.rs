//! LeaveGroup (13): leave a group, so that the others need not wait for a timeout.
//!
//! Sent by consumers that close, and by tools that remove static members; see [`Version::is_batched`].

messages! {
    LeaveGroup

    /// Who leaves.
    struct Request {
        0..     group_id: String;
        0..=2   member_id: String;
        3..     members: Vec<MemberIdentity>;
    }

    struct MemberIdentity {
        3..     member_id: String;
        3..     group_instance_id: Option<String> = null;
        /// For the coordinator's log.
        5..     reason: Option<String> = null, ignorable;
    }

    /// Done, or why not; per member in batched versions.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..     error_code: i16;
        3..     members: Vec<MemberResponse>;
    }

    struct MemberResponse {
        3..     member_id: String;
        3..     group_instance_id: Option<String>;
        3..     error_code: i16;
    }
}

questions! {
    /// Several members at once, in `members`, also by `group_instance_id`.
    is_batched: 3..;
}
