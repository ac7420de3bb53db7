//! DeleteTopics (20): delete topics, by name or (version 6) by id.
//!
//! Sent by admin clients to the controller.

use kafka_types::Uuid;

messages! {
    DeleteTopics

    /// Which topics; see [`Version::uses_topic_states`].
    struct Request {
        6..     topics: Vec<DeleteTopicState>;
        0..=5   topic_names: Vec<String>, ignorable;
        0..     timeout_ms: i32;
    }

    struct DeleteTopicState {
        6..     name: Option<String> = null;
        6..     topic_id: Uuid;
    }

    /// Per topic: deletion begun, or why not.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..     responses: Vec<DeletableTopicResult>;
    }

    struct DeletableTopicResult {
        0..     name: Option<String>, null_from 6;
        6..     topic_id: Uuid, ignorable;
        0..     error_code: i16;
        5..     error_message: Option<String> = null, ignorable;
    }
}
