//! ConsumerGroupHeartbeat (68): everything a member of a KIP-848 group has to say.
//!
//! Sent by consumers with `group.protocol=consumer`. A ZooKeeper-mode broker announces it and answers UNSUPPORTED_VERSION.

use kafka_types::Uuid;

messages! {
    ConsumerGroupHeartbeat

    /// The member's state.
    struct Request {
        0..     group_id: String;
        0..     member_id: String;
        0..     member_epoch: i32;
        0..     instance_id: Option<String> = null;
        0..     rack_id: Option<String> = null;
        0..     rebalance_timeout_ms: i32 = -1;
        0..     subscribed_topic_names: Option<Vec<String>> = null;
        0..     server_assignor: Option<String> = null;
        0..     topic_partitions: Option<Vec<TopicPartitions>> = null;
    }

    struct TopicPartitions {
        0..     topic_id: Uuid;
        0..     partitions: Vec<i32>;
    }

    /// Epoch and target assignment.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String> = null;
        0..     member_id: Option<String> = null;
        0..     member_epoch: i32;
        0..     heartbeat_interval_ms: i32;
        0..     assignment: Option<Assignment> = null;
    }

    struct Assignment {
        0..     topic_partitions: Vec<ResponseTopicPartitions>;
    }

    struct ResponseTopicPartitions {
        0..     topic_id: Uuid;
        0..     partitions: Vec<i32>;
    }
}
