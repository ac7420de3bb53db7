//! CreateAcls (30): add ACLs.
//!
//! Sent by admin clients to any broker.

messages! {
    CreateAcls

    /// The ACLs.
    struct Request {
        0..     creations: Vec<AclCreation>;
    }

    struct AclCreation {
        0..     resource_type: i8;
        0..     resource_name: String;
        1..     resource_pattern_type: i8 = 3;
        0..     principal: String;
        0..     host: String;
        0..     operation: i8;
        0..     permission_type: i8;
    }

    /// One result per ACL, in order.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     results: Vec<AclCreationResult>;
    }

    struct AclCreationResult {
        0..     error_code: i16;
        0..     error_message: Option<String>;
    }
}

questions! {
    /// Patterns have types; before, all are literal.
    carries_pattern_type: 1..;
}
