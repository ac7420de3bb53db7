//! AlterConfigs (33): replace all settings of a resource. Old; see IncrementalAlterConfigs.
//!
//! Sent by admin clients to any broker; about a broker's own settings to that broker.

messages! {
    AlterConfigs

    /// Resources with all the settings they shall have.
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
