//! DescribeGroups (15): state, protocol and members of groups.
//!
//! Sent by tools to the groups' coordinator.

use bytes::Bytes;

messages! {
    DescribeGroups

    /// Which groups.
    struct Request {
        0..     groups: Vec<String>;
        3..     include_authorized_operations: bool;
    }

    /// One description per group; an unknown group is `Dead`.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..     groups: Vec<DescribedGroup>;
    }

    struct DescribedGroup {
        0..     error_code: i16;
        0..     group_id: String;
        /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`.
        0..     group_state: String;
        0..     protocol_type: String;
        0..     protocol_data: String;
        0..     members: Vec<DescribedGroupMember>;
        /// Bit field of ACL operations; i32::MIN: not asked for.
        3..     authorized_operations: i32 = -2_147_483_648;
    }

    struct DescribedGroupMember {
        0..     member_id: String;
        4..     group_instance_id: Option<String> = null, ignorable;
        0..     client_id: String;
        0..     client_host: String;
        0..     member_metadata: Bytes;
        0..     member_assignment: Bytes;
    }
}

questions! {
    /// Operations the caller may do can be asked for.
    carries_authorized_operations: 3..;
    /// Static members are named.
    carries_group_instance_id: 4..;
}
