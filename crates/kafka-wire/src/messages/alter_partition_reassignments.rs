//! AlterPartitionReassignments (45): move partitions to other brokers, or cancel that.
//!
//! Sent by admin clients to the controller.

messages! {
    AlterPartitionReassignments

    /// Partitions with their new replicas; null replicas: cancel.
    struct Request {
        0..     timeout_ms: i32 = 60000;
        0..     topics: Vec<ReassignableTopic>;
    }

    struct ReassignableTopic {
        0..     name: String;
        0..     partitions: Vec<ReassignablePartition>;
    }

    struct ReassignablePartition {
        0..     partition_index: i32;
        0..     replicas: Option<Vec<i32>> = null;
    }

    /// Per partition: begun, or why not.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     responses: Vec<ReassignableTopicResponse>;
    }

    struct ReassignableTopicResponse {
        0..     name: String;
        0..     partitions: Vec<ReassignablePartitionResponse>;
    }

    struct ReassignablePartitionResponse {
        0..     partition_index: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
    }
}
