//! CreatePartitions (37): add partitions to topics.
//!
//! Sent by admin clients to the controller.

messages! {
    CreatePartitions

    /// Topics with their new number of partitions.
    struct Request {
        0..     topics: Vec<CreatePartitionsTopic>;
        0..     timeout_ms: i32;
        0..     validate_only: bool;
    }

    struct CreatePartitionsTopic {
        0..     name: String;
        /// The new total.
        0..     count: i32;
        /// Replicas of the new partitions; null: let the controller choose.
        0..     assignments: Option<Vec<CreatePartitionsAssignment>>;
    }

    struct CreatePartitionsAssignment {
        0..     broker_ids: Vec<i32>;
    }

    /// Per topic: begun, or why not.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     results: Vec<CreatePartitionsTopicResult>;
    }

    struct CreatePartitionsTopicResult {
        0..     name: String;
        0..     error_code: i16;
        0..     error_message: Option<String> = null;
    }
}

questions! {
    /// The client understands THROTTLING_QUOTA_EXCEEDED.
    knows_throttling_quota_exceeded: 3..;
}
