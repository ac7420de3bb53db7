//! CreateTopics (19): create topics.
//!
//! Sent by admin clients to the controller.

use kafka_types::Uuid;

messages! {
    CreateTopics

    /// Topics with sizes or manual assignments, and configs.
    struct Request {
        0..     topics: Vec<CreatableTopic>;
        /// How long to wait until the topics have leaders, in ms.
        0..     timeout_ms: i32 = 60000;
        /// Check, create nothing.
        1..     validate_only: bool;
    }

    struct CreatableTopic {
        0..     name: String;
        /// -1: the broker's default, or as many as are assigned.
        0..     num_partitions: i32;
        /// -1: the broker's default, or as assigned.
        0..     replication_factor: i16;
        0..     assignments: Vec<CreatableReplicaAssignment>;
        0..     configs: Vec<CreatableTopicConfig>;
    }

    struct CreatableReplicaAssignment {
        0..     partition_index: i32;
        0..     broker_ids: Vec<i32>;
    }

    struct CreatableTopicConfig {
        0..     name: String;
        0..     value: Option<String>;
    }

    /// Per topic: created as so, or why not.
    struct Response {
        2..     throttle_time_ms: i32, ignorable;
        0..     topics: Vec<CreatableTopicResult>;
    }

    struct CreatableTopicResult {
        0..     name: String;
        7..     topic_id: Uuid, ignorable;
        0..     error_code: i16;
        1..     error_message: Option<String>, ignorable;
        /// The configs could not be told (no permission); the topic is there.
        5..     topic_config_error_code: i16, ignorable, tag 0;
        5..     num_partitions: i32 = -1, ignorable;
        5..     replication_factor: i16 = -1, ignorable;
        5..     configs: Option<Vec<CreatableTopicConfigs>>, ignorable;
    }

    struct CreatableTopicConfigs {
        5..     name: String;
        5..     value: Option<String>;
        5..     read_only: bool;
        5..     config_source: i8 = -1, ignorable;
        5..     is_sensitive: bool;
    }
}

questions! {
    /// Creation can be tried without doing it.
    carries_validate_only: 1..;
    /// -1 as the number of partitions or replicas asks for the broker's default.
    allows_default_sizes: 4..;
    /// Sizes and configs of the new topic are in the answer.
    returns_configs: 5..;
    /// The client understands THROTTLING_QUOTA_EXCEEDED.
    knows_throttling_quota_exceeded: 6..;
    /// The new topic's id is in the answer.
    returns_topic_id: 7..;
}
