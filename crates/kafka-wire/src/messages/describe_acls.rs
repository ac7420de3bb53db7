//! DescribeAcls (29): list ACLs that match a filter.
//!
//! Sent by admin clients to any broker.

messages! {
    DescribeAcls

    /// The filter; null matches anything.
    struct Request {
        0..     resource_type_filter: i8;
        0..     resource_name_filter: Option<String>;
        1..     pattern_type_filter: i8 = 3;
        0..     principal_filter: Option<String>;
        0..     host_filter: Option<String>;
        0..     operation: i8;
        0..     permission_type: i8;
    }

    /// ACLs by resource pattern.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     resources: Vec<DescribeAclsResource>;
    }

    struct DescribeAclsResource {
        0..     resource_type: i8;
        0..     resource_name: String;
        1..     pattern_type: i8 = 3;
        0..     acls: Vec<AclDescription>;
    }

    struct AclDescription {
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
