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

questions! {
    /// The client understands TOPIC_DELETION_DISABLED; older ones are told INVALID_REQUEST.
    knows_topic_deletion_disabled: 3..;
    /// The client understands THROTTLING_QUOTA_EXCEEDED.
    knows_throttling_quota_exceeded: 5..;
    /// Topics are in `topics`, by name or id; before, in `topic_names`.
    uses_topic_states: 6..;
}

impl Request {
    /// The topics to delete, each by name or by id, wherever the version has them.
    pub fn states(&self) -> impl Iterator<Item = (Option<&str>, Uuid)> {
        let named = self.topic_names.iter().map(|name| (Some(name.as_str()), Uuid::ZERO));
        named.chain(self.topics.iter().map(|topic| (topic.name.as_deref(), topic.topic_id)))
    }
}
