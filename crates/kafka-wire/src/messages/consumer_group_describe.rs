//! ConsumerGroupDescribe (69): state of KIP-848 groups.
//!
//! Sent by tools. A ZooKeeper-mode broker announces it and answers UNSUPPORTED_VERSION.

use kafka_types::Uuid;

messages! {
    ConsumerGroupDescribe

    /// Which groups.
    struct Request {
        0..     group_ids: Vec<String>;
        0..     include_authorized_operations: bool;
    }

    /// One description per group.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     groups: Vec<DescribedGroup>;
    }

    struct DescribedGroup {
        0..     error_code: i16;
        0..     error_message: Option<String> = null;
        0..     group_id: String;
        0..     group_state: String;
        0..     group_epoch: i32;
        0..     assignment_epoch: i32;
        0..     assignor_name: String;
        0..     members: Vec<Member>;
        0..     authorized_operations: i32 = -2_147_483_648;
    }

    struct Member {
        0..     member_id: String;
        0..     instance_id: Option<String> = null;
        0..     rack_id: Option<String> = null;
        0..     member_epoch: i32;
        0..     client_id: String;
        0..     client_host: String;
        0..     subscribed_topic_names: Vec<String>;
        0..     subscribed_topic_regex: Option<String> = null;
        0..     assignment: Assignment;
        0..     target_assignment: Assignment;
    }

    struct Assignment {
        0..     topic_partitions: Vec<TopicPartitions>;
    }

    struct TopicPartitions {
        0..     topic_id: Uuid;
        0..     topic_name: String;
        0..     partitions: Vec<i32>;
    }
}
