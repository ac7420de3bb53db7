//! SyncGroup (14): the leader of a generation hands over the assignment, everybody else collects theirs.
//!
//! Sent by consumers to the group's coordinator after JoinGroup. The answer waits for the leader's request.

use bytes::Bytes;

messages! {
    SyncGroup

    /// Who, in which generation; from the leader with assignments.
    struct Request {
        0..     group_id: String;
        0..     generation_id: i32;
        0..     member_id: String;
        3..     group_instance_id: Option<String> = null;
        5..     protocol_type: Option<String> = null, ignorable;
        5..     protocol_name: Option<String> = null, ignorable;
        0..     assignments: Vec<SyncGroupRequestAssignment>;
    }

    struct SyncGroupRequestAssignment {
        0..     member_id: String;
        0..     assignment: Bytes;
    }

    /// The member's own assignment.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..     error_code: i16;
        5..     protocol_type: Option<String> = null, ignorable;
        5..     protocol_name: Option<String> = null, ignorable;
        0..     assignment: Bytes;
    }
}

questions! {
    /// Static members name themselves.
    carries_group_instance_id: 3..;
    /// Protocol type and name are there, and must be those of the generation.
    carries_protocol: 5..;
}
