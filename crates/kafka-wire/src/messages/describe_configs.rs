//! DescribeConfigs (32): settings of topics, brokers and broker loggers.
//!
//! Sent by admin clients; about a broker's own settings to that broker.

messages! {
    DescribeConfigs

    /// Resources and keys; null keys: all.
    struct Request {
        0..     resources: Vec<DescribeConfigsResource>;
        1..     include_synonyms: bool;
        3..     include_documentation: bool;
    }

    struct DescribeConfigsResource {
        0..     resource_type: i8;
        0..     resource_name: String;
        0..     configuration_keys: Option<Vec<String>>;
    }

    /// Settings with their sources and synonyms.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     results: Vec<DescribeConfigsResult>;
    }

    struct DescribeConfigsResult {
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     resource_type: i8;
        0..     resource_name: String;
        0..     configs: Vec<DescribeConfigsResourceResult>;
    }

    struct DescribeConfigsResourceResult {
        0..     name: String;
        0..     value: Option<String>;
        0..     read_only: bool;
        0..=0   is_default: bool;
        /// See [`DescribeConfigsSynonym::source`].
        1..     config_source: i8 = -1, ignorable;
        0..     is_sensitive: bool;
        1..     synonyms: Vec<DescribeConfigsSynonym>, ignorable;
        3..     config_type: i8, ignorable;
        3..     documentation: Option<String>, ignorable;
    }

    struct DescribeConfigsSynonym {
        1..     name: String;
        1..     value: Option<String>;
        /// 1: topic; 2: one broker, dynamic; 3: all brokers, dynamic; 4: server.properties; 5: default; 6: logger.
        1..     source: i8;
    }
}

questions! {
    /// Sources and synonyms are there; before, only whether a value is the default.
    carries_sources: 1..;
    /// Types and documentation are there.
    carries_documentation: 3..;
}
