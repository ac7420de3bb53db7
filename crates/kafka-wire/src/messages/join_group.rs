//! JoinGroup (11): become or stay a member, and enter the next generation of a group.
//!
//! Sent by consumers to the group's coordinator. The answer waits until the generation is formed; the leader of the
//! generation gets everybody's metadata and computes the assignment.

use bytes::Bytes;

messages! {
    JoinGroup

    /// A member and what it can do.
    struct Request {
        0..     group_id: String;
        /// Without a heartbeat for so long the member is dead, in ms.
        0..     session_timeout_ms: i32;
        /// How long the group waits for this member to rejoin, in ms; -1: the session timeout.
        1..     rebalance_timeout_ms: i32 = -1, ignorable;
        /// Empty: I have none yet.
        0..     member_id: String;
        /// Name of a static member (KIP-345).
        5..     group_instance_id: Option<String> = null;
        /// `consumer` for consumers, `connect` for Connect.
        0..     protocol_type: String;
        /// Assignment strategies in order of preference, each with the member's metadata for it.
        0..     protocols: Vec<JoinGroupRequestProtocol>;
        /// Why it (re)joins, for the coordinator's log.
        8..     reason: Option<String> = null, ignorable;
    }

    struct JoinGroupRequestProtocol {
        0..     name: String;
        0..     metadata: Bytes;
    }

    /// The generation and the member's part in it.
    struct Response {
        2..     throttle_time_ms: i32, ignorable;
        0..     error_code: i16;
        0..     generation_id: i32 = -1;
        7..     protocol_type: Option<String> = null, ignorable;
        0..     protocol_name: Option<String>, null_from 7;
        /// Member id of the leader.
        0..     leader: String;
        /// The leader need not compute an assignment; the old one holds.
        9..     skip_assignment: bool;
        0..     member_id: String;
        /// For the leader only.
        0..     members: Vec<JoinGroupResponseMember>;
    }

    struct JoinGroupResponseMember {
        0..     member_id: String;
        5..     group_instance_id: Option<String> = null, ignorable;
        0..     metadata: Bytes;
    }
}

questions! {
    /// The rebalance timeout is there; before, the session timeout stands for it.
    carries_rebalance_timeout: 1..;
    /// A new dynamic member gets MEMBER_ID_REQUIRED and an id first, and joins with that (KIP-394).
    requires_member_id: 4..;
    /// Static members name themselves (KIP-345).
    carries_group_instance_id: 5..;
    /// The response may have a null protocol; before, an empty one stands for it.
    allows_null_protocol: 7..;
    /// The response may tell the leader that the assignment stays.
    carries_skip_assignment: 9..;
}
