//! DeleteAcls (31): remove the ACLs that match filters.
//!
//! Sent by admin clients to any broker.

messages! {
    DeleteAcls

    /// The filters.
    struct Request {
        0..     filters: Vec<DeleteAclsFilter>;
    }

    struct DeleteAclsFilter {
        0..     resource_type_filter: i8;
        0..     resource_name_filter: Option<String>;
        1..     pattern_type_filter: i8 = 3;
        0..     principal_filter: Option<String>;
        0..     host_filter: Option<String>;
        0..     operation: i8;
        0..     permission_type: i8;
    }

    /// Per filter: what was removed.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     filter_results: Vec<DeleteAclsFilterResult>;
    }

    struct DeleteAclsFilterResult {
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     matching_acls: Vec<DeleteAclsMatchingAcl>;
    }

    struct DeleteAclsMatchingAcl {
        0..     error_code: i16, uncounted;
        0..     error_message: Option<String>;
        0..     resource_type: i8;
        0..     resource_name: String;
        1..     pattern_type: i8 = 3;
        0..     principal: String;
        0..     host: String;
        0..     operation: i8;
        0..     permission_type: i8;
    }
}

questions! {
    /// Patterns have types; before, all are literal.
    carries_pattern_type: 1..;
}
