//! IncrementalAlterConfigs (44): set, delete, append to or subtract from single settings.
//!
//! Sent by admin clients to any broker; about a broker's own settings to that broker.

messages! {
    IncrementalAlterConfigs

    /// Resources with operations.
    struct Request {
        0..     resources: Vec<AlterConfigsResource>;
        0..     validate_only: bool;
    }

    struct AlterConfigsResource {
        0..     resource_type: i8;
        0..     resource_name: String;
        0..     configs: Vec<AlterableConfig>;
    }

    struct AlterableConfig {
        0..     name: String;
        /// 0: set; 1: delete; 2: append to a list; 3: subtract from a list.
        0..     config_operation: i8;
        0..     value: Option<String>;
    }

    /// One result per resource.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     responses: Vec<AlterConfigsResourceResponse>;
    }

    struct AlterConfigsResourceResponse {
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     resource_type: i8;
        0..     resource_name: String;
    }
}
